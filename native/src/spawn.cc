// spawn: a child born in its cgroup, reduced to its final user, reported only once it runs its program.
#include "spawn.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "child.h"
#include "descriptor.h"
#include "errors.h"
#include "kernel.h"
#include "pidfd.h"
#include "spawn_plan.h"

namespace domctl {
namespace {

// A child born into a frozen cgroup never gets as far as a report; the event loop must not wait for it for ever.
constexpr int kReportWithinMs = 10'000;

// struct clone_args of linux/sched.h, whose older versions lack the cgroup.
struct CloneArguments {
  uint64_t flags, pidfd, childTid, parentTid, exitSignal, stack, stackSize, tls, setTid, setTidSize, cgroup;
};

// Blocks every signal of this thread, glibc's own two included: a handler of Node run in the child would write into
// pipes the child shares with us.
class SignalsBlocked {
 public:
  SignalsBlocked() noexcept {
    const uint64_t all = ~uint64_t{0};
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before_, kSignalSetBytes);
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  ~SignalsBlocked() {
    const int error = errno;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before_, nullptr, kSignalSetBytes);
    errno = error;
  }

 private:
  uint64_t before_ = 0;
};

// Like fork, not like vfork: with CLONE_VM the child's setresuid would make us undumpable too.
pid_t cloneChild(SpawnPlan& plan, int report, int& pidfd) {
  CloneArguments arguments{};
  arguments.flags = CLONE_PIDFD | CLONE_INTO_CGROUP;
  arguments.pidfd = reinterpret_cast<uintptr_t>(&pidfd);
  arguments.exitSignal = SIGCHLD;
  arguments.cgroup = static_cast<uint64_t>(plan.cgroup);
  const SignalsBlocked guard;
  const auto pid = static_cast<pid_t>(syscall(SYS_clone3, &arguments, sizeof(arguments)));
  if (pid == 0) runChild(plan, report);
  return pid;
}

// PF_FORKNOEXEC in the flags of /proc/PID/stat (proc(5), field 9): set by fork, cleared by execve *before* it closes
// what is close-on-exec, and still to be read from a zombie. So after end of file on the report pipe it tells for
// certain a child that died too early (killed by its cgroup's cgroup.kill, by the OOM killer) from a program that
// ended quickly.
bool neverRan(pid_t pid) {
  constexpr unsigned kForkedButNoExec = 0x40;
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string stat{std::istreambuf_iterator<char>(file), {}};
  const auto name = stat.rfind(')');  // the name before it may hold anything
  unsigned flags = 0;
  if (name == std::string::npos) return false;
  return sscanf(stat.c_str() + name + 1, " %*c %*d %*d %*d %*d %*d %u", &flags) == 1 && (flags & kForkedButNoExec) != 0;
}

bool reportsInTime(int report) {
  pollfd wanted{report, POLLIN, 0};
  int ready;
  do ready = poll(&wanted, 1, kReportWithinMs);
  while (ready == -1 && errno == EINTR);
  return ready != 0;
}

// What the child wrote; nothing at end of file.
std::optional<Failure> readFailure(int report) {
  Failure failure{};
  ssize_t length;
  do length = read(report, &failure, sizeof(failure));
  while (length == -1 && errno == EINTR);
  if (length != sizeof(failure)) return std::nullopt;
  return failure;
}

struct Attempt {
  std::string syscall;
  std::string path;
};

Attempt attempted(const Failure& failure, const SpawnPlan& plan) {
  const auto index = static_cast<size_t>(failure.index);
  switch (failure.step) {
    case Step::Join: return {"v1 join", describeDescriptor(plan.joins.at(index))};
    case Step::OomScore: return {"write", "/proc/self/oom_score_adj"};
    case Step::Session: return {"setsid", ""};
    case Step::Report: return {"dup of the report pipe", ""};
    case Step::Duplicate: return {"dup", describeDescriptor(plan.descriptors.at(index))};
    case Step::CloseRest: return {"close_range", ""};
    case Step::Limit: return {"setrlimit", resourceName(plan.limits.at(index).resource)};
    case Step::Groups: return {"setgroups", ""};
    case Step::Gid: return {"setresgid", ""};
    case Step::Uid: return {"setresuid", ""};
    case Step::NoNewPrivileges: return {"prctl no_new_privs", ""};
    case Step::Capabilities: return {"capset", ""};
    case Step::Chdir: return {"chdir", plan.cwd};
    case Step::Exec: return {"execve", plan.file};
  }
  return {"spawn", ""};
}

[[noreturn]] void throwFailure(Napi::Env env, const Failure& failure, const SpawnPlan& plan) {
  const auto [syscall, path] = attempted(failure, plan);
  throwKernelError(env, failure.error, syscall, path);
}

// Returns once the program runs. Otherwise the child is reaped before the throw.
void awaitExec(Napi::Env env, const SpawnPlan& plan, int report, pid_t pid, int pidfd) {
  if (!reportsInTime(report)) {
    syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0);
    reap(pidfd, Wait::UntilExit);
    throwKernelError(env, ETIMEDOUT, "execve", plan.file);
  }
  const auto failure = readFailure(report);
  if (!failure && !neverRan(pid)) return;
  reap(pidfd, Wait::UntilExit);
  if (failure) throwFailure(env, *failure, plan);
  throwKernelError(env, ECANCELED, "killed at birth", describeDescriptor(plan.cgroup));
}

}  // namespace

// SAFETY: borrows every descriptor of the request and keeps none; the returned pidfd is the caller's. Only the
// calling thread's signal mask is touched, and restored before anything can throw. Other threads run on; a fork of
// theirs between pipe2 and its exec can only delay the end of file on the report pipe.
Napi::Value spawn(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  auto plan = readSpawnPlan(info[0]);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) == -1) throwErrno(env, "pipe2");
  const Descriptor read(ends[0]);
  Descriptor write(ends[1]);
  int rawPidfd = -1;
  const auto pid = cloneChild(plan, write.get(), rawPidfd);
  if (pid == -1) throwErrno(env, "clone3", plan.cgroup);
  Descriptor pidfd(rawPidfd);
  write.reset();
  awaitExec(env, plan, read.get(), pid, pidfd.get());
  auto spawned = Napi::Object::New(env);
  spawned.Set("pid", Napi::Number::New(env, pid));
  spawned.Set("pidfd", Napi::Number::New(env, pidfd.release()));
  return spawned;
}

}  // namespace domctl
