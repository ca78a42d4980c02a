/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zinit-shipper: reads the services' rings, and sends their lines to log backends. The server tells it of sinks and
 * services (base/ship_wire.h). It ends when the server closes the socket.
 */
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "worker/net.h"
#include "worker/shipper.h"

/* Messages taken in one go before the sinks are looked at. */
#define MESSAGES_MAX 64
/* The server is gone: so long an answer that is under way is waited for, so that those lines need not be sent twice. */
#define ENDING_MAX (1 * USEC_PER_SEC)
/* After news, lines gather so long before the rings are looked at again. */
#define NAP (5 * USEC_PER_MSEC)

/* --- to the server -------------------------------------------------------------------------------- */

void shipper_tell(enum shipper_kind kind, uint32_t slot, uint32_t flags, const char *text)
{
	char message[sizeof(struct shipper_head) + DIAG_LINE_MAX];
	struct shipper_head head = { .kind = kind, .slot = slot, .flags = flags };
	size_t len = strnlen(text, DIAG_LINE_MAX - 1);

	memcpy(message, &head, sizeof(head));
	memcpy(message + sizeof(head), text, len);
	message[sizeof(head) + len] = '\0';
	/* a server that does not read has no use for it */
	(void)fd_send_message(SHIPPER_FD, message, sizeof(head) + len + 1, MSG_DONTWAIT, NULL, 0);
}

void shipper_say(enum diag_level level, const char *text)
{
	shipper_tell(SHIPPER_SAY, 0, (uint32_t)level, text);
}

/* --- flushing --------------------------------------------------------------------------------------- */

static bool is_idle(struct shipper *s)
{
	struct sink *sink;

	LIST_FOREACH (sink, &s->sinks, node) {
		if (!sink_is_empty(sink))
			return false;
	}
	return true;
}

static void end_flush(struct shipper *s)
{
	struct sink *sink;
	uint64_t left = 0;

	s->flushing = false;
	loop_timer_disarm(s->flush_timer);
	LIST_FOREACH (sink, &s->sinks, node) {
		left += sink->run->queue.n;
		state_publish(sink);
	}
	shipper_tell(SHIPPER_FLUSHED, 0, (uint32_t)MIN(left, (uint64_t)UINT32_MAX), "");
}

static void on_flush_deadline(struct loop_timer *timer, void *data)
{
	struct shipper *s = data;

	(void)timer;
	if (s->ending)
		loop_quit(s->loop, 0);
	else
		end_flush(s);
}

static void begin_flush(struct shipper *s, uint32_t within_ms)
{
	struct sink *sink;

	s->flushing = true;
	loop_timer_arm(s->flush_timer, time_add(loop_now(s->loop), within_ms * USEC_PER_MSEC));
	(void)news_take(s);
	LIST_FOREACH (sink, &s->sinks, node) {
		ship_run_flush(sink->run, loop_now(s->loop));
		sink_step(sink);
	}
	shipper_settle(s);
}

static bool is_sending(struct shipper *s)
{
	struct sink *sink;

	LIST_FOREACH (sink, &s->sinks, node) {
		if (sink->run && sink->run->policy.sending)
			return true;
	}
	return false;
}

/* The server is gone, or has no use for us. */
static void begin_end(struct shipper *s)
{
	loop_io_free(STEAL(&s->server));
	s->ending = true;
	s->flushing = false;
	loop_timer_arm(s->flush_timer, time_add(loop_now(s->loop), ENDING_MAX));
	shipper_settle(s);
}

void shipper_settle(struct shipper *s)
{
	if (s->ending && !is_sending(s))
		loop_quit(s->loop, 0);
	services_settle(s);
	if (s->flushing && is_idle(s))
		end_flush(s);
}

/* --- news ------------------------------------------------------------------------------------------- */

static void step_ready(struct shipper *s)
{
	struct sink *sink;

	LIST_FOREACH (sink, &s->sinks, node) {
		if (!list_empty(&sink->ready))
			sink_step(sink);
	}
}

/* Something may be new. If so, it is looked again after a nap; if not, we are to be told. */
static void look(struct shipper *s)
{
	if (news_take(s)) {
		step_ready(s);
		loop_timer_arm(s->nap, loop_now(s->loop) + NAP);
		return;
	}
	atomic_store(&s->state->armed, 1);
	/* what came in between is told to nobody */
	if (news_take(s)) {
		atomic_store(&s->state->armed, 0);
		step_ready(s);
		loop_timer_arm(s->nap, loop_now(s->loop) + NAP);
	}
}

static void on_nap(struct loop_timer *timer, void *data)
{
	(void)timer;
	look(data);
}

static void on_news(struct loop_io *io, uint32_t events, void *data)
{
	uint64_t count;

	(void)events;
	(void)!read(loop_io_fd(io), &count, sizeof(count));
	look(data);
}

/* --- from the server -------------------------------------------------------------------------------- */

