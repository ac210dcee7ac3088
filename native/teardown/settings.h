/* What the ASYNC_TEARDOWN_ variables say. */
#ifndef ASYNC_TEARDOWN_SETTINGS_H
#define ASYNC_TEARDOWN_SETTINGS_H

#include <stdint.h>

enum { kMostThreads = 64 };

struct Settings {
  uint32_t threads;
  uint32_t gentle;          /* one thread, at most rateBytes a second */
  uint32_t preferredVictim; /* of the OOM killer, once the program is gone */
  uint64_t chunkBytes;      /* a multiple of 2 MiB */
  uint64_t minimumBytes;    /* that the program holds at its end; below it the helper only leaves */
  uint64_t rateBytes;
};

/* Whether this process is the one ASYNC_TEARDOWN_PROGRAM names. False when it names none. */
int isProgramMeant(void);

/* Fills `settings`. What cannot be understood is named on standard error, and 0 is returned. */
int readSettings(struct Settings *settings);

/* Takes the library's variables out of the environment, so that what this process starts inherits nothing. */
void forgetEnvironment(void);

#endif
