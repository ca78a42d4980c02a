/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what the one writer of a ring does: making room, reading a pipe into place, finding lines.
 *
 * A line is contiguous in the byte ring. A source's unfinished line ("slot") is therefore copied to
 * the end of the bytes before more of it is read, if others have written behind it, and before the
 * writer's wrap would reach it. All slots together hold at most a quarter of the bytes and a read
 * takes at most a quarter, so neither a copy nor a read ever runs over a slot.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/mem.h"
#include "log/ring_layout.h"

/* A source in one word beside its run: the stream, and the tag in the high half. */
#define SOURCE_MASK (LINE_STREAM_MASK | 0xffff0000U)

static uint64_t quarter(const struct ring *r)
{
	return r->bytes_cap / 4;
}

void ring_hold(struct ring *r, uint64_t seq)
{
	r->w->hold = seq;
}

/* Readers must see the tail before what was behind it changes. */
static void set_tail(struct ring *r, uint64_t tail)
{
	r->w->tail = tail;
	atomic_store_explicit(&r->h->tail, tail, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
}

/* Bytes that may be written before a held line is in the way. */
static uint64_t room(const struct ring *r)
{
	const struct ring_writer *w = r->w;
	uint64_t hold = MAX(w->hold, w->tail);

	if (hold >= w->st.head)
		return r->bytes_cap;
	return r->bytes_cap - (w->st.in_pos - ring_entry_at(r, hold)->pos);
}

/* Move the tail so that `n` bytes can be written at in_pos. The caller has looked at room(). */
static void make_room(struct ring *r, uint64_t n)
{
	struct ring_writer *w = r->w;
	uint64_t end = w->st.in_pos + n;
	uint64_t low = w->tail;
	uint64_t high = w->st.head;

	if (end <= r->bytes_cap || low >= high || ring_entry_at(r, low)->pos >= end - r->bytes_cap)
		return;
	while (low < high) {
		uint64_t mid = low + (high - low) / 2;

		if (ring_entry_at(r, mid)->pos >= end - r->bytes_cap)
			high = mid;
		else
			low = mid + 1;
	}
	set_tail(r, low);
}

static uint32_t source_key(const struct ring_source *src)
{
	return (uint32_t)src->stream | (uint32_t)src->tag << 16;
}

/* The slot of the source `run`, `key` (flags may be in it too), or NULL. */
static struct ring_slot *find_slot(struct ring_state *st, uint64_t run, uint32_t key)
{
	for (size_t i = 0; i < RING_SLOTS; i++) {
		struct ring_slot *s = &st->slots[i];

		if ((s->flags & SLOT_USED) && s->run == run &&
		    ((s->flags & LINE_STREAM_MASK) | (uint32_t)s->tag << 16) == (key & SOURCE_MASK))
			return s;
	}
	return NULL;
}

static struct ring_slot *free_slot(struct ring_state *st)
{
	for (size_t i = 0; i < RING_SLOTS; i++) {
		if (!(st->slots[i].flags & SLOT_USED))
			return &st->slots[i];
	}
	return NULL;
}

static uint64_t slot_bytes(const struct ring_state *st)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < RING_SLOTS; i++)
		sum += st->slots[i].flags & SLOT_USED ? st->slots[i].len : 0;
	return sum;
}

static void copy_slot(struct ring *r, struct ring_slot *s)
{
	struct ring_state *st = &r->w->st;

	make_room(r, s->len);
	memcpy(ring_byte_at(r, st->in_pos), ring_byte_at(r, s->pos), s->len);
	s->pos = st->in_pos;
	st->in_pos += s->len;
	st->parsed_pos = st->in_pos;
}

/*
 * Copy unfinished lines to the end of the bytes: those that the wrap comes near to, then the one of `own` (may be NULL)
 * unless it is there already, so that what is read next follows it. Nothing is lost by a kill before the commit: the
 * old places are still whole.
 */
static void gather_slots(struct ring *r, struct ring_slot *own)
{
	struct ring_state *st = &r->w->st;
	uint64_t reach = st->in_pos + quarter(r);
	bool moved = false;

	for (size_t i = 0; i < RING_SLOTS; i++) {
		struct ring_slot *s = &st->slots[i];

		if (s != own && (s->flags & SLOT_USED) && s->len && reach - s->pos > r->bytes_cap / 2) {
			copy_slot(r, s);
			moved = true;
		}
	}
	if (own && own->len && own->pos + own->len != st->in_pos) {
		copy_slot(r, own);
		moved = true;
	}
	if (moved)
		ring_commit(r);
}

/* One pass over what was read: the state of making lines of it. */
struct scan {
	struct ring *r;
	uint64_t seq;
	uint64_t limit;      /* first number that has no place in the index */
	uint32_t flags_run;  /* flags and run as they lie in the entry */
	uint16_t first_flags; /* for the next line alone: CONTINUED, RUN_START */
	int64_t ts;
};

