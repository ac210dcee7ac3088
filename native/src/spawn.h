#pragma once

#include <napi.h>

namespace domctl {

Napi::Value spawn(const Napi::CallbackInfo& info);

}  // namespace domctl
