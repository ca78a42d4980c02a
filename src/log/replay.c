/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: walking one service's history from a cursor on, for good.
 *
 * In the ring a place is a line's number. On disk it is a time, and how many lines of exactly that time were seen. Numbers are
 * kept up on disk too where that is certain: the cursor's own line was found, and the store has lost none.
 */
#include "log/replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "log/query_source.h"

struct log_replay {
	struct log_cursor at;
	struct ring *ring;
	char *dir;
	/* while on disk: */
	bool on_disk;
	bool placed;	/* the cursor's place was passed */
	bool exact;	/* at.seq is right */
	bool numbered;	/* it began in this ring: what is missing in the end can be told */
	uint64_t begin; /* at.seq when it went to the disk */
	uint64_t given; /* lines since then */
	uint32_t seen;	/* lines of the cursor's own time that were passed over */
	/* What the ring had overwritten before we came may have been of the same time as the first line that we read: */
	bool fresh;	/* that line was not read yet */
	ts_ns torn;	/* its time, of which more lines may be on disk than were counted */
	struct query_source from;
	struct source source;
	char service[];
};

static void leave_disk(struct log_replay *r)
{
	if (r->on_disk)
		source_fini(&r->source);
	r->on_disk = false;
}

struct log_replay *log_replay_new(const char *service, const char *dir, struct ring *ring, const struct log_cursor *from)
{
	size_t size = strlen(service) + 1;
	struct log_replay *r = calloc(1, sizeof(*r) + size);

	if (!r)
		return NULL;
	memcpy(r->service, service, size);
	r->at = *from;
	r->dir = dir ? strdup(dir) : NULL;
	if (dir && !r->dir) {
		free(r);
		return NULL;
	}
	/* a service without a line: its first one comes after now */
	if (!ring && !from->ts)
		r->at.ts = time_realtime();
	if (ring)
		log_replay_set_ring(r, ring);
	return r;
}

void log_replay_free(struct log_replay *r)
{
	if (!r)
		return;
	leave_disk(r);
	ring_unref(r->ring);
	free(r->dir);
	free(r);
}

/* --- the disk ------------------------------------------------------------------------------------- */

/* The newest segment that may have the cursor's line. */
static void seek_segment(struct log_replay *r)
{
	struct source *s = &r->source;

	while (s->next + 1 < s->list.n && s->list.list[s->next + 1].ts < r->at.ts)
		s->next++;
}

static int go_to_disk(struct log_replay *r)
{
	static const struct query_opts all = QUERY_OPTS_INIT;
	int code;

	leave_disk(r);
	r->from = (struct query_source){ .service = r->service, .ring = r->ring, .dir = r->dir };
	code = source_init(&r->source, &r->from, &all, NULL, NULL);
	if (code < 0) {
		source_fini(&r->source);
		return code;
	}
	r->on_disk = true;
	r->placed = r->exact = false;
	r->numbered = r->ring && r->at.ring == ring_id(r->ring);
	r->begin = r->at.seq;
	r->given = 0;
	r->seen = 0;
	if (!r->source.in_ring)
		seek_segment(r);
	return 0;
}

/* Is the line behind the cursor? */
static bool is_behind(struct log_replay *r, const struct log_line *line)
{
	if (r->placed)
		return true;
	if (line->ts < r->at.ts)
		return false;
	if (line->ts == r->at.ts && r->seen < r->at.same) {
		r->seen++;
		return false;
	}
	r->placed = true;
	r->exact = r->numbered && r->seen == r->at.same && !r->fresh && r->at.ts != r->torn;
	return true;
}

static void advance_on_disk(struct log_replay *r, struct log_line *line)
{
	struct ring_store store = { 0 };

	if (r->exact)
		ring_store_get(r->ring, &store);
	r->exact = r->exact && !store.dropped;
	r->at.same = line->ts == r->at.ts ? r->at.same + 1 : 1;
	r->at.ts = line->ts;
	if (r->exact) {
		line->seq = r->at.seq++;
	} else {
		r->at.ring = 0;
		r->at.seq = 0;
	}
	r->given++;
}

/* The ring has what comes next, from `seq` on. What should have come before and did not is a gap. Returns 1 if it is told. */
static int go_to_ring(struct log_replay *r, uint64_t seq, uint64_t missing, struct log_line *out)
{
	if (r->numbered) {
		/* never back; and never over lines because there were more on disk than expected (a place of equal times) */
		seq = MAX(seq, r->begin);
		missing = seq > r->begin + r->given ? seq - r->begin - r->given : 0;
	}
	leave_disk(r);
	r->at.ring = ring_id(r->ring);
	r->at.seq = seq;
	if (!missing)
		return 0;
	r->fresh = true;
	*out = (struct log_line){
		.ts = r->at.ts,
		.seq = seq - missing,
		.service = r->service,
		.text = "",
		.lost = missing,
		.flags = LINE_LOST | LINE_LOST_OVERWRITTEN,
	};
	return 1;
}

