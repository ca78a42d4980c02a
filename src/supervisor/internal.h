/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of this folder alone: the supervisor's object, its units, and who does what. */
#ifndef SUPERVISOR_INTERNAL_H
#define SUPERVISOR_INTERNAL_H

#include "base/list.h"
#include "base/timetable.h"
#include "config/load.h"
#include "config/service_config.h"
#include "log/log.h"
#include "loop/loop.h"
#include "process/cgroup.h"
#include "process/spawner.h"
#include "process/stats.h"
#include "process/stop.h"
#include "service/core.h"
#include "supervisor/change.h"
#include "supervisor/children.h"
#include "supervisor/definitions.h"
#include "supervisor/events.h"
#include "supervisor/incident.h"
#include "supervisor/keeper_link.h"
#include "supervisor/policy.h"
#include "supervisor/saved.h"
#include "supervisor/state.h"
#include "supervisor/ship.h"
#include "supervisor/supervisor.h"
#include "supervisor/worker.h"

/* The pipes of one run: read ends in the log engine and the keeper; write ends here while something is being spawned. */
struct run_pipes {
	struct list node;
	uint64_t run;
	uint32_t slot;      /* of the keeper */
	unsigned int open;  /* streams whose read end is still open: bit 1 << LOG_STDOUT … */
	int write_fds[LOG_STREAM_N]; /* -1: closed; stderr may be the same number as stdout */
	unsigned int users; /* spawns that still need the write ends */
};

struct upgrade;
struct prober;
struct ship_link;
struct probes;
struct task;
struct unit_schedule;
struct unit_watches;
struct watcher;

/* What the flight recorder keeps in mind of a service. */
struct unit_incidents {
	usec_t last[INCIDENT_KIND_N]; /* when one was recorded; 0: never */
	uint32_t unrecorded;          /* since then, of any kind */
};

/* The lines of a service that were lost, and how far that was told. */
struct log_drops {
	struct log_lost told;
	struct loop_timer *timer; /* NULL until first needed */
	usec_t pause;		  /* between two events; 0: the next loss is told at once */
};

/* One service or target. */
struct unit {
	struct supervisor *sup;
	uint32_t id; /* in the core, and slot in the state */
	uint64_t serial; /* tells it from a later unit with the same id */
	struct service_config *config;
	char *path;                  /* its file, where config->path does not say: taken over from an earlier server; else NULL */
	struct service_config *next; /* takes effect when the current run is gone; NULL: none */
	struct service_config *old;  /* config is on trial: this one comes back if it fails; NULL: it is not */
	struct list trial;           /* in supervisor.trials, or alone */
	usec_t trial_until;          /* when it has waited long enough to be allowed to start */
	char *undone;                /* why the last new definition was taken back; NULL: it was not */
	struct last_run last;
	struct loop_timer *timer; /* NULL until first needed */
	struct log_service *log;  /* NULL: nothing of it is logged */
	struct log_drops drops;
	uint32_t ring_slot;       /* of the keeper */
	ts_ns ring_at;            /* wall clock when its ring was made; 0: by an earlier server */
	struct list pipes;        /* struct run_pipes, oldest first */
	struct list waiting;      /* in supervisor.waiting, or alone */
	struct list draining;     /* in supervisor.draining while the last lines of a run that ended are being read, or alone */
	usec_t drain_due;         /* until when that is waited for */
	struct stop *stop;
	struct task *task; /* pre_start, post_stop or stop command under way */
	struct cgroup *cgroup; /* NULL: none yet, or cgroups can't be used */
	struct stats_sample sample;
	uint32_t oom; /* processes of the last run that the kernel killed for memory */
	struct probes *probes; /* NULL: it had no health checks so far */
	usec_t extended_until; /* it asked for more time: its start or stop time-out is not before that; 0: it did not */
	struct unit_schedule *schedule; /* NULL: none */
	struct timetable timetable;
	struct unit_watches *watches; /* NULL: none */
	struct intent intent;
	uint16_t unhealthy; /* as in the saved record */
	uint64_t event;     /* as in the saved record */
	struct unit_incidents incidents;
	bool gone;     /* the stop object saw nothing left, but the exit is not told to the core yet */
};

/* A file that could not be loaded. */
struct invalid {
	struct list node;
	char *path;
	char *name;
	char *message;
};

