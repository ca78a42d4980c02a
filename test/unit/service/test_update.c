/* SPDX-License-Identifier: Apache-2.0 */
/* A policy that changes while services live by it. */
#include "world.h"

#include <errno.h>

static void update(struct world *w, const char *name, const struct service_policy *policy)
{
	struct effects fx;

	assert_int_equal(core_update(w->core, core_find(w->core, name), policy, w->now, NULL), 0);
	core_continue(w->core, w->now, &fx);
	world_carry_out(w, &fx);
}

/* Acceptance 15: the new restart policy counts, the process is left alone. */
static void restart_policy_changes_live(void **state)
{
	struct world w;
	struct service_policy p = world_policy();

	(void)state;
	world_init(&w);
	(void)world_add(&w, "x", &p);
	world_event(&w, EV_START, "x");
	world_forget(&w);
	p.restart = RESTART_NEVER;
	update(&w, "x", &p);
	assert_state(&w, "x", SERVICE_RUNNING);
	assert_int_equal(world_record(&w, "x")->run, 1);
	assert_int_equal(w.log_n, 0);
	world_exit(&w, "x", 1, 0);
	assert_int_equal(core_next_start(w.core, 0), 0);
	world_fini(&w);
}

static void a_longer_delay_counts_at_once(void **state)
{
	struct world w;
	struct service_policy p = world_policy();

	(void)state;
	world_init(&w);
	(void)world_add(&w, "x", &p);
	world_event(&w, EV_START, "x");
	world_exit(&w, "x", 1, 0);
	world_advance(&w, 1 * SEC);
	p.restart_delay = 10 * SEC;
	update(&w, "x", &p);
	world_exit(&w, "x", 1, 0);
	assert_int_equal(core_next_start(w.core, 0) - w.now, 10 * SEC);
	world_fini(&w);
}

static void a_conflict_that_is_no_more_blocks_nobody(void **state)
{
	struct world w;
	struct service_policy p = world_policy();

	(void)state;
	world_init(&w);
	(void)world_add(&w, "a", &p);
	(void)world_add_deps(&w, "b", p, "conflicts:a");
	world_event(&w, EV_START, "b");
	world_event(&w, EV_START, "a");
	assert_state(&w, "a", SERVICE_BLOCKED);
	update(&w, "b", &p);
	assert_state(&w, "a", SERVICE_STARTING);
	world_fini(&w);
}

/* a waits for b to go; b needs it no more. */
static void a_dependency_that_is_no_more_holds_nobody(void **state)
{
	struct world w;
	struct service_policy p = world_policy();

	(void)state;
	world_init(&w);
	(void)world_add(&w, "a", &p);
	(void)world_add_deps(&w, "b", p, "requires:a");
	world_event(&w, EV_START, "a");
	world_event(&w, EV_START, "b");
	world_event(&w, EV_STOP, "a");
	assert_state(&w, "a", SERVICE_RUNNING);
	assert_state(&w, "b", SERVICE_STOPPING);
	update(&w, "b", &p);
	assert_state(&w, "a", SERVICE_STOPPING);
	world_stopped(&w, "a");
	world_stopped(&w, "b");
	world_fini(&w);
}

/* What counts as a good end decides who may start. */
static void success_codes_change_who_is_satisfied(void **state)
{
	struct world w;
	struct service_policy p = world_policy();

	(void)state;
	world_init(&w);
	p.oneshot = true;
	p.restart = RESTART_NEVER;
	p.success_codes[0] = 1 << 3;
	(void)world_add(&w, "job", &p);
	(void)world_add_deps(&w, "b", world_policy(), "requires:job after:c");
	(void)world_add_deps(&w, "c", world_policy(), NULL);
	world_event(&w, EV_START, "job");
	world_exit(&w, "job", 3, 0);
	assert_state(&w, "job", SERVICE_EXITED);
	world_event(&w, EV_START, "b");
	assert_state(&w, "b", SERVICE_BLOCKED);
	p.success_codes[0] = 1 << 0;
	update(&w, "job", &p);
	world_event(&w, EV_START, "c");
	assert_state(&w, "b", SERVICE_BLOCKED);
	p.success_codes[0] = 1 << 3;
	update(&w, "job", &p);
	assert_state(&w, "b", SERVICE_STARTING);
	world_fini(&w);
}

/* The health checks that were begun are ended, whatever the configuration says by then. */
static void probes_end_with_their_run(void **state)
{
	struct world w;
	struct service_policy p = world_policy();

	(void)state;
	world_init(&w);
	p.has_readiness = true;
	(void)world_add(&w, "x", &p);
	world_event(&w, EV_START, "x");
	world_event(&w, EV_READY, "x");
	p.has_readiness = false;
	update(&w, "x", &p);
	world_exit(&w, "x", 1, 0);
	assert_int_equal(world_count(&w, EFFECT_PROBE_STOP, "x"), 1);
	world_fini(&w);
}

/* Acceptance 14: the running set is untouched. */
static void a_cycle_is_refused(void **state)
{
	struct world w;
	struct error err = { 0 };
	struct service_policy p = world_policy();
	const struct policy_dep back = { .kind = DEP_REQUIRES, .name = "e" };

	(void)state;
	world_init(&w);
	(void)world_add(&w, "a", &p);
	(void)world_add_deps(&w, "b", p, "requires:a");
	(void)world_add_deps(&w, "c", p, "after:b");
	(void)world_add_deps(&w, "d", p, "requires:c");
	(void)world_add_deps(&w, "e", p, "requires:d");
	for (int i = 0; i < 5; i++)
		world_event(&w, EV_START, (const char *[]){ "a", "b", "c", "d", "e" }[i]);
	world_forget(&w);
	p.deps = &back;
	p.deps_n = 1;
	assert_int_equal(core_update(w.core, 0, &p, w.now, &err), -ELOOP);
	assert_string_equal(err.msg, "cyclic dependency detected: a -> e -> d -> c -> b -> a");
	assert_false(core_pending(w.core));
	assert_int_equal(w.log_n, 0);
	assert_state(&w, "a", SERVICE_RUNNING);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(restart_policy_changes_live),
		cmocka_unit_test(a_longer_delay_counts_at_once),
		cmocka_unit_test(a_conflict_that_is_no_more_blocks_nobody),
		cmocka_unit_test(a_dependency_that_is_no_more_holds_nobody),
		cmocka_unit_test(success_codes_change_who_is_satisfied),
		cmocka_unit_test(probes_end_with_their_run),
		cmocka_unit_test(a_cycle_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
