/*
 * A third domain: worker CPU. Goes to that processor if there is one, and reads and writes 64 MiB of its own here and there,
 * for ever. Says every 50 ms "MS COUNT": the monotonic clock, and how often it has done so.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { kWords = 8 << 20, kBurst = 4096 };

static double nowMs(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(atoi(argv[1]), &set);
  sched_setaffinity(0, sizeof set, &set);
  uint64_t *words = mmap(NULL, kWords * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (words == MAP_FAILED) return 1;
  uint64_t at = 1, count = 0;
  for (double saidAt = nowMs();;) {
    for (int i = 0; i < kBurst; i++) {
      at = at * 6364136223846793005u + 1442695040888963407u;
      words[at >> 41] += at;
    }
    count += kBurst;
    const double ms = nowMs();
    if (ms - saidAt < 50) continue;
    saidAt = ms;
    printf("%.3f %ju\n", ms, (uintmax_t)count);
    if (fflush(stdout) != 0) return 0;
  }
}
