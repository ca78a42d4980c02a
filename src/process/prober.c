/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the questions under way at the prober, and the worker's life as seen from here. */
#include "process/prober.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/str.h"
#include "process/prober_wire.h"

#define RETRY_FIRST (100 * USEC_PER_MSEC)
#define RETRY_LAST (30 * USEC_PER_SEC)
/* The worker keeps the time-out; if it does not, we do, so much later. */
#define GRACE (500 * USEC_PER_MSEC)

struct question {
	struct probe base;
	struct list node;
	struct prober *prober;
	struct loop_timer *timer;
	uint64_t id;
};

struct prober {
	struct loop *loop;
	prober_spawn_fn spawn;
	void *data;
	int sock; /* -1: no worker */
	struct loop_io *io;
	struct list questions;
	uint64_t last_id;
	usec_t retry_delay;
	usec_t not_before;
};

struct prober *prober_new(struct loop *loop, prober_spawn_fn spawn, void *data)
{
	struct prober *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->loop = loop;
	p->spawn = spawn;
	p->data = data;
	p->sock = -1;
	p->retry_delay = RETRY_FIRST;
	list_init(&p->questions);
	return p;
}

static void disconnect(struct prober *p)
{
	loop_io_free(p->io);
	p->io = NULL;
	auto_close(&p->sock);
	p->sock = -1;
}

void prober_free(struct prober *p)
{
	if (!p)
		return;
	disconnect(p);
	free(p);
}

static void question_free(struct question *q)
{
	list_remove(&q->node);
	loop_timer_free(q->timer);
	free(q);
}

static void answer(struct question *q, const struct probe_result *result)
{
	probe_fn fn = q->base.fn;
	void *data = q->base.data;

	question_free(q);
	fn(result, data);
}

static void answer_unavailable(struct question *q)
{
	struct probe_result result;

	probe_result_set(&result, PROBE_UNAVAILABLE, 0, "the prober is not running; it is started again");
	answer(q, &result);
}

static struct question *first_up_to(struct prober *p, uint64_t id)
{
	struct question *q;

	LIST_FOREACH (q, &p->questions, node) {
		if (q->id <= id)
			return q;
	}
	return NULL;
}

void prober_exited(struct prober *p)
{
	struct question *q;
	uint64_t end;

	disconnect(p);
	p->not_before = loop_now(p->loop) + p->retry_delay;
	p->retry_delay = MIN(p->retry_delay * 2, (usec_t)RETRY_LAST);
	end = p->last_id;
	/* an answer may make its asker ask again: those are not of the worker that ended */
	while ((q = first_up_to(p, end)))
		answer_unavailable(q);
}

static struct question *find(struct prober *p, uint64_t id)
{
	struct question *q;

	LIST_FOREACH (q, &p->questions, node) {
		if (q->id == id)
			return q;
	}
	return NULL;
}

static void on_readable(struct loop_io *io, uint32_t events, void *data)
{
	struct prober *p = data;
	struct prober_answer a;
	int fds[FD_MESSAGE_MAX];
	ssize_t n = fd_receive_message(loop_io_fd(io), &a, sizeof(a), MSG_DONTWAIT, fds);
	struct question *q;

	(void)events;
	if (n == 0 || (n < 0 && n != -EAGAIN)) {
		prober_exited(p);
		return;
	}
	if (n != (ssize_t)sizeof(a) || a.result.error >= PROBE_ERROR_N)
		return;
	p->retry_delay = RETRY_FIRST;
	a.result.text[sizeof(a.result.text) - 1] = '\0';
	q = find(p, a.id);
	if (q)
		answer(q, &a.result);
}

static int ensure_worker(struct prober *p)
{
	int pair[2];
	int r;

	if (p->sock >= 0)
		return 0;
	if (loop_now(p->loop) < p->not_before)
		return -EAGAIN;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	p->sock = pair[0];
	p->io = loop_io_new(p->loop, p->sock, EPOLLIN, on_readable, p);
	r = p->io ? p->spawn(pair[1], p->data) : -ENOMEM;
	(void)close(pair[1]);
	if (r < 0)
		prober_exited(p);
	return r;
}

