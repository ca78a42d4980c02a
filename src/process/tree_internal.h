/* SPDX-License-Identifier: Apache-2.0 */
/* For stop.c: one look at the orphans that serves many queries, and lists that grow. */
#ifndef PROCESS_TREE_INTERNAL_H
#define PROCESS_TREE_INTERNAL_H

#include "process/tree.h"

struct tree_orphan {
	pid_t pid;
	uint64_t tag; /* 0: none of ours */
};

struct tree_orphans {
	struct tree_orphan *v;
	size_t n, cap;
	struct tree_known known; /* who is left out; set it before reading */
	unsigned int threads; /* of the reaper, which has as many when it is asked the first time as ever; 0: not asked yet */
};

/** The children of `reaper` and their tags, without the known ones; replaces the content of `out`. Returns 0, or a shortage (what was found so far is there). */
int tree_orphans_read(pid_t reaper, struct tree_orphans *out);
void tree_orphans_fini(struct tree_orphans *orphans);
/** As tree_members(), with a look at the orphans that was taken before (NULL: query->reaper is read). */
int tree_members_from(const struct tree_query *query, const struct tree_orphans *orphans, struct tree_list *out);
/**
 * SIGKILL to the youngest `n` children of `reaper`, as far as they bear the tag: for those who fork and exit without end. Looks and strikes within
 * microseconds. Returns how many were hit, zombies among them.
 */
size_t tree_chase(pid_t reaper, uint64_t tag, size_t n);
/** Does that negative errno mean that a look failed for want of descriptors or memory, and so says nothing about who is there? */
bool tree_is_shortage(int r);
/** Append a copy. Returns 0 or -ENOMEM. */
int tree_list_add(struct tree_list *list, const struct tree_proc *proc);
/** Is this very process (pid and start time) in the list? */
bool tree_list_has(const struct tree_list *list, const struct tree_proc *proc);

#endif
