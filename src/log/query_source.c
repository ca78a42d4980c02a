/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: walking one service's history: segments, then ring. */
#include "log/query_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

#define LIST_TRIES 10

static void close_reader(struct source *s)
{
	segment_close(s->reader);
	s->reader = NULL;
}

void source_fini(struct source *s)
{
	close_reader(s);
	segments_fini(&s->list);
	auto_close(&s->dir_fd);
	free(s->buf);
	query_filter_free(s->filter);
	*s = (struct source){ .dir_fd = -1 };
}

static int init_filter(struct source *s, const struct query_opts *opts, struct error *err)
{
	struct query_opts resolved = *opts;
	uint64_t run;
	ts_ns begin;
	ts_ns end;
	int code;

	if (!opts->by_run)
		return query_filter_new(opts, &s->filter, err);
	code = query_find_run(s->from->ring, s->dir_fd, opts->run, &run, &begin, &end);
	if (code == -ENOMEM)
		return error_set(err, ENOMEM, "out of memory");
	/* No such run: a number that none has. */
	resolved.run = code < 0 ? INT64_MAX : (int64_t)run;
	if (begin < INT64_MAX)
		resolved.since = MAX(resolved.since, begin);
	code = query_filter_new(&resolved, &s->filter, err);
	if (code == 0)
		query_filter_run_span(s->filter, begin, end);
	return code;
}

/* All that can match is in the ring: nothing older is asked for. */
static bool ring_is_enough(const struct source *s)
{
	const struct ring *r = s->from->ring;
	struct log_line oldest;

	if (!r || !query_filter_since(s->filter))
		return false;
	return ring_read(r, ring_tail(r), s->buf, s->buf_size, &oldest) == 0 &&
	       oldest.ts < query_filter_since(s->filter);
}

static void begin_in_ring(struct source *s, uint64_t seq)
{
	struct log_cursor at;

	s->in_ring = true;
	s->seq = MIN(seq, s->end);
	if (s->from->ring) {
		ring_cursor(s->from->ring, s->seq, &at);
		s->place_ts = at.ts;
		s->place_same = at.same;
	}
	auto_close(&s->dir_fd);
	s->dir_fd = -1;
}

static bool is_stopped(const struct source *s)
{
	return s->stop && atomic_load_explicit(s->stop, memory_order_relaxed);
}

/* Pass over segments whose successor begins before `since`; not where the clock was put back between the two. */
static void seek_segment(struct source *s)
{
	ts_ns since = MAX(query_filter_since(s->filter), s->seeking ? s->after_ts : 0);

	while (s->next + 1 < s->list.n && s->list.list[s->next + 1].ts < since &&
	       s->list.list[s->next + 1].ts >= s->list.list[s->next].ts)
		s->next++;
}

/* Where the store is now. Without a ring, or one of which nothing is stored yet, all that there is comes before it. */
static struct ring_store store_now(const struct source *s)
{
	struct ring_store at = { 0 };

	if (s->from->ring)
		ring_store_get(s->from->ring, &at);
	if (!at.segment_no)
		at.segment_no = UINT64_MAX;
	return at;
}

/* The ring holds what comes after the place. */
static bool is_in_ring(const struct source *s, const struct log_cursor *after)
{
	const struct ring *r = s->from->ring;

	return r && ring_id(r) == after->ring && (s->dir_fd < 0 || after->seq >= ring_tail(r));
}

/* Go on from a place that a reader had come to before. Returns true if that is in the ring. */
static bool go_after(struct source *s, const struct log_cursor *after)
{
	if (is_in_ring(s, after)) {
		begin_in_ring(s, after->seq);
		return true;
	}
	/* of another ring, or overwritten: found by its time */
	s->seeking = after->ts != 0;
	s->after_ts = after->ts;
	s->after_same = after->same;
	return false;
}

/* The history does not reach back to the place: how many lines between it and the oldest segment are gone. */
static int64_t count_segment(struct source *s, const struct segment *seg, const struct ring_store *at, bool all);

