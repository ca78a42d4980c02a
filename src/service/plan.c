/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: dry runs of the core. */
#include "service/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/kernel_names.h"
#include "base/mem.h"
#include "service/core_internal.h"

#define PLAN_FIRST 16
/* No plan needs more events than this for each service: a bound, in case the rules go round in a circle. */
#define EVENTS_PER_SERVICE 64

struct dry {
	struct core *core;
	struct plan *plan; /* NULL: nothing is noted yet */
	const struct plan_change **held; /* by id: updates that wait for the end of the run; NULL: none do */
	uint32_t held_n;
	struct core_event *queue;
	size_t head, n, cap;
	usec_t now;
	uint64_t left; /* events until it is called endless */
	int r;
};

/* --- the copy --------------------------------------------------------------------------------------- */

/* Copies stand where the originals stand: nothing is resumed. */
static int copy_services(const struct core *from, struct core *to)
{
	for (uint32_t id = core_next(from, CORE_NONE); id != CORE_NONE; id = core_next(from, id)) {
		const struct service *s = core_get(from, id);
		int r = core_add_at(to, id, core_name(from, id), &s->policy, NULL);

		if (r == 0)
			r = core_restore(to, id, &s->rec);
		if (r < 0)
			return r;
		core_get(to, id)->held = false;
		core_get(to, id)->watch_dep = s->watch_dep;
	}
	return 0;
}

static struct core *copy(const struct core *from)
{
	struct core *to = core_new(from->seed);

	if (to && copy_services(from, to) < 0) {
		core_free(to);
		return NULL;
	}
	if (!to)
		return NULL;
	to->held = 0;
	to->shutting_down = from->shutting_down;
	to->shutdown_done = from->shutdown_done;
	to->shutdown_deadline = from->shutdown_deadline;
	return to;
}

/* --- the world where all goes well ------------------------------------------------------------------ */

static void later(struct dry *d, struct core_event ev)
{
	if (d->head + d->n == d->cap) {
		size_t cap = d->cap ? d->cap * 2 : PLAN_FIRST;
		struct core_event *bigger = realloc(d->queue, cap * sizeof(*bigger));

		if (!bigger) {
			d->r = -ENOMEM;
			return;
		}
		d->queue = bigger;
		d->cap = cap;
	}
	d->queue[d->head + d->n++] = ev;
}

static void answer(struct dry *d, const struct service *s, enum event_kind kind)
{
	later(d, (struct core_event){ .kind = kind, .id = s->id, .run = s->rec.run, .ok = true, .pid = 1 });
}

static void answer_process(struct dry *d, const struct service *s, bool spawn)
{
	if (spawn)
		answer(d, s, EV_SPAWNED);
	if (s->policy.has_readiness)
		answer(d, s, EV_READY);
	if (s->policy.oneshot)
		answer(d, s, EV_EXITED);
}

static void answer_stop(struct dry *d, const struct service *s)
{
	if (s->rec.pid)
		later(d, (struct core_event){ .kind = EV_EXITED, .id = s->id, .run = s->rec.run, .code = -1,
					      .signal = signal_from_name("SIGTERM", NULL) });
	answer(d, s, EV_GONE);
}

/* What is under way when the plan is made comes to its end. */
static void answer_phase(struct dry *d, const struct service *s)
{
	switch ((enum service_phase)s->rec.phase) {
	case PHASE_FILTERS:
		answer(d, s, EV_FILTERS);
		break;
	case PHASE_PRE_START:
		answer(d, s, EV_PRE_START_DONE);
		break;
	case PHASE_SPAWN:
		answer_process(d, s, true);
		break;
	case PHASE_READY:
		answer_process(d, s, false);
		break;
	case PHASE_STOP_SPAWN:
		answer(d, s, EV_SPAWNED);
		break;
	case PHASE_STOP_ASKED:
	case PHASE_STOP_KILL:
		answer_stop(d, s);
		break;
	case PHASE_POST_STOP:
		answer(d, s, EV_POST_STOP_DONE);
		break;
	case PHASE_NONE:
	case PHASE_N:
		break;
	}
}

/* --- notes ------------------------------------------------------------------------------------------ */

static struct plan_step *note(struct dry *d, enum plan_action action, uint32_t id)
{
	struct plan *plan = d->plan;
	struct plan_step *step;

