/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what must always be true. Judged by the world's own books wherever it has any, not by the core's. */
#include <stdarg.h>
#include <stdio.h>

#include "sim.h"
#include "service/restart.h"

void sim_violation(struct sim *sim, const char *fmt, ...)
{
	va_list ap;

	if (sim->violated)
		return;
	sim->violated = true;
	va_start(ap, fmt);
	(void)vsnprintf(sim->violation, sizeof(sim->violation), fmt, ap);
	va_end(ap);
}

static const struct proc *living(const struct fake *f)
{
	for (int i = 0; i < SIM_PROCS; i++) {
		const struct proc *p = &f->procs[i];

		if ((p->state == PROC_INFLIGHT || p->state == PROC_ALIVE) && !p->excused)
			return p;
	}
	return NULL;
}

/* --- before an effect ------------------------------------------------------------------------------- */

/* No start before what it requires; not beside what it conflicts with, or another owner of its ports. */
static void check_may_start(struct sim *sim, uint32_t id)
{
	enum dep_kind kind;
	const char *name;
	uint32_t other;

	for (size_t i = 0; core_dependency(sim->core, id, i, &kind, &name, &other); i++) {
		if (kind == DEP_REQUIRES && other == CORE_NONE)
			sim_violation(sim, "%s starts though %s, which it requires, does not exist",
				      sim->fakes[id].name, name);
		else if (kind == DEP_REQUIRES && !core_is_satisfied(sim->core, other))
			sim_violation(sim, "%s starts before %s", sim->fakes[id].name, name);
		else if (kind == DEP_CONFLICTS && other != CORE_NONE && living(&sim->fakes[other]))
			sim_violation(sim, "%s starts beside %s, a conflict", sim->fakes[id].name, name);
	}
	for (uint32_t o = 0; o < sim->n; o++) {
		const struct fake *f = &sim->fakes[o];

		if (o != id && f->policy.ports_n && sim->fakes[id].policy.ports_n && living(f) &&
		    f->ports[0] == sim->fakes[id].ports[0])
			sim_violation(sim, "%s starts beside %s, which has its port", sim->fakes[id].name, f->name);
	}
}

static void check_spawn(struct sim *sim, const struct effect *e)
{
	struct fake *f = &sim->fakes[e->id];

	if (living(f))
		sim_violation(sim, "%s: a second instance (run %llu)", f->name, (unsigned long long)e->run);
	if (sim->shutting_down && !sim->resuming)
		sim_violation(sim, "%s: a spawn during the shutdown", f->name);
	if (f->not_before && sim->now < f->not_before)
		sim_violation(sim, "%s: restarted %llu us too early", f->name,
			      (unsigned long long)(f->not_before - sim->now));
	f->not_before = 0;
}

/* A stop that was asked for waits until those that need this service, and go down too, are gone. */
static void check_stop_order(struct sim *sim, uint32_t id)
{
	enum dep_kind kind;
	uint32_t other;

	/* one that ended meanwhile has nothing to lose; a failing one is stopped for its own sake */
	if (core_record(sim->core, id)->failure || sim->resuming || !living(&sim->fakes[id]))
		return;
	for (size_t i = 0; core_dependent(sim->core, id, i, &kind, &other); i++) {
		const struct service_record *rec = core_record(sim->core, other);

		if (kind == DEP_REQUIRES && rec->wish == WISH_DOWN && rec->state == SERVICE_RUNNING &&
		    core_policy(sim->core, other)->status != STATUS_IGNORE)
			sim_violation(sim, "%s is stopped before %s, which requires it", sim->fakes[id].name,
				      sim->fakes[other].name);
	}
}

static void note_transition(struct sim *sim, const struct effect *e)
{
	struct fake *f = &sim->fakes[e->id];
	const struct service_record *rec = core_record(sim->core, e->id);
	usec_t least = f->policy.restart_delay - f->policy.restart_delay * f->policy.jitter_permille / 1000;

	if (e->from == e->to)
		return;
	if (e->from != SERVICE_BLOCKED && rec->timer == TIMER_RESTART && rec->failure != FAILURE_SPAWN &&
	    f->policy.max_restarts && rec->tries > f->policy.max_restarts)
		sim_violation(sim, "%s: restart %u of %u", f->name, rec->tries, f->policy.max_restarts);
	/* what the restart policy forbids, worked out without looking at the deadline that the core chose */
	if (e->to == SERVICE_FAILED || e->to == SERVICE_EXITED)
		f->not_before = rec->wish == WISH_UP && !(rec->flags & RECORD_AGAIN) && rec->timer == TIMER_RESTART &&
				rec->failure != FAILURE_SPAWN ? sim->now + least : 0;
	/* a wish (asked for or pulled) needs no delay */
	if (e->to == SERVICE_BLOCKED && e->cause.rule != RULE_RESTART)
		f->not_before = 0;
}

