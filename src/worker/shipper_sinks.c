/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the sinks: made of the server's messages, stepped, ended. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ship/pack.h"
#include "worker/transport.h"

/* --- what a sink asks of us --------------------------------------------------------------------------- */

static void on_moved(struct ship_source *source, void *data)
{
	struct feed *feed = source->data;
	struct sink *sink = data;

	if (feed->kept)
		state_set_cursor(feed->kept, &source->done);
	files_cursors_moved(sink);
}

static bool on_aside(const struct ship_line *line, const char *why, void *data)
{
	return files_set_aside(data, line, why);
}

static void on_say(enum diag_level level, const char *text, void *data)
{
	(void)data;
	shipper_say(level, text);
}

static const struct ship_ops ops = { .moved = on_moved, .aside = on_aside, .say = on_say };

/* --- stepping ----------------------------------------------------------------------------------------- */

static void on_timer(struct loop_timer *timer, void *data)
{
	(void)timer;
	sink_step(data);
}

/* Returns false when there is nothing more to do now. */
static bool step(struct sink *sink)
{
	static const struct ship_reply nothing = { 0 };
	usec_t now = loop_now(sink->shipper->loop);
	bool more = sink_fill(sink);
	struct ship_next next = ship_run_next(sink->run, now, time_realtime());

	switch (next.want) {
	case SHIP_WANT_NOTHING:
	case SHIP_WANT_WAIT:
		/* what was not read yet is read in the loop's next round, so that others have their turn */
		loop_timer_arm(sink->timer, more && ship_run_has_room(sink->run) ? now : next.until);
		return false;
	case SHIP_WANT_SEND:
		sink->transport->ops->send(sink->transport);
		return true;
	case SHIP_WANT_ABORT:
		sink->transport->ops->abort(sink->transport);
		ship_run_reply(sink->run, &nothing, true, now);
		return true;
	}
	return false;
}

void sink_step(struct sink *sink)
{
	if (sink->stepping || !sink->transport)
		return;
	sink->stepping = true;
	while (!sink->shipper->ending && step(sink))
		;
	sink->stepping = false;
	state_publish(sink);
	if (sink->probe)
		probe_stepped(sink->probe);
	shipper_settle(sink->shipper);
}

void sink_replied(struct sink *sink, const struct ship_reply *reply, bool cut)
{
	ship_run_reply(sink->run, reply, cut, loop_now(sink->shipper->loop));
	sink_step(sink);
}

void sink_written(struct sink *sink, size_t sent, const char *failed)
{
	ship_run_written(sink->run, sent, failed, loop_now(sink->shipper->loop), time_realtime());
	sink_step(sink);
}

bool sink_is_empty(const struct sink *sink)
{
	return list_empty(&sink->ready) && sink->run->queue.n == 0;
}

/* --- life --------------------------------------------------------------------------------------------- */

static void free_feeds(struct sink *sink)
{
	struct service *service;

	LIST_FOREACH (service, &sink->shipper->services, node) {
		struct feed *feed;

		LIST_FOREACH (feed, &service->feeds, node) {
			if (feed->sink == sink)
				feed_free(feed);
		}
	}
}

void sink_free(struct sink *sink)
{
	if (!sink)
		return;
	if (sink->transport)
		sink->transport->ops->close(sink->transport);
	free_feeds(sink);
	ship_run_free(sink->run);
	loop_timer_free(sink->timer);
	files_fini(sink);
	list_remove(&sink->node);
	free(sink->settings);
	free(sink->packed);
	free(sink);
}

static int open_sink(struct sink *sink, const char *packed, size_t len)
{
	struct shipper *s = sink->shipper;
	const struct transport_ops *how;

	sink->settings = ship_unpack(packed, len);
	sink->packed = malloc(len);
	sink->timer = loop_timer_new(s->loop, on_timer, sink);
	if (!sink->settings || !sink->packed || !sink->timer)
		return -ENOMEM;
	memcpy(sink->packed, packed, len);
	sink->packed_len = len;
	sink->state = state_sink(s, sink->settings->name);
	sink->run = ship_run_new(sink->settings, s->host, s->boot, s->random++ * 2654435761U, &ops, sink);
	if (!sink->run)
		return -ENOMEM;
	if (sink->state)
		for (size_t i = 0; i < ARRAY_LEN(sink->state->counts); i++)
			((uint64_t *)(void *)&sink->run->counts)[i] = atomic_load(&sink->state->counts[i]);
	files_load_cursors(sink);
	how = ship_is_silent(sink->settings) ? &transport_stream : &transport_http;
	sink->transport = how->open(sink);
	return sink->transport ? 0 : -ENOMEM;
}

static struct sink *find(struct shipper *s, const char *packed, size_t len)
{
	struct sink *sink;

	LIST_FOREACH (sink, &s->sinks, node) {
		if (sink->packed_len == len && memcmp(sink->packed, packed, len) == 0)
			return sink;
	}
	return NULL;
}

void sink_told(struct shipper *s, const struct shipper_head *head, const char *packed, size_t len)
{
	struct sink *sink = find(s, packed, len);

	if (sink) {
		sink->named = true;
		return;
	}
	sink = calloc(1, sizeof(*sink));
	if (!sink) {
		shipper_say(DIAG_ERROR, "out of memory: a sink is not served");
		return;
	}
	list_init(&sink->ready);
	list_append(&s->sinks, &sink->node);
	sink->shipper = s;
	sink->named = true;
	sink->since = head->time;
	sink->aside_fd = -1;
	sink->packed_len = len;
	/* opened when all are known: one of the same name, with other settings, has to end first */
	sink->packed = malloc(len);
	if (sink->packed)
		memcpy(sink->packed, packed, len);
}

static bool is_named(struct shipper *s, const char *name)
{
	struct sink *sink;

	LIST_FOREACH (sink, &s->sinks, node) {
		if (sink->settings && strcmp(sink->settings->name, name) == 0)
			return true;
	}
	return false;
}

/* Sinks of an earlier shipper that the configuration does not have any more. */
static void forget_others(struct shipper *s)
{
	for (size_t i = 0; i < LIMIT_SHIP_SINKS; i++) {
		struct ship_sink_state *it = &s->state->sinks[i];
		char name[LIMIT_NAME + 1];

		if (!atomic_load(&it->used))
			continue;
		memcpy(name, it->name, sizeof(name));
		name[LIMIT_NAME] = '\0';
		if (!is_named(s, name))
			state_forget_sink(s, name);
	}
}

void sinks_end(struct shipper *s)
{
	struct sink *sink;

	LIST_FOREACH (sink, &s->sinks, node) {
		if (!sink->named)
			sink_free(sink);
		else
			sink->named = false;
	}
	LIST_FOREACH (sink, &s->sinks, node) {
		AUTO(auto_free) char *packed = sink->run ? NULL : STEAL(&sink->packed);

		if (!sink->run && (!packed || open_sink(sink, packed, sink->packed_len) < 0)) {
			shipper_say(DIAG_ERROR, "out of memory: a sink is not served");
			sink_free(sink);
		}
	}
	forget_others(s);
	feeds_make(s);
	LIST_FOREACH (sink, &s->sinks, node)
		sink_step(sink);
}
