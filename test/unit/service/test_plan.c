/* SPDX-License-Identifier: Apache-2.0 */
/* Plans say what then happens, and change nothing. */
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "service/plan.h"

/* "stops c, stops b, …" */
static const char *plan_text(struct world *w, const struct plan_change *changes, size_t n)
{
	static char text[1024];
	struct plan plan;
	struct error err = { 0 };
	size_t len = 0;

	if (plan_make(w->core, changes, n, w->now, &plan, &err) < 0)
		fail_msg("%s", err.msg);
	text[0] = '\0';
	for (size_t i = 0; i < plan.n; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s %s", i ? ", " : "",
					plan_action_name(plan.steps[i].action), plan.steps[i].name);
	plan_fini(&plan);
	return text;
}

static const char *if_(struct world *w, const char *event)
{
	struct plan_change change;

	assert_int_equal(plan_parse(event, &change, NULL), 0);
	return plan_text(w, &change, 1);
}

static void start_all(struct world *w)
{
	for (uint32_t id = core_next(w->core, CORE_NONE); id != CORE_NONE; id = core_next(w->core, id))
		(void)world_send(w, (struct core_event){ .kind = EV_LOADED, .id = id });
}

static void events_on_a_chain(void **state)
{
	struct world w;
	struct service_policy p = world_policy();

	(void)state;
	world_init(&w);
	(void)world_add_deps(&w, "a", p, NULL);
	(void)world_add_deps(&w, "b", p, "requires:a");
	p.on_dependency_crash = CRASH_RESTART;
	(void)world_add_deps(&w, "c", p, "requires:b");
	(void)world_add_deps(&w, "other", p, "conflicts:a");
	start_all(&w);
	assert_string_equal(if_(&w, "stop:a"), "stops c, stops b, stops a, starts other");
	assert_string_equal(if_(&w, "restart:b"), "stops c, stops b, starts b, starts c");
	assert_string_equal(if_(&w, "exit:b"), "ends b, stops c, starts b, starts c");
	assert_string_equal(if_(&w, "exit:a"), "ends a, starts other, waits a");
	assert_string_equal(if_(&w, "remove:c"), "stops c, removes c");
	assert_string_equal(if_(&w, "start:a"), "");
	assert_string_equal(if_(&w, "shutdown"), "stops c, stops b, stops a");
	/* nothing has happened */
	assert_state(&w, "a", SERVICE_RUNNING);
	assert_int_equal(world_record(&w, "c")->wish, WISH_UP);
	assert_false(core_pending(w.core));
	world_fini(&w);
}

static void reasons(void **state)
{
	struct world w;
	struct plan plan;
	struct plan_change stop = { .kind = PLAN_STOP, .name = "a", .uid = 7 };

	(void)state;
	world_init(&w);
	(void)world_add_deps(&w, "a", world_policy(), NULL);
	(void)world_add_deps(&w, "b", world_policy(), "requires:a");
	start_all(&w);
	assert_int_equal(plan_make(w.core, &stop, 1, w.now, &plan, NULL), 0);
	assert_int_equal(plan.n, 2);
	assert_string_equal(plan.steps[0].reason, "it requires 'a', which was asked to stop or restart");
	assert_string_equal(plan.steps[1].reason, "asked for by uid 7");
	assert_int_equal(core_state(plan.after, 0), SERVICE_EXITED);
	plan_fini(&plan);
	world_fini(&w);
}

static void changes_of_the_configuration(void **state)
{
	struct world w;
	struct service_policy p = world_policy();
	struct service_policy none = world_policy();
	const struct policy_dep needs_new = { .kind = DEP_REQUIRES, .name = "new" };
	const struct policy_dep needs_b = { .kind = DEP_REQUIRES, .name = "b" };
	struct plan_change changes[] = {
		{ .kind = PLAN_ADD, .name = "new", .policy = &none },
		{ .kind = PLAN_UPDATE, .name = "b", .policy = &p, .restart = true },
		{ .kind = PLAN_UPDATE, .name = "live", .policy = &none },
		{ .kind = PLAN_REMOVE, .name = "gone" },
	};
	struct plan plan;
	struct error err;

	(void)state;
	world_init(&w);
	(void)world_add_deps(&w, "b", p, NULL);
	(void)world_add_deps(&w, "live", p, NULL);
	(void)world_add_deps(&w, "gone", p, NULL);
	start_all(&w);
	p.deps = &needs_new;
	p.deps_n = 1;
	assert_string_equal(plan_text(&w, changes, ARRAY_LEN(changes)),
			    "adds new, updates live, starts new, stops b, stops gone, updates b, starts b, removes gone");
	none.deps = &needs_b;
	none.deps_n = 1;
	assert_int_equal(plan_make(w.core, changes, 2, w.now, &plan, &err), -ELOOP);
	assert_string_equal(err.msg, "cyclic dependency detected: b -> new -> b");
	changes[0].name = "b";
	assert_int_equal(plan_make(w.core, changes, 1, w.now, &plan, &err), -ELOOP);
	changes[3].name = "nobody";
	assert_int_equal(plan_make(w.core, &changes[3], 1, w.now, &plan, &err), -ENOENT);
	world_fini(&w);
}

