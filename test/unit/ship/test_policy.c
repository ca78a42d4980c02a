/* SPDX-License-Identifier: Apache-2.0 */
#include "../testing.h"

#include "ship/policy.h"

static struct ship_policy policy(enum ship_on_failure on_failure)
{
	const struct ship_policy_options options = {
		.batch_size = 100, .batch_bytes = 1 << 20, .flush_interval = 5 * USEC_PER_SEC, .timeout = 10 * USEC_PER_SEC,
		.max_retry = 30 * USEC_PER_SEC, .on_failure = on_failure, .seed = 7,
	};
	struct ship_policy p;

	ship_policy_init(&p, &options);
	return p;
}

static const struct ship_event done = { .verdict = SHIP_DONE, .flight = 100, .queued = 100, .retry_after_ms = -1 };

static void test_a_batch_goes_when_it_is_full_or_old(void **state)
{
	struct ship_policy p = policy(SHIP_ON_FAILURE_RETRY);
	struct ship_view view = { .lines = 99, .bytes = 1000, .oldest = USEC_PER_SEC };
	struct ship_step step = ship_policy_next(&p, &view, 2 * USEC_PER_SEC);

	(void)state;
	assert_int_equal(step.action, SHIP_ACT_WAIT);
	assert_int_equal(step.until, 6 * USEC_PER_SEC);
	assert_int_equal(ship_policy_next(&p, &view, 6 * USEC_PER_SEC).action, SHIP_ACT_SEND);
	p = policy(SHIP_ON_FAILURE_RETRY);
	view.lines = 100;
	assert_int_equal(ship_policy_next(&p, &view, 2 * USEC_PER_SEC).action, SHIP_ACT_SEND);
	p = policy(SHIP_ON_FAILURE_RETRY);
	view = (struct ship_view){ .lines = 3, .bytes = 1 << 20, .oldest = USEC_PER_SEC };
	assert_int_equal(ship_policy_next(&p, &view, 2 * USEC_PER_SEC).action, SHIP_ACT_SEND);
	p = policy(SHIP_ON_FAILURE_RETRY);
	view = (struct ship_view){ 0 };
	assert_int_equal(ship_policy_next(&p, &view, 2 * USEC_PER_SEC).action, SHIP_ACT_IDLE);
}

static void test_pauses_double_up_to_the_longest(void **state)
{
	struct ship_policy p = policy(SHIP_ON_FAILURE_RETRY);
	const struct ship_event failed = { .verdict = SHIP_RETRY, .flight = 10, .queued = 10, .retry_after_ms = -1 };
	usec_t most = SHIP_BACKOFF_FIRST;
	usec_t longest = 0;

	(void)state;
	for (int i = 0; i < 200; i++) {
		assert_int_equal(ship_policy_answer(&p, &failed, 1000), SHIP_FATE_KEEP);
		assert_in_range(p.not_before, 1000 + SHIP_BACKOFF_MIN, 1000 + most);
		most = most * 2 > p.options.max_retry ? p.options.max_retry : most * 2;
		longest = p.not_before > longest ? p.not_before : longest;
	}
	assert_true(longest > 20 * USEC_PER_SEC);
}

static void test_retry_after_is_kept_to(void **state)
{
	struct ship_policy p = policy(SHIP_ON_FAILURE_RETRY);
	const struct ship_event asked = { .verdict = SHIP_RETRY, .flight = 10, .queued = 10, .retry_after_ms = 60000 };

	(void)state;
	(void)ship_policy_answer(&p, &asked, 0);
	assert_in_range(p.not_before, 60 * USEC_PER_SEC, 66 * USEC_PER_SEC);
}

static void test_drop_gives_up_at_once_and_still_pauses(void **state)
{
	struct ship_policy p = policy(SHIP_ON_FAILURE_DROP);
	const struct ship_event failed = { .verdict = SHIP_RETRY, .flight = 10, .queued = 10, .retry_after_ms = -1 };

	(void)state;
	assert_int_equal(ship_policy_answer(&p, &failed, 1000), SHIP_FATE_DROP);
	assert_true(p.not_before > 1000);
}

