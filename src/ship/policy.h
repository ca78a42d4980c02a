/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a sink sends what: pure decisions of (state, event, now). It knows of lines only how many there are and how large
 * they are; queue.h holds them, sink.h joins both, zinit-shipper has the network, test/sim has another world.
 *
 * One request is under way at a time, so the order of lines is kept. Its lines are the *flight*: the oldest of the queue,
 * frozen until each of them has found its end, so that whatever is sent again is the same bytes.
 *
 *	ship_policy_next()    what now? send a new flight, send the same again, or wait until a time
 *	ship_policy_answer()  a verdict came: what becomes of the flight
 *
 * A batch has at most `limit` lines. That is batch_size at first; it doubles while the queue grows faster than it is sent,
 * up to SHIP_GROWTH times batch_size (and batch_bytes); it is halved when an answer takes longer than a quarter of the
 * time-out. What a receiver called too large is not tried again for a good while.
 *
 * Every wait ends: an age, a back-off and a request each have a time by which ship_policy_next() does something.
 */
#ifndef SHIP_POLICY_H
#define SHIP_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"
#include "config/server_settings.h"
#include "ship/batch.h"

#define SHIP_GROWTH 64
/* First pause after a failure; it doubles with each, and what is waited is random between 0 and it ("full jitter"). */
#define SHIP_BACKOFF_FIRST (100 * USEC_PER_MSEC)
/* A pause is never shorter, so that a receiver that refuses at once is not asked in a tight circle. */
#define SHIP_BACKOFF_MIN (10 * USEC_PER_MSEC)
/* How long after its time-out a request is given up here, if the network has not done so. */
#define SHIP_GRACE (5 * USEC_PER_SEC)
/* So often a flight may end without an answer (closed, timed out) before it is sent in halves. */
#define SHIP_CUTS_SPLIT 4
/* So often a single line may close the connection before it is taken for the reason. */
#define SHIP_CUTS_ASIDE 16
/* After so many lines in a row that were refused for their content, further batches are not searched for the bad line. */
#define SHIP_POISON_ROW 8
/* So many flights that went well raise the size that a receiver has called too large. */
#define SHIP_CEILING_WINS 64

struct ship_policy_options {
	uint32_t batch_size;
	uint64_t batch_bytes;
	usec_t flush_interval, timeout, max_retry;
	enum ship_on_failure on_failure;
	uint64_t seed; /* for the jitter */
};

/** Plain values; ship_policy_init() sets them, others look only. */
struct ship_policy {
	struct ship_policy_options options;
	bool sending;
	bool flushing;	    /* everything is due at once, until the queue is empty */
	bool paused;	    /* the last verdict was PAUSE */
	usec_t sent_at;
	usec_t not_before;  /* back-off; 0: none */
	uint32_t attempts;  /* failures in a row */
	uint32_t again;	    /* AGAIN in a row */
	uint32_t cuts;	    /* ends without an answer in a row, of this flight */
	uint32_t limit;	    /* lines of the next new flight */
	uint32_t ceiling;   /* what `limit` may not pass: learnt by SPLIT */
	uint32_t wins;	    /* since the ceiling was lowered */
	uint32_t poison_row;
	uint64_t random;
};

/** What the queue looks like. */
struct ship_view {
	size_t flight;	 /* lines of the flight that have no end yet; 0: no flight */
	size_t lines;	 /* in the queue, the flight's among them */
	uint64_t bytes;
	usec_t oldest;	 /* when the oldest line outside of the flight came; USEC_NEVER: there is none */
	bool full;	 /* there is no room for more */
};

enum ship_action {
	SHIP_ACT_IDLE,	/* nothing to do until lines come */
	SHIP_ACT_WAIT,	/* until `until`, or more lines */
	SHIP_ACT_SEND,	/* make a flight of at most `lines` lines and `bytes` bytes (at least one line), and send it */
	SHIP_ACT_AGAIN, /* send the flight */
	SHIP_ACT_ABORT, /* the request has no end: end it, and answer with RETRY */
};

struct ship_step {
	enum ship_action action;
	usec_t until;
	uint32_t lines;
	uint64_t bytes;
};

/** What came of a request, as far as the policy cares. */
struct ship_event {
	enum ship_verdict verdict;
	size_t flight;	     /* lines that it had */
	size_t retry;	     /* EACH: of them to be sent again */
	size_t poison;	     /* EACH: of them refused */
	size_t queued;	     /* lines in the queue, the flight's among them */
	bool bisect;	     /* POISON: halves may tell */
	bool cut;	     /* RETRY: the connection was there, and no answer came: closed, or timed out */
	int64_t retry_after_ms; /* -1: nothing was said */
};

/** What is to be done with the flight. */
enum ship_fate {
	SHIP_FATE_KEEP,	 /* stays as it is */
	SHIP_FATE_ACK,	 /* done */
	SHIP_FATE_DROP,	 /* give it up, counted */
	SHIP_FATE_ASIDE, /* set aside with the answer, counted */
	SHIP_FATE_HALVE, /* the first half stays the flight, the rest waits in the queue again */
	SHIP_FATE_EACH,	 /* as the verdict of each line says; what is RETRY stays the flight */
	SHIP_FATE_EACH_DROP, /* the same, but what is RETRY is dropped */
	SHIP_FATE_N,
};

/** Begin. */
void ship_policy_init(struct ship_policy *p, const struct ship_policy_options *options);
/** What to do now. With SEND and AGAIN the request counts as begun. */
struct ship_step ship_policy_next(struct ship_policy *p, const struct ship_view *view, usec_t now);
/** The request has ended. */
enum ship_fate ship_policy_answer(struct ship_policy *p, const struct ship_event *event, usec_t now);
/** Send everything at once: back-offs are over, ages do not matter. A failure after that waits as usual. */
void ship_policy_flush(struct ship_policy *p, usec_t now);

#endif