struct service_dir {
	char *path;
	bool system;
};

struct supervisor {
	struct loop *loop;
	struct log_engine *log;
	const struct server_settings *settings; /* of the start */
	uint64_t shutdown_timeout_ms; /* of the last reload; 0: none */
	void (*on_done)(int code, void *data);
	void (*on_hand_over)(bool now, void *data);
	char *program; /* our own path */
	struct upgrade *upgrade; /* under way, or NULL */
	struct supervisor_upgraded upgraded;
	supervisor_incident_fn on_incident; /* NULL: nobody keeps them */
	void *data;
	usec_t incidents_since; /* the second in which so many were looked at */
	unsigned int incidents_n;
	struct core *core;
	struct keeper_link *keeper;
	struct state *state;
	struct definitions *definitions;
	uint32_t state_slot, definitions_slot, events_slot; /* of the keeper */
	struct events events;
	struct spawner *spawner;
	unsigned int launches; /* main processes being spawned */
	struct list waiting;   /* units whose spawn waits for a place */
	struct list draining;  /* units whose last lines are being read, the longest first */
	struct loop_timer *drain_timer; /* NULL until first needed */
	struct stopper *stopper;
	struct prober *prober;
	struct worker *prober_process; /* NULL: none */
	uint32_t prober_number;
	struct ship_link *ship; /* NULL: no memory for it, or not begun */
	const char *log_dir;
	struct list exec_probes;               /* struct exec_probe */
	struct cgroup_root *cgroups; /* NULL: not available */
	struct error no_cgroups;     /* why not */
	bool limits_warned;
	struct children children;
	struct unit **units; /* by id */
	size_t units_n;
	uint64_t serials; /* given out so far */
	struct service_dir *dirs;
	size_t dirs_n;
	struct list invalid;
	bool invalid_unknown; /* taken over: the list is made when somebody asks for it */
	struct list trials; /* units whose definition is on trial */
	struct loop_timer *trial_timer;
	uint32_t journal_slot; /* of the keeper: changes that are being carried out */
	int clock_fd; /* tells that the wall clock was set; -1: no service has a schedule */
	struct loop_io *clock_io;
	struct watcher *watcher; /* NULL: no service watches files */
	struct loop_timer *shutdown_timer;
	struct core_event *queue; /* events that came while effects were carried out */
	size_t queue_n, queue_cap;
	bool stepping;
	bool keeper_lost; /* nobody tells exits any more */
	int exit_code;
	uint64_t tag_instance;
	struct state_program earlier_program; /* of the server before this one */
	struct policy_box policy_box; /* scratch */
	struct effects effects;       /* scratch */
};

/* supervisor.c */
struct unit *unit_at(const struct supervisor *sup, uint32_t id);
struct unit *unit_find(const struct supervisor *sup, const char *name);
/** Feed the core, carry out what follows, and what comes of that. Returns what core_step() said of `event`. From within effects it is queued (0). */
int supervisor_feed(struct supervisor *sup, const struct core_event *event);
/** After core_update() or core_remove(): carry out what they left queued in the core. */
void supervisor_continue(struct supervisor *sup);
/** Write the unit's record to the state. */
void unit_save(struct unit *unit);
/** Announce what is on no record. */
void supervisor_announce(struct supervisor *sup, enum supervisor_event_kind kind, const char *name, const char *cause);
/** Save the unit and announce what is now on its record. */
void unit_announce(struct unit *unit, enum supervisor_event_kind kind, const char *cause);
/** An event about to take place; events_publish() once it has. */
void supervisor_prepare(struct supervisor *sup, enum supervisor_event_kind kind, const char *name, const char *cause);

/** All services are down and nothing is left to do: tell the owner. */
void supervisor_finish(struct supervisor *sup);
/** As supervisor_feed(), for core_resume(). */
void supervisor_resume(struct supervisor *sup, uint32_t id, const struct core_facts *facts);

