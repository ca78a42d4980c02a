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

static bool chance(struct sim *sim, unsigned int percent)
{
	return sim_draw(sim, 100) < percent;
}

static void trace(struct sim *sim, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void trace(struct sim *sim, const char *fmt, ...)
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
		trace(sim, "    %s: %s -> %s by %s (%s)", name, service_state_name((enum service_state)e->from),
		      service_state_name((enum service_state)e->to), rule_name((enum rule)e->cause.rule),
		      service_wish_name((enum service_wish)core_record(sim->core, e->id)->wish));
	else
		trace(sim, "    %s %s run %llu", effect_kind_name(e->kind), name, (unsigned long long)e->run);
}

static void later(struct sim *sim, usec_t in, enum happening_kind kind, uint32_t id, uint64_t run, bool shell)
{
	if (sim->queue_n == SIM_QUEUE) {
		sim_violation(sim, "the simulator's own queue is full");
		return;
	}
	sim->queue[sim->queue_n++] = (struct happening){ sim->now + in, kind, id, run, shell };
}

static void cancel(struct sim *sim, uint32_t id, enum happening_kind kind, uint64_t run)
{
	for (uint32_t i = 0; i < sim->queue_n;) {
		const struct happening *h = &sim->queue[i];

		if (h->id == id && h->kind == kind && h->run == run)
			sim->queue[i] = sim->queue[--sim->queue_n];
		else
			i++;
	}
}

/* --- processes -------------------------------------------------------------------------------------- */

static struct proc *proc_of(struct sim *sim, uint32_t id, uint64_t run)
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

static void exit_at(struct sim *sim, uint32_t id, struct proc *p, usec_t in, int code, int signal)
{
	cancel(sim, id, HAPPEN_EXIT, p->run);
	p->code = code;
	p->signal = signal;
	later(sim, in, HAPPEN_EXIT, id, p->run, false);
}

static void live(struct sim *sim, uint32_t id, struct proc *p)
{
	struct fake *f = &sim->fakes[id];

	p->state = PROC_ALIVE;
	p->deaf = !sim->calm && chance(sim, 15);
	p->unkillable = !sim->calm && chance(sim, 2);
	if (!sim->calm && f->children == 0 && chance(sim, 20)) {
		f->children = 1 + sim_draw(sim, 3);
		f->children_deaf = chance(sim, 30);
	}
	if (f->policy.oneshot)
		exit_at(sim, id, p, sim_draw(sim, 20) * SEC, sim->calm || chance(sim, 70) ? 0 : 3, 0);
	else if (!sim->calm && chance(sim, 60))
		exit_at(sim, id, p, sim_draw(sim, 30000) * MS, chance(sim, 30) ? 0 : 1, chance(sim, 20) ? SIGSEGV : 0);
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

static void look_if_gone(struct sim *sim, uint32_t id)
{
	struct fake *f = &sim->fakes[id];

	if (!f->watch || !nothing_left(sim, id))
		return;
	f->watch = false;
	later(sim, 0, HAPPEN_GONE, id, f->watch_run, true);
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
	sim->fakes[e->id].spawns++;
	sim->spawns++;
	if (!sim->calm && chance(sim, 3)) {
		p->excused = true; /* it hangs, in a chdir() to a dead NFS server, say */
		later(sim, FAR, HAPPEN_SPAWNED, e->id, e->run, true);
	} else {
		later(sim, sim_draw(sim, 3) * MS, HAPPEN_SPAWNED, e->id, e->run, true);
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
			exit_at(sim, e->id, p, sim_draw(sim, 200) * MS, 0, chance(sim, 50) ? SIGTERM : 0);
	}
	if (f->children && !f->children_deaf)
		later(sim, sim_draw(sim, 300) * MS, HAPPEN_CHILDREN, e->id, e->run, false);
	if (f->helper) {
		cancel(sim, e->id, HAPPEN_PRE_START, f->helper_run);
		later(sim, sim_draw(sim, 50) * MS, HAPPEN_PRE_START, e->id, f->helper_run, false);
	}
	look_if_gone(sim, e->id);
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
			exit_at(sim, e->id, p, FAR, 0, SIGKILL);
		} else {
			exit_at(sim, e->id, p, 0, 0, SIGKILL);
		}
	}
	if (f->children)
		later(sim, 0, HAPPEN_CHILDREN, e->id, e->run, false);
	if (f->helper) {
		cancel(sim, e->id, HAPPEN_PRE_START, f->helper_run);
		cancel(sim, e->id, HAPPEN_POST_STOP, f->helper_run);
		f->helper = false;
		/* the commands that run after the stop are answered for however they end */
		later(sim, 1 * MS, HAPPEN_POST_STOP, e->id, f->helper_run, true);
	}
	if (survivors && chance(sim, 50))
		later(sim, 20 * MS, HAPPEN_SURVIVORS, e->id, e->run, true);
	look_if_gone(sim, e->id);
}

