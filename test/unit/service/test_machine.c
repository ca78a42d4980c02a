/* SPDX-License-Identifier: Apache-2.0 */
/* One service: start, stop, time-outs, restarts, failures. */
#include "world.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "service/why.h"

static void start_and_stop(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	(void)world_add_deps(&w, "web", world_policy(), NULL);
	assert_state(&w, "web", SERVICE_INACTIVE);
	assert_int_equal(world_event(&w, EV_START, "web"), 0);
	assert_state(&w, "web", SERVICE_RUNNING);
	assert_int_equal(world_event(&w, EV_START, "web"), -EALREADY);
	assert_int_equal(world_event(&w, EV_STOP, "web"), 0);
	assert_state(&w, "web", SERVICE_STOPPING);
	/* the leader is gone, a child is not: still stopping */
	world_exit(&w, "web", 0, SIGTERM);
	assert_state(&w, "web", SERVICE_STOPPING);
	assert_int_equal(world_count(&w, EFFECT_CLEANUP_CHECK, "web"), 1);
	world_event(&w, EV_GONE, "web");
	assert_state(&w, "web", SERVICE_EXITED);
	world_advance(&w, 3600 * SEC);
	assert_int_equal(world_count(&w, EFFECT_SPAWN, "web"), 1);
	world_fini(&w);
}

static void stop_timeout_kills_and_next_start_works(void **state)
{
	struct world w;
	struct service_policy p = world_policy();

	(void)state;
	world_init(&w);
	p.stop_timeout = 1 * SEC;
	(void)world_add(&w, "deaf", &p);
	world_event(&w, EV_START, "deaf");
	world_event(&w, EV_STOP, "deaf");
	world_advance(&w, 999 * MS);
	assert_int_equal(world_count(&w, EFFECT_KILL_ALL, "deaf"), 0);
	world_advance(&w, 1 * MS);
	assert_int_equal(world_count(&w, EFFECT_KILL_ALL, "deaf"), 1);
	world_exit(&w, "deaf", 0, SIGKILL);
	world_event(&w, EV_GONE, "deaf");
	assert_state(&w, "deaf", SERVICE_FAILED);
	assert_int_equal(core_failure(w.core, 0).kind, FAILURE_STOP_TIMEOUT);
	world_event(&w, EV_START, "deaf");
	assert_state(&w, "deaf", SERVICE_RUNNING);
	world_fini(&w);
}

static void survivors_end_the_stop(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	(void)world_add_deps(&w, "d", world_policy(), NULL);
	world_event(&w, EV_START, "d");
	world_event(&w, EV_STOP, "d");
	world_advance(&w, 10 * SEC);
	assert_state(&w, "d", SERVICE_STOPPING);
	world_event(&w, EV_SURVIVORS, "d");
	assert_state(&w, "d", SERVICE_FAILED);
	assert_true(world_record(&w, "d")->flags & RECORD_SURVIVORS);
	world_fini(&w);
}

/* Acceptance 6. */
static void max_restarts_is_exact(void **state)
{
	struct world w;
	struct service_policy p = world_policy();

	(void)state;
	world_init(&w);
	p.max_restarts = 3;
	(void)world_add(&w, "x", &p);
	world_event(&w, EV_START, "x");
	for (int i = 0; i < 3; i++) {
		world_exit(&w, "x", 1, 0);
		assert_state(&w, "x", SERVICE_FAILED);
		assert_int_not_equal(core_next_start(w.core, 0), 0);
		world_advance(&w, 100 * SEC);
		assert_state(&w, "x", SERVICE_RUNNING);
	}
	/* 100 s of running is stable, so that the count is zero again: end at once to use it up */
	world_exit(&w, "x", 1, 0);
	for (int i = 0; i < 3; i++) {
		w.now = world_record(&w, "x")->deadline;
		world_advance(&w, 0);
		assert_state(&w, "x", SERVICE_RUNNING);
		world_exit(&w, "x", 1, 0);
	}
	assert_state(&w, "x", SERVICE_FAILED);
	assert_int_equal(core_next_start(w.core, 0), 0);
	assert_true(core_failure(w.core, 0).gave_up);
	assert_int_equal(core_failure(w.core, 0).kind, FAILURE_EXIT_CODE);
	assert_int_equal(core_failure(w.core, 0).code, 1);
	world_forget(&w);
	world_advance(&w, 3600 * SEC);
	assert_int_equal(world_count(&w, EFFECT_SPAWN, "x"), 0);
	/* by hand: at once, and the count begins anew */
	world_event(&w, EV_START, "x");
	assert_state(&w, "x", SERVICE_RUNNING);
	assert_int_equal(world_record(&w, "x")->tries, 0);
	world_exit(&w, "x", 1, 0);
	assert_int_not_equal(core_next_start(w.core, 0), 0);
	world_fini(&w);
}

