/*
 * domctl-brake: holds the brake of one incarnation while a daemon tells it to. See README.md for its words.
 * A vCPU is frozen only while the daemon is heard: silence thaws, the end of the daemon thaws for good.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "brake.h"
#include "turn.h"
#include "words.h"

static const int64_t kMillisecond = 1000000;
/* The daemon says something at least every fifth of this. */
static const int64_t kSilence = 500 * 1000000LL;
static const int64_t kReportEvery = 100 * 1000000LL;
/* One whose daemon is gone looks every few milliseconds; one that is stopped does not. */
enum { kTurnMs = 2000 };

static volatile sig_atomic_t isTold;

struct Guard {
  struct Brake brake;
  struct Ear ear;
  int64_t heardAt;
  int64_t reportedAt;
  int wasSilent;
  /* What the turn is held on; -1: nobody else could have it. */
  int turn;
  /* Another has the brake in hand: all of it is left as it is. */
  int isRelieved;
};

static void onSignal(int signal) {
  (void)signal;
  isTold = 1;
}

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000 * kMillisecond + time.tv_nsec;
}

static void fail(const char *what, int error) {
  say("error %s: %s", what, strerror(error));
  fprintf(stderr, "domctl-brake: %s: %s\n", what, strerror(error));
  exit(1);
}

/* Not waiting: to lower memory.high may else take as long as the kernel takes to write out pages (Linux 6.16 and later). */
static int openFile(const char *directory, const char *name, int access) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  return open(path, access | O_NONBLOCK | O_CLOEXEC);
}

static void addFreezer(struct Brake *brake, const char *directory) {
  if (brake->freezerCount == kMostFreezers) fail(directory, E2BIG);
  const int fd = openFile(directory, "cgroup.freeze", O_WRONLY);
  if (fd < 0) fail(directory, errno);
  brake->freezers[brake->freezerCount++] = fd;
}

static void addDrain(struct Brake *brake, const char *directory) {
  if (brake->drainCount == kMostDrains) fail(directory, E2BIG);
  struct Memory *drain = &brake->drains[brake->drainCount];
  const int error = openMemory(drain, directory);
  if (error) fail(directory, error);
  brake->drainCount++;
}

/* A fence there is where the kernel has files for it. A guard before us may have raised it: only ever raised. */
static void openVm(struct Brake *brake, const char *directory) {
  const int error = openMemory(&brake->vm, directory);
  if (error || brake->vm.isGone) fail(directory, error ? error : ENOENT);
  brake->max = openFile(directory, "memory.max", O_RDWR);
  brake->high = brake->max < 0 ? -1 : openFile(directory, "memory.high", O_WRONLY);
  if (brake->max >= 0 && brake->high < 0) fail("memory.high", errno);
}

static int64_t sizeOf(const char *text) {
  char *end;
  const int64_t size = strtoll(text, &end, 10);
  if (end == text || *end != '\0' || size < 0) fail(text, EINVAL);
  return size;
}

static int turnOn(const char *path) {
  const int fd = openTurn(path);
  if (fd < 0) fail(path, errno);
  return fd;
}

static void readArguments(struct Guard *guard, int argc, char **argv) {
  static const struct option options[] = {
      {"vm", 1, NULL, 'v'},     {"freezer", 1, NULL, 'f'}, {"drain", 1, NULL, 'd'},     {"need", 1, NULL, 'n'},
      {"bound", 1, NULL, 'b'},  {"margin", 1, NULL, 'm'},  {"vcpus", 1, NULL, 'c'},     {"floor", 1, NULL, 'l'},
      {"max-after", 1, NULL, 'M'}, {"high-after", 1, NULL, 'H'}, {"turn", 1, NULL, 't'}, {NULL, 0, NULL, 0},
  };
  struct Brake *brake = &guard->brake;
  const char *vm = NULL;
  for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    switch (option) {
      case 'v': vm = optarg; break;
      case 'f': addFreezer(brake, optarg); break;
      case 'd': addDrain(brake, optarg); break;
      case 'n': brake->need = sizeOf(optarg); break;
      case 'b': brake->bound = sizeOf(optarg); break;
      case 'm': brake->margin = sizeOf(optarg); break;
      case 'c': brake->vcpus = (int)sizeOf(optarg); break;
      case 'l': brake->limit = sizeOf(optarg); break;
      case 'M': brake->maxAfter = optarg; break;
      case 'H': brake->highAfter = optarg; break;
      case 't': guard->turn = turnOn(optarg); break;
      default: exit(2);
    }
  }
  if (!vm || brake->need == 0 || brake->bound == 0 || brake->freezerCount == 0 || brake->vcpus < 1) fail("arguments", EINVAL);
  openVm(brake, vm);
}

