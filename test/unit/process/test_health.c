/* SPDX-License-Identifier: Apache-2.0 */
/* Tests: when checks are asked and what their answers add up to; the test itself is the service. */
#include "../testing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "loop/loop.h"
#include "process/health.h"

#define MS USEC_PER_MSEC
#define CHECKS_MAX 4
#define PATIENCE (20 * USEC_PER_SEC)

struct world;

struct fake {
	struct probe base;
	struct world *world;
	size_t check;
};

struct world {
	struct loop *loop;
	struct health *health;
	struct fake *asked[CHECKS_MAX]; /* NULL: no probe under way */
	unsigned int asks[CHECKS_MAX];
	unsigned int cancels;
	unsigned int ready;
	unsigned int changes;
	bool last_healthy;
	unsigned int last_attempts;
	struct probe_result last_result;
	bool free_in_callback;
	bool refuse;
	int commands[CHECKS_MAX]; /* their addresses are the checks' commands */
};

static const struct probe_result good = { .error = PROBE_OK };
static const struct probe_result bad = { .error = PROBE_EXIT_CODE, .value = 3, .text = "the command exited with code 3" };

static void cancel(struct probe *probe)
{
	struct fake *f = CONTAINER_OF(probe, struct fake, base);

	f->world->cancels++;
	f->world->asked[f->check] = NULL;
	free(f);
}

static struct probe *start(const void *command, usec_t timeout, probe_fn fn, void *fn_data, void *data)
{
	struct world *w = data;
	size_t check = (size_t)((const int *)command - w->commands);
	struct fake *f = calloc(1, sizeof(*f));

	(void)timeout;
	w->asks[check]++;
	if (w->refuse) {
		free(f);
		errno = EMFILE;
		return NULL;
	}
	assert_non_null(f);
	assert_null(w->asked[check]); /* never two at a time */
	*f = (struct fake){ .base = { cancel, fn, fn_data }, .world = w, .check = check };
	w->asked[check] = f;
	return &f->base;
}

static void maybe_free(struct world *w)
{
	if (!w->free_in_callback)
		return;
	health_free(w->health);
	w->health = NULL;
}

static void on_ready(void *data)
{
	struct world *w = data;

	w->ready++;
	maybe_free(w);
}

static void on_change(size_t check, bool healthy, unsigned int attempts, const struct probe_result *result, void *data)
{
	struct world *w = data;

	(void)check;
	w->changes++;
	w->last_healthy = healthy;
	w->last_attempts = attempts;
	w->last_result = *result;
	maybe_free(w);
}

static void begin(struct world *w, struct health_check *checks, size_t n, bool ready)
{
	struct health_env env = {
		.loop = w->loop,
		.started_at = loop_now(w->loop),
		.ready = ready,
		.exec = start,
		.on_ready = on_ready,
		.on_change = on_change,
		.data = w,
	};

	for (size_t i = 0; i < n; i++)
		checks[i].command = &w->commands[i];
	w->health = health_new(&env, checks, n);
	assert_non_null(w->health);
}

static struct health_check check_of(usec_t interval, unsigned int retries)
{
	return (struct health_check){ .type = HEALTH_EXEC, .timeout = USEC_PER_SEC, .interval = interval, .retries = retries };
}

static void wait_ask(struct world *w, size_t check)
{
	usec_t end = time_boottime() + PATIENCE;

	while (!w->asked[check] && time_boottime() < end)
		assert_int_equal(loop_once(w->loop, 100 * MS), 0);
	assert_non_null(w->asked[check]);
}

static void reply(struct world *w, size_t check, const struct probe_result *result)
{
	struct fake f = *w->asked[check];

	free(w->asked[check]);
	w->asked[check] = NULL;
	f.base.fn(result, f.base.data);
}

static void ask_and_reply(struct world *w, size_t check, const struct probe_result *result)
{
	wait_ask(w, check);
	reply(w, check, result);
}

static void run_for(struct world *w, usec_t span)
{
	usec_t end = time_boottime() + span;

	while (time_boottime() < end)
		assert_int_equal(loop_once(w->loop, MS), 0);
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->loop = loop_new();
	assert_non_null(w->loop);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	health_free(w->health);
	loop_free(w->loop);
	free(w);
	return 0;
}

