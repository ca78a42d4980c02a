/* SPDX-License-Identifier: Apache-2.0 */
/* clone3(2) with a stack of its own, which no libc offers: needed for CLONE_INTO_CGROUP. */
#ifndef PROCESS_CLONE_H
#define PROCESS_CLONE_H

#include <linux/sched.h>
#include <stddef.h>

/**
 * Call clone3(2); the child calls `fn(data)`, which must not return. `args->stack` must be set, aligned to 16. Returns what the
 * kernel says in the parent: a pid or negative errno; -ENOSYS on machines that are not known here.
 */
long clone_with_stack(struct clone_args *args, size_t size, int (*fn)(void *), void *data);

#endif
