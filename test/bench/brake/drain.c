/*
 * Memory that comes back: drain anon|memfd BYTES steps|slow|stall. Touches all of it, says "ready", waits for a line, gives it
 * back, and ends. steps: a 20th every 250 ms; slow: 20 MiB a second; stall: nothing for 8 s, then all.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char *memory;
static int file = -1;

static void giveBack(size_t from, size_t length) {
  if (file < 0) madvise(memory + from, length, MADV_DONTNEED);
  else fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)length);
}

static void inPieces(size_t size, size_t piece, unsigned pauseUs) {
  for (size_t from = 0; from < size; from += piece) {
    usleep(pauseUs);
    giveBack(from, size - from < piece ? size - from : piece);
  }
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  const size_t size = strtoull(argv[2], NULL, 10) & ~(size_t)0xfffff;
  if (strcmp(argv[1], "memfd") == 0) {
    file = memfd_create("guest-ram", 0);
    if (ftruncate(file, (off_t)size) != 0) return 1;
  }
  memory = mmap(NULL, size, PROT_READ | PROT_WRITE, file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) return 1;
  memset(memory, 1, size);
  puts("ready");
  fflush(stdout);
  if (getchar() == EOF) return 1;
  if (strcmp(argv[3], "steps") == 0) inPieces(size, size / 20 & ~(size_t)0xfffff, 250000);
  else if (strcmp(argv[3], "slow") == 0) inPieces(size, 1 << 20, 50000);
  else sleep(8);
  return 0;
}