static int count_missing(struct source *s, const struct log_cursor *after)
{
	const struct ring *r = s->from->ring;
	struct ring_store at = store_now(s);
	uint64_t found = 0;

	if (!r || ring_id(r) != after->ring || at.seq <= after->seq || (s->list.n && s->list.list[0].ts <= after->ts))
		return 0;
	for (size_t i = 0; i < s->list.n; i++) {
		int64_t here = s->list.list[i].no > at.segment_no ? 0 : count_segment(s, &s->list.list[i], &at, true);

		if (here < 0)
			return (int)here;
		found += (uint64_t)here;
	}
	s->last_no = 0;
	s->offset = 0;
	s->missing = at.seq - after->seq > found ? at.seq - after->seq - found : 0;
	s->seeking = false;
	return 0;
}

int source_init(struct source *s, const struct query_source *from, const struct query_opts *opts,
		const struct log_cursor *after, struct error *err)
{
	int code;

	*s = (struct source){ .from = from, .dir_fd = -1, .stop = opts->stop };
	s->every = after || opts->limit;
	if (after)
		s->cursor = *after; /* as long as nothing was read */
	if (from->dir && !opts->memory_only)
		s->dir_fd = open(from->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	code = init_filter(s, opts, err);
	if (code < 0)
		return code;
	if (from->ring) {
		s->buf_size = ring_max_line(from->ring);
		s->buf = malloc(s->buf_size);
		if (!s->buf)
			return error_set(err, ENOMEM, "out of memory");
		s->end = ring_head(from->ring);
		if (!after)
			s->cursor.ring = ring_id(from->ring);
	}
	if (after && go_after(s, after))
		return 0;
	if (s->dir_fd < 0 || (!s->seeking && ring_is_enough(s))) {
		begin_in_ring(s, from->ring ? MIN(ring_first(from->ring), s->end) : 0);
		if (from->dir && from->ring && !opts->memory_only)
			s->seq = MIN(ring_tail(from->ring), s->end);
		return 0;
	}
	code = segments_list(s->dir_fd, &s->list);
	if (code < 0)
		return error_set(err, -code, "%s: %s", from->dir, strerror(-code));
	code = after ? count_missing(s, after) : 0;
	if (code < 0)
		return error_set(err, -code, "%s: %s", from->dir, strerror(-code));
	seek_segment(s);
	return 0;
}

/* How far segment `seg` is valid. */
static uint64_t valid_bytes(const struct segment *seg, const struct ring_store *at)
{
	if (at->segment_no == UINT64_MAX)
		return seg->zipped ? UINT64_MAX : seg->bytes;
	return seg->no < at->segment_no ? UINT64_MAX : seg->no == at->segment_no ? at->offset : 0;
}

static int open_segment(struct source *s, const struct segment *seg, const struct ring_store *at)
{
	size_t needle_len = 0;
	/* to count lines, all must be seen */
	const char *needle = s->skip || s->seeking || s->every ? NULL : query_filter_needle(s->filter, &needle_len);
	uint64_t from = seg->no == s->last_no ? s->offset : 0;
	uint64_t to = valid_bytes(seg, at);
	int code = segment_open(s->dir_fd, seg, from, to, needle, needle_len, &s->reader);

	s->last_no = seg->no;
	s->offset = to;
	/* Deleted by its bounds meanwhile: older than what is kept. */
	return code == -ENOENT ? 0 : code;
}

/* The first segment of the list that was not read to its end. */
static size_t first_unread(const struct source *s)
{
	size_t i = 0;

	while (i < s->list.n && (s->list.list[i].no < s->last_no ||
				 (s->list.list[i].no == s->last_no && s->offset == UINT64_MAX)))
		i++;
	return i;
}

/* Are all segments behind the one read last listed, up to the store's? */
static bool list_is_complete(const struct source *s, const struct ring_store *at)
{
	uint64_t newest = s->list.n ? s->list.list[s->list.n - 1].no : 0;
	size_t first = first_unread(s);

	return newest >= at->segment_no && first < s->list.n && newest - s->list.list[first].no == s->list.n - 1 - first &&
	       s->list.list[first].no <= s->last_no + 1;
}

/*
 * All listed segments were read: did the store move on? Listing races with rotation and compression and may miss the
 * newest: tried again, until what is missing must have been deleted. Returns 1 if there is more, 0 if not, negative errno.
 */
static int more_segments(struct source *s, const struct ring_store *at)
{
	struct timespec pause = { .tv_nsec = 1000000 };
	int code = 0;

	if (at->segment_no == UINT64_MAX || at->segment_no < s->last_no ||
	    (at->segment_no == s->last_no && (s->offset == UINT64_MAX || at->offset <= s->offset)))
		return 0;
	for (unsigned int i = 0; i < LIST_TRIES; i++) {
		segments_fini(&s->list);
		code = segments_list(s->dir_fd, &s->list);
		if (code < 0 || list_is_complete(s, at))
			break;
		(void)nanosleep(&pause, NULL);
	}
	if (code < 0)
		return code;
	s->next = first_unread(s);
	return s->next < s->list.n && s->list.list[s->next].no <= at->segment_no;
}

/*
 * The segment read last was the open one then, and has been closed since: what was written to it meanwhile comes before
 * the next one, which the list may have already (it is made before the store says so, and listed after the store was asked).
 */
static void finish_segment(struct source *s, const struct ring_store *at)
{
	if (s->last_no && s->offset != UINT64_MAX && at->segment_no != UINT64_MAX && at->segment_no > s->last_no)
		s->next = first_unread(s);
}

/* A reader for the next segment. Returns 1; 0: the segments are at their end, `at` says where; or negative errno. */
static int next_segment(struct source *s, struct ring_store *at)
{
	*at = store_now(s);
	finish_segment(s, at);
	for (;;) {
		const struct segment *seg;
		int code;

		if (s->next == s->list.n) {
			code = more_segments(s, at);
			if (code <= 0)
				return code;
		}
		seg = &s->list.list[s->next++];
		if (seg->no > at->segment_no)
			continue;
		if (query_filter_until(s->filter) <= seg->ts) {
			s->last_no = seg->no;
			s->offset = valid_bytes(seg, at);
			continue;
		}
		code = open_segment(s, seg, at);
		if (code < 0 || s->reader)
			return code < 0 ? code : 1;
	}
}

/* Count the line that was just read, before it is known whether it matches. */
static void count_place(struct source *s)
{
	s->place_same = s->line.ts == s->place_ts ? s->place_same + 1 : 1;
	s->place_ts = s->line.ts;
	s->line.same = s->place_same;
	s->line.ring = s->line.seq == LINE_SEQ_NONE ? CURSOR_NO_RING : ring_id(s->from->ring);
}

/* Is s->line at or before the place to go on from? */
static bool is_before(struct source *s)
{
	if (!s->seeking)
		return false;
	if (s->line.ts < s->after_ts)
		return true;
	if (s->line.ts == s->after_ts && s->after_same) {
		/* the last of them: what follows comes after it, also if the clock was put back then */
		s->seeking = --s->after_same > 0;
		return true;
	}
	s->seeking = false;
	return false;
}

static int next_of_segments(struct source *s)
{
	struct ring_store at;
	int code;

	for (;;) {
		if (is_stopped(s))
			return -ECANCELED;
		if (!s->reader) {
			code = next_segment(s, &at);
			if (code < 0)
				return code;
			if (code == 0) {
				s->in_ring = true;
				s->seq = s->ring_from = s->from->ring ? at.seq : 0;
				s->end = MAX(s->end, s->seq);
				return 0;
			}
		}
		code = segment_next(s->reader, &s->line);
		if (code == 1 && s->skip) {
			s->skip--;
			continue;
		}
		if (code == 1) {
			s->line.service = s->from->service;
			count_place(s);
			if (!is_before(s) && query_filter_match(s->filter, &s->line))
				return 1;
			continue;
		}
		close_reader(s);
		if (code < 0 && code != -EIO)
			return code;
		/* A damaged segment is read up to the damage. */
	}
}

/* The line that comes next was overwritten. It is in a segment, or it is lost. */
static int overwritten(struct source *s)
{
	uint64_t tail = MIN(ring_tail(s->from->ring), s->end);

	if (s->dir_fd >= 0) {
		/* If the store has not come here yet, it has lost them too. */
		if (store_now(s).seq > s->seq) {
			s->in_ring = false;
			s->next = s->list.n;
			s->skip = s->seq - s->ring_from;
			return -EAGAIN;
		}
	}
	s->line = (struct log_line){
		.ts = s->cursor.ts,
		.seq = s->seq,
		.service = s->from->service,
		.text = "",
		.lost = tail - s->seq,
		.flags = LINE_LOST | LINE_LOST_OVERWRITTEN,
	};
	s->seq = tail;
	return s->line.lost ? 1 : 0;
}

/* -EAGAIN: go on in the segments. */
static int next_of_ring(struct source *s)
{
	while (s->from->ring && s->seq < s->end) {
		int code = ring_read(s->from->ring, s->seq, s->buf, s->buf_size, &s->line);

		if (code == -ESTALE)
			return overwritten(s);
		if (code < 0)
			return 0;
		s->seq++;
		s->line.service = s->from->service;
		count_place(s);
		if (!is_before(s) && query_filter_match(s->filter, &s->line))
			return 1;
	}
	return 0;
}

int source_next(struct source *s)
{
	int code = -EAGAIN;

	if (s->missing) {
		uint64_t missing = s->missing;

		s->missing = 0;
		s->line = (struct log_line){
			.ts = s->after_ts,
			.seq = LINE_SEQ_NONE,
			.service = s->from->service,
			.text = "",
			.lost = missing,
			.flags = LINE_LOST | LINE_LOST_OVERWRITTEN,
		};
		s->have_line = true;
		return 1;
	}
	while (code == -EAGAIN) {
		if (!s->in_ring) {
			code = next_of_segments(s);
			if (code)
				break;
		}
		code = next_of_ring(s);
	}
	s->have_line = code == 1;
	return code;
}

/* Matching lines of the ring in [from, end); `*out_seq`: where the last n of them begin. */
static uint64_t count_ring(struct source *s, uint64_t from, uint64_t n, uint64_t *out_seq)
{
	uint64_t seq = s->end;
	uint64_t found = 0;

	while (s->from->ring && found < n && seq > from) {
		if (ring_read(s->from->ring, seq - 1, s->buf, s->buf_size, &s->line) < 0)
			break;
		found += query_filter_match(s->filter, &s->line);
		seq--;
	}
	*out_seq = seq;
	return found;
}

/* Matching lines of one segment, or all of them. */
static int64_t count_segment(struct source *s, const struct segment *seg, const struct ring_store *at, bool all)
{
	bool seeking = s->seeking;
	int64_t found = 0;
	int code;

	s->last_no = UINT64_MAX;
	s->seeking = seeking || all; /* then every line is seen */
	code = open_segment(s, seg, at);
	s->seeking = seeking;
	while (code >= 0 && s->reader) {
		code = is_stopped(s) ? -ECANCELED : segment_next(s->reader, &s->line);
		if (code != 1)
			break;
		found += all || query_filter_match(s->filter, &s->line);
	}
	close_reader(s);
	return code < 0 && code != -EIO ? code : found;
}

/* Pass over lines that are older than the last ones asked for. */
static int skip_lines(struct source *s, uint64_t n)
{
	int code = 1;

	while (n-- && code == 1)
		code = source_next(s);
	s->have_line = false;
	return code < 0 ? code : 0;
}

/* The last `n` of the segments: go back until there are enough. Returns how many there are. */
static int64_t seek_in_segments(struct source *s, uint64_t n, const struct ring_store *at)
{
	size_t first = s->next;
	size_t i = s->list.n;
	uint64_t found = 0;
	int code;

	while (i > first && found < n) {
		const struct segment *seg = &s->list.list[--i];
		int64_t here;

		if (seg->no > at->segment_no)
			continue;
		here = count_segment(s, seg, at, false);
		if (here < 0)
			return here;
		found += (uint64_t)here;
	}
	s->next = i;
	s->last_no = 0;
	s->offset = 0;
	code = skip_lines(s, found > n ? found - n : 0);
	return code < 0 ? code : (int64_t)MIN(found, n);
}

int64_t source_seek_last(struct source *s, uint64_t n)
{
	struct ring_store at = store_now(s);
	uint64_t tail = s->from->ring ? MIN(ring_tail(s->from->ring), s->end) : 0;
	uint64_t seq;
	uint64_t found = count_ring(s, s->in_ring ? s->seq : tail, n, &seq);
	int64_t older;

	if (found == n || s->in_ring) {
		begin_in_ring(s, seq);
		return (int64_t)found;
	}
	/* Both are needed: the ring's part begins where the store is. */
	found = count_ring(s, MAX(at.seq, tail), n, &seq);
	older = seek_in_segments(s, n - found, &at);
	return older < 0 ? older : older + (int64_t)found;
}
