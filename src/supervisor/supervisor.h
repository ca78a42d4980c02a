/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor: the shell around the pure core. It owns the services of this server, feeds the core with what
 * happens (spawned, exited, timer due, probe answered, somebody asked), and carries out the effects it answers with.
 *
 * Everything here runs in the loop's thread and never blocks. Requests return at once: they tell whether the wish was
 * taken, not whether it was reached. Who wants to wait listens to events and asks supervisor_settled().
 *
 * Reading: supervisor_core() gives the core for all its read-only queries (state, reason, why, tree); what the core does
 * not know (pids, wall-clock times, configs) comes from supervisor_info().
 */
#ifndef SUPERVISOR_SUPERVISOR_H
#define SUPERVISOR_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/list.h"
#include "base/time.h"
#include "log/line.h"
#include "supervisor/incident.h"

struct change_set;
struct core;
struct health_counts;
struct log_engine;
struct log_service;
struct loop;
struct server_settings;
struct service_config;
struct stats;
struct stats_process;
struct supervisor;
struct tree_list;

/** The server's own diagnostics are the log of this name, which no service may have. */
#define SUPERVISOR_OWN_LOG "zinit"

/* --- making one ------------------------------------------------------------------------------- */

struct supervisor_options {
	struct loop *loop;
	int keeper_fd; /* the brain's end of the keeper's socket pair; owned by the supervisor afterwards */
	const char *const *service_dirs; /* in order of loading; strings are copied */
	const bool *service_dirs_system; /* true: everything in that directory gets class = system */
	size_t service_dirs_n;
	const struct server_settings *settings; /* borrowed for the supervisor's life */
	const char *log_dir; /* borrowed for the supervisor's life */
	/* Called when all services are gone after supervisor_shutdown(), or a critical one failed: end with `code`. */
	void (*on_done)(int code, void *data);
	/*
	 * Called when another program is to take our place: give the keeper what it is to have, then supervisor_hand_over(), then
	 * end. Returning means "not yet", and it is called again; `now`: there is no more time.
	 */
	void (*on_hand_over)(bool now, void *data);
	void *data;
	supervisor_incident_fn on_incident; /* keeps what the flight recorder saw; NULL: nobody does */
	const char *program; /* our own path, by which an upgrade finds what is there by then; copied */
};

/**
 * Make the supervisor and take from the keeper what an earlier server left. Nothing is started yet.
 *
 * Returns 0, or negative errno with `err` filled: no memory, no keeper. `keeper_fd` is taken over in any case.
 */
int supervisor_new(const struct supervisor_options *options, struct supervisor **out, struct error *err);
/**
 * `log` is borrowed for the supervisor's life; its on_ended must be supervisor_log_ended() with the supervisor as data.
 * Go on with the services of the earlier server, or, if there was none, load the service directories and start what is to
 * be started; then tell the keeper that we work.
 *
 * Returns 0, or negative errno with `err` filled: only for what makes running impossible. Bad service files are reported by
 * diag() and by supervisor_invalid_next(), and don't fail it.
 */
int supervisor_begin(struct supervisor *sup, struct log_engine *log, struct error *err);
/** A log_ended_fn: a pipe was read to its end, so the keeper need not hold it any more. */
void supervisor_log_ended(struct log_service *svc, enum log_stream stream, uint32_t tag, void *data);
/** Free everything; running services are left alone. NULL is fine. */
void supervisor_free(struct supervisor *sup);

/**
 * A descriptor that an earlier server gave to the keeper under `key` (supervisor_keep_fd()), or -1. The caller owns it.
 */
int supervisor_take_kept_fd(struct supervisor *sup, const char *key);
/** Let the keeper hold a copy of `fd` under `key`, so that the next server gets it. Returns 0 or negative errno. */
int supervisor_keep_fd(struct supervisor *sup, const char *key, int fd);

