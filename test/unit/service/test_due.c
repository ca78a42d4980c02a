/* SPDX-License-Identifier: Apache-2.0 */
/* Tests: schedules in the core: when they are in force, what a run that is due means in each state. */
#include "../testing.h"

#include "world.h"

static uint32_t job(struct world *w, const char *name, const char *deps, enum policy_overlap overlap)
{
	struct service_policy p = world_policy();

	p.oneshot = p.scheduled = true;
	p.overlap = overlap;
	return world_add_deps(w, name, p, deps);
}

static void due_now(struct world *w, const char *name)
{
	world_send(w, (struct core_event){ .kind = EV_START, .id = core_find(w->core, name), .rule = RULE_SCHEDULE });
}

static void loading_starts_nothing(void **state)
{
	struct world w;
	uint32_t id;

	(void)state;
	world_init(&w);
	id = job(&w, "j", NULL, OVERLAP_SKIP);
	assert_false(core_schedule_on(w.core, id));
	world_event(&w, EV_LOADED, "j");
	assert_state(&w, "j", SERVICE_INACTIVE);
	assert_int_equal(world_record(&w, "j")->wish, WISH_UP);
	assert_true(core_schedule_on(w.core, id));
	assert_true(core_is_settled(w.core, id));
	assert_int_equal(core_due(w.core, id), DUE_START);
	due_now(&w, "j");
	assert_state(&w, "j", SERVICE_STARTING);
	assert_int_equal(world_record(&w, "j")->cause.rule, RULE_SCHEDULE);
	world_fini(&w);
}

static void overlaps(void **state)
{
	static const enum due answers[OVERLAP_N] = { DUE_SKIP, DUE_QUEUE, DUE_RESTART };

	(void)state;
	for (int overlap = 0; overlap < OVERLAP_N; overlap++) {
		struct world w;
		uint32_t id;

		world_init(&w);
		id = job(&w, "j", NULL, (enum policy_overlap)overlap);
		world_event(&w, EV_LOADED, "j");
		due_now(&w, "j");
		assert_int_equal(core_due(w.core, id), answers[overlap]);
		world_event(&w, EV_RESTART, "j"); /* on its way down, to come again: that will do */
		assert_int_equal(core_due(w.core, id), DUE_SKIP);
		world_fini(&w);
	}
}

static void a_stop_is_out_of_force_a_cascade_is_not(void **state)
{
	struct world w;
	uint32_t id;

	(void)state;
	world_init(&w);
	(void)world_add_deps(&w, "db", world_policy(), NULL);
	id = job(&w, "j", "requires:db", OVERLAP_SKIP);
	world_event(&w, EV_START, "db");
	world_event(&w, EV_LOADED, "j");
	world_event(&w, EV_STOP, "j");
	assert_int_equal(core_due(w.core, id), DUE_OFF);
	world_event(&w, EV_START, "j");
	assert_state(&w, "j", SERVICE_STARTING);
	world_event(&w, EV_STOP, "db");
	world_stopped(&w, "j");
	world_stopped(&w, "db");
	assert_int_equal(world_record(&w, "j")->wish, WISH_DOWN);
	assert_int_equal(core_due(w.core, id), DUE_START);
	/* it waits for the database, which the clock does not start */
	due_now(&w, "j");
	assert_state(&w, "j", SERVICE_BLOCKED);
	assert_int_equal(world_record(&w, "db")->wish, WISH_DOWN);
	assert_int_equal(core_due(w.core, id), DUE_WAITING);
	world_event(&w, EV_START, "db");
	assert_state(&w, "j", SERVICE_STARTING);
	world_fini(&w);
}

static void after_a_job_that_has_not_run(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	(void)job(&w, "j", NULL, OVERLAP_SKIP);
	(void)world_add_deps(&w, "web", world_policy(), "after:j");
	world_event(&w, EV_LOADED, "j");
	world_event(&w, EV_START, "web");
	assert_state(&w, "web", SERVICE_RUNNING);
	world_fini(&w);
}

static void without_its_schedule_it_starts(void **state)
{
	struct world w;
	struct service_policy p = world_policy();
	struct effects fx = { 0 };
	uint32_t id;

	(void)state;
	world_init(&w);
	id = job(&w, "j", NULL, OVERLAP_SKIP);
	world_event(&w, EV_LOADED, "j");
	p.oneshot = true;
	assert_int_equal(core_update(w.core, id, &p, w.now, NULL), 0);
	core_continue(w.core, w.now, &fx);
	world_carry_out(&w, &fx);
	assert_state(&w, "j", SERVICE_STARTING);
	assert_int_equal(core_due(w.core, id), DUE_OFF);
	world_fini(&w);
}

static void no_runs_in_a_shutdown(void **state)
{
	struct world w;
	uint32_t id;

	(void)state;
	world_init(&w);
	id = job(&w, "j", NULL, OVERLAP_SKIP);
	world_event(&w, EV_LOADED, "j");
	world_send(&w, (struct core_event){ .kind = EV_SHUTDOWN, .id = CORE_NONE, .deadline = USEC_NEVER });
	assert_int_equal(core_due(w.core, id), DUE_OFF);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loading_starts_nothing),
		cmocka_unit_test(overlaps),
		cmocka_unit_test(a_stop_is_out_of_force_a_cascade_is_not),
		cmocka_unit_test(after_a_job_that_has_not_run),
		cmocka_unit_test(without_its_schedule_it_starts),
		cmocka_unit_test(no_runs_in_a_shutdown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
