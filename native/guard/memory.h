/* What a cgroup holds, read again and again through descriptors that stay open. Must not know: VMs, bounds, freezers. */
#ifndef DOMCTL_GUARD_MEMORY_H
#define DOMCTL_GUARD_MEMORY_H

#include <stdint.h>

/* One cgroup's memory files, of either hierarchy. */
struct Memory {
  int current;
  int stat;
  /* -1: the kernel has none. */
  int swap;
  /* As last read; bytes. */
  int64_t held;
  /* The directory is removed: it holds nothing any more. */
  int isGone;
};

/* 0, or an errno. A directory that is not there is gone, which is no error. */
int openMemory(struct Memory *memory, const char *directory);

/*
 * Bytes held: charges and swap less what the kernel can drop. What cannot be read this time is as it was the last time:
 * unknown is not zero.
 */
int64_t readMemory(struct Memory *memory);

#endif