/* unit.c */
/** A unit for a service that the core knows as `id`; takes `config` over on success. Its definition is stored. */
int unit_new(struct supervisor *sup, uint32_t id, struct service_config *config, struct unit **out);
/** Add to the core, make the unit and put it on record. Takes `config` over on success. */
int unit_add(struct supervisor *sup, struct service_config *config, struct unit **out, struct error *err);
void unit_free(struct unit *unit);
/** Make `config` the unit's (taken over), in the core as well. Returns 0 or negative errno; then nothing changed and `config` is the caller's. */
int unit_set_config(struct unit *unit, struct service_config *config, struct error *err);
/** Its file, or NULL. */
const char *unit_path(const struct unit *unit);
/** Make `next` (taken over; NULL: none) the definition that waits for the end of the current run, on record too. */
void unit_set_next(struct unit *unit, struct service_config *next);
/** What the file of definitions holds of a service. */
enum definition {
	DEFINITION_NOW,    /* it runs by */
	DEFINITION_NEXT,   /* waits for the end of the current run */
	DEFINITION_OLD,    /* comes back if the current one fails its trial */
	DEFINITION_UNDONE, /* no definition: why the last new one was taken back */
};
uint32_t unit_definition_slot(uint32_t id, enum definition which);
/** Store the text of `config`, or that there is none (NULL). Returns 0 or negative errno. */
int unit_put_definition(struct unit *unit, const struct service_config *config, enum definition which);
/** Tell the core that the service is there: once in its life, however many servers that takes. */
void unit_loaded(struct unit *unit, enum rule rule, uid_t uid);
/** Forget a unit that is down: core, state, log, file if asked. */
void unit_forget(struct unit *unit);
void unit_target(const struct unit *unit, struct stop_target *out);

/* members.c */
/** What tells this server's marks from those of another: the same for all servers under one keeper. */
uint64_t server_instance(void);
/** Find or make the cgroup that those of the services go under. */
void cgroups_open(struct supervisor *sup);
/** All units are gone. After a shutdown nothing is left of it. */
void cgroups_close(struct supervisor *sup);
/** Say once that limits can't be kept, if the unit has some. */
void unit_check_limits(const struct unit *unit);
/** Make the unit's cgroup, or find the one of an earlier server. Without one the unit runs all the same. */
void unit_open_cgroup(struct unit *unit);
/** Its directory, made if need be, for a spawn, and how to get in (spawn_request.join_cgroup); -1: none. The caller closes it. */
int unit_cgroup_fd(struct unit *unit, bool *out_join);
/** The limits of the configuration take effect. */
void unit_apply_limits(struct unit *unit);
void unit_close_cgroup(struct unit *unit, bool remove);
/** Processes that the kernel killed for memory since this was asked before; to be saved with the unit. */
uint64_t unit_oom_kills(struct unit *unit);
/** Look at its processes: snapshot_take(). */
int unit_snapshot(const struct unit *unit, struct snapshot **out);
/** If the unit is at rest and something of it lives, let the core know. `again`: as of stop_finds(). Returns false if there was no need to look. */
bool unit_note_leftovers(struct unit *unit, bool again);
/** "web(12), db(13)": who outlived its stop, or "". */
void unit_survivors_text(struct unit *unit, char *out, size_t size);

/* perform.c */
/** Prepare the event of an EFFECT_ANNOUNCE, before the record is saved that it tells of. */
void announce_prepare(struct supervisor *sup, const struct effect *effect);
void perform(struct supervisor *sup, const struct effect *effect);
/** Nothing is left of the unit, and in a shutdown its cgroup is of no use any more. */
void gone_in_shutdown(struct unit *unit);

/* helper.c */
/** Where a helper command of the unit puts its pid: in the state, or at `own` if there is no room. */
volatile pid_t *helper_pid_slot(struct unit *unit, volatile pid_t *own);
/** Kill the helper commands that an earlier server left: nobody waits for them, and those still wanted are run again. */
void helpers_end(struct unit *unit);
/** A process that is being spawned puts its pid there: wait for it if it is under way. Returns it, or 0: there is none. */
pid_t half_spawned_pid(const struct supervisor *sup, const volatile pid_t *slot);
/** Kill the process of a spawn that an earlier server had given up, if `slot` names one. */
void half_spawned_end(const volatile pid_t *slot);