	if (plan->n == plan->cap) {
		size_t cap = plan->cap ? plan->cap * 2 : PLAN_FIRST;
		struct plan_step *bigger = realloc(plan->steps, cap * sizeof(*bigger));

		if (!bigger) {
			d->r = -ENOMEM;
			return NULL;
		}
		plan->steps = bigger;
		plan->cap = cap;
	}
	step = &plan->steps[plan->n++];
	step->action = action;
	step->id = id;
	step->name = core_name(d->core, id);
	step->reason[0] = '\0';
	return step;
}

static enum plan_action action_of(const struct effect *e, bool target)
{
	bool up = e->from == SERVICE_STARTING || e->from == SERVICE_RUNNING;

	if (e->to == SERVICE_STARTING || (target && e->to == SERVICE_RUNNING))
		return PLAN_STARTS;
	if (e->to == SERVICE_STOPPING || (target && up && (e->to == SERVICE_INACTIVE || e->to == SERVICE_BLOCKED)))
		return PLAN_STOPS;
	if (up && e->to == SERVICE_FAILED)
		return PLAN_ENDS;
	if (e->from == SERVICE_BLOCKED && e->to == SERVICE_FAILED)
		return PLAN_FAILS;
	return PLAN_ACTION_N;
}

static void note_transition(struct dry *d, const struct effect *e)
{
	enum plan_action action = action_of(e, core_get(d->core, e->id)->policy.target);
	struct plan_step *step;

	if (!d->plan || e->from == e->to || action == PLAN_ACTION_N)
		return;
	step = note(d, action, e->id);
	if (step && action == PLAN_FAILS)
		core_failure_text(d->core, e->id, step->reason, sizeof(step->reason));
	else if (step)
		core_cause_text(d->core, &e->cause, step->reason, sizeof(step->reason));
}

/* Those that wait in the end, and did not before. */
static void note_waits(struct dry *d, const struct core *before)
{
	struct block block;

	for (uint32_t id = core_next(d->core, CORE_NONE); id != CORE_NONE; id = core_next(d->core, id)) {
		struct plan_step *step;

		if (core_state(d->core, id) != SERVICE_BLOCKED || core_state(before, id) == SERVICE_BLOCKED)
			continue;
		step = note(d, PLAN_WAITS, id);
		if (step && core_blocks(d->core, id, &block, 1))
			(void)snprintf(step->reason, sizeof(step->reason), "%s '%s'",
				       block.kind == BLOCK_WAITING_ON ? "waits for" : "conflicts with",
				       block.name ? block.name : "a process");
	}
}

/* --- the run ---------------------------------------------------------------------------------------- */

static void answer_effect(struct dry *d, const struct effect *e)
{
	const struct service *s = core_get(d->core, e->id);

	switch (e->kind) {
	case EFFECT_CHECK_FILTERS:
		answer(d, s, EV_FILTERS);
		break;
	case EFFECT_RUN_PRE_START:
		answer(d, s, EV_PRE_START_DONE);
		break;
	case EFFECT_SPAWN:
		answer_process(d, s, true);
		break;
	case EFFECT_STOP_BEGIN:
	case EFFECT_KILL_ALL:
		answer_stop(d, s);
		break;
	case EFFECT_CLEANUP_CHECK:
		answer(d, s, EV_GONE);
		break;
	case EFFECT_RUN_POST_STOP:
		answer(d, s, EV_POST_STOP_DONE);
		break;
	case EFFECT_ANNOUNCE:
		note_transition(d, e);
		break;
	case EFFECT_ARM_TIMER:
		/* a restart delay that begins within the plan is over at once */
		if (d->plan && s && e->timer == TIMER_RESTART)
			later(d, (struct core_event){ .kind = EV_TIMER, .id = s->id, .timer = TIMER_RESTART });
		break;
	case EFFECT_PROBE_START: /* answered with the spawn */
	case EFFECT_PROBE_STOP:
	case EFFECT_DISARM:
	case EFFECT_CRITICAL_FAILED:
	case EFFECT_SHUTDOWN_DONE:
	case EFFECT_NONE:
	case EFFECT_KIND_N:
		break;
	}
}

static void carry_out(struct dry *d, struct effects *fx)
{
	for (;;) {
		for (uint32_t i = 0; i < fx->n; i++)
			answer_effect(d, &fx->v[i]);
		if (!core_pending(d->core))
			break;
		core_continue(d->core, d->now, fx);
	}
	while (core_take_dirty(d->core) != CORE_NONE)
		continue;
}

/* The process is gone: what waited for that takes effect, as the shell does it (unit_apply_next()). */
static void apply_held(struct dry *d, uint32_t id)
{
	const struct plan_change *c = id < d->held_n ? d->held[id] : NULL;

	if (!c)
		return;
	d->held[id] = NULL;
	if (core_update(d->core, id, c->policy, d->now, NULL) == 0)
		(void)note(d, PLAN_UPDATES, id);
}

