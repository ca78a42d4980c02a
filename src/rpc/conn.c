/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: one client's connection: its buffers, when it is read, when it is written, when it is dropped. */
#include "rpc/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/mem.h"
#include "rpc/server.h"
#include "rpc/shortage.h"
#include "rpc/stream.h"

#define READ_FIRST 4096
#define READ_MORE (64U << 10)
/* A connection's slice of the loop: others wait no longer than this, times the clients that are busy at once. */
#define SLICE (1 * USEC_PER_MSEC)
/* What all connections that have work left may take of one round of the loop. */
#define ROUND (2 * USEC_PER_MSEC)

static void on_event(struct loop_io *io, uint32_t events, void *data);

int conn_new(struct rpc_server *server, int fd, const struct access_peer *peer, gid_t *gids)
{
	struct rpc_conn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return -ENOMEM;
	conn->server = server;
	conn->fd = fd;
	conn->events = EPOLLIN;
	conn->peer = *peer;
	conn->in = STRBUF(FRAME_MAX + READ_MORE);
	conn->out = STRBUF(LIMIT_RPC_ANSWER);
	conn->batch.out = STRBUF(LIMIT_RPC_ANSWER);
	frame_init(&conn->frame);
	list_init(&conn->ready_node);
	list_init(&conn->calls);
	list_init(&conn->subs);
	conn->io = loop_io_new(server->loop, fd, conn->events, on_event, conn);
	if (!conn->io) {
		free(conn);
		return -ENOMEM;
	}
	conn->gids = gids;
	list_append(&server->conns, &conn->node);
	server->conns_n++;
	return 0;
}

static void reap_deferred(void *data)
{
	struct rpc_server *server = data;

	server->dead_deferred = false;
	conn_reap(server);
}

void conn_kill(struct rpc_conn *conn)
{
	struct rpc_server *server = conn->server;

	if (conn->dead)
		return;
	conn->dead = true;
	loop_io_free(conn->io);
	(void)close(conn->fd);
	list_remove(&conn->ready_node);
	list_remove(&conn->node);
	list_append(&server->dead, &conn->node);
	server->conns_n--;
	if (!server->dead_deferred)
		server->dead_deferred = loop_defer(server->loop, reap_deferred, server) == 0;
}

void conn_reap(struct rpc_server *server)
{
	while (!list_empty(&server->dead)) {
		struct rpc_conn *conn = LIST_ENTRY(server->dead.next, struct rpc_conn, node);

		call_cancel_all(conn);
		stream_end_all(conn);
		server->bytes -= conn->accounted;
		conn->accounted = 0;
		list_remove(&conn->node);
		strbuf_fini(&conn->in);
		strbuf_fini(&conn->out);
		free(conn->gids);
		free(conn);
	}
	shortage_relief(server);
}

