#pragma once

#include <napi.h>

namespace domctl {

Napi::Value peerCredentials(const Napi::CallbackInfo& info);

}  // namespace domctl