/* Acceptance 7 and 8: doubling, cap, reset after a stable run. */
static void delays_double_and_reset(void **state)
{
	static const usec_t expected[] = { 1, 2, 4, 8, 16, 32, 60, 60 };
	struct world w;

	(void)state;
	world_init(&w);
	(void)world_add_deps(&w, "x", world_policy(), NULL);
	world_event(&w, EV_START, "x");
	for (size_t i = 0; i < 8; i++) {
		world_exit(&w, "x", 1, 0);
		assert_int_equal(core_next_start(w.core, 0) - w.now, expected[i] * SEC);
		world_advance(&w, expected[i] * SEC);
		assert_state(&w, "x", SERVICE_RUNNING);
	}
	world_advance(&w, 10 * SEC);
	world_exit(&w, "x", 1, 0);
	assert_int_equal(core_next_start(w.core, 0) - w.now, 1 * SEC);
	world_fini(&w);
}

static void jitter_stays_within_bounds(void **state)
{
	struct world w;
	struct service_policy p = world_policy();
	usec_t least = USEC_NEVER;
	usec_t most = 0;

	(void)state;
	world_init(&w);
	p.jitter_permille = 100;
	p.restart_delay = p.restart_delay_max = 0;
	p.restart_delay = 10 * SEC;
	p.restart_delay_max = 20 * SEC;
	for (int i = 0; i < 200; i++) {
		char name[16];
		usec_t delay;

		(void)snprintf(name, sizeof(name), "s%d", i);
		(void)world_add(&w, name, &p);
		world_event(&w, EV_START, name);
		world_exit(&w, name, 1, 0);
		delay = core_next_start(w.core, core_find(w.core, name)) - w.now;
		least = delay < least ? delay : least;
		most = delay > most ? delay : most;
		world_forget(&w);
	}
	assert_in_range(least, 9 * SEC, 9500 * MS);
	assert_in_range(most, 10500 * MS, 11 * SEC);
	world_fini(&w);
}

/* Acceptance 9. */
static void stop_in_backoff_is_at_once(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	(void)world_add_deps(&w, "x", world_policy(), NULL);
	world_event(&w, EV_START, "x");
	world_exit(&w, "x", 1, 0);
	assert_int_equal(world_event(&w, EV_STOP, "x"), 0);
	assert_state(&w, "x", SERVICE_INACTIVE);
	world_forget(&w);
	world_advance(&w, 3600 * SEC);
	assert_int_equal(world_count(&w, EFFECT_SPAWN, NULL), 0);
	world_fini(&w);
}

static void any_order_of_wishes_ends_with_the_last(void **state)
{
	(void)state;
	for (unsigned int pattern = 0; pattern < 256; pattern++) {
		struct world w;

		world_init(&w);
		w.auto_spawn = false;
		(void)world_add_deps(&w, "x", world_policy(), NULL);
		world_event(&w, EV_START, "x"); /* its spawn is pending all the while */
		for (unsigned int i = 0; i < 8; i++)
			world_event(&w, pattern >> i & 1 ? EV_START : EV_STOP, "x");
		assert_int_equal(world_count(&w, EFFECT_SPAWN, "x"), 1);
		w.auto_spawn = true;
		world_event(&w, EV_SPAWNED, "x");
		if (world_state(&w, "x") == SERVICE_STOPPING)
			world_stopped(&w, "x");
		assert_state(&w, "x", pattern & 128 ? SERVICE_RUNNING : SERVICE_EXITED);
		world_fini(&w);
	}
}

