// Reads JavaScript values strictly: what does not fit is a TypeError that names the field.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>
#include <vector>

namespace domctl {

// A whole number from `min` to `max`; at most 2^53-1, the largest a JavaScript number holds exactly.
int64_t readInteger(const Napi::Value& value, const std::string& name, int64_t min, int64_t max);

// A descriptor number. Whether it is open is the kernel's answer.
int readDescriptor(const Napi::Value& value, const std::string& name);

// A uid or gid. 2^32-1 is refused: to setresuid(2) it means "leave as is", so a drop would silently not happen.
uint32_t readId(const Napi::Value& value, const std::string& name);

bool readBoolean(const Napi::Value& value, const std::string& name);

// Text without NUL, which the kernel would take for its end.
std::string readText(const Napi::Value& value, const std::string& name);
std::string readAbsolutePath(const Napi::Value& value, const std::string& name);

Napi::Object readObject(const Napi::Value& value, const std::string& name);

// Every element of an array through `read`, named "name[3]".
template <typename Read>
auto readArray(const Napi::Value& value, const std::string& name, Read read) {
  if (!value.IsArray()) throw Napi::TypeError::New(value.Env(), name + " must be an array");
  const auto array = value.As<Napi::Array>();
  std::vector<decltype(read(value, name))> elements;
  for (uint32_t i = 0; i < array.Length(); i++) {
    elements.push_back(read(array.Get(i), name + "[" + std::to_string(i) + "]"));
  }
  return elements;
}

// "KEY=value" of every own property; inherited ones are not the caller's words.
std::vector<std::string> readEnvironment(const Napi::Value& value, const std::string& name);

}  // namespace domctl
