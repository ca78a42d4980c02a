/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of the core: states, wishes, failures, blocks, and where a transition came from. Plain values; the names
 * that users see (lower case, as on the wire) come from the *_name() functions.
 */
#ifndef SERVICE_STATE_H
#define SERVICE_STATE_H

#include <stdint.h>

#include "base/time.h"

/** No service: "none" as an id. Ids are small numbers, chosen by core_add() or the caller, and stay until core_remove(). */
#define CORE_NONE UINT32_MAX

enum service_state {
	SERVICE_INACTIVE, /* never started, or taken back before it ran */
	SERVICE_BLOCKED,  /* wants to start, waits: core_blocks() says for what */
	SERVICE_STARTING, /* pre_start runs, process spawned, or not ready yet; a oneshot until it ends */
	SERVICE_RUNNING,  /* ready */
	SERVICE_STOPPING, /* the stop sequence is under way; ends only when nothing of the service is left */
	SERVICE_EXITED,   /* ended well, or ended because it was asked to */
	SERVICE_FAILED,   /* ended badly, or could not start */
	SERVICE_STATE_N
};

/** What a request or rule wants of a service; the actual state follows. */
enum service_wish { WISH_DOWN, WISH_UP, WISH_N };

/** Inside SERVICE_BLOCKED, SERVICE_STARTING and SERVICE_STOPPING: how far it is. PHASE_NONE in all other states. */
enum service_phase {
	PHASE_NONE,
	PHASE_FILTERS,     /* blocked: the shell looks for foreign processes (EFFECT_CHECK_FILTERS) */
	PHASE_PRE_START,   /* starting: pre_start commands run */
	PHASE_SPAWN,       /* starting: spawn asked, pid not known yet */
	PHASE_READY,       /* starting: process runs, readiness awaited; a oneshot: runs to its end */
	PHASE_STOP_SPAWN,  /* stopping: a spawn is in flight; its end is awaited first */
	PHASE_STOP_ASKED,  /* stopping: stop command or signal sent */
	PHASE_STOP_KILL,   /* stopping: SIGKILL sent to all that is left */
	PHASE_POST_STOP,   /* stopping: post_stop commands run */
	PHASE_N
};

/** Why a service is in SERVICE_FAILED; the eight of the wire format, in its spelling. */
enum failure {
	FAILURE_NONE,
	FAILURE_EXIT_CODE,
	FAILURE_SIGNAL,
	FAILURE_START_TIMEOUT,
	FAILURE_STOP_TIMEOUT,
	FAILURE_HEALTH,      /* "health_check_failed" */
	FAILURE_DEPENDENCY,  /* "dependency_failed" */
	FAILURE_SPAWN,       /* "spawn_error" */
	FAILURE_MISSING,     /* "missing_dependency" */
	FAILURE_N
};

/** What keeps a service from starting now. */
enum block_kind {
	BLOCK_WAITING_ON,     /* a `requires` that is not satisfied, or an `after` that was not attempted yet */
	BLOCK_CONFLICTS_WITH, /* the other is active */
	BLOCK_PORT,           /* another active service declares the port */
	BLOCK_PROCESS,        /* a foreign process matches process_filters; the shell knows which */
	BLOCK_RESTART_DELAY,  /* exited or failed, and will be started again at core_record()->deadline */
	BLOCK_KIND_N
};

enum dep_kind { DEP_REQUIRES, DEP_AFTER, DEP_WANTS, DEP_CONFLICTS, DEP_KIND_N };

/** Who or what moved a service. RULE_ASKED is a person or program (uid); all others are our own rules. */
enum rule {
	RULE_NONE,
	RULE_ASKED,         /* a request; `uid` says whose */
	RULE_BOOT,          /* status = "start" when the service was loaded */
	RULE_CONFIG,        /* the configuration changed; `line` says where */
	RULE_PULLED,        /* `other` was started and requires this one */
	RULE_CASCADE,       /* `other` is being stopped or restarted and this one requires it */
	RULE_DEPENDENCY,    /* a dependency (`other`) changed: became satisfied, failed, appeared, vanished */
	RULE_DEP_CRASHED,   /* `other`, which this one requires, crashed, and on_dependency_crash says stop or restart */
	RULE_RESTART,       /* the restart policy, after its delay */
	RULE_PROCESS,       /* the process itself: spawned, became ready, ended, could not be spawned */
	RULE_TIMEOUT,       /* start or stop took too long */
	RULE_HEALTH,        /* the health check */
	RULE_LIMIT,         /* max_restarts is used up */
	RULE_CONFLICT,      /* a conflict, port or foreign process (`other` if it is a service) */
	RULE_SHUTDOWN,      /* the server shuts down */
	RULE_GONE,          /* the last of its processes is gone */
	RULE_UNDO,          /* its new definition did not come up: the old one is back */
	RULE_SCHEDULE,      /* its schedule is due */
	RULE_WATCH,         /* a file that it watches changed */
	RULE_N
};

/** Where a transition or a wish came from: enough to walk from any state to its root. 24 bytes, no pointers. */
struct cause {
	usec_t at;
	uint32_t other; /* another service's id, or CORE_NONE */
	uint32_t uid;   /* RULE_ASKED, or the sender of a signal: who; UINT32_MAX otherwise */
	uint32_t line;  /* line of the configuration file, or 0 */
	uint8_t event;  /* enum event_kind that was being handled */
	uint8_t rule;   /* enum rule */
	uint16_t signal; /* a signal that somebody asked us to send (EV_KILL_ASKED) before this happened, or 0 */
};

/** "inactive" … "failed". */
const char *service_state_name(enum service_state state);
const char *service_wish_name(enum service_wish wish);
const char *service_phase_name(enum service_phase phase);
/** "none", "exit_code" … "missing_dependency". */
const char *failure_name(enum failure failure);
/** "waiting_on", "conflicts_with", "port", "process", "restart_delay". */
const char *block_kind_name(enum block_kind kind);
const char *dep_kind_name(enum dep_kind kind);
const char *rule_name(enum rule rule);

#endif
