/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the fake world, and the shell that carries out effects in it. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "sim.h"

#define MS USEC_PER_MSEC
#define SEC USEC_PER_SEC
#define FAR (100 * SEC)

unsigned int sim_draw(struct sim *sim, unsigned int below)
{
	sim->random = sim->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned int)(sim->random >> 33) % below;
}

bool sim_chance(struct sim *sim, unsigned int percent)
{
	return sim_draw(sim, 100) < percent;
}

void sim_trace(struct sim *sim, const char *fmt, ...)
{
	va_list ap;

	if (!sim->trace)
		return;
	printf("%9.3f ", (double)sim->now / 1e6);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

static void trace_effect(struct sim *sim, const struct effect *e)
{
	const char *name = e->id == CORE_NONE ? "-" : sim->fakes[e->id].name;

	if (e->kind == EFFECT_ANNOUNCE)
		sim_trace(sim, "    %s: %s -> %s by %s (%s)", name, service_state_name((enum service_state)e->from),
		      service_state_name((enum service_state)e->to), rule_name((enum rule)e->cause.rule),
		      service_wish_name((enum service_wish)core_record(sim->core, e->id)->wish));
	else
		sim_trace(sim, "    %s %s run %llu", effect_kind_name(e->kind), name, (unsigned long long)e->run);
}

void sim_later(struct sim *sim, usec_t in, enum happening_kind kind, uint32_t id, uint64_t run, bool shell)
{
	if (sim->queue_n == SIM_QUEUE) {
		sim_violation(sim, "the simulator's own queue is full");
		return;
	}
	sim->queue[sim->queue_n++] = (struct happening){ sim->now + in, kind, id, run, shell };
}

void sim_cancel(struct sim *sim, uint32_t id, enum happening_kind kind, uint64_t run)
{
	for (uint32_t i = 0; i < sim->queue_n;) {
		const struct happening *h = &sim->queue[i];

		if (h->id == id && h->kind == kind && h->run == run)
			sim->queue[i] = sim->queue[--sim->queue_n];
		else
			i++;
	}
}

void sim_forget(struct sim *sim, uint32_t id)
{
	struct fake *f = &sim->fakes[id];
	struct fake blank = { .children_deaf = false };

	memcpy(blank.name, f->name, sizeof(blank.name));
	*f = blank;
	for (uint32_t i = 0; i < sim->queue_n;) {
		if (sim->queue[i].id == id)
			sim->queue[i] = sim->queue[--sim->queue_n];
		else
			i++;
	}
}

/* --- processes -------------------------------------------------------------------------------------- */

struct proc *sim_proc(struct sim *sim, uint32_t id, uint64_t run)
{
	for (int i = 0; i < SIM_PROCS; i++) {
		struct proc *p = &sim->fakes[id].procs[i];

		if (p->state != PROC_NONE && p->run == run)
			return p;
	}
	return NULL;
}

static struct proc *proc_new(struct sim *sim, uint32_t id)
{
	for (int i = 0; i < SIM_PROCS; i++) {
		if (sim->fakes[id].procs[i].state == PROC_NONE)
			return &sim->fakes[id].procs[i];
	}
	return NULL;
}

void sim_exit_at(struct sim *sim, uint32_t id, struct proc *p, usec_t in, int code, int signal)
{
	sim_cancel(sim, id, HAPPEN_EXIT, p->run);
	p->code = code;
	p->signal = signal;
	sim_later(sim, in, HAPPEN_EXIT, id, p->run, false);
}

void sim_live(struct sim *sim, uint32_t id, struct proc *p)
{
	struct fake *f = &sim->fakes[id];

	if (p->run == f->lived)
		sim_violation(sim, "%s: run %llu got a second process", f->name, (unsigned long long)p->run);
	f->lived = p->run > f->lived ? p->run : f->lived;
	p->state = PROC_ALIVE;
	p->deaf = !sim->calm && sim_chance(sim, 15);
	p->unkillable = !sim->calm && sim_chance(sim, 2);
	if (!sim->calm && f->children == 0 && sim_chance(sim, 20)) {
		f->children = 1 + sim_draw(sim, 3);
		f->children_deaf = sim_chance(sim, 30);
	}
	if (f->policy.oneshot)
		sim_exit_at(sim, id, p, sim_draw(sim, 20) * SEC, sim->calm || sim_chance(sim, 70) ? 0 : 3, 0);
	else if (!sim->calm && sim_chance(sim, 60))
		sim_exit_at(sim, id, p, sim_draw(sim, 30000) * MS, sim_chance(sim, 30) ? 0 : 1, sim_chance(sim, 20) ? SIGSEGV : 0);
}

static bool nothing_left(const struct sim *sim, uint32_t id)
{
	const struct fake *f = &sim->fakes[id];

	for (int i = 0; i < SIM_PROCS; i++) {
		if (f->procs[i].state != PROC_NONE && f->procs[i].run <= f->watch_run)
			return false;
	}
	return !f->children && !f->helper;
}

void sim_look_if_gone(struct sim *sim, uint32_t id)
{
	struct fake *f = &sim->fakes[id];

	if (!f->watch || !nothing_left(sim, id))
		return;
	f->watch = false;
	sim_later(sim, 0, HAPPEN_GONE, id, f->watch_run, true);
}

/* --- effects ---------------------------------------------------------------------------------------- */

static void do_spawn(struct sim *sim, const struct effect *e)
{
	struct proc *p = proc_new(sim, e->id);

	if (!p) {
		sim_violation(sim, "%s: too many processes", sim->fakes[e->id].name);
		return;
	}
	memset(p, 0, sizeof(*p));
	p->state = PROC_INFLIGHT;
	p->run = e->run;
	p->pid = ++sim->next_pid;
	sim->spawns++;
	if (!sim->calm && sim_chance(sim, 3)) {
		p->excused = true; /* it hangs, in a chdir() to a dead NFS server, say */
		sim_later(sim, FAR, HAPPEN_SPAWNED, e->id, e->run, true);
	} else {
		sim_later(sim, sim_draw(sim, 3) * MS, HAPPEN_SPAWNED, e->id, e->run, true);
	}
}

static void do_stop(struct sim *sim, const struct effect *e)
{
	struct fake *f = &sim->fakes[e->id];

	f->watch = true;
	f->watch_run = e->run;
	for (int i = 0; i < SIM_PROCS; i++) {
		struct proc *p = &f->procs[i];

		if (p->state == PROC_ALIVE && (!p->deaf || sim->calm))
			sim_exit_at(sim, e->id, p, sim_draw(sim, 200) * MS, 0, sim_chance(sim, 50) ? SIGTERM : 0);
	}
	if (f->children && !f->children_deaf)
		sim_later(sim, sim_draw(sim, 300) * MS, HAPPEN_CHILDREN, e->id, e->run, false);
	if (f->helper) {
		sim_cancel(sim, e->id, HAPPEN_PRE_START, f->helper_run);
		sim_later(sim, sim_draw(sim, 50) * MS, HAPPEN_PRE_START, e->id, f->helper_run, false);
	}
	sim_look_if_gone(sim, e->id);
}

static void do_kill(struct sim *sim, const struct effect *e)
{
	struct fake *f = &sim->fakes[e->id];
	bool survivors = false;

	f->watch = true;
	f->watch_run = e->run;
	for (int i = 0; i < SIM_PROCS; i++) {
		struct proc *p = &f->procs[i];

		if (p->state != PROC_ALIVE)
			continue;
		if (p->unkillable) {
			p->excused = true;
			p->unkillable = false;
			survivors = true;
			sim_exit_at(sim, e->id, p, FAR, 0, SIGKILL);
		} else {
			sim_exit_at(sim, e->id, p, 0, 0, SIGKILL);
		}
	}
	if (f->children)
		sim_later(sim, 0, HAPPEN_CHILDREN, e->id, e->run, false);
	if (f->helper) {
		sim_cancel(sim, e->id, HAPPEN_PRE_START, f->helper_run);
		sim_cancel(sim, e->id, HAPPEN_POST_STOP, f->helper_run);
		f->helper = false;
		/* the commands that run after the stop are answered for however they end */
		sim_later(sim, 1 * MS, HAPPEN_POST_STOP, e->id, f->helper_run, true);
	}
	if (survivors && sim_chance(sim, 50))
		sim_later(sim, 20 * MS, HAPPEN_SURVIVORS, e->id, e->run, true);
	sim_look_if_gone(sim, e->id);
}

static void do_helper(struct sim *sim, const struct effect *e, enum happening_kind kind)
{
	struct fake *f = &sim->fakes[e->id];
	bool hangs = !sim->calm && sim_chance(sim, 5);

	f->helper = true;
	f->helper_run = e->run;
	sim_later(sim, hangs ? FAR : sim_draw(sim, 500) * MS, kind, e->id, e->run, false);
}

static void do_probe(struct sim *sim, const struct effect *e)
{
	bool late = !sim->calm && sim_chance(sim, 20);

	sim_later(sim, late ? FAR : sim_draw(sim, 2000) * MS, HAPPEN_READY, e->id, e->run, true);
	if (!sim->calm && sim_chance(sim, 25))
		sim_later(sim, sim_draw(sim, 20) * SEC, HAPPEN_SICK, e->id, e->run, true);
}

static void carry_out_one(struct sim *sim, const struct effect *e)
{
	switch (e->kind) {
	case EFFECT_SPAWN:
		do_spawn(sim, e);
		break;
	case EFFECT_STOP_BEGIN:
		do_stop(sim, e);
		break;
	case EFFECT_KILL_ALL:
		do_kill(sim, e);
		break;
	case EFFECT_CLEANUP_CHECK:
		sim->fakes[e->id].watch = true;
		sim->fakes[e->id].watch_run = e->run;
		sim_look_if_gone(sim, e->id);
		break;
	case EFFECT_RUN_PRE_START:
		do_helper(sim, e, HAPPEN_PRE_START);
		break;
	case EFFECT_RUN_POST_STOP:
		do_helper(sim, e, HAPPEN_POST_STOP);
		break;
	case EFFECT_CHECK_FILTERS:
		sim_later(sim, sim_draw(sim, 20) * MS, HAPPEN_FILTERS, e->id, e->run, true);
		break;
	case EFFECT_PROBE_START:
		do_probe(sim, e);
		break;
	case EFFECT_PROBE_STOP:
		sim_cancel(sim, e->id, HAPPEN_READY, e->run);
		sim_cancel(sim, e->id, HAPPEN_SICK, e->run);
		break;
	case EFFECT_ARM_TIMER:
		if (e->id == CORE_NONE) {
			sim->shutdown_armed = true;
			break;
		}
		sim->fakes[e->id].timer = (enum timer_kind)e->timer;
		sim->fakes[e->id].deadline = e->deadline;
		break;
	case EFFECT_DISARM:
		sim->fakes[e->id].timer = TIMER_NONE;
		break;
	case EFFECT_SHUTDOWN_DONE:
		sim->shutdown_told = true;
		break;
	case EFFECT_ANNOUNCE:
	case EFFECT_CRITICAL_FAILED:
	case EFFECT_NONE:
	case EFFECT_KIND_N:
		break;
	}
}

/* Counts down to the death of the server: true when it dies here. */
static bool dies_here(struct sim *sim)
{
	return sim->crash_in && --sim->crash_in == 0;
}

/* A run that was queued begins: in the same commit as its record. */
static void take_up_due(struct sim *sim, const struct effects *fx)
{
	for (uint32_t i = 0; i < fx->n; i++) {
		const struct effect *e = &fx->v[i];

		if (e->kind == EFFECT_ANNOUNCE && e->from != e->to && e->cause.rule == RULE_SCHEDULE)
			sim->fakes[e->id].due_taken = true;
	}
}

/* Saves first, then effects, until nothing is pending. Returns false if the server died on the way. */
bool sim_carry_out(struct sim *sim, struct effects *fx)
{
	for (;;) {
		take_up_due(sim, fx);
		for (uint32_t id = core_take_dirty(sim->core); id != CORE_NONE; id = core_take_dirty(sim->core)) {
			if (dies_here(sim))
				return false;
			sim->fakes[id].saved = *core_record(sim->core, id);
			if (sim->fakes[id].due_taken)
				sim->fakes[id].due = false;
			sim->fakes[id].due_taken = false;
		}
		for (uint32_t i = 0; i < fx->n; i++) {
			const struct effect *e = &fx->v[i];

			if (dies_here(sim))
				return false;
			trace_effect(sim, e);
			sim_check_effect(sim, e);
			carry_out_one(sim, e);
		}
		if (!core_pending(sim->core))
			return true;
		core_continue(sim->core, sim->now, fx);
	}
}