static void words(void **state)
{
	static const char *const bad[] = { "", "stop", "stop:", "stopp:x", "x", ":", "shutdown:x", "START:x" };
	struct plan_change change;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(plan_parse(bad[i], &change, NULL), -EINVAL);
	assert_int_equal(plan_parse("exit:a:b", &change, NULL), 0);
	assert_string_equal(change.name, "a:b");
}

/* Answers everything that is asked for, as the plan's world does, until nothing happens. */
static void run_to_rest(struct world *w, size_t from)
{
	for (size_t i = from; i < w->log_n; i++) {
		struct effect e = w->log[i];

		if (e.kind == EFFECT_STOP_BEGIN) {
			(void)world_send(w, (struct core_event){ .kind = EV_EXITED, .id = e.id, .run = e.run, .code = -1,
								 .signal = 15 });
			(void)world_send(w, (struct core_event){ .kind = EV_GONE, .id = e.id, .run = e.run });
		}
		if (e.kind == EFFECT_ARM_TIMER && e.timer == TIMER_RESTART) {
			w->now = e.deadline > w->now ? e.deadline : w->now;
			(void)world_send(w, (struct core_event){ .kind = EV_TIMER, .id = e.id, .timer = TIMER_RESTART });
		}
	}
}

static unsigned int draw(uint64_t *seed, unsigned int below)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned int)(*seed >> 33) % below;
}

static void one_random_plan(uint64_t seed)
{
	static const enum plan_change_kind kinds[] = { PLAN_START, PLAN_STOP, PLAN_RESTART, PLAN_EXIT };
	static const enum event_kind events[] = { EV_START, EV_STOP, EV_RESTART, EV_EXITED };
	struct world w;
	struct plan plan;
	struct plan_change change;
	unsigned int n = 2 + draw(&seed, 10);
	unsigned int which = draw(&seed, ARRAY_LEN(kinds));
	char name[8];

	world_init(&w);
	for (unsigned int i = 0; i < n; i++) {
		static const char *const words_[] = { "requires", "requires", "after", "wants" };
		struct service_policy p = world_policy();
		char deps[200] = "";

		p.on_dependency_crash = (enum policy_on_crash)draw(&seed, CRASH_N);
		p.target = draw(&seed, 8) == 0;
		p.status = draw(&seed, 6) ? STATUS_START : STATUS_STOP;
		for (unsigned int j = 0; j < i; j++) {
			if (draw(&seed, 3) == 0)
				(void)snprintf(deps + strlen(deps), sizeof(deps) - strlen(deps), " %s:s%u",
					       words_[draw(&seed, 4)], j);
		}
		(void)snprintf(name, sizeof(name), "s%u", i);
		(void)world_add_deps(&w, name, p, deps);
	}
	start_all(&w);
	(void)snprintf(name, sizeof(name), "s%u", draw(&seed, n));
	change = (struct plan_change){ .kind = kinds[which], .name = name, .code = 1 };
	assert_int_equal(plan_make(w.core, &change, 1, w.now, &plan, NULL), 0);
	world_forget(&w);
	if (events[which] == EV_EXITED && world_record(&w, name)->pid)
		(void)world_exit(&w, name, 1, 0);
	else if (events[which] != EV_EXITED)
		(void)world_event(&w, events[which], name);
	run_to_rest(&w, 0);
	for (uint32_t id = 0; id < n; id++) {
		assert_string_equal(service_state_name(core_state(plan.after, id)),
				    service_state_name(core_state(w.core, id)));
		assert_int_equal(core_record(plan.after, id)->run, core_record(w.core, id)->run);
	}
	plan_fini(&plan);
	world_fini(&w);
}

static void what_is_planned_is_what_happens(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 2000; seed++)
		one_random_plan(seed);
}

/* --- sets of changes, carried out as the supervisor does (apply.c, trial.c) ------------------------- */

#define SET_MAX 6
#define STEPS_MAX 512
#define SERVICES_MAX 24

struct set {
	struct plan_change changes[SET_MAX];
	struct service_policy policies[SET_MAX];
	struct policy_dep deps[SET_MAX][SERVICES_MAX];
	char names[SET_MAX][16];
	char dep_names[SET_MAX][SERVICES_MAX][16];
	size_t n;
	const struct plan_change *held[SERVICES_MAX]; /* by id */
	char steps[STEPS_MAX][16];
	size_t steps_n;
};

