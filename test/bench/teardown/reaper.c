/* Runs a program and is the parent of all it leaves behind, each reaped the moment it ends: `reaper PROGRAM [ARGUMENT]...`. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t child;

static void pass_on(int signal) {
  kill(child, signal);
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  signal(SIGTERM, pass_on);
  child = fork();
  if (child < 0) return 1;
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    execv(argv[1], argv + 1);
    _exit(127);
  }
  while (wait(NULL) > 0 || errno == EINTR)
    ;
  return 0;
}
