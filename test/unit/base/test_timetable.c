/* SPDX-License-Identifier: Apache-2.0 */
/* Tests: which runs are due when the machine sleeps, the clock is set, and summer time comes and goes. */
#include "../testing.h"

#include <stdio.h>
#include <time.h>

#include "base/timetable.h"

#define HOUR 3600

/* 2026-03-29 01:00 UTC and 2026-10-25 01:00 UTC */
#define SUMMER_BEGINS INT64_C(1774746000)
#define SUMMER_ENDS INT64_C(1792890000)

struct world {
	struct schedule schedule;
	struct timetable table;
	struct timetable_now now;
};

static int32_t berlin(int64_t when, void *data)
{
	(void)data;
	return when >= SUMMER_BEGINS && when < SUMMER_ENDS ? 7200 : 3600;
}

static int64_t utc(const char *text)
{
	struct tm tm = { 0 };

	assert_int_equal(sscanf(text, "%d-%d-%d %d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min), 5);
	tm.tm_year -= 1900;
	tm.tm_mon--;
	return timegm(&tm);
}

static struct world world(const char *schedule, const char *when)
{
	struct world w = { .now = { .boot = 1000 * USEC_PER_SEC, .wall = utc(when) * NSEC_PER_SEC } };

	assert_int_equal(schedule_parse(schedule, &w.schedule), 0);
	timetable_begin(&w.table, &w.schedule, &w.now);
	return w;
}

/* Time goes by, awake or asleep. */
static void pass(struct world *w, int64_t seconds)
{
	w->now.boot += (usec_t)seconds * USEC_PER_SEC;
	w->now.wall += seconds * NSEC_PER_SEC;
}

static void set_clock(struct world *w, const char *when)
{
	w->now.wall = utc(when) * NSEC_PER_SEC;
	timetable_clock_set(&w->table, &w->schedule, &w->now);
}

static enum timetable_verdict look(struct world *w)
{
	return timetable_look(&w->table, &w->schedule, &w->now);
}

static void assert_next(const struct world *w, const char *when)
{
	assert_int_equal(timetable_next(&w->table, &w->schedule, &w->now) / NSEC_PER_SEC, utc(when));
}

/* To the deadline, no further. */
static void go(struct world *w)
{
	usec_t left = timetable_deadline(&w->table, &w->schedule, &w->now) - w->now.boot;

	w->now.boot += left;
	w->now.wall += (ts_ns)left * 1000;
}

static void on_time(void **state)
{
	struct world w = world("30 2 * * *", "2026-06-01 00:00");

	(void)state;
	assert_next(&w, "2026-06-01 02:30");
	assert_int_equal(look(&w), TIMETABLE_NOT_YET);
	go(&w);
	assert_int_equal(look(&w), TIMETABLE_DUE);
	assert_next(&w, "2026-06-02 02:30");
	assert_int_equal(look(&w), TIMETABLE_NOT_YET);
	pass(&w, 24 * HOUR + TIMETABLE_LATE);
	assert_int_equal(look(&w), TIMETABLE_DUE);
}

static void missed_runs(void **state)
{
	struct world w = world("30 2 * * *", "2026-06-01 00:00");

	(void)state;
	pass(&w, 7 * 24 * HOUR); /* a week asleep, or without a server: one answer, and then the future */
	assert_int_equal(look(&w), TIMETABLE_MISSED);
	assert_next(&w, "2026-06-08 02:30");
	assert_int_equal(look(&w), TIMETABLE_NOT_YET);
}

static void clock_set_forward(void **state)
{
	struct world w = world("30 2 * * *", "2026-06-01 02:00");

	(void)state;
	set_clock(&w, "2026-06-01 02:20"); /* not over it */
	assert_int_equal(look(&w), TIMETABLE_NOT_YET);
	assert_next(&w, "2026-06-01 02:30");
	assert_int_equal(timetable_deadline(&w.table, &w.schedule, &w.now), w.now.boot + 600 * USEC_PER_SEC);
	set_clock(&w, "2026-06-01 02:31"); /* just over it: no later than a slow machine might be */
	assert_int_equal(timetable_deadline(&w.table, &w.schedule, &w.now), w.now.boot);
	assert_int_equal(look(&w), TIMETABLE_DUE);
	set_clock(&w, "2026-06-03 12:00");
	assert_int_equal(look(&w), TIMETABLE_MISSED);
	set_clock(&w, "2027-06-03 12:00");
	assert_int_equal(look(&w), TIMETABLE_MISSED);
	assert_next(&w, "2027-06-04 02:30");
}

static void clock_set_back(void **state)
{
	struct world w = world("30 2 * * *", "2026-06-01 02:00");

	(void)state;
	go(&w);
	assert_int_equal(look(&w), TIMETABLE_DUE);
	set_clock(&w, "2026-06-01 01:00"); /* what has run does not run again */
	assert_next(&w, "2026-06-02 02:30");
	set_clock(&w, "2026-05-01 01:00"); /* the clock was wrong by a month */
	assert_next(&w, "2026-05-01 02:30");
	go(&w);
	assert_int_equal(look(&w), TIMETABLE_DUE);
	w = world("30 2 * * *", "2027-06-01 02:00"); /* a year ahead at boot, then corrected */
	set_clock(&w, "2026-06-01 02:00");
	assert_next(&w, "2026-06-01 02:30");
}

static void every(void **state)
{
	struct world w = world("@every 10m", "2026-06-01 00:00");

	(void)state;
	assert_next(&w, "2026-06-01 00:10");
	set_clock(&w, "2027-01-01 00:00"); /* clocks have no part in it */
	assert_int_equal(look(&w), TIMETABLE_NOT_YET);
	assert_next(&w, "2027-01-01 00:10");
	pass(&w, 600);
	assert_int_equal(look(&w), TIMETABLE_DUE);
	pass(&w, 601); /* a late look does not move the beat */
	assert_int_equal(look(&w), TIMETABLE_DUE);
	assert_next(&w, "2027-01-01 00:30");
	pass(&w, 24 * HOUR); /* asleep: once, then a span from now */
	assert_int_equal(look(&w), TIMETABLE_DUE);
	assert_int_equal(look(&w), TIMETABLE_NOT_YET);
	assert_int_equal(timetable_deadline(&w.table, &w.schedule, &w.now), w.now.boot + 600 * USEC_PER_SEC);
}

static void never(void **state)
{
	struct world w = world("0 0 30 2 *", "2026-06-01 00:00");

	(void)state;
	assert_int_equal(timetable_next(&w.table, &w.schedule, &w.now), 0);
	assert_true(timetable_deadline(&w.table, &w.schedule, &w.now) == USEC_NEVER);
	pass(&w, 400 * 24 * HOUR);
	assert_int_equal(look(&w), TIMETABLE_NOT_YET);
}

/* The table of schedule.h, lived through: how often each is due on the day of the change. */
static void summer_time(void **state)
{
	static const struct {
		const char *schedule;
		int spring, autumn;
	} rows[] = {
		{ "30 2 * * *", 1, 1 }, { "15,45 2 * * *", 1, 2 }, { "30 * * * *", 23, 25 }, { "* 2 * * *", 0, 120 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		static const char *const days[][2] = { { "2026-03-28 23:00", "2026-03-29 22:00" },
						      { "2026-10-24 22:00", "2026-10-25 23:00" } };

		for (int autumn = 0; autumn < 2; autumn++) {
			struct world w = world(rows[i].schedule, days[autumn][0]);
			int runs = 0;

			w.now.offset = berlin;
			w.now.wall -= NSEC_PER_SEC; /* a run at midnight counts */
			timetable_begin(&w.table, &w.schedule, &w.now);
			while (timetable_next(&w.table, &w.schedule, &w.now) < utc(days[autumn][1]) * NSEC_PER_SEC) {
				go(&w);
				assert_int_equal(look(&w), TIMETABLE_DUE);
				runs++;
			}
			assert_int_equal(runs, autumn ? rows[i].autumn : rows[i].spring);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(on_time),	   cmocka_unit_test(missed_runs), cmocka_unit_test(clock_set_forward),
		cmocka_unit_test(clock_set_back), cmocka_unit_test(every),	  cmocka_unit_test(never),
		cmocka_unit_test(summer_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