/** Take all descriptors that an earlier server kept under keys that begin with `prefix`: `fn` owns each. */
void supervisor_take_kept(struct supervisor *sup, const char *prefix, void (*fn)(const char *key, int fd, void *data),
			  void *data);
/** Have the keeper let go of what an earlier server kept under keys that begin with `prefix`. */
void supervisor_forget_kept(struct supervisor *sup, const char *prefix);

/** The i-th service directory, or NULL; the directory of the logs, or NULL: they are in memory only. */
const char *supervisor_service_dir(const struct supervisor *sup, size_t i);
const char *supervisor_log_dir(const struct supervisor *sup);
/** Why cgroups can't be used; NULL if they can. */
const char *supervisor_no_cgroups(const struct supervisor *sup);

/* --- looking ---------------------------------------------------------------------------------- */

/** What a service is doing, beside what the core knows. Pointers are valid until the next call that changes services. */
struct supervisor_info {
	const char *name;
	const struct service_config *config;
	const char *path;     /* its file, or NULL if it came by RPC and was not persisted */
	pid_t pid;            /* 0: no process */
	uint64_t run;         /* number of the current or last run, from 1; 0: never ran */
	ts_ns started_at;     /* wall clock of the last spawn; 0: never */
	ts_ns ended_at;       /* wall clock of the last end; 0: never */
	usec_t uptime;        /* of the current run; 0 if there is none */
	int exit_code;        /* of the last run that ended: 0..255, or -1 if a signal ended it or none has ended */
	int exit_signal;      /* number, or 0 */
	bool has_exited;      /* a run has ended: exit_code and exit_signal tell how */
	const char *health;       /* "none", "unknown", "healthy", "unhealthy" */
	const char *health_error; /* text of the last probe error, or "" */
	const char *health_error_name; /* its kind: "Timeout", "Connect", "NonZeroExit", …, or "" */
	int health_error_value;        /* of the kinds that have one: errno, HTTP status, exit code, or -signal; else 0 */
	const char *health_output;     /* what the last exec probe that failed printed at the end, or "" */
	unsigned int health_attempts;  /* probes that failed in a row */
	usec_t health_duration;        /* of the last probe; 0: none yet */
	unsigned int oom_kills;        /* processes of the last run that the kernel killed for memory */
	const char *undone;            /* why its last new definition was taken back, or NULL */
	bool on_trial;                 /* its definition is new, and has not come up yet */
	ts_ns next_run;                /* by its schedule, wall clock; 0: none, or it is not in force */
	const char *status_text;       /* what the service says it is doing (sd_notify STATUS=), or "" */
};

const struct core *supervisor_core(const struct supervisor *sup);
struct log_engine *supervisor_log(const struct supervisor *sup);
/** Fill `out` for a service id of the core. Returns 0 or -ENOENT. */
int supervisor_info(const struct supervisor *sup, uint32_t id, struct supervisor_info *out);
/** One of its health checks. */
struct supervisor_check {
	const char *type;                   /* "tcp", … */
	const struct health_counts *counts; /* since the server began; NULL: nothing was counted yet. Valid until the loop runs */
	unsigned int failures;              /* in a row */
	bool unhealthy;
};
/** The check of that number, from 0. Returns 0, or -ENOENT: there is none. */
int supervisor_check(const struct supervisor *sup, uint32_t id, size_t check, struct supervisor_check *out);
/** Pid of the process that asks by HTTP, or 0: it does not run. */
pid_t supervisor_prober_pid(const struct supervisor *sup);
/** Figures of a service with all its descendants; CPU % is the mean since a question at least a second ago, or the start. Returns 0 or negative errno. */
int supervisor_stats(struct supervisor *sup, uint32_t id, bool with_pss, struct stats *out);
/** Call `fn` for each of its processes, children after their parent (stats_tree()). Returns 0 or negative errno. */
int supervisor_processes(struct supervisor *sup, uint32_t id,
			 void (*fn)(const struct stats_process *process, unsigned int depth, void *data), void *data);
