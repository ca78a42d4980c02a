/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the grammar of schedules, and the calendar. */
#include "base/schedule.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/mem.h"
#include "base/parse.h"
#include "base/str.h"
#include "base/time.h"

#define EVERY "@every "
#define ELEMENT_MAX 24
#define MINUTE INT64_C(60)
#define HOUR INT64_C(3600)
#define DAY INT64_C(86400)
/* 29 February can be eight years away, across 2100. */
#define SEARCH_DAYS (8 * 366 + 2)

/* --- grammar ---------------------------------------------------------------------------------------- */

struct field {
	int64_t min, max;
	const char *const *names; /* of min, min + 1 …; NULL at the end; may be NULL */
};

enum { FIELD_MINUTE, FIELD_HOUR, FIELD_DAY, FIELD_MONTH, FIELD_WEEKDAY, FIELD_N };

static const char *const months[] = { "jan", "feb", "mar", "apr", "may", "jun", "jul",
				      "aug", "sep", "oct", "nov", "dec", NULL };
static const char *const weekdays[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL };

static const struct field fields[FIELD_N] = {
	{ 0, 59, NULL }, { 0, 23, NULL }, { 1, 31, NULL }, { 1, 12, months }, { 0, 7, weekdays },
};

static const struct {
	const char *name, *fields;
} nicknames[] = {
	{ "@yearly", "0 0 1 1 *" }, { "@annually", "0 0 1 1 *" }, { "@monthly", "0 0 1 * *" }, { "@weekly", "0 0 * * 0" },
	{ "@daily", "0 0 * * *" },  { "@midnight", "0 0 * * *" }, { "@hourly", "0 * * * *" },
};

static bool number_of(const struct field *f, const char *s, int64_t *out)
{
	for (int64_t i = 0; f->names && f->names[i]; i++) {
		if (strcasecmp(f->names[i], s) == 0) {
			*out = f->min + i;
			return true;
		}
	}
	return parse_int(s, f->min, f->max, out) == 0;
}

/* "*", "5", "1-5"; the first and last with an optional "/2" */
static bool element(const struct field *f, char *s, uint64_t *bits)
{
	char *slash = strchr(s, '/');
	char *dash;
	int64_t step = 1;
	int64_t low = f->min;
	int64_t high = f->max;

	if (slash) {
		*slash = '\0';
		if (parse_int(slash + 1, 1, f->max, &step) < 0)
			return false;
	}
	dash = strchr(s, '-');
	if (dash) {
		*dash = '\0';
		if (!number_of(f, s, &low) || !number_of(f, dash + 1, &high) || low > high)
			return false;
	} else if (strcmp(s, "*") != 0) {
		if (slash || !number_of(f, s, &low))
			return false;
		high = low;
	}
	for (int64_t i = low; i <= high; i += step)
		*bits |= UINT64_C(1) << i;
	return true;
}

static bool parse_field(const struct field *f, const char *s, size_t len, uint64_t *bits)
{
	*bits = 0;
	while (len > 0) {
		const char *comma = memchr(s, ',', len);
		size_t n = comma ? (size_t)(comma - s) : len;
		char text[ELEMENT_MAX];

		if (n == 0 || n >= sizeof(text) || (comma && n + 1 == len))
			return false;
		memcpy(text, s, n);
		text[n] = '\0';
		if (!element(f, text, bits))
			return false;
		n += comma != NULL;
		s += n;
		len -= n;
	}
	return true;
}

static int parse_fields(const char *s, struct schedule *out)
{
	static const char blanks[] = " \t";
	uint64_t bits[FIELD_N];
	bool star[FIELD_N];

	s += strspn(s, blanks);
	for (int i = 0; i < FIELD_N; i++) {
		size_t len = strcspn(s, blanks);

		star[i] = *s == '*';
		if (len == 0 || !parse_field(&fields[i], s, len, &bits[i]))
			return -EINVAL;
		s += len;
		s += strspn(s, blanks);
	}
	if (*s)
		return -EINVAL;
	*out = (struct schedule){
		.minutes = bits[FIELD_MINUTE],
		.hours = (uint32_t)bits[FIELD_HOUR],
		.days = (uint32_t)bits[FIELD_DAY],
		.months = (uint16_t)bits[FIELD_MONTH],
		.weekdays = (uint8_t)((bits[FIELD_WEEKDAY] | bits[FIELD_WEEKDAY] >> 7) & 0x7f), /* 7 is Sunday too */
		.any_day = star[FIELD_DAY],
		.any_weekday = star[FIELD_WEEKDAY],
		.fixed = !star[FIELD_MINUTE] && !star[FIELD_HOUR],
	};
	return 0;
}

