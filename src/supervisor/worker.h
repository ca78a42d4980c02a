/* SPDX-License-Identifier: Apache-2.0 */
/* A program of ours that works for the server beside it: found, spawned with one socket, watched, ended when it hangs. */
#ifndef SUPERVISOR_WORKER_H
#define SUPERVISOR_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "process/spawn.h"

struct supervisor;
struct worker;

/** What a kind of worker is started with. */
struct worker_kind {
	const char *program;
	int fd; /* the number of its socket */
	const struct spawn_rlimit *rlimits;
	size_t n_rlimits;
	bool unprivileged; /* no capability at all: of root only the name is left */
	bool expendable;   /* the first that the kernel may take when memory is short */
	/** It ended, or could not be started; `worker` is freed after this. */
	void (*gone)(struct worker *worker, void *data);
};

/**
 * Start one; `kind` must live as long as it. `fd` is copied and stays the caller's. Returns 0 with *out, or negative errno,
 * told to the log.
 */
int worker_spawn(struct supervisor *sup, const struct worker_kind *kind, int fd, void *data, struct worker **out);
/** Kill it, since it does not answer; gone() comes later. NULL is fine. */
void worker_end(struct worker *worker);
/** The supervisor ends: forget it; it ends when its socket closes. gone() is not called. NULL is fine. */
void worker_forget(struct worker *worker);
/** 0: it is being spawned. */
pid_t worker_pid(const struct worker *worker);

#endif
