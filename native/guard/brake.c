/*
 * limit = bound - held by the draining, only ever raised. From the limit downwards lie
 *   memory.max    the limit: the fence, which nothing should ever touch
 *   memory.high   half a margin below: slows what the freezer does not stop (device emulation, page tables)
 *   the freezer   a margin below: vCPUs stand still until they are a fifth of a margin under it
 * The freezer comes first because memory.high puts threads of the hypervisor to sleep too, for up to two seconds, and one that
 * waits there does not answer its monitor. Without a daemon nothing is frozen and nobody asks the monitor: then memory.high
 * is two margins below, where a thread that dirties is put to sleep the longer the nearer it comes to the fence.
 */
#define _GNU_SOURCE
#include "brake.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The fence is not written anew for less. */
static const int64_t kRaise = 1 << 20;
static const int64_t kResidue = 4 << 20;
/* What a vCPU dirties in a millisecond where memory is fast: 4 GiB a second. */
static const int64_t kDirtied = 4 << 20;
/* A vCPU that is asked to stop needs microseconds to do so. */
static const int64_t kPulse = 1 * 1000000;
static const int64_t kPulsePeriod = 20 * 1000000;
enum { kLongestTick = 20, kFrozenTick = 4 };

void survey(struct Brake *brake) {
  int64_t draining = 0;
  for (int i = 0; i < brake->drainCount; i++) draining += readMemory(&brake->drains[i]);
  brake->drainingHeld = draining;
  readMemory(&brake->vm);
  if (brake->bound - draining > brake->limit) brake->limit = brake->bound - draining;
}

/* Without a daemon nobody removes what has drained; a little stays charged to it. */
static int areDrainsGone(const struct Brake *brake) {
  if (brake->isOrphan && brake->drainingHeld < kResidue) return 1;
  for (int i = 0; i < brake->drainCount; i++)
    if (!brake->drains[i].isGone) return 0;
  return 1;
}

int isLifted(const struct Brake *brake) { return brake->limit >= brake->need || areDrainsGone(brake); }

static int64_t threshold(const struct Brake *brake) { return brake->limit - brake->margin; }

/*
 * A lease is for commands that wait until every vCPU has stopped. They are let run; past three quarters of the margin only
 * for moments, which is all such a command needs, whatever a guest does meanwhile.
 */
static int shouldFreezeOnLease(const struct Brake *brake, int64_t now) {
  if (brake->vm.held < brake->limit - brake->margin / 4) return 0;
  return (now - brake->leaseFrom) % kPulsePeriod >= kPulse;
}

int shouldFreeze(const struct Brake *brake, int64_t now, int isSilent) {
  if (isSilent || brake->isOrphan || brake->vm.isGone) return 0;
  if (now < brake->leaseUntil) return shouldFreezeOnLease(brake, now);
  const int64_t thawAt = threshold(brake) - brake->margin / 5;
  return brake->vm.held >= (brake->isFrozen ? thawAt : threshold(brake));
}

int setFrozen(struct Brake *brake, int freeze, int64_t now) {
  if (brake->isFrozen == freeze) return 0;
  int error = 0;
  for (int i = 0; i < brake->freezerCount; i++)
    if (pwrite(brake->freezers[i], freeze ? "1" : "0", 1, 0) != 1 && errno != ENODEV) error = errno;
  if (error) return error;
  if (freeze) brake->frozenSince = now;
  else brake->frozenFor += now - brake->frozenSince;
  brake->isFrozen = freeze;
  return 0;
}

static int writeText(int fd, const char *text) {
  const size_t length = strlen(text);
  return pwrite(fd, text, length, 0) == (ssize_t)length ? 0 : errno;
}

static int writeSize(int fd, int64_t bytes) {
  char text[32];
  snprintf(text, sizeof text, "%" PRId64, bytes);
  return writeText(fd, text);
}

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* Nothing is written for less than is worth it; what is written is remembered. */
static int raise(int fd, int64_t bytes, int64_t *written) {
  if (bytes - *written < kRaise) return 0;
  *written = bytes;
  const int error = writeSize(fd, bytes);
  return error == ENODEV ? 0 : error;
}

/* Bytes that are in memory.max, or that go there; INT64_MAX: `max`. */
static int64_t bytesOf(const char *text) { return strncmp(text, "max", 3) == 0 ? INT64_MAX : strtoll(text, NULL, 10); }

/* The fence of a guard before us: what is lower than the VM's own memory.max. 0: there is none. */
static int64_t fenceBefore(const struct Brake *brake) {
  char text[32] = "";
  if (pread(brake->max, text, sizeof text - 1, 0) <= 0) return 0;
  const int64_t page = sysconf(_SC_PAGESIZE);
  const int64_t bytes = bytesOf(text);
  return bytes / page < bytesOf(brake->maxAfter) / page ? bytes : 0;
}

/*
 * Never below what is held: to lower memory.max there kills. A guard before us kept the machine below its fence: more than
 * that it does not get for having a new one, however often that happens.
 */
static int64_t firstFence(const struct Brake *brake) {
  const int64_t before = fenceBefore(brake);
  return larger(brake->limit, before > 0 ? before : brake->vm.held + brake->margin / 2);
}

/*
 * From the first time on it is only raised, and by the limit alone: a fence that kept ahead of what is held would be none when
 * it is wanted, with a guard that is late. memory.high does not come near what is held while somebody asks the monitor.
 */
int writeFence(struct Brake *brake) {
  if (brake->max < 0 || brake->vm.isGone) return 0;
  const int64_t quarter = brake->margin / 4;
  const int64_t least = brake->vm.held + quarter;
  const int64_t high = brake->limit - 2 * quarter;
  const int isFirst = brake->fencedMax == 0;
  const int error = raise(brake->max, isFirst ? firstFence(brake) : brake->limit, &brake->fencedMax);
  if (error) return error;
  if (isFirst) return raise(brake->high, larger(high, least), &brake->fencedHigh);
  if (brake->isOrphan) return raise(brake->high, larger(brake->limit - 2 * brake->margin, kRaise), &brake->fencedHigh);
  return high < least ? 0 : raise(brake->high, high, &brake->fencedHigh);
}

/* Its memory.high is written anew, lower. The fence stays. */
void orphan(struct Brake *brake) {
  brake->isOrphan = 1;
  brake->fencedHigh = 0;
}

void letGo(struct Brake *brake, int64_t now) {
  setFrozen(brake, 0, now);
  if (brake->max < 0) return;
  writeText(brake->max, brake->maxAfter);
  writeText(brake->high, brake->highAfter);
}

int patience(const struct Brake *brake, int64_t now) {
  if (now < brake->leaseUntil) return 1;
  if (brake->isFrozen) return kFrozenTick;
  const int64_t room = threshold(brake) - brake->vm.held;
  const int64_t ms = room / (kDirtied * brake->vcpus);
  return ms < 1 ? 1 : ms > kLongestTick ? kLongestTick : (int)ms;
}