static void test_ready_then_healthy(void **state)
{
	struct world *w = *state;
	struct health_check c = check_of(USEC_PER_SEC, 1);

	begin(w, &c, 1, false);
	assert_string_equal(health_state(w->health), "unknown");
	ask_and_reply(w, 0, &good);
	assert_int_equal(w->ready, 1);
	assert_string_equal(health_state(w->health), "healthy");
	assert_null(health_last_failure(w->health, NULL));
}

/* Many tries in one interval count as one failure: `retries` means intervals. */
static void test_early_failures_count_once_an_interval(void **state)
{
	struct world *w = *state;
	struct health_check c = check_of(400 * MS, 2);
	usec_t begun = time_boottime();

	begin(w, &c, 1, false);
	while (!w->changes)
		ask_and_reply(w, 0, &bad);
	assert_true(time_boottime() - begun >= 400 * MS);
	assert_true(w->asks[0] > 3);
	assert_false(w->last_healthy);
	assert_int_equal(w->last_attempts, 2);
	assert_string_equal(w->last_result.text, bad.text);
	assert_string_equal(health_state(w->health), "unhealthy");
	/* told once; readiness may come all the same */
	ask_and_reply(w, 0, &bad);
	ask_and_reply(w, 0, &good);
	assert_int_equal(w->changes, 1);
	assert_int_equal(w->ready, 1);
	assert_string_equal(health_state(w->health), "healthy");
}

static void test_start_period_before_readiness(void **state)
{
	struct world *w = *state;
	struct health_check c = check_of(10 * MS, 1);

	c.start_period = 200 * MS;
	begin(w, &c, 1, false);
	for (usec_t end = time_boottime() + 150 * MS; time_boottime() < end;) {
		ask_and_reply(w, 0, &bad);
		assert_int_equal(w->changes, 0);
	}
	while (!w->changes)
		ask_and_reply(w, 0, &bad);
	assert_int_equal(w->last_attempts, 1);
}

static void test_failures_in_a_row(void **state)
{
	struct world *w = *state;
	struct health_check c = check_of(5 * MS, 3);

	begin(w, &c, 1, false);
	ask_and_reply(w, 0, &good);
	for (int i = 0; i < 5; i++) {
		ask_and_reply(w, 0, &bad);
		ask_and_reply(w, 0, &bad);
		assert_int_equal(health_attempts(w->health), 2);
		assert_non_null(health_last_failure(w->health, NULL));
		ask_and_reply(w, 0, &good);
		assert_null(health_last_failure(w->health, NULL));
	}
	assert_int_equal(w->changes, 0);
	for (int i = 0; i < 10; i++)
		ask_and_reply(w, 0, &bad);
	assert_int_equal(w->changes, 1); /* once, not again and again */
	assert_int_equal(w->last_attempts, 3);
	ask_and_reply(w, 0, &good);
	assert_int_equal(w->changes, 2);
	assert_true(w->last_healthy);
	assert_int_equal(w->ready, 1);
}

static void test_all_checks_must_be_ready(void **state)
{
	struct world *w = *state;
	struct health_check c[3] = { check_of(10 * MS, 100), check_of(10 * MS, 100), check_of(10 * MS, 100) };

	begin(w, c, 3, false);
	ask_and_reply(w, 2, &good);
	ask_and_reply(w, 0, &good);
	ask_and_reply(w, 1, &bad);
	assert_int_equal(w->ready, 0);
	ask_and_reply(w, 0, &good); /* is not asked anew: one answer is no news of another */
	assert_string_equal(health_last_failure(w->health, NULL)->text, bad.text);
	ask_and_reply(w, 1, &good);
	assert_int_equal(w->ready, 1);
	assert_null(health_last_failure(w->health, NULL));
}

