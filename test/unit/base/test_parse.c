/* SPDX-License-Identifier: Apache-2.0 */
#include "base/parse.h"

#include <errno.h>

#include "../testing.h"

static void test_int(void **state)
{
	int64_t v = 7;

	(void)state;
	assert_int_equal(parse_int("-12", -100, 100, &v), 0);
	assert_int_equal(v, -12);
	assert_int_equal(parse_int("101", -100, 100, &v), -ERANGE);
	assert_int_equal(parse_int("9223372036854775808", INT64_MIN, INT64_MAX, &v), -ERANGE);
	assert_int_equal(parse_int("99999999999999999999", INT64_MIN, INT64_MAX, &v), -ERANGE);
	assert_int_equal(parse_int("", 0, 1, &v), -EINVAL);
	assert_int_equal(parse_int(" 1", 0, 1, &v), -EINVAL);
	assert_int_equal(parse_int("1x", 0, 1, &v), -EINVAL);
	assert_int_equal(v, -12);
}

static void test_size(void **state)
{
	uint64_t v = 0;

	(void)state;
	assert_int_equal(parse_size("512M", &v), 0);
	assert_int_equal(v, 512ULL << 20);
	assert_int_equal(parse_size("64KiB", &v), 0);
	assert_int_equal(v, 65536);
	assert_int_equal(parse_size("10b", &v), 0);
	assert_int_equal(v, 10);
	assert_int_equal(parse_size("18000000000g", &v), -ERANGE);
	assert_int_equal(parse_size("5x", &v), -EINVAL);
	assert_int_equal(parse_size("-5", &v), -EINVAL);
}

static void test_span(void **state)
{
	usec_t v = 0;

	(void)state;
	assert_int_equal(parse_span("1h30m", &v), 0);
	assert_int_equal(v, 5400 * USEC_PER_SEC);
	assert_int_equal(parse_span("250ms", &v), 0);
	assert_int_equal(v, 250000);
	assert_int_equal(parse_span("7", &v), 0);
	assert_int_equal(v, 7 * USEC_PER_SEC);
	assert_int_equal(parse_span("1h30", &v), -EINVAL);
	assert_int_equal(parse_span("5y", &v), -EINVAL);
	assert_int_equal(parse_span("", &v), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_int),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_span),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