/* Returns 1: a line; 0: nothing more on disk, go on in the ring; negative errno. */
static int next_on_disk(struct log_replay *r, char *buf, size_t size, struct log_line *out, size_t *need)
{
	struct log_line *line = &r->source.line;
	int code = 1;

	while (code == 1) {
		if (!r->source.have_line)
			code = source_next(&r->source);
		if (code != 1)
			break;
		/* a gap in there is one for us too: neither ring nor disk has those lines */
		if (r->source.in_ring)
			return go_to_ring(r, line->seq + line->lost, line->lost, out);
		if (is_behind(r, line)) {
			if (line->len > size) {
				*need = line->len; /* it stays at hand */
				return -EMSGSIZE;
			}
			r->source.have_line = false;
			*out = *line;
			memcpy(buf, line->text, line->len);
			out->text = buf;
			advance_on_disk(r, out);
			return 1;
		}
		r->source.have_line = false;
	}
	if (code == 0 && r->ring)
		return go_to_ring(r, r->source.in_ring ? r->source.seq : ring_head(r->ring), 0, out);
	leave_disk(r);
	return code;
}

/* --- the ring ------------------------------------------------------------------------------------- */

void log_replay_set_ring(struct log_replay *r, struct ring *ring)
{
	uint64_t lines;
	uint64_t bytes;
	ts_ns oldest;

	leave_disk(r);
	ring_unref(r->ring);
	r->ring = ring_ref(ring);
	if (r->at.ring == ring_id(ring))
		return;
	if (r->at.ring == 0 && r->at.same == 0) {
		/* nothing was seen yet. There was no ring at that time: it is ours from its first line on; else all that is there */
		r->at.seq = r->at.ts ? 0 : ring_tail(ring);
		r->at.ring = ring_id(ring);
		r->fresh = r->at.seq > 0;
		if (r->at.ts)
			return;
		ring_behind(ring, r->at.seq, &lines, &bytes, &oldest);
		r->at.ts = oldest ? oldest - 1 : r->at.ts;
		return;
	}
	/* the cursor names another ring (the machine was restarted), or a time: what is in this one came later */
	if (r->dir && go_to_disk(r) == 0)
		return;
	r->at.seq = ring_seek(ring, r->at.ts + 1);
	r->at.ring = ring_id(ring);
}

static void advance(struct log_replay *r, const struct log_line *line)
{
	r->at.same = line->ts == r->at.ts ? r->at.same + 1 : 1;
	r->at.ts = line->ts;
	r->at.seq = line->seq + 1;
	if (r->fresh)
		r->torn = line->ts;
	r->fresh = false;
}

/* Lines were overwritten before we came. */
static int give_gap(struct log_replay *r, struct log_line *out)
{
	uint64_t tail = MAX(ring_tail(r->ring), r->at.seq + 1);

	*out = (struct log_line){
		.ts = r->at.ts,
		.seq = r->at.seq,
		.service = r->service,
		.text = "",
		.lost = tail - r->at.seq,
		.flags = LINE_LOST | LINE_LOST_OVERWRITTEN,
	};
	r->at.seq = tail;
	r->fresh = true;
	return 1;
}

static int next_in_ring(struct log_replay *r, char *buf, size_t size, struct log_line *out, size_t *need)
{
	int code = r->ring ? ring_read(r->ring, r->at.seq, buf, size, out) : -EAGAIN;

	if (code == -EAGAIN)
		return 0;
	if (code == -ESTALE && (!r->dir || go_to_disk(r) < 0))
		return give_gap(r, out);
	if (code == -EMSGSIZE)
		*need = ring_max_line(r->ring);
	if (code < 0)
		return code;
	out->service = r->service;
	advance(r, out);
	return 1;
}

int log_replay_next(struct log_replay *r, char *buf, size_t size, struct log_line *out, size_t *need)
{
	int code = -ESTALE;

	/* at most: ring, disk, ring; what is overwritten again while we look is found at the next call */
	for (int i = 0; i < 3 && code == -ESTALE; i++) {
		code = r->on_disk ? next_on_disk(r, buf, size, out, need) : 0;
		if (code == 0)
			code = next_in_ring(r, buf, size, out, need);
	}
	return code == -ESTALE ? 0 : code;
}

const struct log_cursor *log_replay_at(const struct log_replay *r)
{
	return &r->at;
}
