/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One sink: its queue, its policy, its counters, and its cursor on each service. Pure but for memory: lines are pushed in,
 * requests come out, replies go in. Who has the network asks ship_sink_next() after everything that happened.
 *
 * A line that was pushed ends in exactly one of: acknowledged, refused, set aside, dropped. A source's cursor (`done`) moves
 * behind lines that have ended, and behind those that were never wanted; where a crashed shipper's successor begins there,
 * no line is missed, and those that were under way are sent again.
 *
 * What is dropped is told in-band: a gap record takes the lines' place at the head of the queue.
 */
#ifndef SHIP_SINK_H
#define SHIP_SINK_H

#include "base/diag.h"
#include "base/list.h"
#include "base/ship_wire.h"
#include "ship/policy.h"
#include "ship/queue.h"

struct ship_run;

/** A service as one sink sees it. Public values; made and freed by ship_source_new(), ship_source_free(). */
struct ship_source {
	struct list node; /* of the owner's */
	struct ship_run *run;
	char service[LIMIT_NAME + 1];
	struct log_cursor at;	/* behind the last line that was read */
	struct log_cursor done; /* behind the last line that has ended: what is to be kept */
	size_t pending;		/* lines in the queue */
	bool held;		/* scratch */
	bool ended;		/* nothing more will come: to be freed when nothing is pending */
	uint32_t tie;		/* of the next line of at.ts */
	void *data;		/* the owner's */
};

/** What a sink asks of its owner; `data` is that of ship_run_new(). None may free the sink. */
struct ship_ops {
	/** `source->done` has moved. */
	void (*moved)(struct ship_source *source, void *data);
	/** Keep a line (or a gap record) that the receiver refused, and why. Returns false if it could not be kept; it is counted anyway. */
	bool (*aside)(const struct ship_line *line, const char *why, void *data);
	/** For the log; at most one of each kind in ten seconds. */
	void (*say)(enum diag_level level, const char *text, void *data);
};

struct ship_run {
	struct ship_sink sink; /* for the encoders */
	struct ship_queue queue;
	struct ship_policy policy;
	struct ship_request request; /* what was sent last */
	bool encoded;	/* `request` is that of the flight */
	size_t flight;	/* the first lines of the queue */
	struct ship_counts counts;
	unsigned int streams; /* bit 1 << LOG_STDOUT …: those that are wanted */
	char cause[SHIP_ERROR_SIZE]; /* set by who sends: why there is no answer */
	char error[SHIP_ERROR_SIZE]; /* the last failure */
	ts_ns error_at;
	ts_ns acked_at;
	usec_t said_at;	     /* 0: nothing was said yet */
	uint64_t unsaid;     /* failures since then */
	bool failing;
	uint8_t *keep;	     /* scratch */
	size_t keep_cap;
	const struct ship_ops *ops;
	void *data;
};

enum ship_want {
	SHIP_WANT_NOTHING, /* until lines come */
	SHIP_WANT_WAIT,	   /* until `until` or more lines */
	SHIP_WANT_SEND,	   /* run->request; then ship_run_reply() */
	SHIP_WANT_ABORT,   /* end the request that is under way, then ship_run_reply() with an empty reply */
};

struct ship_next {
	enum ship_want want;
	usec_t until;
};

/**
 * A sink by its settings, which must outlive it, as must `host` and `boot`. Returns NULL: no memory.
 */
struct ship_run *ship_run_new(const struct ship_settings *settings, const char *host, const char *boot, uint64_t seed,
			      const struct ship_ops *ops, void *data);
/** Free it; its sources are freed before or after. NULL is fine. */
void ship_run_free(struct ship_run *run);

/** A service for this sink, from `from` on. NULL: no memory. */
struct ship_source *ship_source_new(struct ship_run *run, const char *service, const struct log_cursor *from);
/** Nothing of it may be pending, unless its sink is freed before anything else is asked of it. NULL is fine. */
void ship_source_free(struct ship_source *source);

/** Is there room for one more line? */
bool ship_run_has_room(const struct ship_run *run);
/** Where the text of the next line may be written to, see ship_queue_room(). */
char *ship_run_room(struct ship_run *run, size_t want, size_t *size);
/**
 * A line of the source, or a gap (LINE_LOST), and the place behind it. `prefixed`: a leading "<N>" is its level.
 * Returns 0; -ENOMEM: not taken, ask again later.
 */
int ship_run_push(struct ship_source *source, const struct log_line *line, const struct log_cursor *after, bool prefixed,
		  usec_t now);

/** What to do now. `wall` is the wall clock. */
struct ship_next ship_run_next(struct ship_run *run, usec_t now, ts_ns wall);
/** The answer to the request; `cut`: the connection was there and no answer came. */
void ship_run_reply(struct ship_run *run, const struct ship_reply *reply, bool cut, usec_t now);
/**
 * For receivers that answer nothing: of the request `sent` bytes are out; `failed` is NULL (all of them, and the other end
 * has them) or why it ended.
 */
void ship_run_written(struct ship_run *run, size_t sent, const char *failed, usec_t now, ts_ns wall);
/** Send all there is at once. */
void ship_run_flush(struct ship_run *run, usec_t now);
/** Give up what is in the queue: counted as dropped, told to nobody. Returns the lines. */
uint64_t ship_run_give_up(struct ship_run *run);
/** What it is doing, for status. */
enum ship_sink_phase ship_run_phase(const struct ship_run *run, usec_t now);

/** Does the sink want lines of this service? `tags` ends with NULL. `own`: the server's own log. */
bool ship_wants_service(const struct ship_settings *s, const char *service, const char *const *tags, bool own);

#endif
