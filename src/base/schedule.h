/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schedules: five cron fields (minute, hour, day of month, month, day of week; numbers, names, ranges, lists, steps),
 * "@daily" and its like, and "@every 10m". Pure: the offset of local time is asked from the caller.
 *
 * Days: if both day of month and day of week are restricted (do not begin with a star), either suffices.
 *
 * When clocks change, a schedule whose hour or minute begins with a star follows the local clock as it goes: what falls into
 * the hour that is left out does not happen, what falls into the hour that comes twice happens twice. One with a fixed hour
 * and minute happens once a day whatever the clock does:
 *
 *                       clock goes forward                      clock goes back
 *   "30 2 * * *"        at the first moment after the gap        at the first of both
 *   "15,45 2 * * *"     once, at the first moment after it       each once, at the first of both
 *   "30 * * * *"        not in the missing hour                  in both hours
 *   "* 2 * * *"         not at all that day                      in both hours
 *   "@every 1h"         every hour of real time                  every hour of real time
 */
#ifndef BASE_SCHEDULE_H
#define BASE_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

struct schedule {
	uint64_t minutes;  /* bit n: minute n */
	uint32_t hours;
	uint32_t days;     /* bits 1 to 31 */
	uint16_t months;   /* bits 1 to 12 */
	uint8_t weekdays;  /* bits 0 (Sunday) to 6 */
	bool any_day, any_weekday; /* the field begins with a star */
	bool fixed;        /* neither hour nor minute begins with a star */
	uint32_t every;    /* seconds between runs, or 0: by the fields above */
};

/** Seconds that local time is ahead of UTC at a moment (seconds since 1970). */
typedef int32_t (*schedule_offset_fn)(int64_t when, void *data);

/** Returns 0, or -EINVAL; `*out` is then untouched. */
int schedule_parse(const char *text, struct schedule *out);
/**
 * The first moment after `after` at which it is due, in seconds since 1970; -1: never (30 February), or not within eight years.
 * With `every`: `after` should be the start of the last run. `offset` may be NULL: UTC.
 */
int64_t schedule_next(const struct schedule *s, int64_t after, schedule_offset_fn offset, void *data);
/** For schedule_next(): the local time of this machine, by localtime(3). */
int32_t schedule_local_offset(int64_t when, void *data);

#endif
