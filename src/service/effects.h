/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the core wants done: small values in a fixed list that the shell drains after each step, in order. An effect never
 * fails for the core: what comes of it returns later as an event that carries the same run number.
 */
#ifndef SERVICE_EFFECTS_H
#define SERVICE_EFFECTS_H

#include <stdint.h>

#include "service/record.h"
#include "service/state.h"

/** A step stops early when fewer places than one event can need are left; core_pending() is then true. */
#define EFFECTS_MAX 256

enum effect_kind {
	EFFECT_NONE,
	EFFECT_CHECK_FILTERS, /* look for foreign processes (kill them if kill_others); answer EV_FILTERS */
	EFFECT_RUN_PRE_START, /* run the pre_start commands for `run`; answer EV_PRE_START_DONE or _FAILED */
	EFFECT_SPAWN,         /* spawn the process of `run`; answer EV_SPAWNED or EV_SPAWN_FAILED */
	EFFECT_PROBE_START,   /* begin health checks of `run`; answers EV_READY, EV_HEALTH */
	EFFECT_PROBE_STOP,    /* end them */
	EFFECT_STOP_BEGIN,    /* stop command or stop signal to whatever of `run` lives (pre_start included); then answer
	                         EV_EXITED when the main process ended, EV_GONE when nothing is left (at once if so) */
	EFFECT_KILL_ALL,      /* SIGKILL to all of it; answer EV_GONE, or EV_SURVIVORS if some can't be killed */
	EFFECT_CLEANUP_CHECK, /* the main process ended: answer EV_GONE now if nothing is left, else when it is */
	EFFECT_RUN_POST_STOP, /* run the post_stop commands; answer EV_POST_STOP_DONE, however they end */
	EFFECT_ARM_TIMER,     /* `timer`, `deadline`: replaces the service's earlier timer; answer EV_TIMER when due */
	EFFECT_DISARM,        /* the service's timer is no longer wanted */
	EFFECT_ANNOUNCE,      /* transition `from` -> `to` by `cause`; also when only the wish or a flag changed: from == to */
	EFFECT_CRITICAL_FAILED, /* `code`: 0..255, 128 + signal, or 1 */
	EFFECT_SHUTDOWN_DONE,   /* nothing is active any more after EV_SHUTDOWN; `id` is CORE_NONE */
	EFFECT_KIND_N
};

struct effect {
	enum effect_kind kind;
	uint32_t id;
	uint64_t run;
	usec_t deadline;      /* ARM_TIMER */
	struct cause cause;   /* ANNOUNCE */
	uint8_t timer;        /* ARM_TIMER: enum timer_kind */
	uint8_t from, to;     /* ANNOUNCE: enum service_state */
	int code;             /* CRITICAL_FAILED */
};

struct effects {
	uint32_t n;
	struct effect v[EFFECTS_MAX];
};

/** "SPAWN", "KILL_ALL", …: for traces. */
const char *effect_kind_name(enum effect_kind kind);

#endif
