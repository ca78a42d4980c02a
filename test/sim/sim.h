/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulator: the core in a fake world with virtual time. Everything that happens follows from one number, the seed.
 *
 * sim_world.c is the world and the shell: processes that crash, hang, ignore SIGTERM, can't be killed, leave children
 * behind, take long to be spawned. sim_play.c lets things happen: answers, time-outs, requests of people, changes of the
 * configuration. sim_death.c is the death of the server between any two saves or effects. sim_make.c makes a world from its
 * seed. sim_check.c holds what must be true after every step. docs/internals/core.md explains the list.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "service/core.h"

#define SIM_SERVICES 12
#define SIM_DEPS 6
#define SIM_PROCS 8
#define SIM_QUEUE 512

enum proc_state { PROC_NONE, PROC_INFLIGHT, PROC_ALIVE, PROC_ZOMBIE };

/** A main process: from the spawn effect until its exit was told and acknowledged. */
struct proc {
	enum proc_state state;
	uint64_t run;
	int32_t pid;
	bool deaf;       /* ignores SIGTERM */
	bool unkillable; /* for some time */
	bool excused;    /* its spawn hung or it can't be killed: another may be started beside it */
	int code, signal;
};

struct fake {
	bool exists;
	char name[16];
	struct service_policy policy;
	struct policy_dep deps[SIM_DEPS];
	char dep_names[SIM_DEPS][16];
	uint16_t ports[2];
	struct service_policy next; /* its keys that wait for the end of the run */
	bool has_next;
	struct proc procs[SIM_PROCS];
	unsigned int children; /* others of the service that live */
	bool children_deaf;
	bool helper;           /* pre_start or post_stop runs */
	uint64_t helper_run;
	bool due_taken;        /* it begins with the next save */
	bool due;              /* a run by its schedule is queued; on record */
	bool watch;            /* the shell has to tell EV_GONE */
	uint64_t watch_run;
	enum timer_kind timer; /* as the shell has armed it */
	usec_t deadline;
	struct service_record saved;
	/* for the checks */
	usec_t not_before;     /* the restart policy forbids a spawn until then; 0: nothing forbids it */
	enum service_wish asked; /* by the last request or rule that named this very service */
	uint64_t began;        /* the last run that was checked for what it needs */
	uint64_t lived;        /* the last run that had a process */
};

enum happening_kind {
	HAPPEN_SPAWNED, HAPPEN_EXIT, HAPPEN_TOLD, HAPPEN_CHILDREN, HAPPEN_READY, HAPPEN_SICK, HAPPEN_PRE_START,
	HAPPEN_POST_STOP, HAPPEN_FILTERS, HAPPEN_GONE, HAPPEN_SURVIVORS,
};

struct happening {
	usec_t at;
	enum happening_kind kind;
	uint32_t id;
	uint64_t run;
	bool shell; /* is lost when the server dies */
};

struct sim {
	uint64_t seed, random;
	struct core *core;
	usec_t now;
	struct fake fakes[SIM_SERVICES];
	uint32_t n;
	struct happening queue[SIM_QUEUE];
	uint32_t queue_n;
	bool calm;          /* no more faults, requests, crashes */
	bool isolated;      /* no dependencies: the wish is exactly what was asked last */
	bool shutting_down, shutdown_told;
	usec_t shutdown_deadline;
	bool shutdown_armed;
	bool resuming;      /* effects of core_resume(): spawns are repeats */
	uint32_t crash_in;  /* the server dies before the n-th save or effect from now; 0: it does not */
	bool trace;
	uint64_t steps, crashes, spawns, requests;
	int32_t next_pid;
	bool violated;
	char violation[256];
};

/** Make the world of a seed. Returns 0 or -ENOMEM. */
int sim_begin(struct sim *sim, uint64_t seed, bool with_trace);
void sim_end(struct sim *sim);
/** Let one thing happen. Returns false if nothing is left to happen. */
bool sim_step(struct sim *sim);
/** From now on everything goes well, so that the world can come to rest. */
void sim_calm(struct sim *sim);
void sim_shutdown(struct sim *sim);
unsigned int sim_draw(struct sim *sim, unsigned int below);

struct sim_totals {
	uint64_t worlds, steps, crashes, spawns, requests;
};

/** Run the world of a seed from beginning to end, and add it to the totals. Returns false if something was violated: it is printed. */
bool sim_run(uint64_t seed, bool trace, struct sim_totals *totals);

/* between the files of the world */
bool sim_chance(struct sim *sim, unsigned int percent);
void sim_trace(struct sim *sim, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** Let something happen `in` this time. `shell`: it is lost when the server dies. */
void sim_later(struct sim *sim, usec_t in, enum happening_kind kind, uint32_t id, uint64_t run, bool shell);
void sim_cancel(struct sim *sim, uint32_t id, enum happening_kind kind, uint64_t run);
struct proc *sim_proc(struct sim *sim, uint32_t id, uint64_t run);
void sim_exit_at(struct sim *sim, uint32_t id, struct proc *p, usec_t in, int code, int signal);
/** A spawn got there. */
void sim_live(struct sim *sim, uint32_t id, struct proc *p);
/** Tell EV_GONE if it is watched for and true. */
void sim_look_if_gone(struct sim *sim, uint32_t id);
/** Saves first, then effects, until nothing is pending. Returns false if the server died on the way. */
bool sim_carry_out(struct sim *sim, struct effects *fx);
/** Send an event and carry out what follows. Returns core_step()'s result; `*died`: the server died on the way. */
int sim_send(struct sim *sim, struct core_event ev, bool *died);
/** A core with the services of the world as they are on disk, without their state. */
bool sim_new_core(struct sim *sim);
/** The server dies now, and comes back. */
void sim_crash(struct sim *sim);
void sim_make_policy(struct sim *sim, uint32_t id);
/** Schedules: runs that are queued and may begin now, else perhaps one is due. Returns false if nothing was. */
bool sim_schedules(struct sim *sim);
/** Somebody changes the configuration. */
void sim_change(struct sim *sim);
/** The run is over: keys that waited for that are in force, as in the supervisor, before the core hears of it. */
void sim_apply_next(struct sim *sim, uint32_t id);
/** The service is no more, and nothing will happen to it. */
void sim_forget(struct sim *sim, uint32_t id);

/** Note a violation (the first one counts). */
void sim_violation(struct sim *sim, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** After each step whose effects are all done. */
void sim_check(struct sim *sim);
/** When nothing is left to happen in a calm world. */
void sim_check_rest(struct sim *sim);
/** Before an effect is carried out. */
void sim_check_effect(struct sim *sim, const struct effect *e);

#endif
