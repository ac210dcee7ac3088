#pragma once

#include <napi.h>

namespace domctl {

void sdNotify(const Napi::CallbackInfo& info);

}  // namespace domctl
