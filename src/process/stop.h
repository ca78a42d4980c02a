/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ending a service, and knowing when nothing of it is left.
 *
 * The caller decides when (its core has the time-outs); this carries it out and watches:
 *
 *	stop_new()    remembers who is there
 *	stop_signal() the polite signal, to whom kill_mode says            (or the caller runs stop_command)
 *	stop_kill()   SIGKILL: group, cgroup, and all that is found of the service, again and again until it is gone
 *	callback      once, when nothing is left
 *	stop_survivors()  who is still there, for the message
 *
 * Watching costs nothing while it waits: pidfds in the loop; a timer only where there are none, or too many processes.
 * Checks of many services in one round of the loop share one look at the orphans.
 *
 * The caller keeps the main process unreaped (a zombie at most) until the callback, or tells with
 * stop_main_reaped() that it is gone: from then on its number is not used any more.
 */
#ifndef PROCESS_STOP_H
#define PROCESS_STOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "loop/loop.h"
#include "process/tree.h"

enum kill_mode {
	KILL_GROUP, /* signals go to the process group */
	KILL_CGROUP, /* to every process of the service */
	KILL_PROCESS, /* to the main process alone, SIGKILL too: the rest is left, and named */
	KILL_MODE_N
};

struct cgroup;
struct stopper;
struct stop;

/** What is shared by all stops: the loop and one look at the orphans per round. `reaper` is the keeper's pid (or our own). NULL with errno set. */
struct stopper *stopper_new(struct loop *loop, pid_t reaper);
/** Tell which children of the reaper are known (tree.h): each look then costs what the strangers cost, not what all services cost. */
void stopper_set_known(struct stopper *stopper, const struct tree_known *known);
/** All stops must be freed before. NULL is fine. */
void stopper_free(struct stopper *stopper);

struct stop_target {
	pid_t main; /* 0: there is none any more, only leftovers are looked for */
	int pidfd; /* of main; -1 if none. Borrowed until stop_free() */
	uint64_t tag; /* as given at the spawn */
	struct cgroup *cgroup; /* or NULL. Borrowed */
	enum kill_mode mode;
};

/**
 * Nothing is left of the service: no process but zombies. Called from the loop, never from within a call of this header. The
 * main process may be a zombie that waits to be reaped. May free the stop.
 */
typedef void (*stop_fn)(struct stop *stop, void *data);

/**
 * Begin to watch the end of a service. Sends nothing. With KILL_PROCESS `fn` is called when the main process is gone,
 * whoever is left then: ask stop_survivors(). Returns NULL with errno set.
 */
struct stop *stop_new(struct stopper *stopper, const struct stop_target *target, stop_fn fn, void *data);
/** Stop watching; sends nothing. NULL is fine. */
void stop_free(struct stop *stop);
/**
 * Send a signal by the rules of kill_mode (main process gone: to what is left of the group or the service). SIGCONT follows a signal that a
 * stopped process would not see. Returns 0; -ESRCH if there was nobody; -EPERM if nobody could be signalled.
 */
int stop_signal(struct stop *stop, int signo);
/**
 * SIGKILL to all of the service (KILL_PROCESS: the main process), now and for whoever appears later, until nothing is left. Returns 0, or
 * -EPERM if someone can't be killed (the rest was).
 */
int stop_kill(struct stop *stop);
/** The main process was reaped: its pid and its group's number are free for others now. */
void stop_main_reaped(struct stop *stop);
/** Look again at the end of this round. For news that the loop can't have: the keeper said that the main process ended. */
void stop_check(struct stop *stop);
/** Who is left right now; replaces the content of `out`. Returns 0 or -ENOMEM. */
int stop_survivors(struct stop *stop, struct tree_list *out);
/** "web(1234), [kworker](77) and 3 more": for messages; cut at `size`. */
void stop_survivors_text(const struct tree_list *list, char *out, size_t size);

/**
 * Does anything live of a service without main process? `again`: look at the orphans anew, not as in the last question; for questions about
 * many services in one go.
 */
bool stop_finds(struct stopper *stopper, const struct stop_target *target, bool again);
/** Signal a service that is not being stopped: process, group or everything of it (kill_mode), as the operator asks. Returns as stop_signal(). */
int stop_signal_service(struct stopper *stopper, const struct stop_target *target, int signo);
/** "group" …, or NULL. */
const char *kill_mode_name(enum kill_mode mode);
/** Mode of a name, or -EINVAL. */
int kill_mode_from_name(const char *name);

#endif