size_t conn_pending(const struct rpc_conn *conn)
{
	return conn->out.len - conn->out_at;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void stalled(struct rpc_conn *conn)
{
	struct rpc_server *server = conn->server;

	if (conn->stalled_since)
		return;
	conn->stalled_since = loop_now(server->loop);
	if (loop_timer_deadline(server->sweep_timer) == USEC_NEVER)
		loop_timer_arm(server->sweep_timer, time_add(conn->stalled_since, RPC_STALL));
}

static void flush(struct rpc_conn *conn)
{
	while (!conn->dead && conn_pending(conn) > 0) {
		ssize_t n = send(conn->fd, conn->out.data + conn->out_at, conn_pending(conn), MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			stalled(conn);
			return;
		}
		if (n < 0) {
			conn_kill(conn);
			return;
		}
		conn->out_at += (size_t)n;
		conn->stalled_since = 0;
	}
	conn->out_at = 0;
	strbuf_fini(&conn->out);
}

/* --- what it may do next ------------------------------------------------------------------------ */

static bool is_throttled(const struct rpc_conn *conn)
{
	return conn_pending(conn) >= CONN_HIGH || conn->calls_n >= LIMIT_RPC_CALLS;
}

static bool has_batch_work(const struct rpc_conn *conn)
{
	return conn->batch.requests && conn->batch.next < json_array_size(conn->batch.requests);
}

/* Over the common bound the client that makes us hold most goes first. */
static void account(struct rpc_conn *conn)
{
	struct rpc_server *server = conn->server;
	size_t bytes = conn->in.cap + conn->out.cap + conn->batch.out.cap;
	struct rpc_conn *largest = conn;
	struct rpc_conn *other;

	server->bytes = server->bytes - conn->accounted + bytes;
	conn->accounted = bytes;
	shortage_relief(server);
	if (server->bytes <= LIMIT_RPC_MEMORY)
		return;
	LIST_FOREACH (other, &server->conns, node) {
		if (other->accounted > largest->accounted)
			largest = other;
	}
	diag(DIAG_WARN, "control: client pid %d (uid %u) makes the server hold %zu bytes, of all clients %zu: dropped", largest->peer.pid,
	     largest->peer.uid, largest->accounted, server->bytes);
	conn_kill(largest);
}

static void update_events(struct rpc_conn *conn)
{
	uint32_t events = 0;

	if (conn_pending(conn) > 0)
		events |= EPOLLOUT;
	if (!conn->eof && !is_throttled(conn) && list_empty(&conn->ready_node) && !conn->batch.requests)
		events |= EPOLLIN;
	if (events == conn->events)
		return;
	if (loop_io_set(conn->io, events) < 0)
		conn_kill(conn);
	else
		conn->events = events;
}

void conn_send(struct rpc_conn *conn)
{
	if (conn->dead)
		return;
	(void)strbuf_putc(&conn->out, '\n');
	flush(conn);
	if (!conn->dead && conn_pending(conn) > 0)
		account(conn);
	if (!conn->dead && conn_pending(conn) > 0)
		update_events(conn);
}

/* --- reading ------------------------------------------------------------------------------------ */

static void bad_frame(struct rpc_conn *conn, enum frame_event event)
{
	struct rpc_error err;

	if (event == FRAME_BAD_SIZE)
		(void)rpc_error_set(&err, RPC_INVALID_REQUEST, "the request is larger than %u bytes", FRAME_MAX);
	else if (event == FRAME_BAD_NESTING)
		(void)rpc_error_set(&err, RPC_PARSE_ERROR, "the request is nested deeper than %d levels", FRAME_NESTING);
	else
		(void)rpc_error_set(&err, RPC_PARSE_ERROR, "not JSON: expected an object or a list of objects");
	rpc_error_hint(&err, "everything up to the next newline is skipped");
	call_no_request(conn, &err);
}

/* Handles one thing: a batch's member, or a frame. False: nothing is left that could be done now. */
static bool work(struct rpc_conn *conn, size_t *at)
{
	size_t drop;
	size_t len;
	enum frame_event event;

	if (has_batch_work(conn)) {
		call_batch_next(conn);
		return true;
	}
	if (conn->batch.requests || !conn->in.data)
		return false; /* some of its members are answered later: keep the order */
	event = frame_next(&conn->frame, conn->in.data + *at, conn->in.len - *at, &drop, &len);
	*at += drop;
	if (event == FRAME_MORE)
		return false;
	if (event == FRAME_VALUE)
		call_frame(conn, conn->in.data + *at - len, len);
	else
		bad_frame(conn, event);
	return true;
}

static void drop_read(struct rpc_conn *conn, size_t len)
{
	if (len >= conn->in.len)
		strbuf_fini(&conn->in);
	else
		strbuf_consume(&conn->in, len);
}

static void run_ready(void *data)
{
	struct rpc_server *server = data;
	usec_t until = time_add(time_boottime(), ROUND);
	struct list todo;

	server->ready_deferred = false;
	list_init(&todo);
	while (!list_empty(&server->ready)) {
		struct list *node = server->ready.next;

		list_remove(node);
		list_append(&todo, node);
	}
	while (!list_empty(&todo) && time_boottime() < until) {
		struct rpc_conn *conn = LIST_ENTRY(todo.next, struct rpc_conn, ready_node);

		list_remove(&conn->ready_node);
		conn_turn(conn);
	}
	while (!list_empty(&todo)) /* behind those that came meanwhile, in the next round */
		conn_wake(LIST_ENTRY(todo.next, struct rpc_conn, ready_node));
}

void conn_wake(struct rpc_conn *conn)
{
	struct rpc_server *server = conn->server;

	if (conn->dead)
		return;
	list_remove(&conn->ready_node);
	list_append(&server->ready, &conn->ready_node);
	if (!server->ready_deferred)
		server->ready_deferred = loop_defer(server->loop, run_ready, server) == 0;
	if (!server->ready_deferred)
		conn_kill(conn); /* no memory even for that */
}

static bool is_finished(const struct rpc_conn *conn)
{
	return conn->eof && conn_pending(conn) == 0 && list_empty(&conn->ready_node) && list_empty(&conn->calls) &&
	       list_empty(&conn->subs) && !conn->batch.requests;
}

void conn_turn(struct rpc_conn *conn)
{
	usec_t until = time_boottime() + SLICE;
	size_t at = 0;
	bool more = true;

	while (!conn->dead && !is_throttled(conn) && !shortage(conn->server) && (more = work(conn, &at)) && time_boottime() < until)
		;
	if (conn->dead)
		return;
	drop_read(conn, at);
	if (more && !is_throttled(conn) && shortage(conn->server))
		shortage_park(conn);
	else if (more && !is_throttled(conn))
		conn_wake(conn);
	flush(conn);
	if (!conn->dead && conn_pending(conn) < CONN_LOW)
		stream_pump_all(conn);
	if (!conn->dead)
		account(conn);
	if (!conn->dead)
		update_events(conn);
	if (!conn->dead && is_finished(conn))
		conn_kill(conn);
}

static void read_some(struct rpc_conn *conn)
{
	size_t room = conn->in.len < READ_FIRST ? READ_FIRST : READ_MORE;
	char *at;
	ssize_t n;

	room = MIN(room, conn->in.max - conn->in.len);
	at = strbuf_reserve(&conn->in, room);
	if (!at) {
		conn_kill(conn);
		return;
	}
	n = recv(conn->fd, at, room, MSG_DONTWAIT);
	if (n > 0)
		strbuf_commit(&conn->in, (size_t)n);
	else if (n == 0)
		conn->eof = true;
	else if (errno != EAGAIN && errno != EINTR)
		conn_kill(conn);
}

static void on_event(struct loop_io *io, uint32_t events, void *data)
{
	struct rpc_conn *conn = data;

	(void)io;
	if (events & (EPOLLHUP | EPOLLERR) && !(events & EPOLLIN) && list_empty(&conn->ready_node)) {
		conn_kill(conn); /* gone in both directions, and what it asked for is done */
		return;
	}
	if (events & EPOLLIN)
		read_some(conn);
	if (events & EPOLLOUT)
		flush(conn);
	if (!conn->dead)
		conn_turn(conn);
}
