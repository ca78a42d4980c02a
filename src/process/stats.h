/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figures of a service with all its descendants, and the tree of its processes.
 * CPU % is between two readings of the same `struct stats_sample`; the first reading gives the mean since the start.
 */
#ifndef PROCESS_STATS_H
#define PROCESS_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/time.h"
#include "process/cgroup.h"
#include "process/tree.h"

struct stats_process {
	struct tree_proc proc;
	uint64_t cpu_usec; /* user and system */
	uint64_t rss_bytes;
	uint64_t pss_bytes; /* 0 where it can't be read */
	uint64_t read_bytes, write_bytes; /* at the storage layer; 0 where they can't be read */
	unsigned int fds;
};

struct stats {
	double cpu_pct; /* 100 = one processor */
	uint64_t cpu_usec;
	uint64_t rss_bytes, pss_bytes;
	uint64_t read_bytes, write_bytes;
	unsigned int processes; /* main and descendants */
	unsigned int threads;
	unsigned int fds;
	bool from_cgroup; /* CPU and IO include processes that ended meanwhile */
};

/** What the next reading compares with; zero at first, kept by the caller per service. */
struct stats_sample {
	usec_t when;
	uint64_t cpu_usec;
};

/** Read one process. `with_pss` reads smaps_rollup too: dear for big ones. Returns 0 or -ESRCH. */
int stats_process(pid_t pid, bool with_pss, struct stats_process *out);
/** CPU of one process since it was started, in per cent of one processor. */
double stats_process_percent(const struct stats_process *p, usec_t now);
/**
 * Sum up the members of a service. `cg` may be NULL, `sample` too (the mean since the start then). Returns 0 or negative errno.
 */
int stats_read(const struct tree_query *query, struct cgroup *cg, usec_t now, bool with_pss, struct stats_sample *sample,
	       struct stats *out);
typedef void (*stats_tree_fn)(const struct stats_process *process, unsigned int depth, void *data);
/** Members of a service, children after their parent; calls `fn` for each with its depth (main: 0). Returns 0 or negative errno. */
int stats_tree(const struct tree_query *query, stats_tree_fn fn, void *data);

#endif
