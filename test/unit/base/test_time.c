/* SPDX-License-Identifier: Apache-2.0 */
#include "base/time.h"

#include "../testing.h"

static void test_rfc3339(void **state)
{
	char out[TIME_RFC3339_SIZE];

	(void)state;
	time_rfc3339(1767323045123456789LL, out);
	assert_string_equal(out, "2026-01-02T03:04:05.123456789Z");
	time_rfc3339(0, out);
	assert_string_equal(out, "1970-01-01T00:00:00.000000000Z");
}

static void test_span(void **state)
{
	static const struct {
		usec_t span;
		const char *text;
	} rows[] = {
		{ 20000, "20ms" },
		{ 1500000, "1.5s" },
		{ 42 * USEC_PER_SEC, "42s" },
		{ 725 * USEC_PER_SEC, "12m 5s" },
		{ 3720 * USEC_PER_SEC, "1h 2m" },
		{ 276480 * USEC_PER_SEC, "3d 4h" },
	};
	char out[16];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		time_span(rows[i].span, out, sizeof(out));
		assert_string_equal(out, rows[i].text);
	}
}

static void test_add_saturates(void **state)
{
	(void)state;
	assert_int_equal(time_add(1, 2), 3);
	assert_true(time_add(USEC_NEVER - 1, 2) == USEC_NEVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc3339),
		cmocka_unit_test(test_span),
		cmocka_unit_test(test_add_saturates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