/**
 * Who outlived the stop of a service: could not be killed, or was spared by kill_mode = "process". Replaces the content of `out`, which is left
 * as it is for services that are not of that kind. Returns 0 or negative errno.
 */
int supervisor_survivors(struct supervisor *sup, uint32_t id, struct tree_list *out);
/** Files that could not be loaded: call with *pos = 0, then again until it returns false. */
bool supervisor_invalid_next(const struct supervisor *sup, size_t *pos, const char **out_path, const char **out_name,
			     const char **out_message);
/** When this server's services began to run (kept over restarts of the server), wall clock. */
ts_ns supervisor_booted_at(const struct supervisor *sup);
bool supervisor_is_shutting_down(const struct supervisor *sup);

/* --- asking ----------------------------------------------------------------------------------- */

/** Who asks, for causes and the audit line. */
struct actor {
	uid_t uid;
	pid_t pid;
	const char *via; /* "rpc", "signal", "config", … a constant string */
};

/*
 * All of these return 0 when the wish was taken, or negative errno with `err` filled:
 * -ENOENT no such service; -EALREADY it is so already (start of a running one, stop of a stopped one);
 * -ESHUTDOWN the server is shutting down; -EINVAL the request makes no sense (a target has no process to signal);
 * -EEXIST add of an existing name; -ELOOP the dependencies would form a cycle (the text names the chain); -ENOMEM.
 */
int supervisor_start(struct supervisor *sup, const char *name, bool tree, const struct actor *by, struct error *err);
int supervisor_stop(struct supervisor *sup, const char *name, const struct actor *by, struct error *err);
int supervisor_restart(struct supervisor *sup, const char *name, const struct actor *by, struct error *err);
/** Send `signo` to the process group of the service (`leader_only`: to its main process alone). -ESRCH: it has no process. */
int supervisor_kill(struct supervisor *sup, const char *name, int signo, bool leader_only, const struct actor *by,
		    struct error *err);
/** Add a definition; takes `config` over in any case. `persist`: write it to the first service directory (atomically) too. */
int supervisor_add(struct supervisor *sup, struct service_config *config, bool persist, const struct actor *by,
		   struct error *err);
/** Create or replace, as a reload of its file would (change.h). Takes `config` over in any case. */
int supervisor_set(struct supervisor *sup, struct service_config *config, bool persist, const struct actor *by,
		   struct error *err);
/** Stop it, forget it, and delete its file if it has one in a service directory. */
int supervisor_remove(struct supervisor *sup, const char *name, const struct actor *by, struct error *err);
/** Forget a service that is down; its file stays. -ENOENT: there is none; -EISCONN: it is up. */
int supervisor_forget(struct supervisor *sup, const char *name, const struct actor *by, struct error *err);
/**
 * Want `name` up; one that is not known is loaded from NAME.toml of a service directory first (`name` is valid). -ENOENT:
 * there is neither; -EINVAL: the file is not valid, with all its problems.
 */
int supervisor_monitor(struct supervisor *sup, const char *name, const struct actor *by, struct error *err);
/** Read the directories again and apply what changed. On success `*out` is for changes_fini(); it tells what was done. */
int supervisor_reload(struct supervisor *sup, const struct actor *by, struct change_set *out, struct error *err);
/** The same for a set that was read already; it is freed on failure. */
int supervisor_reload_set(struct supervisor *sup, const struct actor *by, struct change_set *set, struct error *err);
/** Tell one running service to read its files again: its reload_command, else its reload_signal. -ESRCH: it has no process; -EBUSY: another command of it runs. */
int supervisor_reload_service(struct supervisor *sup, const char *name, const struct actor *by, struct error *err);
/** Stop all services in order, then call on_done(0). Asking again is harmless. */
int supervisor_shutdown(struct supervisor *sup, const struct actor *by, struct error *err);

