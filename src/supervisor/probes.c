/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the health checks of a unit: from its configuration to process/health, from verdicts to the core's events. */
#include "supervisor/probes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"

/* --- the object ------------------------------------------------------------------------------- */

struct probes *probes_of(struct unit *unit)
{
	struct probes *p = unit->probes;

	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->unit = unit;
	p->notify_fd = p->ready_fd = -1;
	p->notify_slot = p->ready_slot = KEEPER_NO_SLOT;
	list_init(&p->log_watches);
	unit->probes = p;
	return p;
}

void probes_free(struct unit *unit, bool forget)
{
	struct probes *p = unit->probes;

	if (!p)
		return;
	probes_stop(unit);
	probes_notify_fini(p, forget);
	free(p->output);
	free(p->last);
	free(p->counts);
	free(p);
	unit->probes = NULL;
}

size_t probes_find(const struct unit *unit, enum config_health_type type, bool with_fd)
{
	const struct health_configs *configs = &unit->config->health;

	for (uint32_t i = 0; i < configs->n; i++) {
		if (configs->items[i].type == type && (probes_notify_number(&configs->items[i]) != 0) == with_fd)
			return i;
	}
	return SIZE_MAX;
}

/* --- verdicts --------------------------------------------------------------------------------- */

static void on_ready(void *data)
{
	struct probes *p = data;
	const struct core_event event = { .kind = EV_READY, .id = p->unit->id, .run = p->run };

	(void)supervisor_feed(p->unit->sup, &event);
}

/* A check that only marks leaves the service alone; the core is told where its policy is to mark, too. */
static bool concerns_core(const struct probes *p, size_t check, bool healthy)
{
	const struct health_configs *configs = &p->unit->config->health;
	bool marks = configs->items[check].on_failure == CONFIG_HEALTH_MARK;

	if (core_record(p->unit->sup->core, p->unit->id)->state != SERVICE_RUNNING)
		return !healthy && !marks;
	if (healthy)
		return strcmp(health_state(p->health), "unhealthy") != 0; /* not as long as another check fails */
	for (uint32_t i = 0; marks && i < configs->n; i++) {
		if (configs->items[i].on_failure != CONFIG_HEALTH_MARK)
			return false;
	}
	return true;
}

static void note_unhealthy(struct unit *unit, size_t check, bool unhealthy)
{
	unsigned int bit = 1U << check;

	unit->unhealthy = (uint16_t)(unhealthy ? unit->unhealthy | bit : unit->unhealthy & ~bit);
}

static void on_change(size_t check, bool healthy, unsigned int attempts, const struct probe_result *result, void *data)
{
	struct probes *p = data;
	struct unit *unit = p->unit;
	const struct core_event event = {
		.kind = EV_HEALTH,
		.id = unit->id,
		.run = p->run,
		.ok = healthy,
		.attempts = attempts,
	};
	unsigned int ms = (unsigned int)(health_last_duration(p->health) / USEC_PER_MSEC);
	char text[PROBE_TEXT_SIZE + 64];

	if (healthy)
		(void)snprintf(text, sizeof(text), "healthy again, probe took %u ms", ms);
	else
		(void)snprintf(text, sizeof(text), "unhealthy after %u, %u ms: %s%s%s", attempts, ms,
			       probe_error_name(result->error), result->text[0] ? ": " : "", result->text);
	diag(healthy ? DIAG_INFO : DIAG_WARN, "%s: health check: %s", unit->config->name, text);
	note_unhealthy(unit, check, !healthy);
	unit_announce(unit, EVENT_HEALTH, text);
	if (!healthy)
		incident_health(unit, text);
	if (concerns_core(p, check, healthy))
		(void)supervisor_feed(unit->sup, &event);
}

/* --- from the configuration ------------------------------------------------------------------- */

static const enum health_type types[] = {
	[CONFIG_HEALTH_TCP] = HEALTH_TCP,     [CONFIG_HEALTH_HTTP] = HEALTH_HTTP, [CONFIG_HEALTH_EXEC] = HEALTH_EXEC,
	[CONFIG_HEALTH_NOTIFY] = HEALTH_TOLD, [CONFIG_HEALTH_LOG] = HEALTH_TOLD,
};

/* struct config_range and struct prober_range are alike on purpose: a list of the one is a list of the other. */
_Static_assert(sizeof(struct config_range) == sizeof(struct prober_range), "ranges differ");

static void check_from_config(const struct health_config *from, struct health_check *to)
{
	*to = (struct health_check){
		.type = types[from->type],
		.target = from->target.text,
		.command = &from->target,
		.timeout = from->timeout_ms * USEC_PER_MSEC,
		.interval = from->interval_ms * USEC_PER_MSEC,
		.start_period = from->start_period_ms * USEC_PER_MSEC,
		.retries = from->retries,
		.http = {
			.url = from->target.text,
			.method = from->method,
			.headers = from->headers,
			.body = from->body,
			.unix_socket = from->unix_socket,
			.ranges = (const struct prober_range *)(const void *)from->expect_status.items,
			.ranges_n = from->expect_status.n,
			.tls_verify = from->tls_verify,
			.follow = from->follow_redirects,
		},
	};
}

