/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the engine's life, its services, and the messages between the loop's thread and the reader. */
#include "log/log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "log/engine.h"
#include "loop/loop.h"

#define SIZE_DEFAULT (10U << 20)
#define SIZE_MIN (4U << 10)
#define FILES_DEFAULT 5
#define WAIT_MSEC 10

static void poke(int fd)
{
	uint64_t one = 1;

	(void)!write(fd, &one, sizeof(one));
}

static void enqueue(struct log_engine *e, struct list *queue, struct log_msg *msg)
{
	(void)pthread_mutex_lock(&e->lock);
	list_append(queue, &msg->node);
	(void)pthread_mutex_unlock(&e->lock);
}

void engine_to_reader(struct log_engine *e, struct log_msg *msg)
{
	enqueue(e, &e->to_reader, msg);
	poke(e->reader_fd);
}

void engine_to_main(struct log_engine *e, struct log_msg *msg)
{
	enqueue(e, &e->to_main, msg);
	engine_wake_main(e);
}

void engine_wake_main(struct log_engine *e)
{
	if (!atomic_exchange(&e->main_wake, true))
		poke(e->main_fd);
}

void engine_run_queue(struct log_engine *e, struct list *queue)
{
	for (;;) {
		struct log_msg *msg = NULL;

		(void)pthread_mutex_lock(&e->lock);
		if (!list_empty(queue)) {
			msg = LIST_ENTRY(queue->next, struct log_msg, node);
			list_remove(&msg->node);
		}
		(void)pthread_mutex_unlock(&e->lock);
		if (!msg)
			return;
		msg->run(msg);
	}
}

struct store_opts engine_store_opts(const struct log_service_opts *opts)
{
	return (struct store_opts){
		.compress = opts->compress,
		.max_size = opts->max_size ? MAX(opts->max_size, (uint64_t)SIZE_MIN) : SIZE_DEFAULT,
		.rotate_age = opts->rotate_age,
		.max_files = opts->max_files ? opts->max_files : FILES_DEFAULT,
		.max_age = opts->max_age,
	};
}

/* In the store's thread: the reader may be waiting for it. */
static void store_progress(void *data)
{
	struct log_engine *e = data;

	if (atomic_exchange(&e->reader_waits, false))
		poke(e->reader_fd);
}

static void run_main_queue(struct log_engine *e)
{
	uint64_t count;

	(void)!read(e->main_fd, &count, sizeof(count));
	atomic_store(&e->main_wake, false);
	engine_run_queue(e, &e->to_main);
}

static void main_wakes(struct loop_io *io, uint32_t events, void *data)
{
	struct log_engine *e = data;

	(void)io;
	(void)events;
	run_main_queue(e);
	follow_wake_all(e);
}

static void engine_release(struct log_engine *e)
{
	if (!e)
		return;
	incidents_free(e);
	loop_io_free(e->main_io);
	auto_close(&e->main_fd);
	auto_close(&e->reader_fd);
	auto_close(&e->epoll_fd);
	map_fini(&e->services);
	free(e->dir);
	(void)pthread_mutex_destroy(&e->lock);
	free(e);
}

DEFINE_AUTO(struct log_engine, auto_engine, engine_release)

static int start_reader(struct log_engine *e)
{
	sigset_t all;
	sigset_t old;
	int code;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	code = pthread_create(&e->reader, NULL, reader_main, e);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -code;
}

static int open_descriptors(struct log_engine *e)
{
	struct epoll_event event = { .events = EPOLLIN };

	e->main_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	e->reader_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	e->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (e->main_fd < 0 || e->reader_fd < 0 || e->epoll_fd < 0 ||
	    epoll_ctl(e->epoll_fd, EPOLL_CTL_ADD, e->reader_fd, &event) < 0)
		return -errno;
	e->main_io = loop_io_new(e->loop, e->main_fd, EPOLLIN, main_wakes, e);
	return e->main_io ? 0 : -errno;
}

