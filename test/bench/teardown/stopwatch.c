/*
 * Sees from outside how a hypervisor lets go: its image's lock, the process, the memory charged to its cgroup. Its own
 * program, at real-time priority where it may, so that no event loop delays what it sees.
 *
 *   stopwatch IMAGE|- PID USAGE_FILE CPU_FILE FALL_BYTES HUGE_PAGES
 *
 * Says `ready`, looks every 250 us until lock and process are gone and then every 1 or 2 ms (what it uses itself is missing
 * to those who free memory on all processors), and ends when the lock is free, the process is gone, and the usage has fallen by
 * FALL_BYTES and as many huge pages are free again; or when its input ends. Then it prints one line of JSON; times are
 * nanoseconds of CLOCK_MONOTONIC, -1 is never. Samples: [time, usage or -1, CPU us or -1, free huge pages]; -1 is not known,
 * or not looked at: CPU time costs the kernel a sum, and huge pages a look at all memory.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { most_samples = 100000, pause_ns = 250000, sample_ns = 1000000, young_ns = 100000000, cpu_every = 4 };

struct sample {
  long long at, usage, cpu_us, free_huge;
};

static struct sample samples[most_samples];

static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* The number after `key` in a file that is open, or -1: not there any more. */
static long long number(int fd, const char *key) {
  static char text[8192];
  ssize_t length = pread(fd, text, sizeof text - 1, 0);
  if (length <= 0) return -1;
  text[length] = 0;
  const char *at = strstr(text, key);
  return at ? atoll(at + strlen(key)) : -1;
}

/* QEMU's lock bytes are 100 to 103 and 200 to 203 (lib/host/images.ts), and nobody else locks what is between. */
static int is_locked(int fd) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 100, .l_len = 104};
  return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

static int is_ready(int fd, int timeout_ms) {
  struct pollfd wait = {.fd = fd, .events = POLLIN};
  return poll(&wait, 1, timeout_ms) > 0;
}

static int must_open(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    perror(path);
    exit(1);
  }
  return fd;
}

/* `cpu` and `meminfo` -1: not looked at. */
static struct sample look(int usage, int cpu, int meminfo) {
  struct sample s = {.at = now(), .cpu_us = -1};
  s.usage = number(usage, "");
  if (cpu >= 0) s.cpu_us = number(cpu, "usage_usec ");
  if (meminfo >= 0) s.free_huge = number(meminfo, "HugePages_Free:");
  return s;
}

static long pause_of(int waiting, long long since) {
  if (waiting) return pause_ns;
  return now() - since < young_ns ? sample_ns : 2 * sample_ns;
}

static void report(long long free_at, long long gone_at, int count) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  long long own = (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000LL + used.ru_utime.tv_usec + used.ru_stime.tv_usec;
  printf("{\"lockFreeNs\":%lld,\"goneNs\":%lld,\"ownUs\":%lld,\"samples\":[", free_at, gone_at, own);
  for (int i = 0; i < count; i += 1) {
    struct sample s = samples[i];
    printf("%s[%lld,%lld,%lld,%lld]", i ? "," : "", s.at, s.usage, s.cpu_us, s.free_huge);
  }
  puts("]}");
}

int main(int argc, char **argv) {
  if (argc != 7) return 2;
  int image = strcmp(argv[1], "-") ? must_open(argv[1]) : -1;
  int process = (int)syscall(SYS_pidfd_open, atoi(argv[2]), 0);
  if (process < 0) return perror("pidfd_open"), 1;
  long long fall = atoll(argv[5]), huge = atoll(argv[6]);
  int usage = must_open(argv[3]), cpu = must_open(argv[4]), meminfo = huge ? must_open("/proc/meminfo") : -1;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_TIMERSLACK, 1000);
  sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1});
  if (image >= 0 && !is_locked(image)) return fputs("the image is not locked\n", stderr), 1;
  struct sample first = look(usage, cpu, meminfo), last = first;
  samples[0] = first;
  int count = 1, back = 0;
  long long free_at = -1, gone_at = -1;
  puts("ready");
  fflush(stdout);
  for (int turn = 1; !(free_at >= 0 && gone_at >= 0 && back); turn += 1) {
    if (free_at < 0 && (image < 0 || !is_locked(image))) free_at = now();
    if (gone_at < 0 && is_ready(process, 0)) gone_at = now();
    if (now() - last.at >= sample_ns - pause_ns / 2 && count < most_samples) {
      last = look(usage, count % cpu_every ? -1 : cpu, meminfo);
      samples[count++] = last;
      back = (last.usage < 0 || last.usage <= first.usage - fall) && last.free_huge >= first.free_huge + huge;
    }
    if (turn % 16 == 0 && is_ready(0, 0)) break;
    long pause = pause_of(free_at < 0 || gone_at < 0, free_at > gone_at ? free_at : gone_at);
    nanosleep(&(struct timespec){.tv_nsec = pause}, NULL);
  }
  if (count < most_samples) samples[count++] = look(usage, cpu, meminfo);
  report(free_at, gone_at, count);
  return 0;
}
