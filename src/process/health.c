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
/* A probe that took longer than its interval is followed by the next one after a breath. */
#define BREATH USEC_PER_MSEC

struct check {
	struct health *health;
	struct health_check def;
	struct loop_timer *timer;
	struct probe *probe;
	usec_t asked_at;
	usec_t due;          /* live: when the current probe was to be asked */
	usec_t pause;        /* not ready: to the next try */
	usec_t counts_from;  /* not ready: a failure of a probe asked from then on counts */
	unsigned int failures;
	bool ready;
	bool unhealthy;
	bool failing; /* its newest answer was `failure` */
	struct probe_result failure;
};

struct health {
	struct health_env env;
	usec_t last_duration;
	const struct check *failing; /* of the checks that fail the one that failed last; NULL: none */
	size_t n;
	struct check checks[];
};

static void on_answer(const struct probe_result *result, void *data);

/* --- asking ----------------------------------------------------------------------------------- */

static struct probe *start_probe(struct check *c)
{
	const struct health_env *env = &c->health->env;
	const struct health_check *def = &c->def;

	switch (def->type) {
	case HEALTH_TCP:
		if (probe_tcp_needs_lookup(def->target))
			return prober_connect(env->prober, def->target, def->timeout, on_answer, c);
		return probe_tcp(env->loop, def->target, def->timeout, on_answer, c);
	case HEALTH_HTTP:
		return prober_http(env->prober, &def->http, def->timeout, on_answer, c);
	case HEALTH_EXEC:
		return env->exec(def->command, def->timeout, on_answer, c, env->data);
	case HEALTH_TOLD:
	case HEALTH_TYPE_N:
		break;
	}
	errno = EINVAL;
	return NULL;
}

static void ask(struct loop_timer *timer, void *data)
{
	struct check *c = data;
	struct probe_result result;

	(void)timer;
	c->asked_at = loop_now(c->health->env.loop);
	if (c->def.type == HEALTH_TOLD) {
		probe_result_set(&result, PROBE_TIMEOUT, 0, "no sign of life within the interval");
		on_answer(&result, c);
		return;
	}
	c->probe = start_probe(c);
	if (!c->probe) {
		probe_result_set(&result, PROBE_UNAVAILABLE, errno, "the probe can't be started: %s", strerror(errno));
		on_answer(&result, c);
	}
}

/*
 * Where in its interval a check has its place: the golden ratio's multiples fill the circle evenly, whatever the number
 * of services (Knuth, TAOCP 3, 6.4).
 */
static usec_t place(const struct check *c)
{
	uint32_t number = c->health->env.spread * 16 + (uint32_t)(c - c->health->checks);

	return (usec_t)(((unsigned __int128)c->def.interval * (number * 2654435769U)) >> 32);
}

/* The next moment after `now` that is this check's place. */
static usec_t next_place(const struct check *c, usec_t now)
{
	usec_t t = now - now % c->def.interval + place(c);

	return t > now ? t : t + c->def.interval;
}

static void arm_live(struct check *c)
{
	usec_t now = loop_now(c->health->env.loop);

	if (c->def.type == HEALTH_TOLD) {
		loop_timer_arm(c->timer, time_add(now, c->def.interval));
		return;
	}
	c->due += c->def.interval;
	if (time_add(c->due, c->def.interval) <= now)
		c->due = next_place(c, now);
	loop_timer_arm(c->timer, MAX(c->due, now + BREATH));
}

static void begin_live(struct check *c)
{
	c->ready = true;
	c->unhealthy = false;
	c->failures = 0;
	if (c->def.type == HEALTH_TOLD)
		return; /* watched from the first sign of life on */
	c->due = next_place(c, loop_now(c->health->env.loop));
	loop_timer_arm(c->timer, c->due);
}

/* --- answers ---------------------------------------------------------------------------------- */

static const struct check *any_failing(const struct health *h)
{
	for (size_t i = 0; i < h->n; i++) {
		if (h->checks[i].failing)
			return &h->checks[i];
	}
	return NULL;
}

/* A success of one check is no news of another, which may be one that says no more. */
static void remember(struct check *c, const struct probe_result *result)
{
	struct health *h = c->health;

	c->failing = result->error != PROBE_OK;
	if (c->failing) {
		c->failure = *result;
		h->failing = c;
	} else if (h->failing == c) {
		h->failing = any_failing(h);
	}
}

static void count_answer(const struct check *c, const struct probe_result *result, usec_t duration)
{
	struct health_counts *counts = c->health->env.counts;

	if (!counts)
		return;
	counts += c - c->health->checks;
	counts->results[result->error]++;
	counts->duration += duration;
	counts->last_duration = duration;
	counts->last = result->error;
}

/* Count a failure; true if it is the one that makes the check unhealthy. */
static bool count_failure(struct check *c)
{
	c->failures++;
	if (c->unhealthy || c->failures < MAX(c->def.retries, 1U))
		return false;
	c->unhealthy = true;
	return true;
}

static void tell_change(struct check *c, const struct probe_result *result)
{
	struct health *h = c->health;

	h->env.on_change((size_t)(c - h->checks), !c->unhealthy, c->failures, result, h->env.data);
}

