/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the death of the server between any two saves or effects, and its return. */
#include <signal.h>

#include "sim.h"

static struct core_facts facts_of(struct sim *sim, uint32_t id)
{
	const struct service_record *rec = &sim->fakes[id].saved;
	const struct proc *p = sim_proc(sim, id, rec->run);

	if (rec->phase == PHASE_PRE_START || rec->phase == PHASE_POST_STOP) {
		bool runs = sim->fakes[id].helper && sim->fakes[id].helper_run == rec->run;

		return (struct core_facts){ .kind = runs ? FACT_PENDING : FACT_NOTHING };
	}
	if (!p)
		return (struct core_facts){ .kind = FACT_NOTHING };
	return (struct core_facts){ .kind = FACT_PROCESS, .pid = p->pid };
}

/* Is this the process that the record speaks of? One that was given up comes beside whatever else there is. */
static bool adoptable(const struct service_record *rec, const struct proc *p)
{
	if (p->run != rec->run)
		return false;
	return rec->state == SERVICE_STARTING || (rec->state == SERVICE_STOPPING && !(rec->flags & RECORD_SURVIVORS));
}

/* What was in the server's memory is lost; what the kernel and the keeper hold is not. */
static void lose_memory(struct sim *sim)
{
	for (uint32_t id = 0; id < sim->n; id++) {
		struct fake *f = &sim->fakes[id];

		f->watch = f->due_taken = false;
		f->has_next = false;
		f->timer = TIMER_NONE;
		for (int i = 0; i < SIM_PROCS; i++) {
			struct proc *p = &f->procs[i];

			/* the thread that was spawning died with the server: it had got there, or not */
			if (p->state == PROC_INFLIGHT && sim_chance(sim, 50)) {
				sim_live(sim, id, p);
				p->excused = !adoptable(&f->saved, p);
			} else if (p->state == PROC_INFLIGHT) {
				p->state = PROC_NONE;
			}
			/* an exit that was not acknowledged is told again */
			if (p->state == PROC_ZOMBIE)
				sim_later(sim, 0, HAPPEN_TOLD, id, p->run, false);
		}
	}
	for (uint32_t i = 0; i < sim->queue_n;) {
		if (sim->queue[i].shell)
			sim->queue[i] = sim->queue[--sim->queue_n];
		else
			i++;
	}
}

bool sim_new_core(struct sim *sim)
{
	struct error err;

	core_free(sim->core);
	sim->core = core_new(sim->seed);
	if (!sim->core)
		return false;
	for (uint32_t id = 0; id < sim->n; id++) {
		if (!sim->fakes[id].exists)
			continue;
		if (core_add_at(sim->core, id, sim->fakes[id].name, &sim->fakes[id].policy, &err) < 0)
			return false;
	}
	return true;
}

static void kill_strays(struct sim *sim, uint32_t id)
{
	for (int i = 0; i < SIM_PROCS; i++) {
		struct proc *p = &sim->fakes[id].procs[i];

		/* a process that no record knows: of a run that was given up */
		if (p->state == PROC_ALIVE && p->run < sim->fakes[id].saved.run)
			sim_exit_at(sim, id, p, 0, 0, SIGKILL);
	}
}

void sim_crash(struct sim *sim)
{
	const char *text;

	sim->crashes++;
	sim->crash_in = 0;
	sim_trace(sim, "*** the server dies");
	if (core_bugs(sim->core, &text))
		sim_violation(sim, "bug: %s", text);
	lose_memory(sim);
	if (!sim_new_core(sim)) {
		sim_violation(sim, "out of memory");
		return;
	}
	for (uint32_t id = 0; id < sim->n; id++) {
		if (sim->fakes[id].exists && core_restore(sim->core, id, &sim->fakes[id].saved) < 0)
			sim_violation(sim, "%s: its record was refused", sim->fakes[id].name);
	}
	if (sim->shutting_down)
		core_restore_shutdown(sim->core, sim->shutdown_deadline);
	sim->resuming = true;
	for (uint32_t id = 0; id < sim->n; id++) {
		struct effects fx;
		struct core_facts facts;

		if (!sim->fakes[id].exists)
			continue;
		/* the announcement that would have told of the wish may have died with the server */
		if (sim->fakes[id].saved.timer != TIMER_RESTART)
			sim->fakes[id].not_before = 0;
		kill_strays(sim, id);
		facts = facts_of(sim, id);
		(void)core_resume(sim->core, id, &facts, sim->now, &fx);
		(void)sim_carry_out(sim, &fx);
	}
	sim->resuming = false;
	sim_check(sim);
}
