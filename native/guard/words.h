/* What daemon and guard say to each other: lines of text, each way. Must not know what comes of them. */
#ifndef DOMCTL_GUARD_WORDS_H
#define DOMCTL_GUARD_WORDS_H

#include <stdint.h>

enum WordKind { kBeat, kBound, kDrain, kThaw, kBrake, kLift, kUnknown };

struct Word {
  enum WordKind kind;
  /* Of `bound`, bytes; of `thaw`, milliseconds. */
  int64_t number;
  /* Of `drain`. */
  const char *path;
};

enum { kLongestLine = 8192 };

/* Bytes of the daemon that are no whole line yet. */
struct Ear {
  char text[kLongestLine];
  int length;
  /* Of the line that was taken last: overwritten by the next read. */
  int taken;
};

/* Takes in what there is; 0 when the daemon's end is closed, for good. */
int listenTo(struct Ear *ear, int fd);

/* The next whole line, taken apart; 0: there is none. */
int nextWord(struct Ear *ear, struct Word *word);

/* Says a line, unless nobody reads: then it is lost, and nothing waits for it. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
