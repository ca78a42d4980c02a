/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What server and zinit-shipper share: datagrams on a SOCK_SEQPACKET socket pair, which the shipper has as its descriptor
 * SHIPPER_FD, and one memfd that both map. It stands in base because two programs share it.
 *
 * The memfd outlives both of them (the keeper holds it): the counters and the cursors of all sinks. The shipper writes
 * them, the server shows them, and the next shipper goes on from there. It also carries the news: the log's reader sets a
 * service's bit in `dirty`, and writes the eventfd only if the shipper has set `armed` before it went to sleep. So a busy
 * log costs the reader a load, and an idle one wakes nobody.
 *
 * The server trusts nothing that stands in it: texts are cut, numbers are only shown.
 */
#ifndef BASE_SHIP_WIRE_H
#define BASE_SHIP_WIRE_H

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

/* --- messages --------------------------------------------------------------------------------- */

#define SHIPPER_FD 3
/* A message with all its texts; a longer one is refused by the server. */
#define SHIPPER_MESSAGE_MAX (64U << 10)

enum shipper_kind {
	/* to the shipper; "text" is NUL-terminated */
	SHIPPER_STATE = 1,    /* first of all: descriptors memfd and eventfd; text: the directory of the logs */
	SHIPPER_SINK,	      /* one [[ship]] table, packed (ship/pack.h) */
	SHIPPER_SINKS_END,    /* those were all: sinks that were not among them are no more */
	SHIPPER_SERVICE,      /* descriptor: its ring; texts: name, then its tags; `flags` */
	SHIPPER_SERVICE_GONE, /* `slot`: ship what is left of it, then forget it */
	SHIPPER_FLUSH,	      /* send all there is, at once, within `flags` milliseconds; then SHIPPER_FLUSHED */
	SHIPPER_PROBE,	      /* one [[ship]] table, packed: send it a test record; `slot`: number of the question */
	/* to the server */
	SHIPPER_PROBED,	 /* `slot`: of the question; `flags`: 1 if the record was taken; text: what came back */
	SHIPPER_SAY,	 /* text for the log; `flags`: enum diag_level */
	SHIPPER_FLUSHED, /* `flags`: lines that were not sent */
};

/* Of SHIPPER_SERVICE. */
enum shipper_service_flag {
	SHIPPER_STORED = 1,   /* it has segments on disk */
	SHIPPER_PREFIXED = 2, /* a leading "<N>" of a line is its level */
	SHIPPER_OWN = 4,      /* the server's own log: only for sinks that name it */
};

struct shipper_head {
	uint32_t kind; /* enum shipper_kind */
	uint32_t slot; /* of a service: its bit in `dirty` */
	uint32_t flags;
	uint32_t reserved;
	int64_t time; /* ns, wall clock. SINK: since when it is configured; SERVICE: when its ring was made */
};

/* --- shared memory ---------------------------------------------------------------------------- */

#define SHIP_STATE_MAGIC 0x315049485a5aULL /* "ZZSHIP1" without its last letter */
#define SHIP_STATE_VERSION 1U
#define SHIP_DIRTY_WORDS (LIMIT_SHIP_SLOTS / 64)
#define SHIP_ERROR_SIZE 256

/* What a sink is doing. */
enum ship_sink_phase {
	SHIP_PHASE_IDLE,    /* everything is sent */
	SHIP_PHASE_GATHER,  /* lines wait for a full batch, or for its age */
	SHIP_PHASE_SENDING, /* a request is under way */
	SHIP_PHASE_BACKOFF, /* the last one failed; waits for the next try */
	SHIP_PHASE_PAUSED,  /* refused for what an operator must mend; tries rarely */
	SHIP_PHASE_N
};

/* Lines unless said otherwise. written = acked + dropped + refused + aside + (queued or unread). */
struct ship_counts {
	uint64_t taken;	   /* read from rings and segments into the queue */
	uint64_t sent;	   /* put into requests; a line that is sent twice counts twice */
	uint64_t acked;	   /* the receiver has them */
	uint64_t retried;  /* sent again */
	uint64_t dropped;  /* given up after a failure (on_failure = "drop", or at the end of a shutdown) */
	uint64_t overrun;  /* overwritten before they could be read */
	uint64_t refused;  /* the receiver took the batch without them */
	uint64_t aside;	   /* put into the file of refused lines */
	uint64_t filtered; /* of other streams than wanted */
	uint64_t gaps;	   /* records of missing lines that were acknowledged */
	uint64_t requests;
	uint64_t failures; /* requests that did not succeed */
	uint64_t bytes;	   /* of request bodies, as sent */
	uint64_t plain_bytes; /* of them before compression */
	uint64_t queued;   /* in the queue now */
	uint64_t queued_bytes;
};

/* One sink. All words are written by the shipper alone, each by one store. */
struct ship_sink_state {
	char name[LIMIT_NAME + 1];
	_Atomic uint32_t used;
	_Atomic uint32_t phase;	   /* enum ship_sink_phase */
	_Atomic int64_t oldest_ns; /* time of the oldest line in the queue, 0: none */
	_Atomic int64_t error_ns;  /* when `error` was written, 0: never */
	_Atomic int64_t acked_ns;  /* last acknowledgement */
	_Atomic int64_t retry_ns;  /* when the next try is due, 0: nothing waits for one */
	_Atomic uint32_t batch;	   /* lines that a batch may have now */
	uint32_t pad;
	char error[SHIP_ERROR_SIZE];
	_Atomic uint64_t counts[sizeof(struct ship_counts) / sizeof(uint64_t)];
	uint8_t pad2[16];
};

struct ship_cursor_copy {
	uint64_t ring, seq;
	int64_t ts;
	uint32_t same, pad;
};

/* Up to where a service was shipped to a sink. Two copies: a kill between any two instructions leaves the old or the new. */
struct ship_cursor_slot {
	char service[LIMIT_NAME + 1];
	char sink[LIMIT_NAME + 1];
	_Atomic uint32_t used;
	_Atomic uint32_t turn; /* copy[turn & 1] is valid */
	struct ship_cursor_copy copy[2];
	uint8_t pad[56];
};

struct ship_state {
	_Atomic uint64_t magic; /* written last */
	uint32_t version;
	uint32_t bytes;
	uint8_t pad[48];
	_Atomic uint32_t armed; /* the shipper sleeps: write the eventfd when there is news */
	_Atomic uint32_t cursors; /* slots that were ever used */
	_Atomic uint64_t beat; /* rounds of the shipper's loop */
	uint8_t pad2[4096 - 80];
	_Atomic uint64_t dirty[SHIP_DIRTY_WORDS];
	struct ship_sink_state sinks[LIMIT_SHIP_SINKS];
	struct ship_cursor_slot cursor[LIMIT_SHIP_CURSORS];
};

static_assert(offsetof(struct ship_state, dirty) == 4096, "layout");
static_assert(sizeof(struct ship_cursor_slot) == 256, "layout");
static_assert(sizeof(struct ship_sink_state) == 512, "layout");

#endif