static void on_state(struct shipper *s, const char *text, size_t len, int fds[FD_MESSAGE_MAX])
{
	int r;

	if (s->state || fds[0] < 0 || fds[1] < 0 || !len || text[len - 1] != '\0')
		return;
	(void)str_copy(s->log_dir, sizeof(s->log_dir), text);
	r = state_map(s, fd_steal(&fds[0]));
	s->news_fd = fd_steal(&fds[1]);
	if (r < 0 || !loop_io_new(s->loop, s->news_fd, EPOLLIN, on_news, s)) {
		shipper_say(DIAG_ERROR, "zinit-shipper: the shared state can't be used");
		loop_quit(s->loop, 1);
	}
}

static void on_message(struct shipper *s, const char *message, size_t len, int fds[FD_MESSAGE_MAX])
{
	struct shipper_head head;
	const char *text = message + sizeof(head);

	if (len < sizeof(head))
		return;
	memcpy(&head, message, sizeof(head));
	len -= sizeof(head);
	if (head.kind == SHIPPER_STATE)
		on_state(s, text, len, fds);
	if (!s->state)
		return;
	switch (head.kind) {
	case SHIPPER_SINK:
		sink_told(s, &head, text, len);
		break;
	case SHIPPER_SINKS_END:
		sinks_end(s);
		look(s);
		break;
	case SHIPPER_SERVICE:
		service_told(s, &head, text, len, fd_steal(&fds[0]));
		step_ready(s);
		break;
	case SHIPPER_SERVICE_GONE:
		service_gone(s, head.slot);
		step_ready(s);
		shipper_settle(s);
		break;
	case SHIPPER_PROBE:
		probe_told(s, head.slot, text, len);
		break;
	case SHIPPER_FLUSH:
		begin_flush(s, head.flags);
		break;
	default:
		break;
	}
}

/* Returns false when there is no more for now. */
static bool take_message(struct shipper *s, int sock)
{
	static char message[SHIPPER_MESSAGE_MAX]; /* too large for the stack, and there is one thread */
	int fds[FD_MESSAGE_MAX];
	ssize_t n = fd_receive_message(sock, message, sizeof(message), MSG_DONTWAIT, fds);

	if (n == -EAGAIN)
		return false;
	if (n == 0 || (n < 0 && n != -EMSGSIZE)) {
		begin_end(s);
		return false;
	}
	if (n > 0)
		on_message(s, message, (size_t)n, fds);
	for (size_t i = 0; n > 0 && i < FD_MESSAGE_MAX; i++)
		auto_close(&fds[i]);
	return true;
}

static void on_readable(struct loop_io *io, uint32_t events, void *data)
{
	(void)io;
	(void)events;
	for (int i = 0; i < MESSAGES_MAX && take_message(data, SHIPPER_FD); i++)
		;
}

/* --- the process ------------------------------------------------------------------------------------ */

static void read_identity(struct shipper *s)
{
	AUTO(strbuf_fini) struct strbuf boot = STRBUF(sizeof(s->boot) - 1);

	if (gethostname(s->host, sizeof(s->host) - 1) < 0 || !s->host[0])
		(void)str_copy(s->host, sizeof(s->host), "localhost");
	if (fd_read_file("/proc/sys/kernel/random/boot_id", &boot) == 0)
		(void)str_copy(s->boot, sizeof(s->boot), strbuf_str(&boot));
	s->boot[strcspn(s->boot, "\n")] = '\0';
	if (getrandom(&s->random, sizeof(s->random), GRND_NONBLOCK) < 0)
		s->random = (uint64_t)time_realtime();
}

static int open_shipper(struct shipper *s)
{
	list_init(&s->services);
	list_init(&s->sinks);
	list_init(&s->probes);
	s->state_fd = s->news_fd = -1;
	s->loop = loop_new();
	if (!s->loop)
		return -1;
	read_identity(s);
	s->net = net_new(s->loop, transport_done);
	s->nap = loop_timer_new(s->loop, on_nap, s);
	s->flush_timer = loop_timer_new(s->loop, on_flush_deadline, s);
	if (!s->net || !s->nap || !s->flush_timer)
		return -1;
	s->server = loop_io_new(s->loop, SHIPPER_FD, EPOLLIN, on_readable, s);
	return s->server ? 0 : -1;
}

static void close_shipper(struct shipper *s)
{
	struct sink *sink;
	struct service *service;

	probes_fini(s);
	LIST_FOREACH (sink, &s->sinks, node)
		sink_free(sink);
	LIST_FOREACH (service, &s->services, node)
		service_free(service);
	free(s->by_slot);
	net_free(s->net);
	loop_free(s->loop);
	auto_close(&s->news_fd);
	auto_close(&s->state_fd);
	curl_global_cleanup();
}

int main(void)
{
	static struct shipper s;
	int r;

	(void)signal(SIGPIPE, SIG_IGN);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		return 1;
	r = open_shipper(&s);
	if (r == 0)
		r = loop_run(s.loop);
	close_shipper(&s);
	return r == 0 ? 0 : 1;
}
