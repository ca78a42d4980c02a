/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the thread that reads the services' pipes into their rings.
 *
 * It sleeps in epoll_wait(2) and wakes up for a line at once. A pipe that had lines again within
 * HOT_USEC makes the turn hot: then the thread naps for at most NAP_USEC before it looks again, so
 * that a writer of single lines costs one wake-up per many lines. The nap is shorter where a pipe
 * would be half full by then. Per turn a pipe is read at most BUDGET bytes, so none starves another.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/mem.h"
#include "log/engine.h"

#define EVENTS_PER_TURN 64
#define BUDGET (512U << 10)
#define HOT_USEC 2000U
#define NAP_USEC 1000U
#define NAP_MIN_USEC 60U
#define PIPE_DEFAULT (64U << 10)
#define PIPE_HOT (256U << 10)
/* What is in the way is looked at again after so long, if nothing tells before. */
#define RETRY_MSEC 100
/* How long the end of a run may wait for last words that wait for the store (on_full = "block"). */
#define LAST_WORDS_USEC (500 * USEC_PER_MSEC)
/* Pipes of ended runs that still wait; each holds up to PIPE_HOT bytes of the kernel's memory. */
#define LINGER_MAX 4
/* A store that has not written anything for so long hangs in the disk and is not waited for, ... */
#define PATIENCE_USEC (300 * USEC_PER_MSEC)
/* ... for so long at first, and twice as long each time that it still hangs. */
#define IMPATIENCE_FIRST (1 * USEC_PER_SEC)
#define IMPATIENCE_MAX (60 * USEC_PER_SEC)

/* What one turn has found out. */
struct turn {
	usec_t now;
	ts_ns ts;
	usec_t nap;    /* USEC_NEVER: nothing was hot */
	bool wake_main;
};

static bool watch(struct log_source *src)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = src };

	src->watched = epoll_ctl(src->svc->engine->epoll_fd, EPOLL_CTL_ADD, src->fd, &event) == 0;
	return src->watched;
}

static void unwatch(struct log_source *src)
{
	if (src->watched)
		(void)epoll_ctl(src->svc->engine->epoll_fd, EPOLL_CTL_DEL, src->fd, NULL);
	src->watched = false;
}

/* Take the pipe out of the epoll set until what is in the way has gone. */
static void stall(struct log_source *src)
{
	unwatch(src);
	if (list_empty(&src->stalled))
		list_append(&src->svc->engine->stalled, &src->stalled);
}

static struct ring *service_ring(struct log_service *svc)
{
	struct ring *r = atomic_load_explicit(&svc->ring, memory_order_relaxed);

	if (!r && ring_open(svc->ring_fd, &svc->opts.ring, &r) == 0)
		atomic_store_explicit(&svc->ring, r, memory_order_release);
	return r;
}

/* The store's part of a service: made when it has lines, so that a silent one has none. */
static struct store_log *service_store(struct log_service *svc, struct ring *r)
{
	struct store_log *l = atomic_load_explicit(&svc->store, memory_order_relaxed);
	struct store_opts opts;

	if (!svc->opts.store || !svc->engine->store)
		return NULL;
	if (l)
		return l;
	opts = engine_store_opts(&svc->opts);
	if (store_log_new(svc->engine->store, svc->name, &opts, r, &l) == 0)
		atomic_store_explicit(&svc->store, l, memory_order_release);
	return l;
}

/* Has the store written nothing at all for too long, though somebody waits for it? */
static bool store_hangs(struct log_engine *e, usec_t now)
{
	if (now < e->drop_until)
		return true;
	if (!e->held_since || now - e->held_since < PATIENCE_USEC || store_blocks(e->store) != e->held_blocks)
		return false;
	e->impatience = e->impatience ? MIN(e->impatience * 2, IMPATIENCE_MAX) : IMPATIENCE_FIRST;
	e->drop_until = now + e->impatience;
	e->held_since = 0;
	return true;
}

