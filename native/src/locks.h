#pragma once

#include <napi.h>

namespace domctl {

Napi::Value probeLockedBytes(const Napi::CallbackInfo& info);
Napi::Value tryLockFile(const Napi::CallbackInfo& info);

}  // namespace domctl
