/* SPDX-License-Identifier: Apache-2.0 */
/* Several services: order, cascades, failures of dependencies, conflicts, ports, targets, shutdown, cycles. */
#include "world.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void load_all(struct world *w)
{
	for (uint32_t id = core_next(w->core, CORE_NONE); id != CORE_NONE; id = core_next(w->core, id))
		(void)world_send(w, (struct core_event){ .kind = EV_LOADED, .id = id });
}

/* Acceptance 12. */
static void dependent_starts_once_after_recovery(void **state)
{
	struct world w;
	struct service_policy p = world_policy();

	(void)state;
	world_init(&w);
	p.oneshot = true;
	p.restart = RESTART_ON_FAILURE;
	(void)world_add_deps(&w, "b", world_policy(), "requires:a");
	(void)world_add_deps(&w, "a", p, NULL);
	load_all(&w);
	for (int i = 0; i < 3; i++) {
		assert_state(&w, "b", SERVICE_BLOCKED);
		world_exit(&w, "a", 1, 0);
		assert_state(&w, "b", SERVICE_BLOCKED);
		world_advance(&w, 10 * SEC);
	}
	assert_int_equal(world_count(&w, EFFECT_SPAWN, "b"), 0);
	world_exit(&w, "a", 0, 0);
	assert_state(&w, "b", SERVICE_RUNNING);
	assert_int_equal(world_count(&w, EFFECT_SPAWN, "b"), 1);
	world_fini(&w);
}

/* Acceptance 13. */
static void stop_cascades_in_order(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	(void)world_add_deps(&w, "a", world_policy(), NULL);
	(void)world_add_deps(&w, "b", world_policy(), "requires:a");
	(void)world_add_deps(&w, "c", world_policy(), "requires:b");
	load_all(&w);
	assert_state(&w, "c", SERVICE_RUNNING);
	world_event(&w, EV_STOP, "a");
	assert_state(&w, "c", SERVICE_STOPPING);
	assert_state(&w, "b", SERVICE_RUNNING);
	assert_state(&w, "a", SERVICE_RUNNING);
	world_exit(&w, "c", 0, SIGTERM);
	assert_state(&w, "b", SERVICE_RUNNING);
	world_event(&w, EV_GONE, "c");
	assert_state(&w, "b", SERVICE_STOPPING);
	assert_state(&w, "a", SERVICE_RUNNING);
	world_stopped(&w, "b");
	assert_state(&w, "a", SERVICE_STOPPING);
	world_stopped(&w, "a");
	assert_state(&w, "a", SERVICE_EXITED);
	assert_state(&w, "c", SERVICE_EXITED);
	/* starting the top brings all back, in order */
	world_event(&w, EV_START, "c");
	assert_state(&w, "c", SERVICE_RUNNING);
	assert_state(&w, "a", SERVICE_RUNNING);
	world_fini(&w);
}

static void restart_takes_dependents_along(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	(void)world_add_deps(&w, "a", world_policy(), NULL);
	(void)world_add_deps(&w, "b", world_policy(), "requires:a");
	load_all(&w);
	world_forget(&w);
	world_event(&w, EV_RESTART, "a");
	assert_state(&w, "b", SERVICE_STOPPING);
	assert_state(&w, "a", SERVICE_RUNNING);
	world_stopped(&w, "b");
	assert_state(&w, "b", SERVICE_BLOCKED);
	assert_state(&w, "a", SERVICE_STOPPING);
	world_stopped(&w, "a");
	assert_state(&w, "a", SERVICE_RUNNING);
	assert_state(&w, "b", SERVICE_RUNNING);
	assert_int_equal(world_count(&w, EFFECT_SPAWN, NULL), 2);
	world_fini(&w);
}

static void missing_and_failed_dependencies(void **state)
{
	struct world w;
	struct service_policy p = world_policy();

	(void)state;
	world_init(&w);
	(void)world_add_deps(&w, "b", world_policy(), "requires:a");
	(void)world_add_deps(&w, "c", world_policy(), "requires:b after:nobody wants:nothing");
	load_all(&w);
	assert_int_equal(core_failure(w.core, 0).kind, FAILURE_MISSING);
	assert_string_equal(core_failure(w.core, 0).name, "a");
	assert_int_equal(core_failure(w.core, 1).kind, FAILURE_DEPENDENCY);
	assert_string_equal(core_failure(w.core, 1).name, "b");
	/* it appears: all recover by themselves */
	p.restart = RESTART_NEVER;
	(void)world_add_deps(&w, "a", p, NULL);
	world_send(&w, (struct core_event){ .kind = EV_LOADED, .id = core_find(w.core, "a") });
	assert_state(&w, "b", SERVICE_RUNNING);
	assert_state(&w, "c", SERVICE_RUNNING);
	/* a dependency that crashes takes nobody down by default */
	world_exit(&w, "a", 1, 0);
	assert_state(&w, "b", SERVICE_RUNNING);
	world_fini(&w);
}

