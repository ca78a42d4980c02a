/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: changes of the configuration: keys that apply at once, keys that wait for the end of the run, services that come and go. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sim.h"

static bool empty(const struct fake *f)
{
	for (int i = 0; i < SIM_PROCS; i++) {
		if (f->procs[i].state != PROC_NONE)
			return false;
	}
	return !f->children && !f->helper;
}

static bool at_rest(const struct sim *sim, uint32_t id)
{
	return !core_is_active(sim->core, id);
}

/* What follows from the change; the shell has it on disk already. */
static void go_on(struct sim *sim)
{
	struct effects fx;

	fx.n = 0;
	core_continue(sim->core, sim->now, &fx);
	if (sim_carry_out(sim, &fx))
		sim_check(sim);
	else
		sim_crash(sim); /* even now the wish of a changed status is not lost */
}

static void note_status(struct sim *sim, struct fake *f, enum policy_status before)
{
	if (sim->shutting_down || f->policy.status == before)
		return;
	if (f->policy.status == STATUS_START)
		f->asked = WISH_UP;
	else if (f->policy.status == STATUS_STOP)
		f->asked = WISH_DOWN;
}

/* Processes live by the old keys until they end. */
static void keep_run_keys(struct fake *f, const struct service_policy *old)
{
	f->next.oneshot = f->policy.oneshot;
	f->next.scheduled = f->policy.scheduled;
	f->next.has_readiness = f->policy.has_readiness;
	f->next.has_pre_start = f->policy.has_pre_start;
	f->next.has_post_stop = f->policy.has_post_stop;
	f->next.has_filters = f->policy.has_filters;
	f->has_next = true;
	f->policy.oneshot = old->oneshot;
	f->policy.scheduled = old->scheduled;
	f->policy.has_readiness = old->has_readiness;
	f->policy.has_pre_start = old->has_pre_start;
	f->policy.has_post_stop = old->has_post_stop;
	f->policy.has_filters = old->has_filters;
}

static void update(struct sim *sim, uint32_t id)
{
	static struct fake old;
	struct fake *f = &sim->fakes[id];
	char chain[64];
	int r;

	old = *f;
	sim_make_policy(sim, id);
	f->policy.target = old.policy.target;
	if (!at_rest(sim, id)) {
		keep_run_keys(f, &old.policy);
		memcpy(f->ports, old.ports, sizeof(f->ports));
		f->policy.ports_n = old.policy.ports_n;
	}
	if (f->policy.deps_n && sim_chance(sim, 20))
		(void)snprintf(f->dep_names[0], sizeof(f->dep_names[0]), "s%u", sim_draw(sim, sim->n));
	r = core_update(sim->core, id, &f->policy, sim->now, NULL);
	sim_trace(sim, "config of %s: %d", f->name, r);
	if (core_find_cycle(sim->core, chain, sizeof(chain)) != CORE_NONE)
		sim_violation(sim, "%s: a cycle was let in: %s", f->name, chain);
	if (r == -ELOOP) {
		*f = old;
		f->policy.deps = f->deps;
		f->policy.ports = f->ports;
	} else if (r < 0) {
		sim_violation(sim, "%s: its new configuration is refused: %d", f->name, r);
	} else {
		note_status(sim, f, old.policy.status);
	}
	go_on(sim);
}

static void appear(struct sim *sim, uint32_t id)
{
	struct fake *f = &sim->fakes[id];
	struct error err;
	char chain[64];
	bool died;

	sim_make_policy(sim, id);
	if (core_would_cycle(sim->core, f->name, &f->policy, chain, sizeof(chain)))
		return;
	if (core_add_at(sim->core, id, f->name, &f->policy, &err) < 0) {
		sim_violation(sim, "%s can't be added: %s", f->name, err.msg);
		return;
	}
	f->exists = true;
	f->saved = *core_record(sim->core, id);
	f->asked = f->policy.status == STATUS_START && !sim->shutting_down ? WISH_UP : WISH_DOWN;
	sim_trace(sim, "%s appears", f->name);
	(void)sim_send(sim, (struct core_event){ .kind = EV_LOADED, .id = id }, &died);
	if (died)
		f->asked = (enum service_wish)core_record(sim->core, id)->wish;
}

static void vanish(struct sim *sim, uint32_t id)
{
	struct fake *f = &sim->fakes[id];
	int r;

	if (at_rest(sim, id) && !empty(f))
		return;
	r = core_remove(sim->core, id, sim->now);
	if (r != (at_rest(sim, id) ? 0 : -EBUSY))
		sim_violation(sim, "%s: its removal gives %d", f->name, r);
	if (r < 0)
		return;
	sim_trace(sim, "%s vanishes", f->name);
	sim_forget(sim, id);
	go_on(sim);
}

void sim_change(struct sim *sim)
{
	uint32_t id = sim_draw(sim, sim->n);

	if (!sim->fakes[id].exists)
		appear(sim, id);
	else if (sim_chance(sim, 15))
		vanish(sim, id);
	else
		update(sim, id);
}

void sim_apply_next(struct sim *sim, uint32_t id)
{
	struct fake *f = &sim->fakes[id];

	if (!f->has_next)
		return;
	f->has_next = false;
	f->policy.oneshot = f->next.oneshot;
	f->policy.scheduled = f->next.scheduled;
	f->policy.has_readiness = f->next.has_readiness;
	f->policy.has_pre_start = f->next.has_pre_start;
	f->policy.has_post_stop = f->next.has_post_stop;
	f->policy.has_filters = f->next.has_filters;
	if (core_update(sim->core, id, &f->policy, sim->now, NULL) < 0)
		sim_violation(sim, "%s: its next configuration is refused", f->name);
}
