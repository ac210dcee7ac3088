#include "process.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>

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

}  // namespace domctl
