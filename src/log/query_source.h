/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One service's history as one sequence: first its segments, then its ring from where the store is.
 *
 * The store moves on while we read. When the segments end where the store was, it is looked at again,
 * and only when there is nothing more in them does the ring take over, at exactly the store's line. If
 * the ring has overwritten that line by then, it is in a segment now: back to the segments.
 */
#ifndef LOG_QUERY_SOURCE_H
#define LOG_QUERY_SOURCE_H

#include "log/query.h"
#include "log/segment.h"

struct source {
	const struct query_source *from;
	struct query_filter *filter;
	const _Atomic bool *stop;
	/* segments */
	int dir_fd; /* -1: no segments are read */
	struct segments list;
	size_t next;      /* in list */
	uint64_t last_no; /* segment that was read last, ... */
	uint64_t offset;  /* ... up to here, if it was the open one */
	struct segment_reader *reader;
	uint64_t skip;    /* lines to pass over: the ring gave them before */
	/* a place to go on from, if it is not in the ring any more */
	bool seeking;     /* lines up to it are passed over: older ones, and ... */
	ts_ns after_ts;
	uint32_t after_same; /* ... so many of exactly its time */
	bool every;       /* all lines are to be seen, so that places are counted right */
	ts_ns place_ts;   /* of the line seen last, matching or not, ... */
	uint32_t place_same; /* ... and how many of exactly its time were seen */
	uint64_t missing; /* lines after it that are in no segment either: to be told */
	/* ring */
	bool in_ring;
	uint64_t ring_from; /* line at which the segments had ended */
	uint64_t seq;
	uint64_t end;
	char *buf;
	size_t buf_size;
	/* merge */
	struct log_line line; /* at hand, if have_line */
	bool have_line;
	struct log_cursor cursor;
};

/** Prepare, to begin after the place `after` (NULL: at the beginning); `s` must be fini'd even on failure. Returns 0 or negative errno with `err` filled. */
int source_init(struct source *s, const struct query_source *from, const struct query_opts *opts,
		const struct log_cursor *after, struct error *err);
void source_fini(struct source *s);
/**
 * Go to the place from which the last `n` matching lines come. Returns how many there are (<= n), or negative errno.
 */
int64_t source_seek_last(struct source *s, uint64_t n);
/** Fetch the next matching line into s->line. Returns 1, 0 at the end, or negative errno. */
int source_next(struct source *s);

/** The bytes that a matching line must contain, or NULL if there is no such. (filter.c) */
const char *query_filter_needle(const struct query_filter *f, size_t *out_len);
/** The time from which lines match. (filter.c) */
ts_ns query_filter_since(const struct query_filter *f);
ts_ns query_filter_until(const struct query_filter *f);
/**
 * Which run `wanted` of query_opts means: > 0 itself, else counted back from the newest of ring (may be NULL) and
 * segments (`dir_fd`, may be -1). `*out_begin`, `*out_end`: its lines in the segments; begin > end: none. Returns 0,
 * -ENOENT (there is no such run) or -ENOMEM. (query_runs.c)
 */
int query_find_run(const struct ring *ring, int dir_fd, int64_t wanted, uint64_t *out_run, ts_ns *out_begin,
		   ts_ns *out_end);
/** Lines of no known run belong to the filter's run if their time is in [begin, end). (filter.c) */
void query_filter_run_span(struct query_filter *f, ts_ns begin, ts_ns end);

#endif
