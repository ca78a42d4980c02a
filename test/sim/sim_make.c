/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the making of a world from its seed. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sim.h"

#define MS USEC_PER_MSEC
#define SEC USEC_PER_SEC

static void make_lifecycle(struct sim *sim, struct service_policy *p)
{
	p->restart_delay = sim_chance(sim, 10) ? 0 : (1 + sim_draw(sim, 3000)) * MS;
	p->restart_delay_max = sim_chance(sim, 10) ? 0 : p->restart_delay + sim_draw(sim, 30) * SEC;
	p->jitter_permille = (uint16_t)(sim_chance(sim, 50) ? 0 : sim_draw(sim, 300));
	/* no delay and no limit would be a loop that no time passes in */
	p->max_restarts = p->restart_delay ? sim_draw(sim, 6) : 1 + sim_draw(sim, 5);
	p->stability = sim_chance(sim, 20) ? 0 : sim_draw(sim, 20) * SEC;
	p->start_timeout = (1 + sim_draw(sim, 30)) * SEC;
	p->stop_timeout = (1 + sim_draw(sim, 10000)) * MS;
	p->restart = (enum policy_restart)sim_draw(sim, RESTART_N);
	p->on_health = (enum policy_on_health)sim_draw(sim, HEALTH_N);
	p->on_dependency_crash = (enum policy_on_crash)sim_draw(sim, CRASH_N);
	p->status = sim_chance(sim, 70) ? STATUS_START : (enum policy_status)sim_draw(sim, STATUS_N);
}

void sim_make_policy(struct sim *sim, uint32_t id)
{
	struct fake *f = &sim->fakes[id];
	struct service_policy *p = &f->policy;

	memset(p, 0, sizeof(*p));
	make_lifecycle(sim, p);
	p->target = !sim->isolated && sim_chance(sim, 12);
	p->oneshot = !p->target && sim_chance(sim, 20);
	p->scheduled = p->oneshot && sim_chance(sim, 40);
	p->overlap = (enum policy_overlap)sim_draw(sim, OVERLAP_N);
	p->has_readiness = !p->target && sim_chance(sim, 30);
	p->has_pre_start = !p->target && sim_chance(sim, 15);
	p->has_post_stop = !p->target && sim_chance(sim, 15);
	p->has_filters = !p->target && sim_chance(sim, 8);
	p->critical = sim_chance(sim, 5);
	p->deps = f->deps;
	p->ports = f->ports;
	for (uint32_t other = 0; !sim->isolated && other < id && p->deps_n < SIM_DEPS; other++) {
		if (!sim_chance(sim, 35))
			continue;
		f->deps[p->deps_n].kind = (enum dep_kind)sim_draw(sim, sim_chance(sim, 60) ? 1 : DEP_KIND_N);
		(void)snprintf(f->dep_names[p->deps_n], sizeof(f->dep_names[0]), "s%u",
			       sim_chance(sim, 2) ? SIM_SERVICES + 5 : other);
		f->deps[p->deps_n].name = f->dep_names[p->deps_n];
		p->deps_n++;
	}
	if (!sim->isolated && !p->target && sim_chance(sim, 20)) {
		f->ports[0] = (uint16_t)(1 + sim_draw(sim, 3));
		p->ports_n = 1;
	}
}

static void trace_policy(struct sim *sim, const struct fake *f)
{
	static const char *const crash[CRASH_N] = { "keep", "stop", "restart" };
	const struct service_policy *p = &f->policy;
	char deps[SIM_DEPS * 24] = "";

	for (size_t i = 0; i < p->deps_n; i++)
		(void)snprintf(deps + strlen(deps), sizeof(deps) - strlen(deps), " %s %s",
			       dep_kind_name(p->deps[i].kind), p->deps[i].name);
	sim_trace(sim, "%s:%s%s%s%s%s%s%s%s%s status %u restart %u on crash %s port %u", f->name, deps, p->target ? " target" : "",
	      p->oneshot ? " oneshot" : "", p->scheduled ? " scheduled" : "", p->has_readiness ? " readiness" : "", p->has_pre_start ? " pre_start" : "",
	      p->has_post_stop ? " post_stop" : "", p->has_filters ? " filters" : "", p->critical ? " critical" : "",
	      p->status, p->restart, crash[p->on_dependency_crash], p->ports_n ? f->ports[0] : 0);
}

int sim_begin(struct sim *sim, uint64_t seed, bool with_trace)
{
	bool died;

	memset(sim, 0, sizeof(*sim));
	sim->seed = seed;
	sim->trace = with_trace;
	sim->random = seed * 0x9e3779b97f4a7c15ULL + 1;
	(void)sim_draw(sim, 2);
	sim->now = 100 * SEC;
	sim->next_pid = 100;
	sim->n = 1 + sim_draw(sim, SIM_SERVICES);
	sim->isolated = sim_chance(sim, 20);
	for (uint32_t id = 0; id < sim->n; id++) {
		(void)snprintf(sim->fakes[id].name, sizeof(sim->fakes[id].name), "s%u", id);
		sim->fakes[id].exists = true;
		sim_make_policy(sim, id);
		trace_policy(sim, &sim->fakes[id]);
	}
	if (!sim_new_core(sim))
		return -ENOMEM;
	for (uint32_t id = 0; id < sim->n; id++) {
		sim->fakes[id].saved = *core_record(sim->core, id);
		sim->fakes[id].asked = sim->fakes[id].policy.status == STATUS_START ? WISH_UP : WISH_DOWN;
		(void)sim_send(sim, (struct core_event){ .kind = EV_LOADED, .id = id }, &died);
		if (died)
			sim->fakes[id].asked = (enum service_wish)core_record(sim->core, id)->wish;
	}
	return 0;
}

void sim_end(struct sim *sim)
{
	core_free(sim->core);
	sim->core = NULL;
}