static void send(struct dry *d, const struct core_event *ev)
{
	struct effects fx;

	if (ev->kind == EV_EXITED || ev->kind == EV_GONE)
		apply_held(d, ev->id);
	if (ev->kind == EV_TIMER && core_get(d->core, ev->id))
		d->now = MAX(d->now, core_get(d->core, ev->id)->rec.deadline);
	(void)core_step(d->core, ev, d->now, &fx);
	carry_out(d, &fx);
}

static void run(struct dry *d)
{
	while (d->n && d->left && d->r == 0) {
		struct core_event ev = d->queue[d->head++];

		d->n--;
		d->left--;
		if (!d->n)
			d->head = 0;
		send(d, &ev);
	}
	d->n = d->head = 0;
}

/* --- changes ---------------------------------------------------------------------------------------- */

static int hold(struct dry *d, const struct plan_change *c, uint32_t id)
{
	if (id >= d->held_n) {
		uint32_t n = MAX(d->held_n * 2, id + PLAN_FIRST);
		const struct plan_change **bigger = realloc(d->held, n * sizeof(struct plan_change *));

		if (!bigger)
			return -ENOMEM;
		memset(bigger + d->held_n, 0, (n - d->held_n) * sizeof(struct plan_change *));
		d->held = bigger;
		d->held_n = n;
	}
	d->held[id] = c;
	return 0;
}

static int apply_policy(struct dry *d, const struct plan_change *c, struct error *err)
{
	struct effects fx;
	uint32_t id = core_find(d->core, c->name);
	char chain[ERROR_MSG_MAX / 2];
	int r;

	if (core_would_cycle(d->core, c->name, c->policy, chain, sizeof(chain)))
		return error_set(err, ELOOP, "cyclic dependency detected: %s", chain);
	if (c->kind == PLAN_ADD) {
		r = core_add(d->core, c->name, c->policy, &id, err);
	} else if (c->restart && core_is_active(d->core, id)) {
		return hold(d, c, id);
	} else {
		r = core_update(d->core, id, c->policy, d->now, err);
	}
	if (r < 0)
		return r;
	(void)note(d, c->kind == PLAN_ADD ? PLAN_ADDS : PLAN_UPDATES, id);
	fx.n = 0;
	core_continue(d->core, d->now, &fx);
	carry_out(d, &fx);
	return 0;
}

static struct core_event event_of(const struct dry *d, const struct plan_change *c)
{
	struct core_event ev = { .id = c->name ? core_find(d->core, c->name) : CORE_NONE, .rule = RULE_ASKED,
				 .uid = c->uid, .tree = c->tree };

	switch (c->kind) {
	case PLAN_START:
		ev.kind = EV_START;
		break;
	case PLAN_REMOVE:
		/* nobody asked: its file is gone */
		ev.rule = c->uid == UINT32_MAX ? RULE_CONFIG : RULE_ASKED;
		ev.kind = EV_STOP;
		break;
	case PLAN_STOP:
		ev.kind = EV_STOP;
		break;
	case PLAN_RESTART:
		ev.kind = EV_RESTART;
		break;
	case PLAN_EXIT:
	case PLAN_KILL:
		ev.kind = core_record(d->core, ev.id)->pid ? EV_EXITED : EV_NONE;
		ev.run = core_record(d->core, ev.id)->run;
		ev.code = c->kind == PLAN_KILL ? -1 : c->code;
		ev.signal = c->kind == PLAN_KILL ? signal_from_name("SIGKILL", NULL) : 0;
		break;
	case PLAN_ADD:
		ev.kind = EV_LOADED;
		ev.rule = RULE_CONFIG;
		break;
	case PLAN_UPDATE:
		ev.kind = c->start ? EV_START : c->restart && core_is_active(d->core, ev.id) ? EV_RESTART : EV_NONE;
		ev.rule = RULE_CONFIG;
		break;
	case PLAN_SHUTDOWN:
		ev.kind = EV_SHUTDOWN;
		ev.deadline = USEC_NEVER;
		break;
	case PLAN_RELOAD:
	case PLAN_CHANGE_N:
		break;
	}
	return ev;
}