static void test_a_batch_grows_behind_and_shrinks_when_slow(void **state)
{
	struct ship_policy p = policy(SHIP_ON_FAILURE_RETRY);
	struct ship_event behind = done;

	(void)state;
	behind.queued = 100000;
	for (int i = 0; i < 10; i++)
		(void)ship_policy_answer(&p, &behind, 0);
	assert_int_equal(p.limit, 100 * SHIP_GROWTH);
	(void)ship_policy_answer(&p, &behind, 3 * USEC_PER_SEC); /* more than a quarter of the time-out */
	assert_int_equal(p.limit, 50 * SHIP_GROWTH);
	for (int i = 0; i < 20; i++)
		(void)ship_policy_answer(&p, &done, 3 * USEC_PER_SEC);
	assert_int_equal(p.limit, 100);
}

static void test_too_large_is_halved_and_not_forgotten(void **state)
{
	struct ship_policy p = policy(SHIP_ON_FAILURE_RETRY);
	struct ship_event event = { .verdict = SHIP_SPLIT, .flight = 80, .queued = 80, .retry_after_ms = -1 };

	(void)state;
	assert_int_equal(ship_policy_answer(&p, &event, 0), SHIP_FATE_HALVE);
	assert_int_equal(p.limit, 40);
	event = done;
	event.queued = 5000;
	for (int i = 1; i < SHIP_CEILING_WINS; i++)
		(void)ship_policy_answer(&p, &event, 0);
	assert_int_equal(p.limit, 40);
	(void)ship_policy_answer(&p, &event, 0);
	assert_int_equal(p.limit, 80);
	event = (struct ship_event){ .verdict = SHIP_SPLIT, .flight = 1, .queued = 1, .retry_after_ms = -1 };
	assert_int_equal(ship_policy_answer(&p, &event, 0), SHIP_FATE_ASIDE);
}

static void test_a_row_of_refusals_ends_the_search(void **state)
{
	struct ship_policy p = policy(SHIP_ON_FAILURE_RETRY);
	const struct ship_event one = { .verdict = SHIP_POISON, .flight = 1, .queued = 9, .bisect = true, .retry_after_ms = -1 };
	const struct ship_event many = { .verdict = SHIP_POISON, .flight = 64, .queued = 99, .bisect = true, .retry_after_ms = -1 };

	(void)state;
	assert_int_equal(ship_policy_answer(&p, &many, 0), SHIP_FATE_HALVE);
	for (int i = 0; i < SHIP_POISON_ROW; i++)
		assert_int_equal(ship_policy_answer(&p, &one, 0), SHIP_FATE_ASIDE);
	assert_int_equal(ship_policy_answer(&p, &many, 0), SHIP_FATE_ASIDE);
	(void)ship_policy_answer(&p, &done, 0);
	assert_int_equal(ship_policy_answer(&p, &many, 0), SHIP_FATE_HALVE);
}

static void test_a_request_without_end_is_given_up(void **state)
{
	struct ship_policy p = policy(SHIP_ON_FAILURE_RETRY);
	const struct ship_view view = { .lines = 100, .oldest = 0 };

	(void)state;
	assert_int_equal(ship_policy_next(&p, &view, 0).action, SHIP_ACT_SEND);
	assert_int_equal(ship_policy_next(&p, &view, 1).action, SHIP_ACT_WAIT);
	assert_int_equal(ship_policy_next(&p, &view, 1).until, 10 * USEC_PER_SEC + SHIP_GRACE);
	assert_int_equal(ship_policy_next(&p, &view, 10 * USEC_PER_SEC + SHIP_GRACE).action, SHIP_ACT_ABORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_batch_goes_when_it_is_full_or_old),
		cmocka_unit_test(test_pauses_double_up_to_the_longest),
		cmocka_unit_test(test_retry_after_is_kept_to),
		cmocka_unit_test(test_drop_gives_up_at_once_and_still_pauses),
		cmocka_unit_test(test_a_batch_grows_behind_and_shrinks_when_slow),
		cmocka_unit_test(test_too_large_is_halved_and_not_forgotten),
		cmocka_unit_test(test_a_row_of_refusals_ends_the_search),
		cmocka_unit_test(test_a_request_without_end_is_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
