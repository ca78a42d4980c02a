/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: questions that may read from disk: each in a thread of its own, which hands batches of lines to
 * the loop's thread and waits while one is on its way. A paused asker pauses the thread.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/mem.h"
#include "log/engine.h"

#define BATCH_LINES 512
#define BATCH_BYTES (256U << 10)

struct log_query {
	struct list node; /* main: in engine->queries */
	struct log_engine *engine;
	log_query_fn fn;
	void *data;
	struct log_msg msg;
	pthread_t thread;
	/* set before the thread starts */
	struct query_opts opts;
	char *substring;
	char *regex;
	size_t n;
	struct query_source *sources;
	char *paths; /* of the sources' directories and names */
	/* lock */
	pthread_mutex_t lock;
	pthread_cond_t taken;
	bool on_its_way; /* main has the batch, or its message waits */
	bool done;       /* that message is the last one */
	/* main */
	bool paused;
	bool waiting; /* a message came while it was paused */
	/* all */
	_Atomic bool cancelled;
	/* whoever has the batch */
	struct log_line lines[BATCH_LINES];
	size_t lines_n;
	char *text;
	size_t text_len;
	size_t text_size;
	/* thread, then main in the last message */
	int result;
	struct log_cursor *cursors;
	struct log_cursor *after; /* copy of opts.after, or NULL */
	struct error error;
};

static void query_free(struct log_query *q)
{
	if (!q)
		return;
	for (size_t i = 0; i < q->n; i++)
		ring_unref(q->sources[i].ring);
	(void)pthread_mutex_destroy(&q->lock);
	(void)pthread_cond_destroy(&q->taken);
	free(q->substring);
	free(q->regex);
	free(q->sources);
	free(q->paths);
	free(q->cursors);
	free(q->after);
	free(q->text);
	free(q);
}

DEFINE_AUTO(struct log_query, auto_query, query_free)

/* Hand the batch over and wait until it was taken. Returns -ECANCELED if nobody wants more. */
static int hand_over(struct log_query *q)
{
	(void)pthread_mutex_lock(&q->lock);
	q->on_its_way = true;
	engine_to_main(q->engine, &q->msg);
	while (q->on_its_way)
		(void)pthread_cond_wait(&q->taken, &q->lock);
	(void)pthread_mutex_unlock(&q->lock);
	q->lines_n = 0;
	q->text_len = 0;
	return atomic_load(&q->cancelled) ? -ECANCELED : 0;
}

/* The batch's lines point into its text, so that text may only move while there is none. */
static int room_for(struct log_query *q, size_t len)
{
	size_t size = MAX((size_t)BATCH_BYTES, len);
	int code = 0;

	if (q->lines_n && (q->lines_n == BATCH_LINES || q->text_len + len > q->text_size))
		code = hand_over(q);
	if (code < 0 || q->text_len + len <= q->text_size)
		return code;
	free(q->text);
	q->text = malloc(size);
	q->text_size = q->text ? size : 0;
	return q->text ? 0 : -ENOMEM;
}

static int collect(const struct log_line *line, void *data)
{
	struct log_query *q = data;
	int code = room_for(q, line->len);

	if (code < 0)
		return code;
	if (line->len)
		memcpy(q->text + q->text_len, line->text, line->len);
	q->lines[q->lines_n] = *line;
	q->lines[q->lines_n].text = line->len ? q->text + q->text_len : "";
	q->lines_n++;
	q->text_len += line->len;
	return 0;
}

static void *query_main(void *data)
{
	struct log_query *q = data;

	(void)prctl(PR_SET_NAME, "log-query");
	q->result = query_run(q->sources, q->n, &q->opts, collect, q, q->cursors, &q->error);
	if (q->lines_n)
		(void)hand_over(q);
	(void)pthread_mutex_lock(&q->lock);
	q->done = true;
	(void)pthread_mutex_unlock(&q->lock);
	/* The last message: main ends the query with it, cancelled or not. */
	engine_to_main(q->engine, &q->msg);
	return NULL;
}

static void taken(struct log_query *q)
{
	(void)pthread_mutex_lock(&q->lock);
	q->on_its_way = false;
	(void)pthread_cond_signal(&q->taken);
	(void)pthread_mutex_unlock(&q->lock);
}

static bool is_over(struct log_query *q)
{
	bool done;

	(void)pthread_mutex_lock(&q->lock);
	done = q->done;
	(void)pthread_mutex_unlock(&q->lock);
	return done;
}

static void finish(struct log_query *q)
{
	(void)pthread_join(q->thread, NULL);
	list_remove(&q->node);
	if (!atomic_load(&q->cancelled))
		q->fn(q, NULL, 0, q->result, q->data);
	query_free(q);
}

