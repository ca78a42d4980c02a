/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the runs of a schedule are due, over sleep, death and set clocks. Pure and without pointers, so that a server can put
 * it on record and the next one goes on with it.
 *
 * Cron expressions live by the wall clock, "@every" by CLOCK_BOOTTIME, which no one sets:
 *
 *	the machine slept, no server ran     a cron run that was due more than TIMETABLE_LATE ago is missed; later ones that
 *	                                     were due meanwhile are missed with it. "@every" is due at once, one time
 *	the clock is set forward over a run  the same
 *	… back, less than TIMETABLE_BACK     what has run does not run again
 *	… back further                       it was wrong before: everything counts from now
 *	summer time begins or ends           schedule.h
 */
#ifndef BASE_TIMETABLE_H
#define BASE_TIMETABLE_H

#include "base/schedule.h"
#include "base/time.h"

/* Seconds. A run that is later was missed. */
#define TIMETABLE_LATE 60
/* Seconds. A clock that is set back less was corrected, or shows local time of another zone. */
#define TIMETABLE_BACK (3 * 3600)

struct timetable {
	int64_t next; /* by cron: second since 1970 of the next run; -1: never */
	int64_t last; /* by cron: that of the last run that was due; 0: none */
	usec_t next_every; /* "@every": boot time of the next run */
};

struct timetable_now {
	usec_t boot;
	ts_ns wall;
	schedule_offset_fn offset; /* as for schedule_next() */
	void *data;
};

enum timetable_verdict { TIMETABLE_NOT_YET, TIMETABLE_DUE, TIMETABLE_MISSED };

/** Begin: the first run is the next one by cron; by "@every", one span from now. */
void timetable_begin(struct timetable *t, const struct schedule *schedule, const struct timetable_now *now);
/** Is a run due? If so the table goes on to the next one. */
enum timetable_verdict timetable_look(struct timetable *t, const struct schedule *schedule, const struct timetable_now *now);
/** The wall clock was set. */
void timetable_clock_set(struct timetable *t, const struct schedule *schedule, const struct timetable_now *now);
/** When to look again, by the boot time; USEC_NEVER: no run will come. */
usec_t timetable_deadline(const struct timetable *t, const struct schedule *schedule, const struct timetable_now *now);
/** The next run by the wall clock; 0: none will come. */
ts_ns timetable_next(const struct timetable *t, const struct schedule *schedule, const struct timetable_now *now);

#endif
