/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup v2, where it is to be had: one cgroup a service below a subtree of ours.
 *
 * Pure (/sys/fs/cgroup), hybrid (/sys/fs/cgroup/unified; controllers may then be bound to v1 and missing here) and delegated
 * trees (a container or a user session: our own cgroup is the root, and we move into a leaf of it so that controllers can be
 * enabled). Where nothing works there is one sentence that says why, and everything else goes on without.
 */
#ifndef PROCESS_CGROUP_H
#define PROCESS_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "loop/loop.h"

enum cgroup_controller { CGROUP_CPU, CGROUP_MEMORY, CGROUP_PIDS, CGROUP_IO, CGROUP_CONTROLLER_N };

struct cgroup_root;
struct cgroup;

struct cgroup_limits {
	uint64_t memory_max; /* bytes; 0: none */
	uint64_t pids_max; /* 0: none */
	unsigned int cpu_max_pct; /* 150 = one and a half processors; 0: none */
};

struct cgroup_stats {
	uint64_t cpu_usec; /* used so far */
	uint64_t memory_bytes; /* now; 0 where the controller is missing, as all below */
	uint64_t memory_peak_bytes;
	uint64_t pids;
	uint64_t io_read_bytes, io_write_bytes;
	uint64_t oom_kills; /* processes that the kernel killed for memory */
};

/**
 * Find or make the subtree `name` ("zinit") that services go under. `keeper` (0: none) is moved into the leaf along with us, where there has to be one. `base` is NULL, or a directory to use instead of the search (tests, settings).
 * Returns NULL if cgroups can't be used: `err` then says why, in one sentence for the log, and is no failure of the server.
 */
struct cgroup_root *cgroup_root_open(const char *base, const char *name, pid_t keeper, struct error *err);
/** Close it; with `remove`, also remove the subtree if it is empty. NULL is fine. */
void cgroup_root_close(struct cgroup_root *root, bool remove);
/**
 * Remove subtrees beside ours that a server left which did not end in good order. `is_stale` tells by the name; one that is
 * locked (a server that lives has its own so) or in which anybody lives is spared. Returns how many were removed.
 */
unsigned int cgroup_root_sweep(const struct cgroup_root *root, bool (*is_stale)(const char *name, void *data), void *data);
const char *cgroup_root_path(const struct cgroup_root *root);
/** May limits of this controller be set? */
bool cgroup_root_has(const struct cgroup_root *root, enum cgroup_controller controller);
const char *cgroup_controller_name(enum cgroup_controller controller);

/**
 * The cgroup of a service: made, or found as an earlier server left it. NULL with `err` filled. Holds no descriptor while it is not used.
 */
struct cgroup *cgroup_open(struct cgroup_root *root, const char *service, struct error *err);
/** Forget it; the directory stays. NULL is fine. */
void cgroup_close(struct cgroup *cg);
/** Remove the directory and those below it (a service may have made some). 0, -EBUSY: someone lives in it; other negative errno. */
int cgroup_remove(struct cgroup *cg);
/**
 * To be called before a spawn into it. Linux (6.18 at least) kills at once what is cloned into a cgroup whose cgroup.kill was ever written, so such a
 * one is removed and made again, without limits and with fresh counters. Returns 1 if it was, 0 if there was no need; -EBUSY: someone
 * lives in it; other negative errno.
 */
int cgroup_renew(struct cgroup *cg);
/** A descriptor of the directory, close-on-exec, for spawn_request.cgroup_fd and tree_query. The caller closes it. Negative errno. */
int cgroup_dir_fd(const struct cgroup *cg);
/** The same, with -1 for every error, and for NULL. */
int cgroup_fd_or_none(const struct cgroup *cg);
/** Set the limits; 0 lifts one. A controller that is missing: -EOPNOTSUPP with `err` naming the first, after the others were set. */
int cgroup_set_limits(struct cgroup *cg, const struct cgroup_limits *limits, struct error *err);
/** SIGKILL to all in it, by cgroup.kill (5.14), else one by one. Returns 0 or negative errno. */
int cgroup_kill(struct cgroup *cg);
/** 1: processes live in it or below; 0: none (zombies do not count); negative errno. */
int cgroup_populated(const struct cgroup *cg);
/** Processes in it that the kernel killed for memory, ever; 0 where it does not tell. */
uint64_t cgroup_oom_kills(const struct cgroup *cg);
/** Figures. Missing ones are 0. Returns 0 or negative errno. */
int cgroup_stats(const struct cgroup *cg, struct cgroup_stats *out);

struct cgroup_watch;
/** "populated" changed. */
typedef void (*cgroup_watch_fn)(bool populated, void *data);
/** Be told when the cgroup becomes empty or populated. Holds one descriptor. NULL with errno set. */
struct cgroup_watch *cgroup_watch_new(struct cgroup *cg, struct loop *loop, cgroup_watch_fn fn, void *data);
void cgroup_watch_free(struct cgroup_watch *watch);

#endif