/* Acceptance 10 and 11. */
static void spawn_errors(void **state)
{
	struct world w;
	struct core_event failed = { .kind = EV_SPAWN_FAILED, .id = 0, .run = 1, .stage = 3, .error = ENOENT };

	(void)state;
	world_init(&w);
	w.auto_spawn = false;
	(void)world_add_deps(&w, "x", world_policy(), NULL);
	world_event(&w, EV_START, "x");
	world_send(&w, failed);
	assert_state(&w, "x", SERVICE_FAILED);
	assert_int_equal(core_failure(w.core, 0).kind, FAILURE_SPAWN);
	assert_int_equal(core_failure(w.core, 0).error, ENOENT);
	assert_int_equal(core_failure(w.core, 0).stage, 3);
	world_forget(&w);
	world_advance(&w, 3600 * SEC);
	assert_int_equal(world_count(&w, EFFECT_SPAWN, NULL), 0);

	world_event(&w, EV_START, "x");
	for (int i = 0; i < 20; i++) {
		failed.run = world_record(&w, "x")->run;
		failed.error = EAGAIN;
		failed.transient = true;
		world_send(&w, failed);
		assert_int_not_equal(core_next_start(w.core, 0), 0);
		world_advance(&w, core_next_start(w.core, 0) - w.now);
		assert_state(&w, "x", SERVICE_STARTING);
	}
	assert_int_equal(world_record(&w, "x")->tries, 0);
	world_fini(&w);
}

/* The shell that was to run the command says that it can't: as permanent as an exec that failed. */
static void shell_spawn_errors(void **state)
{
	static const struct {
		int code, error;
		const char *text;
	} cases[] = {
		{ 127, ENOENT, "spawn error: command not found (exit code 127 of the shell)" },
		{ 126, EACCES, "spawn error: command not executable (exit code 126 of the shell)" },
	};
	char text[WHY_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct world w;

		world_init(&w);
		(void)world_add_deps(&w, "x", world_policy(), NULL);
		world_event(&w, EV_START, "x");
		world_send(&w, (struct core_event){ .kind = EV_EXITED, .run = 1, .code = cases[i].code,
						    .error = cases[i].error });
		assert_state(&w, "x", SERVICE_FAILED);
		assert_string_equal(failure_name(core_failure(w.core, 0).kind), "spawn_error");
		assert_int_equal(core_failure(w.core, 0).error, cases[i].error);
		core_failure_text(w.core, 0, text, sizeof(text));
		assert_string_equal(text, cases[i].text);
		assert_int_equal(world_record(&w, "x")->tries, 0);
		world_forget(&w);
		world_advance(&w, 3600 * SEC);
		assert_int_equal(world_count(&w, EFFECT_SPAWN, NULL), 0);
		/* an ordinary exit with that code is an ordinary failure */
		world_event(&w, EV_START, "x");
		world_exit(&w, "x", cases[i].code, 0);
		assert_int_equal(core_failure(w.core, 0).kind, FAILURE_EXIT_CODE);
		assert_int_not_equal(core_next_start(w.core, 0), 0);
		world_fini(&w);
	}
}

/* A stop that waits for dependents must not see a process appear meanwhile. */
static void pre_start_that_ends_while_going_down_spawns_nothing(void **state)
{
	struct world w;
	struct service_policy p = world_policy();

	(void)state;
	world_init(&w);
	(void)world_add_deps(&w, "b", p, "after:a");
	p.has_pre_start = true;
	p.has_post_stop = true;
	(void)world_add(&w, "a", &p);
	world_event(&w, EV_START, "b");
	assert_state(&w, "b", SERVICE_BLOCKED);
	world_event(&w, EV_START, "a");
	assert_state(&w, "b", SERVICE_RUNNING);
	world_event(&w, EV_STOP, "b");
	world_event(&w, EV_STOP, "a");
	assert_state(&w, "a", SERVICE_STARTING);
	world_forget(&w);
	world_event(&w, EV_PRE_START_DONE, "a");
	assert_state(&w, "a", SERVICE_STOPPING);
	assert_int_equal(world_count(&w, EFFECT_SPAWN, "a"), 0);
	world_event(&w, EV_GONE, "a");
	assert_int_equal(world_count(&w, EFFECT_RUN_POST_STOP, "a"), 1);
	world_event(&w, EV_POST_STOP_DONE, "a");
	assert_state(&w, "a", SERVICE_EXITED);
	world_stopped(&w, "b");
	world_fini(&w);
}