int schedule_parse(const char *text, struct schedule *out)
{
	usec_t span;

	if (str_starts(text, EVERY)) {
		if (parse_span(text + strlen(EVERY), &span) < 0 || span < USEC_PER_SEC ||
		    span / USEC_PER_SEC > UINT32_MAX)
			return -EINVAL;
		*out = (struct schedule){ .every = (uint32_t)(span / USEC_PER_SEC) };
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(nicknames); i++) {
		if (strcmp(text, nicknames[i].name) == 0)
			return parse_fields(nicknames[i].fields, out);
	}
	return parse_fields(text, out);
}

/* --- the calendar ----------------------------------------------------------------------------------- */

struct zone {
	schedule_offset_fn offset;
	void *data;
};

/* Wall clock times are seconds as if the zone were UTC. */
static int64_t wall(const struct zone *z, int64_t when)
{
	return when + (z->offset ? z->offset(when, z->data) : 0);
}

static int64_t floor_to(int64_t x, int64_t unit)
{
	return x - ((x % unit) + unit) % unit;
}

static bool day_matches(const struct schedule *s, int64_t day)
{
	time_t at = (time_t)day;
	struct tm tm;
	bool by_day;
	bool by_weekday;

	if (!gmtime_r(&at, &tm) || !(s->months >> (tm.tm_mon + 1) & 1))
		return false;
	by_day = s->days >> tm.tm_mday & 1;
	by_weekday = s->weekdays >> tm.tm_wday & 1;
	return s->any_day || s->any_weekday ? by_day && by_weekday : by_day || by_weekday;
}

static bool time_matches(const struct schedule *s, int64_t wall_time)
{
	int64_t in_day = wall_time - floor_to(wall_time, DAY);

	return s->hours >> (in_day / HOUR) & 1 && s->minutes >> (in_day % HOUR / MINUTE) & 1;
}

/* No change of the clock is near: wall clock times of the day, in order. */
static int64_t plain_day(const struct schedule *s, int64_t day, int64_t offset, int64_t after)
{
	for (int64_t h = 0; h < 24; h++) {
		if (!(s->hours >> h & 1) || day + (h + 1) * HOUR - offset <= after)
			continue;
		for (int64_t m = 0; m < 60; m++) {
			int64_t when = day + h * HOUR + m * MINUTE - offset;

			if (s->minutes >> m & 1 && when > after)
				return when;
		}
	}
	return -1;
}

/* Is a fixed time of this day in the wall clock times that were left out just before `when`? */
static bool in_gap(const struct schedule *s, const struct zone *z, int64_t day, int64_t when)
{
	int64_t to = wall(z, when);

	for (int64_t t = wall(z, when - MINUTE) + MINUTE; t < to; t += MINUTE) {
		if (floor_to(t, DAY) == day && time_matches(s, t))
			return true;
	}
	return false;
}

/* Did the clock show the same before, when it had not been set back yet? */
static bool repeated(const struct zone *z, int64_t when)
{
	int64_t before = z->offset(when - 4 * HOUR, z->data);
	int64_t now = z->offset(when, z->data);

	return before > now && wall(z, when - (before - now)) == wall(z, when);
}

/* The clock changes today or tomorrow or did so yesterday: each minute is looked at. */
static int64_t uneven_day(const struct schedule *s, const struct zone *z, int64_t day, int64_t after)
{
	int64_t from = day - 26 * HOUR;
	int64_t to = day + DAY + 26 * HOUR;

	for (int64_t when = from > after ? from : floor_to(after, MINUTE) + MINUTE; when < to; when += MINUTE) {
		int64_t shown = wall(z, when);
		bool today = floor_to(shown, DAY) == day;

		if (!s->fixed) {
			if (today && time_matches(s, shown))
				return when;
			continue;
		}
		if (today && time_matches(s, shown) && !repeated(z, when))
			return when;
		if (in_gap(s, z, day, when))
			return when;
	}
	return -1;
}

int64_t schedule_next(const struct schedule *s, int64_t after, schedule_offset_fn offset, void *data)
{
	const struct zone z = { offset, data };
	int64_t day = floor_to(wall(&z, after), DAY);

	if (s->every)
		return after + s->every;
	for (int i = 0; i < SEARCH_DAYS; i++, day += DAY) {
		int64_t first;
		int64_t found;

		if (!day_matches(s, day))
			continue;
		first = wall(&z, day - DAY) - (day - DAY);
		if (wall(&z, day + 2 * DAY) - (day + 2 * DAY) == first)
			found = plain_day(s, day, first, after);
		else
			found = uneven_day(s, &z, day, after);
		if (found >= 0)
			return found;
	}
	return -1;
}

int32_t schedule_local_offset(int64_t when, void *data)
{
	time_t at = (time_t)when;
	struct tm tm;

	(void)data;
	return localtime_r(&at, &tm) ? (int32_t)tm.tm_gmtoff : 0;
}
