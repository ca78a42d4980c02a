/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the store's thread: which log is written when, retries, the end.
 *
 * A log is in one of three lists: dirty (has lines), retry (the disk refused, wait), open (nothing to
 * do, files still open), or in none. A poke of a log that is known to have work is one atomic load.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "log/log.h"
#include "log/store_internal.h"

/* Lines gather for so long before they are written, unless many wait. They are safe in the ring meanwhile. */
#define GATHER_USEC (50 * USEC_PER_MSEC)
#define URGENT_BYTES (64U << 10)
#define RETRY_FIRST (100 * USEC_PER_MSEC)
#define RETRY_MAX (30 * USEC_PER_SEC)
/* Blocks of one log before the next log has its turn. */
#define BLOCKS_PER_TURN 4
/* Files kept open for logs that are quiet for the moment. */
#define OPEN_MAX 64
/* The server before us may be dying: its lock goes with it. */
#define LOCK_TRIES 50
#define LOCK_PAUSE_NSEC 10000000L

static int lock_file(int fd)
{
	struct timespec pause = { .tv_nsec = LOCK_PAUSE_NSEC };
	int code = -EBUSY;

	for (int i = 0; i < LOCK_TRIES && code == -EBUSY; i++) {
		code = fd_lock_byte(fd, LOG_LOCK_WRITER);
		if (code == -EBUSY)
			(void)nanosleep(&pause, NULL);
	}
	return code;
}

