/*
 * The helper: a process of its own in the program's memory. It closes everything, gives up every right, and sleeps
 * until the program's last thread is gone. While the program lives it changes nothing in their memory but its own
 * stack and `state`.
 *
 * How it learns what: the pidfd tells the program's end, whoever waits for it. Of an exec nothing tells directly; the
 * program would go on in new memory, and this process would keep the old for as long as it lives. The pipe's other
 * end is closed on exec, so its hang-up is the hint; the proof is the word that the kernel clears when the first thread
 * leaves this memory. In case a forked child keeps the pipe open, the word is looked at every ten seconds too.
 */
#include <asm/fcntl.h>
#include <asm/poll.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/time_types.h>

#include "control.h"
#include "syscalls.h"

static const long kTickSeconds = 10;
static const long kHere = -100; /* AT_FDCWD */

/* `freemem/PID`: with the longest pid, the 15 characters a name may have. */
static void setName(int pid) {
  char name[16] = "freemem/";
  char digits[10];
  int count = 0;
  for (; pid > 0 && count < 7; pid /= 10) digits[count++] = (char)('0' + pid % 10);
  char *end = name + 8;
  while (count > 0) *end++ = digits[--count];
  *end = '\0';
  call2(SYS_prctl, PR_SET_NAME, (long)name);
}

/* To its number in the sandbox's list, by way of one that is in nobody's place. */
static int isPlaced(long fd, int place) {
  if (fd < 0) return 0;
  return call3(SYS_dup3, fd, place, 0) == place;
}

static long moveAway(long fd) { return fd < 0 ? fd : call3(SYS_fcntl, fd, F_DUPFD, 2 * kDescriptors); }

static long openAway(const char *path, long flags) {
  return moveAway(call4(SYS_openat, kHere, (long)path, flags, 0));
}

static int placeDescriptors(const struct Control *control) {
  const long parent = moveAway(control->parentFd);
  const long exec = moveAway(control->execFd);
  const long stat = moveAway(control->parentStatFd);
  const long maps = openAway("/proc/self/maps", O_RDONLY);
  const long status = openAway("/proc/self/status", O_RDONLY);
  const long oom = openAway("/proc/self/oom_score_adj", O_WRONLY);
  const int all = isPlaced(parent, kParentFd) && isPlaced(exec, kExecFd) && isPlaced(maps, kMapsFd) &&
                  isPlaced(stat, kParentStatFd) && isPlaced(status, kStatusFd);
  /* Without this one it still frees; what stood in its place must go, though. */
  if (!isPlaced(oom, kOomFd)) call1(SYS_close, kOomFd);
  return all && call3(SYS_close_range, kDescriptors, ~0U, 0) == 0;
}

/* A permitted set of none empties the ambient one too. That it is no change of user matters: memory stays dumpable. */
static int dropCapabilities(void) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  static const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];
  return call2(SYS_capset, (long)&header, (long)none) == 0;
}

/* 1 is "no core dump" to the kernel even where cores go to a program; the core would be the whole of this memory. */
static void forbidCoreDump(void) {
  static const struct { uint64_t soft, hard; } one = {1, 1};
  call4(SYS_prlimit64, 0, RLIMIT_CORE, (long)&one, 0);
}

/* Asked first: a kernel that knows no shadow stacks may refuse in any words (user-mode Linux says EPERM). */
static int hasShadowStack(void) {
  uint64_t features = 0;
#if defined(__x86_64__)
  const long result = call2(SYS_arch_prctl, 0x5005 /* ARCH_SHSTK_STATUS */, (long)&features);
#else
  const long result = call5(SYS_prctl, 74 /* PR_GET_SHADOW_STACK_STATUS */, (long)&features, 0, 0, 0);
#endif
  return result == 0 && (features & 1) != 0;
}

/* A shadow stack would lie in memory that is going to be emptied. Locked on, there is no helper. */
static int leaveShadowStack(void) {
  if (!hasShadowStack()) return 1;
#if defined(__x86_64__)
  return call2(SYS_arch_prctl, 0x5002 /* ARCH_SHSTK_DISABLE */, 1 /* ARCH_SHSTK_SHSTK */) == 0;
#else
  return call5(SYS_prctl, 75 /* PR_SET_SHADOW_STACK_STATUS */, 0, 0, 0, 0) == 0;
#endif
}

static void answer(struct Control *control, enum HelperState state) {
  __atomic_store_n(&control->state, state, __ATOMIC_RELEASE);
  call3(SYS_futex, (long)&control->state, FUTEX_WAKE, 1);
}

static int settle(struct Control *control) {
  if (!leaveShadowStack()) return 0;
  setName(control->parentPid);
  /* Away from the shell's job and its signals; and no directory is kept busy. */
  call0(SYS_setsid);
  call1(SYS_chdir, (long)"/");
  forbidCoreDump();
  return placeDescriptors(control) && dropCapabilities() && enterSandbox() == 0;
}

/* The flags of the program's first thread (PF_EXITING), from /proc/PID/stat; -1: cannot be read, it is gone. */
static long firstThreadFlags(void) {
  char text[512];
  const long length = call4(SYS_pread64, kParentStatFd, (long)text, sizeof(text), 0);
  long at = length - 1;
  while (at >= 0 && text[at] != ')') at--;
  if (at < 0) return -1;
  for (int blanks = 0; at < length && blanks < 7; at++) blanks += text[at] == ' ';
  long flags = 0;
  for (; at < length && text[at] >= '0' && text[at] <= '9'; at++) flags = flags * 10 + (text[at] - '0');
  return flags;
}

static int isExiting(void) {
  const long exitingFlag = 0x4;
  const long flags = firstThreadFlags();
  return flags < 0 || (flags & exitingFlag) != 0;
}

/*
 * Whether the program, alive, is in other memory by now. Where there is no word to prove it, a pipe that hung up is
 * taken for it: to leave is always harmless, for exit does not touch memory that somebody else still uses.
 */
static int hasExecuted(const struct Control *control, int hungUp) {
  const int suspicious = control->threadWord ? *control->threadWord == 0 : hungUp;
  return suspicious && !isExiting();
}

static void awaitEnd(const struct Control *control) {
  struct { int fd; short events, found; } polled[2] = {{kParentFd, POLLIN, 0}, {kExecFd, POLLIN, 0}};
  for (;;) {
    const struct __kernel_timespec tick = {kTickSeconds, 0};
    polled[0].found = polled[1].found = 0;
    call5(SYS_ppoll, (long)polled, 2, (long)&tick, 0, 0);
    if (polled[0].found != 0) return;
    if (hasExecuted(control, polled[1].found != 0)) leaveProcess();
    /* Hung up by a program that closes all it does not know, or that is about to end. */
    if (polled[1].found != 0) polled[1].fd = -1;
  }
}

void helperMain(void *argument) {
  struct Control *control = argument;
  if (!settle(control)) {
    answer(control, kFailed);
    leaveProcess();
  }
  answer(control, kReady);
  awaitEnd(control);
  releaseAll(control);
}