static void on_ready_answer(struct check *c, const struct probe_result *result)
{
	struct health *h = c->health;
	usec_t now = loop_now(h->env.loop);
	bool crossed = false;
	usec_t next;

	if (result->error == PROBE_OK) {
		begin_live(c);
		if (health_is_ready(h))
			h->env.on_ready(h->env.data);
		return;
	}
	if (c->asked_at >= c->counts_from) {
		c->counts_from = time_add(c->asked_at, c->def.interval);
		crossed = count_failure(c);
	}
	next = MIN(now + c->pause, MAX(c->counts_from, now + BREATH));
	c->pause = MIN(c->pause * 2, MAX(c->def.interval, (usec_t)READY_FIRST_PAUSE));
	loop_timer_arm(c->timer, next);
	if (crossed)
		tell_change(c, result);
}

static void on_live_answer(struct check *c, const struct probe_result *result)
{
	struct health *h = c->health;
	bool was_unhealthy = c->unhealthy;

	arm_live(c);
	if (result->error == PROBE_OK) {
		c->failures = 0;
		c->unhealthy = false;
		if (was_unhealthy)
			tell_change(c, result);
		return;
	}
	if (loop_now(h->env.loop) < time_add(h->env.started_at, c->def.start_period))
		return;
	if (count_failure(c))
		tell_change(c, result);
}

static void on_answer(const struct probe_result *result, void *data)
{
	struct check *c = data;
	struct health *h = c->health;

	c->probe = NULL;
	h->last_duration = loop_now(h->env.loop) - c->asked_at;
	count_answer(c, result, h->last_duration);
	remember(c, result);
	/* the last call: its callback may free us */
	if (c->ready)
		on_live_answer(c, result);
	else
		on_ready_answer(c, result);
}

/* --- what was heard --------------------------------------------------------------------------- */

static const struct probe_result good = { .error = PROBE_OK };

static struct check *told(struct health *h, size_t check)
{
	return check < h->n && h->checks[check].def.type == HEALTH_TOLD ? &h->checks[check] : NULL;
}

void health_told_ready(struct health *h, size_t check)
{
	struct check *c = told(h, check);

	if (!c || c->ready)
		return;
	h->last_duration = loop_now(h->env.loop) - MIN(loop_now(h->env.loop), h->env.started_at);
	count_answer(c, &good, h->last_duration);
	remember(c, &good);
	on_ready_answer(c, &good);
}

void health_told_alive(struct health *h, size_t check)
{
	struct check *c = told(h, check);

	if (!c || !c->ready)
		return;
	count_answer(c, &good, 0);
	remember(c, &good);
	on_live_answer(c, &good);
}

void health_told_failed(struct health *h, size_t check, const struct probe_result *result)
{
	struct check *c = told(h, check);

	if (!c)
		return;
	count_answer(c, result, 0);
	remember(c, result);
	if (!c->ready || c->unhealthy)
		return;
	c->failures++;
	c->unhealthy = true;
	tell_change(c, result);
}

void health_told_interval(struct health *h, size_t check, usec_t interval)
{
	struct check *c = told(h, check);

	if (c && interval)
		c->def.interval = interval;
}

void health_told_trouble(struct health *h, size_t check, const struct probe_result *result)
{
	struct check *c = told(h, check);

	if (c)
		remember(c, result);
}

/* --- life ------------------------------------------------------------------------------------- */

static void begin(struct check *c)
{
	const struct health_env *env = &c->health->env;

	if (env->ready) {
		begin_live(c);
		c->unhealthy = env->unhealthy >> (c - c->health->checks) & 1;
		c->failures = c->unhealthy ? MAX(c->def.retries, 1U) : 0;
		return;
	}
	c->pause = READY_FIRST_PAUSE;
	c->counts_from = time_add(env->started_at, c->def.start_period);
	if (c->def.type != HEALTH_TOLD)
		loop_timer_arm(c->timer, loop_now(env->loop));
}

struct health *health_new(const struct health_env *env, const struct health_check *checks, size_t n)
{
	struct health *h = calloc(1, sizeof(*h) + n * sizeof(struct check));

	if (!h)
		return NULL;
	h->env = *env;
	h->n = n;
	for (size_t i = 0; i < n; i++) {
		struct check *c = &h->checks[i];

		c->health = h;
		c->def = checks[i];
		c->def.interval = MAX(c->def.interval, (usec_t)BREATH);
		c->timer = loop_timer_new(env->loop, ask, c);
		if (!c->timer) {
			health_free(h);
			errno = ENOMEM;
			return NULL;
		}
		begin(c);
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

/* --- looking ---------------------------------------------------------------------------------- */

bool health_is_ready(const struct health *h)
{
	for (size_t i = 0; i < h->n; i++) {
		if (!h->checks[i].ready)
			return false;
	}
	return true;
}

const char *health_state(const struct health *h)
{
	for (size_t i = 0; i < h->n; i++) {
		if (h->checks[i].unhealthy)
			return "unhealthy";
	}
	return health_is_ready(h) ? "healthy" : "unknown";
}

const struct probe_result *health_last_failure(const struct health *h, size_t *out_check)
{
	if (h->failing && out_check)
		*out_check = (size_t)(h->failing - h->checks);
	return h->failing ? &h->failing->failure : NULL;
}

unsigned int health_attempts(const struct health *h)
{
	unsigned int most = 0;

	for (size_t i = 0; i < h->n; i++)
		most = MAX(most, h->checks[i].failures);
	return most;
}

unsigned int health_check_failures(const struct health *h, size_t check, bool *out_unhealthy)
{
	*out_unhealthy = h->checks[check].unhealthy;
	return h->checks[check].failures;
}

usec_t health_last_duration(const struct health *h)
{
	return h->last_duration;
}