/*
 * The line that must not be overwritten yet. A service that blocks waits for the store as long as it takes; one that drops
 * waits while the store writes anything, for then the processor is the limit and not the disk.
 */
static uint64_t held_line(const struct log_source *src, struct store_log *l, usec_t now)
{
	struct log_service *svc = src->svc;

	if (!l || src->gives_up)
		return UINT64_MAX;
	svc->seen_seq = store_log_seq(l);
	if (svc->opts.on_full == LOG_FULL_BLOCK)
		return svc->seen_seq;
	return store_log_error(l) || store_hangs(svc->engine, now) ? UINT64_MAX : svc->seen_seq;
}

/* The store is in the way: it hurries, and wakes us when it has moved. */
static void hold(struct log_service *svc, struct store_log *l, usec_t now)
{
	struct log_engine *e = svc->engine;
	uint64_t blocks;

	if (!l)
		return;
	blocks = store_blocks(e->store);
	if (!e->held_since || blocks != e->held_blocks) {
		e->impatience = blocks != e->held_blocks ? 0 : e->impatience;
		e->held_since = now;
		e->held_blocks = blocks;
	}
	store_log_poke(l, ring_capacity(atomic_load(&svc->ring)));
}

static void new_lines(struct log_service *svc, struct turn *t)
{
	uint32_t slot;

	/* The head that was stored is seen by a follower that we do not see yet. */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load(&svc->followers) && !atomic_exchange(&svc->wake, true))
		t->wake_main = true;
	slot = atomic_load_explicit(&svc->news_slot, memory_order_acquire);
	if (slot)
		news_tell(svc->engine, slot - 1);
}

/* Make the unterminated last line a line. -EAGAIN: stalled. */
static int flush(struct log_source *src, struct ring *r, struct turn *t)
{
	struct ring_source id = { src->run, src->stream, (uint16_t)src->tag };
	struct store_log *store = service_store(src->svc, r);

	ring_hold(r, held_line(src, store, t->now));
	if (ring_flush(r, &id, t->ts) < 0) {
		hold(src->svc, store, t->now);
		stall(src);
		return -EAGAIN;
	}
	new_lines(src->svc, t);
	if (store)
		store_log_poke(store, 0);
	return 0;
}

/* The pipe has ended: its last line becomes a line, the rest is main's. Stalled if that line has no place. */
static void end_source(struct log_source *src, struct turn *t)
{
	struct log_service *svc = src->svc;
	struct ring *r = atomic_load_explicit(&svc->ring, memory_order_relaxed);

	if (r && flush(src, r, t) < 0)
		return;
	unwatch(src);
	list_remove(&src->stalled);
	list_remove(&src->node);
	auto_close(&src->fd);
	src->fd = -1;
	src->msg.run = main_source_ended;
	engine_to_main(svc->engine, &src->msg);
}

static bool hung_up(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR | POLLNVAL));
}

/* Nap so long that the pipe is half full after it, at the pace that it was filled. */
static void note_pace(struct log_source *src, size_t got, struct turn *t)
{
	usec_t gap = t->now - src->last_read;
	usec_t nap = NAP_USEC;

	src->last_read = t->now;
	if (gap > HOT_USEC)
		return;
	if (src->pipe_bytes < PIPE_HOT && got >= src->pipe_bytes / 4) {
		int size = fcntl(src->fd, F_SETPIPE_SZ, PIPE_HOT);

		/* Refused (the user's share of pipe memory is used up): stay with what it is and do not ask again. */
		src->pipe_bytes = size > 0 ? (uint32_t)size : PIPE_HOT;
	}
	if (got * 2 >= src->pipe_bytes)
		nap = 0;
	else if (gap * (src->pipe_bytes / 2) / got < nap)
		nap = gap * (src->pipe_bytes / 2) / got;
	t->nap = MIN(t->nap, nap);
}

static bool sibling_ready(const struct log_source *src)
{
	struct log_source *other;

	LIST_FOREACH(other, &src->svc->sources, node) {
		if (other != src && other->turn == src->turn && other->run == src->run)
			return true;
	}
	return false;
}

