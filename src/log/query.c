/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: questions to several services: their sequences merged by time. */
#include "log/query.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "log/query_source.h"

struct merge {
	struct source *sources;
	size_t n;
};

static void merge_fini(struct merge *m)
{
	for (size_t i = 0; i < m->n; i++)
		source_fini(&m->sources[i]);
	free(m->sources);
}

static int read_error(const struct source *s, int code, struct error *err)
{
	return error_set(err, -code, "lines of '%s': %s", s->from->service, strerror(-code));
}

/* The source whose line is next; NULL at the end. A handful of services: a heap would not pay. */
static struct source *earliest(struct merge *m)
{
	struct source *best = NULL;

	for (size_t i = 0; i < m->n; i++) {
		struct source *s = &m->sources[i];

		if (s->have_line && (!best || s->line.ts < best->line.ts))
			best = s;
	}
	return best;
}

static int fetch_all(struct merge *m, struct error *err)
{
	for (size_t i = 0; i < m->n; i++) {
		int code = source_next(&m->sources[i]);

		if (code < 0)
			return read_error(&m->sources[i], code, err);
	}
	return 0;
}

/* A place in a segment is found again by its time alone: as if it were of another ring. */
static void move_cursor(struct source *s)
{
	/* lines that are gone are told without a place in time */
	if (s->line.same) {
		s->cursor.same = s->line.same;
		s->cursor.ts = s->line.ts;
	}
	s->cursor.ring = s->line.seq == LINE_SEQ_NONE || !s->from->ring ? CURSOR_NO_RING : ring_id(s->from->ring);
	s->cursor.seq = s->line.seq == LINE_SEQ_NONE ? 0 : s->seq;
}

/* Give the lines but the first `skip` of them. */
static int give(struct merge *m, uint64_t skip, uint64_t limit, log_line_fn fn, void *data, struct error *err)
{
	struct source *s;
	uint64_t given = 0;
	int code = fetch_all(m, err);

	while (code == 0 && (s = earliest(m)) && (!limit || given < limit)) {
		if (skip) {
			skip--;
		} else {
			code = fn(&s->line, data);
			if (code)
				return code;
			given++;
		}
		move_cursor(s);
		code = source_next(s);
		if (code < 0)
			return read_error(s, code, err);
		code = 0;
	}
	return code;
}

/* Go to the last `n` of all. Each source has its own last n; `*out_skip` of them all are too many. */
static int seek_last(struct merge *m, uint64_t n, uint64_t *out_skip, struct error *err)
{
	uint64_t found = 0;

	for (size_t i = 0; i < m->n; i++) {
		int64_t here = source_seek_last(&m->sources[i], n);

		if (here < 0)
			return read_error(&m->sources[i], (int)here, err);
		found += (uint64_t)here;
	}
	*out_skip = found > n ? found - n : 0;
	return 0;
}

/* A source that was read to its end: a follower goes on behind what was looked at, matching or not. */
static void end_cursors(struct merge *m, struct log_cursor *out)
{
	for (size_t i = 0; i < m->n; i++) {
		struct source *s = &m->sources[i];

		if (!s->have_line && s->in_ring && s->from->ring)
			ring_cursor(s->from->ring, s->seq, &s->cursor);
		out[i] = s->cursor;
	}
}

int query_run(const struct query_source *sources, size_t n, const struct query_opts *opts, log_line_fn fn, void *data,
	      struct log_cursor *out_cursors, struct error *err)
{
	AUTO(merge_fini) struct merge m = { calloc(n, sizeof(struct source)), 0 };
	uint64_t skip = 0;
	int code = 0;

	if (!m.sources && n)
		return error_set(err, ENOMEM, "out of memory");
	while (code == 0 && m.n < n) {
		code = source_init(&m.sources[m.n], &sources[m.n], opts, opts->after ? &opts->after[m.n] : NULL, err);
		m.n++;
	}
	if (code == 0 && opts->last != QUERY_ALL)
		code = seek_last(&m, opts->last, &skip, err);
	if (code == 0)
		code = give(&m, skip, opts->limit, fn, data, err);
	if (code == 0 && out_cursors)
		end_cursors(&m, out_cursors);
	return code;
}
