#include "arguments.h"

#include <climits>
#include <cmath>

namespace domctl {
namespace {

[[noreturn]] void refuse(const Napi::Value& value, const std::string& name, const std::string& wanted) {
  throw Napi::TypeError::New(value.Env(), name + " must be " + wanted);
}

}  // namespace

int64_t readInteger(const Napi::Value& value, const std::string& name, int64_t min, int64_t max) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
  // Written so that NaN fails too.
  if (!(number >= static_cast<double>(min) && number <= static_cast<double>(max) && number == std::trunc(number))) {
    refuse(value, name, "a whole number from " + std::to_string(min) + " to " + std::to_string(max));
  }
  return static_cast<int64_t>(number);
}

int readDescriptor(const Napi::Value& value, const std::string& name) {
  return static_cast<int>(readInteger(value, name, 0, INT_MAX));
}

uint32_t readId(const Napi::Value& value, const std::string& name) {
  return static_cast<uint32_t>(readInteger(value, name, 0, int64_t{UINT32_MAX} - 1));
}

bool readBoolean(const Napi::Value& value, const std::string& name) {
  if (!value.IsBoolean()) refuse(value, name, "a boolean");
  return value.As<Napi::Boolean>().Value();
}

std::string readText(const Napi::Value& value, const std::string& name) {
  if (!value.IsString()) refuse(value, name, "a string");
  auto text = value.As<Napi::String>().Utf8Value();
  if (text.find('\0') != std::string::npos) refuse(value, name, "free of NUL");
  return text;
}

std::string readAbsolutePath(const Napi::Value& value, const std::string& name) {
  auto path = readText(value, name);
  if (path.empty() || path[0] != '/') refuse(value, name, "an absolute path");
  return path;
}

Napi::Object readObject(const Napi::Value& value, const std::string& name) {
  if (!value.IsObject() || value.IsArray() || value.IsFunction()) refuse(value, name, "an object");
  return value.As<Napi::Object>();
}

std::vector<std::string> readEnvironment(const Napi::Value& value, const std::string& name) {
  const auto object = readObject(value, name);
  napi_value keys = nullptr;
  const auto filter = static_cast<napi_key_filter>(napi_key_enumerable | napi_key_skip_symbols);
  const auto status =
      napi_get_all_property_names(object.Env(), object, napi_key_own_only, filter, napi_key_numbers_to_strings, &keys);
  if (status != napi_ok) throw Napi::Error::New(object.Env());
  return readArray(Napi::Value(object.Env(), keys), name, [&](const Napi::Value& key, const std::string&) {
    const auto variable = readText(key, name + " key");
    if (variable.empty() || variable.find('=') != std::string::npos) {
      refuse(key, name + " key", "non-empty and free of '='");
    }
    return variable + "=" + readText(object.Get(key), name + "." + variable);
  });
}

}  // namespace domctl