/* Nothing to read, and nothing was ever: the ring need not be mapped. */
static bool is_silent(const struct log_source *src)
{
	int n = 0;

	return !atomic_load_explicit(&src->svc->ring, memory_order_relaxed) &&
	       (ioctl(src->fd, FIONREAD, &n) < 0 || n == 0);
}

/* Tell the store and the followers of what has come. */
static void announce(struct log_source *src, struct store_log *store, size_t bytes, struct turn *t)
{
	if (bytes)
		note_pace(src, bytes, t);
	new_lines(src->svc, t);
	if (store)
		store_log_poke(store, bytes);
}

/*
 * Read up to `*want` bytes, and take what came off it. Returns 0; -EAGAIN: stalled, lines or bytes wait for the store;
 * or the pipe's error.
 */
static int pull(struct log_source *src, uint32_t *want, struct turn *t)
{
	struct ring_source id = { src->run, src->stream, (uint16_t)src->tag };
	struct ring *r = is_silent(src) ? NULL : service_ring(src->svc);
	uint16_t flags = sibling_ready(src) ? LINE_UNCERTAIN : 0;
	struct store_log *store;
	uint64_t head;
	size_t total = 0;
	ssize_t got = 0;

	if (!r) {
		if (is_silent(src))
			return 0;
		stall(src);
		return -EAGAIN;
	}
	store = service_store(src->svc, r);
	head = ring_head(r);
	ring_hold(r, held_line(src, store, t->now));
	while (*want) {
		got = ring_pull(r, src->fd, &id, *want, t->ts, flags);
		if (got <= 0)
			break;
		*want -= (uint32_t)got;
		total += (size_t)got;
		if ((size_t)got < src->pipe_bytes / 4)
			break;
	}
	if (total || ring_head(r) != head) {
		announce(src, store, total, t);
		lost_look(src->svc);
	}
	/* What was read last may still be without lines, and no event would tell that there is room for them. */
	if (got == -EAGAIN || ring_settle(r) < 0) {
		hold(src->svc, store, t->now);
		stall(src);
		return -EAGAIN;
	}
	return got < 0 ? (int)got : 0;
}

static void finish_drains(struct log_service *svc)
{
	struct log_drain *d;

	LIST_FOREACH(d, &svc->drains, node) {
		struct log_source *src;
		bool busy = false;

		d->ended = true;
		LIST_FOREACH(src, &svc->sources, node) {
			busy = busy || (src->run == d->run && src->draining);
			d->ended = d->ended && src->run != d->run;
		}
		if (busy)
			continue;
		list_remove(&d->node);
		d->msg.run = main_drained;
		engine_to_main(svc->engine, &d->msg);
	}
}

/* The oldest of too many that linger gives up: a service that crashes again and again must not pile up pipes. */
static void bound_lingering(struct log_service *svc)
{
	struct log_source *oldest = NULL;
	struct log_source *src;
	unsigned int n = 0;

	LIST_FOREACH(src, &svc->sources, node) {
		if (!src->lingers || src->gives_up)
			continue;
		n++;
		oldest = oldest ? oldest : src;
	}
	if (n > LINGER_MAX)
		oldest->gives_up = true;
}

/*
 * Last words wait for the store. The end of the run is told in time all the same: then the rest stays in the pipe, and is
 * read as that run's when the store has moved.
 */
static void drain_stalled(struct log_source *src, const struct turn *t)
{
	if (src->svc->opts.on_full != LOG_FULL_BLOCK || t->now < src->drain_until)
		return;
	src->draining = false;
	src->drain_left = 0;
	src->lingers = true;
	bound_lingering(src->svc);
}