void sim_check_effect(struct sim *sim, const struct effect *e)
{
	if (e->id == CORE_NONE)
		return;
	if (e->kind == EFFECT_ANNOUNCE)
		note_transition(sim, e);
	if (e->kind == EFFECT_SPAWN)
		check_spawn(sim, e);
	/* when it is decided; the signal may have to wait for a spawn that is in flight */
	if (e->kind == EFFECT_ANNOUNCE && e->to == SERVICE_STOPPING && e->from != SERVICE_STOPPING)
		check_stop_order(sim, e->id);
	/* with pre_start commands the run begins there */
	if (e->kind != EFFECT_RUN_PRE_START && (e->kind != EFFECT_SPAWN || e->run == sim->fakes[e->id].began))
		return;
	sim->fakes[e->id].began = e->run;
	if (!sim->resuming)
		check_may_start(sim, e->id);
}

/* --- after a step ----------------------------------------------------------------------------------- */

static bool timer_fits(const struct service_record *rec)
{
	switch ((enum timer_kind)rec->timer) {
	case TIMER_NONE:
		return true;
	case TIMER_START:
		return rec->state == SERVICE_STARTING;
	case TIMER_STOP:
		return rec->state == SERVICE_STOPPING;
	case TIMER_RESTART:
		return rec->state == SERVICE_EXITED || rec->state == SERVICE_FAILED || rec->state == SERVICE_BLOCKED;
	case TIMER_SHUTDOWN:
	case TIMER_KIND_N:
		break;
	}
	return false;
}

static bool phase_fits(const struct service_record *rec)
{
	switch ((enum service_state)rec->state) {
	case SERVICE_STARTING:
		return rec->phase >= PHASE_PRE_START && rec->phase <= PHASE_READY;
	case SERVICE_STOPPING:
		return rec->phase >= PHASE_STOP_SPAWN;
	case SERVICE_BLOCKED:
		return rec->phase <= PHASE_FILTERS;
	case SERVICE_INACTIVE:
	case SERVICE_RUNNING:
	case SERVICE_EXITED:
	case SERVICE_FAILED:
	case SERVICE_STATE_N:
		break;
	}
	return rec->phase == PHASE_NONE;
}

static void check_record(struct sim *sim, uint32_t id, const struct service_record *rec)
{
	const struct fake *f = &sim->fakes[id];

	if (!timer_fits(rec))
		sim_violation(sim, "%s: timer %u in %s", f->name, rec->timer,
			      service_state_name((enum service_state)rec->state));
	if (!phase_fits(rec))
		sim_violation(sim, "%s: phase %s in %s", f->name, service_phase_name((enum service_phase)rec->phase),
			      service_state_name((enum service_state)rec->state));
	if (f->timer != (enum timer_kind)rec->timer || (rec->timer && f->deadline != rec->deadline))
		sim_violation(sim, "%s: the record's timer (%u) is not the armed one (%u)", f->name, rec->timer, f->timer);
	if ((rec->state == SERVICE_FAILED) != (rec->failure != FAILURE_NONE) && rec->state != SERVICE_STOPPING &&
	    rec->state != SERVICE_RUNNING)
		sim_violation(sim, "%s: %s with failure %s", f->name, service_state_name((enum service_state)rec->state),
			      failure_name((enum failure)rec->failure));
	if (rec->wish == WISH_DOWN && rec->timer == TIMER_RESTART)
		sim_violation(sim, "%s: a restart is due though nobody wants it up", f->name);
}

/* A living process belongs to a service that is active, and to its current run. */
static void check_process(struct sim *sim, uint32_t id, const struct service_record *rec)
{
	const struct proc *p = living(&sim->fakes[id]);
	bool active = rec->state == SERVICE_STARTING || rec->state == SERVICE_RUNNING || rec->state == SERVICE_STOPPING;

	if (p && p->signal == 0 && p->run != rec->run)
		sim_violation(sim, "%s: run %llu lives on unknown", sim->fakes[id].name, (unsigned long long)p->run);
	if (p && !active && !(rec->flags & (RECORD_LEFTOVERS | RECORD_SURVIVORS)))
		sim_violation(sim, "%s: %s, and its process lives", sim->fakes[id].name,
			      service_state_name((enum service_state)rec->state));
}

