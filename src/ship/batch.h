/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shipping, the format side: lines in, one request out; the receiver's answer in, a verdict for every line out.
 *
 * Everything here is pure: no socket, no file, no clock, no state but what the caller passes. Who batches, waits, sends,
 * retries and spills calls three functions for each try:
 *
 *	ship_encode(sink, batch, &request)	the bytes to send, where to, with which headers
 *	... sends it ...
 *	ship_answer(sink, batch, &reply, &outcome)	what became of the lines, and what to do with the rest
 *
 * Encoding is deterministic: the same sink and batch give the same bytes, at any time and in any process. A resend is
 * therefore byte-identical, and receivers that can drop duplicates do: Elasticsearch by `_id`, ClickHouse by token,
 * Loki by equal time and text. What is and isn't an identity: see `struct ship_line`.
 *
 * Text may be any bytes. JSON formats carry ill-formed UTF-8 as U+FFFD and control characters escaped; syslog keeps the
 * bytes. Nothing else is changed: no trimming, no removal of colours.
 */
#ifndef SHIP_BATCH_H
#define SHIP_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "config/server_settings.h"
#include "log/line.h"

/**
 * A line to ship, or a note that lines are missing (`flags` has LINE_LOST): such a gap travels in-band, as a record
 * among the lines, and is made, sent and accounted like any other.
 *
 * Identity is (host, service, ring, sequence): it must be the same each time the same line is shipped, and never that of
 * another line; `time` and `text` have to be the same then, too. A gap has an identity as well: the sequence of its first
 * missing line, which no line has that is shipped.
 */
struct ship_line {
	const char *service; /* borrowed, NUL-terminated */
	const char *text;    /* `len` bytes, no newline, not NUL-terminated; without a "<N>" prefix if `level` has it */
	uint32_t len;
	int8_t level;	     /* 0 emergency .. 7 debug, as in syslog; -1: the line says nothing of it */
	uint8_t stream;	     /* enum log_stream */
	uint16_t flags;	     /* LINE_* of log/line.h: PARTIAL, CONTINUED, UNTERMINATED; LINE_LOST for a gap */
	ts_ns time;	     /* wall clock, when the pipe was read */
	uint32_t tie;	     /* how many lines of this service, directly before it, have the same `time` (0: none) */
	uint32_t pid;	     /* of the run, 0: not known */
	uint64_t run;	     /* 0: not known */
	uint64_t ring;	     /* names what `sequence` counts in: a ring's id, or what stands for a series of segments */
	uint64_t sequence;

	/* of a gap: */
	uint64_t lost;	       /* lines */
	uint64_t lost_bytes;   /* 0: not known */
	uint64_t lost_to;      /* sequence of the last one that is missing; the first is `sequence` */
	const char *lost_why;  /* borrowed: "overwritten", "rate limit", "batch dropped: HTTP 500" … */
};

/** Lines in the order in which they are to arrive. All pointers are borrowed for the call. */
struct ship_batch {
	const struct ship_line *lines;
	size_t count; /* >= 1 */
};

/* What was found out about a receiver by its answers: bits of `quirks`. */
#define SHIP_QUIRK_NO_COMPRESSION 1U /* refused the content encoding: send plain */
#define SHIP_QUIRK_NO_TOKEN 2U	     /* ClickHouse without insert_deduplication_token */
#define SHIP_QUIRK_NO_METADATA 4U       /* Loki without structured metadata */

/** What all batches of a sink have in common. `quirks` is 0 at first; ship_answer() sets bits, nobody clears them. */
struct ship_sink {
	const struct ship_settings *settings;
	const char *host; /* name of this machine, never empty */
	const char *boot; /* boot id, as /proc/sys/kernel/random/boot_id has it, without the newline */
	unsigned int quirks;
};

/**
 * One request, or what to write into a syslog connection. Begin with ship_request_empty(); keep it for the next batch
 * (its memory is used again), and release it with ship_request_fini().
 */
struct ship_request {
	const char *method;    /* "POST"; NULL: not HTTP, write `body` to the connection as it is */
	struct strbuf url;     /* the endpoint with the format's path and query (where the endpoint has no own path) */
	struct strbuf headers; /* "Name: value" strings, a NUL after each: ship_header_next() */
	struct strbuf body;    /* compressed if the headers say so */
	size_t plain_bytes;    /* of the body before compression */
	/*
	 * Syslog only: for each line of the batch, where its bytes end in the body. Of a connection that broke after N
	 * bytes, the lines with `ends[i] <= N` were handed to the kernel.
	 */
	uint32_t *ends;

	/* Memory of the encoders: */
	size_t ends_cap;
	const struct ship_line **order;
	size_t order_cap;
	struct strbuf plain;
	struct strbuf scratch;
};

