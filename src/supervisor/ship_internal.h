/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by ship.c and ship_status.c: the link to the shipper. */
#ifndef SUPERVISOR_SHIP_INTERNAL_H
#define SUPERVISOR_SHIP_INTERNAL_H

#include "supervisor/ship.h"
#include "supervisor/worker.h"

struct loop_io;
struct loop_timer;

/* What the shipper was told of a service; all zero: nothing. */
struct ship_told {
	uint64_t serial; /* of the unit */
	uint64_t hash;	 /* of tags and flags */
};

struct ship_link {
	struct supervisor *sup;
	const struct server_settings *settings;
	struct ship_state *state; /* NULL until it is first needed */
	ts_ns settings_at; /* of the last reload */
	int state_fd, news_fd;
	int sock; /* -1: no shipper */
	struct loop_io *io;
	struct worker *worker; /* NULL: none, or not ours any more */
	struct loop_timer *timer; /* the next start, or the end of a flush */
	usec_t started_at, retry_delay;
	bool state_told, settings_told;
	uint32_t sinks_told;
	struct ship_told *told; /* by slot: 0 the own log, else unit id + 1 */
	size_t told_n;
	unsigned int starts;
	bool look_pending;
	bool flushing;
	struct list probes;
	uint32_t probe_last;
};

/** Send a message to the shipper. Returns 0 or negative errno (-EAGAIN: not now). */
int ship_tell(struct ship_link *l, const struct shipper_head *head, const struct strbuf *text, const int *fds, size_t n);

/* ship_probe.c */
void ship_probe_answered(struct ship_link *l, uint32_t id, bool taken, const char *text);
/** Nobody will answer them. */
void ship_probes_fail(struct ship_link *l, const char *text);

#endif