int store_open_dir(struct store *s)
{
	char path[STORE_PATH_MAX];
	AUTO(auto_close) int fd = -1;
	int code;

	if (s->lock_fd >= 0)
		return 0;
	code = fd_make_dirs(s->dir, 0750);
	if (code < 0)
		return code;
	if (snprintf(path, sizeof(path), "%s/" LOG_LOCK_FILE, s->dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	code = lock_file(fd);
	if (code == 0)
		s->lock_fd = fd_steal(&fd);
	return code;
}

static usec_t monotonic(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (usec_t)ts.tv_sec * USEC_PER_SEC + (usec_t)ts.tv_nsec / 1000;
}

/* With the lock held: wait until `deadline` (USEC_NEVER: for ever). */
static void wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, usec_t deadline)
{
	struct timespec ts = { (time_t)(deadline / USEC_PER_SEC), (long)(deadline % USEC_PER_SEC) * 1000 };

	if (deadline == USEC_NEVER)
		(void)pthread_cond_wait(cond, lock);
	else
		(void)pthread_cond_timedwait(cond, lock, &ts);
}

static void tell_progress(struct store *s)
{
	if (!atomic_load(&s->abandoned))
		s->progress(s->data);
}

static void free_log(struct store_log *l)
{
	store_close_files(l);
	ring_unref(l->ring);
	if (l->closed && !atomic_load(&l->store->abandoned))
		l->closed(l->closed_data);
	free(l);
}

/* The disk refused: again after a while, twice as long each time. */
static void fail(struct store_log *l, int code)
{
	l->delay = l->delay ? MIN(l->delay * 2, RETRY_MAX) : RETRY_FIRST;
	l->retry_at = monotonic() + l->delay;
	atomic_store(&l->error, -code);
	list_remove(&l->node);
	list_append(&l->store->retry, &l->node);
}

/* All is stored: out of the way until it is poked again. */
static void rest(struct store_log *l)
{
	struct store *s = l->store;
	bool closing;

	list_remove(&l->node);
	store_close_dir(l);
	(void)pthread_mutex_lock(&s->lock);
	closing = atomic_load(&l->closing);
	if (!closing) {
		list_append(&s->open, &l->node);
		atomic_store(&l->queued, false);
	}
	(void)pthread_mutex_unlock(&s->lock);
	if (closing) {
		free_log(l);
		return;
	}
	/* Lines that came before `queued` was cleared were not announced. */
	atomic_thread_fence(memory_order_seq_cst);
	if (ring_head(l->ring) > l->at.seq || atomic_load(&l->closing))
		store_log_poke(l, 0);
}

/* A log's turn. It is in `todo`, known to this thread alone. Returns true if it wants another turn. */
static bool serve(struct store_log *l)
{
	struct store_opts opts;
	int code = 1;

	(void)pthread_mutex_lock(&l->store->lock);
	opts = l->opts;
	(void)pthread_mutex_unlock(&l->store->lock);
	atomic_store(&l->waiting, 0);
	/* One that is being closed goes first: its successor may have the same directory. */
	for (int i = 0; code > 0 && (i < BLOCKS_PER_TURN || atomic_load(&l->closing)); i++) {
		code = store_write_block(l, &opts);
		if (code >= 0) {
			atomic_fetch_add(&l->store->blocks, 1);
			l->delay = 0;
			atomic_store(&l->error, 0);
		} else {
			fail(l, code);
		}
		tell_progress(l->store);
	}
	if (code == 0)
		rest(l);
	return code > 0;
}

static void take_all(struct list *from, struct list *to)
{
	while (!list_empty(from)) {
		struct list *node = from->next;

		list_remove(node);
		list_append(to, node);
	}
}

/* Logs whose waiting time is over, or all of them at the end. */
static void take_retries(struct store *s, struct list *todo, usec_t now, bool all)
{
	struct store_log *l;

	LIST_FOREACH(l, &s->retry, node) {
		if (!all && l->retry_at > now)
			continue;
		list_remove(&l->node);
		list_append(todo, &l->node);
	}
}

static usec_t next_retry(const struct store *s)
{
	const struct list *node;
	usec_t next = USEC_NEVER;

	for (node = s->retry.next; node != &s->retry; node = node->next)
		next = MIN(next, LIST_ENTRY(node, struct store_log, node)->retry_at);
	return next;
}

/* Keep few files of quiet logs open. */
static void close_quiet(struct store *s)
{
	struct store_log *l;
	size_t n = 0;

	(void)pthread_mutex_lock(&s->lock);
	LIST_FOREACH(l, &s->open, node) {
		n++;
	}
	LIST_FOREACH(l, &s->open, node) {
		if (n-- <= OPEN_MAX)
			break;
		store_close_files(l);
		list_remove(&l->node);
	}
	(void)pthread_mutex_unlock(&s->lock);
}

/* With the lock held: nothing to do until the first retry is due, or a poke; then let lines gather. */
static void wait_for_work(struct store *s)
{
	usec_t until;

	while (!s->stop && list_empty(&s->dirty) && monotonic() < next_retry(s))
		wait_until(&s->wake, &s->lock, next_retry(s));
	until = monotonic() + GATHER_USEC;
	while (!s->stop && !s->urgent && !list_empty(&s->dirty) && monotonic() < until)
		wait_until(&s->wake, &s->lock, until);
	s->urgent = false;
}

/* Take what is to be done, waiting for it if there is nothing left. Returns false at the end. */
static bool take_work(struct store *s, struct list *todo)
{
	bool stop;

	(void)pthread_mutex_lock(&s->lock);
	if (list_empty(todo))
		wait_for_work(s);
	stop = s->stop;
	take_all(&s->dirty, todo);
	take_retries(s, todo, monotonic(), stop);
	(void)pthread_mutex_unlock(&s->lock);
	return !stop || !list_empty(todo);
}

/* The end: what the disk refused once more is given up. */
static void give_up(struct store *s)
{
	struct store_log *l;
	bool stop;

	(void)pthread_mutex_lock(&s->lock);
	stop = s->stop;
	(void)pthread_mutex_unlock(&s->lock);
	if (!stop)
		return;
	LIST_FOREACH(l, &s->retry, node) {
		list_remove(&l->node);
		free_log(l);
	}
}

static void release(struct store *s)
{
	if (!s)
		return;
	auto_close(&s->lock_fd);
	(void)pthread_cond_destroy(&s->wake);
	(void)pthread_cond_destroy(&s->ended);
	(void)pthread_mutex_destroy(&s->lock);
	free(s->block);
	free(s->dir);
	free(s);
}

static void *store_main(void *data)
{
	struct store *s = data;
	struct list todo;
	struct list again;
	bool abandoned;

	(void)prctl(PR_SET_NAME, "log-store");
	list_init(&todo);
	list_init(&again);
	while (take_work(s, &todo)) {
		while (!list_empty(&todo)) {
			struct store_log *l = LIST_ENTRY(todo.next, struct store_log, node);

			if (serve(l)) {
				list_remove(&l->node);
				list_append(&again, &l->node);
			}
		}
		take_all(&again, &todo);
		close_quiet(s);
		give_up(s);
	}
	store_work_end(s);
	(void)pthread_mutex_lock(&s->lock);
	s->stopped = true;
	abandoned = atomic_load(&s->abandoned);
	(void)pthread_cond_broadcast(&s->ended);
	(void)pthread_mutex_unlock(&s->lock);
	/* Nobody waits any more: what hung in the disk has come to its end after all. */
	if (abandoned)
		release(s);
	return NULL;
}

DEFINE_AUTO(struct store, auto_store, release)

static void init_conds(struct store *s)
{
	pthread_condattr_t attr;

	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&s->wake, &attr);
	(void)pthread_cond_init(&s->ended, &attr);
	(void)pthread_condattr_destroy(&attr);
}

int store_new(const char *dir, uint64_t max_total, store_progress_fn fn, void *data, struct store **out,
	      struct error *err)
{
	AUTO(auto_store) struct store *s = calloc(1, sizeof(*s));
	sigset_t all;
	sigset_t old;
	int code;

