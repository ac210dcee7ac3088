/*
 * Regions are cut into slices at multiples of the chunk, so that no huge page is split; threads take the slices by
 * ticket. A slice that fails or blocks is left to exit. Whoever ends the last slice of a region that is to be unmapped unmaps it:
 * then its page tables are empty already, and the lock that keeps the others waiting is held for a moment only.
 */
#include <asm/mman.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <linux/time_types.h>

#include "control.h"
#include "syscalls.h"

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

static const uint64_t kWatchMs = 2000;
static const uint64_t kLeastCpuMs = 20;
static const long kMonotonic = 1;  /* CLOCK_MONOTONIC */
static const long kProcessCpu = 2; /* CLOCK_PROCESS_CPUTIME_ID */
static const long kAbsolute = 1;   /* TIMER_ABSTIME */

static uint64_t readMs(long clock) {
  struct __kernel_timespec now = {0, 0};
  call2(SYS_clock_gettime, clock, (long)&now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void sleepUntilMs(uint64_t ms) {
  const struct __kernel_timespec until = {(long long)(ms / 1000), (long long)(ms % 1000) * 1000000};
  call4(SYS_clock_nanosleep, kMonotonic, kAbsolute, (long)&until, 0);
}

static uintptr_t minimum(uintptr_t a, uintptr_t b) { return a < b ? a : b; }
static uintptr_t maximum(uintptr_t a, uintptr_t b) { return a > b ? a : b; }

/* Of mlocked memory too, where the kernel can (5.18); it refuses both for what only exit may free. */
static void empty(uintptr_t start, uintptr_t end) {
  const long length = (long)(end - start);
  if (call3(SYS_madvise, (long)start, length, MADV_DONTNEED_LOCKED) != 0)
    call3(SYS_madvise, (long)start, length, MADV_DONTNEED);
}

/* The region a ticket of this table belongs to: the last that begins at or before it. */
static struct Region *regionOf(const struct RegionTable *table, uint64_t ticket) {
  uint32_t low = 0, high = table->count;
  while (high - low > 1) {
    const uint32_t middle = low + (high - low) / 2;
    if (table->regions[middle].firstTicket <= ticket) low = middle;
    else high = middle;
  }
  return &table->regions[low];
}

static void freeSlice(const struct Control *control, struct Region *region, uint64_t index) {
  const uintptr_t chunk = control->settings.chunkBytes;
  const uintptr_t first = region->start - region->start % chunk;
  const uintptr_t start = maximum(region->start, first + index * chunk);
  empty(start, minimum(region->end, first + (index + 1) * chunk));
  const uint32_t left = __atomic_sub_fetch(&region->slicesLeft, 1, __ATOMIC_ACQ_REL);
  if (left == 0 && region->unmap) call2(SYS_munmap, (long)region->start, (long)(region->end - region->start));
}

/* What came back is measured, so that memory never touched costs no time. */
static void keepRate(struct Control *control) {
  if (!control->settings.gentle) return;
  const uint64_t held = heldBytes();
  const uint64_t freed = held < control->heldAtFirst ? control->heldAtFirst - held : 0;
  const uint64_t until = control->startedMs + freed / (control->settings.rateBytes / 1000);
  __atomic_store_n(&control->pausedUntilMs, until, __ATOMIC_RELAXED);
  sleepUntilMs(until);
}

static void takeSlices(struct Worker *worker) {
  struct Control *control = worker->control;
  const struct RegionTable *shared = &control->shared;
  for (;;) {
    uint64_t ticket = __atomic_fetch_add(&control->nextTicket, 1, __ATOMIC_RELAXED);
    /* Shared memory first: a file's pages go back on one thread, and meanwhile the others have work. */
    const struct RegionTable *table = ticket < shared->slices ? shared : &control->private;
    if (table != shared) ticket -= shared->slices;
    if (ticket >= table->slices) return;
    struct Region *region = regionOf(table, ticket);
    freeSlice(control, region, ticket - region->firstTicket);
    keepRate(control);
  }
}

static void runWorker(void *worker) {
  takeSlices(worker);
  for (;;) call1(SYS_exit, 0);
}

int startWorker(struct Worker *worker, void (*run)(void *)) {
  /* Set first: the kernel may clear it before clone has returned here. */
  __atomic_store_n(&worker->tid, 1, __ATOMIC_RELEASE);
  const long thread = cloneOnto(WORKER_CLONE_FLAGS, worker->stackTop, &worker->tid, run, worker);
  if (thread < 0) __atomic_store_n(&worker->tid, 0, __ATOMIC_RELEASE);
  return thread >= 0;
}

static void awaitWorker(struct Worker *worker) {
  /* Not FUTEX_PRIVATE: the kernel's wake for a cleared tid is of the other sort. */
  while (__atomic_load_n(&worker->tid, __ATOMIC_ACQUIRE) != 0) call4(SYS_futex, (long)&worker->tid, FUTEX_WAIT, 1, 0);
}

static void emptyTable(struct RegionTable *table) {
  table->count = 0;
  table->slices = 0;
}

void freeRegions(struct Control *control) {
  const uint64_t slices = control->shared.slices + control->private.slices;
  if (slices == 0) return;
  __atomic_store_n(&control->nextTicket, 0, __ATOMIC_RELEASE);
  uint32_t started = 0;
  while (started < control->settings.threads && started < slices && startWorker(&control->workers[started], runWorker))
    started++;
  /* No thread to be had: then this one. */
  if (started == 0) takeSlices(&control->workers[0]);
  for (uint32_t i = 0; i < started; i++) awaitWorker(&control->workers[i]);
  emptyTable(&control->shared);
  emptyTable(&control->private);
}

void beginRate(struct Control *control) {
  control->heldAtFirst = heldBytes();
  control->startedMs = readMs(kMonotonic);
}

void watchRelease(const struct Control *control) {
  for (;;) {
    const uint64_t start = readMs(kMonotonic), used = readMs(kProcessCpu);
    sleepUntilMs(start + kWatchMs);
    const int paused = __atomic_load_n(&control->pausedUntilMs, __ATOMIC_RELAXED) > start;
    if (!paused && readMs(kProcessCpu) - used < kLeastCpuMs) leaveProcess();
  }
}
