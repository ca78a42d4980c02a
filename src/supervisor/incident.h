/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flight recorder: when a service crashes, fails its health check for good, or is killed at a time-out, what can be seen
 * at that instant is told to whoever keeps it (supervisor_options.on_incident). Looking is bounded, and so is how often it
 * is done: a crash loop or a shutdown of thousands must not be slowed down by it.
 */
#ifndef SUPERVISOR_INCIDENT_H
#define SUPERVISOR_INCIDENT_H

#include <stdint.h>

#include "base/time.h"
#include "process/child.h"
#include "process/snapshot.h"

struct supervisor;

enum incident_kind {
	INCIDENT_CRASH,         /* ended by itself, badly */
	INCIDENT_HEALTH,        /* a health check failed more often than it may */
	INCIDENT_START_TIMEOUT, /* not ready in time */
	INCIDENT_STOP_TIMEOUT,  /* still there when its time to stop was over */
	INCIDENT_KIND_N
};

/** "crash", "health", "start_timeout", "stop_timeout". */
const char *incident_kind_name(enum incident_kind kind);

struct incident {
	enum incident_kind kind;
	uint32_t id;      /* of the service */
	uint64_t run;
	pid_t pid;        /* of its main process, which may be gone */
	ts_ns at;
	const char *text; /* one sentence */
	const struct child_exit *exit; /* of a crash, else NULL */
	uint32_t oom_kills;
	uint32_t unrecorded;           /* incidents of this service since the last one that were too many to be recorded */
	const struct snapshot *snapshot; /* NULL: no memory for it */
};

/** Everything is valid during the call only. From the loop; must not wait. */
typedef void (*supervisor_incident_fn)(struct supervisor *sup, const struct incident *incident);

#endif
