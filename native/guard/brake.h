/* The brake of one incarnation: when its vCPUs may run, and what its cgroup may hold. Must not know: pipes, words, clocks. */
#ifndef DOMCTL_GUARD_BRAKE_H
#define DOMCTL_GUARD_BRAKE_H

#include <stdint.h>

#include "memory.h"

enum { kMostFreezers = 1024, kMostDrains = 256 };

struct Brake {
  struct Memory vm;
  struct Memory drains[kMostDrains];
  int drainCount;
  /* Descriptors of cgroup.freeze. */
  int freezers[kMostFreezers];
  int freezerCount;
  /* Descriptors of memory.max and memory.high; -1: there is no fence (a hybrid host). */
  int max;
  int high;
  /* What goes there when the brake is lifted. */
  const char *maxAfter;
  const char *highAfter;
  /* What the VM is promised: with that the brake is lifted. Bytes, as all that follow. */
  int64_t need;
  /* What the VM and the draining may hold together. */
  int64_t bound;
  /* Between the freezer's threshold and the limit. */
  int64_t margin;
  /* What the VM may hold; only ever raised. */
  int64_t limit;
  /* As they were last written to the fence; 0: not yet. */
  int64_t fencedMax;
  int64_t fencedHigh;
  /* By the draining together, as last read. */
  int64_t drainingHeld;
  int vcpus;
  int isFrozen;
  /* Then nothing is frozen, ever again. */
  int isOrphan;
  /* Nanoseconds of the monotonic clock; 0: no lease, not frozen. */
  int64_t leaseFrom;
  int64_t leaseUntil;
  int64_t frozenSince;
  int64_t frozenFor;
};

/* Reads all there is to read and raises the limit; the first time it sets it. */
void survey(struct Brake *brake);

/* The VM's share is all it was promised, or nothing drains any more. */
int isLifted(const struct Brake *brake);

/* Whether the vCPUs should stand still now; `isSilent`: the daemon has not been heard for too long. */
int shouldFreeze(const struct Brake *brake, int64_t now, int isSilent);

/* Freezes or thaws; 0 or an errno, and then it is as it was, to be tried again. Writes nothing when it is so already. */
int setFrozen(struct Brake *brake, int freeze, int64_t now);

/* Writes the fence when the limit was raised enough to matter; 0 or an errno. */
int writeFence(struct Brake *brake);

/* Nobody tells us any more what is true. */
void orphan(struct Brake *brake);

/* Thaws and takes the fence away. */
void letGo(struct Brake *brake, int64_t now);

/* Milliseconds in which the VM cannot pass the threshold. */
int patience(const struct Brake *brake, int64_t now);

#endif
