/* SPDX-License-Identifier: Apache-2.0 */
/* A server that died: from saved records and what the shell finds, the next one goes on. */
#include "world.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

/* A new core with the records of the old one, which is gone. The effects of the new one's beginning are in the log. */
static void next_server(struct world *w, const struct core_facts *facts)
{
	struct core *old = w->core;
	struct effects fx;

	w->core = core_new(1);
	assert_non_null(w->core);
	world_forget(w);
	for (uint32_t id = core_next(old, CORE_NONE); id != CORE_NONE; id = core_next(old, id)) {
		assert_int_equal(core_add_at(w->core, id, core_name(old, id), core_policy(old, id), NULL), 0);
		assert_int_equal(core_restore(w->core, id, core_record(old, id)), 0);
	}
	for (uint32_t id = core_next(old, CORE_NONE); id != CORE_NONE; id = core_next(old, id)) {
		assert_int_equal(core_resume(w->core, id, &facts[id], w->now, &fx), 0);
		world_carry_out(w, &fx);
	}
	core_free(old);
}

static const struct core_facts nothing[4];
static const struct core_facts alive[4] = {
	{ FACT_PROCESS, 1001 }, { FACT_PROCESS, 1001 }, { FACT_PROCESS, 1001 }, { FACT_PROCESS, 1001 },
};

static void running_goes_on(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	(void)world_add_deps(&w, "x", world_policy(), NULL);
	world_event(&w, EV_START, "x");
	next_server(&w, alive);
	assert_state(&w, "x", SERVICE_RUNNING);
	assert_int_equal(w.log_n, 0);
	world_exit(&w, "x", 3, 0);
	assert_int_equal(core_failure(w.core, 0).code, 3);
	/* the delay runs over the next death as well */
	next_server(&w, nothing);
	assert_int_equal(world_count(&w, EFFECT_ARM_TIMER, "x"), 1);
	world_advance(&w, 1 * SEC);
	assert_state(&w, "x", SERVICE_RUNNING);
	assert_int_equal(world_record(&w, "x")->run, 2);
	world_fini(&w);
}

static void gone_without_a_trace_is_a_bad_end(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	(void)world_add_deps(&w, "x", world_policy(), NULL);
	world_event(&w, EV_START, "x");
	next_server(&w, nothing);
	assert_state(&w, "x", SERVICE_FAILED);
	assert_int_equal(core_failure(w.core, 0).code, -1);
	assert_int_not_equal(core_next_start(w.core, 0), 0);
	world_fini(&w);
}

static void spawn_in_flight(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	w.auto_spawn = false;
	(void)world_add_deps(&w, "x", world_policy(), NULL);
	world_event(&w, EV_START, "x");
	next_server(&w, nothing);
	assert_int_equal(world_count(&w, EFFECT_SPAWN, "x"), 1);
	assert_int_equal(world_record(&w, "x")->run, 1);
	next_server(&w, alive);
	assert_int_equal(world_count(&w, EFFECT_SPAWN, "x"), 0);
	assert_state(&w, "x", SERVICE_RUNNING);
	assert_int_equal(world_record(&w, "x")->pid, 1001);
	world_fini(&w);
}

/* It was given up as unstartable; when the server is back the process is there: it must not stay beside the next one. */
static void spawn_that_was_given_up_is_found(void **state)
{
	struct world w;
	struct service_policy p = world_policy();

	(void)state;
	world_init(&w);
	w.auto_spawn = false;
	p.restart = RESTART_NEVER;
	(void)world_add(&w, "x", &p);
	world_event(&w, EV_START, "x");
	world_advance(&w, 60 * SEC); /* start timeout, stop timeout, grace */
	assert_state(&w, "x", SERVICE_FAILED);
	next_server(&w, alive);
	assert_int_equal(world_count(&w, EFFECT_KILL_ALL, "x"), 1);
	assert_state(&w, "x", SERVICE_FAILED);
	world_fini(&w);
}

