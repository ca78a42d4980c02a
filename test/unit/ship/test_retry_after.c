/* SPDX-License-Identifier: Apache-2.0 */
#include "../testing.h"
#include "base/limits.h"
#include "base/mem.h"
#include "ship/batch.h"

/* Sun, 06 Nov 1994 08:49:37 GMT */
#define EXAMPLE (784111777 * NSEC_PER_SEC)

static void test_seconds(void **state)
{
	(void)state;
	assert_int_equal(ship_retry_after("0", EXAMPLE), 0);
	assert_int_equal(ship_retry_after("120", EXAMPLE), 120000);
	assert_int_equal(ship_retry_after(" 7 ", EXAMPLE), 7000);
	assert_int_equal(ship_retry_after("99999999999999999999999999", EXAMPLE), LIMIT_SHIP_RETRY_AFTER_MS);
}

static void test_dates(void **state)
{
	static const char *const forms[] = { "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
					     "Sun Nov  6 08:49:37 1994" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		assert_int_equal(ship_retry_after(forms[i], EXAMPLE - 30 * NSEC_PER_SEC), 30000);
		assert_int_equal(ship_retry_after(forms[i], EXAMPLE + NSEC_PER_SEC), 0);
	}
	/* the day after a leap day of a century that has one */
	assert_int_equal(ship_retry_after("Wed, 01 Mar 2000 00:00:05 GMT", 951868800 * NSEC_PER_SEC), 5000);
	assert_int_equal(ship_retry_after("Fri, 31 Dec 9999 23:59:59 GMT", EXAMPLE), LIMIT_SHIP_RETRY_AFTER_MS);
}

static void test_neither(void **state)
{
	static const char *const bad[] = { "", "soon", "-5", "1.5", "10 minutes", "Sun, 06 Foo 1994 08:49:37 GMT",
					   "Sun, 06 Nov 1994 25:49:37 GMT", "Sun, 99 Nov 1994 08:49:37 GMT", ",,,,", "\xff\x01" };

	(void)state;
	assert_int_equal(ship_retry_after(NULL, EXAMPLE), -1);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(ship_retry_after(bad[i], EXAMPLE), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seconds),
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_neither),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
