/* SPDX-License-Identifier: Apache-2.0 */
/* In which order one event spreads over several services: nobody acts on what is about to change. Found by test/sim. */
#include "world.h"

/* c may start because b is gone, but a, which it requires, goes with b. */
static void nobody_starts_on_one_that_a_crash_takes_down(void **state)
{
	struct world w;
	struct service_policy p = world_policy();

	(void)state;
	world_init(&w);
	p.restart = RESTART_NEVER;
	p.ports = (const uint16_t[]){ 80 };
	p.ports_n = 1;
	(void)world_add_deps(&w, "b", p, NULL);
	(void)world_add_deps(&w, "c", p, "requires:a");
	p.ports_n = 0;
	p.on_dependency_crash = CRASH_STOP;
	(void)world_add_deps(&w, "a", p, "requires:b");
	world_event(&w, EV_START, "b");
	world_event(&w, EV_START, "a");
	world_event(&w, EV_START, "c");
	assert_state(&w, "c", SERVICE_BLOCKED);
	world_exit(&w, "b", 1, 0);
	assert_state(&w, "a", SERVICE_STOPPING);
	assert_int_equal(world_count(&w, EFFECT_SPAWN, "c"), 0);
	world_fini(&w);
}

/* As above, with a target between them: it is up only as long as its members are. */
static void nobody_starts_on_a_target_whose_member_crashed(void **state)
{
	struct world w;
	struct service_policy p = world_policy();
	struct service_policy target = world_policy();

	(void)state;
	world_init(&w);
	target.target = true;
	p.ports = (const uint16_t[]){ 80 };
	p.ports_n = 1;
	(void)world_add_deps(&w, "c", p, "requires:outer");
	(void)world_add_deps(&w, "outer", target, "requires:inner");
	(void)world_add_deps(&w, "inner", target, "requires:b");
	(void)world_add_deps(&w, "b", p, NULL);
	world_event(&w, EV_START, "b");
	world_event(&w, EV_START, "inner");
	world_event(&w, EV_START, "outer");
	world_event(&w, EV_START, "c");
	assert_state(&w, "outer", SERVICE_RUNNING);
	assert_state(&w, "c", SERVICE_BLOCKED);
	world_exit(&w, "b", 1, 0);
	assert_int_equal(world_count(&w, EFFECT_SPAWN, "c"), 0);
	assert_state(&w, "inner", SERVICE_BLOCKED);
	assert_state(&w, "outer", SERVICE_BLOCKED);
	world_fini(&w);
}

/* The target is up since "late" was tried. The start of c tries b, and so "late", again: the target waits for that, and c too. */
static void nobody_starts_on_a_target_that_waits_again(void **state)
{
	struct world w;
	struct service_policy p = world_policy();
	struct service_policy target = world_policy();

	(void)state;
	world_init(&w);
	w.auto_spawn = false;
	target.target = true;
	(void)world_add_deps(&w, "b", p, NULL);
	(void)world_add_deps(&w, "c", p, "requires:t wants:b");
	(void)world_add_deps(&w, "late", p, "requires:b");
	(void)world_add_deps(&w, "t", target, "after:late");
	world_event(&w, EV_START, "b");
	world_send(&w, (struct core_event){ .kind = EV_SPAWN_FAILED, .id = 0, .run = 1, .stage = 3, .error = 2 });
	world_event(&w, EV_START, "t");
	assert_state(&w, "t", SERVICE_BLOCKED);
	world_send(&w, (struct core_event){ .kind = EV_LOADED, .id = core_find(w.core, "late") });
	assert_state(&w, "late", SERVICE_FAILED);
	assert_state(&w, "t", SERVICE_RUNNING);
	world_event(&w, EV_START, "c");
	assert_state(&w, "late", SERVICE_BLOCKED);
	assert_state(&w, "t", SERVICE_BLOCKED);
	assert_state(&w, "c", SERVICE_BLOCKED);
	assert_int_equal(world_count(&w, EFFECT_SPAWN, "c"), 0);
	world_fini(&w);
}

/* t was to go with b and is wanted up again; b goes all the same: t can't be up without it, once its user is gone. */
static void a_target_that_is_taken_back_looks_at_its_members(void **state)
{
	struct world w;
	struct service_policy target = world_policy();

	(void)state;
	world_init(&w);
	target.target = true;
	(void)world_add_deps(&w, "b", world_policy(), NULL);
	(void)world_add_deps(&w, "t", target, "requires:b");
	(void)world_add_deps(&w, "user", world_policy(), "requires:t");
	world_event(&w, EV_START, "b");
	world_event(&w, EV_START, "t");
	world_event(&w, EV_START, "user");
	world_event(&w, EV_RESTART, "b");
	world_event(&w, EV_STOP, "t");
	assert_state(&w, "t", SERVICE_RUNNING);
	world_event(&w, EV_START, "t");
	world_stopped(&w, "user");
	assert_state(&w, "t", SERVICE_BLOCKED);
	world_stopped(&w, "b");
	assert_state(&w, "b", SERVICE_RUNNING);
	assert_state(&w, "t", SERVICE_RUNNING);
	world_fini(&w);
}

/* As above with a service: it goes along with the restart, and b waits for it. */
static void one_that_is_taken_back_goes_along_with_a_restart(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	(void)world_add_deps(&w, "b", world_policy(), NULL);
	(void)world_add_deps(&w, "x", world_policy(), "requires:b");
	(void)world_add_deps(&w, "user", world_policy(), "requires:x");
	world_event(&w, EV_START, "b");
	world_event(&w, EV_START, "x");
	world_event(&w, EV_START, "user");
	world_event(&w, EV_RESTART, "b");
	world_event(&w, EV_STOP, "x");
	world_event(&w, EV_START, "x");
	assert_state(&w, "user", SERVICE_STOPPING);
	assert_state(&w, "x", SERVICE_RUNNING);
	assert_state(&w, "b", SERVICE_RUNNING);
	world_stopped(&w, "user");
	assert_state(&w, "x", SERVICE_STOPPING);
	assert_state(&w, "b", SERVICE_RUNNING);
	world_stopped(&w, "x");
	assert_state(&w, "b", SERVICE_STOPPING);
	world_stopped(&w, "b");
	assert_state(&w, "b", SERVICE_RUNNING);
	assert_state(&w, "x", SERVICE_RUNNING);
	assert_int_equal(world_record(&w, "x")->run, 2);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_starts_on_one_that_a_crash_takes_down),
		cmocka_unit_test(nobody_starts_on_a_target_whose_member_crashed),
		cmocka_unit_test(nobody_starts_on_a_target_that_waits_again),
		cmocka_unit_test(a_target_that_is_taken_back_looks_at_its_members),
		cmocka_unit_test(one_that_is_taken_back_goes_along_with_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