/* pipes.c */
/** The pipes of `run`, made if need be, given to the keeper and the log engine. NULL with *out_error: negative errno. */
struct run_pipes *pipes_open(struct unit *unit, uint64_t run, int *out_error);
/** One spawn that used the write ends is done; the last one closes them. The unit may be gone. */
void pipes_release(struct supervisor *sup, struct run_pipes *pipes);
/** The log engine read a stream of the pipes that the keeper has in `slot` to its end. */
void pipes_ended(struct unit *unit, enum log_stream stream, uint32_t slot);
bool pipes_any(const struct unit *unit, uint64_t run);
/** Take back read ends that the keeper held. */
int pipes_adopt(struct unit *unit, uint64_t run, struct kept *kept, unsigned int streams);
/** Forget all; the keeper goes on holding its copies. */
void pipes_fini(struct unit *unit);
/** As pipes_fini(), and the keeper forgets them too: their service is no more. */
void pipes_forget(struct unit *unit);
/** Options of its log that can change while it runs take effect. */
void unit_set_log_options(struct unit *unit);
/** Make sure that the unit has a place in the log engine, if anything of it is logged. Returns 0 or negative errno. */
int unit_open_log(struct unit *unit, int kept_ring_fd, uint32_t kept_slot);

/** Take the pipes out of their unit, which may go before them: the last pipes_release() frees them. */
void pipes_orphan(struct run_pipes *pipes);

/* launch.c */
/** An exit that the keeper told before the spawner answered. The first member of all that is given to the spawner as data. */
struct early_exit {
	pid_t pid; /* 0: none */
	int code, status;
};

/** The spawner has answered: tell the exit that came before, if one did; a process that was not started is only reaped. */
void early_exit_settle(struct supervisor *sup, const struct early_exit *early, bool started);
/** Spawn the main process of `run`. Failures come back as EV_SPAWN_FAILED. */
void launch(struct unit *unit, uint64_t run);
/** Fill what every process of the service shares: directory, environment, user, limits… `out` borrows from the config. */
void launch_request(struct unit *unit, struct spawn_request *out, struct spawn_rlimit *rlimits, size_t rlimits_max);
/** The keeper says that a child ended. */
void launch_on_exited(struct supervisor *sup, pid_t pid, int code, int status);
/** The main process of the unit ended (now, or as the record of an earlier server says): read its last lines, then tell the core. */
void launch_finish_exit(struct unit *unit);
/** Watch the main process `pid` of an adopted unit. */
int launch_adopt(struct unit *unit, pid_t pid);

/* incident.c */
/** Its main process ended, and the core does not know yet: if that is a crash, it is an incident. */
void incident_crash(struct unit *unit, const struct child_exit *exit, pid_t pid);
/** A health check failed more often than it may; the core does not know yet. */
void incident_health(struct unit *unit, const char *text);
/** Before the stop signal: was it the start time-out? */
void incident_stop_begins(struct unit *unit);
/** Before SIGKILL to what is left. */
void incident_kill(struct unit *unit);

/* task.c */
enum task_kind { TASK_PRE_START, TASK_POST_STOP, TASK_STOP_COMMAND, TASK_RELOAD_COMMAND };
/** Run the commands of that kind, one after the other; `run` is for the log. Answers as events, where the kind has any. */
void task_start(struct unit *unit, enum task_kind kind, uint64_t run);
/** Kill what runs and forget it; no answer comes. */
void task_cancel(struct unit *unit);

/* probes.c */
struct probes *probes_of(struct unit *unit); /* made if need be; NULL: no memory */
void probes_start(struct unit *unit, uint64_t run);
void probes_stop(struct unit *unit);
/** The unit has another configuration; the old one is still there. */
void probes_config_changed(struct unit *unit);
/** `forget`: the unit goes for good, and the keeper need not hold anything for its checks. */
void probes_free(struct unit *unit, bool forget);
/** Fill what is about health. */
void probes_info(const struct unit *unit, struct supervisor_info *out);

/* probes_notify.c */
/** What readiness adds to the spawn of a main process. `fd.source` (-1: none) must stay open until the spawn is done. */
struct probes_spawn {
	const char **env;
	struct spawn_fd fd;
	char socket[128];
	char watchdog[40];
};
/** Add it to `request`, which then borrows from `out`. Returns 0 or negative errno; call probes_spawn_fini() in any case. */
int probes_spawn_prepare(struct unit *unit, uint64_t run, struct spawn_request *request, struct probes_spawn *out);
/** Free the environment; the descriptor is the caller's. */
void probes_spawn_fini(struct probes_spawn *spawn);

/* probes_exec.c */
/** End all commands under way; no answer comes. */
void probes_exec_fini(struct supervisor *sup);