static void on_late(struct loop_timer *timer, void *data)
{
	struct question *q = data;
	struct probe_result result;

	(void)timer;
	probe_result_set(&result, PROBE_TIMEOUT, 0, "no answer from the prober within the time-out");
	answer(q, &result);
}

static void on_unavailable(struct loop_timer *timer, void *data)
{
	(void)timer;
	answer_unavailable(data);
}

static void cancel(struct probe *probe)
{
	struct question *q = CONTAINER_OF(probe, struct question, base);
	struct prober_question message = { .id = q->id, .kind = PROBER_CANCEL };

	if (q->prober->sock >= 0)
		(void)fd_send_message(q->prober->sock, &message, sizeof(message), MSG_DONTWAIT, NULL, 0);
	question_free(q);
}

static struct probe *ask(struct prober *p, struct strbuf *message, usec_t timeout, probe_fn fn, void *data)
{
	struct question *q;
	struct prober_question *head;
	int r;

	if (message->failed) {
		errno = E2BIG;
		return NULL;
	}
	r = ensure_worker(p);
	q = calloc(1, sizeof(*q));
	if (!q)
		return NULL;
	list_append(&p->questions, &q->node);
	q->base = (struct probe){ .cancel = cancel, .fn = fn, .data = data };
	q->prober = p;
	q->id = ++p->last_id;
	head = (struct prober_question *)(void *)message->data;
	head->id = q->id;
	head->timeout_ms = (uint32_t)(timeout / USEC_PER_MSEC);
	if (r == 0)
		r = fd_send_message(p->sock, message->data, message->len, MSG_DONTWAIT, NULL, 0);
	/* a refusal comes as an answer, from the loop */
	q->timer = loop_timer_new(p->loop, r < 0 ? on_unavailable : on_late, q);
	if (!q->timer) {
		question_free(q);
		errno = ENOMEM;
		return NULL;
	}
	loop_timer_arm(q->timer, r < 0 ? loop_now(p->loop) : time_add(loop_now(p->loop), timeout + GRACE));
	return &q->base;
}

static void add_text(struct strbuf *message, const char *text)
{
	(void)strbuf_puts(message, text ? text : "");
	(void)strbuf_putc(message, '\0');
}

/* "Name=value" in the configuration, "Name: value" on the wire. */
static void add_headers(struct strbuf *message, const char *const *headers)
{
	for (; headers && *headers; headers++) {
		size_t n = strcspn(*headers, "=");

		(void)strbuf_add(message, *headers, n);
		(void)strbuf_addf(message, ": %s\n", (*headers)[n] ? *headers + n + 1 : "");
	}
	(void)strbuf_putc(message, '\0');
}

struct probe *prober_http(struct prober *p, const struct prober_http *http, usec_t timeout, probe_fn fn, void *data)
{
	AUTO(strbuf_fini) struct strbuf message = STRBUF(PROBER_QUESTION_MAX);
	struct prober_question head = {
		.kind = PROBER_HTTP,
		.flags = (http->tls_verify ? PROBER_TLS_VERIFY : 0U) | (http->follow ? PROBER_FOLLOW : 0U),
		.ranges_n = (uint32_t)MIN(http->ranges_n, (size_t)PROBER_RANGES_MAX),
	};

	for (uint32_t i = 0; i < head.ranges_n; i++) {
		head.ranges[i].low = http->ranges[i].low;
		head.ranges[i].high = http->ranges[i].high;
	}
	(void)strbuf_add(&message, &head, sizeof(head));
	add_text(&message, http->url);
	add_text(&message, http->method);
	add_headers(&message, http->headers);
	add_text(&message, http->body);
	add_text(&message, http->unix_socket);
	return ask(p, &message, timeout, fn, data);
}

struct probe *prober_connect(struct prober *p, const char *target, usec_t timeout, probe_fn fn, void *data)
{
	AUTO(strbuf_fini) struct strbuf message = STRBUF(PROBER_QUESTION_MAX);
	struct prober_question head = { .kind = PROBER_CONNECT };

	(void)strbuf_add(&message, &head, sizeof(head));
	add_text(&message, target);
	for (int i = 1; i < PROBER_TEXTS; i++)
		add_text(&message, "");
	return ask(p, &message, timeout, fn, data);
}