static void crash_policies(void **state)
{
	struct world w;
	struct service_policy p = world_policy();

	(void)state;
	world_init(&w);
	(void)world_add_deps(&w, "a", p, NULL);
	p.on_dependency_crash = CRASH_STOP;
	(void)world_add_deps(&w, "stops", p, "requires:a");
	p.on_dependency_crash = CRASH_RESTART;
	(void)world_add_deps(&w, "again", p, "requires:a");
	load_all(&w);
	world_exit(&w, "a", 0, SIGSEGV);
	assert_state(&w, "stops", SERVICE_STOPPING);
	assert_state(&w, "again", SERVICE_STOPPING);
	world_stopped(&w, "stops");
	world_stopped(&w, "again");
	assert_state(&w, "again", SERVICE_BLOCKED);
	world_advance(&w, 1 * SEC);
	assert_state(&w, "a", SERVICE_RUNNING);
	assert_state(&w, "again", SERVICE_RUNNING);
	assert_state(&w, "stops", SERVICE_EXITED);
	world_fini(&w);
}

static void after_is_order_only(void **state)
{
	struct world w;
	struct service_policy p = world_policy();

	(void)state;
	world_init(&w);
	(void)world_add_deps(&w, "b", world_policy(), "after:a");
	p.has_readiness = true;
	(void)world_add_deps(&w, "a", p, NULL);
	world_send(&w, (struct core_event){ .kind = EV_LOADED, .id = 0 });
	assert_state(&w, "b", SERVICE_BLOCKED);
	world_send(&w, (struct core_event){ .kind = EV_LOADED, .id = 1 });
	assert_state(&w, "a", SERVICE_STARTING);
	assert_state(&w, "b", SERVICE_RUNNING);
	world_fini(&w);
}

static void conflicts_both_ways_and_ports(void **state)
{
	static const uint16_t ports[] = { 80, 443 };
	struct world w;
	struct service_policy p = world_policy();
	struct block blocks[4];

	(void)state;
	world_init(&w);
	(void)world_add_deps(&w, "old", p, NULL);
	(void)world_add_deps(&w, "new", p, "conflicts:old");
	world_event(&w, EV_START, "new");
	world_event(&w, EV_START, "old");
	assert_state(&w, "old", SERVICE_BLOCKED);
	assert_int_equal(core_blocks(w.core, 0, blocks, 4), 1);
	assert_int_equal(blocks[0].kind, BLOCK_CONFLICTS_WITH);
	assert_string_equal(blocks[0].name, "new");
	world_event(&w, EV_STOP, "new");
	world_stopped(&w, "new");
	assert_state(&w, "old", SERVICE_RUNNING);

	p.ports = ports;
	p.ports_n = 2;
	(void)world_add_deps(&w, "p1", p, NULL);
	(void)world_add_deps(&w, "p2", p, NULL);
	world_event(&w, EV_START, "p1");
	world_event(&w, EV_START, "p2");
	assert_state(&w, "p2", SERVICE_BLOCKED);
	assert_int_equal(core_blocks(w.core, core_find(w.core, "p2"), blocks, 4), 2);
	assert_int_equal(blocks[1].port, 443);
	world_exit(&w, "p1", 0, 9); /* in its restart delay it holds no port */
	assert_state(&w, "p2", SERVICE_RUNNING);
	world_advance(&w, 1 * SEC);
	assert_state(&w, "p1", SERVICE_BLOCKED);
	world_fini(&w);
}

static void targets(void **state)
{
	struct world w;
	struct service_policy t = world_policy();
	struct service_policy p = world_policy();

	(void)state;
	world_init(&w);
	t.target = true;
	p.restart = RESTART_NEVER;
	(void)world_add_deps(&w, "b", p, "requires:t");
	(void)world_add_deps(&w, "t", t, "requires:m1 requires:m2");
	(void)world_add_deps(&w, "m1", p, NULL);
	(void)world_add_deps(&w, "m2", p, NULL);
	world_event(&w, EV_START, "b");
	assert_state(&w, "t", SERVICE_RUNNING);
	assert_state(&w, "b", SERVICE_RUNNING);
	world_exit(&w, "m2", 3, 0);
	assert_state(&w, "t", SERVICE_FAILED);
	assert_string_equal(core_failure(w.core, core_find(w.core, "t")).name, "m2");
	world_event(&w, EV_START, "m2");
	assert_state(&w, "t", SERVICE_RUNNING);
	world_event(&w, EV_STOP, "t");
	assert_state(&w, "b", SERVICE_STOPPING);
	world_stopped(&w, "b");
	assert_state(&w, "t", SERVICE_INACTIVE);
	assert_state(&w, "m1", SERVICE_RUNNING);
	world_fini(&w);
}

