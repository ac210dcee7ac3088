/*
 * What is done once the program is gone. First what others wait for: devices, descriptors and System V segments that
 * only this memory still pins, and in-flight AIO. Then the memory, in parallel. The rest is exit's.
 */
#include "control.h"
#include "maps.h"
#include "syscalls.h"

static const uintptr_t kReservedBytes = (uintptr_t)1 << 30;

static int isSmall(const struct Mapping *mapping) { return mapping->end - mapping->start < kLeastRegionBytes; }

static void unmap(const struct Mapping *mapping) {
  call2(SYS_munmap, (long)mapping->start, (long)(mapping->end - mapping->start));
}

static void letGoOfPins(struct Control *control, const struct Mapping *mapping) {
  const enum MappingKind kind = kindOf(mapping);
  if (kind == kDevice || (kind == kSharedMemory && isSmall(mapping))) unmap(mapping);
  if (kind == kAioContext && control->aioContextCount < kMostAioContexts)
    control->aioContexts[control->aioContextCount++] = mapping->start;
}

/* A context's name is the address of its ring. It ends when the last of its operations has; hence a thread of its own. */
static void endAio(void *argument) {
  const struct Worker *worker = argument;
  const struct Control *control = worker->control;
  for (uint32_t i = 0; i < control->aioContextCount; i++) call1(SYS_io_destroy, (long)control->aioContexts[i]);
  for (;;) call1(SYS_exit, 0);
}

static void addRegion(struct Control *control, struct RegionTable *table, uintptr_t start, uintptr_t end, int unmaps) {
  if (end <= start || end - start < kLeastRegionBytes) return;
  if (table->count == table->room) freeRegions(control);
  const uintptr_t chunk = control->settings.chunkBytes;
  const uint64_t slices = (end - (start - start % chunk) + chunk - 1) / chunk;
  struct Region *region = &table->regions[table->count++];
  region->start = start;
  region->end = end;
  region->firstTicket = table->slices;
  region->slicesLeft = (uint32_t)slices;
  region->unmap = (uint32_t)unmaps;
  table->slices += slices;
}

/* All of it but what this very code and its stacks lie in. */
static void addAround(struct Control *control, struct RegionTable *table, uintptr_t start, uintptr_t end, int unmaps) {
  for (unsigned i = 0; i < 2; i++) {
    const struct Range *own = &control->own[i];
    if (own->end <= start || own->start >= end) continue;
    if (own->start > start) addRegion(control, table, start, own->start, unmaps);
    start = own->end;
  }
  addRegion(control, table, start, end, unmaps);
}

static void flushPending(struct Control *control) {
  struct Region *pending = &control->pending;
  if (pending->end > pending->start) addAround(control, &control->private, pending->start, pending->end, 0);
  pending->start = pending->end = 0;
}

/* Address space that somebody set aside, terabytes of it at times. What is below that size may lie between memory. */
static int isReserved(const struct Mapping *mapping) {
  return mapping->permissions[0] == '-' && mapping->permissions[1] == '-' &&
         mapping->end - mapping->start >= kReservedBytes;
}

/* Neighbours are one region: an allocator's thousand mappings are freed like one. */
static void addAnonymous(struct Control *control, const struct Mapping *mapping) {
  struct Region *pending = &control->pending;
  if (pending->end != mapping->start) {
    flushPending(control);
    pending->start = mapping->start;
  }
  pending->end = mapping->end;
}

static void collect(struct Control *control, const struct Mapping *mapping) {
  const enum MappingKind kind = kindOf(mapping);
  if (kind == kAnonymous && !isReserved(mapping)) addAnonymous(control, mapping);
  if (kind == kPrivateFile) addAround(control, &control->private, mapping->start, mapping->end, 1);
  if (kind == kSharedMemory) addAround(control, &control->shared, mapping->start, mapping->end, 1);
}

/* Digits after `label` in the text, in KiB; 0 when it is not there. */
static uint64_t kibAfter(const char *text, long length, const char *label) {
  for (long at = 0; at < length; at++) {
    long i = 0;
    while (at + i < length && label[i] && text[at + i] == label[i]) i++;
    if (label[i]) continue;
    uint64_t number = 0;
    for (at += i; at < length && text[at] != '\n'; at++)
      if (text[at] >= '0' && text[at] <= '9') number = number * 10 + (uint64_t)(text[at] - '0');
    return number;
  }
  return 0;
}

uint64_t heldBytes(void) {
  char text[2048];
  const long length = call4(SYS_pread64, kStatusFd, (long)text, sizeof(text), 0);
  return (kibAfter(text, length, "\nVmRSS:") + kibAfter(text, length, "\nHugetlbPages:")) << 10;
}

/* The score belongs to the memory, so while the program lived it would have been the program's. */
static void becomeVictim(const struct Control *control) {
  static const char most[] = "1000";
  if (control->settings.preferredVictim) call3(SYS_write, kOomFd, (long)most, sizeof(most) - 1);
}

static void conduct(void *argument) {
  const struct Worker *worker = argument;
  struct Control *control = worker->control;
  visitMappings(control, letGoOfPins);
  if (control->aioContextCount > 0) startWorker(&control->aioWorker, endAio);
  beginRate(control);
  visitMappings(control, collect);
  flushPending(control);
  freeRegions(control);
  leaveProcess();
}

void releaseAll(struct Control *control) {
  becomeVictim(control);
  if (heldBytes() < control->settings.minimumBytes) leaveProcess();
  if (!startWorker(&control->conductor, conduct)) leaveProcess();
  watchRelease(control);
}
