/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the processes of a service look like at one instant: who they are, what each thread waits for, which descriptors
 * are open. For the record of an incident, taken before anything is killed.
 *
 * All of it is bounded, and nothing is read that could wait for the process: command lines are behind a lock that a
 * process stuck in the kernel may hold, so they are left out where a thread is in uninterruptible sleep.
 */
#ifndef PROCESS_SNAPSHOT_H
#define PROCESS_SNAPSHOT_H

#include "process/stats.h"
#include "process/tree.h"

#define SNAPSHOT_PROCESSES_MAX 32
#define SNAPSHOT_THREADS_MAX 128
#define SNAPSHOT_FDS_MAX 512
/* Of one process: a table of ten thousand connections must not push out those of its neighbours. */
#define SNAPSHOT_THREADS_EACH 16
#define SNAPSHOT_FDS_EACH 64
#define SNAPSHOT_WAIT_SIZE 48
#define SNAPSHOT_TARGET_SIZE 128
#define SNAPSHOT_COMMAND_SIZE 256

struct snapshot_thread {
	pid_t tid;
	char state;                    /* of /proc/PID/task/TID/stat */
	char wait[SNAPSHOT_WAIT_SIZE]; /* function of the kernel in which it sleeps, or "": it runs, or may not be known */
};

struct snapshot_fd {
	int fd;
	char target[SNAPSHOT_TARGET_SIZE]; /* "/var/lib/x", "socket:[123]", … cut */
};

struct snapshot_process {
	struct stats_process stats;
	char command[SNAPSHOT_COMMAND_SIZE]; /* command line; else the path of its program, else "" */
	size_t threads_at, threads_n;        /* in snapshot.threads; fewer than stats.proc.threads: cut */
	size_t fds_at, fds_n;                /* in snapshot.fds; fewer than stats.fds: cut */
};

struct snapshot {
	size_t found; /* living members; more than `n`: cut */
	size_t n, threads_n, fds_n;
	struct snapshot_process processes[SNAPSHOT_PROCESSES_MAX]; /* the main process first */
	struct snapshot_thread threads[SNAPSHOT_THREADS_MAX];
	struct snapshot_fd fds[SNAPSHOT_FDS_MAX];
};

/** Look at the members of a service. Returns 0 with *out for snapshot_free(), or -ENOMEM. */
int snapshot_take(const struct tree_query *query, struct snapshot **out);
void snapshot_free(struct snapshot *s);

#endif
