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
};

const char *supervisor_event_kind_name(enum supervisor_event_kind kind)
{
	return kind_names[kind];
}

int events_init(struct events *e, int fd, uint64_t *cursor)
{
	list_init(&e->listeners);
	e->cursor = cursor;
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

void events_add(struct events *e, struct supervisor_event *event)
{
	event->cursor = *e->cursor + 1;
	event->at = time_realtime();
	/* an event that can't be written (no memory) is then announced as lost: its place holds an older cursor */
	(void)!pwrite(e->fd, event, sizeof(*event), place(event->cursor));
	atomic_signal_fence(memory_order_seq_cst);
	*e->cursor = event->cursor;
	e->news = true;
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

	*out_lost = 0;
	if (newest >= EVENTS_KEPT && wanted <= newest - EVENTS_KEPT)
		wanted = newest - EVENTS_KEPT + 1;
	for (; wanted <= newest; wanted++) {
		if (pread(e->fd, out, sizeof(*out), place(wanted)) == (ssize_t)sizeof(*out) &&
		    out->cursor == wanted) {
			*out_lost = wanted - cursor - 1;
			return 1;
		}
	}
	return 0;
}
