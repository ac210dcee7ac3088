#pragma once

#include <napi.h>

namespace domctl {

Napi::Value watchPidfd(const Napi::CallbackInfo& info);

}  // namespace domctl