static void do_helper(struct sim *sim, const struct effect *e, enum happening_kind kind)
{
	struct fake *f = &sim->fakes[e->id];
	bool hangs = !sim->calm && chance(sim, 5);

	f->helper = true;
	f->helper_run = e->run;
	later(sim, hangs ? FAR : sim_draw(sim, 500) * MS, kind, e->id, e->run, false);
}

static void do_probe(struct sim *sim, const struct effect *e)
{
	bool late = !sim->calm && chance(sim, 20);

	later(sim, late ? FAR : sim_draw(sim, 2000) * MS, HAPPEN_READY, e->id, e->run, true);
	if (!sim->calm && chance(sim, 25))
		later(sim, sim_draw(sim, 20) * SEC, HAPPEN_SICK, e->id, e->run, true);
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
		look_if_gone(sim, e->id);
		break;
	case EFFECT_RUN_PRE_START:
		do_helper(sim, e, HAPPEN_PRE_START);
		break;
	case EFFECT_RUN_POST_STOP:
		do_helper(sim, e, HAPPEN_POST_STOP);
		break;
	case EFFECT_CHECK_FILTERS:
		later(sim, sim_draw(sim, 20) * MS, HAPPEN_FILTERS, e->id, e->run, true);
		break;
	case EFFECT_PROBE_START:
		do_probe(sim, e);
		break;
	case EFFECT_PROBE_STOP:
		cancel(sim, e->id, HAPPEN_READY, e->run);
		cancel(sim, e->id, HAPPEN_SICK, e->run);
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

/* Saves first, then effects, until nothing is pending. Returns false if the server died on the way. */
static bool carry_out(struct sim *sim, struct effects *fx)
{
	for (;;) {
		for (uint32_t id = core_take_dirty(sim->core); id != CORE_NONE; id = core_take_dirty(sim->core)) {
			if (dies_here(sim))
				return false;
			sim->fakes[id].saved = *core_record(sim->core, id);
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

/* --- death and return of the server ----------------------------------------------------------------- */

static struct core_facts facts_of(struct sim *sim, uint32_t id)
{
	const struct service_record *rec = &sim->fakes[id].saved;
	const struct proc *p = proc_of(sim, id, rec->run);

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

		f->watch = false;
		f->timer = TIMER_NONE;
		for (int i = 0; i < SIM_PROCS; i++) {
			struct proc *p = &f->procs[i];

			/* the thread that was spawning died with the server: it had got there, or not */
			if (p->state == PROC_INFLIGHT && chance(sim, 50)) {
				live(sim, id, p);
				p->excused = !adoptable(&f->saved, p);
			} else if (p->state == PROC_INFLIGHT) {
				p->state = PROC_NONE;
			}
			/* an exit that was not acknowledged is told again */
			if (p->state == PROC_ZOMBIE)
				later(sim, 0, HAPPEN_TOLD, id, p->run, false);
		}
	}
	for (uint32_t i = 0; i < sim->queue_n;) {
		if (sim->queue[i].shell)
			sim->queue[i] = sim->queue[--sim->queue_n];
		else
			i++;
	}
}

static bool new_core(struct sim *sim)
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
			exit_at(sim, id, p, 0, 0, SIGKILL);
	}
}

static void crash(struct sim *sim)
{
	const char *text;

	sim->crashes++;
	sim->crash_in = 0;
	trace(sim, "*** the server dies");
	if (core_bugs(sim->core, &text))
		sim_violation(sim, "bug: %s", text);
	lose_memory(sim);
	if (!new_core(sim)) {
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
		(void)carry_out(sim, &fx);
	}
	sim->resuming = false;
	sim_check(sim);
}

/* --- events ----------------------------------------------------------------------------------------- */

/* Returns core_step()'s result; the server may have died on the way. */
static int send(struct sim *sim, struct core_event ev, bool *died)
{
	struct effects fx;
	int r;

	sim->steps++;
	trace(sim, "%llu %s %s run %llu", (unsigned long long)sim->steps, event_kind_name(ev.kind), ev.id == CORE_NONE ? "-" : sim->fakes[ev.id].name,
	      (unsigned long long)ev.run);
	if (!sim->calm && !sim->crash_in && chance(sim, 2))
		sim->crash_in = 1 + sim_draw(sim, 12);
	r = core_step(sim->core, &ev, sim->now, &fx);
	*died = !carry_out(sim, &fx);
	if (*died)
		crash(sim);
	else
		sim_check(sim);
	return r;
}

static void tell_exit(struct sim *sim, uint32_t id, struct proc *p)
{
	uint64_t run = p->run;
	bool died;

	(void)send(sim, (struct core_event){ .kind = EV_EXITED, .id = id, .run = run, .code = p->signal ? -1 : p->code,
					     .signal = p->signal, .leftovers = sim->fakes[id].children > 0 }, &died);
	if (died)
		return; /* not acknowledged: it is told again */
	p->state = PROC_NONE;
	look_if_gone(sim, id);
}

static void happen_exit(struct sim *sim, const struct happening *h)
{
	struct proc *p = proc_of(sim, h->id, h->run);

	if (!p || p->state != PROC_ALIVE)
		return;
	p->state = PROC_ZOMBIE;
	tell_exit(sim, h->id, p);
}

static void happen_spawned(struct sim *sim, const struct happening *h)
{
	struct proc *p = proc_of(sim, h->id, h->run);
	struct core_event ev = { .kind = EV_SPAWNED, .id = h->id, .run = h->run };
	bool died;

	if (!p || p->state != PROC_INFLIGHT)
		return;
	if (!sim->calm && chance(sim, 12)) {
		p->state = PROC_NONE;
		ev.kind = EV_SPAWN_FAILED;
		ev.transient = chance(sim, 60);
		ev.error = ev.transient ? EAGAIN : ENOENT;
		(void)send(sim, ev, &died);
		look_if_gone(sim, h->id);
		return;
	}
	live(sim, h->id, p);
	ev.pid = p->pid;
	/* one that was given up may come up beside its successor; it is killed at once */
	p->excused = p->run != core_record(sim->core, h->id)->run || !core_is_active(sim->core, h->id);
	/* of a run that was given up meanwhile: the shell ends it */
	if (send(sim, ev, &died) == -ESTALE && !died && p->state == PROC_ALIVE && p->run == h->run)
		exit_at(sim, h->id, p, 0, 0, SIGKILL);
}

static void happen_helper(struct sim *sim, const struct happening *h)
{
	struct fake *f = &sim->fakes[h->id];
	struct core_event ev = { .kind = EV_POST_STOP_DONE, .id = h->id, .run = h->run };
	bool died;

	if (f->helper_run == h->run)
		f->helper = false;
	if (h->kind == HAPPEN_PRE_START) {
		ev.kind = sim->calm || chance(sim, 85) ? EV_PRE_START_DONE : EV_PRE_START_FAILED;
		ev.code = 9;
	}
	if (!f->helper || f->helper_run != h->run)
		(void)send(sim, ev, &died);
	/* told, but the server died before it was on record: the keeper tells it again; here: it is run again */
	look_if_gone(sim, h->id);
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
		p = proc_of(sim, h->id, h->run);
		if (p && p->state == PROC_ZOMBIE)
			tell_exit(sim, h->id, p);
		return;
	case HAPPEN_CHILDREN:
		sim->fakes[h->id].children = 0;
		look_if_gone(sim, h->id);
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
		ev.ok = chance(sim, 20);
		ev.attempts = 3;
		break;
	case HAPPEN_FILTERS:
		ev.kind = EV_FILTERS;
		ev.ok = sim->calm || chance(sim, 60);
		break;
	case HAPPEN_GONE:
		ev.kind = EV_GONE;
		break;
	case HAPPEN_SURVIVORS:
		ev.kind = EV_SURVIVORS;
		break;
	}
	(void)send(sim, ev, &died);
}