static void status_and_tree(void **state)
{
	struct world w;
	struct service_policy p = world_policy();

	(void)state;
	world_init(&w);
	p.status = STATUS_IGNORE;
	(void)world_add_deps(&w, "dep", p, NULL);
	(void)world_add_deps(&w, "soft", p, NULL);
	(void)world_add_deps(&w, "top", world_policy(), "requires:dep wants:soft");
	load_all(&w);
	assert_state(&w, "dep", SERVICE_INACTIVE);
	assert_state(&w, "top", SERVICE_BLOCKED);
	assert_true(core_is_settled(w.core, core_find(w.core, "top")));
	world_send(&w, (struct core_event){ .kind = EV_START, .id = core_find(w.core, "top"), .rule = RULE_ASKED,
					    .tree = true });
	assert_state(&w, "dep", SERVICE_RUNNING);
	assert_state(&w, "soft", SERVICE_RUNNING);
	assert_state(&w, "top", SERVICE_RUNNING);
	/* ignore: no automatic restart */
	world_exit(&w, "dep", 1, 0);
	assert_int_equal(core_next_start(w.core, core_find(w.core, "dep")), 0);
	world_fini(&w);
}

static void shutdown_goes_by_levels(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	(void)world_add_deps(&w, "a", world_policy(), NULL);
	(void)world_add_deps(&w, "b1", world_policy(), "requires:a");
	(void)world_add_deps(&w, "b2", world_policy(), "after:a");
	(void)world_add_deps(&w, "alone", world_policy(), NULL);
	(void)world_add_deps(&w, "crashed", world_policy(), NULL);
	load_all(&w);
	world_exit(&w, "crashed", 1, 0);
	world_send(&w, (struct core_event){ .kind = EV_SHUTDOWN, .id = CORE_NONE, .deadline = w.now + 60 * SEC });
	assert_state(&w, "crashed", SERVICE_INACTIVE);
	assert_state(&w, "b1", SERVICE_STOPPING);
	assert_state(&w, "b2", SERVICE_STOPPING);
	assert_state(&w, "alone", SERVICE_STOPPING);
	assert_state(&w, "a", SERVICE_RUNNING);
	assert_int_equal(world_event(&w, EV_START, "crashed"), -ESHUTDOWN);
	world_stopped(&w, "b1");
	world_stopped(&w, "b2");
	assert_state(&w, "a", SERVICE_STOPPING);
	world_stopped(&w, "alone");
	assert_int_equal(world_count(&w, EFFECT_SHUTDOWN_DONE, NULL), 0);
	world_stopped(&w, "a");
	assert_int_equal(world_count(&w, EFFECT_SHUTDOWN_DONE, NULL), 1);
	world_fini(&w);
}

static void shutdown_deadline_kills_the_rest(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	(void)world_add_deps(&w, "a", world_policy(), NULL);
	(void)world_add_deps(&w, "b", world_policy(), "requires:a");
	load_all(&w);
	world_send(&w, (struct core_event){ .kind = EV_SHUTDOWN, .id = CORE_NONE, .deadline = w.now + 1 * SEC });
	w.now += 1 * SEC;
	world_send(&w, (struct core_event){ .kind = EV_TIMER, .id = CORE_NONE, .timer = TIMER_SHUTDOWN });
	assert_int_equal(world_count(&w, EFFECT_KILL_ALL, "a"), 1);
	assert_int_equal(world_count(&w, EFFECT_KILL_ALL, "b"), 1);
	world_advance(&w, 5 * SEC); /* nobody answers: that ends too */
	assert_int_equal(world_count(&w, EFFECT_SHUTDOWN_DONE, NULL), 1);
	world_fini(&w);
}