/* The index is full: drop old lines from it, unless they are held. */
static int more_index(struct scan *sc)
{
	struct ring *r = sc->r;
	uint64_t tail = MIN(r->w->tail + r->index_cap / 8, r->w->hold);

	if (tail <= r->w->tail)
		return -EAGAIN;
	set_tail(r, tail);
	sc->limit = tail + r->index_cap;
	return 0;
}

static int put_entry(struct scan *sc, uint64_t pos, uint32_t len, uint16_t flags)
{
	struct ring_entry *e;
	uint32_t flags_run = sc->flags_run | flags | sc->first_flags;
	int64_t ts = sc->ts;

	if (sc->seq >= sc->limit && more_index(sc) < 0)
		return -EAGAIN;
	e = ring_entry_at(sc->r, sc->seq);
	__atomic_store_n(&e->pos, pos, __ATOMIC_RELAXED);
	__atomic_store_n((ring_word *)(void *)&e->len, (uint64_t)len | (uint64_t)flags_run << 32, __ATOMIC_RELAXED);
	__atomic_store_n(&e->ts, ts, __ATOMIC_RELAXED);
	sc->first_flags = 0;
	sc->seq++;
	return 0;
}

/* True if the line of `bytes` (its newline included) passes the rate limit; counts it if it does not. */
static bool rate_pass(struct scan *sc, uint64_t bytes)
{
	struct ring_writer *w = sc->r->w;
	struct ring_state *st = &w->st;
	int64_t gone = sc->ts - st->rate_ts;

	if (gone < 0 || gone >= NSEC_PER_SEC) {
		st->rate_ts = sc->ts;
		st->rate_tokens = w->rate_limit;
	}
	if (st->rate_tokens) {
		st->rate_tokens--;
		return true;
	}
	st->rate_untold++;
	st->rate_lines++;
	st->rate_bytes += bytes;
	return false;
}

/* Tell of lines that the rate limit dropped, before the line that passes again. */
static int put_rate_marker(struct scan *sc, uint64_t pos)
{
	struct ring_state *st = &sc->r->w->st;
	uint32_t count = (uint32_t)MIN(st->rate_untold, UINT32_MAX);

	if (!st->rate_untold)
		return 0;
	if (put_entry(sc, pos, count, LINE_LOST | LINE_LOST_RATE) < 0)
		return -EAGAIN;
	st->rate_untold -= count;
	return 0;
}

/* One line, in parts where it is too long. `*start` moves on by each part, so that a pass can stop between them. */
static int put_line(struct scan *sc, uint64_t *start, uint64_t end)
{
	struct ring_writer *w = sc->r->w;

	/* Limited by whole lines: the parts of a long one share its fate. */
	if (w->rate_limit && !(sc->first_flags & LINE_CONTINUED)) {
		if (!rate_pass(sc, end - *start + 1)) {
			*start = end + 1;
			return 0;
		}
		if (put_rate_marker(sc, *start) < 0) {
			w->st.rate_tokens++;
			return -EAGAIN;
		}
	}
	while (end - *start > w->max_line) {
		if (put_entry(sc, *start, w->max_line, LINE_PARTIAL) < 0)
			return -EAGAIN;
		*start += w->max_line;
		sc->first_flags |= LINE_CONTINUED;
	}
	if (put_entry(sc, *start, (uint32_t)(end - *start), 0) < 0)
		return -EAGAIN;
	*start = end + 1;
	return 0;
}

/* The rest after the last newline: parts of max_line become lines, the last piece waits in the source's slot. */
static int put_rest(struct scan *sc, uint64_t *start, uint64_t end, bool whole)
{
	struct ring *r = sc->r;

	while (end - *start > r->w->max_line || (whole && end > *start)) {
		uint32_t len = (uint32_t)MIN(end - *start, (uint64_t)r->w->max_line);

		if (put_entry(sc, *start, len, LINE_PARTIAL) < 0)
			return -EAGAIN;
		*start += len;
		sc->first_flags |= LINE_CONTINUED;
	}
	return 0;
}

static struct scan scan_begin(struct ring *r)
{
	struct ring_state *st = &r->w->st;
	struct ring_slot *own = find_slot(st, st->src_run, st->src_flags);
	struct scan sc = {
		.r = r,
		.seq = st->head,
		.limit = r->w->tail + r->index_cap,
		.flags_run = (st->src_flags & 0xffff) | (uint32_t)(uint16_t)st->src_run << 16,
		.ts = st->src_ts,
	};

	if (own)
		sc.first_flags = own->flags & LINE_CONTINUED;
	if (st->src_run > st->last_run)
		sc.first_flags |= LINE_RUN_START;
	return sc;
}

