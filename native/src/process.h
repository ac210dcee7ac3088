#pragma once

#include <napi.h>

namespace domctl {

void closeFd(const Napi::CallbackInfo& info);
void setSubreaper(const Napi::CallbackInfo& info);
void setAffinity(const Napi::CallbackInfo& info);

}  // namespace domctl