/* Acceptance 14. */
static void cycles_are_named(void **state)
{
	struct world w;
	char chain[128] = "";
	struct error err;
	struct policy_dep dep = { .kind = DEP_REQUIRES, .name = "c" };
	struct service_policy p = world_policy();

	(void)state;
	world_init(&w);
	(void)world_add_deps(&w, "a", world_policy(), "requires:b");
	(void)world_add_deps(&w, "b", world_policy(), "after:c wants:a");
	(void)world_add_deps(&w, "c", world_policy(), "requires:d");
	(void)world_add_deps(&w, "d", world_policy(), NULL);
	assert_int_equal(core_find_cycle(w.core, chain, sizeof(chain)), CORE_NONE);
	p.deps = &dep;
	p.deps_n = 1;
	dep.name = "a";
	assert_int_equal(core_update(w.core, core_find(w.core, "d"), &p, w.now, &err), -ELOOP);
	assert_string_equal(err.msg, "cyclic dependency detected: d -> a -> b -> c -> d");
	assert_true(core_would_cycle(w.core, "d", &p, chain, sizeof(chain)));
	dep.name = "new";
	assert_true(core_would_cycle(w.core, "new", &p, chain, sizeof(chain)));
	assert_string_equal(chain, "new -> new");
	(void)world_add_deps(&w, "x", world_policy(), "requires:y");
	(void)world_add_deps(&w, "y", world_policy(), "requires:x");
	assert_int_not_equal(core_find_cycle(w.core, chain, sizeof(chain)), CORE_NONE);
	assert_string_equal(chain, "x -> y -> x");
	load_all(&w); /* they wait for each other, nothing hangs */
	assert_state(&w, "x", SERVICE_BLOCKED);
	assert_state(&w, "a", SERVICE_RUNNING);
	world_fini(&w);
}

/* Acceptance 15. */
static void update_keeps_the_process(void **state)
{
	struct world w;
	struct service_policy p = world_policy();
	struct error err;
	struct effects fx;

	(void)state;
	world_init(&w);
	(void)world_add_deps(&w, "x", p, NULL);
	world_event(&w, EV_START, "x");
	p.restart = RESTART_NEVER;
	assert_int_equal(core_update(w.core, 0, &p, w.now, &err), 0);
	core_continue(w.core, w.now, &fx);
	assert_int_equal(fx.n, 0);
	assert_int_equal(world_record(&w, "x")->pid, 1001);
	world_exit(&w, "x", 1, 0);
	assert_int_equal(core_next_start(w.core, 0), 0);
	world_fini(&w);
}

static void remove_and_reuse(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	(void)world_add_deps(&w, "a", world_policy(), NULL);
	(void)world_add_deps(&w, "b", world_policy(), "requires:a");
	load_all(&w);
	assert_int_equal(core_remove(w.core, 0, w.now), -EBUSY);
	world_event(&w, EV_STOP, "b");
	world_stopped(&w, "b");
	world_event(&w, EV_STOP, "a");
	world_stopped(&w, "a");
	assert_int_equal(core_remove(w.core, 0, w.now), 0);
	assert_int_equal(core_find(w.core, "a"), CORE_NONE);
	world_event(&w, EV_START, "b");
	assert_int_equal(core_failure(w.core, 1).kind, FAILURE_MISSING);
	assert_int_equal(world_add_deps(&w, "z", world_policy(), NULL), 0);
	world_fini(&w);
}

static void thousands_fit_the_effect_list(void **state)
{
	struct world *w = malloc(sizeof(*w));
	size_t stopping = 0;

	(void)state;
	assert_non_null(w);
	world_init(w);
	(void)world_add_deps(w, "hub", world_policy(), NULL);
	for (int i = 0; i < 600; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "n%d", i);
		(void)world_add_deps(w, name, world_policy(), "requires:hub");
	}
	load_all(w);
	world_forget(w);
	world_event(w, EV_STOP, "hub");
	for (uint32_t id = 1; id <= 600; id++)
		stopping += core_state(w->core, id) == SERVICE_STOPPING;
	assert_int_equal(stopping, 600);
	assert_state(w, "hub", SERVICE_RUNNING);
	assert_int_equal(world_count(w, EFFECT_STOP_BEGIN, NULL), 600);
	world_fini(w);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dependent_starts_once_after_recovery),
		cmocka_unit_test(stop_cascades_in_order),
		cmocka_unit_test(restart_takes_dependents_along),
		cmocka_unit_test(missing_and_failed_dependencies),
		cmocka_unit_test(crash_policies),
		cmocka_unit_test(after_is_order_only),
		cmocka_unit_test(conflicts_both_ways_and_ports),
		cmocka_unit_test(targets),
		cmocka_unit_test(status_and_tree),
		cmocka_unit_test(shutdown_goes_by_levels),
		cmocka_unit_test(shutdown_deadline_kills_the_rest),
		cmocka_unit_test(cycles_are_named),
		cmocka_unit_test(update_keeps_the_process),
		cmocka_unit_test(remove_and_reuse),
		cmocka_unit_test(thousands_fit_the_effect_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