/* probes_worker.c: struct prober_owner; `data` is the supervisor */
int probes_worker_spawn(int fd, uint32_t worker, void *data);
void probes_worker_fini(struct supervisor *sup);
void probes_worker_end(uint32_t worker, void *data);

/* schedules.c */
/** Begin with the unit's schedule, or go on where an earlier server was; nothing without one. */
void schedule_open(struct unit *unit);
void schedule_close(struct unit *unit);
/** It has another configuration. */
void schedule_config_changed(struct unit *unit, const struct service_config *old);
/** Its state changed: a run that waited for that may begin. */
void schedule_settle(struct unit *unit);
/** Wall clock; 0: none will come. */
ts_ns schedule_next_run(const struct unit *unit);
void schedules_fini(struct supervisor *sup);

/* watches.c */
/** Watch the files of the unit's configuration from now on. */
void watches_open(struct unit *unit);
/** Before its configuration goes. */
void watches_close(struct unit *unit);
/** All units are gone. */
void watches_fini(struct supervisor *sup);

/* log_drops.c */
/** Its log was made or taken over: tell of lines that are lost from now on. */
void log_drops_open(struct unit *unit);
void log_drops_close(struct unit *unit);

/* filters.c */
/** Is there no foreign process that matches process_filters (any more: kill_others kills them)? */
bool filters_clear(struct unit *unit);

/* upgrade.c */
/** Say how the upgrade that brought us here went, if one did. */
void upgrade_tell_outcome(struct supervisor *sup);
void upgrade_fini(struct supervisor *sup);

/* adopt.c */
/** What unit_put_definition() wrote. Returns 0 and the configuration (the caller's), -ENOMEM, or -EINVAL: it makes no sense, which is told. */
int unit_parse_definition(const char *text, struct service_config **out);
/** Begin empty, or take over what an earlier server left. */
int adopt(struct supervisor *sup, struct error *err);

/* manage.c */
/** Load all directories for the first time; nothing is started yet. */
int manage_load(struct supervisor *sup, struct error *err);
/** Begin what the configuration and earlier requests want and nobody has begun yet. */
void manage_begin(struct supervisor *sup);
/** Forget services that are to be removed and are down. */
void manage_forget_removed(void *data);
/** Look at the directories again for the list of invalid files only. */
void manage_scan_invalid(struct supervisor *sup);
void manage_fini(struct supervisor *sup);
/** All files of the service directories; the list of invalid files is made anew. Problems are told unless `quiet`. */
int manage_read_dirs(struct supervisor *sup, struct loaded_dir *out, bool quiet, struct error *err);
/** Add to the list of invalid files. */
void manage_note_invalid(struct supervisor *sup, const char *path, const char *name, const char *message);

/* change.c */
/** A new change at the end of the set; NULL: no memory. */
struct change *changes_add(struct change_set *set, enum change_kind kind, const char *name, const char *path);
/** It can't be made. */
void change_refuse(struct change *c, const struct error *err);
/** 0, -E2BIG, or -ELOOP with the chain in `err`. */
int change_check_cycle(struct supervisor *sup, const struct service_config *config, struct error *err);

/* apply.c */
/** Carry a set out that is on record already (by an earlier server). */
void apply_again(struct supervisor *sup, struct change_set *set);

/* journal.c */
/** Put the set on record, so that the next server carries it out if this one does not come to its end. Returns 0 or negative errno. */
int journal_begin(struct supervisor *sup, const struct change_set *set);
/** It is carried out. */
void journal_end(struct supervisor *sup);
/** Carry out what an earlier server had only begun. */
void journal_go_on(struct supervisor *sup);

/* trial.c */
/** The definition that waits for the end of the old run, if any, takes effect now; the old one is kept until it has come up. */
void unit_apply_next(struct unit *unit);
/** An earlier server left the unit on trial: judge it, or finish the undoing. */
void trial_go_on(struct unit *unit);
/** Something happened to the unit: if it is on trial, look at it soon. */
void trial_look_soon(struct unit *unit);
/** The note of what became of its last new definition goes. */
void trial_forget_undone(struct unit *unit);
/** It is judged no more: the unit goes. */
void trial_forget(struct unit *unit);

/* own_log.c */
/** Make the server's own diagnostics the log of a service "zinit". */
int own_log_open(struct supervisor *sup, struct error *err);

#endif
