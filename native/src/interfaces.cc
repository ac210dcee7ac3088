// Interfaces by ioctl(2): netdevice(7), linux/if_tun.h and linux/sockios.h.
#include "interfaces.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "arguments.h"
#include "descriptor.h"
#include "errors.h"

namespace domctl {
namespace {

constexpr int64_t kLargestMtu = 65'535;
constexpr const char* kTunDevice = "/dev/net/tun";

// A request about the interface of that name; one that does not fit would be cut off and name another.
ifreq requestFor(const Napi::Value& value, const std::string& field) {
  const auto name = readText(value, field);
  ifreq request{};
  if (name.empty() || name.size() >= sizeof(request.ifr_name)) {
    throw Napi::TypeError::New(value.Env(), field + " must be 1 to 15 bytes");
  }
  memcpy(request.ifr_name, name.data(), name.size());
  return request;
}

// Any socket does: these requests go to the network namespace of the process.
Descriptor controlSocket(Napi::Env env) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd == -1) throwErrno(env, "socket");
  return Descriptor(fd);
}

void ask(Napi::Env env, unsigned long what, const char* call, ifreq& request) {
  const auto control = controlSocket(env);
  if (ioctl(control.get(), what, &request) != -1) return;
  const int error = errno;
  throwKernelError(env, error, call, request.ifr_name);
}

}  // namespace

// SAFETY: the returned descriptor is the caller's and is close-on-exec. A tap made here is not persistent: it goes with
// its last descriptor. With `create` one that exists already is EBUSY, never opened.
Napi::Value openTap(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  const auto options = readObject(info[0], "tap");
  auto request = requestFor(options.Get("name"), "name");
  const bool create = readBoolean(options.Get("create"), "create");
  const bool multiQueue = readBoolean(options.Get("multiQueue"), "multiQueue");
  request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (create ? IFF_TUN_EXCL : 0) |
                                         (multiQueue ? IFF_MULTI_QUEUE : 0));
  Descriptor tap(open(kTunDevice, O_RDWR | O_CLOEXEC));
  if (tap.get() == -1) {
    const int error = errno;
    throwKernelError(env, error, "open", kTunDevice);
  }
  if (ioctl(tap.get(), TUNSETIFF, &request) == -1) {
    const int error = errno;
    throwKernelError(env, error, "TUNSETIFF", request.ifr_name);
  }
  return Napi::Number::New(env, tap.release());
}

Napi::Value interfaceIndex(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  auto request = requestFor(info[0], "name");
  const auto control = controlSocket(env);
  if (ioctl(control.get(), SIOCGIFINDEX, &request) != -1) return Napi::Number::New(env, request.ifr_ifindex);
  const int error = errno;
  if (error == ENODEV) return env.Null();
  throwKernelError(env, error, "SIOCGIFINDEX", request.ifr_name);
}

void setInterfaceMac(const Napi::CallbackInfo& info) {
  auto request = requestFor(info[0], "name");
  const auto bytes = readArray(info[1], "mac", [](const Napi::Value& value, const std::string& name) {
    return readInteger(value, name, 0, 255);
  });
  if (bytes.size() != 6) throw Napi::TypeError::New(info.Env(), "mac must hold 6 bytes");
  request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
  for (size_t i = 0; i < bytes.size(); i++) request.ifr_hwaddr.sa_data[i] = static_cast<char>(bytes[i]);
  ask(info.Env(), SIOCSIFHWADDR, "SIOCSIFHWADDR", request);
}

void setInterfaceMtu(const Napi::CallbackInfo& info) {
  auto request = requestFor(info[0], "name");
  request.ifr_mtu = static_cast<int>(readInteger(info[1], "mtu", 68, kLargestMtu));
  ask(info.Env(), SIOCSIFMTU, "SIOCSIFMTU", request);
}

void setInterfaceUp(const Napi::CallbackInfo& info) {
  auto request = requestFor(info[0], "name");
  ask(info.Env(), SIOCGIFFLAGS, "SIOCGIFFLAGS", request);
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  ask(info.Env(), SIOCSIFFLAGS, "SIOCSIFFLAGS", request);
}

void addToBridge(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  auto port = requestFor(info[1], "name");
  auto bridge = requestFor(info[0], "bridge");
  ask(env, SIOCGIFINDEX, "SIOCGIFINDEX", port);
  bridge.ifr_ifindex = port.ifr_ifindex;
  ask(env, SIOCBRADDIF, "SIOCBRADDIF", bridge);
}

}  // namespace domctl