int log_engine_new(struct loop *loop, const struct log_options *opts, struct log_engine **out, struct error *err)
{
	AUTO(auto_engine) struct log_engine *e = calloc(1, sizeof(*e));
	int code;

	if (!e)
		return error_set(err, ENOMEM, "log engine: out of memory");
	e->loop = loop;
	e->main_fd = e->reader_fd = e->epoll_fd = -1;
	e->on_ended = opts->on_ended;
	e->data = opts->data;
	map_init(&e->services);
	list_init(&e->followed);
	list_init(&e->queries);
	list_init(&e->to_reader);
	list_init(&e->to_main);
	list_init(&e->stalled);
	list_init(&e->refused);
	(void)pthread_mutex_init(&e->lock, NULL);
	e->dir = opts->dir ? strdup(opts->dir) : NULL;
	code = opts->dir && !e->dir ? -ENOMEM : open_descriptors(e);
	if (code < 0)
		return error_set(err, -code, "log engine: %s", strerror(-code));
	if (opts->dir)
		code = store_new(opts->dir, opts->max_total, store_progress, e, &e->store, err);
	if (code < 0)
		return code;
	code = start_reader(e);
	if (code < 0) {
		(void)store_free(e->store, 0);
		return error_set(err, -code, "log engine: %s", strerror(-code));
	}
	*out = STEAL(&e);
	return 0;
}

struct stop_msg {
	struct log_msg msg;
	struct log_engine *engine;
};

static void reader_stop(struct log_msg *msg)
{
	CONTAINER_OF(msg, struct stop_msg, msg)->engine->stop = true;
}

/* Questions under way are ended. Returns false if one of them hangs in the disk. */
static bool end_queries(struct log_engine *e, usec_t patience)
{
	struct pollfd p = { .fd = e->main_fd, .events = POLLIN };
	usec_t deadline = time_add(time_boottime(), patience);

	ask_cancel_all(e);
	while (!list_empty(&e->queries) && time_boottime() < deadline) {
		if (poll(&p, 1, WAIT_MSEC) > 0)
			run_main_queue(e);
	}
	return list_empty(&e->queries);
}

void log_engine_free(struct log_engine *e, usec_t patience)
{
	struct stop_msg stop = { .msg.run = reader_stop, .engine = e };
	bool answered;

	if (!e)
		return;
	answered = end_queries(e, patience);
	while (e->services.n) {
		MAP_FOREACH(slot, &e->services) {
			log_service_remove(slot->value);
			break;
		}
	}
	engine_to_reader(e, &stop.msg);
	(void)pthread_join(e->reader, NULL);
	/* What hangs in the disk still refers to the engine and its services: they are left to it. */
	if (!store_free(e->store, patience) || !answered)
		return;
	engine_run_queue(e, &e->to_main);
	engine_release(e);
}

/*
 * A ring that holds lines was another server's: finish its last read and have its lines at hand from the beginning.
 * The reader does not know the service yet, so it may be done here.
 */
static int adopt_ring(struct log_service *svc)
{
	struct ring *r;
	struct stat st;
	int code;

	if (fstat(svc->ring_fd, &st) < 0)
		return -errno;
	if (st.st_blocks == 0)
		return 0;
	code = ring_open(svc->ring_fd, &svc->opts.ring, &r);
	if (code == 0)
		atomic_store(&svc->ring, r);
	return code;
}

int log_service_add(struct log_engine *e, const char *name, const struct log_service_opts *opts, int ring_fd,
		    struct log_service **out)
{
	size_t size = strlen(name) + 1;
	struct log_service *svc;
	int code;

	if (map_get(&e->services, name))
		return -EEXIST;
	svc = calloc(1, sizeof(*svc) + size);
	if (!svc)
		return -ENOMEM;
	svc->engine = e;
	svc->opts = *opts;
	atomic_store(&svc->stored, opts->store);
	svc->ring_fd = ring_fd;
	svc->refs = 1;
	list_init(&svc->follows);
	list_init(&svc->followed);
	list_init(&svc->sources);
	list_init(&svc->drains);
	memcpy(svc->name, name, size);
	code = adopt_ring(svc);
	if (code == 0)
		code = map_put(&e->services, svc->name, svc);
	if (code < 0) {
		ring_unref(atomic_load(&svc->ring));
		free(svc);
		return code;
	}
	if (atomic_load(&svc->ring)) {
		svc->adopt_msg.run = reader_adopt;
		engine_to_reader(e, &svc->adopt_msg);
	}
	*out = svc;
	return 0;
}

void service_unref(struct log_service *svc)
{
	if (--svc->refs)
		return;
	ring_unref(atomic_load(&svc->ring));
	auto_close(&svc->ring_fd);
	free(svc);
}