static void note_step(struct set *set, const char *action, const char *name)
{
	assert_true(set->steps_n < STEPS_MAX);
	(void)snprintf(set->steps[set->steps_n++], sizeof(set->steps[0]), "%s %s", action, name);
}

static void make_policy(struct set *set, size_t i, uint64_t *seed, unsigned int n)
{
	static const enum dep_kind kinds[] = { DEP_REQUIRES, DEP_REQUIRES, DEP_AFTER, DEP_WANTS, DEP_CONFLICTS };
	struct service_policy *p = &set->policies[i];

	*p = world_policy();
	p->on_dependency_crash = (enum policy_on_crash)draw(seed, CRASH_N);
	p->status = (enum policy_status)draw(seed, STATUS_N);
	p->deps = set->deps[i];
	for (unsigned int j = 0; j < n && p->deps_n < SERVICES_MAX; j++) {
		if (draw(seed, 4) != 0)
			continue;
		(void)snprintf(set->dep_names[i][p->deps_n], sizeof(set->dep_names[i][0]), "s%u", j);
		set->deps[i][p->deps_n] = (struct policy_dep){ .kind = kinds[draw(seed, ARRAY_LEN(kinds))],
							       .name = set->dep_names[i][p->deps_n] };
		p->deps_n++;
	}
}

static void make_set(struct world *w, struct set *set, uint64_t *seed, unsigned int n)
{
	unsigned int first = draw(seed, n);
	char chain[200];

	for (set->n = 0; set->n < 1 + draw(seed, SET_MAX - 1); set->n++) {
		struct plan_change *c = &set->changes[set->n];
		unsigned int which = (first + (unsigned int)set->n * 3) % n;
		unsigned int kind = draw(seed, 5);

		(void)snprintf(set->names[set->n], sizeof(set->names[0]), "s%u", kind == 0 ? n + (unsigned int)set->n : which);
		*c = (struct plan_change){ .name = set->names[set->n], .uid = UINT32_MAX, .policy = &set->policies[set->n] };
		make_policy(set, set->n, seed, which);
		c->kind = kind == 0 ? PLAN_ADD : kind == 1 ? PLAN_REMOVE : PLAN_UPDATE;
		for (size_t i = 0; i < set->n; i++) {
			if (strcmp(set->names[i], c->name) == 0)
				return;
		}
		if (c->kind == PLAN_UPDATE) {
			c->restart = core_is_active(w->core, which) && draw(seed, 2);
			c->start = core_state(w->core, which) == SERVICE_FAILED && world_record(w, c->name)->wish == WISH_UP;
			set->policies[set->n].target = core_policy(w->core, which)->target;
		}
		if (core_would_cycle(w->core, c->name, c->policy, chain, sizeof(chain)))
			return;
	}
}

static void continue_world(struct world *w)
{
	struct effects fx;

	core_continue(w->core, w->now, &fx);
	world_carry_out(w, &fx);
}

static void define_all(struct world *w, struct set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct plan_change *c = &set->changes[i];
		uint32_t id = core_find(w->core, c->name);

		if (c->kind == PLAN_ADD)
			assert_int_equal(core_add(w->core, c->name, c->policy, &id, NULL), 0);
		else if (c->kind == PLAN_UPDATE && c->restart)
			set->held[id] = c;
		else if (c->kind == PLAN_UPDATE)
			assert_int_equal(core_update(w->core, id, c->policy, w->now, NULL), 0);
		if (c->kind != PLAN_REMOVE && !set->held[id]) {
			note_step(set, c->kind == PLAN_ADD ? "adds" : "updates", c->name);
			continue_world(w);
		}
	}
}

static void begin_all(struct world *w, struct set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct plan_change *c = &set->changes[i];
		struct core_event ev = { .id = core_find(w->core, c->name), .rule = RULE_CONFIG };

		ev.kind = c->kind == PLAN_ADD ? EV_LOADED : c->kind == PLAN_REMOVE ? EV_STOP : c->start ? EV_START :
			  c->restart ? EV_RESTART : EV_NONE;
		if (ev.kind != EV_NONE)
			(void)world_send(w, ev);
	}
}

static void end_run(struct world *w, struct set *set, const struct effect *e)
{
	const struct plan_change *c = set->held[e->id];

	if (c && core_record(w->core, e->id)->run == e->run) {
		set->held[e->id] = NULL;
		if (core_update(w->core, e->id, c->policy, w->now, NULL) == 0)
			note_step(set, "updates", c->name);
	}
	(void)world_send(w, (struct core_event){ .kind = EV_EXITED, .id = e->id, .run = e->run, .code = -1, .signal = 15 });
	(void)world_send(w, (struct core_event){ .kind = EV_GONE, .id = e->id, .run = e->run });
}

