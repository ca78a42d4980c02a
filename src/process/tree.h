/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who belongs to a service: reads /proc.
 *
 * Four means together, since each can be evaded alone (docs/internals/process.md weighs them):
 *  - the tag: soft RLIMIT_LOCKS, inherited by everything that is born later, kept over exec, setsid, double fork and
 *    a wiped environment; readable with one prlimit(2);
 *  - ancestry: the children lists below the main process, as long as it lives;
 *  - group and session: those whose id is the pid of a known member;
 *  - history: members seen in an earlier look (pid and start time), wherever they hang now.
 * A cgroup, where there is one, adds its own list.
 *
 * A process is identified by pid and start time, and signalled by a pidfd that was opened before both were checked
 * again: nobody else's process is ever hit.
 */
#ifndef PROCESS_TREE_H
#define PROCESS_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

#define TREE_COMM_SIZE 16
/* Members that one look collects at most; a storm has more, and is ended in several looks. */
#define TREE_MEMBERS_MAX 65536

struct tree_proc {
	pid_t pid, ppid, pgid, sid;
	char state; /* of /proc/PID/stat: R S D Z T … */
	unsigned int threads;
	uint64_t start; /* clock ticks since boot */
	char comm[TREE_COMM_SIZE];
};

/** Facts of one process. Returns 0, -ESRCH, or -EMFILE, -ENFILE, -ENOMEM, -EIO: it can't be looked at now. */
int tree_read(pid_t pid, struct tree_proc *out);
/** Dead or as good as dead: a zombie without living threads. */
bool tree_is_dead(const struct tree_proc *p);

struct tree_list {
	struct tree_proc *procs;
	size_t n, cap;
};

void tree_list_fini(struct tree_list *list);
/** The member with this pid, or NULL. */
const struct tree_proc *tree_list_find(const struct tree_list *list, pid_t pid);

/** The tag that a process carries, or 0: none, or it is gone. */
uint64_t tree_read_tag(pid_t pid);
/** The tag of a service: never 0, below RLIM_INFINITY; `instance` tells two servers apart. */
uint64_t tree_tag(uint64_t instance, const char *service);

/** Children of the reaper that are nobody's orphans, since their owner waits for them: main processes of services, helpers. */
struct tree_known {
	bool (*fn)(pid_t pid, void *data); /* NULL: none is known */
	void *data;
};

/** Whom to look for; zero or -1 leaves a means out. */
struct tree_query {
	pid_t main; /* main process, living or an unreaped zombie; also names its group and session */
	pid_t ended; /* the former main process, known to have ended before this question: it leaves nobody to the reaper any more */
	pid_t reaper; /* the keeper: orphans hang below it */
	uint64_t tag;
	int cgroup_fd; /* -1 */
	const struct tree_list *history; /* NULL */
	struct tree_known known; /* spares the look at them: with a thousand services, nearly all children of the reaper */
	bool everywhere; /* look at all of /proc, not only below `main` and `reaper`: slower, finds those in other pid namespaces */
};

/**
 * The living members of a service, zombies left out, into `out` (initialised by the caller; its content is replaced).
 * Costs a few microseconds if the main process has no children and the reaper no orphans.
 *
 * Returns 0; -ENOMEM, -EMFILE, -ENFILE, -EIO (what was found so far is in `out`, others may be there); -EAGAIN: someone is there who multiplies and dies faster than one can look.
 */
int tree_members(const struct tree_query *query, struct tree_list *out);
/** All descendants of `pid`, itself not included. Returns 0 or negative errno. */
int tree_descendants(pid_t pid, struct tree_list *out);
/**
 * Signal one process if it is still the one that was seen (pid and start time). Returns 0, -ESRCH (it is gone), -EPERM …
 * `out_pidfd`, if not NULL, gets a pidfd of it (-1 on failure), to wait for its end.
 */
int tree_signal(const struct tree_proc *proc, int signo, int *out_pidfd);
/** The command line of a process, blanks between the words, "[comm]" if it has none; cut at `size`. */
void tree_cmdline(pid_t pid, char *out, size_t size);

#endif