/* Two fail, the newer one recovers: the older one's error is the last that is left, though it says no more. */
static void test_a_success_hides_no_other_failure(void **state)
{
	static const struct probe_result other = { .error = PROBE_TIMEOUT, .text = "the descriptor was closed" };
	struct world *w = *state;
	struct health_check c[2] = { check_of(10 * MS, 100), check_of(10 * MS, 100) };
	size_t check = SIZE_MAX;

	c[0].type = HEALTH_TOLD;
	begin(w, c, 2, false);
	health_told_trouble(w->health, 0, &other);
	ask_and_reply(w, 1, &bad);
	assert_string_equal(health_last_failure(w->health, &check)->text, bad.text);
	assert_int_equal(check, 1);
	ask_and_reply(w, 1, &good);
	assert_non_null(health_last_failure(w->health, NULL));
	assert_string_equal(health_last_failure(w->health, &check)->text, other.text);
	assert_int_equal(check, 0);
	health_told_ready(w->health, 0);
	assert_null(health_last_failure(w->health, NULL));
}

static void test_adopted_goes_on_with_liveness(void **state)
{
	struct world *w = *state;
	struct health_check c = check_of(5 * MS, 2);

	begin(w, &c, 1, true);
	assert_string_equal(health_state(w->health), "healthy");
	ask_and_reply(w, 0, &bad);
	ask_and_reply(w, 0, &bad);
	assert_int_equal(w->changes, 1);
	assert_int_equal(w->ready, 0);
}

static void test_never_two_at_a_time(void **state)
{
	struct world *w = *state;
	struct health_check c = check_of(2 * MS, 1);

	begin(w, &c, 1, true);
	wait_ask(w, 0);
	run_for(w, 30 * MS);
	assert_int_equal(w->asks[0], 1);
	reply(w, 0, &good);
	wait_ask(w, 0);
	assert_int_equal(w->asks[0], 2);
	health_free(w->health);
	w->health = NULL;
	assert_int_equal(w->cancels, 1);
	run_for(w, 10 * MS);
	assert_int_equal(w->asks[0], 2);
}

static void test_may_be_freed_in_its_callbacks(void **state)
{
	struct world *w = *state;
	struct health_check c[2] = { check_of(2 * MS, 1), check_of(2 * MS, 1) };

	w->free_in_callback = true;
	begin(w, c, 1, false);
	ask_and_reply(w, 0, &good);
	assert_null(w->health);
	begin(w, c, 2, true);
	wait_ask(w, 1);
	ask_and_reply(w, 0, &bad);
	assert_null(w->health);
	assert_int_equal(w->cancels, 1);
}

static void test_probes_that_cannot_start(void **state)
{
	struct world *w = *state;
	struct health_check c = check_of(5 * MS, 3);

	w->refuse = true;
	begin(w, &c, 1, true);
	while (!w->changes)
		assert_int_equal(loop_once(w->loop, 100 * MS), 0);
	assert_int_equal(w->last_result.error, PROBE_UNAVAILABLE);
	assert_int_equal(w->last_result.value, EMFILE);
}

