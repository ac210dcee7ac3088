/*
 * A lock of flock(2) on a file that only the owner of the cgroup can open. It goes with whoever dies. A guard whose daemon
 * is gone offers its turn for as long as it sleeps between two looks, so that the next daemon's has it within one.
 */
#define _GNU_SOURCE
#include "turn.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

int openTurn(const char *path) { return open(path, O_WRONLY | O_CLOEXEC); }

int retakeTurn(int fd) { return flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : errno; }

int awaitTurn(int fd, int ms) {
  int error;
  while ((error = retakeTurn(fd)) != 0 && ms-- > 0) usleep(1000);
  return error;
}

void offerTurn(int fd) { flock(fd, LOCK_UN); }