/** An upgrade did not come about: why. */
typedef void (*supervisor_upgrade_fn)(const struct error *err, void *data);
/**
 * Let another program take our place: verified first (owner, mode; it must be able to read what we keep), and put back by
 * the keeper if it does not get ready. `path`: NULL: the one that we are, begun anew; "": what is at our own path by now.
 *
 * Returns 0: under way; then `fn` tells if it fails before we end, else the next server knows (supervisor_upgraded()). Negative errno with `err`: -EALREADY
 * one is under way; -ESHUTDOWN; -ENOENT, -EACCES, -ENOEXEC: not a program that we may execute.
 */
int supervisor_upgrade(struct supervisor *sup, const char *path, const struct actor *by, supervisor_upgrade_fn fn, void *data,
		       struct error *err);
/** `fn` is not called for `data` any more; the upgrade goes on. */
void supervisor_upgrade_forget(struct supervisor *sup, const void *data);
/** From on_hand_over(): tell the keeper. After this we have to end, by _exit(2): the next one goes on as after a crash. */
int supervisor_hand_over(struct supervisor *sup, struct error *err);

/** How this server began. */
struct supervisor_upgraded {
	bool tried;    /* it began, or its predecessor was put back, by an upgrade */
	bool ok;       /* it is the new program */
	char from[20], to[20]; /* versions */
	char text[160]; /* what happened, as a sentence */
};
const struct supervisor_upgraded *supervisor_upgraded(const struct supervisor *sup);
/** Can this program take over from a server that left these? Reads them, changes nothing. Returns 0 or negative errno with `err`. */
int supervisor_can_take_over(int state_fd, int definitions_fd, struct error *err);

/** The settings were read again: take over those that can change live. They are borrowed until the next call. */
void supervisor_settings(struct supervisor *sup, const struct server_settings *settings);

/**
 * True when nothing is under way for this service: it is where its last wish leads, or it rests in a state that only an
 * event from outside can change (failed for good, blocked by a dependency that is itself at rest).
 */
bool supervisor_settled(const struct supervisor *sup, uint32_t id);

/* --- events ----------------------------------------------------------------------------------- */

enum supervisor_event_kind {
	EVENT_STATE,   /* from -> to */
	EVENT_HEALTH,  /* a probe's result changed */
	EVENT_ADDED,
	EVENT_REMOVED,
	EVENT_RELOAD,
	EVENT_SHUTDOWN,
	EVENT_UPGRADE, /* another server has taken over, or could not */
	EVENT_UNDONE,  /* a new definition did not come up, the old one is back */
	EVENT_SCHEDULE, /* a run that was due was skipped, or waits */
	EVENT_WATCH,    /* a watched file changed */
	EVENT_LOG_DROP, /* lines of its output were lost */
	EVENT_KIND_N
};

const char *supervisor_event_kind_name(enum supervisor_event_kind kind);

struct supervisor_event {
	uint64_t cursor; /* 1, 2, 3, … over the life of all servers under one keeper */
	ts_ns at;
	enum supervisor_event_kind kind;
	char name[64];   /* the service, or "" */
	char from[12], to[12];
	char cause[160]; /* one sentence */
};

/** Events after `cursor` that are still kept (the last 1024): copies the oldest to `out`. Returns 1, or 0 if there is none.
 *  *out_lost: events between `cursor` and it that are gone. */
int supervisor_event_after(const struct supervisor *sup, uint64_t cursor, struct supervisor_event *out, uint64_t *out_lost);
/** Cursor of the newest event; 0 if none happened yet. */
uint64_t supervisor_event_last(const struct supervisor *sup);

/** Told (from the loop, after the effects of an event are done) that there are new events. Embedded in the listener's object. */
struct supervisor_listener {
	struct list node;
	void (*fn)(struct supervisor_listener *listener);
};
/** The callback may remove its own listener; it must not free other listeners. */
void supervisor_listen(struct supervisor *sup, struct supervisor_listener *listener);
void supervisor_unlisten(struct supervisor_listener *listener);

#endif
