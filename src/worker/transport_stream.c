/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: one sink's connection to a receiver that answers nothing (syslog over TCP or TLS). libcurl connects (names, TLS,
 * proxies), then the bytes are ours.
 *
 * When is a line acknowledged? The format has no answer. Lines count when the other end's kernel has acknowledged all bytes
 * of the batch (TCP: SIOCOUTQ; nothing like it on other sockets, where "written" must do). What the receiving program had not
 * read when it died is lost all the same: only a format with answers can know.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "worker/transport.h"

/* How often the kernel is asked whether the other end has everything. */
#define DRAIN_FIRST (200ULL)
#define DRAIN_MAX (50 * USEC_PER_MSEC)

struct stream {
	struct transport base;
	CURL *easy;
	bool connecting, connected;
	bool busy; /* a request is under way */
	curl_socket_t fd;
	struct loop_io *io;
	struct loop_timer *drain;
	struct loop_timer *deadline;
	usec_t drain_pause;
	size_t sent;
	struct strbuf url;
	char error[CURL_ERROR_SIZE];
};

static struct stream *of(struct transport *t)
{
	return (struct stream *)t;
}

static void disconnect(struct stream *st)
{
	loop_io_free(st->io);
	st->io = NULL;
	if (st->connecting || st->connected)
		net_remove(st->base.sink->shipper->net, st->easy);
	/* a handle that was told to connect only keeps its connection; a new handle has none */
	st->connecting = st->connected = false;
	loop_timer_disarm(st->drain);
	loop_timer_disarm(st->deadline);
}

static void end(struct stream *st, const char *failed)
{
	size_t sent = st->sent;

	loop_timer_disarm(st->drain);
	loop_timer_disarm(st->deadline);
	st->busy = false;
	if (failed)
		disconnect(st);
	sink_written(st->base.sink, sent, failed);
}

/* --- writing ---------------------------------------------------------------------------------------- */

static bool is_drained(const struct stream *st)
{
	int left = 0;

	return ioctl(st->fd, SIOCOUTQ, &left) < 0 || left == 0;
}

static void on_drain(struct loop_timer *timer, void *data)
{
	struct stream *st = data;

	(void)timer;
	if (is_drained(st)) {
		end(st, NULL);
		return;
	}
	st->drain_pause = MIN(st->drain_pause * 2, (usec_t)DRAIN_MAX);
	loop_timer_arm(st->drain, loop_now(st->base.sink->shipper->loop) + st->drain_pause);
}

static void on_deadline(struct loop_timer *timer, void *data)
{
	(void)timer;
	end(data, "the receiver does not take the bytes within timeout_ms");
}

/* Returns false after the end was told. */
static bool write_more(struct stream *st)
{
	const struct strbuf *body = &st->base.sink->run->request.body;

	while (st->sent < body->len) {
		size_t n = 0;
		CURLcode code = curl_easy_send(st->easy, body->data + st->sent, body->len - st->sent, &n);

		if (code == CURLE_AGAIN) {
			(void)loop_io_set(st->io, EPOLLIN | EPOLLOUT);
			return true;
		}
		if (code != CURLE_OK) {
			end(st, st->error[0] ? st->error : curl_easy_strerror(code));
			return false;
		}
		st->sent += n;
	}
	(void)loop_io_set(st->io, EPOLLIN);
	st->drain_pause = DRAIN_FIRST;
	loop_timer_arm(st->drain, loop_now(st->base.sink->shipper->loop) + st->drain_pause);
	return true;
}

/* The receiver says nothing; if it does, or ends, we see it here. */
static bool is_open(struct stream *st)
{
	char ignored[4096];
	CURLcode code;
	size_t n;

	do {
		n = 0;
		code = curl_easy_recv(st->easy, ignored, sizeof(ignored), &n);
	} while (code == CURLE_OK && n > 0);
	return code == CURLE_AGAIN;
}

static void on_io(struct loop_io *io, uint32_t events, void *data)
{
	struct stream *st = data;

	(void)io;
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !is_open(st)) {
		if (st->busy)
			end(st, "the receiver closed the connection");
		else
			disconnect(st);
		return;
	}
	if ((events & EPOLLOUT) && st->busy)
		(void)write_more(st);
}

