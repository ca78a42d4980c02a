/* SPDX-License-Identifier: Apache-2.0 */
#include "../testing.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "base/mem.h"
#include "base/schedule.h"

/* 2026-03-29 01:00 UTC and 2026-10-25 01:00 UTC */
#define SUMMER_BEGINS INT64_C(1774746000)
#define SUMMER_ENDS INT64_C(1792890000)

static int32_t berlin(int64_t when, void *data)
{
	(void)data;
	return when >= SUMMER_BEGINS && when < SUMMER_ENDS ? 7200 : 3600;
}

/* At midnight of 2026-03-29, local time. */
static int32_t gap_at_midnight(int64_t when, void *data)
{
	(void)data;
	return when >= SUMMER_BEGINS - 3600 - 3600 ? 7200 : 3600;
}

static int64_t utc(const char *text)
{
	struct tm tm = { 0 };

	assert_int_equal(sscanf(text, "%d-%d-%d %d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min), 5);
	tm.tm_year -= 1900;
	tm.tm_mon--;
	return timegm(&tm);
}

/* The runs between two moments of UTC, as local times: "02:30 03:30". */
static const char *runs(const char *schedule, schedule_offset_fn zone, const char *from, const char *to)
{
	static char out[512];
	struct schedule s;
	size_t len = 0;
	int64_t at = utc(from) - 1;

	assert_int_equal(schedule_parse(schedule, &s), 0);
	out[0] = '\0';
	while ((at = schedule_next(&s, at, zone, NULL)) >= 0 && at < utc(to) && len + 8 < sizeof(out)) {
		int64_t shown = at + (zone ? zone(at, NULL) : 0);

		len += (size_t)snprintf(out + len, sizeof(out) - len, "%s%02d:%02d", len ? " " : "",
					(int)(shown % 86400 / 3600), (int)(shown % 3600 / 60));
	}
	return out;
}

static void next_in_utc(void **state)
{
	static const struct {
		const char *schedule, *after, *next;
	} cases[] = {
		{ "* * * * *", "2026-01-01 00:00", "2026-01-01 00:01" },
		{ "0 0 * * *", "2026-01-31 23:59", "2026-02-01 00:00" },
		{ "*/15 9-17 * * mon-fri", "2026-11-20 17:45", "2026-11-23 09:00" },
		{ "0 0 13 * 5", "2026-11-10 00:00", "2026-11-13 00:00" },   /* either day */
		{ "0 0 13 * 5", "2026-11-13 00:00", "2026-11-20 00:00" },
		{ "0 0 */2 * 5", "2026-11-10 00:00", "2026-11-13 00:00" },  /* both, as the day begins with a star */
		{ "0 0 29 2 *", "2026-01-01 00:00", "2028-02-29 00:00" },
		{ "0 0 29 2 *", "2096-03-01 00:00", "2104-02-29 00:00" },
		{ "0 0 31 * *", "2026-01-31 00:00", "2026-03-31 00:00" },
		{ "5,10 3 1 jan,jul sun", "2026-01-01 03:10", "2026-01-04 03:05" },
		{ "0 12 * * 7", "2026-11-23 00:00", "2026-11-29 12:00" },
		{ "@monthly", "2026-11-23 00:00", "2026-12-01 00:00" },
		{ "@every 90m", "2026-11-23 00:00", "2026-11-23 01:30" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct schedule s;

		assert_int_equal(schedule_parse(cases[i].schedule, &s), 0);
		if (schedule_next(&s, utc(cases[i].after), NULL, NULL) != utc(cases[i].next))
			fail_msg("'%s' after %s is not %s", cases[i].schedule, cases[i].after, cases[i].next);
	}
}

static void never(void **state)
{
	struct schedule s;

	(void)state;
	assert_int_equal(schedule_parse("0 0 30 2 *", &s), 0);
	assert_int_equal(schedule_next(&s, 0, NULL, NULL), -1);
}

/* The table in schedule.h. */
static void clock_goes_forward(void **state)
{
	static const char *const from = "2026-03-28 23:00"; /* midnight */
	static const char *const to = "2026-03-29 03:00";   /* 5 o'clock */

	(void)state;
	assert_string_equal(runs("30 2 * * *", berlin, from, to), "03:00");
	assert_string_equal(runs("15,45 2 * * *", berlin, from, to), "03:00");
	assert_string_equal(runs("30 * * * *", berlin, from, to), "00:30 01:30 03:30 04:30");
	assert_string_equal(runs("* 2 * * *", berlin, from, to), "");
	assert_string_equal(runs("0 3 * * *", berlin, from, to), "03:00");
	assert_string_equal(runs("59 1 * * *", berlin, from, to), "01:59");
	assert_string_equal(runs("30 2 * * *", berlin, "2026-03-29 03:00", "2026-03-30 03:00"), "02:30");
	assert_string_equal(runs("@every 1h", berlin, from, "2026-03-29 02:00"), "00:59 01:59 03:59");
	assert_string_equal(runs("30 0 29 3 *", gap_at_midnight, "2026-03-28 20:00", "2026-03-29 12:00"), "01:00");
}

static void clock_goes_back(void **state)
{
	static const char *const from = "2026-10-24 22:00"; /* midnight */
	static const char *const to = "2026-10-25 03:00";   /* 4 o'clock */

	(void)state;
	assert_string_equal(runs("30 2 * * *", berlin, from, to), "02:30");
	assert_string_equal(runs("15,45 2 * * *", berlin, from, to), "02:15 02:45");
	assert_string_equal(runs("30 * * * *", berlin, from, to), "00:30 01:30 02:30 02:30 03:30");
	assert_string_equal(runs("*/30 2 * * *", berlin, from, to), "02:00 02:30 02:00 02:30");
	assert_string_equal(runs("0 3 * * *", berlin, from, to), "03:00");
	/* from the second 2:10 on, the first 2:30 is over */
	assert_string_equal(runs("30 2 * * *", berlin, "2026-10-25 01:10", to), "");
}

static void refused(void **state)
{
	static const char *const bad[] = {
		"", "*", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *",
		"* * * * 8", "5-1 * * * *", "1,,2 * * * *", "1, * * * *", ",1 * * * *", "*/0 * * * *", "5/2 * * * *",
		"-1 * * * *", "a * * * *", "* * * foo *", "@every", "@every ", "@every 0s", "@every 500ms", "@never",
		"1-2-3 * * * *", "@daily 5", "@every 100000d",
	};
	struct schedule s = { .every = 7 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (schedule_parse(bad[i], &s) != -EINVAL)
			fail_msg("'%s' is taken", bad[i]);
	}
	assert_int_equal(s.every, 7);
}

static unsigned int draw(uint64_t *seed, unsigned int below)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned int)(*seed >> 33) % below;
}

/* Against minute by minute: what follows the clock must be found at exactly the minutes that match. */
static void as_counted_by_hand(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (int i = 0; i < 200; i++) {
		int64_t from = SUMMER_BEGINS + (int64_t)draw(&seed, 300) * 86400 + draw(&seed, 86400);
		unsigned int minute = draw(&seed, 60);
		unsigned int weekday = draw(&seed, 7);
		struct schedule s;
		char text[64];
		int64_t t = from / 60 * 60 + 60;

		(void)snprintf(text, sizeof(text), "%u */5 * * %u", minute, weekday);
		assert_int_equal(schedule_parse(text, &s), 0);
		for (;; t += 60) {
			time_t shown = (time_t)(t + berlin(t, NULL));
			struct tm tm;

			assert_non_null(gmtime_r(&shown, &tm));
			if (tm.tm_min == (int)minute && tm.tm_hour % 5 == 0 && tm.tm_wday == (int)weekday)
				break;
		}
		assert_int_equal(schedule_next(&s, from, berlin, NULL), t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(next_in_utc),
		cmocka_unit_test(never),
		cmocka_unit_test(clock_goes_forward),
		cmocka_unit_test(clock_goes_back),
		cmocka_unit_test(refused),
		cmocka_unit_test(as_counted_by_hand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
