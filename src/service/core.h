/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pure core: what happens to services, as functions of (state, event, now) -> state + effects. No I/O, no clock. One
 * `struct core` holds all services: their policies, the graph of their dependencies, and one service_record each.
 *
 * How a shell uses it:
 *
 *   r = core_step(core, &event, now, &fx);
 *   for (;;) {
 *           while ((id = core_take_dirty(core)) != CORE_NONE)
 *                   save(id, core_record(core, id));        // before the effects: intents are on record first
 *           carry_out(&fx);                                 // in order; must not call core_step() from inside
 *           if (!core_pending(core))
 *                   break;
 *           core_continue(core, now, &fx);
 *   }
 *
 * Two axes: `wish` (up or down, and by whom) and `state`. Requests and rules move the wish; the state follows as far as
 * dependencies and processes let it. Changes spread over the graph by a queue, never by recursion.
 *
 * Runs: each start of a process has a number. Events about a process carry it, and those of an older run are dropped as
 * stale. An event that the table of states and events does not expect is counted (core_bugs()) and changes nothing.
 *
 * After a crash of the server: core_new(), core_add_at() for all, core_restore() for all, then core_resume() for each with
 * the facts that the shell found. The effects that were under way are given again.
 */
#ifndef SERVICE_CORE_H
#define SERVICE_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/time.h"
#include "service/effects.h"
#include "service/policy.h"
#include "service/record.h"
#include "service/state.h"

struct core;

/* --- the set of services ------------------------------------------------------------------------ */

/** A new core without services. `seed` is for the jitter of restart delays: equal seeds give equal runs. NULL: no memory. */
struct core *core_new(uint64_t seed);
void core_free(struct core *core);

/**
 * Add a service; everything in `policy` is copied. It is inactive and nothing starts: send EV_LOADED for that, after all
 * are added. Names that nobody has (yet) may be depended on.
 *
 * Returns 0 and its id (the lowest free one), -EEXIST, -EINVAL (empty or overlong name), -ENOMEM, -ENOSPC (LIMIT_SERVICES).
 * Cycles are not looked for here, so that loading is linear: core_find_cycle() after a batch, core_would_cycle() before one.
 */
int core_add(struct core *core, const char *name, const struct service_policy *policy, uint32_t *out_id, struct error *err);
/** As core_add(), with the id chosen by the caller (< LIMIT_SERVICES); -EEXIST also if it is taken. Causes refer to ids, so
 *  a restored service must get the id that it had. */
int core_add_at(struct core *core, uint32_t id, const char *name, const struct service_policy *policy, struct error *err);
/**
 * Replace the policy of a service while it runs: nothing is restarted. A changed `status` becomes a new wish. Follow with
 * core_continue(). Returns 0, -ENOENT, -ENOMEM, or -ELOOP if the new dependencies close a cycle (`err` names the chain);
 * the old policy is then in force.
 */
int core_update(struct core *core, uint32_t id, const struct service_policy *policy, usec_t now, struct error *err);
/** Forget a service. Returns 0, -ENOENT, or -EBUSY while it is active (stop it first). Follow with core_continue(). */
int core_remove(struct core *core, uint32_t id, usec_t now);

/** Id of a name, or CORE_NONE. */
uint32_t core_find(const struct core *core, const char *name);
/** Name of an id, or NULL. */
const char *core_name(const struct core *core, uint32_t id);
/** The next id above `after`, or CORE_NONE; begin with CORE_NONE. Ids come in rising order. */
uint32_t core_next(const struct core *core, uint32_t after);
size_t core_count(const struct core *core);
/** The policy as copied (valid until core_update() or core_remove()), or NULL. */
const struct service_policy *core_policy(const struct core *core, uint32_t id);
/** The dynamic state (valid until core_remove()), or NULL. */
const struct service_record *core_record(const struct core *core, uint32_t id);

/**
 * Look for a cycle among `requires` and `after` of all services. Returns the id of one member and writes
 * "a -> b -> a" into `chain` (cut at `size`), or CORE_NONE. Linear in services and dependencies.
 */
uint32_t core_find_cycle(const struct core *core, char *chain, size_t size);
/** Would a service `name` with these dependencies close a cycle? Returns true and the chain. The service may exist. */
bool core_would_cycle(const struct core *core, const char *name, const struct service_policy *policy, char *chain,
		      size_t size);