	if (!s)
		return error_set(err, ENOMEM, "log store: out of memory");
	s->lock_fd = -1;
	atomic_store(&s->max_total, max_total);
	s->progress = fn;
	s->data = data;
	list_init(&s->dirty);
	list_init(&s->jobs);
	list_init(&s->retry);
	list_init(&s->open);
	(void)pthread_mutex_init(&s->lock, NULL);
	init_conds(s);
	s->dir = strdup(dir);
	if (!s->dir)
		return error_set(err, ENOMEM, "log store: out of memory");
	if (store_open_dir(s) == -EBUSY)
		return error_set(err, EBUSY, "the log directory '%s' is in use by another server", dir);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	code = pthread_create(&s->thread, NULL, store_main, s);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (code)
		return error_set(err, code, "log store: %s", strerror(code));
	*out = STEAL(&s);
	return 0;
}

bool store_free(struct store *s, usec_t patience)
{
	usec_t deadline = time_add(monotonic(), patience);
	bool stopped;

	if (!s)
		return true;
	(void)pthread_mutex_lock(&s->lock);
	s->stop = true;
	(void)pthread_cond_signal(&s->wake);
	while (!s->stopped && monotonic() < deadline)
		wait_until(&s->ended, &s->lock, deadline);
	stopped = s->stopped;
	if (!stopped) {
		atomic_store(&s->abandoned, true);
		(void)pthread_detach(s->thread);
	}
	(void)pthread_mutex_unlock(&s->lock);
	if (!stopped)
		return false;
	(void)pthread_join(s->thread, NULL);
	release(s);
	return true;
}

int store_log_new(struct store *s, const char *name, const struct store_opts *opts, struct ring *ring,
		  struct store_log **out)
{
	size_t size = strlen(name) + 1;
	struct store_log *l;

	if (size == 1 || name[0] == '.' || strchr(name, '/'))
		return -EINVAL;
	l = calloc(1, sizeof(*l) + size);
	if (!l)
		return -ENOMEM;
	memcpy(l->name, name, size);
	list_init(&l->node);
	l->store = s;
	l->ring = ring_ref(ring);
	l->opts = *opts;
	l->dir_fd = l->fd = -1;
	ring_store_get(ring, &l->at);
	atomic_store(&l->seq, l->at.seq);
	*out = l;
	return 0;
}

uint64_t store_blocks(const struct store *s)
{
	return atomic_load(&s->blocks);
}

void store_log_set(struct store_log *l, const struct store_opts *opts)
{
	(void)pthread_mutex_lock(&l->store->lock);
	l->opts = *opts;
	(void)pthread_mutex_unlock(&l->store->lock);
}

/* With the lock held. */
static void enqueue(struct store_log *l, bool urgent)
{
	struct store *s = l->store;

	if (!atomic_exchange(&l->queued, true)) {
		list_remove(&l->node);
		list_append(&s->dirty, &l->node);
	}
	s->urgent = s->urgent || urgent;
	(void)pthread_cond_signal(&s->wake);
}

void store_log_poke(struct store_log *l, uint64_t bytes)
{
	struct store *s = l->store;
	uint64_t before = atomic_fetch_add_explicit(&l->waiting, bytes, memory_order_relaxed);
	uint64_t limit = MIN((uint64_t)URGENT_BYTES, ring_capacity(l->ring) / 8);
	bool urgent = before < limit && before + bytes >= limit;

	/* Pairs with the fence of rest(): either it sees our lines, or we see its `queued`. */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load(&l->queued) && !urgent)
		return;
	(void)pthread_mutex_lock(&s->lock);
	enqueue(l, urgent);
	(void)pthread_mutex_unlock(&s->lock);
}

uint64_t store_log_seq(const struct store_log *l)
{
	return atomic_load_explicit(&l->seq, memory_order_acquire);
}

int store_log_error(const struct store_log *l)
{
	return atomic_load_explicit(&l->error, memory_order_relaxed);
}

int store_log_lost_error(const struct store_log *l)
{
	return atomic_load_explicit(&l->lost_error, memory_order_relaxed);
}

uint64_t store_log_repaired(const struct store_log *l)
{
	return atomic_load_explicit(&l->repaired, memory_order_relaxed);
}

void store_log_close(struct store_log *l, store_closed_fn fn, void *data)
{
	struct store *s = l->store;

	l->closed = fn;
	l->closed_data = data;
	/* In one piece: once the store's thread has seen `closing`, the log is gone. */
	(void)pthread_mutex_lock(&s->lock);
	atomic_store(&l->closing, true);
	enqueue(l, true);
	(void)pthread_mutex_unlock(&s->lock);
}

void store_set_total(struct store *s, uint64_t max_total)
{
	atomic_store(&s->max_total, max_total);
}
