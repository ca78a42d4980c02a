/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the file of recent events and the list of listeners. */
#include "supervisor/events.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *const kind_names[EVENT_KIND_N] = {
	[EVENT_STATE] = "state",   [EVENT_HEALTH] = "health", [EVENT_ADDED] = "added",
	[EVENT_REMOVED] = "removed", [EVENT_RELOAD] = "reload", [EVENT_SHUTDOWN] = "shutdown",
	[EVENT_UPGRADE] = "upgrade",
	[EVENT_UNDONE] = "undone",
	[EVENT_SCHEDULE] = "schedule", [EVENT_WATCH] = "watch", [EVENT_LOG_DROP] = "log_drop",
};

const char *supervisor_event_kind_name(enum supervisor_event_kind kind)
{
	/* a newer server may have left kinds that we don't know */
	return kind >= 0 && kind < EVENT_KIND_N ? kind_names[kind] : "other";
}

int events_init(struct events *e, int fd, uint64_t *cursor)
{
	list_init(&e->listeners);
	e->cursor = cursor;
	e->prepared = *cursor;
	e->news = false;
	e->fd = fd >= 0 ? fd : memfd_create("zinit-events", MFD_CLOEXEC);
	return e->fd < 0 ? -errno : 0;
}

void events_fini(struct events *e)
{
	auto_close(&e->fd);
	e->fd = -1;
}

static off_t place(uint64_t cursor)
{
	return (off_t)(cursor % EVENTS_KEPT * sizeof(struct supervisor_event));
}

static void write_event(const struct events *e, const struct supervisor_event *event)
{
	/* an event that can't be written (no memory) is then announced as lost: its place holds an older cursor */
	(void)!pwrite(e->fd, event, sizeof(*event), place(event->cursor));
}

static bool read_event(const struct events *e, uint64_t cursor, struct supervisor_event *out)
{
	return pread(e->fd, out, sizeof(*out), place(cursor)) == (ssize_t)sizeof(*out) && out->cursor == cursor;
}

uint64_t events_prepare(struct events *e, struct supervisor_event *event)
{
	event->cursor = ++e->prepared;
	event->at = time_realtime();
	write_event(e, event);
	return event->cursor;
}

void events_publish(struct events *e)
{
	if (e->prepared == *e->cursor)
		return;
	atomic_signal_fence(memory_order_seq_cst);
	*e->cursor = e->prepared;
	e->news = true;
}

static void make_void(const struct events *e, struct supervisor_event *event)
{
	event->kind = EVENT_VOID;
	write_event(e, event);
}

void events_take_back(struct events *e)
{
	struct supervisor_event event;

	for (uint64_t n = *e->cursor + 1; n <= e->prepared; n++) {
		if (read_event(e, n, &event))
			make_void(e, &event);
	}
	events_publish(e);
}

void events_settle(struct events *e, bool (*took_place)(const struct supervisor_event *event, void *data), void *data)
{
	struct supervisor_event event;
	uint64_t first = *e->cursor + 1;

	for (uint64_t n = first; n < first + EVENTS_PREPARED_MAX; n++) {
		if (!read_event(e, n, &event))
			continue;
		if (!took_place(&event, data))
			make_void(e, &event);
		e->prepared = n; /* a number once given out stands on records: it is not given out again */
	}
	events_publish(e);
}

void events_add(struct events *e, struct supervisor_event *event)
{
	(void)events_prepare(e, event);
	events_publish(e);
}

void events_tell(struct events *e)
{
	struct supervisor_listener *listener;

	if (!e->news)
		return;
	e->news = false;
	LIST_FOREACH (listener, &e->listeners, node)
		listener->fn(listener);
}

int events_after(const struct events *e, uint64_t cursor, struct supervisor_event *out, uint64_t *out_lost)
{
	uint64_t newest = *e->cursor;
	uint64_t wanted = cursor + 1;
	uint64_t voids = 0;

	*out_lost = 0;
	if (newest >= EVENTS_KEPT && wanted <= newest - EVENTS_KEPT)
		wanted = newest - EVENTS_KEPT + 1;
	for (; wanted <= newest; wanted++) {
		if (!read_event(e, wanted, out))
			continue;
		if (out->kind == EVENT_VOID) {
			voids++;
			continue;
		}
		*out_lost = wanted - cursor - 1 - voids;
		return 1;
	}
	return 0;
}
