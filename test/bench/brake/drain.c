/*
 * Memory that comes back: drain anon|memfd BYTES steps|slow|stall TIME. Touches all of it, says "ready", waits for a line,
 * gives it back, and ends. steps: a 20th every TIME ms; slow: TIME MiB a second; stall: nothing for TIME ms, then all.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static char *memory;
static int file = -1;
static struct timespec due;

/* By the clock, not by the pauses between: what the giving back takes is part of the time. */
static void waitFor(long ns) {
  due.tv_nsec += ns % 1000000000;
  due.tv_sec += ns / 1000000000 + due.tv_nsec / 1000000000;
  due.tv_nsec %= 1000000000;
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
}

static void giveBack(size_t from, size_t length) {
  if (file < 0) madvise(memory + from, length, MADV_DONTNEED);
  else fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)length);
}

static void inPieces(size_t size, size_t piece, long pauseNs) {
  for (size_t from = 0; from < size; from += piece) {
    waitFor(pauseNs);
    giveBack(from, size - from < piece ? size - from : piece);
  }
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  const size_t size = strtoull(argv[2], NULL, 10) & ~(size_t)0xfffff;
  const long times = atol(argv[4]);
  if (times < 1) return 2;
  if (strcmp(argv[1], "memfd") == 0) {
    file = memfd_create("guest-ram", 0);
    if (ftruncate(file, (off_t)size) != 0) return 1;
  }
  memory = mmap(NULL, size, PROT_READ | PROT_WRITE, file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) return 1;
  if (madvise(memory, size, MADV_POPULATE_WRITE) != 0) memset(memory, 1, size);
  puts("ready");
  fflush(stdout);
  if (getchar() == EOF) return 1;
  clock_gettime(CLOCK_MONOTONIC, &due);
  if (strcmp(argv[3], "steps") == 0) inPieces(size, size / 20 & ~(size_t)0xfffff, times * 1000000);
  else if (strcmp(argv[3], "slow") == 0) inPieces(size, 1 << 20, 1000000000 / times);
  else waitFor(times * 1000000);
  return 0;
}
