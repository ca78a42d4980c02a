/* SPDX-License-Identifier: Apache-2.0 */
/* Which child is whose: exits that the keeper tells are routed to the object that spawned the process. */
#ifndef SUPERVISOR_CHILDREN_H
#define SUPERVISOR_CHILDREN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/** A process ended: `code` is CLD_EXITED, CLD_KILLED or CLD_DUMPED, `status` its exit code or signal number. */
typedef void (*child_exited_fn)(pid_t pid, int code, int status, void *data);

struct child {
	pid_t pid; /* 0: empty */
	child_exited_fn fn;
	void *data;
};

struct children {
	struct child *slots; /* open addressing by pid */
	size_t cap;          /* 0 or a power of two */
	size_t n;
};

/** Zeroes are an empty table. */
void children_fini(struct children *c);
/** Route the exit of `pid` to `fn`. Returns 0 or -ENOMEM. A pid that is there already is replaced. */
int children_add(struct children *c, pid_t pid, child_exited_fn fn, void *data);
/** Take out the entry of `pid`. Returns false if there is none. */
bool children_take(struct children *c, pid_t pid, struct child *out);
bool children_has(const struct children *c, pid_t pid);

#endif