/* --- connecting ------------------------------------------------------------------------------------- */

static int connect_now(struct stream *st)
{
	struct transport *t = &st->base;

	curl_easy_cleanup(st->easy);
	st->easy = curl_easy_init();
	if (!st->easy)
		return -ENOMEM;
	transport_set_common(t, st->easy, st->error);
	(void)curl_easy_setopt(st->easy, CURLOPT_URL, strbuf_str(&st->url));
	(void)curl_easy_setopt(st->easy, CURLOPT_CONNECT_ONLY, 1L);
	(void)curl_easy_setopt(st->easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
	(void)curl_easy_setopt(st->easy, CURLOPT_SSL_ENABLE_ALPN, 0L);
	(void)curl_easy_setopt(st->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	st->connecting = net_add(t->sink->shipper->net, st->easy) == 0;
	return st->connecting ? 0 : -ENOMEM;
}

static void stream_done(struct transport *t, CURLcode code)
{
	struct stream *st = of(t);

	st->connecting = false;
	st->connected = code == CURLE_OK;
	if (code == CURLE_OK)
		code = curl_easy_getinfo(st->easy, CURLINFO_ACTIVESOCKET, &st->fd);
	if (code == CURLE_OK)
		st->io = loop_io_new(t->sink->shipper->loop, st->fd, EPOLLIN, on_io, st);
	if (code != CURLE_OK || !st->io) {
		if (!st->connected)
			net_remove(t->sink->shipper->net, st->easy);
		end(st, st->error[0] ? st->error : curl_easy_strerror(code));
		return;
	}
	if (st->busy)
		(void)write_more(st);
}

static void on_begin(struct loop_timer *timer, void *data)
{
	struct stream *st = data;

	(void)timer;
	if (st->connected && is_open(st)) {
		(void)write_more(st);
		return;
	}
	disconnect(st);
	if (connect_now(st) < 0)
		end(st, "out of memory");
}

static void stream_send(struct transport *t)
{
	struct stream *st = of(t);
	usec_t now = loop_now(t->sink->shipper->loop);

	st->busy = true;
	st->sent = 0;
	st->error[0] = '\0';
	loop_timer_arm(st->deadline, time_add(now, t->sink->settings->timeout_ms * USEC_PER_MSEC));
	/* from the loop: an end is never told from within */
	loop_timer_arm(t->failed, now);
}

static void stream_abort(struct transport *t)
{
	struct stream *st = of(t);

	disconnect(st);
	loop_timer_disarm(t->failed);
	st->busy = false;
}

static void stream_close(struct transport *t)
{
	struct stream *st = of(t);

	stream_abort(t);
	curl_easy_cleanup(st->easy);
	loop_timer_free(st->drain);
	loop_timer_free(st->deadline);
	strbuf_fini(&st->url);
	transport_fini(t);
	free(st);
}

/* libcurl connects to what it knows: http stands for plain TCP, https for TLS. */
static void make_url(struct stream *st, const char *endpoint)
{
	bool tls = str_starts(endpoint, "tls://");

	st->url = STRBUF(SHIPPER_MESSAGE_MAX);
	(void)strbuf_puts(&st->url, tls ? "https://" : "http://");
	(void)strbuf_puts(&st->url, endpoint + strlen("tls://"));
}

static struct transport *stream_open(struct sink *sink)
{
	struct stream *st = calloc(1, sizeof(*st));
	struct loop *loop = sink->shipper->loop;
	int r;

	if (!st)
		return NULL;
	r = transport_init(&st->base, &transport_stream, sink);
	make_url(st, sink->settings->endpoint);
	loop_timer_free(st->base.failed);
	st->base.failed = loop_timer_new(loop, on_begin, st);
	st->drain = loop_timer_new(loop, on_drain, st);
	st->deadline = loop_timer_new(loop, on_deadline, st);
	if (r < 0 || !st->base.failed || !st->drain || !st->deadline || st->url.failed) {
		stream_close(&st->base);
		return NULL;
	}
	return &st->base;
}

const struct transport_ops transport_stream = {
	.open = stream_open, .send = stream_send, .done = stream_done, .abort = stream_abort, .close = stream_close,
};