static void obey(struct Guard *guard, const struct Word *word, int64_t at) {
  struct Brake *brake = &guard->brake;
  switch (word->kind) {
    case kBound: brake->bound = word->number; break;
    case kDrain: addDrain(brake, word->path); break;
    case kThaw:
      brake->leaseFrom = at;
      brake->leaseUntil = at + word->number * kMillisecond;
      setFrozen(brake, 0, at);
      say("leased");
      break;
    case kBrake: brake->leaseUntil = 0; break;
    case kLift: isTold = 1; break;
    case kBeat: case kUnknown: break;
  }
}

static void hear(struct Guard *guard) {
  if (!listenTo(&guard->ear, STDIN_FILENO)) {
    orphan(&guard->brake);
    return;
  }
  guard->heardAt = now();
  struct Word word;
  while (nextWord(&guard->ear, &word)) obey(guard, &word, guard->heardAt);
}

static void report(struct Guard *guard, int64_t at) {
  if (at - guard->reportedAt < kReportEvery) return;
  guard->reportedAt = at;
  const struct Brake *brake = &guard->brake;
  const int64_t still = brake->isFrozen ? at - brake->frozenSince : 0;
  say("status held=%" PRId64 " draining=%" PRId64 " limit=%" PRId64 " still=%" PRId64 " frozen=%" PRId64, brake->vm.held,
      brake->drainingHeld, brake->limit, still / kMillisecond, (brake->frozenFor + still) / kMillisecond);
}

/* One look at everything, and what follows from it. */
static void look(struct Guard *guard) {
  struct Brake *brake = &guard->brake;
  survey(brake);
  const int64_t at = now();
  const int isSilent = at - guard->heardAt > kSilence;
  if (isSilent && !guard->wasSilent) say("silence");
  guard->wasSilent = isSilent;
  const int freeze = shouldFreeze(brake, at, isSilent);
  const int error = setFrozen(brake, freeze, at);
  if (error) say("error cgroup.freeze: %s", strerror(error));
  const int fenceError = writeFence(brake);
  if (fenceError) say("error fence: %s", strerror(fenceError));
  report(guard, at);
}

/* Without a daemon a fence is still raised, so that the VM is not slowed down for ever; without a fence nothing is left to do. */
static int isDone(const struct Brake *brake) {
  return isTold || brake->vm.isGone || isLifted(brake) || (brake->isOrphan && brake->max < 0);
}

/* Without a daemon there is nothing to hear; what happens then is that the guard of the next one takes over. */
static void waitForMore(struct Guard *guard) {
  const int isOffered = guard->brake.isOrphan && guard->turn >= 0;
  struct pollfd daemon = {.fd = guard->brake.isOrphan ? -1 : STDIN_FILENO, .events = POLLIN};
  if (isOffered) offerTurn(guard->turn);
  if (poll(&daemon, 1, patience(&guard->brake, now())) > 0) hear(guard);
  guard->isRelieved = isOffered && retakeTurn(guard->turn) != 0;
}

static void keepWatch(struct Guard *guard) {
  while (!guard->isRelieved) {
    look(guard);
    if (isDone(&guard->brake)) return;
    waitForMore(guard);
  }
}

/* One before us may still raise the fence; it has let go of everything when we have the turn. */
static void takeTurn(const struct Guard *guard) {
  const int error = guard->turn < 0 ? 0 : awaitTurn(guard->turn, kTurnMs);
  if (error) say("error turn: %s", strerror(error));
}

/* It is wanted most where memory and processors are short; what it may not have, it does without. */
static void insist(void) {
  setpriority(PRIO_PROCESS, 0, -20);
  mlockall(MCL_CURRENT | MCL_FUTURE);
  const int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  if (write(fd, "-1000", 5) != 5) say("killable: %s", strerror(errno));
  close(fd);
}

static void prepareProcess(void) {
  struct sigaction action = {.sa_handler = onSignal};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGHUP, &action, NULL);
  signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_TIMERSLACK, 50000);
  fcntl(STDOUT_FILENO, F_SETFL, fcntl(STDOUT_FILENO, F_GETFL) | O_NONBLOCK);
  insist(); /* says what it may not have: whoever hears from us finds our signals handled */
}

int main(int argc, char **argv) {
  static struct Guard guard = {
      .brake = {.max = -1, .high = -1, .vcpus = 1, .maxAfter = "max", .highAfter = "max"}, .turn = -1};
  prepareProcess();
  readArguments(&guard, argc, argv);
  takeTurn(&guard);
  /* One before us may have died with the vCPUs frozen. */
  guard.brake.isFrozen = 1;
  guard.brake.frozenSince = now();
  setFrozen(&guard.brake, 0, now());
  survey(&guard.brake);
  const int error = writeFence(&guard.brake);
  if (error) fail("fence", error);
  guard.heardAt = now();
  say("ready");
  keepWatch(&guard);
  if (guard.isRelieved) return 0;
  letGo(&guard.brake, now());
  say(guard.brake.vm.isGone ? "gone" : isLifted(&guard.brake) ? "lifted" : "let go");
  return 0;
}
