/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the server's side of the conversation with the keeper. */
#include "supervisor/keeper_link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/loop.h"

#define SLOTS_FIRST 64
/* Messages read in one go before other sources have their turn. */
#define BUDGET 64
/* Messages that the kernel had no memory for. At most one exit waits for its acknowledgement; the rest is for slots to forget. */
#define OUTBOX_MAX 64
#define OUTBOX_PAUSE (5 * USEC_PER_MSEC)

struct keeper_link {
	int fd;
	struct loop *loop;
	struct loop_io *io;
	struct loop_timer *heartbeat;
	struct loop_timer *outbox_timer;
	struct wire_message outbox[OUTBOX_MAX]; /* in order; what comes later waits behind them */
	size_t outbox_n;
	struct keeper_link_callbacks callbacks;
	int generation;
	struct keeper_news news;
	struct kept *kept;
	size_t kept_n, kept_cap;
	bool *slots; /* true: in use */
	size_t slots_n;
};

static int mark_slot(struct keeper_link *link, uint32_t slot)
{
	size_t n = link->slots_n ? link->slots_n : SLOTS_FIRST;
	bool *slots;

	while (n <= slot)
		n *= 2;
	if (n > link->slots_n) {
		slots = realloc(link->slots, n * sizeof(*slots));
		if (!slots)
			return -ENOMEM;
		memset(slots + link->slots_n, 0, (n - link->slots_n) * sizeof(*slots));
		link->slots = slots;
		link->slots_n = n;
	}
	link->slots[slot] = true;
	return 0;
}

static int add_kept(struct keeper_link *link, const struct wire_message *m, const int *fds)
{
	struct kept *kept;

	if (link->kept_n == link->kept_cap) {
		size_t cap = link->kept_cap ? link->kept_cap * 2 : SLOTS_FIRST;

		kept = realloc(link->kept, cap * sizeof(*kept));
		if (!kept)
			return -ENOMEM;
		link->kept = kept;
		link->kept_cap = cap;
	}
	if (mark_slot(link, m->slot) < 0)
		return -ENOMEM;
	kept = &link->kept[link->kept_n++];
	kept->slot = m->slot;
	(void)str_copy(kept->key, sizeof(kept->key), m->key);
	memcpy(kept->fds, fds, sizeof(kept->fds));
	return 0;
}

static void take_begin(struct keeper_link *link, const struct wire_message *m)
{
	link->generation = m->value;
	link->news = (struct keeper_news){ .version = m->code, .detail = m->pid };
	if (m->code > 1 && m->slot < WIRE_OUTCOME_N)
		link->news.outcome = (enum wire_outcome)m->slot;
	(void)str_copy(link->news.note, sizeof(link->news.note), m->key);
}

/* Reads up to and including WIRE_BEGIN; the keeper sends it all right after our start. */
static int receive_all(struct keeper_link *link, struct error *err)
{
	for (;;) {
		struct wire_message m;
		int fds[FD_MESSAGE_MAX];
		ssize_t n = fd_receive_message(link->fd, &m, sizeof(m), 0, fds);

		if (n <= 0)
			return error_set(err, n ? (int)-n : EPIPE, "reading what the keeper holds: %s",
					 n ? strerror((int)-n) : "it is gone");
		if (n != (ssize_t)sizeof(m) || (m.type != WIRE_KEPT && m.type != WIRE_BEGIN))
			return error_set(err, EPROTO, "the keeper sent something unexpected (type %u, %zd bytes)", m.type, n);
		if (m.type == WIRE_BEGIN) {
			take_begin(link, &m);
			return 0;
		}
		if (add_kept(link, &m, fds) < 0)
			return error_set(err, ENOMEM, "no memory for what the keeper holds");
	}
}

static int send_message(struct keeper_link *link, const struct wire_message *m, const int *fds, size_t n)
{
	return fd_send_message(link->fd, m, sizeof(*m), 0, fds, n);
}

