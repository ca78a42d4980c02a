/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the event loop. One epoll instance, a binary heap of timers, a list of deferred calls. */
#include "loop/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"

#define EVENTS_PER_ROUND 64
#define HEAP_FIRST 32
#define NOT_IN_HEAP SIZE_MAX

struct loop_io {
	struct list node;
	struct loop *loop;
	int fd;
	loop_io_fn fn;
	void *data;
};

struct loop_timer {
	struct list node;
	struct loop *loop;
	usec_t deadline;
	size_t at; /* place in the heap, or NOT_IN_HEAP */
	loop_timer_fn fn;
	void *data;
};

struct deferred {
	struct list node;
	loop_defer_fn fn;
	void *data;
};

struct loop {
	int epoll_fd;
	int timer_fd; /* epoll_wait(2) has milliseconds; timerfd gives the rest, and CLOCK_BOOTTIME */
	usec_t timer_fd_deadline;
	usec_t now;
	bool quit;
	int quit_code;
	struct list ios;
	struct list timers;
	struct list deferred;
	struct list running; /* those of this round, while they are called */
	struct loop_timer **heap;
	size_t heap_n;
	size_t heap_cap;
	size_t timers_n;
	struct epoll_event events[EVENTS_PER_ROUND];
	int events_n; /* of the round under way: loop_io_free() clears its own among them */
	int signal_fd;
	struct loop_io *signal_io;
	loop_signal_fn signal_fn;
	void *signal_data;
};

struct loop *loop_new(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	struct epoll_event event = { .events = EPOLLIN };

	if (!loop)
		return NULL;
	list_init(&loop->ios);
	list_init(&loop->timers);
	list_init(&loop->deferred);
	list_init(&loop->running);
	loop->signal_fd = -1;
	loop->timer_fd_deadline = USEC_NEVER;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (loop->epoll_fd < 0 || loop->timer_fd < 0 ||
	    epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->timer_fd, &event) < 0) {
		loop_free(loop);
		return NULL;
	}
	loop->now = time_boottime();
	return loop;
}

void loop_free(struct loop *loop)
{
	struct loop_io *io;
	struct loop_timer *timer;
	struct deferred *d;
	int saved = errno;

	if (!loop)
		return;
	LIST_FOREACH (io, &loop->ios, node)
		loop_io_free(io);
	LIST_FOREACH (timer, &loop->timers, node)
		loop_timer_free(timer);
	LIST_FOREACH (d, &loop->deferred, node)
		free(d);
	auto_close(&loop->signal_fd);
	auto_close(&loop->timer_fd);
	auto_close(&loop->epoll_fd);
	free(loop->heap);
	free(loop);
	errno = saved;
}

usec_t loop_now(const struct loop *loop)
{
	return loop->now;
}

void loop_quit(struct loop *loop, int code)
{
	loop->quit = true;
	loop->quit_code = code;
}

/* --- descriptors ------------------------------------------------------------------------------ */

struct loop_io *loop_io_new(struct loop *loop, int fd, uint32_t events, loop_io_fn fn, void *data)
{
	struct loop_io *io = calloc(1, sizeof(*io));
	struct epoll_event event = { .events = events, .data.ptr = io };

	if (!io)
		return NULL;
	io->loop = loop;
	io->fd = fd;
	io->fn = fn;
	io->data = data;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		free(io);
		return NULL;
	}
	list_append(&loop->ios, &io->node);
	return io;
}

int loop_io_set(struct loop_io *io, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = io };

	return epoll_ctl(io->loop->epoll_fd, EPOLL_CTL_MOD, io->fd, &event) < 0 ? -errno : 0;
}

int loop_io_fd(const struct loop_io *io)
{
	return io->fd;
}

