/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: which runs of a schedule are due, and which were missed. */
#include "base/timetable.h"

#include "base/mem.h"

static int64_t second(const struct timetable_now *now)
{
	return now->wall / NSEC_PER_SEC;
}

static usec_t span(const struct schedule *schedule)
{
	return schedule->every * USEC_PER_SEC;
}

static int64_t next_after(const struct schedule *schedule, int64_t when, const struct timetable_now *now)
{
	return schedule_next(schedule, when, now->offset, now->data);
}

void timetable_begin(struct timetable *t, const struct schedule *schedule, const struct timetable_now *now)
{
	*t = (struct timetable){ .next = -1 };
	if (schedule->every)
		t->next_every = time_add(now->boot, span(schedule));
	else
		t->next = next_after(schedule, second(now), now);
}

static enum timetable_verdict look_every(struct timetable *t, const struct schedule *schedule, const struct timetable_now *now)
{
	if (now->boot < t->next_every)
		return TIMETABLE_NOT_YET;
	/* on the beat, unless that is over already */
	t->next_every = time_add(t->next_every, span(schedule));
	if (t->next_every <= now->boot)
		t->next_every = time_add(now->boot, span(schedule));
	return TIMETABLE_DUE;
}

enum timetable_verdict timetable_look(struct timetable *t, const struct schedule *schedule, const struct timetable_now *now)
{
	if (schedule->every)
		return look_every(t, schedule, now);
	if (t->next < 0 || second(now) < t->next)
		return TIMETABLE_NOT_YET;
	t->last = t->next;
	t->next = next_after(schedule, second(now), now);
	return second(now) - t->last > TIMETABLE_LATE ? TIMETABLE_MISSED : TIMETABLE_DUE;
}

void timetable_clock_set(struct timetable *t, const struct schedule *schedule, const struct timetable_now *now)
{
	int64_t from = second(now);

	if (schedule->every || (t->next >= 0 && t->next <= from))
		return; /* due, or missed: the next look tells */
	if (t->last > from && t->last - from < TIMETABLE_BACK)
		from = t->last;
	t->next = next_after(schedule, from, now);
}

usec_t timetable_deadline(const struct timetable *t, const struct schedule *schedule, const struct timetable_now *now)
{
	int64_t left = t->next * NSEC_PER_SEC - now->wall;

	if (schedule->every)
		return t->next_every;
	if (t->next < 0)
		return USEC_NEVER;
	return left <= 0 ? now->boot : time_add(now->boot, (usec_t)(left + 999) / 1000);
}

ts_ns timetable_next(const struct timetable *t, const struct schedule *schedule, const struct timetable_now *now)
{
	if (!schedule->every)
		return t->next < 0 ? 0 : t->next * NSEC_PER_SEC;
	return now->wall + (ts_ns)(t->next_every - MIN(t->next_every, now->boot)) * 1000;
}
