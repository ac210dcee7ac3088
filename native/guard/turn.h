/* One guard at a time holds the brake of a machine: whose turn it is. Must not know: brakes, words. */
#ifndef DOMCTL_GUARD_TURN_H
#define DOMCTL_GUARD_TURN_H

/* A descriptor of the file that the turn is held on, or -1 with errno. */
int openTurn(const char *path);

/* Waits for the turn, `ms` at the most; 0, or EAGAIN: whoever has it does not give it up. */
int awaitTurn(int fd, int ms);

/* Whoever waits for the turn may have it now. */
void offerTurn(int fd);

/* After an offer: 0 when nobody took it, and it is ours as before. */
int retakeTurn(int fd);

#endif
