/*
 * clone(2) with a stack of one's own. libc's keeps thread-local state, and returns through a wrapper that this process
 * must not touch. The child calls its function from an empty stack, so that nothing is ever popped from it.
 */
#include "syscalls.h"

#if defined(__x86_64__)

/* rdi flags, rsi stack, rdx child tid, rcx function, r8 argument; the kernel overwrites rax, rcx and r11 only. */
__asm__(
    ".text\n"
    ".globl cloneOnto\n"
    ".hidden cloneOnto\n"
    ".type cloneOnto, @function\n"
    "cloneOnto:\n"
    "  .cfi_startproc\n"
    "  mov %rcx, %r9\n"
    "  mov %rdx, %r10\n"
    "  xor %edx, %edx\n"
    "  and $-16, %rsi\n"
    "  mov $56, %eax\n"
    "  syscall\n"
    "  test %rax, %rax\n"
    "  jnz 1f\n"
    "  .cfi_undefined rip\n"
    "  xor %ebp, %ebp\n"
    "  mov %r8, %rdi\n"
    "  call *%r9\n"
    "  ud2\n"
    "1:\n"
    "  ret\n"
    "  .cfi_endproc\n"
    ".size cloneOnto, .-cloneOnto\n");

#elif defined(__aarch64__)

/* x0 flags, x1 stack, x2 child tid, x3 function, x4 argument; the kernel overwrites x0 only. */
__asm__(
    ".text\n"
    ".globl cloneOnto\n"
    ".hidden cloneOnto\n"
    ".type cloneOnto, %function\n"
    "cloneOnto:\n"
    "  .cfi_startproc\n"
    "  mov x9, x3\n"
    "  mov x10, x4\n"
    "  mov x4, x2\n"
    "  mov x2, xzr\n"
    "  mov x3, xzr\n"
    "  and x1, x1, #0xfffffffffffffff0\n"
    "  mov x8, #220\n"
    "  svc #0\n"
    "  cbnz x0, 1f\n"
    "  .cfi_undefined x30\n"
    "  mov x29, xzr\n"
    "  mov x30, xzr\n"
    "  mov x0, x10\n"
    "  blr x9\n"
    "  brk #0\n"
    "1:\n"
    "  ret\n"
    "  .cfi_endproc\n"
    ".size cloneOnto, .-cloneOnto\n");

#endif