/* Keep where the pass ended: all is indexed up to `start`; [start, parsed) is the begin of the next line. */
static void scan_end(struct scan *sc, uint64_t start, uint64_t parsed)
{
	struct ring_state *st = &sc->r->w->st;
	struct ring_slot *own = find_slot(st, st->src_run, st->src_flags);
	uint16_t continued = sc->first_flags & LINE_CONTINUED;

	if (sc->seq > st->head && st->src_run > st->last_run)
		st->last_run = st->src_run;
	st->head = sc->seq;
	st->parsed_pos = parsed;
	if (!own && (start < parsed || continued))
		own = free_slot(st);
	if (!own)
		return;
	*own = (struct ring_slot){
		.run = st->src_run,
		.pos = start,
		.len = (uint32_t)(parsed - start),
		.flags = (uint16_t)((st->src_flags & LINE_STREAM_MASK) | continued),
		.tag = (uint16_t)(st->src_flags >> 16),
	};
	if (own->len || continued)
		own->flags |= SLOT_USED;
}

/* May the rest of this source wait, or is there no place to remember it? */
static bool rest_must_go(struct ring *r, uint64_t rest)
{
	struct ring_state *st = &r->w->st;
	struct ring_slot *own = find_slot(st, st->src_run, st->src_flags);
	uint64_t others = slot_bytes(st) - (own ? own->len : 0);

	if (others + rest > quarter(r))
		return true;
	return !own && !free_slot(st);
}

int ring_settle(struct ring *r)
{
	struct ring_state *st = &r->w->st;
	struct ring_slot *own;
	struct scan sc;
	uint64_t start;
	const char *base;
	uint64_t base_pos;
	const char *p;
	const char *end;
	int code = 0;

	if (st->parsed_pos == st->in_pos)
		return 0;
	sc = scan_begin(r);
	own = find_slot(st, st->src_run, st->src_flags);
	start = own && own->len ? own->pos : st->parsed_pos;
	base_pos = st->parsed_pos;
	base = ring_byte_at(r, base_pos);
	p = base;
	end = base + (st->in_pos - base_pos);
	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));

		if (!nl)
			break;
		code = put_line(&sc, &start, base_pos + (uint64_t)(nl - base));
		if (code < 0)
			break;
		p = nl + 1;
	}
	if (code == 0) {
		code = put_rest(&sc, &start, st->in_pos, rest_must_go(r, st->in_pos - start));
		p = end;
	}
	/* Stopped in the middle: what has no line yet is scanned again from the last begin of a line. */
	if (code < 0)
		scan_end(&sc, start, MAX(start, base_pos));
	else
		scan_end(&sc, start, st->in_pos);
	ring_commit(r);
	return code;
}

ssize_t ring_pull(struct ring *r, int fd, const struct ring_source *src, size_t max, ts_ns now, uint16_t flags)
{
	struct ring_state *st = &r->w->st;
	struct ring_announce what = { .run = src->run, .ts = now };
	uint64_t need;
	ssize_t got;
	int n;

	if (ring_settle(r) < 0)
		return -EAGAIN;
	if (ioctl(fd, FIONREAD, &n) < 0)
		return -errno;
	if (n <= 0)
		return 0;
	/* Copies of unfinished lines take at most another quarter. */
	need = slot_bytes(st);
	if (room(r) <= need)
		return -EAGAIN;
	gather_slots(r, find_slot(st, src->run, source_key(src)));
	what.n = (uint32_t)MIN(MIN((uint64_t)n, quarter(r)), room(r));
	if (max)
		what.n = (uint32_t)MIN((uint64_t)what.n, (uint64_t)max);
	if (!what.n)
		return -EAGAIN;
	make_room(r, what.n);
	what.pos = st->in_pos;
	what.flags = source_key(src) | flags;
	got = ring_read_announced(r, fd, &what);
	if (got <= 0)
		return got;
	st->in_pos += (uint64_t)got;
	st->bytes_read += (uint64_t)got;
	st->src_run = src->run;
	st->src_ts = now;
	st->src_flags = what.flags;
	/* One commit for both where nothing is in the way; recovery makes the same lines of the announcement. */
	(void)ring_settle(r);
	return got;
}

int ring_flush(struct ring *r, const struct ring_source *src, ts_ns now)
{
	struct ring_state *st = &r->w->st;
	struct ring_slot *own;
	struct scan sc;

	if (ring_settle(r) < 0)
		return -EAGAIN;
	own = find_slot(st, src->run, source_key(src));
	if (!own)
		return 0;
	if (room(r) <= slot_bytes(st))
		return -EAGAIN;
	gather_slots(r, own);
	st->src_run = src->run;
	st->src_ts = now;
	st->src_flags = source_key(src);
	sc = scan_begin(r);
	if (own->len && put_entry(&sc, own->pos, own->len, LINE_UNTERMINATED) < 0)
		return -EAGAIN;
	sc.first_flags = 0;
	scan_end(&sc, st->in_pos, st->in_pos);
	ring_commit(r);
	return 0;
}
