/* Held = charged + swap - page cache - slab that can be dropped: the sum of cgroups/memory.ts, for the same two sets of files. */
#define _GNU_SOURCE
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* More than any kernel's memory.stat. */
enum { kTextSize = 16384 };

/* The totals of v1 count children in, as all of v2 does: threaded children hold nothing, and are no matter. */
static const struct {
  const char *name;
  int sign;
} kKeys[] = {
    {"active_file", -1},       {"inactive_file", -1},       {"slab_reclaimable", -1},
    {"total_active_file", -1}, {"total_inactive_file", -1}, {"total_swap", 1},
};

static int openIn(int directory, const char *name) { return openat(directory, name, O_RDONLY | O_CLOEXEC); }

static int isRemoved(int error) { return error == ENOENT || error == ENODEV; }

int openMemory(struct Memory *memory, const char *path) {
  *memory = (struct Memory){.current = -1, .stat = -1, .swap = -1};
  const int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0 && isRemoved(errno)) {
    memory->isGone = 1;
    return 0;
  }
  if (directory < 0) return errno;
  memory->current = openIn(directory, "memory.current");
  if (memory->current < 0) memory->current = openIn(directory, "memory.usage_in_bytes");
  if (memory->current >= 0) memory->stat = openIn(directory, "memory.stat");
  const int error = memory->stat < 0 ? errno : 0;
  memory->swap = openIn(directory, "memory.swap.current");
  close(directory);
  return error;
}

/* The text with its end marked; -1 with errno. */
static ssize_t readText(int fd, char *text) {
  const ssize_t length = pread(fd, text, kTextSize - 1, 0);
  if (length >= 0) text[length] = '\0';
  return length;
}

/* 0, or an errno. */
static int readCount(int fd, int64_t *count) {
  char text[kTextSize];
  if (readText(fd, text) < 0) return errno;
  char *end;
  *count = strtoll(text, &end, 10);
  return end == text ? EINVAL : 0;
}

static int64_t signOf(const char *line, size_t length) {
  for (size_t i = 0; i < sizeof kKeys / sizeof *kKeys; i++)
    if (strlen(kKeys[i].name) == length && memcmp(line, kKeys[i].name, length) == 0) return kKeys[i].sign;
  return 0;
}

/* Sum of the keys above, with their signs. */
static int readKeys(int fd, int64_t *sum) {
  char text[kTextSize];
  if (readText(fd, text) < 0) return errno;
  *sum = 0;
  for (char *line = text; line && *line;) {
    char *space = strchr(line, ' ');
    if (!space) break;
    *sum += signOf(line, (size_t)(space - line)) * strtoll(space, NULL, 10);
    line = strchr(space, '\n');
    if (line) line++;
  }
  return 0;
}

static int readHeld(const struct Memory *memory, int64_t *held) {
  int64_t charged = 0, keys = 0, swap = 0;
  int error = readCount(memory->current, &charged);
  if (!error) error = readKeys(memory->stat, &keys);
  if (!error && memory->swap >= 0) error = readCount(memory->swap, &swap);
  const int64_t sum = charged + keys + swap;
  if (!error) *held = sum > 0 ? sum : 0;
  return error;
}

int64_t readMemory(struct Memory *memory) {
  if (memory->isGone) return 0;
  int64_t held = memory->held;
  if (isRemoved(readHeld(memory, &held))) {
    memory->isGone = 1;
    held = 0;
    close(memory->current);
    close(memory->stat);
    if (memory->swap >= 0) close(memory->swap);
  }
  memory->held = held;
  return held;
}
