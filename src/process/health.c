/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: when the checks of a run are asked, and what their answers add up to. */
#include "process/health.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "loop/loop.h"

/* Readiness: services that are ready soon are seen soon, slow ones are not hammered. */
#define READY_FIRST_PAUSE (50 * USEC_PER_MSEC)

struct check {
	struct health *health;
	struct health_check def;
	struct loop_timer *timer;
	struct probe *probe;
	usec_t asked_at;
	usec_t pause; /* to the next try, while not ready */
	unsigned int failures;
	bool ready;
	bool unhealthy;
};

struct health {
	struct health_env env;
	usec_t begun_at;
	usec_t last_duration;
	struct probe_result last_failure;
	bool has_failure;
	size_t n;
	struct check checks[];
};

static void on_answer(const struct probe_result *result, void *data);

static struct probe *start_probe(struct check *c)
{
	const struct health_env *env = &c->health->env;
	const struct health_check *def = &c->def;

	switch (def->type) {
	case HEALTH_TCP:
		if (probe_tcp_is_numeric(def->target) == 1)
			return probe_tcp(env->loop, def->target, def->timeout, on_answer, c);
		return prober_connect(env->prober, def->target, def->timeout, on_answer, c);
	case HEALTH_HTTP:
		return prober_http(env->prober, &def->http, def->timeout, on_answer, c);
	case HEALTH_EXEC:
		return env->exec(def->command, def->timeout, on_answer, c, env->data);
	case HEALTH_TYPE_N:
		break;
	}
	errno = EINVAL;
	return NULL;
}

static void ask(struct loop_timer *timer, void *data)
{
	struct check *c = data;

	(void)timer;
	c->asked_at = loop_now(c->health->env.loop);
	c->probe = start_probe(c);
	if (!c->probe) {
		struct probe_result result;

		probe_result_set(&result, PROBE_UNAVAILABLE, errno, "the probe can't be started: %s", strerror(errno));
		on_answer(&result, c);
	}
}

static bool all_ready(const struct health *h)
{
	for (size_t i = 0; i < h->n; i++) {
		if (!h->checks[i].ready)
			return false;
	}
	return true;
}

/* Where in its interval a service is probed follows from its address in memory: any spread will do, and it costs nothing. */
static usec_t spread(const struct check *c)
{
	usec_t interval = c->def.interval ? c->def.interval : 1;

	return interval / 2 + (uint64_t)(uintptr_t)c * 2654435761ULL % (interval / 2 + 1);
}

static void on_ready_answer(struct check *c, bool good)
{
	struct health *h = c->health;

	if (!good) {
		loop_timer_arm(c->timer, loop_now(h->env.loop) + c->pause);
		c->pause = MIN(c->pause * 2, MAX(c->def.interval, (usec_t)READY_FIRST_PAUSE));
		return;
	}
	c->ready = true;
	loop_timer_arm(c->timer, loop_now(h->env.loop) + spread(c));
	if (all_ready(h))
		h->env.on_ready(h->env.data);
}

static void on_live_answer(struct check *c, bool good, const struct probe_result *result)
{
	struct health *h = c->health;
	usec_t now = loop_now(h->env.loop);
	unsigned int retries = MAX(c->def.retries, 1U);
	bool was_unhealthy = c->unhealthy;

	loop_timer_arm(c->timer, MAX(c->asked_at + c->def.interval, now + USEC_PER_MSEC));
	if (good) {
		c->failures = 0;
		c->unhealthy = false;
		if (was_unhealthy)
			h->env.on_change(true, 0, result, h->env.data);
		return;
	}
	if (now - h->begun_at < c->def.start_period)
		return;
	c->failures++;
	if (c->failures % retries == 0) {
		c->unhealthy = true;
		h->env.on_change(false, c->failures, result, h->env.data);
	}
}

static void on_answer(const struct probe_result *result, void *data)
{
	struct check *c = data;
	struct health *h = c->health;
	bool good = result->error == PROBE_OK;

	c->probe = NULL;
	h->last_duration = loop_now(h->env.loop) - c->asked_at;
	h->has_failure = !good;
	if (!good)
		h->last_failure = *result;
	/* the last call: its callback may free us */
	if (c->ready)
		on_live_answer(c, good, result);
	else
		on_ready_answer(c, good);
}

struct health *health_new(const struct health_env *env, const struct health_check *checks, size_t n)
{
	struct health *h = calloc(1, sizeof(*h) + n * sizeof(struct check));

	if (!h)
		return NULL;
	h->env = *env;
	h->begun_at = loop_now(env->loop);
	h->n = n;
	for (size_t i = 0; i < n; i++) {
		struct check *c = &h->checks[i];

		c->health = h;
		c->def = checks[i];
		c->pause = READY_FIRST_PAUSE;
		c->timer = loop_timer_new(env->loop, ask, c);
		if (!c->timer) {
			health_free(h);
			errno = ENOMEM;
			return NULL;
		}
		loop_timer_arm(c->timer, h->begun_at);
	}
	return h;
}

void health_free(struct health *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < h->n; i++) {
		probe_cancel(h->checks[i].probe);
		loop_timer_free(h->checks[i].timer);
	}
	free(h);
}

const char *health_state(const struct health *h)
{
	if (!all_ready(h))
		return "unknown";
	for (size_t i = 0; i < h->n; i++) {
		if (h->checks[i].unhealthy)
			return "unhealthy";
	}
	return "healthy";
}

const struct probe_result *health_last_failure(const struct health *h)
{
	return h->has_failure ? &h->last_failure : NULL;
}

usec_t health_last_duration(const struct health *h)
{
	return h->last_duration;
}
