// sdNotify: one datagram to a service manager's socket, by the protocol of sd_notify(3). Node has no unix datagrams.
#include "notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

#include "arguments.h"
#include "errors.h"

namespace domctl {
namespace {

struct Address {
  sockaddr_un name;
  socklen_t length;
};

// A path, or '@' and a name of the abstract namespace, whose first byte the kernel wants to be zero and which has no
// zero at its end. sun_path has room for 108 bytes; a path of all of them would not end.
Address readAddress(const Napi::Value& value) {
  const auto text = readText(value, "socket");
  Address address{};
  if ((text[0] != '/' && text[0] != '@') || text.size() < 2 || text.size() >= sizeof(address.name.sun_path)) {
    throw Napi::TypeError::New(value.Env(), "socket must be an absolute path or '@' and a name, of at most 107 bytes");
  }
  address.name.sun_family = AF_UNIX;
  std::memcpy(address.name.sun_path, text.data(), text.size());
  const bool isAbstract = text[0] == '@';
  if (isAbstract) address.name.sun_path[0] = '\0';
  address.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + text.size() + (isAbstract ? 0 : 1));
  return address;
}

}  // namespace

// SAFETY: owns the one descriptor it opens, and closes it on every way out. May block while the receiver's queue is
// full, as sd_notify(3) does: READY=1 must not be lost.
void sdNotify(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  const auto address = readAddress(info[0]);
  const auto text = readText(info[1], "text");
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd == -1) throwErrno(env, "socket");
  const auto* name = reinterpret_cast<const sockaddr*>(&address.name);
  const auto sent = sendto(fd, text.data(), text.size(), MSG_NOSIGNAL, name, address.length);
  const int error = errno;
  close(fd);
  if (sent == -1) throwKernelError(env, error, "sendto", info[0].As<Napi::String>().Utf8Value());
}

}  // namespace domctl
