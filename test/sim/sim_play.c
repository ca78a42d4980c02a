/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what happens: answers of processes and probes, timers, requests, and in which order. */
#include <errno.h>
#include <signal.h>

#include "base/mem.h"
#include "sim.h"

#define MS USEC_PER_MSEC
#define SEC USEC_PER_SEC

/* Returns core_step()'s result; the server may have died on the way. */
int sim_send(struct sim *sim, struct core_event ev, bool *died)
{
	struct effects fx;
	int r;

	sim->steps++;
	sim_trace(sim, "%llu %s %s run %llu", (unsigned long long)sim->steps, event_kind_name(ev.kind), ev.id == CORE_NONE ? "-" : sim->fakes[ev.id].name,
	      (unsigned long long)ev.run);
	if (!sim->calm && !sim->crash_in && sim_chance(sim, 2))
		sim->crash_in = 1 + sim_draw(sim, 12);
	r = core_step(sim->core, &ev, sim->now, &fx);
	*died = !sim_carry_out(sim, &fx);
	if (*died)
		sim_crash(sim);
	else
		sim_check(sim);
	return r;
}

static void tell_exit(struct sim *sim, uint32_t id, struct proc *p)
{
	uint64_t run = p->run;
	bool died;

	sim_apply_next(sim, id);
	(void)sim_send(sim, (struct core_event){ .kind = EV_EXITED, .id = id, .run = run, .code = p->signal ? -1 : p->code,
					     .signal = p->signal, .leftovers = sim->fakes[id].children > 0 }, &died);
	if (died)
		return; /* not acknowledged: it is told again */
	p->state = PROC_NONE;
	sim_look_if_gone(sim, id);
}

static void happen_exit(struct sim *sim, const struct happening *h)
{
	struct proc *p = sim_proc(sim, h->id, h->run);

	if (!p || p->state != PROC_ALIVE)
		return;
	p->state = PROC_ZOMBIE;
	tell_exit(sim, h->id, p);
}

static void happen_spawned(struct sim *sim, const struct happening *h)
{
	struct proc *p = sim_proc(sim, h->id, h->run);
	struct core_event ev = { .kind = EV_SPAWNED, .id = h->id, .run = h->run };
	bool died;

	if (!p || p->state != PROC_INFLIGHT)
		return;
	if (!sim->calm && sim_chance(sim, 12)) {
		p->state = PROC_NONE;
		ev.kind = EV_SPAWN_FAILED;
		ev.transient = sim_chance(sim, 60);
		ev.error = ev.transient ? EAGAIN : ENOENT;
		(void)sim_send(sim, ev, &died);
		sim_look_if_gone(sim, h->id);
		return;
	}
	sim_live(sim, h->id, p);
	ev.pid = p->pid;
	/* one that was given up may come up beside its successor; it is killed at once */
	p->excused = p->run != core_record(sim->core, h->id)->run || !core_is_active(sim->core, h->id);
	/* of a run that was given up meanwhile: the shell ends it */
	if (sim_send(sim, ev, &died) == -ESTALE && !died && p->state == PROC_ALIVE && p->run == h->run)
		sim_exit_at(sim, h->id, p, 0, 0, SIGKILL);
}

static void happen_helper(struct sim *sim, const struct happening *h)
{
	struct fake *f = &sim->fakes[h->id];
	struct core_event ev = { .kind = EV_POST_STOP_DONE, .id = h->id, .run = h->run };
	bool died;

	if (f->helper_run == h->run)
		f->helper = false;
	if (h->kind == HAPPEN_PRE_START) {
		ev.kind = sim->calm || sim_chance(sim, 85) ? EV_PRE_START_DONE : EV_PRE_START_FAILED;
		ev.code = 9;
	}
	if (!f->helper || f->helper_run != h->run)
		(void)sim_send(sim, ev, &died);
	/* told, but the server died before it was on record: the keeper tells it again; here: it is run again */
	sim_look_if_gone(sim, h->id);
}

static void happen(struct sim *sim, const struct happening *h)
{
	struct core_event ev = { .id = h->id, .run = h->run };
	struct proc *p;
	bool died;

	switch (h->kind) {
	case HAPPEN_SPAWNED:
		happen_spawned(sim, h);
		return;
	case HAPPEN_EXIT:
		happen_exit(sim, h);
		return;
	case HAPPEN_TOLD:
		p = sim_proc(sim, h->id, h->run);
		if (p && p->state == PROC_ZOMBIE)
			tell_exit(sim, h->id, p);
		return;
	case HAPPEN_CHILDREN:
		sim->fakes[h->id].children = 0;
		sim_look_if_gone(sim, h->id);
		return;
	case HAPPEN_PRE_START:
	case HAPPEN_POST_STOP:
		happen_helper(sim, h);
		return;
	case HAPPEN_READY:
		ev.kind = EV_READY;
		break;
	case HAPPEN_SICK:
		ev.kind = EV_HEALTH;
		ev.ok = sim_chance(sim, 20);
		ev.attempts = 3;
		break;
	case HAPPEN_FILTERS:
		ev.kind = EV_FILTERS;
		ev.ok = sim->calm || sim_chance(sim, 60);
		break;
	case HAPPEN_GONE:
		sim_apply_next(sim, h->id);
		ev.kind = EV_GONE;
		break;
	case HAPPEN_SURVIVORS:
		ev.kind = EV_SURVIVORS;
		break;
	}
	(void)sim_send(sim, ev, &died);
}

