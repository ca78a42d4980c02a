/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: schedules, as the supervisor has them: runs that are due at any moment, one that waits for the end of the one
 * before, on record over the death of the server; and the machine that sleeps while all of that goes on.
 */
#include <errno.h>

#include "sim.h"

static bool begin(struct sim *sim, uint32_t id, enum event_kind kind)
{
	struct fake *f = &sim->fakes[id];
	uint32_t restarts = core_record(sim->core, id)->restarts;
	bool died;
	int r;

	r = sim_send(sim, (struct core_event){ .kind = kind, .id = id, .rule = RULE_SCHEDULE }, &died);
	if (died)
		return true;
	if (r < 0 && r != -EALREADY)
		sim_violation(sim, "%s: its schedule is answered by %d", f->name, r);
	if (core_record(sim->core, id)->restarts > restarts)
		sim_violation(sim, "%s: a run by its schedule counts as a restart", f->name);
	return true;
}

/* One that is queued begins as soon as it may, however calm the world is. */
static bool settle(struct sim *sim, uint32_t id)
{
	struct fake *f = &sim->fakes[id];
	enum due due = core_due(sim->core, id);

	if (due == DUE_OFF)
		f->due = false;
	return due == DUE_START && begin(sim, id, EV_START);
}

bool sim_schedules(struct sim *sim)
{
	uint32_t id;

	for (id = 0; id < sim->n; id++) {
		if (sim->fakes[id].exists && sim->fakes[id].due && settle(sim, id))
			return true;
	}
	if (sim->calm || !sim_chance(sim, 4))
		return false;
	id = sim_draw(sim, sim->n);
	if (!sim->fakes[id].exists || !sim->fakes[id].policy.scheduled)
		return false;
	switch (core_due(sim->core, id)) {
	case DUE_START:
		return begin(sim, id, EV_START);
	case DUE_RESTART:
		return begin(sim, id, EV_RESTART);
	case DUE_QUEUE:
		sim->fakes[id].due = true;
		return false;
	case DUE_OFF:
	case DUE_SKIP:
	case DUE_WAITING:
	case DUE_N:
		break;
	}
	return false;
}
