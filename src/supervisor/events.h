/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last events, in a memfd that the keeper holds: a subscriber that comes back after the server was replaced goes on
 * where it was. The file is not mapped; a record is written before the cursor that covers it.
 *
 * An event that tells of a change on record is prepared first: written, with its number, beyond the cursor. Then the change
 * goes on record, with that number in the same commit. Then the event is published. So the next server can tell for each
 * prepared event whether what it tells took place, and none is missing and none is told for nothing.
 */
#ifndef SUPERVISOR_EVENTS_H
#define SUPERVISOR_EVENTS_H

#include "supervisor/supervisor.h"

#define EVENTS_KEPT 1024
/* Events that may be prepared at a time: as many as the effects of one step. */
#define EVENTS_PREPARED_MAX 256
/* The kind of a number that tells of nothing: it was prepared and did not take place. The same in all versions. */
#define EVENT_VOID ((enum supervisor_event_kind)255)

struct events {
	int fd;
	uint64_t *cursor; /* of the newest; a word of the state, which survives us */
	uint64_t prepared; /* the last number given out; above *cursor: not published yet */
	struct list listeners;
	bool news; /* listeners have not been told yet */
};

/** Begin with a new file, or go on with `fd` (>= 0, taken over). `cursor` must outlive it. Returns 0 or negative errno. */
int events_init(struct events *e, int fd, uint64_t *cursor);
void events_fini(struct events *e);
/** Give the event its cursor and keep it. Listeners are told by events_tell(). */
void events_add(struct events *e, struct supervisor_event *event);
/** The first half of events_add(): nobody sees it yet. Returns its number. */
uint64_t events_prepare(struct events *e, struct supervisor_event *event);
/** All that is prepared took place. */
void events_publish(struct events *e);
/** Nothing of what is prepared took place. */
void events_take_back(struct events *e);
/** What an earlier server had prepared: publish what took place, in order. Once, before other events come. */
void events_settle(struct events *e, bool (*took_place)(const struct supervisor_event *event, void *data), void *data);
/** Tell the listeners, if anything came since the last time. */
void events_tell(struct events *e);
/** See supervisor_event_after(). */
int events_after(const struct events *e, uint64_t cursor, struct supervisor_event *out, uint64_t *out_lost);

#endif
