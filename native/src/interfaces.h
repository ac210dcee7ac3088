// Network interfaces of the host: taps opened for a hypervisor, and what is set on them.
#pragma once

#include <napi.h>

namespace domctl {

Napi::Value openTap(const Napi::CallbackInfo& info);
Napi::Value interfaceIndex(const Napi::CallbackInfo& info);
void setInterfaceMac(const Napi::CallbackInfo& info);
void setInterfaceMtu(const Napi::CallbackInfo& info);
void setInterfaceUp(const Napi::CallbackInfo& info);
void addToBridge(const Napi::CallbackInfo& info);

}  // namespace domctl
