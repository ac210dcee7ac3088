/*
 * The helper shares its memory with a program that a guest may take over, and that could then write the helper's
 * stacks. So the helper can do nothing with the kernel but what letting go of this memory needs.
 *
 * A refused call fails with EPERM. It does not kill: before Linux 5.16 a process that dies by a core-dumping signal takes
 * everyone with it who shares its memory, and that is the program.
 */
#include <asm/mman.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>

#include "control.h"
#include "syscalls.h"

#if defined(__x86_64__)
#define THIS_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define JUMP_IF(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define REFUSE BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1 /* EPERM */)

#define MAY(number) JUMP_IF(number, 0, 1), ALLOW
/* Both architectures are little-endian: the low half of an argument comes first, and is all that the kernel looks at. */
#define MAY_WITH(number, index, value) JUMP_IF(number, 0, 4), LOAD(args[index]), JUMP_IF(value, 0, 1), ALLOW, REFUSE
#define MAY_WITH_EITHER(number, index, one, other) \
  JUMP_IF(number, 0, 5), LOAD(args[index]), JUMP_IF(one, 1, 0), JUMP_IF(other, 0, 1), ALLOW, REFUSE
#define MAY_WITHIN(number, index, least, most)                                                            \
  JUMP_IF(number, 0, 5), LOAD(args[index]), BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (least), 0, 2),            \
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (most), 1, 0), ALLOW, REFUSE

static const struct sock_filter filter[] = {
    LOAD(arch),
    JUMP_IF(THIS_ARCHITECTURE, 1, 0),
    REFUSE,
    LOAD(nr), /* a call of x32 has a bit of its own in it and matches none */
    MAY_WITH_EITHER(SYS_madvise, 2, MADV_DONTNEED, MADV_DONTNEED_LOCKED),
    MAY(SYS_munmap),
    MAY(SYS_futex),
    MAY(SYS_clock_gettime),
    MAY(SYS_clock_nanosleep),
    MAY(SYS_ppoll),
    MAY(SYS_restart_syscall),
    MAY_WITHIN(SYS_pread64, 0, kMapsFd, kStatusFd),
    MAY_WITH(SYS_write, 0, kOomFd),
    MAY(SYS_io_destroy),
    MAY_WITH(SYS_clone, 0, WORKER_CLONE_FLAGS),
    MAY(SYS_exit),
    MAY(SYS_exit_group),
    REFUSE,
};

long enterSandbox(void) {
  const struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = (struct sock_filter *)filter};
  const long privileges = call5(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (privileges != 0) return privileges;
  return call3(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, (long)&program);
}
