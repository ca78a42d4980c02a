/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last events, in a memfd that the keeper holds: a subscriber that comes back after the server was replaced goes on
 * where it was. The file is not mapped; a record is written before the cursor that covers it.
 */
#ifndef SUPERVISOR_EVENTS_H
#define SUPERVISOR_EVENTS_H

#include "supervisor/supervisor.h"

#define EVENTS_KEPT 1024

struct events {
	int fd;
	uint64_t *cursor; /* of the newest; a word of the state, which survives us */
	struct list listeners;
	bool news; /* listeners have not been told yet */
};

/** Begin with a new file, or go on with `fd` (>= 0, taken over). `cursor` must outlive it. Returns 0 or negative errno. */
int events_init(struct events *e, int fd, uint64_t *cursor);
void events_fini(struct events *e);
/** Give the event its cursor and keep it. Listeners are told by events_tell(). */
void events_add(struct events *e, struct supervisor_event *event);
/** Tell the listeners, if anything came since the last time. */
void events_tell(struct events *e);
/** See supervisor_event_after(). */
int events_after(const struct events *e, uint64_t cursor, struct supervisor_event *out, uint64_t *out_lost);

#endif