static void due_timer(struct sim *sim, uint32_t id)
{
	struct fake *f = &sim->fakes[id];
	struct core_event ev = { .kind = EV_TIMER, .id = id, .timer = f->timer };
	bool died;

	f->timer = TIMER_NONE;
	(void)sim_send(sim, ev, &died);
}

static void request(struct sim *sim)
{
	static const enum event_kind kinds[] = { EV_START, EV_START, EV_STOP, EV_STOP, EV_RESTART, EV_KILL_ASKED };
	uint32_t id = sim_draw(sim, sim->n);
	struct core_event ev = { .kind = kinds[sim_draw(sim, ARRAY_LEN(kinds))], .id = id, .rule = RULE_ASKED,
				 .uid = 1000, .tree = sim_chance(sim, 10), .signal = SIGHUP };
	bool died;

	if (!sim->fakes[id].exists)
		return;
	sim->requests++;
	(void)sim_send(sim, ev, &died);
	if (!died && !sim->shutting_down && ev.kind != EV_KILL_ASKED)
		sim->fakes[id].asked = ev.kind == EV_STOP ? WISH_DOWN : WISH_UP;
	if (died)
		sim->fakes[id].asked = (enum service_wish)core_record(sim->core, id)->wish;
}

/* --- time ------------------------------------------------------------------------------------------- */

static bool next_timer(const struct sim *sim, uint32_t *out_id, usec_t *out_at)
{
	bool found = false;

	for (uint32_t id = 0; id < sim->n; id++) {
		const struct fake *f = &sim->fakes[id];

		if (!f->exists || f->timer == TIMER_NONE || (found && f->deadline >= *out_at))
			continue;
		found = true;
		*out_id = id;
		*out_at = f->deadline;
	}
	return found;
}

static bool next_happening(const struct sim *sim, uint32_t *out_i)
{
	for (uint32_t i = 0; i < sim->queue_n; i++) {
		if (i == 0 || sim->queue[i].at < sim->queue[*out_i].at)
			*out_i = i;
	}
	return sim->queue_n > 0;
}

bool sim_step(struct sim *sim)
{
	uint32_t id = 0;
	uint32_t i = 0;
	usec_t at = 0;
	bool timer = next_timer(sim, &id, &at);
	bool thing = next_happening(sim, &i);
	struct happening h;
	bool died;

	if (!sim->calm && sim_draw(sim, 1000) == 0)
		sim->now += sim_draw(sim, 36000) * SEC; /* the machine slept: all that was due is late */
	if (sim_schedules(sim))
		return true;
	if (!sim->calm && sim_chance(sim, 25)) {
		sim->now += sim_draw(sim, 300) * MS / 10;
		if (sim_chance(sim, 8))
			sim_change(sim);
		else
			request(sim);
		return true;
	}
	if (sim->shutdown_armed && (!timer || sim->shutdown_deadline <= at) &&
	    (!thing || sim->shutdown_deadline <= sim->queue[i].at)) {
		sim->shutdown_armed = false;
		sim->now = MAX(sim->now, sim->shutdown_deadline);
		(void)sim_send(sim, (struct core_event){ .kind = EV_TIMER, .id = CORE_NONE, .timer = TIMER_SHUTDOWN }, &died);
		return true;
	}
	if (!timer && !thing)
		return false;
	/* signs of life before time-outs, as in the loop */
	if (timer && (!thing || at < sim->queue[i].at)) {
		sim->now = MAX(sim->now, at);
		due_timer(sim, id);
		return true;
	}
	h = sim->queue[i];
	sim->queue[i] = sim->queue[--sim->queue_n];
	sim->now = MAX(sim->now, h.at);
	happen(sim, &h);
	return true;
}

void sim_calm(struct sim *sim)
{
	sim->calm = true;
	sim->crash_in = 0;
}

void sim_shutdown(struct sim *sim)
{
	bool died;

	sim->shutting_down = true;
	sim->shutdown_deadline = sim->now + (5 + sim_draw(sim, 60)) * SEC;
	(void)sim_send(sim, (struct core_event){ .kind = EV_SHUTDOWN, .id = CORE_NONE,
					     .deadline = sim->shutdown_deadline }, &died);
	if (died)
		sim->shutdown_armed = true;
}
