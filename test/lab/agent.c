/*
 * PID 1 of the lab: runs the commands that come in over a virtio port or a serial line, and says there what becomes of them.
 * A frame is one byte of kind, two of the command's number, four of length, both little-endian, then as many bytes.
 *   in:  R run (NUL-terminated: directory, number of variables, variables, arguments), K signal (one byte), Q power off
 *   out: U up (the kernel's release), O and E what the command printed, X its end ('c' and exit code, or 's' and signal), A one more kibibyte was read
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { commands = 16, chunk = 65536, credit = 1024 };

static struct command {
  pid_t pid; /* 0: this place is free */
  uint16_t number;
  int output[2]; /* its stdout and stderr; -1: at its end */
} table[commands];

static int port;

static void die(const char *what) {
  perror(what);
  reboot(RB_POWER_OFF);
}

static void put(const void *bytes, size_t length) {
  for (const char *at = bytes; length > 0;) {
    ssize_t n = write(port, at, length);
    if (n < 0 && errno != EINTR && errno != EAGAIN) die("write to the host");
    if (n > 0) at += n, length -= (size_t)n;
  }
}

static void tell(char kind, uint16_t number, const void *bytes, uint32_t length) {
  unsigned char head[7] = {kind, number & 255, number >> 8, length & 255, length >> 8 & 255, length >> 16 & 255, length >> 24};
  put(head, sizeof head);
  put(bytes, length);
}

/* Gives false at the end of the port: the runner is gone. */
static int get(void *bytes, size_t length) {
  static size_t unsaid;
  for (char *at = bytes; length > 0;) {
    ssize_t n = read(port, at, length);
    if (n == 0 || (n < 0 && errno != EINTR)) return 0;
    if (n > 0) at += n, length -= (size_t)n, unsaid += (size_t)n;
    for (; unsaid >= credit; unsaid -= credit) tell('A', 0, NULL, 0);
  }
  return 1;
}

static void become(char *payload, int out, int err) {
  char *at = payload;
  const char *directory = at;
  at += strlen(at) + 1;
  int variables = atoi(at);
  at += strlen(at) + 1;
  clearenv();
  for (; variables > 0; variables--, at += strlen(at) + 1) putenv(at);
  size_t count = 0;
  char **argv = NULL;
  for (; *at; at += strlen(at + 1) + 2) { /* each argument comes after a byte 1, so that it may be empty */
    argv = realloc(argv, (count + 2) * sizeof *argv);
    argv[count++] = at + 1;
    argv[count] = NULL;
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  setpgid(0, 0);
  dup2(open("/dev/null", O_RDONLY), 0);
  dup2(out, 1);
  dup2(err, 2);
  if (chdir(directory) == 0) execvp(argv[0], argv);
  fprintf(stderr, "lab: %s: %s\n", argv[0], strerror(errno));
  _exit(errno == ENOENT ? 127 : 126);
}

static void run(uint16_t number, char *payload) {
  struct command *free_place = NULL;
  for (int i = 0; i < commands; i++)
    if (table[i].pid == 0) free_place = &table[i];
  int out[2], err[2];
  if (!free_place || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)) die("run");
  pid_t pid = fork();
  if (pid < 0) die("fork");
  if (pid == 0) become(payload, out[1], err[1]);
  setpgid(pid, pid); /* here too: a signal may come before the child has run */
  close(out[1]);
  close(err[1]);
  *free_place = (struct command){pid, number, {out[0], err[0]}};
}

/* Passes on what is there; gives false when nothing is for now, or ever. */
static int forward(struct command *command, int which) {
  static char buffer[chunk];
  ssize_t n = read(command->output[which], buffer, sizeof buffer);
  if (n > 0) tell("OE"[which], command->number, buffer, (uint32_t)n);
  if (n == 0) close(command->output[which]), command->output[which] = -1;
  return n > 0;
}

/* Its children may keep the pipes open for ever: what is in them now is all that counts. */
static void conclude(struct command *command, int status) {
  for (int i = 0; i < 2; i++) {
    if (command->output[i] < 0) continue;
    fcntl(command->output[i], F_SETFL, O_NONBLOCK);
    while (forward(command, i)) continue;
    if (command->output[i] >= 0) close(command->output[i]);
  }
  char end[2] = {WIFEXITED(status) ? 'c' : 's', WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status)};
  tell('X', command->number, end, sizeof end);
  command->pid = 0;
}

static void reap(void) {
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
    for (int i = 0; i < commands; i++)
      if (table[i].pid == pid) conclude(&table[i], status);
}

static void obey(void) {
  unsigned char head[7];
  if (!get(head, sizeof head)) reboot(RB_POWER_OFF);
  uint16_t number = head[1] | head[2] << 8;
  uint32_t length = head[3] | head[4] << 8 | head[5] << 16 | (uint32_t)head[6] << 24;
  char *payload = malloc(length + 1);
  if (!payload || !get(payload, length)) die("frame");
  payload[length] = 0;
  if (head[0] == 'Q') reboot(RB_POWER_OFF);
  if (head[0] == 'R') run(number, payload);
  for (int i = 0; head[0] == 'K' && i < commands; i++)
    if (table[i].pid && table[i].number == number) kill(-table[i].pid, payload[0]);
  free(payload);
}

int main(int argc, char **argv) {
  if (argc != 2 || (port = open(argv[1], O_RDWR | O_CLOEXEC)) < 0) die("port");
  struct termios line; /* a serial line passes bytes on as they are, like a virtio port */
  if (tcgetattr(port, &line) == 0) {
    cfmakeraw(&line);
    tcsetattr(port, TCSANOW, &line);
  }
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  sigprocmask(SIG_BLOCK, &children, NULL);
  int deaths = signalfd(-1, &children, SFD_CLOEXEC);
  struct utsname name;
  uname(&name);
  tell('U', 0, name.release, (uint32_t)strlen(name.release));
  for (;;) {
    struct pollfd set[2 + 2 * commands] = {{port, POLLIN, 0}, {deaths, POLLIN, 0}};
    for (int i = 0; i < 2 * commands; i++)
      set[2 + i] = (struct pollfd){table[i / 2].pid ? table[i / 2].output[i % 2] : -1, POLLIN, 0};
    if (poll(set, 2 + 2 * commands, -1) < 0) continue;
    for (int i = 0; i < 2 * commands; i++)
      if (set[2 + i].revents) forward(&table[i / 2], i % 2);
    struct signalfd_siginfo death;
    if (set[1].revents && read(deaths, &death, sizeof death) > 0) reap();
    if (set[0].revents) obey();
  }
}
