/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the core needs to know of a service's configuration. The shell fills one from its config and hands it to
 * core_add() or core_update(), which copy everything that is pointed to.
 */
#ifndef SERVICE_POLICY_H
#define SERVICE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"
#include "service/state.h"

enum policy_status { STATUS_START, STATUS_STOP, STATUS_IGNORE, STATUS_N };
enum policy_class { CLASS_USER, CLASS_SYSTEM, CLASS_N };
enum policy_restart { RESTART_ALWAYS, RESTART_ON_FAILURE, RESTART_NEVER, RESTART_N };
enum policy_on_health { HEALTH_RESTART, HEALTH_MARK, HEALTH_STOP, HEALTH_N };
/** What becomes of an active service when one that it requires ends by itself or fails. KEEP: it goes on running. */
enum policy_on_crash { CRASH_KEEP, CRASH_STOP, CRASH_RESTART, CRASH_N };

/** What becomes of a schedule's next run while the last one is still there. */
enum policy_overlap { OVERLAP_SKIP, OVERLAP_QUEUE, OVERLAP_RESTART, OVERLAP_N };

struct policy_dep {
	enum dep_kind kind;
	const char *name; /* need not exist */
	uint32_t line;    /* of the configuration file, or 0 */
};

struct service_policy {
	bool target;          /* no process: running when all it requires is satisfied */
	bool oneshot;         /* runs to its end; satisfies `requires` when it exited well */
	bool scheduled;       /* a oneshot that starts when the shell says that its schedule is due (core_due()) */
	bool critical;        /* a failure for good makes EFFECT_CRITICAL_FAILED */
	bool has_readiness;   /* a health check decides when it is ready (EV_READY); else it is ready once spawned */
	bool has_pre_start;
	bool has_post_stop;
	bool has_filters;     /* process_filters: EFFECT_CHECK_FILTERS before each start */
	enum policy_status status;
	enum policy_class class;
	enum policy_restart restart;
	enum policy_on_health on_health;
	enum policy_on_crash on_dependency_crash;
	enum policy_overlap overlap;
	usec_t restart_delay;     /* first delay; 0: at once */
	usec_t restart_delay_max; /* cap; 0: no cap */
	uint16_t jitter_permille; /* the delay is drawn from delay * (1 ± jitter); never below 0 nor above the cap */
	uint32_t max_restarts;    /* in a row without a stable run; 0: no limit */
	usec_t stability;         /* running this long resets the count and the delay; 0: any run that became ready does not */
	usec_t start_timeout;     /* pre_start to ready; 0: none. Not applied to a oneshot without readiness */
	usec_t stop_timeout;      /* stop signal to SIGKILL; 0: waits for ever (until the shutdown deadline) */
	uint32_t line;            /* of the configuration file where `status` (or the service) is said, or 0 */
	uint8_t success_codes[32]; /* bit n set: exit code n is a good end. All zero means { 0 } */
	const struct policy_dep *deps;
	size_t deps_n;
	const uint16_t *ports;
	size_t ports_n;
};

#endif
