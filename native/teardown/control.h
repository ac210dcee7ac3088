/*
 * What the program's constructor hands to the helper, and what the helper's threads share. It lies in memory of its
 * own between inaccessible pages, is not inherited by fork, and is left out when the helper frees the rest.
 */
#ifndef ASYNC_TEARDOWN_CONTROL_H
#define ASYNC_TEARDOWN_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#include "settings.h"

enum {
  kMostShared = 512,
  kMostPrivate = 4096,
  kMostAioContexts = 32,
  kStackBytes = 16 << 10,
  kReadBytes = 4096,
  /* Below this a mapping is left to exit: more calls would cost more than they free. */
  kLeastRegionBytes = 1 << 20,
};

/* The helper's descriptors, the only ones it has. The sandbox names them by number. */
enum {
  kParentFd = 0,    /* pidfd of the program */
  kExecFd = 1,      /* read end of a pipe whose other end only the program has */
  kMapsFd = 2,      /* /proc/self/maps */
  kParentStatFd = 3,
  kStatusFd = 4,    /* /proc/self/status */
  kOomFd = 5,       /* /proc/self/oom_score_adj, where it could be opened */
  kDescriptors = 6,
};

enum HelperState { kStarting, kReady, kFailed };

/* Memory to let go of: emptied in slices, then unmapped where that is what gives it back. */
struct Region {
  uintptr_t start;
  uintptr_t end;
  uint64_t firstTicket;
  uint32_t slicesLeft; /* atomic */
  uint32_t unmap;
};

struct RegionTable {
  struct Region *regions;
  uint32_t count;
  uint32_t room;
  uint64_t slices;
};

struct Control;

/* A thread of the helper. `tid` is cleared by the kernel once the thread is off its stack. */
struct Worker {
  struct Control *control;
  char *stackTop;
  int tid;
};

struct Range {
  uintptr_t start;
  uintptr_t end;
};

struct Control {
  struct Settings settings;
  int state; /* atomic, futex: enum HelperState */
  int parentPid;
  /* Where the kernel writes 0 when the program's first thread leaves this memory; NULL: not known. */
  const volatile int *threadWord;
  /* Opened by the program before the helper is there, so that no pid is ever looked up. */
  int parentFd;
  int execFd;
  int parentStatFd;
  /* Never let go: this block with all stacks, and the library itself. Sorted. */
  struct Range own[2];

  struct Worker workers[kMostThreads];
  struct Worker conductor;
  struct Worker aioWorker;
  struct RegionTable shared;
  struct RegionTable private;
  uint64_t nextTicket; /* atomic */
  struct Region pending;
  uint64_t heldAtFirst;
  uint64_t startedMs;
  uint64_t pausedUntilMs; /* atomic; of a gentle release */
  uintptr_t aioContexts[kMostAioContexts];
  uint32_t aioContextCount;

  struct Region sharedRegions[kMostShared];
  struct Region privateRegions[kMostPrivate];
  char readBuffer[kReadBytes];
};

/* Runs as the helper; never returns. `control` is a struct Control. */
void helperMain(void *control);

/* Raises the sandbox around the helper and every thread it will start. 0, or -errno. */
long enterSandbox(void);

/* CLONE_* of the helper's threads: the sandbox lets exactly these pass. */
#define WORKER_CLONE_FLAGS                                                                                  \
  (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID)

/* Lets go of everything, as the settings say, and ends the helper. Only once the program's last thread is gone. */
void __attribute__((noreturn)) releaseAll(struct Control *control);

/* From here on a gentle release counts time and bytes. */
void beginRate(struct Control *control);

/* Frees the regions of both tables with the helper's threads, and empties the tables. */
void freeRegions(struct Control *control);

/*
 * Looks after the other threads, and leaves when hardly any processor time was spent for two seconds: they wait for
 * somebody (a userfaultfd that nobody reads) or something, and exit does not.
 */
void __attribute__((noreturn)) watchRelease(const struct Control *control);

/* Starts a thread; false where the kernel refuses. */
int startWorker(struct Worker *worker, void (*run)(void *));

/* Bytes this memory holds: VmRSS and HugetlbPages. 0 when it cannot be read. */
uint64_t heldBytes(void);

#endif
