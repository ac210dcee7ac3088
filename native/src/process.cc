#include "process.h"

#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <vector>

#include "arguments.h"
#include "errors.h"

namespace domctl {

// SAFETY: ends the caller's ownership of the number. On Linux it is free again even after EINTR (close(2)): trying
// again could close what another thread has opened since.
void closeFd(const Napi::CallbackInfo& info) {
  const auto fd = readDescriptor(info[0], "fd");
  if (close(fd) == -1 && errno != EINTR) throwErrno(info.Env(), "close", fd);
}

// SAFETY: of the whole process, all threads, until it ends; children do not inherit it (prctl(2)). Orphans that come
// to us stay zombies until someone waits for them.
void setSubreaper(const Napi::CallbackInfo& info) {
  if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == -1) throwErrno(info.Env(), "prctl PR_SET_CHILD_SUBREAPER");
}

// SAFETY: of one thread, known by its number alone: the caller must know that it is still the one meant. The kernel
// takes those of the CPUs that are there, and says EINVAL when none is. CPU sets here may be larger than cpu_set_t.
void setAffinity(const Napi::CallbackInfo& info) {
  constexpr int64_t kLargestCpu = 65'535;
  const auto thread = static_cast<pid_t>(readInteger(info[0], "threadId", 1, INT_MAX));
  const auto cpus = readArray(info[1], "cpus", [](const Napi::Value& value, const std::string& name) {
    return readInteger(value, name, 0, kLargestCpu);
  });
  std::vector<cpu_set_t> set(kLargestCpu / CPU_SETSIZE + 1);
  const size_t bytes = set.size() * sizeof(cpu_set_t);
  CPU_ZERO_S(bytes, set.data());
  for (const auto cpu : cpus) CPU_SET_S(static_cast<size_t>(cpu), bytes, set.data());
  if (sched_setaffinity(thread, bytes, set.data()) == -1) throwErrno(info.Env(), "sched_setaffinity");
}

}  // namespace domctl
