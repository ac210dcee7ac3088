// Numbers of the kernel's interface that older C libraries and headers do not name. The system calls are numbered
// alike on every architecture (they came after the tables were unified).
#pragma once

#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif
#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

namespace domctl {

// P_PIDFD: an enumerator, a macro or absent, depending on the C library.
constexpr auto kPidfdId = static_cast<idtype_t>(3);

// The kernel's sigset_t: one bit for each of its 64 signals. glibc's is larger and hides signals 32 and 33.
constexpr unsigned kSignalSetBytes = 8;

}  // namespace domctl
