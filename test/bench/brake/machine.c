/*
 * What a hypervisor is to its cgroup: machine BYTES THREADS. A main thread that answers each line with a line, and threads
 * that wait for "go", then take 64 KiB after 64 KiB of memory as fast as they can, over and over. Says "ready", then their ids.
 * The kernel is asked for each piece at once, as KVM asks it for a guest: page by page it would be the faults that are slow
 * where a processor is emulated, and no drain would ever be slower.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { kPiece = 64 << 10 };

static char *memory;
static size_t pieces;
static atomic_size_t next;
static pthread_barrier_t start;

static void take(char *piece) {
  if (madvise(piece, kPiece, MADV_POPULATE_WRITE) == 0) return;
  for (size_t at = 0; at < kPiece; at += 4096) ++*(volatile char *)(piece + at);
}

static void *dirty(void *unused) {
  printf("%d ", gettid());
  pthread_barrier_wait(&start);
  for (;;) take(memory + (size_t)kPiece * (atomic_fetch_add(&next, 1) % pieces));
  return unused;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  const int threads = atoi(argv[2]);
  pieces = strtoull(argv[1], NULL, 10) / kPiece;
  memory = mmap(NULL, pieces * kPiece, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED || threads < 1) return 1;
  madvise(memory, pieces * kPiece, MADV_NOHUGEPAGE);
  pthread_barrier_init(&start, NULL, (unsigned)threads + 1);
  for (int i = 0; i < threads; i++) pthread_create(&(pthread_t){0}, NULL, dirty, NULL);
  usleep(200000);
  puts("");
  fflush(stdout);
  for (char line[64]; fgets(line, sizeof line, stdin);) {
    if (strcmp(line, "go\n") == 0) pthread_barrier_wait(&start);
    fputs(line, stdout);
    fflush(stdout);
  }
  return 0;
}
