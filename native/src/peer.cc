// peerCredentials: who is at the other end of a local socket, on the kernel's word.
#include "peer.h"

#include <sys/socket.h>

#include <cerrno>

#include "arguments.h"
#include "errors.h"

namespace domctl {
namespace {

template <typename Value>
Value socketOption(Napi::Env env, int fd, int option, const char* syscall) {
  Value value{};
  socklen_t length = sizeof(value);
  if (getsockopt(fd, SOL_SOCKET, option, &value, &length) == -1) {
    throwErrno(env, syscall, fd);
  }
  return value;
}

}  // namespace

// SAFETY: borrows the descriptor. The answer is of the time of connect(2): the pid may have been reused since, uid
// and gid are those to decide on.
Napi::Value peerCredentials(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  const auto fd = readDescriptor(info[0], "socketFd");
  const auto peer = socketOption<ucred>(env, fd, SO_PEERCRED, "getsockopt SO_PEERCRED");
  // Where there is no peer the kernel does not fail: a listening socket answers with the listener itself, others
  // (TCP, not connected) with uid -1. Neither may pass for a caller.
  const bool listening = socketOption<int>(env, fd, SO_ACCEPTCONN, "getsockopt SO_ACCEPTCONN") != 0;
  if (listening || peer.uid == static_cast<uid_t>(-1)) {
    throwKernelError(env, ENOTCONN, "getsockopt SO_PEERCRED", describeDescriptor(fd));
  }
  auto result = Napi::Object::New(env);
  result.Set("pid", Napi::Number::New(env, peer.pid));
  result.Set("uid", Napi::Number::New(env, peer.uid));
  result.Set("gid", Napi::Number::New(env, peer.gid));
  return result;
}

}  // namespace domctl