/* --- events --------------------------------------------------------------------------------------- */

enum event_kind {
	EV_NONE,
	/* wishes */
	EV_LOADED,  /* the service was just loaded: do what its `status` says */
	EV_START,   /* `rule`, `uid`; `tree`: start all it requires and wants too, whatever their status */
	EV_STOP,    /* `rule`, `uid`: dependents first, each waits until the former is gone */
	EV_RESTART, /* `rule`, `uid`: stop, dependents too, and start all again */
	EV_KILL_ASKED, /* the shell sends `signal` for `uid`: kept as a cause for what follows */
	/* answers of the shell; `run` must be that of the effect */
	EV_FILTERS,          /* `ok`: no foreign process matches (any more); else blocked and asked again later */
	EV_PRE_START_DONE,
	EV_PRE_START_FAILED, /* `code`/`signal` as for EV_EXITED */
	EV_SPAWNED,          /* `pid` */
	EV_SPAWN_FAILED,     /* `stage`, `error`; `transient`: fork refused, no memory, too many files: tried again later */
	EV_READY,
	EV_HEALTH,           /* `ok`, `attempts`: the threshold was crossed; also during starting, for readiness */
	EV_EXITED,           /* `code` or `signal`, `core_dumped`; `leftovers`: others of the service live on; `error`:
	                        it was a shell that could not run the command (ENOENT, EACCES): a spawn error for good */
	EV_GONE,             /* nothing of the service is left */
	EV_SURVIVORS,        /* SIGKILL was sent and some live on */
	EV_POST_STOP_DONE,
	EV_TIMER,            /* `timer`, and it is due; with id CORE_NONE: TIMER_SHUTDOWN */
	/* the whole server */
	EV_SHUTDOWN, /* id CORE_NONE; `deadline`: when all that is left is killed, USEC_NEVER for none */
	/* our own, never sent by a shell */
	EV_CHECK, /* something around the service changed: go where the wish leads */
	EV_KIND_N
};

struct core_event {
	enum event_kind kind;
	uint32_t id;
	uint64_t run;
	enum rule rule;    /* of a wish; RULE_ASKED for requests */
	uint32_t uid;
	bool tree, ok, transient, core_dumped, leftovers;
	int32_t pid;
	int code;          /* exit code; -1 with `signal` */
	int signal;
	int stage, error;  /* positive errno */
	uint32_t attempts;
	uint32_t line;     /* config line for a wish by RULE_CONFIG */
	enum timer_kind timer;
	usec_t deadline;
};

/**
 * Handle one event. `out` is emptied first.
 *
 * Returns 0; -EALREADY: the wish is what it was (start of a running one, stop of a stopped one), nothing to do;
 * -ENOENT: no such id; -ESHUTDOWN: no starts any more; -ESTALE: of an older run or a timer that is no longer armed, dropped;
 * -EPROTO: the table does not expect it in this state: counted as our bug, nothing changed.
 */
int core_step(struct core *core, const struct core_event *event, usec_t now, struct effects *out);
/** True while the last step has not finished: core_continue() gives the rest. */
bool core_pending(const struct core *core);
/** Go on with what is queued. `out` is emptied first. */
void core_continue(struct core *core, usec_t now, struct effects *out);
/** The shell found processes of a service that is at rest (its daemons, in groups of their own): a stop is to end them. */
void core_note_leftovers(struct core *core, uint32_t id);
/** What is to be said of the next failed spawn: which step, what was tried ("chdir '/srv/x': No such file or directory"). Copied. */
void core_set_spawn_text(struct core *core, uint32_t id, const char *text);
/** A service whose record changed since it was last taken, or CORE_NONE. */
uint32_t core_take_dirty(struct core *core);

/** "START", "EXITED", … */
const char *event_kind_name(enum event_kind kind);

/* --- after a crash --------------------------------------------------------------------------------- */

enum fact_kind {
	FACT_NOTHING, /* no process of the recorded run is known, and no exit status either */
	FACT_PROCESS, /* `pid`: it lives, or its exit will be told by EV_EXITED after this */
	FACT_PENDING, /* the shell itself will report (a spawn or helper command that it still watches) */
	FACT_KIND_N
};