/** An empty request. */
struct ship_request ship_request_empty(void);
/** Free what it holds; NULL is fine. */
void ship_request_fini(struct ship_request *r);
/** Walk the headers: NULL gives the first; returns NULL after the last. */
const char *ship_header_next(const struct ship_request *r, const char *header);

/**
 * Fill `out` with the request that carries `batch` to `sink`. What `out` held is gone.
 *
 * The headers hold content type, content encoding, the format's own and those of the configuration (with their
 * templates filled in). Not in them: Host, Content-Length, User-Agent and the authorisation, which the sender adds
 * (ship_auth_scheme()).
 *
 * Returns 0; -ENOBUFS: the body would be larger than LIMIT_SHIP_BODY, send fewer lines; -ENOMEM; -EINVAL: the
 * configuration cannot be made into a request (`err` says why). `out` is empty after an error.
 */
int ship_encode(const struct ship_sink *sink, const struct ship_batch *batch, struct ship_request *out,
		struct error *err);

/** What precedes the token of auth type "bearer": "Bearer", or what the format wants in its place ("Splunk"). */
const char *ship_auth_scheme(const struct ship_settings *settings);
/** True if the format answers nothing: a batch is done when it was written (syslog). */
bool ship_is_silent(const struct ship_settings *settings);
/** True if all of a batch's lines must be of one service, because a header's template speaks of it. */
bool ship_wants_one_service(const struct ship_settings *settings);

/** What to do with a batch, or with one line of it. */
enum ship_verdict {
	SHIP_DONE,   /* it is stored (or taken): count it as acknowledged. `refused` of its lines may be lost, see there */
	SHIP_RETRY,  /* not stored, or not known: send the same again after the back-off, or `retry_after_ms` */
	SHIP_AGAIN,  /* the receiver can't do something we used; `quirks` has it now: encode again and send at once */
	SHIP_SPLIT,  /* too large: send halves. A single line: as POISON */
	SHIP_POISON, /* refused for what is in it: set aside with the answer, never send again */
	SHIP_PAUSE,  /* refused for what an operator must mend (credentials, path, table): keep, try rarely, say it */
	SHIP_EACH,   /* it differs: `lines[i]` is DONE, RETRY or POISON for each line. Only of a whole batch */
	SHIP_VERDICT_N,
};

/** What came back. */
struct ship_reply {
	int status;		 /* HTTP status; 0: no answer (connection refused, reset, time-out) */
	const char *body;	 /* `len` bytes, any; NULL: none */
	size_t len;
	bool truncated;		 /* the body was longer than LIMIT_SHIP_ANSWER; `body` is its beginning */
	const char *retry_after; /* the header's value, or NULL */
	ts_ns now;		 /* wall clock, for a Retry-After that is a date */
};

/** What became of a batch. Release with ship_outcome_fini(). */
struct ship_outcome {
	enum ship_verdict verdict;
	uint8_t *lines;		/* EACH: enum ship_verdict of each line of the batch; NULL otherwise */
	size_t done, retry, poison; /* lines of each kind; of a batch-wide verdict: all of them under one */
	/*
	 * Of the lines under `done`, so many were refused and the receiver does not say which, nor may they be sent
	 * again (OTLP partialSuccess, a 400 of Loki). To count as lost; the batch may be set aside with the answer.
	 * `refused_known` is false if only "some" is known: `refused` is 1 then.
	 */
	size_t refused;
	bool refused_known;
	/*
	 * With POISON of a whole batch: the receiver took nothing of it, so halves tell good lines from bad ones. False:
	 * part of it may be stored, or no line is better than another.
	 */
	bool bisect;
	int64_t retry_after_ms; /* with RETRY, PAUSE, EACH: what the receiver asks for, capped at LIMIT_SHIP_RETRY_AFTER_MS; -1: nothing */
	char message[256];	/* for people: "HTTP 400: mapper_parsing_exception …", printable, one line. Empty if all is well */
};

/** Free what it holds, and empty it; for AUTO() too. */
void ship_outcome_fini(struct ship_outcome *o);

/**
 * Judge an answer to `batch`, which is what was sent. `reply->body` is hostile: any bytes are fine.
 *
 * Fills `out` (what was in it is forgotten, not freed). May add to `sink->quirks`; with SHIP_AGAIN it has added one, so
 * that AGAIN comes at most once for each quirk. If memory for per-line verdicts is short, the whole batch is RETRY.
 */
void ship_answer(struct ship_sink *sink, const struct ship_batch *batch, const struct ship_reply *reply,
		 struct ship_outcome *out);

/** "done", "retry" …: for logs and status. */
const char *ship_verdict_name(enum ship_verdict v);

/**
 * A Retry-After value (RFC 9110: seconds, or an HTTP date in any of its three forms) as milliseconds from `now`, never
 * negative, capped at LIMIT_SHIP_RETRY_AFTER_MS. Returns -1 for NULL and for what is neither.
 */
int64_t ship_retry_after(const char *value, ts_ns now);

#endif