static bool is_shortage(int r)
{
	return r == -ENOBUFS || r == -ENOMEM || r == -EAGAIN;
}

static void flush_outbox(struct loop_timer *timer, void *data)
{
	struct keeper_link *link = data;
	size_t sent = 0;

	while (sent < link->outbox_n && !is_shortage(send_message(link, &link->outbox[sent], NULL, 0)))
		sent++;
	link->outbox_n -= sent;
	memmove(link->outbox, link->outbox + sent, link->outbox_n * sizeof(link->outbox[0]));
	if (link->outbox_n)
		loop_timer_arm(timer, loop_now(link->loop) + OUTBOX_PAUSE);
}

/* For messages that must not be left out: without its acknowledgement an exit would be the last one that we are told. */
static void send_surely(struct keeper_link *link, const struct wire_message *m)
{
	int r = link->outbox_n ? -EAGAIN : send_message(link, m, NULL, 0);

	/* another error means that the keeper is gone, which on_lost() tells once */
	if (!is_shortage(r))
		return;
	if (link->outbox_n == OUTBOX_MAX) {
		diag(DIAG_ERROR, "no memory to send to the keeper: message %u is lost", m->type);
		return;
	}
	link->outbox[link->outbox_n++] = *m;
	loop_timer_arm(link->outbox_timer, loop_now(link->loop) + OUTBOX_PAUSE);
}

static void send_simple(struct keeper_link *link, enum wire_type type, pid_t pid, int value)
{
	struct wire_message m = { .type = type, .pid = pid, .value = value };

	send_surely(link, &m);
}

static void take_signal(struct keeper_link *link, int signo)
{
	link->callbacks.on_signal(signo, link->callbacks.data);
	send_simple(link, WIRE_SIGNALLED, 0, signo);
}

static bool receive_one(struct keeper_link *link)
{
	struct wire_message m;
	int fds[FD_MESSAGE_MAX];
	ssize_t n = fd_receive_message(link->fd, &m, sizeof(m), MSG_DONTWAIT, fds);

	if (n == -EAGAIN)
		return false;
	if (n <= 0) {
		loop_io_free(link->io);
		link->io = NULL;
		link->callbacks.on_lost(link->callbacks.data);
		return false;
	}
	if (m.type == WIRE_EXITED)
		link->callbacks.on_exited(m.pid, m.code, m.value, link->callbacks.data);
	else if (m.type == WIRE_SIGNAL)
		take_signal(link, m.value);
	return true;
}

static void on_readable(struct loop_io *io, uint32_t events, void *data)
{
	struct keeper_link *link = data;

	(void)io;
	(void)events;
	for (int i = 0; i < BUDGET && receive_one(link); i++)
		;
}

static void beat(struct loop_timer *timer, void *data)
{
	struct keeper_link *link = data;

	send_simple(link, WIRE_HEARTBEAT, 0, 0);
	loop_timer_arm(timer, loop_now(link->loop) + WIRE_HEARTBEAT_MS * USEC_PER_MSEC);
}

int keeper_link_open(struct loop *loop, int fd, const struct keeper_link_callbacks *callbacks, struct keeper_link **out,
		     struct error *err)
{
	struct keeper_link *link = calloc(1, sizeof(*link));
	int r;

	if (!link) {
		(void)close(fd);
		return error_set(err, ENOMEM, "no memory for the link to the keeper");
	}
	link->fd = fd;
	link->loop = loop;
	link->callbacks = *callbacks;
	r = receive_all(link, err);
	if (r == 0) {
		link->io = loop_io_new(loop, fd, EPOLLIN, on_readable, link);
		link->heartbeat = loop_timer_new(loop, beat, link);
		link->outbox_timer = loop_timer_new(loop, flush_outbox, link);
		if (!link->io || !link->heartbeat || !link->outbox_timer)
			r = error_set(err, errno, "watching the keeper: %s", strerror(errno));
	}
	if (r < 0) {
		keeper_link_free(link);
		return r;
	}
	*out = link;
	return 0;
}

