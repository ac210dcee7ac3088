// Open file description locks (fcntl(2)): asked about, and taken for whole files of our own.
#include "locks.h"

#include <fcntl.h>

#include <cerrno>

#include "arguments.h"
#include "errors.h"

namespace domctl {
namespace {

constexpr int64_t kMaxSafeInteger = (int64_t{1} << 53) - 1;

struct flock writeLock(off_t start, off_t length) {
  struct flock lock {};  // l_pid must be 0 for OFD locks
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = start;
  lock.l_len = length;
  return lock;
}

bool isLocked(Napi::Env env, int fd, int64_t byte) {
  auto lock = writeLock(byte, 1);
  if (fcntl(fd, F_OFD_GETLK, &lock) == -1) throwErrno(env, "fcntl F_OFD_GETLK", fd);
  return lock.l_type != F_UNLCK;
}

}  // namespace

// SAFETY: borrows the descriptor and sets no lock, not even for a moment. Locks of the same open file description do
// not conflict and are not seen; classic record locks of any process, ours included, are.
Napi::Value probeLockedBytes(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  const auto fd = readDescriptor(info[0], "fd");
  const auto bytes = readArray(info[1], "bytes", [](const Napi::Value& value, const std::string& name) {
    return readInteger(value, name, 0, kMaxSafeInteger);
  });
  auto held = Napi::Array::New(env);
  for (const auto byte : bytes) {
    if (isLocked(env, fd, byte)) held.Set(held.Length(), Napi::Number::New(env, static_cast<double>(byte)));
  }
  return held;
}

// SAFETY: borrows the descriptor. The lock belongs to the open file description: it goes when the last copy of it is
// closed, so a copy given to a child carries the lock on.
Napi::Value tryLockFile(const Napi::CallbackInfo& info) {
  const auto fd = readDescriptor(info[0], "fd");
  auto lock = writeLock(0, 0);  // length 0: to the end, however far the file grows
  if (fcntl(fd, F_OFD_SETLK, &lock) == 0) return Napi::Boolean::New(info.Env(), true);
  // Either may be the answer to a conflict (fcntl(2)).
  if (errno == EAGAIN || errno == EACCES) return Napi::Boolean::New(info.Env(), false);
  throwErrno(info.Env(), "fcntl F_OFD_SETLK", fd);
}

}  // namespace domctl