static int try_all(struct dry *d, const struct plan_change *changes, size_t n, struct error *err)
{
	for (size_t i = 0; i < n; i++) {
		const struct plan_change *c = &changes[i];
		int r = 0;

		if (c->kind != PLAN_SHUTDOWN && c->kind != PLAN_ADD && core_find(d->core, c->name) == CORE_NONE)
			return error_set(err, ENOENT, "no such service: '%s'", c->name);
		if (c->kind == PLAN_ADD || c->kind == PLAN_UPDATE)
			r = apply_policy(d, c, err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < n; i++) {
		struct core_event ev = event_of(d, &changes[i]);
		const struct core_event killed = { .kind = EV_KILL_ASKED, .id = ev.id, .rule = RULE_ASKED,
						   .uid = changes[i].uid, .signal = ev.signal };

		/* at once, as the shell gives all wishes before any process answers */
		if (ev.kind != EV_NONE && changes[i].kind == PLAN_KILL)
			send(d, &killed);
		if (ev.kind != EV_NONE)
			send(d, &ev);
	}
	run(d);
	return d->r;
}

static void remove_all(struct dry *d, const struct plan_change *changes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t id = changes[i].kind == PLAN_REMOVE ? core_find(d->core, changes[i].name) : CORE_NONE;
		struct plan_step *step;
		struct effects fx;

		if (id == CORE_NONE)
			continue;
		step = note(d, PLAN_REMOVES, id);
		/* its own name goes with it */
		for (size_t j = 0; j < d->plan->n; j++) {
			if (d->plan->steps[j].id == id)
				d->plan->steps[j].name = changes[i].name;
		}
		if (!step || core_remove(d->core, id, d->now) < 0)
			continue;
		fx.n = 0;
		core_continue(d->core, d->now, &fx);
		carry_out(d, &fx);
	}
	run(d);
}

int plan_make(const struct core *core, const struct plan_change *changes, size_t n, usec_t now, struct plan *out,
	      struct error *err)
{
	struct plan plan = { .after = copy(core) };
	struct dry d = { .core = plan.after, .now = now,
			 .left = (uint64_t)EVENTS_PER_SERVICE * (core_count(core) + n + 1) };
	int r;

	if (!plan.after)
		return error_set(err, ENOMEM, "no memory for a plan");
	for (uint32_t id = core_next(core, CORE_NONE); id != CORE_NONE; id = core_next(core, id))
		answer_phase(&d, core_get(core, id));
	run(&d);
	d.plan = &plan;
	r = d.r == 0 ? try_all(&d, changes, n, err) : d.r;
	if (r == 0)
		remove_all(&d, changes, n);
	if (r == 0)
		note_waits(&d, core);
	free(d.queue);
	free(d.held);
	if (r == 0)
		r = d.r;
	if (r < 0) {
		plan_fini(&plan);
		return r == -ENOMEM ? error_set(err, ENOMEM, "no memory for a plan") : r;
	}
	*out = plan;
	return 0;
}

void plan_fini(struct plan *plan)
{
	free(plan->steps);
	core_free(plan->after);
	memset(plan, 0, sizeof(*plan));
}

/* --- words ------------------------------------------------------------------------------------------ */

int plan_parse(const char *text, struct plan_change *out, struct error *err)
{
	static const struct {
		const char *word;
		enum plan_change_kind kind;
	} words[] = {
		{ "start", PLAN_START }, { "stop", PLAN_STOP }, { "restart", PLAN_RESTART },
		{ "remove", PLAN_REMOVE }, { "exit", PLAN_EXIT }, { "kill", PLAN_KILL }, { "reload", PLAN_RELOAD },
	};
	size_t len = strcspn(text, ":");

	if (strcmp(text, "shutdown") == 0) {
		*out = (struct plan_change){ .kind = PLAN_SHUTDOWN, .uid = UINT32_MAX };
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(words) && text[len] && text[len + 1]; i++) {
		if (strlen(words[i].word) != len || strncmp(words[i].word, text, len) != 0)
			continue;
		*out = (struct plan_change){ .kind = words[i].kind, .name = text + len + 1, .code = 1,
					     .uid = UINT32_MAX };
		return 0;
	}
	return error_set(err, EINVAL, "'%s' is no event: start:NAME, stop:NAME, restart:NAME, kill:NAME, exit:NAME, reload:NAME, remove:NAME or shutdown",
			 text);
}

const char *plan_action_name(enum plan_action action)
{
	static const char *const names[PLAN_ACTION_N] = {
		[PLAN_ADDS] = "adds", [PLAN_UPDATES] = "updates", [PLAN_REMOVES] = "removes",
		[PLAN_STARTS] = "starts", [PLAN_STOPS] = "stops", [PLAN_ENDS] = "ends",
		[PLAN_FAILS] = "fails", [PLAN_WAITS] = "waits",
	};

	return action < PLAN_ACTION_N ? names[action] : "unknown";
}