static void close_kept(struct kept *kept)
{
	for (size_t i = 0; i < FD_MESSAGE_MAX; i++)
		auto_close(&kept->fds[i]);
}

static bool is_left(const struct kept *kept)
{
	for (size_t i = 0; i < FD_MESSAGE_MAX; i++) {
		if (kept->fds[i] >= 0)
			return true;
	}
	return false;
}

void keeper_link_tidy_kept(struct keeper_link *link)
{
	size_t n = 0;

	for (size_t i = 0; i < link->kept_n; i++) {
		if (link->kept[i].slot == KEEPER_NO_SLOT)
			close_kept(&link->kept[i]);
		else if (is_left(&link->kept[i]))
			link->kept[n++] = link->kept[i];
	}
	link->kept_n = n;
	if (n == 0) {
		free(link->kept);
		link->kept = NULL;
		link->kept_cap = 0;
	}
}

void keeper_link_free(struct keeper_link *link)
{
	if (!link)
		return;
	for (size_t i = 0; i < link->kept_n; i++)
		close_kept(&link->kept[i]);
	free(link->kept);
	loop_io_free(link->io);
	loop_timer_free(link->heartbeat);
	loop_timer_free(link->outbox_timer);
	auto_close(&link->fd);
	free(link->slots);
	free(link);
}

int keeper_link_generation(const struct keeper_link *link)
{
	return link->generation;
}

const struct keeper_news *keeper_link_news(const struct keeper_link *link)
{
	return &link->news;
}

struct kept *keeper_link_kept(struct keeper_link *link, size_t i)
{
	return i < link->kept_n ? &link->kept[i] : NULL;
}

int keeper_link_ready(struct keeper_link *link)
{
	struct wire_message m = { .type = WIRE_READY, .value = WIRE_VERSION };

	loop_timer_arm(link->heartbeat, loop_now(link->loop) + WIRE_HEARTBEAT_MS * USEC_PER_MSEC);
	return send_message(link, &m, NULL, 0);
}

static int free_slot(struct keeper_link *link, uint32_t *out)
{
	const bool *found = link->slots_n ? memchr(link->slots, false, link->slots_n) : NULL;

	*out = (uint32_t)(found ? (size_t)(found - link->slots) : link->slots_n);
	return mark_slot(link, *out);
}

int keeper_link_keep(struct keeper_link *link, uint32_t *slot, const char *key, const int *fds, size_t n)
{
	struct wire_message m = { .type = WIRE_KEEP, .slot = *slot };
	int r = 0;

	if (link->outbox_n)
		return -ENOBUFS; /* a slot to forget may be among them, and would be forgotten after it is used again */
	if (*slot == KEEPER_NO_SLOT)
		r = free_slot(link, &m.slot);
	if (r < 0)
		return r;
	(void)str_copy(m.key, sizeof(m.key), key);
	r = send_message(link, &m, fds, n);
	if (r < 0 && *slot == KEEPER_NO_SLOT)
		link->slots[m.slot] = false;
	else if (r == 0)
		*slot = m.slot;
	return r;
}

void keeper_link_forget(struct keeper_link *link, uint32_t *slot)
{
	struct wire_message m = { .type = WIRE_FORGET, .slot = *slot };

	if (*slot == KEEPER_NO_SLOT)
		return;
	send_surely(link, &m);
	link->slots[*slot] = false;
	*slot = KEEPER_NO_SLOT;
}

void keeper_link_reap(struct keeper_link *link, pid_t pid)
{
	send_simple(link, WIRE_REAP, pid, 0);
}

void keeper_link_done(struct keeper_link *link, int code)
{
	send_simple(link, WIRE_DONE, 0, code);
}

int keeper_link_upgrade(struct keeper_link *link, int fd, unsigned int ms, const char *note)
{
	struct wire_message m = { .type = WIRE_UPGRADE, .value = (int32_t)ms };

	(void)str_copy(m.key, sizeof(m.key), note);
	return send_message(link, &m, &fd, 1);
}