/* Counting begins anew when the number of checks changes; without memory nothing is counted. */
static struct health_counts *counts_for(struct probes *p, size_t n)
{
	if (p->counts && p->counts_n == n)
		return p->counts;
	free(p->counts);
	p->counts = n ? calloc(n, sizeof(*p->counts)) : NULL;
	p->counts_n = p->counts ? n : 0;
	return p->counts;
}

static struct health *make_health(struct probes *p)
{
	const struct unit *unit = p->unit;
	const struct service_record *record = core_record(unit->sup->core, unit->id);
	const struct health_configs *configs = &unit->config->health;
	struct health_check checks[PROBES_CHECKS_MAX];
	size_t n = MIN(configs->n, (uint32_t)PROBES_CHECKS_MAX);
	const struct health_env env = {
		.loop = unit->sup->loop,
		.prober = unit->sup->prober,
		.started_at = record->started_at,
		.ready = record->state == SERVICE_RUNNING,
		.unhealthy = unit->unhealthy,
		.spread = unit->id,
		.counts = counts_for(p, n),
		.exec = probes_exec,
		.on_ready = on_ready,
		.on_change = on_change,
		.data = p,
	};

	if (n < configs->n)
		diag(DIAG_WARN, "%s: more than %d health checks: the rest is left out", unit->config->name, PROBES_CHECKS_MAX);
	for (size_t i = 0; i < n; i++)
		check_from_config(&configs->items[i], &checks[i]);
	return health_new(&env, checks, n);
}

static void start_listening(struct probes *p)
{
	const struct health_configs *configs = &p->unit->config->health;

	probes_notify_start(p);
	if (health_is_ready(p->health))
		return;
	for (size_t i = 0; i < MIN(configs->n, (uint32_t)PROBES_CHECKS_MAX); i++) {
		if (configs->items[i].type == CONFIG_HEALTH_LOG)
			probes_log_start(p, i);
	}
}

void probes_start(struct unit *unit, uint64_t run)
{
	struct probes *p = probes_of(unit);

	probes_stop(unit);
	/* what an earlier server found of this run counts until these checks find something else */
	if (!p || p->run || core_record(unit->sup->core, unit->id)->state != SERVICE_RUNNING)
		unit->unhealthy = 0;
	if (p) {
		p->run = run;
		free(STEAL(&p->last));
		p->health = make_health(p);
	}
	if (!p || !p->health) {
		diag(DIAG_ERROR, "%s: no memory for its health checks", unit->config->name);
		return;
	}
	if (unit->config->health.n == 0)
		on_ready(p);
	else
		start_listening(p);
}

/* Status still says why, when the service is down for it. */
static void remember_failure(struct probes *p)
{
	const struct probe_result *failure = health_last_failure(p->health, &p->last_check);

	free(STEAL(&p->last));
	p->last = failure ? malloc(sizeof(*p->last)) : NULL;
	if (p->last)
		*p->last = *failure;
	p->last_attempts = health_attempts(p->health);
}

void probes_stop(struct unit *unit)
{
	struct probes *p = unit->probes;

	unit->extended_until = 0;
	if (!p || !p->health)
		return;
	remember_failure(p);
	probes_log_stop(p);
	probes_notify_stop(p);
	health_free(p->health);
	p->health = NULL;
}

void probes_config_changed(struct unit *unit)
{
	struct probes *p = unit->probes;
	const struct service_record *record = core_record(unit->sup->core, unit->id);

	if (p && p->health)
		probes_start(unit, p->run);
	else if (record->state == SERVICE_RUNNING && record->pid && unit->config->health.n)
		probes_start(unit, record->run);
}

/* --- looking ---------------------------------------------------------------------------------- */

int supervisor_check(const struct supervisor *sup, uint32_t id, size_t check, struct supervisor_check *out)
{
	const struct unit *unit = unit_at(sup, id);
	const struct probes *p = unit ? unit->probes : NULL;

	if (!unit || check >= MIN(unit->config->health.n, (uint32_t)PROBES_CHECKS_MAX))
		return -ENOENT;
	*out = (struct supervisor_check){ .type = config_health_type_name(unit->config->health.items[check].type) };
	if (p && check < p->counts_n)
		out->counts = &p->counts[check];
	if (p && p->health)
		out->failures = health_check_failures(p->health, check, &out->unhealthy);
	return 0;
}

void probes_info(const struct unit *unit, struct supervisor_info *out)
{
	const struct probes *p = unit->probes;
	size_t check = p ? p->last_check : 0;
	const struct probe_result *failure = !p ? NULL : p->health ? health_last_failure(p->health, &check) : p->last;

	out->health = unit->config->health.n ? "unknown" : "none";
	out->health_error = failure ? failure->text : "";
	out->health_error_name = failure ? probe_error_name(failure->error) : "";
	out->health_error_value = failure ? failure->value : 0;
	out->health_output = failure && p->output && p->output_check == check ? p->output : "";
	out->status_text = p ? p->status_text : "";
	if (p && p->last)
		out->health_attempts = p->last_attempts;
	if (!p || !p->health)
		return;
	out->health = health_state(p->health);
	out->health_attempts = health_attempts(p->health);
	out->health_duration = health_last_duration(p->health);
}
