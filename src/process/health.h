/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The health of one run of a service: its checks, asked again and again. First readiness: each check is asked at once
 * and then with a growing pause (up to its interval) until it succeeds; the service is ready when all have. Then
 * liveness: each check every interval, spread so that services started together are not probed together; `retries`
 * failures in a row make it unhealthy, one success makes it healthy again.
 *
 * How long readiness may take is the caller's affair (its start time-out). Never more than one probe per check is under
 * way, and none outlives health_free().
 */
#ifndef PROCESS_HEALTH_H
#define PROCESS_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/probe.h"
#include "process/prober.h"

enum health_type { HEALTH_TCP, HEALTH_HTTP, HEALTH_EXEC, HEALTH_TYPE_N };

/** One check; pointers are borrowed for the life of the health object. */
struct health_check {
	enum health_type type;
	const char *target;      /* TCP */
	struct prober_http http; /* HTTP */
	const void *command;     /* EXEC: for health_env.exec */
	usec_t timeout;
	usec_t interval;
	usec_t start_period; /* failures of liveness within this time after the start do not count */
	unsigned int retries; /* 0 counts as 1 */
};

struct health_env {
	struct loop *loop;
	struct prober *prober;
	/* Start an exec probe for `command`. NULL with errno set. */
	struct probe *(*exec)(const void *command, usec_t timeout, probe_fn fn, void *fn_data, void *data);
	/* All checks have succeeded once. */
	void (*on_ready)(void *data);
	/* The verdict of liveness changed, or, while unhealthy, `retries` further failures came. `attempts`: failures in a row. */
	void (*on_change)(bool healthy, unsigned int attempts, const struct probe_result *result, void *data);
	void *data;
};

struct health;

/** Begin. `checks` is copied. A callback may call health_free(). Returns NULL with errno set. */
struct health *health_new(const struct health_env *env, const struct health_check *checks, size_t n);
/** End; probes under way are cancelled. NULL is fine. */
void health_free(struct health *health);
/** "unknown" (not yet ready), "healthy" or "unhealthy". */
const char *health_state(const struct health *health);
/** The last failure of any check, or NULL if the last answers were all good. Valid until the loop runs again. */
const struct probe_result *health_last_failure(const struct health *health);
/** How long the last probe took, microseconds. */
usec_t health_last_duration(const struct health *health);

#endif