void loop_io_free(struct loop_io *io)
{
	if (!io)
		return;
	for (int i = 0; i < io->loop->events_n; i++) {
		if (io->loop->events[i].data.ptr == io)
			io->loop->events[i].data.ptr = NULL;
	}
	(void)epoll_ctl(io->loop->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
	list_remove(&io->node);
	free(io);
}

/* --- timers ----------------------------------------------------------------------------------- */

static void heap_set(struct loop *loop, size_t at, struct loop_timer *timer)
{
	loop->heap[at] = timer;
	timer->at = at;
}

static void sift_up(struct loop *loop, size_t at)
{
	struct loop_timer *timer = loop->heap[at];

	while (at > 0 && loop->heap[(at - 1) / 2]->deadline > timer->deadline) {
		heap_set(loop, at, loop->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	heap_set(loop, at, timer);
}

static void sift_down(struct loop *loop, size_t at)
{
	struct loop_timer *timer = loop->heap[at];

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= loop->heap_n)
			break;
		if (child + 1 < loop->heap_n &&
		    loop->heap[child + 1]->deadline < loop->heap[child]->deadline)
			child++;
		if (loop->heap[child]->deadline >= timer->deadline)
			break;
		heap_set(loop, at, loop->heap[child]);
		at = child;
	}
	heap_set(loop, at, timer);
}

static void heap_remove(struct loop *loop, struct loop_timer *timer)
{
	size_t at = timer->at;
	struct loop_timer *last;

	if (at == NOT_IN_HEAP)
		return;
	timer->at = NOT_IN_HEAP;
	last = loop->heap[--loop->heap_n];
	if (last == timer)
		return;
	heap_set(loop, at, last);
	sift_down(loop, at);
	sift_up(loop, last->at);
}

/* Room for every timer is made when it is created, so that arming can't fail. */
static int heap_room(struct loop *loop)
{
	struct loop_timer **heap;
	size_t cap;

	if (loop->timers_n < loop->heap_cap)
		return 0;
	cap = loop->heap_cap ? loop->heap_cap * 2 : HEAP_FIRST;
	heap = realloc(loop->heap, cap * sizeof(struct loop_timer *));
	if (!heap)
		return -ENOMEM;
	loop->heap = heap;
	loop->heap_cap = cap;
	return 0;
}

struct loop_timer *loop_timer_new(struct loop *loop, loop_timer_fn fn, void *data)
{
	struct loop_timer *timer;

	if (heap_room(loop) < 0) {
		errno = ENOMEM;
		return NULL;
	}
	timer = calloc(1, sizeof(*timer));
	if (!timer)
		return NULL;
	timer->loop = loop;
	timer->deadline = USEC_NEVER;
	timer->at = NOT_IN_HEAP;
	timer->fn = fn;
	timer->data = data;
	list_append(&loop->timers, &timer->node);
	loop->timers_n++;
	return timer;
}

void loop_timer_arm(struct loop_timer *timer, usec_t deadline)
{
	struct loop *loop = timer->loop;

	heap_remove(loop, timer);
	timer->deadline = deadline;
	if (deadline == USEC_NEVER)
		return;
	heap_set(loop, loop->heap_n++, timer);
	sift_up(loop, timer->at);
}

void loop_timer_disarm(struct loop_timer *timer)
{
	loop_timer_arm(timer, USEC_NEVER);
}

usec_t loop_timer_deadline(const struct loop_timer *timer)
{
	return timer->deadline;
}

void loop_timer_free(struct loop_timer *timer)
{
	if (!timer)
		return;
	heap_remove(timer->loop, timer);
	timer->loop->timers_n--;
	list_remove(&timer->node);
	free(timer);
}

/* Fires what was due when the round began; a timer that re-arms itself into the past waits for the next round. */
static void run_timers(struct loop *loop)
{
	size_t budget = loop->heap_n;

	while (budget-- > 0 && loop->heap_n > 0 && loop->heap[0]->deadline <= loop->now) {
		struct loop_timer *timer = loop->heap[0];

		loop_timer_disarm(timer);
		timer->fn(timer, timer->data);
	}
}

/* --- deferred calls and signals --------------------------------------------------------------- */

int loop_defer(struct loop *loop, loop_defer_fn fn, void *data)
{
	struct deferred *d = malloc(sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->fn = fn;
	d->data = data;
	list_append(&loop->deferred, &d->node);
	return 0;
}

static void drop_deferred(struct list *list, loop_defer_fn fn, const void *data)
{
	struct deferred *d;

	LIST_FOREACH (d, list, node) {
		if (d->fn != fn || d->data != data)
			continue;
		list_remove(&d->node);
		free(d);
	}
}

void loop_undefer(struct loop *loop, loop_defer_fn fn, const void *data)
{
	drop_deferred(&loop->deferred, fn, data);
	drop_deferred(&loop->running, fn, data);
}

static void run_deferred(struct loop *loop)
{
	/* what a call defers again runs in the next round */
	list_move(&loop->running, &loop->deferred);
	while (!list_empty(&loop->running)) {
		struct deferred *d = LIST_ENTRY(loop->running.next, struct deferred, node);
		loop_defer_fn fn = d->fn;
		void *data = d->data;

		list_remove(&d->node);
		free(d);
		fn(data);
	}
}

static void on_signal(struct loop_io *io, uint32_t events, void *data)
{
	struct loop *loop = data;
	struct signalfd_siginfo info;

	(void)events;
	while (read(io->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		loop->signal_fn(&info, loop->signal_data);
}

int loop_signals(struct loop *loop, const sigset_t *set, loop_signal_fn fn, void *data)
{
	int r = pthread_sigmask(SIG_BLOCK, set, NULL);

	if (r != 0)
		return -r;
	loop->signal_fn = fn;
	loop->signal_data = data;
	loop->signal_fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (loop->signal_fd < 0)
		return -errno;
	loop->signal_io = loop_io_new(loop, loop->signal_fd, EPOLLIN, on_signal, loop);
	return loop->signal_io ? 0 : -errno;
}

/* --- the round -------------------------------------------------------------------------------- */

static void set_timer_fd(struct loop *loop, usec_t deadline)
{
	struct itimerspec spec = { 0 };

	if (deadline == loop->timer_fd_deadline)
		return;
	if (deadline != USEC_NEVER) {
		spec.it_value.tv_sec = (time_t)(deadline / USEC_PER_SEC);
		spec.it_value.tv_nsec = (long)(deadline % USEC_PER_SEC) * 1000;
		if (deadline == 0)
			spec.it_value.tv_nsec = 1; /* 0 would disarm */
	}
	if (timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL) == 0)
		loop->timer_fd_deadline = deadline;
}

static int wait_for_events(struct loop *loop, usec_t timeout)
{
	usec_t deadline = time_add(loop->now, timeout);
	int wait_ms = -1;

	if (loop->heap_n > 0)
		deadline = MIN(deadline, loop->heap[0]->deadline);
	if (timeout == 0 || !list_empty(&loop->deferred) || deadline <= loop->now)
		wait_ms = 0;
	else
		set_timer_fd(loop, deadline);
	return epoll_wait(loop->epoll_fd, loop->events, EVENTS_PER_ROUND, wait_ms);
}

static void dispatch(const struct epoll_event *event)
{
	struct loop_io *io = event->data.ptr;

	if (io)
		io->fn(io, event->events, io->data);
}

int loop_once(struct loop *loop, usec_t timeout)
{
	int n = wait_for_events(loop, timeout);

	if (n < 0 && errno != EINTR)
		return -errno;
	loop->now = time_boottime();
	if (loop->timer_fd_deadline <= loop->now) {
		uint64_t expirations;

		(void)!read(loop->timer_fd, &expirations, sizeof(expirations));
		loop->timer_fd_deadline = USEC_NEVER;
	}
	loop->events_n = n < 0 ? 0 : n;
	for (int i = 0; i < loop->events_n; i++)
		dispatch(&loop->events[i]);
	loop->events_n = 0;
	run_timers(loop);
	run_deferred(loop);
	return 0;
}

int loop_run(struct loop *loop)
{
	loop->now = time_boottime();
	while (!loop->quit) {
		int r = loop_once(loop, USEC_NEVER);

		if (r < 0)
			return r;
	}
	loop->quit = false;
	return loop->quit_code;
}
