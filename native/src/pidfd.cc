#include "pidfd.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "arguments.h"
#include "errors.h"
#include "kernel.h"

namespace domctl {

// waitid knows what is a pidfd, and says ECHILD for the process of another parent.
void requirePidfd(Napi::Env env, int pidfd) {
  siginfo_t unused{};
  const auto result = waitid(kPidfdId, static_cast<id_t>(pidfd), &unused, WEXITED | WNOHANG | WNOWAIT | __WALL);
  if (result == -1 && errno != ECHILD) throwErrno(env, "waitid", pidfd);
}

ExitStatus reap(int pidfd, Wait wait) noexcept {
  const int options = WEXITED | __WALL | (wait == Wait::Now ? WNOHANG : 0);
  siginfo_t info{};
  int result;
  do result = waitid(kPidfdId, static_cast<id_t>(pidfd), &info, options);
  while (result == -1 && errno == EINTR);
  if (result == -1 || info.si_pid == 0) return {};
  if (info.si_code == CLD_EXITED) return {info.si_status, std::nullopt};
  return {std::nullopt, info.si_status};
}

bool hasExited(int pidfd) noexcept {
  pollfd wanted{pidfd, POLLIN, 0};
  int ready;
  do ready = poll(&wanted, 1, 0);
  while (ready == -1 && errno == EINTR);
  return ready == 1 && (wanted.revents & (POLLIN | POLLHUP)) != 0;
}

// SAFETY: the returned descriptor is close-on-exec and the caller's. `pid` may have been reused before this call, not
// after.
Napi::Value pidfdOpen(const Napi::CallbackInfo& info) {
  const auto pid = static_cast<pid_t>(readInteger(info[0], "pid", INT_MIN, INT_MAX));
  const auto pidfd = syscall(SYS_pidfd_open, pid, 0);
  const int error = errno;
  if (pidfd == -1) throwKernelError(info.Env(), error, "pidfd_open", "pid " + std::to_string(pid));
  return Napi::Number::New(info.Env(), static_cast<double>(pidfd));
}

// SAFETY: borrows the descriptor. Cannot hit another process than the one the pidfd was opened for.
void pidfdSignal(const Napi::CallbackInfo& info) {
  const auto pidfd = readDescriptor(info[0], "pidfd");
  const auto signal = static_cast<int>(readInteger(info[1], "signal", 0, INT_MAX));
  if (syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) == -1) {
    throwErrno(info.Env(), "pidfd_send_signal", pidfd);
  }
}

// SAFETY: borrows the descriptor; reaps nothing.
Napi::Value pidfdExited(const Napi::CallbackInfo& info) {
  const auto pidfd = readDescriptor(info[0], "pidfd");
  requirePidfd(info.Env(), pidfd);
  return Napi::Boolean::New(info.Env(), hasExited(pidfd));
}

}  // namespace domctl
