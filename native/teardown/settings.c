/* The environment: which program is meant, what it wants, and that nobody after it is told. Runs before the clone. */
#define _GNU_SOURCE
#include "settings.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB ((uint64_t)1 << 20)
#define PREFIX "ASYNC_TEARDOWN_"
#define LIBRARY "libasyncteardown.so"

static const uint64_t kHugePage = 2 * MIB;

static const char *baseName(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/* By file, so that links and mounts make no difference. */
static int isSameFile(const char *path) {
  struct stat wanted, own;
  if (stat(path, &wanted) != 0 || stat("/proc/self/exe", &own) != 0) return 0;
  return wanted.st_dev == own.st_dev && wanted.st_ino == own.st_ino;
}

/*
 * The file's name, or the one it was started by: a distribution may make the second a link to some other first. Of a script
 * the second is the script's, and the program its interpreter: what that executes may be meant.
 */
static int isOwnName(const char *name) {
  const char *started = (const char *)getauxval(AT_EXECFN);
  if (started && strcmp(baseName(started), name) == 0 && isSameFile(started)) return 1;
  char path[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
  if (length <= 0) return 0;
  path[length] = '\0';
  return strcmp(baseName(path), name) == 0;
}

int isProgramMeant(void) {
  const char *program = getenv(PREFIX "PROGRAM");
  if (program == NULL || *program == '\0') return 0;
  return strchr(program, '/') ? isSameFile(program) : isOwnName(program);
}

/* A whole number with K, M, G or T (powers of 1024). */
static int parseSize(const char *text, uint64_t *bytes) {
  if (*text < '0' || *text > '9') return 0;
  char *end;
  const unsigned long long number = strtoull(text, &end, 10);
  static const char units[] = "KMGT";
  const char *unit = *end ? strchr(units, *end) : NULL;
  if (*end && (unit == NULL || end[1] != '\0')) return 0;
  const unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
  if (number > (1ULL << 62) >> shift) return 0;
  *bytes = (uint64_t)number << shift;
  return 1;
}

static int refuse(const char *variable, const char *wanted) {
  fprintf(stderr, LIBRARY ": %s=%s is not %s; left off\n", variable, getenv(variable), wanted);
  return 0;
}

/* `variable` with the prefix; absent, `bytes` stays as it is. */
static int readSize(const char *variable, uint64_t least, uint64_t most, const char *wanted, uint64_t *bytes) {
  const char *text = getenv(variable);
  if (text == NULL) return 1;
  uint64_t value;
  if (parseSize(text, &value) && value >= least && value <= most) {
    *bytes = value;
    return 1;
  }
  return refuse(variable, wanted);
}

/* `second` sets the choice, `first` and absence clear it. */
static int readChoice(const char *variable, const char *first, const char *second, const char *wanted,
                      uint32_t *isSecond) {
  const char *text = getenv(variable);
  if (text == NULL) return 1;
  *isSecond = strcmp(text, second) == 0;
  return *isSecond || strcmp(text, first) == 0 || refuse(variable, wanted);
}

static uint32_t allowedCpus(void) {
  cpu_set_t cpus;
  const int count = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
  return count < 1 ? 1 : count > kMostThreads ? kMostThreads : (uint32_t)count;
}

static int readThreads(uint32_t *threads) {
  const char *text = getenv(PREFIX "THREADS");
  *threads = allowedCpus();
  if (text == NULL || strcmp(text, "auto") == 0) return 1;
  uint64_t wanted = 0;
  if (!readSize(PREFIX "THREADS", 1, kMostThreads, "auto or 1 to 64", &wanted)) return 0;
  *threads = (uint32_t)wanted;
  return 1;
}

/* A gentle slice lasts a sixteenth of a second at most, or the pauses between would be felt. */
static void makeGentle(struct Settings *settings) {
  settings->threads = 1;
  const uint64_t slice = settings->rateBytes / 16;
  if (settings->chunkBytes > slice) settings->chunkBytes = slice < kHugePage ? kHugePage : slice;
}

int readSettings(struct Settings *settings) {
  *settings = (struct Settings){.chunkBytes = 128 * MIB, .minimumBytes = 1024 * MIB, .rateBytes = 2048 * MIB};
  uint32_t keep = 0;
  const int understood =
      readThreads(&settings->threads) &&
      readSize(PREFIX "CHUNK", kHugePage, 65536 * MIB, "2M to 64G", &settings->chunkBytes) &&
      readSize(PREFIX "MINIMUM", 0, UINT64_MAX, "a size such as 1G", &settings->minimumBytes) &&
      readSize(PREFIX "RATE", MIB, UINT64_MAX, "a size from 1M on", &settings->rateBytes) &&
      readChoice(PREFIX "MODE", "fast", "gentle", "fast or gentle", &settings->gentle) &&
      readChoice(PREFIX "OOM", "prefer", "keep", "prefer or keep", &keep);
  settings->preferredVictim = !keep;
  if (settings->gentle) makeGentle(settings);
  settings->chunkBytes -= settings->chunkBytes % kHugePage;
  return understood;
}

static int isLibraryName(const char *path) { return strncmp(baseName(path), LIBRARY, strlen(LIBRARY)) == 0; }

/* By its name, or as a descriptor that was handed over; that has done its service and is closed. */
static int isThisLibrary(const char *entry) {
  static const char descriptors[] = "/proc/self/fd/";
  char path[PATH_MAX];
  if (isLibraryName(entry)) return 1;
  if (strncmp(entry, descriptors, sizeof(descriptors) - 1) != 0) return 0;
  const ssize_t length = readlink(entry, path, sizeof(path) - 1);
  if (length <= 0) return 0;
  path[length] = '\0';
  if (!isLibraryName(path)) return 0;
  close(atoi(entry + sizeof(descriptors) - 1));
  return 1;
}

/* LD_PRELOAD may name others too: those stay. */
static void forgetPreload(void) {
  const char *list = getenv("LD_PRELOAD");
  char *copy = list ? strdup(list) : NULL;
  char *kept = list ? calloc(1, strlen(list) + 2) : NULL;
  if (copy && kept) {
    char *rest = NULL;
    for (char *each = strtok_r(copy, " :", &rest); each; each = strtok_r(NULL, " :", &rest)) {
      if (isThisLibrary(each)) continue;
      if (*kept) strcat(kept, ":");
      strcat(kept, each);
    }
    if (*kept) setenv("LD_PRELOAD", kept, 1);
    else unsetenv("LD_PRELOAD");
  }
  free(copy);
  free(kept);
}

void forgetEnvironment(void) {
  static const char *const names[] = {PREFIX "PROGRAM", PREFIX "THREADS", PREFIX "CHUNK", PREFIX "MINIMUM",
                                      PREFIX "MODE",    PREFIX "RATE",    PREFIX "OOM"};
  for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) unsetenv(names[i]);
  forgetPreload();
}