struct core_facts {
	enum fact_kind kind;
	int32_t pid;
};

/** Put a saved record back. Before any event; returns 0, -ENOENT, or -EINVAL (out of range: the record is not taken). */
int core_restore(struct core *core, uint32_t id, const struct service_record *record);
/** Tell the core that the server was shutting down when it crashed (deadline as in EV_SHUTDOWN). After core_restore(). */
void core_restore_shutdown(struct core *core, usec_t deadline);
/**
 * Go on with a restored service: checks the record against the facts and gives the effects that were under way again
 * (timers, probes, spawn of a run without pid, stop signal…). Once for each service, after all are restored.
 * Returns as core_step(); drain it the same way.
 */
int core_resume(struct core *core, uint32_t id, const struct core_facts *facts, usec_t now, struct effects *out);

/* --- looking --------------------------------------------------------------------------------------- */

enum service_state core_state(const struct core *core, uint32_t id);
/** starting, running or stopping: what `conflicts` looks at. */
bool core_is_active(const struct core *core, uint32_t id);
/** What `requires` looks at: running and to stay, or ended well by itself; a oneshot only when it ended well. */
bool core_is_satisfied(const struct core *core, uint32_t id);
/** The process of the service, which runs, ended so: is that a failure that nobody asked for? Before EV_EXITED is told. */
bool core_is_crash(const struct core *core, uint32_t id, int exit_code, int exit_signal);
/** At rest: where its wish leads, or in a state that only an event from outside can change. */
bool core_is_settled(const struct core *core, uint32_t id);
bool core_is_shutting_down(const struct core *core);
/** The time of the next automatic start (restart delay), or 0. */
usec_t core_next_start(const struct core *core, uint32_t id);

/** Is its schedule in force? It is while the service is wanted up, and while it is down only because others are. */
bool core_schedule_on(const struct core *core, uint32_t id);

enum due {
	DUE_OFF,     /* nothing: the schedule is not in force */
	DUE_START,   /* EV_START by RULE_SCHEDULE */
	DUE_SKIP,    /* the last run is still there */
	DUE_WAITING, /* the last run has not begun yet: it waits for others, and will do for this one too */
	DUE_QUEUE,   /* EV_START by RULE_SCHEDULE as soon as the last run is over */
	DUE_RESTART, /* EV_RESTART by RULE_SCHEDULE */
	DUE_N
};

/** What is to be done when its schedule is due now. */
enum due core_due(const struct core *core, uint32_t id);

struct block {
	enum block_kind kind;
	const char *name;  /* the other service, existing or not; NULL for BLOCK_PROCESS and BLOCK_RESTART_DELAY */
	uint32_t id;       /* its id, or CORE_NONE */
	enum dep_kind dep; /* of BLOCK_WAITING_ON and BLOCK_CONFLICTS_WITH */
	uint16_t port;     /* of BLOCK_PORT */
};

/** Fill up to `max` reasons why it does not start now. Returns how many there are in all. */
size_t core_blocks(const struct core *core, uint32_t id, struct block *out, size_t max);

struct failure_info {
	enum failure kind;    /* FAILURE_NONE: it has not failed */
	int code;             /* EXIT_CODE */
	int signal;           /* SIGNAL */
	uint32_t attempts;    /* HEALTH */
	const char *name;     /* DEPENDENCY, MISSING: which; may be NULL if it was removed since */
	int stage, error;     /* SPAWN */
	bool gave_up;         /* max_restarts is used up */
};

/** Returns the failure of a failed service (valid until the core changes). */
struct failure_info core_failure(const struct core *core, uint32_t id);

/** Dependencies of a service for `zinit tree`: the i-th, or false. `out_id` is CORE_NONE if nobody has that name. */
bool core_dependency(const struct core *core, uint32_t id, size_t i, enum dep_kind *out_kind, const char **out_name,
		     uint32_t *out_id);
/** Services that name this one: the i-th, or false. */
bool core_dependent(const struct core *core, uint32_t id, size_t i, enum dep_kind *out_kind, uint32_t *out_id);

/** Events in empty cells, and transitions that the table does not allow: our bugs. `*out_text` (may be NULL): the last one. */
uint64_t core_bugs(const struct core *core, const char **out_text);

#endif