static void note_announced(struct world *w, struct set *set, const struct effect *e)
{
	bool target = core_policy(w->core, e->id) && core_policy(w->core, e->id)->target;
	const char *name = core_name(w->core, e->id);
	bool up = e->from == SERVICE_STARTING || e->from == SERVICE_RUNNING;

	if (e->from == e->to || !name)
		return;
	if (e->to == SERVICE_STARTING || (target && e->to == SERVICE_RUNNING))
		note_step(set, "starts", name);
	else if (e->to == SERVICE_STOPPING || (target && up && (e->to == SERVICE_INACTIVE || e->to == SERVICE_BLOCKED)))
		note_step(set, "stops", name);
	else if (e->from == SERVICE_BLOCKED && e->to == SERVICE_FAILED)
		note_step(set, "fails", name);
}

/* Everything ends well, until nothing happens any more. */
static void live_on(struct world *w, struct set *set, size_t from)
{
	for (size_t i = from; i < w->log_n; i++) {
		struct effect e = w->log[i];

		if (e.kind == EFFECT_ANNOUNCE)
			note_announced(w, set, &e);
		else if (e.kind == EFFECT_STOP_BEGIN)
			end_run(w, set, &e);
		else if (e.kind == EFFECT_SPAWN)
			(void)world_send(w, (struct core_event){ .kind = EV_SPAWNED, .id = e.id, .run = e.run, .pid = 1 });
	}
}

static void remove_all(struct world *w, struct set *set)
{
	size_t seen = w->log_n;

	for (size_t i = 0; i < set->n; i++) {
		uint32_t id = core_find(w->core, set->changes[i].name);

		if (set->changes[i].kind != PLAN_REMOVE)
			continue;
		assert_int_equal(core_remove(w->core, id, w->now), 0);
		note_step(set, "removes", set->changes[i].name);
		continue_world(w);
	}
	live_on(w, set, seen);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void compare_steps(const struct set *set, const struct plan *plan)
{
	static char planned[STEPS_MAX][16];
	static char done[STEPS_MAX][16];
	size_t n = 0;

	for (size_t i = 0; i < plan->n; i++) {
		if (plan->steps[i].action != PLAN_WAITS)
			(void)snprintf(planned[n++], sizeof(planned[0]), "%s %s", plan_action_name(plan->steps[i].action),
				       plan->steps[i].name);
	}
	memcpy(done, set->steps, sizeof(done));
	qsort(planned, n, sizeof(planned[0]), by_text);
	qsort(done, set->steps_n, sizeof(done[0]), by_text);
	for (size_t i = 0; i < n && i < set->steps_n; i++)
		assert_string_equal(planned[i], done[i]);
	assert_int_equal(n, set->steps_n);
}

static void one_random_set(uint64_t seed)
{
	static struct set set;
	struct world w;
	struct plan plan;
	unsigned int n = 3 + draw(&seed, 9);
	int r;

	memset(&set, 0, sizeof(set));
	world_init(&w);
	for (unsigned int i = 0; i < n; i++) {
		char name[8];
		uint64_t chances = seed + i;

		(void)snprintf(name, sizeof(name), "s%u", i);
		make_policy(&set, 0, &chances, i);
		set.policies[0].target = draw(&chances, 8) == 0;
		(void)world_add(&w, name, &set.policies[0]);
	}
	start_all(&w);
	make_set(&w, &set, &seed, n);
	r = plan_make(w.core, set.changes, set.n, w.now, &plan, NULL);
	if (r == 0) {
		world_forget(&w);
		w.auto_spawn = false; /* answers come after all wishes */
		define_all(&w, &set);
		begin_all(&w, &set);
		live_on(&w, &set, 0);
		remove_all(&w, &set);
		for (uint32_t id = core_next(w.core, CORE_NONE); id != CORE_NONE; id = core_next(w.core, id)) {
			assert_string_equal(service_state_name(core_state(plan.after, core_find(plan.after, core_name(w.core, id)))),
					    service_state_name(core_state(w.core, id)));
		}
		assert_int_equal(core_count(plan.after), core_count(w.core));
		compare_steps(&set, &plan);
		plan_fini(&plan);
	}
	world_fini(&w);
}

static void what_a_set_plans_is_what_happens(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 2000; seed++)
		one_random_set(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_on_a_chain),
		cmocka_unit_test(reasons),
		cmocka_unit_test(changes_of_the_configuration),
		cmocka_unit_test(words),
		cmocka_unit_test(what_is_planned_is_what_happens),
		cmocka_unit_test(what_a_set_plans_is_what_happens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
