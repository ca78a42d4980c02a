/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the few instructions around clone3(2) that depend on the machine. */
#include "process/clone.h"

#include <errno.h>
#include <sys/syscall.h>

#if defined(__x86_64__) && defined(__LP64__)

long clone_with_stack(struct clone_args *args, size_t size, int (*fn)(void *), void *data)
{
	register void *data_reg __asm__("r12") = data;
	long r;

	/* The child comes back here with the same registers and a new, empty stack. */
	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "mov %[data], %%rdi\n\t"
			 "call *%[fn]\n\t"
			 "hlt\n"
			 "1:"
			 : "=a"(r)
			 : "0"((long)SYS_clone3), "D"(args), "S"(size), [fn] "b"(fn), [data] "r"(data_reg)
			 : "rcx", "r11", "memory", "cc");
	return r;
}

#elif defined(__aarch64__)

long clone_with_stack(struct clone_args *args, size_t size, int (*fn)(void *), void *data)
{
	register long x8 __asm__("x8") = SYS_clone3;
	register long x0 __asm__("x0") = (long)args;
	register size_t x1 __asm__("x1") = size;
	register int (*fn_reg)(void *) __asm__("x20") = fn;
	register void *data_reg __asm__("x21") = data;

	__asm__ volatile("svc #0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov x29, xzr\n\t"
			 "mov x0, %[data]\n\t"
			 "blr %[fn]\n\t"
			 "brk #1\n"
			 "1:"
			 : "+r"(x0)
			 : "r"(x1), "r"(x8), [fn] "r"(fn_reg), [data] "r"(data_reg)
			 : "x30", "memory", "cc");
	return x0;
}

#else

long clone_with_stack(struct clone_args *args, size_t size, int (*fn)(void *), void *data)
{
	(void)args;
	(void)size;
	(void)fn;
	(void)data;
	return -ENOSYS;
}

#endif
