/* SPDX-License-Identifier: Apache-2.0 */
/* Plans say what then happens, and change nothing. */
#include "world.h"

#include <errno.h>
#include <stdio.h>
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_on_a_chain),
		cmocka_unit_test(reasons),
		cmocka_unit_test(changes_of_the_configuration),
		cmocka_unit_test(words),
		cmocka_unit_test(what_is_planned_is_what_happens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