void main_service_retired(struct log_msg *msg)
{
	struct log_service *svc = CONTAINER_OF(msg, struct log_service, remove_msg);

	svc->retired = true;
	atomic_store(&svc->wake, true);
	service_unref(svc);
}

void log_service_remove(struct log_service *svc)
{
	(void)map_take(&svc->engine->services, svc->name);
	svc->removed = true;
	svc->remove_msg.run = reader_remove;
	engine_to_reader(svc->engine, &svc->remove_msg);
}

struct set_msg {
	struct log_msg msg;
	struct log_service *svc;
	struct log_service_opts opts;
};

static void reader_set(struct log_msg *msg)
{
	struct set_msg *m = CONTAINER_OF(msg, struct set_msg, msg);
	struct ring *r = atomic_load(&m->svc->ring);

	struct store_log *l = atomic_load(&m->svc->store);
	struct store_opts opts = engine_store_opts(&m->opts);

	m->svc->opts = m->opts;
	atomic_store(&m->svc->stored, m->opts.store);
	if (r)
		ring_set(r, &m->opts.ring);
	if (l)
		store_log_set(l, &opts);
	free(m);
}

int log_service_set(struct log_service *svc, const struct log_service_opts *opts)
{
	struct set_msg *m = malloc(sizeof(*m));

	if (!m)
		return -ENOMEM;
	*m = (struct set_msg){ .msg.run = reader_set, .svc = svc, .opts = *opts };
	engine_to_reader(svc->engine, &m->msg);
	return 0;
}

void log_engine_set_total(struct log_engine *e, uint64_t max_total)
{
	if (e->store)
		store_set_total(e->store, max_total);
}

struct log_service *log_service_find(struct log_engine *e, const char *name)
{
	return map_get(&e->services, name);
}

const char *log_service_name(const struct log_service *svc)
{
	return svc->name;
}

int log_service_ring_fd(const struct log_service *svc)
{
	return svc->ring_fd;
}

int log_attach(struct log_service *svc, uint64_t run, enum log_stream stream, int pipe_fd, uint32_t tag)
{
	struct log_source *src = calloc(1, sizeof(*src));

	if (!src)
		return -ENOMEM;
	(void)fd_set_nonblock(pipe_fd, true);
	src->svc = svc;
	src->run = run;
	src->stream = stream;
	src->fd = pipe_fd;
	src->tag = tag;
	list_init(&src->node);
	list_init(&src->stalled);
	src->msg.run = reader_attach;
	engine_to_reader(svc->engine, &src->msg);
	return 0;
}

void main_source_ended(struct log_msg *msg)
{
	struct log_source *src = CONTAINER_OF(msg, struct log_source, msg);
	struct log_service *svc = src->svc;

	if (!svc->removed && svc->engine->on_ended)
		svc->engine->on_ended(svc, src->stream, src->tag, svc->engine->data);
	free(src);
}

int log_drain(struct log_service *svc, uint64_t run, log_drained_fn fn, void *data)
{
	struct log_drain *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->svc = svc;
	d->run = run;
	d->fn = fn;
	d->data = data;
	list_init(&d->node);
	d->msg.run = reader_drain;
	engine_to_reader(svc->engine, &d->msg);
	return 0;
}

void main_drained(struct log_msg *msg)
{
	struct log_drain *d = CONTAINER_OF(msg, struct log_drain, msg);

	if (!d->svc->removed)
		d->fn(d->svc, d->run, d->ended, d->data);
	free(d);
}

void log_service_stats(struct log_service *svc, struct log_stats *out)
{
	struct ring *r = atomic_load_explicit(&svc->ring, memory_order_acquire);

	struct store_log *l = atomic_load_explicit(&svc->store, memory_order_acquire);
	struct ring_store at;

	*out = (struct log_stats){ .followers = atomic_load(&svc->followers), .followers_lost = svc->followers_lost };
	if (!r)
		return;
	ring_counts(r, &out->ring);
	ring_store_get(r, &at);
	out->stored_lines = at.lines;
	out->stored_bytes = at.bytes;
	out->store_dropped = at.dropped;
	if (!l)
		return;
	out->store_behind = out->ring.lines - MIN(at.seq, out->ring.lines);
	out->store_error = store_log_error(l);
	out->store_lost_error = store_log_lost_error(l);
	out->repaired_bytes = store_log_repaired(l);
}