static int by_time(const void *a, const void *b)
{
	const usec_t *x = a;
	const usec_t *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* 64 services that are ready at the same moment, on their own loop's clock. Returns the longest pause of that clock. */
static usec_t ask_all(struct world *w, usec_t interval, usec_t *at, unsigned int n_all)
{
	enum { N = 64 };
	struct health *all[N];
	struct health_check c = check_of(interval, 1);
	unsigned int before = 0;
	usec_t last = loop_now(w->loop);
	usec_t stall = 0;

	assert_int_equal(n_all, N);
	w->asks[0] = 0;
	c.command = &w->commands[0];
	for (uint32_t i = 0; i < N; i++) {
		struct health_env env = { .loop = w->loop, .started_at = 0, .ready = true, .spread = i, .exec = start, .data = w,
					  .on_change = on_change };

		all[i] = health_new(&env, &c, 1);
		assert_non_null(all[i]);
	}
	w->refuse = true; /* only the asking counts */
	while (before < N) {
		assert_int_equal(loop_once(w->loop, 100 * MS), 0);
		stall = MAX(stall, loop_now(w->loop) - last);
		last = loop_now(w->loop);
		for (; before < w->asks[0] && before < N; before++)
			at[before] = last;
	}
	for (int i = 0; i < N; i++)
		health_free(all[i]);
	return stall;
}

/* No two probes of an interval fall together, no large gap. A clock that stood still (a busy machine) proves nothing. */
static void test_spread_over_the_interval(void **state)
{
	enum { N = 64, TRIES = 5 };
	const usec_t interval = 640 * MS;
	usec_t at[N];
	int tries = 0;

	while (ask_all(*state, interval, at, N) > 40 * MS) {
		if (++tries == TRIES)
			print_message("no verdict: the machine is too busy\n");
		if (tries == TRIES)
			return;
	}
	qsort(at, N, sizeof(at[0]), by_time);
	assert_true(at[N - 1] - at[0] > interval * 3 / 4);
	for (int i = 8; i < N; i++)
		assert_true(at[i] - at[i - 8] > 20 * MS); /* eight neighbours need 80 ms when evenly spread */
}

/* --- checks that are told --------------------------------------------------------------------- */

static struct health_check told(usec_t interval, unsigned int retries)
{
	return (struct health_check){ .type = HEALTH_TOLD, .interval = interval, .retries = retries };
}

static void test_told_ready(void **state)
{
	struct world *w = *state;
	struct health_check c[2] = { told(5 * MS, 1), check_of(5 * MS, 1) };

	begin(w, c, 2, false);
	ask_and_reply(w, 1, &good);
	health_told_alive(w->health, 0); /* before it is ready: means nothing */
	health_told_failed(w->health, 0, &bad);
	run_for(w, 20 * MS);
	assert_int_equal(w->ready + w->changes, 0);
	health_told_trouble(w->health, 0, &bad);
	assert_string_equal(health_last_failure(w->health, NULL)->text, bad.text);
	health_told_ready(w->health, 0);
	assert_int_equal(w->ready, 1);
	health_told_ready(w->health, 0);
	health_told_ready(w->health, 1); /* not of that kind */
	health_told_ready(w->health, 9);
	assert_int_equal(w->ready, 1);
}

static void test_told_nothing_is_no_failure(void **state)
{
	struct world *w = *state;
	struct health_check c = told(2 * MS, 1);

	begin(w, &c, 1, false);
	health_told_ready(w->health, 0);
	run_for(w, 30 * MS);
	assert_int_equal(w->changes, 0);
}

static void test_told_alive_then_silent(void **state)
{
	struct world *w = *state;
	struct health_check c = told(10 * MS, 2);
	usec_t last;

	begin(w, &c, 1, true);
	health_told_interval(w->health, 0, 30 * MS);
	for (int i = 0; i < 10; i++) {
		health_told_alive(w->health, 0);
		last = loop_now(w->loop);
		run_for(w, 5 * MS);
	}
	while (!w->changes)
		assert_int_equal(loop_once(w->loop, 100 * MS), 0);
	assert_true(loop_now(w->loop) - last >= 60 * MS);
	assert_int_equal(w->last_result.error, PROBE_TIMEOUT);
	health_told_alive(w->health, 0);
	assert_int_equal(w->changes, 2);
	assert_true(w->last_healthy);
}

static void test_told_failed_is_at_once(void **state)
{
	struct world *w = *state;
	struct health_check c = told(10 * MS, 5);

	begin(w, &c, 1, true);
	health_told_failed(w->health, 0, &bad);
	health_told_failed(w->health, 0, &bad);
	assert_int_equal(w->changes, 1);
	assert_false(w->last_healthy);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ready_then_healthy),
		TEST(test_early_failures_count_once_an_interval),
		TEST(test_start_period_before_readiness),
		TEST(test_failures_in_a_row),
		TEST(test_all_checks_must_be_ready),
		TEST(test_a_success_hides_no_other_failure),
		TEST(test_adopted_goes_on_with_liveness),
		TEST(test_never_two_at_a_time),
		TEST(test_may_be_freed_in_its_callbacks),
		TEST(test_probes_that_cannot_start),
		TEST(test_spread_over_the_interval),
		TEST(test_told_ready),
		TEST(test_told_nothing_is_no_failure),
		TEST(test_told_alive_then_silent),
		TEST(test_told_failed_is_at_once),
	};

	health_free(NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
