/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: questions that the ring alone answers, in the thread of the asker. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "log/engine.h"

DEFINE_AUTO(struct query_filter, auto_filter, query_filter_free)

struct memory_walk {
	struct ring *ring;
	const char *service;
	struct query_filter *filter;
	char *buf;
	size_t buf_size;
	uint64_t first;
	uint64_t end;
};

static bool matches(struct memory_walk *w, uint64_t seq, struct log_line *line)
{
	if (ring_read(w->ring, seq, w->buf, w->buf_size, line) < 0)
		return false;
	line->service = w->service;
	return query_filter_match(w->filter, line);
}

/* Where the last `n` matching lines begin. */
static uint64_t begin_of_last(struct memory_walk *w, uint64_t n)
{
	struct log_line line;
	uint64_t seq = w->end;

	while (n && seq > w->first)
		n -= matches(w, --seq, &line);
	return seq;
}

/* The greatest run below `below` that has a line in the ring; 0: none. */
static uint64_t run_below(struct memory_walk *w, uint64_t below)
{
	struct log_line line;
	uint64_t best = 0;

	for (uint64_t seq = w->end; seq > w->first; seq--) {
		if (ring_read(w->ring, seq - 1, w->buf, w->buf_size, &line) == 0 && line.run < below && line.run > best)
			best = line.run;
	}
	return best;
}

/* "The run before the newest" as a number. */
static int64_t absolute_run(struct memory_walk *w, int64_t relative)
{
	uint64_t run = run_below(w, UINT64_MAX);

	while (relative++ < 0 && run)
		run = run_below(w, run);
	/* No such run: a number that no run has. */
	return run ? (int64_t)run : INT64_MAX;
}

static int give(struct memory_walk *w, uint64_t seq, uint64_t limit, log_line_fn fn, void *data,
		struct log_cursor *cursor)
{
	struct log_line line;
	uint64_t given = 0;
	int code;

	for (; seq < w->end && (!limit || given < limit); seq++) {
		if (!matches(w, seq, &line))
			continue;
		code = fn(&line, data);
		if (code)
			return code;
		given++;
		cursor->same = line.ts == cursor->ts ? cursor->same + 1 : 1;
		cursor->ts = line.ts;
		cursor->seq = seq + 1;
	}
	/* Ended by the limit: a follower goes on behind the last line given. Else behind all that was looked at. */
	if (seq == w->end)
		cursor->seq = seq;
	return 0;
}

static int walk_memory(struct memory_walk *w, const struct query_opts *opts, log_line_fn fn, void *data,
		       struct log_cursor *cursor, struct error *err)
{
	AUTO(auto_filter) struct query_filter *filter = NULL;
	struct query_opts resolved = *opts;
	uint64_t seq;
	int code;

	if (opts->by_run && opts->run <= 0)
		resolved.run = absolute_run(w, opts->run);
	code = query_filter_new(&resolved, &filter, err);
	if (code < 0)
		return code;
	w->filter = filter;
	seq = opts->last == QUERY_ALL ? w->first : begin_of_last(w, opts->last);
	return give(w, seq, opts->limit, fn, data, cursor);
}

int log_memory(struct log_service *svc, const struct query_opts *opts, log_line_fn fn, void *data,
	       struct log_cursor *out_cursor, struct error *err)
{
	struct memory_walk w = { .ring = atomic_load_explicit(&svc->ring, memory_order_acquire), .service = svc->name };
	AUTO(auto_free) char *buf = NULL;
	struct log_cursor cursor = { 0 };
	int code = 0;

	if (w.ring) {
		cursor.ring = ring_id(w.ring);
		w.end = ring_head(w.ring);
		w.first = MIN(ring_first(w.ring), w.end);
		w.buf_size = ring_max_line(w.ring);
		buf = malloc(w.buf_size);
		if (!buf)
			return error_set(err, ENOMEM, "out of memory");
		w.buf = buf;
		code = walk_memory(&w, opts, fn, data, &cursor, err);
	}
	if (code == 0 && out_cursor)
		*out_cursor = cursor;
	return code;
}
