// Everything a child needs, laid out before the clone: after it nothing may be allocated.
#pragma once

#include <napi.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace domctl {

// A vector of C strings as execve wants it. Moving keeps the pointers valid, copying would not.
class StringVector {
 public:
  explicit StringVector(std::vector<std::string> strings) : strings_(std::move(strings)) {
    for (auto& string : strings_) pointers_.push_back(string.data());
    pointers_.push_back(nullptr);
  }
  StringVector(StringVector&&) = default;
  StringVector(const StringVector&) = delete;
  char* const* data() const noexcept { return pointers_.data(); }

 private:
  std::vector<std::string> strings_;
  std::vector<char*> pointers_;
};

struct Credentials {
  uid_t uid;
  gid_t gid;
  std::vector<gid_t> groups;
};

// As prlimit64(2) takes it; ~0 is RLIM64_INFINITY.
struct ResourceLimit {
  int resource;
  struct {
    uint64_t soft;
    uint64_t hard;
  } values;
};

struct SpawnPlan {
  std::string file;
  StringVector argv;
  StringVector env;
  std::string cwd;
  std::vector<int> descriptors;  // element i becomes descriptor i of the child: stdin, stdout, stderr, extras
  int cgroup;
  std::vector<int> joins;
  std::optional<Credentials> credentials;
  bool keepCapabilities;
  std::vector<ResourceLimit> limits;
};

SpawnPlan readSpawnPlan(const Napi::Value& request);

// The name a resource has in a request: "core", "nofile", "memlock".
const char* resourceName(int resource);

}  // namespace domctl
