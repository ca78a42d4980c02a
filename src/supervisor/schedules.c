/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the schedules of services: one timer each, and word of the wall clock being set. What a run that is due means is the
 * core's (core_due()), when it is due the timetable's. The timetable is saved with the record: a run is begun in the same
 * commit that goes on to the next one, so none is lost or doubled when the server dies.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/diag.h"
#include "supervisor/internal.h"

/* Far enough: the timer is there to be cancelled. */
#define CLOCK_WATCH_SECONDS (100LL * 365 * 24 * 3600)

struct unit_schedule {
	struct schedule schedule;
	struct loop_timer *timer;
};

static struct timetable_now now_of(const struct supervisor *sup)
{
	(void)sup;
	return (struct timetable_now){
		.boot = time_boottime(), /* together with the wall clock: the loop's time is that of the round's beginning */
		.wall = time_realtime(),
		.offset = schedule_local_offset,
	};
}

static bool has_begun(const struct timetable *t)
{
	return t->next || t->next_every;
}

static void arm(struct unit *unit)
{
	struct timetable_now now = now_of(unit->sup);

	loop_timer_arm(unit->schedule->timer, timetable_deadline(&unit->timetable, &unit->schedule->schedule, &now));
}

/* --- due -------------------------------------------------------------------------------------------- */

static void start_by_schedule(struct unit *unit, enum event_kind kind)
{
	const struct core_event event = { .kind = kind, .id = unit->id, .rule = RULE_SCHEDULE };

	(void)supervisor_feed(unit->sup, &event);
}

static void skip(struct unit *unit, const char *why)
{
	char text[160];

	(void)snprintf(text, sizeof(text), "skipped: %.140s", why);
	diag(DIAG_INFO, "%s: a run is %s", unit->config->name, text);
	unit_announce(unit, EVENT_SCHEDULE, text);
}

static void due(struct unit *unit)
{
	switch (core_due(unit->sup->core, unit->id)) {
	case DUE_START:
		start_by_schedule(unit, EV_START);
		break;
	case DUE_RESTART:
		start_by_schedule(unit, EV_RESTART);
		break;
	case DUE_QUEUE:
		if (unit->intent.due) {
			skip(unit, "the last run is still there, and another waits for its end");
			break;
		}
		unit->intent.due = true;
		unit_announce(unit, EVENT_SCHEDULE, "queued: the last run is still there");
		break;
	case DUE_SKIP:
		skip(unit, "the last run is still there");
		break;
	case DUE_WAITING:
		skip(unit, "the last run has not begun yet");
		break;
	case DUE_OFF:
	case DUE_N:
		unit_save(unit);
		break;
	}
}

static void missed(struct unit *unit)
{
	char when[TIME_RFC3339_SIZE];
	char text[160];

	if (unit->config->schedule_missed == CONFIG_MISSED_RUN) {
		due(unit);
		return;
	}
	time_rfc3339(unit->timetable.last * NSEC_PER_SEC, when);
	(void)snprintf(text, sizeof(text), "the run of %.20s is past", when);
	if (core_schedule_on(unit->sup->core, unit->id))
		skip(unit, text);
	else
		unit_save(unit);
}

static void on_timer(struct loop_timer *timer, void *data)
{
	struct unit *unit = data;
	struct timetable_now now = now_of(unit->sup);
	enum timetable_verdict verdict = timetable_look(&unit->timetable, &unit->schedule->schedule, &now);

	(void)timer;
	arm(unit);
	if (verdict == TIMETABLE_DUE)
		due(unit);
	else if (verdict == TIMETABLE_MISSED)
		missed(unit);
}

void schedule_settle(struct unit *unit)
{
	enum due answer;

	if (!unit->intent.due)
		return;
	answer = core_due(unit->sup->core, unit->id);
	if (answer == DUE_START)
		start_by_schedule(unit, EV_START); /* intent.due is taken back with the record of that */
	else if (answer == DUE_OFF)
		unit->intent.due = false;
}

/* --- the wall clock --------------------------------------------------------------------------------- */

static void watch_clock(struct supervisor *sup)
{
	struct itimerspec far = { .it_value = { .tv_sec = time_realtime() / NSEC_PER_SEC + CLOCK_WATCH_SECONDS } };

	if (timerfd_settime(sup->clock_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far, NULL) < 0)
		diag(DIAG_WARN, "the wall clock can't be watched: %s; schedules notice that it was set at their next run", strerror(errno));
}

static void on_clock_set(struct loop_io *io, uint32_t events, void *data)
{
	struct supervisor *sup = data;
	struct timetable_now now = now_of(sup);
	uint64_t expirations;

	(void)io;
	(void)events;
	(void)!read(sup->clock_fd, &expirations, sizeof(expirations)); /* ECANCELED: it was set */
	watch_clock(sup);
	for (size_t i = 0; i < sup->units_n; i++) {
		struct unit *unit = sup->units[i];

		if (!unit || !unit->schedule)
			continue;
		timetable_clock_set(&unit->timetable, &unit->schedule->schedule, &now);
		unit_save(unit);
		arm(unit);
	}
}

static void need_clock(struct supervisor *sup)
{
	if (sup->clock_fd >= 0)
		return;
	sup->clock_fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	sup->clock_io = sup->clock_fd < 0 ? NULL : loop_io_new(sup->loop, sup->clock_fd, EPOLLIN, on_clock_set, sup);
	if (sup->clock_io)
		watch_clock(sup);
	else
		diag(DIAG_WARN, "the wall clock can't be watched: %s", strerror(errno));
}

void schedules_fini(struct supervisor *sup)
{
	loop_io_free(sup->clock_io);
	auto_close(&sup->clock_fd);
	sup->clock_io = NULL;
	sup->clock_fd = -1;
}

/* --- beginning and end ------------------------------------------------------------------------------ */

void schedule_open(struct unit *unit)
{
	struct timetable_now now = now_of(unit->sup);
	struct unit_schedule *s;

	if (!unit->config->schedule || unit->schedule)
		return;
	s = calloc(1, sizeof(*s));
	if (s)
		s->timer = loop_timer_new(unit->sup->loop, on_timer, unit);
	if (!s || !s->timer || schedule_parse(unit->config->schedule, &s->schedule) < 0) {
		diag(DIAG_ERROR, "%s: no memory for its schedule: it will not run", unit->config->name);
		free(s);
		return;
	}
	need_clock(unit->sup);
	unit->schedule = s;
	if (!has_begun(&unit->timetable)) {
		timetable_begin(&unit->timetable, &s->schedule, &now);
		unit_save(unit);
	}
	arm(unit);
	schedule_settle(unit);
}

void schedule_close(struct unit *unit)
{
	if (!unit->schedule)
		return;
	loop_timer_free(unit->schedule->timer);
	free(unit->schedule);
	unit->schedule = NULL;
}

void schedule_config_changed(struct unit *unit, const struct service_config *old)
{
	if (str_equal(unit->config->schedule, old->schedule))
		return;
	schedule_close(unit);
	unit->timetable = (struct timetable){ 0 };
	unit->intent.due = unit->intent.due && unit->config->schedule;
	schedule_open(unit);
}

ts_ns schedule_next_run(const struct unit *unit)
{
	struct timetable_now now = now_of(unit->sup);

	if (!unit->schedule || !core_schedule_on(unit->sup->core, unit->id))
		return 0;
	return timetable_next(&unit->timetable, &unit->schedule->schedule, &now);
}
