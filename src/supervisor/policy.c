/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the translation of a configuration into the core's policy. */
#include "supervisor/policy.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "config/load.h"
#include "config/service_config.h"

static const enum policy_status statuses[] = {
	[CONFIG_STATUS_START] = STATUS_START,
	[CONFIG_STATUS_STOP] = STATUS_STOP,
	[CONFIG_STATUS_IGNORE] = STATUS_IGNORE,
};

static const enum policy_restart restarts[] = {
	[CONFIG_RESTART_ALWAYS] = RESTART_ALWAYS,
	[CONFIG_RESTART_ON_FAILURE] = RESTART_ON_FAILURE,
	[CONFIG_RESTART_NEVER] = RESTART_NEVER,
};

static const enum policy_on_health on_healths[] = {
	[CONFIG_HEALTH_RESTART] = HEALTH_RESTART,
	[CONFIG_HEALTH_MARK] = HEALTH_MARK,
	[CONFIG_HEALTH_STOP] = HEALTH_STOP,
};

static const enum policy_on_crash on_crashes[] = {
	[CONFIG_CRASH_KEEP] = CRASH_KEEP,
	[CONFIG_CRASH_STOP] = CRASH_STOP,
	[CONFIG_CRASH_RESTART] = CRASH_RESTART,
};

static const enum policy_overlap overlaps[] = {
	[CONFIG_OVERLAP_SKIP] = OVERLAP_SKIP,
	[CONFIG_OVERLAP_QUEUE] = OVERLAP_QUEUE,
	[CONFIG_OVERLAP_RESTART] = OVERLAP_RESTART,
};

/* Checks that only mark are kept from the core as long as one does more (probes.c). */
static enum policy_on_health on_health(const struct health_configs *checks)
{
	for (uint32_t i = 0; i < checks->n; i++) {
		if (checks->items[i].on_failure != CONFIG_HEALTH_MARK)
			return on_healths[checks->items[i].on_failure];
	}
	return checks->n ? HEALTH_MARK : HEALTH_RESTART;
}

static bool add_deps(struct policy_box *box, enum dep_kind kind, const char *const *names)
{
	for (; names && *names; names++) {
		if (box->policy.deps_n == POLICY_DEPS_MAX)
			return false;
		box->deps[box->policy.deps_n++] = (struct policy_dep){ .kind = kind, .name = *names };
	}
	return true;
}

static bool add_ports(struct policy_box *box, const struct config_ints *ports)
{
	if (ports->n > POLICY_PORTS_MAX)
		return false;
	for (uint32_t i = 0; i < ports->n; i++)
		box->ports[i] = (uint16_t)ports->items[i];
	box->policy.ports_n = ports->n;
	return true;
}

static void set_success_codes(struct service_policy *p, const struct config_ints *codes)
{
	for (uint32_t i = 0; i < codes->n; i++)
		p->success_codes[codes->items[i] / 8] |= (uint8_t)(1U << (codes->items[i] % 8));
}

static usec_t from_ms(uint32_t ms)
{
	return ms * USEC_PER_MSEC;
}

int policy_from_config(const struct service_config *c, struct policy_box *box)
{
	struct service_policy *p = &box->policy;

	*p = (struct service_policy){
		.target = c->is_target,
		.oneshot = c->oneshot,
		.scheduled = c->schedule != NULL,
		.critical = c->critical,
		.has_readiness = c->health.n > 0,
		.has_pre_start = c->pre_start != NULL,
		.has_post_stop = c->post_stop != NULL,
		.has_filters = c->process_filters != NULL,
		.status = statuses[c->status],
		.class = c->class == CONFIG_CLASS_SYSTEM ? CLASS_SYSTEM : CLASS_USER,
		.restart = restarts[c->restart],
		.on_health = on_health(&c->health),
		.on_dependency_crash = on_crashes[c->on_dependency_crash],
		.overlap = overlaps[c->schedule_overlap],
		.restart_delay = from_ms(c->restart_delay_ms),
		.restart_delay_max = from_ms(c->restart_delay_max_ms),
		.jitter_permille = (uint16_t)(c->restart_jitter * 1000),
		.max_restarts = c->max_restarts,
		.stability = from_ms(c->stability_period_ms),
		.start_timeout = from_ms(c->start_timeout_ms),
		.stop_timeout = from_ms(c->stop_timeout_ms),
		.deps = box->deps,
		.ports = box->ports,
	};
	set_success_codes(p, &c->success_exit_codes);
	if (!add_deps(box, DEP_REQUIRES, c->requires) || !add_deps(box, DEP_AFTER, c->after) ||
	    !add_deps(box, DEP_WANTS, c->wants) || !add_deps(box, DEP_CONFLICTS, c->conflicts) ||
	    !add_ports(box, &c->ports))
		return -E2BIG;
	return 0;
}
