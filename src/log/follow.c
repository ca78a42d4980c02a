/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: followers: cursors on a ring that are told when there is more.
 *
 * The reader sets svc->wake when it has made lines and somebody follows; main looks at it after it
 * was woken up. A follower is called once, then not before it has read to the end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "log/engine.h"

struct log_follow {
	struct list node; /* in svc->follows */
	struct log_service *svc;
	const struct query_filter *filter;
	log_wake_fn fn;
	void *data;
	struct log_cursor at;
	char *buf; /* one line; made at the first read */
	size_t buf_size;
	bool armed; /* read to the end: call when there is more */
};

int log_follow_new(struct log_service *svc, const struct log_cursor *from, const struct query_filter *filter,
		   log_wake_fn fn, void *data, struct log_follow **out)
{
	struct log_follow *f = calloc(1, sizeof(*f));
	struct ring *r = atomic_load_explicit(&svc->ring, memory_order_acquire);

	if (!f)
		return -ENOMEM;
	f->svc = svc;
	f->filter = filter;
	f->fn = fn;
	f->data = data;
	f->armed = true;
	if (from)
		f->at = *from;
	else if (r)
		ring_cursor(r, ring_head(r), &f->at);
	else
		f->at.ts = time_realtime(); /* there is no ring yet: all of it comes later */
	svc->refs++;
	if (!atomic_load(&svc->followers))
		list_append(&svc->engine->followed, &svc->followed);
	list_append(&svc->follows, &f->node);
	atomic_fetch_add(&svc->followers, 1);
	/* There may be lines already: look once. */
	atomic_store(&svc->wake, true);
	engine_wake_main(svc->engine);
	*out = f;
	return 0;
}

bool log_follow_reaches(const struct log_service *svc, const struct log_cursor *from)
{
	return log_cursor_in_ring(from, atomic_load_explicit(&svc->ring, memory_order_acquire));
}

void log_follow_free(struct log_follow *f)
{
	if (!f)
		return;
	list_remove(&f->node);
	if (atomic_fetch_sub(&f->svc->followers, 1) == 1)
		list_remove(&f->svc->followed);
	service_unref(f->svc);
	free(f->buf);
	free(f);
}

static int follow_buffer(struct log_follow *f, const struct ring *r)
{
	size_t need = ring_max_line(r);
	char *buf;

	if (f->buf_size >= need)
		return 0;
	buf = realloc(f->buf, need);
	if (!buf)
		return -ENOMEM;
	f->buf = buf;
	f->buf_size = need;
	return 0;
}

/* The cursor names another ring (the machine was restarted): what is in this one came later. */
static void meet_ring(struct log_follow *f, const struct ring *r)
{
	if (f->at.ring == ring_id(r))
		return;
	if (f->at.ring != 0)
		f->at.seq = ring_seek(r, f->at.ts + 1);
	f->at.ring = ring_id(r);
}

static void advance(struct log_follow *f, const struct log_line *line)
{
	f->at.same = line->ts == f->at.ts ? f->at.same + 1 : 1;
	f->at.ts = line->ts;
	f->at.seq = line->seq + 1;
}

/* Lines were overwritten before we came: say how many, go on behind them. */
static int tell_gap(struct log_follow *f, const struct ring *r, log_line_fn fn, void *data)
{
	uint64_t tail = MAX(ring_tail(r), f->at.seq + 1);
	struct log_line gap = {
		.ts = f->at.ts,
		.seq = f->at.seq,
		.service = f->svc->name,
		.text = "",
		.lost = tail - f->at.seq,
		.flags = LINE_LOST | LINE_LOST_OVERWRITTEN,
	};
	int code = fn(&gap, data);

	if (code == 0) {
		f->at.seq = tail;
		f->svc->followers_lost += gap.lost;
	}
	return code;
}

/* 1: a line was given; 0: it was passed over; -EAGAIN: the end; -ECANCELED: `fn` did not take it. */
static int read_one(struct log_follow *f, const struct ring *r, log_line_fn fn, void *data)
{
	struct log_line line;
	int code = ring_read(r, f->at.seq, f->buf, f->buf_size, &line);

	if (code == -ESTALE)
		return tell_gap(f, r, fn, data) ? -ECANCELED : 1;
	if (code < 0)
		return code;
	line.service = f->svc->name;
	if (f->filter && !query_filter_match(f->filter, &line)) {
		advance(f, &line);
		return 0;
	}
	if (fn(&line, data))
		return -ECANCELED;
	advance(f, &line);
	return 1;
}

int log_follow_read(struct log_follow *f, size_t max, log_line_fn fn, void *data)
{
	struct ring *r = atomic_load_explicit(&f->svc->ring, memory_order_acquire);
	size_t given = 0;
	int code = 0;

	if (r) {
		meet_ring(f, r);
		code = follow_buffer(f, r);
	}
	while (r && code >= 0 && given < max) {
		code = read_one(f, r, fn, data);
		given += code > 0;
	}
	if (code == -ECANCELED || (r && given == max))
		return (int)given;
	if (code < 0 && code != -EAGAIN)
		return code;
	f->armed = true;
	if (!f->svc->retired)
		return (int)given;
	if (!given)
		return -ENOENT;
	/* Nothing will wake it any more: have it called for the end. */
	atomic_store(&f->svc->wake, true);
	engine_wake_main(f->svc->engine);
	return (int)given;
}

void log_follow_cursor(const struct log_follow *f, struct log_cursor *out)
{
	*out = f->at;
}

/* Move the members of `from` to `to` (not initialised): a walk that callbacks may change the original under. */
static void take_over(struct list *from, struct list *to)
{
	list_init(to);
	while (!list_empty(from)) {
		struct list *node = from->next;

		list_remove(node);
		list_append(to, node);
	}
}

static void wake_followers(struct log_service *svc)
{
	struct list todo;

	take_over(&svc->follows, &todo);
	while (!list_empty(&todo)) {
		struct log_follow *f = LIST_ENTRY(todo.next, struct log_follow, node);

		list_remove(&f->node);
		list_append(&svc->follows, &f->node);
		if (!f->armed)
			continue;
		/* before the call, which may read and arm it again, or free it */
		f->armed = false;
		f->fn(f, f->data);
	}
}

void follow_wake_all(struct log_engine *e)
{
	struct list todo;

	take_over(&e->followed, &todo);
	while (!list_empty(&todo)) {
		struct log_service *svc = LIST_ENTRY(todo.next, struct log_service, followed);

		list_remove(&svc->followed);
		list_append(&e->followed, &svc->followed);
		if (!atomic_exchange(&svc->wake, false))
			continue;
		svc->refs++;
		wake_followers(svc);
		service_unref(svc);
	}
}
