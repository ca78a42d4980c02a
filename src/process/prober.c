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
#include "base/probe_wire.h"
#include "base/str.h"

#define RETRY_FIRST (100 * USEC_PER_MSEC)
#define RETRY_LAST (30 * USEC_PER_SEC)
/* The worker keeps the time-out; if it does not, we do, so much later. */
#define GRACE (500 * USEC_PER_MSEC)

/* Room for the questions of many services at once; the kernel caps it for those who are not root. */
#define SOCKET_BUFFER (4 << 20)
/* Answers taken in one go, so that a busy prober does not keep the loop from others. */
#define ANSWERS_MAX 64

struct question {
	struct probe base;
	struct list node;
	struct prober *prober;
	struct loop_timer *timer;
	uint64_t id;
	char *message; /* not sent yet, since the socket was full; NULL: sent */
	size_t len;
};

struct prober {
	struct loop *loop;
	struct prober_owner owner;
	uint32_t worker; /* number of the last one */
	int sock;        /* -1: no worker */
	struct loop_io *io;
	struct list questions; /* in the order of their ids */
	uint64_t last_id;
	size_t unsent;
	usec_t retry_delay;
	usec_t not_before;
};

struct prober *prober_new(struct loop *loop, const struct prober_owner *owner)
{
	struct prober *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->loop = loop;
	p->owner = *owner;
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
	q->prober->unsent -= q->message != NULL;
	free(q->message);
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

/* The worker is of no use any more: hang up, which makes a healthy one end, and wait before the next. */
static void lose(struct prober *p)
{
	struct question *q;
	uint64_t end = p->last_id;

	disconnect(p);
	p->not_before = loop_now(p->loop) + p->retry_delay;
	p->retry_delay = MIN(p->retry_delay * 2, (usec_t)RETRY_LAST);
	/* an answer may make its asker ask again: those are not of the worker that ended */
	while ((q = first_up_to(p, end)))
		answer_unavailable(q);
}

void prober_exited(struct prober *p, uint32_t worker)
{
	if (worker == p->worker && p->sock >= 0)
		lose(p);
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

/* Returns false when there is no more for now. */
static bool take_answer(struct prober *p)
{
	struct prober_answer a;
	int fds[FD_MESSAGE_MAX];
	ssize_t n = fd_receive_message(p->sock, &a, sizeof(a), MSG_DONTWAIT, fds);
	struct question *q;

	if (n == -EAGAIN)
		return false;
	if (n <= 0) {
		lose(p);
		return false;
	}
	if (n != (ssize_t)sizeof(a) || a.result.error >= PROBE_ERROR_N)
		return true;
	p->retry_delay = RETRY_FIRST;
	a.result.text[sizeof(a.result.text) - 1] = '\0';
	q = find(p, a.id);
	if (q)
		answer(q, &a.result);
	return p->sock >= 0;
}

static void send_unsent(struct prober *p)
{
	struct question *q;

	LIST_FOREACH (q, &p->questions, node) {
		if (!q->message)
			continue;
		if (fd_send_message(p->sock, q->message, q->len, MSG_DONTWAIT, NULL, 0) < 0)
			return; /* a broken socket is seen by the reader */
		free(STEAL(&q->message));
		p->unsent--;
	}
	(void)loop_io_set(p->io, EPOLLIN);
}

static void on_socket(struct loop_io *io, uint32_t events, void *data)
{
	struct prober *p = data;

	(void)io;
	if (events & EPOLLOUT)
		send_unsent(p);
	if (!(events & ~(uint32_t)EPOLLOUT))
		return;
	for (int i = 0; i < ANSWERS_MAX && take_answer(p); i++)
		;
}

static int ensure_worker(struct prober *p)
{
	const int size = SOCKET_BUFFER;
	int pair[2];
	int r;

	if (p->sock >= 0)
		return 0;
	if (loop_now(p->loop) < p->not_before)
		return -EAGAIN;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	if (setsockopt(pair[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	p->sock = pair[0];
	p->io = loop_io_new(p->loop, p->sock, EPOLLIN, on_socket, p);
	r = p->io ? p->owner.spawn(pair[1], ++p->worker, p->owner.data) : -ENOMEM;
	(void)close(pair[1]);
	if (r < 0) {
		disconnect(p);
		p->not_before = loop_now(p->loop) + p->retry_delay;
		p->retry_delay = MIN(p->retry_delay * 2, (usec_t)RETRY_LAST);
	}
	return r;
}

/* The worker ends each probe at its time-out. This one it did not: it hangs. */
static void on_late(struct loop_timer *timer, void *data)
{
	struct question *q = data;
	struct prober *p = q->prober;
	struct probe_result result;
	bool was_sent = !q->message;

	(void)timer;
	probe_result_set(&result, PROBE_TIMEOUT, 0, "no answer from the prober within the time-out");
	answer(q, &result);
	if (was_sent && p->sock >= 0) {
		p->owner.end(p->worker, p->owner.data);
		lose(p);
	}
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

	/* if the socket is full the answer will come, and find nobody */
	if (q->prober->sock >= 0 && !q->message)
		(void)fd_send_message(q->prober->sock, &message, sizeof(message), MSG_DONTWAIT, NULL, 0);
	question_free(q);
}

/* In order: never past those that wait for room in the socket. */
static int send_or_keep(struct prober *p, struct question *q, struct strbuf *message)
{
	int r = p->unsent ? -EAGAIN : fd_send_message(p->sock, message->data, message->len, MSG_DONTWAIT, NULL, 0);

	if (r != -EAGAIN)
		return r;
	q->len = message->len;
	q->message = strbuf_steal(message);
	if (!q->message)
		return -ENOMEM;
	p->unsent++;
	(void)loop_io_set(p->io, EPOLLIN | EPOLLOUT);
	return 0;
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
		r = send_or_keep(p, q, message);
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
