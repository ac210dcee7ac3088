/*
 * What a hypervisor is to its cgroup: machine BYTES THREADS. A main thread that answers each line with a line, and threads
 * that wait for "go", then write to a page after the other as fast as they can, over and over. Says "ready", then their ids.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char *memory;
static size_t pages;
static atomic_size_t next;
static pthread_barrier_t start;

static void *dirty(void *unused) {
  printf("%d ", gettid());
  pthread_barrier_wait(&start);
  for (;;) ++*(volatile char *)(memory + 4096 * (atomic_fetch_add(&next, 1) % pages));
  return unused;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  const int threads = atoi(argv[2]);
  pages = strtoull(argv[1], NULL, 10) / 4096;
  memory = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED || threads < 1) return 1;
  madvise(memory, pages * 4096, MADV_NOHUGEPAGE);
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
