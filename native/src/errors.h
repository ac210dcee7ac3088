// How a failed system call becomes a JavaScript error: {errno, syscall, path}. native/index.ts turns it into a
// KernelError; the name of the errno is looked up there.
#pragma once

#include <napi.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <string>

namespace domctl {

[[noreturn]] inline void throwKernelError(Napi::Env env, int error, const std::string& syscall,
                                          const std::string& path = "") {
  auto value = Napi::Error::New(env, syscall);
  value.Set("errno", Napi::Number::New(env, error));
  value.Set("syscall", Napi::String::New(env, syscall));
  value.Set("path", path.empty() ? env.Null() : Napi::String::New(env, path));
  throw value;
}

// What a descriptor refers to, for messages only: its path, or "fd 7" where it is not open.
inline std::string describeDescriptor(int fd) {
  char path[PATH_MAX];
  const auto link = "/proc/self/fd/" + std::to_string(fd);
  const auto length = readlink(link.c_str(), path, sizeof(path));
  return length > 0 ? std::string(path, static_cast<size_t>(length)) : "fd " + std::to_string(fd);
}

// After a call on a descriptor, or on none, that failed just now. They read errno themselves, before anything else:
// as one argument among others it would be read after those that set it, like describeDescriptor.
[[noreturn]] inline void throwErrno(Napi::Env env, const char* syscall) {
  const int error = errno;
  throwKernelError(env, error, syscall);
}

[[noreturn]] inline void throwErrno(Napi::Env env, const char* syscall, int fd) {
  const int error = errno;
  throwKernelError(env, error, syscall, describeDescriptor(fd));
}

}  // namespace domctl