static void kill_gets_its_grace_again(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	(void)world_add_deps(&w, "x", world_policy(), NULL);
	world_event(&w, EV_START, "x");
	world_event(&w, EV_STOP, "x");
	world_advance(&w, 10 * SEC);
	assert_int_equal(world_record(&w, "x")->phase, PHASE_STOP_KILL);
	w.now += 3600 * SEC; /* nobody was there */
	next_server(&w, alive);
	assert_int_equal(world_count(&w, EFFECT_KILL_ALL, "x"), 1);
	world_advance(&w, 1 * SEC);
	assert_state(&w, "x", SERVICE_STOPPING);
	world_exit(&w, "x", 0, SIGKILL);
	world_event(&w, EV_GONE, "x");
	assert_false(world_record(&w, "x")->flags & RECORD_SURVIVORS);
	world_fini(&w);
}

/* The stop of a was on record, what it means for b was not. */
static void a_stop_that_had_begun_to_spread(void **state)
{
	struct world w;
	struct effects fx;
	struct core_event stop = { .kind = EV_STOP, .rule = RULE_ASKED };
	struct service_record before;

	(void)state;
	world_init(&w);
	(void)world_add_deps(&w, "a", world_policy(), NULL);
	(void)world_add_deps(&w, "b", world_policy(), "requires:a");
	world_event(&w, EV_START, "a");
	world_event(&w, EV_START, "b");
	before = *world_record(&w, "b");
	assert_int_equal(core_step(w.core, &stop, w.now, &fx), 0);
	assert_int_equal(core_restore(w.core, 1, &before), 0);
	next_server(&w, alive);
	assert_state(&w, "b", SERVICE_STOPPING);
	assert_state(&w, "a", SERVICE_RUNNING);
	world_stopped(&w, "b");
	assert_state(&w, "a", SERVICE_STOPPING);
	world_stopped(&w, "a");
	assert_state(&w, "a", SERVICE_EXITED);
	world_fini(&w);
}

static void a_shutdown_goes_on(void **state)
{
	struct world w;
	struct core *old;
	struct effects fx;

	(void)state;
	world_init(&w);
	(void)world_add_deps(&w, "a", world_policy(), NULL);
	world_event(&w, EV_START, "a");
	old = w.core;
	w.core = core_new(1);
	assert_int_equal(core_add_at(w.core, 0, "a", core_policy(old, 0), NULL), 0);
	assert_int_equal(core_restore(w.core, 0, core_record(old, 0)), 0);
	core_free(old);
	core_restore_shutdown(w.core, w.now + 5 * SEC);
	world_forget(&w);
	assert_int_equal(core_resume(w.core, 0, &alive[0], w.now, &fx), 0);
	world_carry_out(&w, &fx);
	assert_state(&w, "a", SERVICE_STOPPING);
	assert_int_equal(world_event(&w, EV_START, "a"), -ESHUTDOWN);
	world_stopped(&w, "a");
	assert_int_equal(world_count(&w, EFFECT_SHUTDOWN_DONE, NULL), 1);
	world_fini(&w);
}

static void records_out_of_range_are_refused(void **state)
{
	struct world w;
	struct service_record rec;

	(void)state;
	world_init(&w);
	(void)world_add_deps(&w, "x", world_policy(), NULL);
	for (int i = 0; i < 5; i++) {
		rec = *world_record(&w, "x");
		switch (i) {
		case 0:
			rec.state = SERVICE_STATE_N;
			break;
		case 1:
			rec.wish = WISH_N;
			break;
		case 2:
			rec.phase = PHASE_N;
			break;
		case 3:
			rec.failure = FAILURE_N;
			break;
		default:
			rec.timer = TIMER_SHUTDOWN;
		}
		assert_int_equal(core_restore(w.core, 0, &rec), -EINVAL);
	}
	assert_int_equal(core_restore(w.core, 7, world_record(&w, "x")), -ENOENT);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(running_goes_on),
		cmocka_unit_test(gone_without_a_trace_is_a_bad_end),
		cmocka_unit_test(spawn_in_flight),
		cmocka_unit_test(spawn_that_was_given_up_is_found),
		cmocka_unit_test(kill_gets_its_grace_again),
		cmocka_unit_test(a_stop_that_had_begun_to_spread),
		cmocka_unit_test(a_shutdown_goes_on),
		cmocka_unit_test(records_out_of_range_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
