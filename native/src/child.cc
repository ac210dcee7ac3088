#include "child.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>

#include "kernel.h"

namespace domctl {
namespace {

constexpr int kSignals = 64;
constexpr int kCapabilities = 64;

class Child {
 public:
  Child(SpawnPlan& plan, int report) noexcept : plan_(plan), report_(report) {}

  [[noreturn]] void run() noexcept {
    joinCgroups();
    resetSignals();
    forgoProtection();
    must(syscall(SYS_setsid), Step::Session);
    syscall(SYS_umask, 027);
    placeDescriptors();
    setLimits();
    changeUser();
    dropPrivileges();
    // As the final user, so that a directory it may not enter is an error here and not a surprise later.
    must(syscall(SYS_chdir, plan_.cwd.c_str()), Step::Chdir);
    unblockSignals();
    must(syscall(SYS_execve, plan_.file.c_str(), plan_.argv.data(), plan_.env.data()), Step::Exec);
    __builtin_unreachable();
  }

 private:
  long must(long result, Step step, size_t index = 0) noexcept {
    if (result != -1) return result;
    const Failure failure{step, static_cast<int32_t>(index), errno};
    syscall(SYS_write, report_, &failure, sizeof(failure));
    for (;;) syscall(SYS_exit_group, 127);
  }

  // First of all, so that as little memory as possible is charged elsewhere: v1 does not move charges. The kernel
  // checks the rights of who opened the file.
  void joinCgroups() noexcept {
    for (size_t i = 0; i < plan_.joins.size(); i++) must(syscall(SYS_write, plan_.joins[i], "0", 1), Step::Join, i);
  }

  // Node ignores SIGPIPE, and what is ignored stays ignored over execve. All zero is SIG_DFL, no flags and an empty
  // mask in struct sigaction of every architecture's kernel; SIGKILL and SIGSTOP refuse, rightly.
  void resetSignals() noexcept {
    alignas(8) const char byDefault[64] = {};
    for (int signal = 1; signal <= kSignals; signal++) {
      syscall(SYS_rt_sigaction, signal, byDefault, nullptr, kSignalSetBytes);
    }
  }

  // A service manager spares its daemon when memory is short (OOMScoreAdjust=); the guests it starts are no reason to
  // end somebody else. A score that is not below zero is kept. Without /proc nothing is known of it, and nothing done.
  void forgoProtection() noexcept {
    const long fd = syscall(SYS_openat, AT_FDCWD, "/proc/self/oom_score_adj", O_RDWR);
    if (fd == -1) return;
    char first = 0;
    syscall(SYS_pread64, fd, &first, 1, 0);
    if (first == '-') must(syscall(SYS_write, fd, "0", 1), Step::OomScore);
    syscall(SYS_close, fd);
  }

  // Sources may overlap targets in any order, so every one is first copied above all targets. dup3 clears
  // close-on-exec.
  void placeDescriptors() noexcept {
    auto& fds = plan_.descriptors;
    const auto above = static_cast<int>(fds.size());
    report_ = static_cast<int>(must(syscall(SYS_fcntl, report_, F_DUPFD_CLOEXEC, above), Step::Report));
    for (size_t i = 0; i < fds.size(); i++) {
      fds[i] = static_cast<int>(must(syscall(SYS_fcntl, fds[i], F_DUPFD_CLOEXEC, above), Step::Duplicate, i));
    }
    for (size_t i = 0; i < fds.size(); i++) must(syscall(SYS_dup3, fds[i], static_cast<int>(i), 0), Step::Duplicate, i);
    // Not closed at once: the report pipe must last until execve.
    must(syscall(SYS_close_range, above, ~0U, CLOSE_RANGE_CLOEXEC), Step::CloseRest);
  }

  void setLimits() noexcept {
    for (size_t i = 0; i < plan_.limits.size(); i++) {
      must(syscall(SYS_prlimit64, 0, plan_.limits[i].resource, &plan_.limits[i].values, nullptr), Step::Limit, i);
    }
  }

  void changeUser() noexcept {
    if (plan_.keepCapabilities) return;
    // Before setresuid takes away the CAP_SETPCAP this needs. Whoever lacks it is refused, and that is no failure:
    // with no_new_privs nothing can be gained from the bounding set.
    for (int capability = 0; capability < kCapabilities; capability++) {
      syscall(SYS_prctl, PR_CAPBSET_DROP, capability, 0, 0, 0);
    }
    if (!plan_.credentials) return;
    const auto& [uid, gid, groups] = *plan_.credentials;
    must(syscall(SYS_setgroups, groups.size(), groups.data()), Step::Groups);
    must(syscall(SYS_setresgid, gid, gid, gid), Step::Gid);
    must(syscall(SYS_setresuid, uid, uid, uid), Step::Uid);
  }

  // Emptying the permitted set empties the ambient one with it. With no_new_privs execve gives nothing back, not even
  // to uid 0.
  void dropPrivileges() noexcept {
    if (plan_.keepCapabilities) return;
    must(syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), Step::NoNewPrivileges);
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    const __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
    must(syscall(SYS_capset, &header, none), Step::Capabilities);
  }

  void unblockSignals() noexcept {
    const uint64_t none = 0;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, nullptr, kSignalSetBytes);
  }

  SpawnPlan& plan_;
  int report_;
};

}  // namespace

void runChild(SpawnPlan& plan, int report) noexcept { Child(plan, report).run(); }

}  // namespace domctl
