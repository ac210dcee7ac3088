#include "spawn_plan.h"

#include <sys/resource.h>

#include <cmath>
#include <utility>

#include "arguments.h"

namespace domctl {
namespace {

constexpr int64_t kMaxSafeInteger = (int64_t{1} << 53) - 1;
constexpr std::pair<const char*, int> kResources[] = {
    {"core", RLIMIT_CORE}, {"nofile", RLIMIT_NOFILE}, {"memlock", RLIMIT_MEMLOCK}};

StringVector readArgv(const Napi::Value& value) {
  auto strings = readArray(value, "argv", readText);
  // An empty argv is legal to execve(2) and a known way to confuse programs.
  if (strings.empty()) throw Napi::TypeError::New(value.Env(), "argv must hold at least argv[0]");
  return StringVector(std::move(strings));
}

std::vector<int> readDescriptors(const Napi::Object& request) {
  std::vector<int> descriptors;
  for (const auto* name : {"stdin", "stdout", "stderr"}) descriptors.push_back(readDescriptor(request.Get(name), name));
  const auto extras = readArray(request.Get("extraFds"), "extraFds", readDescriptor);
  descriptors.insert(descriptors.end(), extras.begin(), extras.end());
  return descriptors;
}

std::optional<Credentials> readCredentials(const Napi::Value& value) {
  if (value.IsNull()) return std::nullopt;
  const auto object = readObject(value, "credentials");
  return Credentials{readId(object.Get("uid"), "credentials.uid"), readId(object.Get("gid"), "credentials.gid"),
                     readArray(object.Get("groups"), "credentials.groups", readId)};
}

bool readKeepCapabilities(const Napi::Object& request) {
  const auto value = request.Get("keepCapabilities");
  if (value.IsUndefined() || !readBoolean(value, "keepCapabilities")) return false;
  // Another user loses them with its uid: asked for both, the caller means something that cannot be.
  if (request.Get("credentials").IsNull()) return true;
  throw Napi::TypeError::New(value.Env(), "keepCapabilities goes only with credentials null");
}

int readResource(const Napi::Value& value, const std::string& name) {
  const auto wanted = readText(value, name);
  for (const auto& [known, resource] : kResources) {
    if (wanted == known) return resource;
  }
  throw Napi::TypeError::New(value.Env(), name + " must be core, nofile or memlock");
}

uint64_t readLimitValue(const Napi::Value& value, const std::string& name) {
  if (value.IsNumber() && value.As<Napi::Number>().DoubleValue() == INFINITY) return ~uint64_t{0};
  return static_cast<uint64_t>(readInteger(value, name, 0, kMaxSafeInteger));
}

ResourceLimit readLimit(const Napi::Value& value, const std::string& name) {
  const auto limit = readObject(value, name);
  return {readResource(limit.Get("name"), name + ".name"),
          {readLimitValue(limit.Get("soft"), name + ".soft"), readLimitValue(limit.Get("hard"), name + ".hard")}};
}

}  // namespace

const char* resourceName(int resource) {
  for (const auto& [name, known] : kResources) {
    if (known == resource) return name;
  }
  return "";
}

SpawnPlan readSpawnPlan(const Napi::Value& value) {
  const auto request = readObject(value, "request");
  return {readAbsolutePath(request.Get("file"), "file"),
          readArgv(request.Get("argv")),
          StringVector(readEnvironment(request.Get("env"), "env")),
          readAbsolutePath(request.Get("cwd"), "cwd"),
          readDescriptors(request),
          readDescriptor(request.Get("cgroupFd"), "cgroupFd"),
          readArray(request.Get("joinFds"), "joinFds", readDescriptor),
          readCredentials(request.Get("credentials")),
          readKeepCapabilities(request),
          readArray(request.Get("rlimits"), "rlimits", readLimit)};
}

}  // namespace domctl
