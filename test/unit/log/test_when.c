/* SPDX-License-Identifier: Apache-2.0 */
/* Times and cursors as people write and pass them. */
#include "../testing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "log/query.h"

#define NOW 1795388645123456789LL /* 2026-11-22T23:04:05.123456789Z */
#define SEC NSEC_PER_SEC

static void test_times(void **state)
{
	static const struct {
		const char *text;
		ts_ns ts;
	} cases[] = {
		{ "now", NOW },
		{ "today", 1795305600 * SEC },
		{ "yesterday", (1795305600 - 86400) * SEC },
		{ "-10m", NOW - 600 * SEC },
		{ "10 min ago", NOW - 600 * SEC },
		{ "10 minutes ago", NOW - 600 * SEC },
		{ "1 hour ago", NOW - 3600 * SEC },
		{ "2 days ago", NOW - 2 * 86400 * SEC },
		{ "1h30m ago", NOW - 5400 * SEC },
		{ "90 ago", NOW - 90 * SEC },
		{ "+1h", NOW + 3600 * SEC },
		{ "@1732230000", 1732230000 * SEC },
		{ "@1732230000.5", 1732230000 * SEC + SEC / 2 },
		{ "2026-11-22", 1795305600 * SEC },
		{ "2026-11-22 10:00", (1795305600 + 36000) * SEC },
		{ "2026-11-22T10:00:05.123", (1795305600 + 36005) * SEC + 123000000 },
		{ "2026-11-22T10:00:05Z", (1795305600 + 36005) * SEC },
		{ "2026-11-22T10:00:05+02:00", (1795305600 + 36005 - 7200) * SEC },
		{ "2026-11-22T10:00:05-0130", (1795305600 + 36005 + 5400) * SEC },
		{ "2026-11-22T23:04:05.123456789Z", NOW },
		{ "10:00", (1795305600 + 36000) * SEC },
	};
	static const char *const wrong[] = { "",	"soon",		  "10",		     "25:00",  "2026-13-01",
					     "2026-11-22x", "10 parsecs ago", "@",	     "@12x",   "2026-11-22T10:00:05+2",
					     "-",	"ago",		  "2026-11-22T10:00Zx", "-10 x" };
	struct error err;
	ts_ns ts;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		print_message("%s\n", cases[i].text);
		assert_int_equal(log_time_parse(cases[i].text, NOW, &ts, &err), 0);
		assert_int_equal(ts, cases[i].ts);
	}
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		print_message("not: %s\n", wrong[i]);
		assert_int_equal(log_time_parse(wrong[i], NOW, &ts, &err), -EINVAL);
		assert_non_null(strstr(err.msg, "is not a time"));
	}
}

static void test_cursors(void **state)
{
	static const char *const wrong[] = { "", "1", "1-", "2-1-2-3-4", "1-1-2-3", "1-1-2-3-4-5", "1-x-2-3-4",
					     "1-11111111111111111-2-3-4", "1-1-2-3-111111111", "1--2-3-4" };
	struct log_cursor c = { .ring = UINT64_MAX, .seq = 12345, .ts = NOW, .same = 7 };
	struct log_cursor got;
	char text[CURSOR_TEXT_SIZE];

	(void)state;
	log_cursor_format(&c, text);
	assert_int_equal(log_cursor_parse(text, &got), 0);
	assert_true(got.ring == c.ring && got.seq == c.seq && got.ts == c.ts && got.same == c.same);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_int_equal(log_cursor_parse(wrong[i], &got), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_cursors),
	};

	(void)setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
