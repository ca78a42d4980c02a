/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the events that tell of lost lines. The first loss is told at once, what follows it after a second, and while it
 * goes on after twice as long each time: a service that floods for a day must not push all other events out of those kept.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "supervisor/internal.h"

#define PAUSE_FIRST (1 * USEC_PER_SEC)
#define PAUSE_LAST (60 * USEC_PER_SEC)
#define TEXT_SIZE sizeof(((struct supervisor_event *)NULL)->cause)

/* A count falls when a service is told to store nothing any more. */
static void add_lines(struct strbuf *text, uint64_t before, uint64_t now, const char *reason)
{
	if (now > before)
		(void)strbuf_addf(text, "%s%llu line%s lost: %s", text->len ? "; " : "", (unsigned long long)(now - before),
				  now - before == 1 ? "" : "s", reason);
}

/* Returns false if there is nothing to tell. */
static bool tell(struct unit *unit)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(TEXT_SIZE);
	struct log_drops *drops = &unit->drops;
	struct log_lost now;

	log_service_lost(unit->log, &now);
	add_lines(&text, drops->told.rate, now.rate, log_lost_reason(LINE_LOST_RATE));
	add_lines(&text, drops->told.store, now.store,
		  now.store_error ? strerror(now.store_error) : log_lost_reason(LINE_LOST_OVERWRITTEN));
	drops->told = now;
	if (!text.len)
		return false;
	unit_announce(unit, EVENT_LOG_DROP, strbuf_str(&text));
	return true;
}

static void on_timer(struct loop_timer *timer, void *data)
{
	struct unit *unit = data;
	struct log_drops *drops = &unit->drops;

	log_service_lost_again(unit->log);
	if (!tell(unit)) {
		drops->pause = 0;
		return;
	}
	drops->pause = MIN(drops->pause * 2, PAUSE_LAST);
	loop_timer_arm(timer, time_add(loop_now(unit->sup->loop), drops->pause));
}

static void on_lost(struct log_service *log, void *data)
{
	struct unit *unit = data;
	struct log_drops *drops = &unit->drops;

	if (drops->pause)
		return; /* told when the pause is over */
	if (!drops->timer)
		drops->timer = loop_timer_new(unit->sup->loop, on_timer, unit);
	if (!drops->timer) {
		log_service_lost_again(log); /* no memory: told with the next loss */
		return;
	}
	if (tell(unit))
		drops->pause = PAUSE_FIRST;
	else
		log_service_lost_again(log);
	if (drops->pause)
		loop_timer_arm(drops->timer, time_add(loop_now(unit->sup->loop), drops->pause));
}

void log_drops_open(struct unit *unit)
{
	/* what an earlier server counted was its to tell */
	log_service_lost(unit->log, &unit->drops.told);
	log_service_on_lost(unit->log, on_lost, unit);
}

void log_drops_close(struct unit *unit)
{
	loop_timer_free(unit->drops.timer);
}
