/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The health of one run of a service: its checks, asked again and again. First readiness: each check is asked at once
 * and then with a growing pause (up to its interval) until it succeeds; the service is ready when all have. Of these early
 * failures only one per interval counts, so that `retries` means the same before and after. Then liveness: each check
 * every interval, at a place in it that differs from service to service, so that services started together are not
 * probed together; `retries` failures in a row make it unhealthy, one success makes it healthy again.
 *
 * Checks of type HEALTH_TOLD are not asked: the owner tells what it heard (sd_notify, a line in the log).
 *
 * Never more than one probe per check is under way, and none outlives health_free().
 */
#ifndef PROCESS_HEALTH_H
#define PROCESS_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/probe.h"
#include "process/prober.h"

enum health_type { HEALTH_TCP, HEALTH_HTTP, HEALTH_EXEC, HEALTH_TOLD, HEALTH_TYPE_N };

/** One check; pointers are borrowed for the life of the health object. */
struct health_check {
	enum health_type type;
	const char *target;      /* TCP */
	struct prober_http http; /* HTTP */
	const void *command;     /* EXEC: for health_env.exec */
	usec_t timeout;
	usec_t interval;      /* TOLD: between two signs of life, once there was one */
	usec_t start_period;  /* failures within this time after the start do not count */
	unsigned int retries; /* 0 counts as 1 */
};

/** What became of the probes of one check; kept by the owner, over runs. */
struct health_counts {
	uint64_t results[PROBE_ERROR_N]; /* answers, by how they ended */
	usec_t duration;      /* of all probes together */
	usec_t last_duration;
	enum probe_error last; /* the newest answer */
};

struct health_env {
	struct loop *loop;
	struct prober *prober;
	usec_t started_at; /* of the run: where start_period begins */
	bool ready;        /* it was ready already when an earlier server watched it: liveness from the first answer on */
	uint32_t unhealthy; /* `ready`: the checks that it had found unhealthy, bit n for check n */
	uint32_t spread;   /* the service's number: decides where in the interval it is probed */
	struct health_counts *counts; /* one for each check, written as answers come; NULL: nobody counts */
	/* Start an exec probe for `command`. NULL with errno set. */
	struct probe *(*exec)(const void *command, usec_t timeout, probe_fn fn, void *fn_data, void *data);
	/* All checks have succeeded once. */
	void (*on_ready)(void *data);
	/*
	 * `check` (its index) became unhealthy: `attempts` failures in a row, the last one is `result`. Or it became healthy
	 * again, having been ready. Before readiness only failures are told.
	 */
	void (*on_change)(size_t check, bool healthy, unsigned int attempts, const struct probe_result *result, void *data);
	void *data;
};

struct health;

/** Begin. `checks` is copied. A callback may call health_free(). Returns NULL with errno set. */
struct health *health_new(const struct health_env *env, const struct health_check *checks, size_t n);
/** End; probes under way are cancelled. NULL is fine. */
void health_free(struct health *health);

/*
 * What was heard of a HEALTH_TOLD check. These may call back, and so free the object.
 */
/** It says that it is ready. */
void health_told_ready(struct health *health, size_t check);
/** It gave a sign of life; from now on one is expected within every interval. */
void health_told_alive(struct health *health, size_t check);
/** It says, or shows, that it is not well: unhealthy at once, whatever `retries`. Ignored before it was ready. */
void health_told_failed(struct health *health, size_t check, const struct probe_result *result);
/** Another interval between signs of life, from the next one on. */
void health_told_interval(struct health *health, size_t check, usec_t interval);
/** Remember a failure for the report without counting it: why a check can't become ready. */
void health_told_trouble(struct health *health, size_t check, const struct probe_result *result);

/** Have all checks succeeded once? */
bool health_is_ready(const struct health *health);
/** "unhealthy", else "unknown" (not yet ready), else "healthy". */
const char *health_state(const struct health *health);
/**
 * The last failure of a check that has not succeeded since, or NULL. Valid until the loop runs again. `out_check`: which
 * check that is; may be NULL, and is untouched when nothing fails.
 */
const struct probe_result *health_last_failure(const struct health *health, size_t *out_check);
/** Counted failures in a row of the check that has most of them. */
unsigned int health_attempts(const struct health *health);
/** The same of one check, and whether it is unhealthy. */
unsigned int health_check_failures(const struct health *health, size_t check, bool *out_unhealthy);
/** How long the last probe took, microseconds. */
usec_t health_last_duration(const struct health *health);

#endif