/* Go on draining a pipe of a run whose leader is gone; ends the pipe if nobody holds it. */
static void drain_source(struct log_source *src, struct turn *t)
{
	struct ring *r;
	int n = 0;

	while (src->drain_left) {
		uint32_t before = src->drain_left;
		int code = pull(src, &src->drain_left, t);

		if (code == -EAGAIN) {
			drain_stalled(src, t);
			return;
		}
		if (code < 0 || src->drain_left == before)
			break;
	}
	src->drain_left = 0;
	if (hung_up(src->fd) && (ioctl(src->fd, FIONREAD, &n) < 0 || n == 0)) {
		end_source(src, t);
		return;
	}
	r = atomic_load_explicit(&src->svc->ring, memory_order_relaxed);
	if (r && flush(src, r, t) < 0) {
		drain_stalled(src, t);
		return;
	}
	src->draining = false;
}

static void serve(struct log_source *src, bool hup, struct turn *t)
{
	struct log_service *svc = src->svc;
	uint32_t left = BUDGET;
	int code;

	if (src->draining) {
		drain_source(src, t);
		finish_drains(svc);
		return;
	}
	code = pull(src, &left, t);
	if (code == -EAGAIN)
		return;
	/* Nothing came though all writers are gone, or the pipe itself is broken. */
	if ((left == BUDGET && hup) || code < 0)
		end_source(src, t);
}

void reader_adopt(struct log_msg *msg)
{
	struct log_service *svc = CONTAINER_OF(msg, struct log_service, adopt_msg);
	struct store_log *l = service_store(svc, atomic_load(&svc->ring));

	/* Lines that the server before us did not get to store. */
	if (l)
		store_log_poke(l, 0);
}

void reader_attach(struct log_msg *msg)
{
	struct log_source *src = CONTAINER_OF(msg, struct log_source, msg);
	struct ring *r = atomic_load(&src->svc->ring);
	int size = fcntl(src->fd, F_GETPIPE_SZ);

	src->pipe_bytes = size > 0 ? (uint32_t)size : PIPE_DEFAULT;
	list_append(&src->svc->sources, &src->node);
	/* No memory for the epoll entry: tried again like a ring that could not be mapped. */
	if (!watch(src))
		stall(src);
	/* The last read of the server before us waits for the store. */
	if (!r)
		return;
	ring_hold(r, held_line(src, service_store(src->svc, r), time_boottime()));
	if (ring_settle(r) < 0)
		stall(src);
}

static void turn_begin(struct turn *t)
{
	*t = (struct turn){ .now = time_boottime(), .ts = time_realtime(), .nap = USEC_NEVER };
}

static void turn_end(struct log_engine *e, struct turn *t)
{
	if (t->wake_main)
		engine_wake_main(e);
}

void reader_drain(struct log_msg *msg)
{
	struct log_drain *d = CONTAINER_OF(msg, struct log_drain, msg);
	struct log_service *svc = d->svc;
	struct log_source *src;
	struct turn t;
	int n;

	turn_begin(&t);
	svc->engine->turn++;
	list_append(&svc->drains, &d->node);
	LIST_FOREACH(src, &svc->sources, node) {
		if (src->run != d->run)
			continue;
		src->draining = true;
		src->drain_until = t.now + LAST_WORDS_USEC;
		/* The leader is gone: all it wrote is in the pipe now. What comes after is a stranger's. */
		src->drain_left = ioctl(src->fd, FIONREAD, &n) == 0 && n > 0 ? (uint32_t)n : 0;
		if (src->drain_left)
			src->turn = svc->engine->turn;
	}
	LIST_FOREACH(src, &svc->sources, node) {
		if (src->run == d->run)
			drain_source(src, &t);
	}
	finish_drains(svc);
	turn_end(svc->engine, &t);
}

/* In the store's thread: what is on disk is all that will be. */
static void service_stored(void *data)
{
	struct log_service *svc = data;

	engine_to_main(svc->engine, &svc->remove_msg);
}

