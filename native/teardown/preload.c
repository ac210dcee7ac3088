/*
 * The constructor: runs in every program that loads the library, and in all but the one that is meant does nothing.
 * In that one it clones the helper, and returns when the helper has closed its descriptors and is in its sandbox: not
 * one instruction of the program runs beside a helper that is not.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "syscalls.h"

#ifndef PR_GET_TID_ADDRESS
#define PR_GET_TID_ADDRESS 40
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char _end[] __attribute__((visibility("hidden")));

static const uintptr_t kGuardBytes = 64 << 10; /* a page of any architecture's size */

static uintptr_t upToGuard(uintptr_t bytes) { return (bytes + kGuardBytes - 1) / kGuardBytes * kGuardBytes; }

/* Its own, its conductor's and one for AIO; then those of its threads. */
enum { kOwnStacks = 3 };

/* Guard, control, guard, then stack and guard for each. */
static uintptr_t blockBytes(uint32_t threads) {
  const uintptr_t perStack = upToGuard(kStackBytes) + kGuardBytes;
  return 2 * kGuardBytes + upToGuard(sizeof(struct Control)) + (kOwnStacks + threads) * perStack;
}

static char *stackTop(const struct Control *control, uint32_t index) {
  const uintptr_t perStack = upToGuard(kStackBytes) + kGuardBytes;
  const uintptr_t first = (uintptr_t)control + upToGuard(sizeof(struct Control)) + kGuardBytes;
  return (char *)(first + index * perStack + upToGuard(kStackBytes));
}

static int isOpenForUse(char *start, uintptr_t bytes) {
  return mprotect(start, bytes, PROT_READ | PROT_WRITE) == 0;
}

/* Inaccessible but for what is used, so that no neighbour merges with it. NULL: no memory. */
static struct Control *makeControl(const struct Settings *settings) {
  const uintptr_t bytes = blockBytes(settings->threads);
  char *block = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (block == MAP_FAILED) return NULL;
  madvise(block, bytes, MADV_DONTFORK);
  madvise(block, bytes, MADV_NOHUGEPAGE);
  struct Control *control = (struct Control *)(block + kGuardBytes);
  int usable = isOpenForUse((char *)control, upToGuard(sizeof(*control)));
  for (uint32_t i = 0; usable && i < kOwnStacks + settings->threads; i++)
    usable = isOpenForUse(stackTop(control, i) - upToGuard(kStackBytes), upToGuard(kStackBytes));
  if (usable) return control;
  munmap(block, bytes);
  return NULL;
}

static void setOwnRanges(struct Control *control) {
  const uintptr_t block = (uintptr_t)control - kGuardBytes;
  const struct Range memory = {block, block + blockBytes(control->settings.threads)};
  const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  const struct Range library = {(uintptr_t)__ehdr_start, ((uintptr_t)_end + page - 1) / page * page};
  const int libraryFirst = library.start < memory.start;
  control->own[libraryFirst ? 0 : 1] = library;
  control->own[libraryFirst ? 1 : 0] = memory;
}

static void setWorker(struct Control *control, struct Worker *worker, uint32_t stack) {
  worker->control = control;
  worker->stackTop = stackTop(control, stack);
}

static void setWorkers(struct Control *control) {
  setWorker(control, &control->conductor, 1);
  setWorker(control, &control->aioWorker, 2);
  for (uint32_t i = 0; i < control->settings.threads; i++) setWorker(control, &control->workers[i], kOwnStacks + i);
  control->shared.regions = control->sharedRegions;
  control->shared.room = kMostShared;
  control->private.regions = control->privateRegions;
  control->private.room = kMostPrivate;
}

/* Only a word that holds the thread's id now proves something when it is 0: other libcs use it as a lock. */
static void setThreadWord(struct Control *control) {
  int *word = NULL;
  if (prctl(PR_GET_TID_ADDRESS, &word, 0, 0, 0) == 0 && word != NULL && *word == control->parentPid)
    control->threadWord = word;
}

/* High, out of the way of programs that count on low numbers, and never in the place of a closed standard output. -1. */
static int moveUp(int fd) {
  struct rlimit files;
  const int place = getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < 1024 ? (int)files.rlim_cur / 2 : 1000;
  const int moved = fcntl(fd, F_DUPFD_CLOEXEC, place);
  close(fd);
  return moved;
}

/* What the helper is given to watch; the end of the pipe that stays with the program, or -1. */
static int openWatched(struct Control *control) {
  int ends[2] = {-1, -1};
  const int made = pipe2(ends, O_CLOEXEC) == 0;
  control->execFd = ends[0];
  control->parentFd = (int)syscall(SYS_pidfd_open, control->parentPid, 0);
  control->parentStatFd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
  return made ? moveUp(ends[1]) : -1;
}

static void closeWatched(const struct Control *control) {
  if (control->execFd >= 0) close(control->execFd);
  if (control->parentFd >= 0) close(control->parentFd);
  if (control->parentStatFd >= 0) close(control->parentStatFd);
}

/* With every signal blocked, so that none is ever handled in the helper. 0 is no signal to the parent at its end. */
static long cloneHelper(struct Control *control) {
  const uint64_t all = ~(uint64_t)0;
  uint64_t before;
  call4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&before, sizeof(all));
  const long pid = cloneOnto(CLONE_VM, stackTop(control, 0), NULL, helperMain, control);
  call4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, sizeof(before));
  return pid;
}

/* False: there is no helper, nor a trace of one. */
static int isHelperReady(struct Control *control, long pid) {
  static const struct timespec tick = {0, 20 * 1000000};
  for (int ticks = 0; ticks < 250; ticks++) {
    const int state = __atomic_load_n(&control->state, __ATOMIC_ACQUIRE);
    if (state == kReady) return 1;
    if (waitpid((pid_t)pid, NULL, __WALL | (state == kFailed ? 0 : WNOHANG)) == pid) return 0;
    call4(SYS_futex, (long)&control->state, FUTEX_WAIT, kStarting, (long)&tick);
  }
  /* Stopped or starved: it will be ready later, or leave. */
  return 1;
}

static void startHelper(const struct Settings *settings) {
  struct Control *control = makeControl(settings);
  if (control == NULL) return;
  control->settings = *settings;
  control->parentPid = getpid();
  setOwnRanges(control);
  setWorkers(control);
  setThreadWord(control);
  const int kept = openWatched(control);
  const long pid = kept < 0 ? -1 : cloneHelper(control);
  const int ready = pid > 0 && isHelperReady(control, pid);
  closeWatched(control);
  if (ready) return;
  if (kept >= 0) close(kept);
  munmap((char *)control - kGuardBytes, blockBytes(settings->threads));
}

__attribute__((constructor)) static void onLoad(void) {
  const int before = errno;
  struct Settings settings;
  /* Never in a program that has more rights than who started it. */
  if (getauxval(AT_SECURE) == 0 && isProgramMeant()) {
    const int understood = readSettings(&settings);
    forgetEnvironment();
    if (understood) startHelper(&settings);
  }
  errno = before;
}
