// Process descriptors: the one identity of a process that cannot be reused behind one's back.
#pragma once

#include <napi.h>

#include <optional>

namespace domctl {

enum class Wait { UntilExit, Now };

// How a process ended; neither when it is not our child (any more), so that nobody can tell us.
struct ExitStatus {
  std::optional<int> code;
  std::optional<int> signal;
};

// Reaps exactly this process. Never waits for "any child": libuv waits for its own by pid.
ExitStatus reap(int pidfd, Wait wait) noexcept;

// Throws EBADF for what is not a pidfd. Nearly every descriptor can be polled, and a regular file is always readable:
// of one, hasExited would be true.
void requirePidfd(Napi::Env env, int pidfd);

// Whether all threads are gone, of what is known to be a pidfd.
bool hasExited(int pidfd) noexcept;

Napi::Value pidfdOpen(const Napi::CallbackInfo& info);
void pidfdSignal(const Napi::CallbackInfo& info);
Napi::Value pidfdExited(const Napi::CallbackInfo& info);

}  // namespace domctl