static void due_timer(struct sim *sim, uint32_t id)
{
	struct fake *f = &sim->fakes[id];
	struct core_event ev = { .kind = EV_TIMER, .id = id, .timer = f->timer };
	bool died;

	f->timer = TIMER_NONE;
	(void)send(sim, ev, &died);
}

static void request(struct sim *sim)
{
	static const enum event_kind kinds[] = { EV_START, EV_START, EV_STOP, EV_STOP, EV_RESTART, EV_KILL_ASKED };
	uint32_t id = sim_draw(sim, sim->n);
	struct core_event ev = { .kind = kinds[sim_draw(sim, ARRAY_LEN(kinds))], .id = id, .rule = RULE_ASKED,
				 .uid = 1000, .tree = chance(sim, 10), .signal = SIGHUP };
	bool died;

	if (!sim->fakes[id].exists)
		return;
	sim->requests++;
	(void)send(sim, ev, &died);
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

	if (!sim->calm && chance(sim, 25)) {
		sim->now += sim_draw(sim, 300) * MS / 10;
		request(sim);
		return true;
	}
	if (sim->shutdown_armed && (!timer || sim->shutdown_deadline <= at) &&
	    (!thing || sim->shutdown_deadline <= sim->queue[i].at)) {
		sim->shutdown_armed = false;
		sim->now = MAX(sim->now, sim->shutdown_deadline);
		(void)send(sim, (struct core_event){ .kind = EV_TIMER, .id = CORE_NONE, .timer = TIMER_SHUTDOWN }, &died);
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

/* --- making a world --------------------------------------------------------------------------------- */

static void make_lifecycle(struct sim *sim, struct service_policy *p)
{
	p->restart_delay = chance(sim, 10) ? 0 : (1 + sim_draw(sim, 3000)) * MS;
	p->restart_delay_max = chance(sim, 10) ? 0 : p->restart_delay + sim_draw(sim, 30) * SEC;
	p->jitter_permille = (uint16_t)(chance(sim, 50) ? 0 : sim_draw(sim, 300));
	/* no delay and no limit would be a loop that no time passes in */
	p->max_restarts = p->restart_delay ? sim_draw(sim, 6) : 1 + sim_draw(sim, 5);
	p->stability = chance(sim, 20) ? 0 : sim_draw(sim, 20) * SEC;
	p->start_timeout = (1 + sim_draw(sim, 30)) * SEC;
	p->stop_timeout = (1 + sim_draw(sim, 10000)) * MS;
	p->restart = (enum policy_restart)sim_draw(sim, RESTART_N);
	p->on_health = (enum policy_on_health)sim_draw(sim, HEALTH_N);
	p->on_dependency_crash = (enum policy_on_crash)sim_draw(sim, CRASH_N);
	p->status = chance(sim, 70) ? STATUS_START : (enum policy_status)sim_draw(sim, STATUS_N);
}

static void make_policy(struct sim *sim, uint32_t id)
{
	struct fake *f = &sim->fakes[id];
	struct service_policy *p = &f->policy;

	memset(p, 0, sizeof(*p));
	make_lifecycle(sim, p);
	p->target = !sim->isolated && chance(sim, 12);
	p->oneshot = !p->target && chance(sim, 20);
	p->has_readiness = !p->target && chance(sim, 30);
	p->has_pre_start = !p->target && chance(sim, 15);
	p->has_post_stop = !p->target && chance(sim, 15);
	p->has_filters = !p->target && chance(sim, 8);
	p->critical = chance(sim, 5);
	p->deps = f->deps;
	p->ports = f->ports;
	for (uint32_t other = 0; !sim->isolated && other < id && p->deps_n < SIM_DEPS; other++) {
		if (!chance(sim, 35))
			continue;
		f->deps[p->deps_n].kind = (enum dep_kind)sim_draw(sim, chance(sim, 60) ? 1 : DEP_KIND_N);
		(void)snprintf(f->dep_names[p->deps_n], sizeof(f->dep_names[0]), "s%u",
			       chance(sim, 2) ? SIM_SERVICES + 5 : other);
		f->deps[p->deps_n].name = f->dep_names[p->deps_n];
		p->deps_n++;
	}
	if (!sim->isolated && !p->target && chance(sim, 20)) {
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
	trace(sim, "%s:%s%s%s%s%s%s%s%s status %u restart %u on crash %s port %u", f->name, deps, p->target ? " target" : "",
	      p->oneshot ? " oneshot" : "", p->has_readiness ? " readiness" : "", p->has_pre_start ? " pre_start" : "",
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
	sim->isolated = chance(sim, 20);
	for (uint32_t id = 0; id < sim->n; id++) {
		(void)snprintf(sim->fakes[id].name, sizeof(sim->fakes[id].name), "s%u", id);
		sim->fakes[id].exists = true;
		make_policy(sim, id);
		trace_policy(sim, &sim->fakes[id]);
	}
	if (!new_core(sim))
		return -ENOMEM;
	for (uint32_t id = 0; id < sim->n; id++) {
		sim->fakes[id].saved = *core_record(sim->core, id);
		sim->fakes[id].asked = sim->fakes[id].policy.status == STATUS_START ? WISH_UP : WISH_DOWN;
		(void)send(sim, (struct core_event){ .kind = EV_LOADED, .id = id }, &died);
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
	(void)send(sim, (struct core_event){ .kind = EV_SHUTDOWN, .id = CORE_NONE,
					     .deadline = sim->shutdown_deadline }, &died);
	if (died)
		sim->shutdown_armed = true;
}
