#include <napi.h>

#include "interfaces.h"
#include "locks.h"
#include "notify.h"
#include "peer.h"
#include "pidfd.h"
#include "process.h"
#include "spawn.h"
#include "watch.h"

namespace domctl {
namespace {

template <typename Result>
void add(Napi::Object& exports, const char* name, Result (*function)(const Napi::CallbackInfo&)) {
  exports.Set(name, Napi::Function::New(exports.Env(), function, name));
}

Napi::Object initialize(Napi::Env, Napi::Object exports) {
  add(exports, "spawn", spawn);
  add(exports, "pidfdOpen", pidfdOpen);
  add(exports, "pidfdSignal", pidfdSignal);
  add(exports, "pidfdExited", pidfdExited);
  add(exports, "watchPidfd", watchPidfd);
  add(exports, "closeFd", closeFd);
  add(exports, "setSubreaper", setSubreaper);
  add(exports, "setAffinity", setAffinity);
  add(exports, "openTap", openTap);
  add(exports, "interfaceIndex", interfaceIndex);
  add(exports, "setInterfaceMac", setInterfaceMac);
  add(exports, "setInterfaceMtu", setInterfaceMtu);
  add(exports, "setInterfaceUp", setInterfaceUp);
  add(exports, "addToBridge", addToBridge);
  add(exports, "probeLockedBytes", probeLockedBytes);
  add(exports, "tryLockFile", tryLockFile);
  add(exports, "peerCredentials", peerCredentials);
  add(exports, "sdNotify", sdNotify);
  return exports;
}

}  // namespace
}  // namespace domctl

using domctl::initialize;
NODE_API_MODULE(domctl_native, initialize)
