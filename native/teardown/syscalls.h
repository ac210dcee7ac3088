/*
 * System calls of a process that shares another's memory. It shares errno, locks and thread-local storage too, and its
 * owner may be dead: no function of libc may run there, so these are the instructions themselves. Results are the
 * kernel's: -errno is an error.
 */
#ifndef ASYNC_TEARDOWN_SYSCALLS_H
#define ASYNC_TEARDOWN_SYSCALLS_H

#include <sys/syscall.h>

#if defined(__x86_64__)

static inline long call6(long number, long a, long b, long c, long d, long e, long f) {
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

#elif defined(__aarch64__)

static inline long call6(long number, long a, long b, long c, long d, long e, long f) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc #0"
                   : "+r"(x0)
                   : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                   : "memory");
  return x0;
}

#else
#error "libasyncteardown knows the system calls of x86_64 and aarch64"
#endif

static inline long call0(long number) { return call6(number, 0, 0, 0, 0, 0, 0); }
static inline long call1(long number, long a) { return call6(number, a, 0, 0, 0, 0, 0); }
static inline long call2(long number, long a, long b) { return call6(number, a, b, 0, 0, 0, 0); }
static inline long call3(long number, long a, long b, long c) { return call6(number, a, b, c, 0, 0, 0); }
static inline long call4(long number, long a, long b, long c, long d) { return call6(number, a, b, c, d, 0, 0); }
static inline long call5(long number, long a, long b, long c, long d, long e) {
  return call6(number, a, b, c, d, e, 0);
}

/*
 * clone(2) into `run(argument)` on another stack, whose upper end is `stackTop`; `run` must never return. `childTid` is
 * used with CLONE_CHILD_CLEARTID. Returns the new id, or -errno.
 */
long cloneOnto(unsigned long flags, void *stackTop, int *childTid, void (*run)(void *), void *argument);

static inline void __attribute__((noreturn)) leaveProcess(void) {
  for (;;) call1(SYS_exit_group, 0);
}

#endif
