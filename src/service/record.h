/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that the core remembers of one service between events: fixed size, no pointers, so the shell can copy it into shared
 * memory after each step and hand it to core_restore() in the next life of the server. Zeroes are a service that never ran.
 */
#ifndef SERVICE_RECORD_H
#define SERVICE_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "service/state.h"

enum timer_kind {
	TIMER_NONE,
	TIMER_START,    /* start timeout */
	TIMER_STOP,     /* stop timeout, then the grace after SIGKILL */
	TIMER_RESTART,  /* restart delay, and the pause before foreign processes are looked for again */
	TIMER_SHUTDOWN, /* the whole server's deadline; its id is CORE_NONE */
	TIMER_KIND_N
};

enum record_flag {
	RECORD_AGAIN = 1 << 0,      /* start again when it is gone: asked by restart, or by start while stopping */
	RECORD_UNHEALTHY = 1 << 1,  /* running, but its health check fails (on_failure = mark) */
	RECORD_GAVE_UP = 1 << 2,    /* max_restarts was used up */
	RECORD_LEFTOVERS = 1 << 3,  /* its process ended by itself, others of it live on */
	RECORD_SURVIVORS = 1 << 4,  /* SIGKILL did not end everything; the shell knows which pids */
	RECORD_HAS_EXITED = 1 << 5, /* exit_code and exit_signal tell how the last run ended */
	RECORD_CORE_DUMPED = 1 << 6,
	RECORD_CRASHED = 1 << 7,    /* stopping because it ended by itself (post_stop runs), not because it was asked */
	RECORD_PORTS = 1 << 8,      /* holds its ports */
	RECORD_BY_HAND = 1 << 9,    /* the wish is a person's, not the configuration's */
	RECORD_POST_RAN = 1 << 10,  /* post_stop was begun for this run */
	RECORD_CLEAN_UP = 1 << 11,  /* at rest, asked to stop: what is left of it goes once its dependents are gone */
	RECORD_PROBES = 1 << 12,    /* health checks of this run are under way */
	RECORD_WAS_FAILED = 1 << 13, /* stopping: it had failed, and what it left is being ended; it will be inactive */
};

struct service_record {
	uint64_t run;        /* number of the current or last run, from 1; 0: never spawned */
	usec_t since;        /* when this state was entered */
	usec_t started_at;   /* last spawn; 0: never */
	usec_t ready_at;     /* when the current or last run became ready; 0: it did not */
	usec_t ended_at;     /* when the last run's process ended; 0: never */
	usec_t deadline;     /* of `timer`; in exited and failed with TIMER_RESTART: the next start */
	usec_t delay;        /* current restart delay without jitter; 0: the next is the first */
	struct cause cause;  /* of the last transition */
	struct cause wish_cause; /* of the last change of `wish`, AGAIN included */
	uint32_t restarts;   /* automatic restarts since the service was added or last started by hand */
	uint32_t tries;      /* of them, those that count against max_restarts (reset by a stable run) */
	uint32_t spawn_tries; /* transient spawn errors in a row; they burn no `tries` */
	uint32_t failure_other; /* FAILURE_DEPENDENCY: the dependency's id, else CORE_NONE */
	uint32_t attempts;   /* FAILURE_HEALTH: probes that failed in a row */
	int32_t pid;         /* of the current run; 0: none */
	int32_t spawn_errno; /* FAILURE_SPAWN: positive errno */
	int16_t exit_code;   /* 0..255, or -1: ended by a signal */
	uint8_t exit_signal; /* 0: ended by exit */
	uint8_t spawn_stage; /* FAILURE_SPAWN: the shell's own number for the stage */
	uint8_t state;       /* enum service_state */
	uint8_t wish;        /* enum service_wish */
	uint8_t phase;       /* enum service_phase */
	uint8_t failure;     /* enum failure: why failed; in stopping: what it will be failed with */
	uint8_t timer;       /* enum timer_kind that is armed */
	uint8_t blocked;     /* bit set of 1 << enum block_kind while blocked */
	uint16_t flags;      /* enum record_flag */
	uint8_t kill_signal; /* EV_KILL_ASKED of this run: the signal, or 0 */
	uint8_t status;      /* enum policy_status + 1 that the wish heeds; 0: none yet. Another than the policy's: it changed, and the wish was not made yet */
	uint8_t reserved[2]; /* zero */
	uint32_t kill_uid;   /* and who asked for it */
};

#endif