/* A target is up only as long as all that it requires is. */
static void check_target(struct sim *sim, uint32_t id, const struct service_record *rec)
{
	enum dep_kind kind;
	const char *name;
	uint32_t dep;

	if (!core_policy(sim->core, id)->target || rec->state != SERVICE_RUNNING || rec->wish == WISH_DOWN ||
	    rec->flags & RECORD_AGAIN)
		return;
	for (size_t i = 0; core_dependency(sim->core, id, i, &kind, &name, &dep); i++) {
		if (kind == DEP_REQUIRES && !core_is_satisfied(sim->core, dep))
			sim_violation(sim, "target %s is up without %s", sim->fakes[id].name, name);
	}
}

/* Nobody waits for what is there already: a wake-up would be lost. */
static void check_waits(struct sim *sim, uint32_t id, const struct service_record *rec)
{
	struct block block;
	enum dep_kind kind;
	const char *name;
	uint32_t dep;
	bool holds = false;

	if (rec->state == SERVICE_BLOCKED && rec->phase == PHASE_NONE && rec->timer == TIMER_NONE &&
	    core_blocks(sim->core, id, &block, 1) == 0)
		sim_violation(sim, "%s waits for nothing", sim->fakes[id].name);
	if (rec->state != SERVICE_FAILED || rec->wish == WISH_DOWN ||
	    (rec->failure != FAILURE_DEPENDENCY && rec->failure != FAILURE_MISSING))
		return;
	for (size_t i = 0; core_dependency(sim->core, id, i, &kind, &name, &dep); i++) {
		if (kind != DEP_REQUIRES)
			continue;
		holds = holds || dep == CORE_NONE ||
			(core_state(sim->core, dep) == SERVICE_FAILED && !core_next_start(sim->core, dep));
	}
	if (!holds)
		sim_violation(sim, "%s is failed for a dependency, but none is", sim->fakes[id].name);
}

void sim_check(struct sim *sim)
{
	const char *text;

	if (core_bugs(sim->core, &text))
		sim_violation(sim, "bug: %s", text);
	for (uint32_t id = 0; id < sim->n; id++) {
		const struct service_record *rec = core_record(sim->core, id);

		if (!rec)
			continue;
		check_record(sim, id, rec);
		check_process(sim, id, rec);
		check_waits(sim, id, rec);
		check_target(sim, id, rec);
		if (sim->isolated && !sim->shutting_down && sim->fakes[id].asked != (enum service_wish)rec->wish &&
		    rec->wish_cause.rule != RULE_HEALTH)
			sim->fakes[id].asked = WISH_N; /* judged at rest */
	}
}

/* --- at rest ---------------------------------------------------------------------------------------- */

void sim_check_rest(struct sim *sim)
{
	for (uint32_t id = 0; id < sim->n; id++) {
		const struct service_record *rec = core_record(sim->core, id);
		const struct fake *f = &sim->fakes[id];
		const char *state;

		if (!rec)
			continue;
		state = service_state_name((enum service_state)rec->state);
		if (rec->state == SERVICE_STARTING || rec->state == SERVICE_STOPPING)
			sim_violation(sim, "%s is %s for ever", f->name, state);
		if (rec->wish == WISH_DOWN && (rec->state == SERVICE_RUNNING || rec->state == SERVICE_BLOCKED))
			sim_violation(sim, "%s is %s though it is to be down", f->name, state);
		if (f->due && core_due(sim->core, id) == DUE_START)
			sim_violation(sim, "%s: a run that was queued never begins", f->name);
		if (rec->wish == WISH_UP && rec->state == SERVICE_INACTIVE && !f->policy.scheduled)
			sim_violation(sim, "%s is inactive though it is to be up", f->name);
		if (f->asked == WISH_N)
			sim_violation(sim, "%s: its wish is not what was asked for last", f->name);
		if (!core_is_settled(sim->core, id))
			sim_violation(sim, "%s is %s and not settled", f->name, state);
		if (rec->state == SERVICE_RUNNING && !f->policy.target && !living(f))
			sim_violation(sim, "%s is running without a process", f->name);
		if (sim->shutting_down && living(f))
			sim_violation(sim, "%s lives after the shutdown", f->name);
	}
	if (sim->shutting_down && !sim->shutdown_told)
		sim_violation(sim, "the shutdown does not end");
}