/* Acceptance 19. */
static void start_timeout_is_a_failure(void **state)
{
	struct world w;
	struct service_policy p = world_policy();

	(void)state;
	world_init(&w);
	p.has_readiness = true;
	(void)world_add(&w, "slow", &p);
	world_event(&w, EV_START, "slow");
	assert_state(&w, "slow", SERVICE_STARTING);
	assert_int_equal(world_count(&w, EFFECT_PROBE_START, "slow"), 1);
	world_advance(&w, 30 * SEC);
	assert_state(&w, "slow", SERVICE_STOPPING);
	world_stopped(&w, "slow");
	assert_state(&w, "slow", SERVICE_FAILED);
	assert_int_equal(core_failure(w.core, 0).kind, FAILURE_START_TIMEOUT);
	assert_int_equal(world_record(&w, "slow")->tries, 1);
	world_advance(&w, 1 * SEC);
	world_event(&w, EV_READY, "slow");
	assert_state(&w, "slow", SERVICE_RUNNING);
	world_fini(&w);
}

static void health_policies(void **state)
{
	for (int on = 0; on < HEALTH_N; on++) {
		struct world w;
		struct service_policy p = world_policy();
		struct core_event sick = { .kind = EV_HEALTH, .id = 0, .run = 1, .attempts = 3 };

		(void)state;
		world_init(&w);
		p.has_readiness = true;
		p.on_health = (enum policy_on_health)on;
		(void)world_add(&w, "h", &p);
		world_event(&w, EV_START, "h");
		world_event(&w, EV_READY, "h");
		world_send(&w, sick);
		if (on == HEALTH_MARK) {
			assert_state(&w, "h", SERVICE_RUNNING);
			assert_true(world_record(&w, "h")->flags & RECORD_UNHEALTHY);
			sick.ok = true;
			world_send(&w, sick);
			assert_false(world_record(&w, "h")->flags & RECORD_UNHEALTHY);
		} else {
			world_stopped(&w, "h");
			assert_int_equal(core_failure(w.core, 0).kind, FAILURE_HEALTH);
			assert_int_equal(core_failure(w.core, 0).attempts, 3);
			assert_int_equal(core_next_start(w.core, 0) != 0, on == HEALTH_RESTART);
		}
		world_fini(&w);
	}
}

/* Before it was ever ready: "restart" tries again, "stop" ends it for good. */
static void health_before_readiness(void **state)
{
	for (int on = 0; on < HEALTH_N; on++) {
		struct world w;
		struct service_policy p = world_policy();

		(void)state;
		if (on == HEALTH_MARK)
			continue; /* the shell does not tell of such a check */
		world_init(&w);
		p.has_readiness = p.critical = true;
		p.on_health = (enum policy_on_health)on;
		(void)world_add(&w, "h", &p);
		world_event(&w, EV_START, "h");
		world_send(&w, (struct core_event){ .kind = EV_HEALTH, .id = 0, .run = 1, .attempts = 3 });
		assert_state(&w, "h", SERVICE_STOPPING);
		world_stopped(&w, "h");
		assert_state(&w, "h", SERVICE_FAILED);
		assert_int_equal(core_failure(w.core, 0).kind, FAILURE_HEALTH);
		assert_int_equal(world_record(&w, "h")->wish, on == HEALTH_STOP ? WISH_DOWN : WISH_UP);
		assert_int_equal(core_next_start(w.core, 0) != 0, on == HEALTH_RESTART);
		assert_true(core_is_settled(w.core, 0) == (on == HEALTH_STOP));
		/* a start by hand begins anew */
		world_event(&w, EV_START, "h");
		assert_state(&w, "h", SERVICE_STARTING);
		world_fini(&w);
	}
}

