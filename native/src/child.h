// What happens between clone and execve, on the child's side.
#pragma once

#include <cstdint>

#include "spawn_plan.h"

namespace domctl {

enum class Step : int32_t {
  Join,
  OomScore,
  Session,
  Report,
  Duplicate,
  CloseRest,
  Limit,
  Groups,
  Gid,
  Uid,
  NoNewPrivileges,
  Capabilities,
  Chdir,
  Exec,
};

// Written to the report pipe by a child that cannot go on. A pipe takes so few bytes whole (PIPE_BUF).
struct Failure {
  Step step;
  int32_t index;  // which of the plan's joins, descriptors or limits
  int32_t error;
};

// Runs in a process of one thread whose memory is a private copy of a process of many: any of its locks may be held
// by a thread that does not exist here. Hence raw system calls only, no allocation, no exceptions; the plan may be
// overwritten. All signals must be blocked. `report` must be close-on-exec: end of file there means that execve
// happened, or death.
[[noreturn]] void runChild(SpawnPlan& plan, int report) noexcept;

}  // namespace domctl