static void deliver(struct log_query *q)
{
	bool cancelled = atomic_load(&q->cancelled);

	if (q->paused && !cancelled) {
		q->waiting = true;
		return;
	}
	if (is_over(q)) {
		finish(q);
		return;
	}
	if (!cancelled)
		q->fn(q, q->lines, q->lines_n, 0, q->data);
	taken(q);
}

static void main_query(struct log_msg *msg)
{
	deliver(CONTAINER_OF(msg, struct log_query, msg));
}

static char *copy_text(const char *s, bool *failed)
{
	char *copy = s ? strdup(s) : NULL;

	*failed = *failed || (s && !copy);
	return copy;
}

/* Names and directories in one piece of memory: "name\0dir/name\0". */
static int copy_sources(struct log_query *q, struct log_service *const *svcs, const char *dir)
{
	size_t size = 1;
	const char *end;
	char *p;

	for (size_t i = 0; i < q->n; i++)
		size += 2 * strlen(svcs[i]->name) + (dir ? strlen(dir) : 0) + 3;
	q->paths = p = malloc(size);
	q->sources = calloc(q->n, sizeof(*q->sources));
	q->cursors = calloc(q->n, sizeof(*q->cursors));
	q->after = q->opts.after ? calloc(q->n, sizeof(*q->after)) : NULL;
	if (!q->paths || !q->sources || !q->cursors || (q->opts.after && !q->after))
		return -ENOMEM;
	if (q->after)
		memcpy(q->after, q->opts.after, q->n * sizeof(*q->after));
	q->opts.after = q->after;
	end = p + size;
	for (size_t i = 0; i < q->n; i++) {
		struct ring *r = atomic_load_explicit(&svcs[i]->ring, memory_order_acquire);

		q->sources[i].service = p;
		p += snprintf(p, (size_t)(end - p), "%s", svcs[i]->name) + 1;
		if (dir) {
			q->sources[i].dir = p;
			p += snprintf(p, (size_t)(end - p), "%s/%s", dir, svcs[i]->name) + 1;
		}
		q->sources[i].ring = r ? ring_ref(r) : NULL;
	}
	return 0;
}

static int start_thread(struct log_query *q)
{
	sigset_t all;
	sigset_t old;
	int code;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	code = pthread_create(&q->thread, NULL, query_main, q);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -code;
}

int log_query_start(struct log_engine *e, struct log_service *const *svcs, size_t n, const struct query_opts *opts,
		    log_query_fn fn, void *data, struct log_query **out, struct error *err)
{
	AUTO(auto_query) struct log_query *q = calloc(1, sizeof(*q));
	struct query_filter *filter;
	bool failed = false;
	int code;

	if (!q)
		return error_set(err, ENOMEM, "out of memory");
	(void)pthread_mutex_init(&q->lock, NULL);
	(void)pthread_cond_init(&q->taken, NULL);
	list_init(&q->node);
	/* A wrong pattern is said at once. */
	code = query_filter_new(opts, &filter, err);
	if (code < 0)
		return code;
	query_filter_free(filter);
	q->engine = e;
	q->fn = fn;
	q->data = data;
	q->msg.run = main_query;
	q->opts = *opts;
	q->opts.stop = &q->cancelled;
	q->opts.substring = q->substring = copy_text(opts->substring, &failed);
	q->opts.regex = q->regex = copy_text(opts->regex, &failed);
	q->n = n;
	if (failed || copy_sources(q, svcs, e->dir) < 0) {
		q->n = q->sources ? n : 0;
		return error_set(err, ENOMEM, "out of memory");
	}
	code = start_thread(q);
	if (code < 0)
		return error_set(err, -code, "query: %s", strerror(-code));
	list_append(&e->queries, &q->node);
	*out = STEAL(&q);
	return 0;
}

/* A message that was put aside comes again: by the queue, not from within the asker's call. */
static void resume(struct log_query *q)
{
	if (!q->waiting)
		return;
	q->waiting = false;
	engine_to_main(q->engine, &q->msg);
}

void log_query_pause(struct log_query *q, bool pause)
{
	q->paused = pause;
	if (!pause)
		resume(q);
}

void log_query_cancel(struct log_query *q)
{
	atomic_store(&q->cancelled, true);
	resume(q);
}

void ask_cancel_all(struct log_engine *e)
{
	struct log_query *q;

	LIST_FOREACH(q, &e->queries, node)
		log_query_cancel(q);
}

const struct log_cursor *log_query_cursors(const struct log_query *q)
{
	return q->result == 0 ? q->cursors : NULL;
}

const char *log_query_error(const struct log_query *q)
{
	return q->error.msg;
}