static void oneshot_and_policies(void **state)
{
	struct world w;
	struct service_policy p = world_policy();

	(void)state;
	world_init(&w);
	p.oneshot = true;
	(void)world_add(&w, "once", &p);
	world_event(&w, EV_START, "once");
	assert_state(&w, "once", SERVICE_STARTING);
	assert_false(core_is_satisfied(w.core, 0));
	world_advance(&w, 3600 * SEC); /* no start time-out */
	assert_state(&w, "once", SERVICE_STARTING);
	world_exit(&w, "once", 0, 0);
	assert_state(&w, "once", SERVICE_EXITED);
	assert_true(core_is_satisfied(w.core, 0));
	world_advance(&w, 3600 * SEC);
	assert_state(&w, "once", SERVICE_EXITED);
	world_fini(&w);
}

static void pre_start_and_post_stop(void **state)
{
	struct world w;
	struct service_policy p = world_policy();

	(void)state;
	world_init(&w);
	p.has_pre_start = p.has_post_stop = true;
	(void)world_add(&w, "x", &p);
	world_event(&w, EV_START, "x");
	assert_int_equal(world_count(&w, EFFECT_RUN_PRE_START, "x"), 1);
	assert_int_equal(world_count(&w, EFFECT_SPAWN, "x"), 0);
	world_event(&w, EV_PRE_START_DONE, "x");
	assert_state(&w, "x", SERVICE_RUNNING);
	world_exit(&w, "x", 2, 0);
	assert_state(&w, "x", SERVICE_STOPPING);
	assert_int_equal(world_count(&w, EFFECT_RUN_POST_STOP, "x"), 1);
	world_event(&w, EV_POST_STOP_DONE, "x");
	assert_state(&w, "x", SERVICE_FAILED);
	world_advance(&w, 1 * SEC);
	world_send(&w, (struct core_event){ .kind = EV_PRE_START_FAILED, .id = 0, .run = 2, .code = 5 });
	assert_state(&w, "x", SERVICE_FAILED);
	assert_int_equal(core_failure(w.core, 0).code, 5);
	assert_int_not_equal(core_next_start(w.core, 0), 0);
	world_fini(&w);
}

static void leftovers_go_with_the_stop(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	(void)world_add_deps(&w, "x", world_policy(), NULL);
	world_event(&w, EV_START, "x");
	world_send(&w, (struct core_event){ .kind = EV_EXITED, .id = 0, .run = 1, .code = 1, .leftovers = true });
	assert_state(&w, "x", SERVICE_FAILED);
	assert_int_equal(world_count(&w, EFFECT_STOP_BEGIN, "x"), 0);
	world_event(&w, EV_STOP, "x");
	assert_state(&w, "x", SERVICE_STOPPING);
	assert_int_equal(world_count(&w, EFFECT_STOP_BEGIN, "x"), 1);
	world_event(&w, EV_GONE, "x");
	assert_int_equal(world_record(&w, "x")->wish, WISH_DOWN);
	world_fini(&w);
}

static void foreign_processes_block(void **state)
{
	struct world w;
	struct service_policy p = world_policy();
	struct core_event answer = { .kind = EV_FILTERS, .id = 0 };
	struct block block;

	(void)state;
	world_init(&w);
	p.has_filters = true;
	(void)world_add(&w, "x", &p);
	world_event(&w, EV_START, "x");
	world_send(&w, answer);
	assert_state(&w, "x", SERVICE_BLOCKED);
	assert_int_equal(core_blocks(w.core, 0, &block, 1), 1);
	assert_int_equal(block.kind, BLOCK_PROCESS);
	world_advance(&w, 1 * SEC);
	assert_int_equal(world_count(&w, EFFECT_CHECK_FILTERS, "x"), 2);
	answer.ok = true;
	world_send(&w, answer);
	assert_state(&w, "x", SERVICE_RUNNING);
	world_fini(&w);
}

static void late_and_wrong_events(void **state)
{
	struct world w;
	const char *text;

	(void)state;
	world_init(&w);
	(void)world_add_deps(&w, "x", world_policy(), NULL);
	world_event(&w, EV_START, "x");
	assert_int_equal(world_send(&w, (struct core_event){ .kind = EV_EXITED, .id = 0, .run = 7 }), -ESTALE);
	assert_int_equal(world_send(&w, (struct core_event){ .kind = EV_TIMER, .id = 0, .timer = TIMER_STOP }), -ESTALE);
	assert_int_equal(world_event(&w, EV_START, "x"), -EALREADY);
	assert_int_equal(world_send(&w, (struct core_event){ .kind = EV_STOP, .id = 99 }), -ENOENT);
	assert_int_equal(core_bugs(w.core, &text), 0);
	assert_int_equal(world_event(&w, EV_GONE, "x"), -EPROTO);
	assert_int_equal(core_bugs(w.core, &text), 1);
	assert_string_equal(text, "x: GONE in running is not expected");
	assert_state(&w, "x", SERVICE_RUNNING);
	core_free(w.core);
}