void reader_remove(struct log_msg *msg)
{
	struct log_service *svc = CONTAINER_OF(msg, struct log_service, remove_msg);
	struct log_source *src;
	struct log_drain *d;
	struct turn t;
	uint32_t left;

	turn_begin(&t);
	LIST_FOREACH(src, &svc->sources, node) {
		left = BUDGET;
		if (pull(src, &left, &t) == -EAGAIN) {
			src->gives_up = true; /* what is in the way is lost, and counted */
			(void)pull(src, &left, &t);
		}
		unwatch(src);
		list_remove(&src->stalled);
		list_remove(&src->node);
		auto_close(&src->fd);
		free(src);
	}
	LIST_FOREACH(d, &svc->drains, node) {
		list_remove(&d->node);
		free(d);
	}
	svc->remove_msg.run = main_service_retired;
	if (atomic_load(&svc->store))
		store_log_close(atomic_load(&svc->store), service_stored, svc);
	else
		engine_to_main(svc->engine, &svc->remove_msg);
}

static void retry_stalled(struct log_engine *e, struct turn *t)
{
	struct list todo = e->stalled;
	struct log_source *src;

	if (list_empty(&e->stalled))
		return;
	todo.next->prev = &todo;
	todo.prev->next = &todo;
	list_init(&e->stalled);
	while (!list_empty(&todo)) {
		src = LIST_ENTRY(todo.next, struct log_source, stalled);
		list_remove(&src->stalled);
		if (!src->watched && !watch(src)) {
			stall(src);
			continue;
		}
		serve(src, false, t);
	}
}

static void read_eventfd(int fd)
{
	uint64_t count;

	(void)!read(fd, &count, sizeof(count));
}

static void serve_events(struct log_engine *e, const struct epoll_event *events, int n, struct turn *t)
{
	e->turn++;
	for (int i = 0; i < n; i++) {
		struct log_source *src = events[i].data.ptr;

		if (src)
			src->turn = e->turn;
	}
	for (int i = 0; i < n; i++) {
		struct log_source *src = events[i].data.ptr;

		if (src)
			serve(src, events[i].events & (EPOLLHUP | EPOLLERR), t);
	}
}

/* Let lines gather; a message to us ends the nap. */
static void nap(struct log_engine *e, usec_t usec)
{
	struct pollfd p = { .fd = e->reader_fd, .events = POLLIN };
	struct timespec ts = { .tv_nsec = (long)usec * 1000 };

	(void)ppoll(&p, 1, &ts, NULL);
}

/* Has the store moved since a pipe was stalled? Asked after the store was told to wake us, so no move is missed. */
static bool store_moved(struct log_engine *e)
{
	struct log_source *src;

	atomic_store(&e->reader_waits, true);
	LIST_FOREACH(src, &e->stalled, stalled) {
		struct store_log *l = atomic_load(&src->svc->store);

		if (l && store_log_seq(l) != src->svc->seen_seq)
			return true;
	}
	return false;
}

static int wait_msec(struct log_engine *e)
{
	if (list_empty(&e->stalled))
		return -1;
	return store_moved(e) ? 0 : RETRY_MSEC;
}

void *reader_main(void *data)
{
	struct log_engine *e = data;
	struct epoll_event events[EVENTS_PER_TURN];
	struct turn t;

	/* The naps are short: the default slack of 50 us would be a large part of them. */
	(void)prctl(PR_SET_TIMERSLACK, 10000UL);
	(void)prctl(PR_SET_NAME, "log-reader");
	while (!e->stop) {
		int n = epoll_wait(e->epoll_fd, events, EVENTS_PER_TURN, wait_msec(e));

		atomic_store(&e->reader_waits, false);
		turn_begin(&t);
		retry_stalled(e, &t);
		serve_events(e, events, n, &t);
		for (int i = 0; i < n; i++) {
			/* Messages come last: they may free what the events point to. */
			if (!events[i].data.ptr) {
				read_eventfd(e->reader_fd);
				engine_run_queue(e, &e->to_reader);
			}
		}
		turn_end(e, &t);
		if (list_empty(&e->stalled))
			e->held_since = 0;
		if (t.nap != USEC_NEVER && t.nap >= NAP_MIN_USEC)
			nap(e, t.nap);
	}
	return NULL;
}