static void critical_failure_is_told_once(void **state)
{
	struct world w;
	struct service_policy p = world_policy();

	(void)state;
	world_init(&w);
	p.critical = true;
	p.restart = RESTART_NEVER;
	(void)world_add(&w, "x", &p);
	world_event(&w, EV_START, "x");
	world_exit(&w, "x", 7, 0);
	assert_int_equal(world_count(&w, EFFECT_CRITICAL_FAILED, "x"), 1);
	for (size_t i = 0; i < w.log_n; i++) {
		if (w.log[i].kind == EFFECT_CRITICAL_FAILED)
			assert_int_equal(w.log[i].code, 7);
	}
	world_event(&w, EV_START, "x");
	world_event(&w, EV_STOP, "x");
	world_stopped(&w, "x");
	assert_int_equal(world_count(&w, EFFECT_CRITICAL_FAILED, "x"), 1);
	world_fini(&w);
}

/* zinit 0.3.9 makes it inactive too; what it left behind is ended first. */
static void what_has_failed_is_inactive_once_it_is_stopped(void **state)
{
	struct world w;
	struct service_policy p = world_policy();

	(void)state;
	world_init(&w);
	p.restart = RESTART_NEVER;
	(void)world_add(&w, "plain", &p);
	(void)world_add(&w, "parent", &p);
	(void)world_event(&w, EV_START, "plain");
	(void)world_event(&w, EV_START, "parent");
	(void)world_exit(&w, "plain", 3, 0);
	(void)world_send(&w, (struct core_event){ .kind = EV_EXITED, .id = core_find(w.core, "parent"), .run = 1, .code = 3,
						  .leftovers = true });
	assert_state(&w, "plain", SERVICE_FAILED);
	(void)world_event(&w, EV_STOP, "plain");
	assert_state(&w, "plain", SERVICE_INACTIVE);
	(void)world_event(&w, EV_STOP, "parent");
	assert_state(&w, "parent", SERVICE_STOPPING);
	(void)world_event(&w, EV_GONE, "parent");
	assert_state(&w, "parent", SERVICE_INACTIVE);
	assert_int_equal(world_record(&w, "parent")->timer, TIMER_NONE);
	/* and it starts, and ends, as ever */
	(void)world_event(&w, EV_START, "parent");
	(void)world_event(&w, EV_STOP, "parent");
	world_stopped(&w, "parent");
	assert_state(&w, "parent", SERVICE_EXITED);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(start_and_stop),
		cmocka_unit_test(stop_timeout_kills_and_next_start_works),
		cmocka_unit_test(survivors_end_the_stop),
		cmocka_unit_test(max_restarts_is_exact),
		cmocka_unit_test(delays_double_and_reset),
		cmocka_unit_test(jitter_stays_within_bounds),
		cmocka_unit_test(stop_in_backoff_is_at_once),
		cmocka_unit_test(any_order_of_wishes_ends_with_the_last),
		cmocka_unit_test(spawn_errors),
		cmocka_unit_test(shell_spawn_errors),
		cmocka_unit_test(pre_start_that_ends_while_going_down_spawns_nothing),
		cmocka_unit_test(start_timeout_is_a_failure),
		cmocka_unit_test(health_policies),
		cmocka_unit_test(health_before_readiness),
		cmocka_unit_test(oneshot_and_policies),
		cmocka_unit_test(pre_start_and_post_stop),
		cmocka_unit_test(leftovers_go_with_the_stop),
		cmocka_unit_test(foreign_processes_block),
		cmocka_unit_test(late_and_wrong_events),
		cmocka_unit_test(critical_failure_is_told_once),
		cmocka_unit_test(what_has_failed_is_inactive_once_it_is_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
