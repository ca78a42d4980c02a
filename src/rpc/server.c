/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the control server: accepting, limits of connections, who is dropped, what the supervisor's events wake. */
#include "rpc/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/mem.h"
#include "rpc/conn.h"
#include "rpc/shortage.h"
#include "rpc/stream.h"
#include "rpc/wait.h"

#define ACCEPT_PER_ROUND 64
#define ACCEPT_PAUSE (100 * USEC_PER_MSEC)
#define GROUPS_MAX 1024

/* --- peers ---------------------------------------------------------------------------------------- */

int peer_of(int fd, struct access_peer *out, gid_t **out_gids)
{
	AUTO(auto_free) gid_t *gids = NULL;
	struct ucred cred;
	socklen_t len = sizeof(cred);
	socklen_t gids_len = GROUPS_MAX * sizeof(*gids);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	*out = (struct access_peer){ .uid = cred.uid, .pid = cred.pid };
	if (cred.uid == 0)
		return 0; /* its groups decide nothing */
	gids = calloc(GROUPS_MAX + 1, sizeof(*gids));
	if (!gids)
		return -ENOMEM;
	/* more groups than that: the rest counts for nothing */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, gids, &gids_len) < 0)
		gids_len = 0;
	gids[gids_len / sizeof(*gids)] = cred.gid;
	out->gids_n = gids_len / sizeof(*gids) + 1;
	*out_gids = realloc(gids, out->gids_n * sizeof(*gids));
	if (!*out_gids)
		return -ENOMEM;
	gids = NULL;
	out->gids = *out_gids;
	return 0;
}

/* --- accepting ------------------------------------------------------------------------------------ */

static bool is_full(const struct rpc_server *server, const struct access_peer *peer)
{
	bool first_class = peer->uid == 0 || peer->uid == server->owner;

	return server->conns_n >= LIMIT_RPC_CONNECTIONS - (first_class ? 0 : LIMIT_RPC_RESERVED);
}

/* Returns 0 if the connection was taken over. */
static int take(struct rpc_server *server, int fd)
{
	struct access_peer peer;
	gid_t *gids = NULL;
	int r = peer_of(fd, &peer, &gids);

	if (r == 0 && is_full(server, &peer))
		r = -EMFILE;
	if (r == 0)
		r = conn_new(server, fd, &peer, gids);
	if (r < 0)
		free(gids);
	return r;
}

static void on_accept_timer(struct loop_timer *timer, void *data)
{
	struct rpc_server *server = data;

	(void)timer;
	if (loop_io_set(server->listen_io, EPOLLIN) < 0)
		loop_timer_arm(server->accept_timer, time_add(loop_now(server->loop), ACCEPT_PAUSE));
}

/* Descriptors or memory are short: the waiting clients would wake us again and again, so look later. */
static void pause_accepting(struct rpc_server *server)
{
	if (loop_io_set(server->listen_io, 0) == 0)
		loop_timer_arm(server->accept_timer, time_add(loop_now(server->loop), ACCEPT_PAUSE));
}

static void on_accept(struct loop_io *io, uint32_t events, void *data)
{
	struct rpc_server *server = data;

	(void)events;
	for (int i = 0; i < ACCEPT_PER_ROUND; i++) {
		int fd = accept4(loop_io_fd(io), NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
			return;
		if (fd < 0) {
			pause_accepting(server);
			return;
		}
		if (take(server, fd) < 0)
			(void)close(fd);
	}
}

/* --- questions to the logs ---------------------------------------------------------------------------- */

int query_begun(struct rpc_server *server, struct rpc_error *err)
{
	if (server->queries_n >= LIMIT_RPC_QUERIES)
		return rpc_error_set(err, RPC_OVERLOADED, "%d questions to the logs are under way already", LIMIT_RPC_QUERIES);
	server->queries_n++;
	return 0;
}

void query_ended(struct rpc_server *server)
{
	server->queries_n--;
}

/* --- stalled clients -------------------------------------------------------------------------------- */

/* A follower that pauses holds little and loses lines that are counted; who asks and does not listen is dropped. */
static bool is_given_up(const struct rpc_conn *conn, usec_t now)
{
	return conn->stalled_since && list_empty(&conn->subs) && now - conn->stalled_since >= RPC_STALL;
}

static void on_sweep(struct loop_timer *timer, void *data)
{
	struct rpc_server *server = data;
	usec_t now = loop_now(server->loop);
	bool again = false;
	struct rpc_conn *conn;

	LIST_FOREACH (conn, &server->conns, node) {
		if (is_given_up(conn, now)) {
			diag(DIAG_WARN, "control: client pid %d (uid %u) does not read its answers: dropped", conn->peer.pid,
			     conn->peer.uid);
			conn_kill(conn);
		} else if (conn->stalled_since && list_empty(&conn->subs)) {
			again = true;
		}
	}
	if (again)
		loop_timer_arm(timer, time_add(now, RPC_STALL / 2));
}

/* --- what the supervisor tells ---------------------------------------------------------------------- */

static void look(void *data)
{
	struct rpc_server *server = data;

	server->look_deferred = false;
	wait_check_all(server);
	stream_events_look(server);
	stream_logs_look(server);
}

void server_look_soon(struct rpc_server *server)
{
	if (server->look_deferred || (list_empty(&server->waits) && list_empty(&server->event_subs) &&
				      list_empty(&server->log_subs)))
		return;
	/* without memory the next event tries again */
	server->look_deferred = loop_defer(server->loop, look, server) == 0;
}

/* Called in the middle of somebody's work, perhaps of a handler that writes an answer: so nothing is done at once. */
static void on_supervisor_event(struct supervisor_listener *listener)
{
	server_look_soon(CONTAINER_OF(listener, struct rpc_server, listener));
}

/* --- making one --------------------------------------------------------------------------------------- */

static void server_release(struct rpc_server *server)
{
	loop_timer_free(server->accept_timer);
	loop_timer_free(server->sweep_timer);
	loop_timer_free(server->shortage_timer);
	loop_io_free(server->listen_io);
	strbuf_fini(&server->scratch);
	free(server->socket_path);
	free(server);
}

int rpc_server_new(const struct rpc_server_options *options, struct rpc_server **out, struct error *err)
{
	struct rpc_server *server = calloc(1, sizeof(*server));

	if (!server)
		return error_set(err, ENOMEM, "control server: out of memory");
	server->loop = options->loop;
	server->supervisor = options->supervisor;
	server->settings = options->settings;
	server->owner = geteuid();
	server->scratch = STRBUF(LIMIT_RPC_ANSWER);
	list_init(&server->conns);
	list_init(&server->ready);
	list_init(&server->parked);
	list_init(&server->dead);
	list_init(&server->waits);
	list_init(&server->event_subs);
	list_init(&server->log_subs);
	server->seen_event = supervisor_event_last(options->supervisor);
	server->socket_path = strdup(options->socket_path ? options->socket_path : "");
	server->accept_timer = loop_timer_new(server->loop, on_accept_timer, server);
	server->sweep_timer = loop_timer_new(server->loop, on_sweep, server);
	server->shortage_timer = loop_timer_new(server->loop, shortage_on_timer, server);
	server->listen_io = loop_io_new(server->loop, options->listen_fd, EPOLLIN, on_accept, server);
	if (!server->socket_path || !server->accept_timer || !server->sweep_timer || !server->shortage_timer ||
	    !server->listen_io) {
		server_release(server);
		return error_set(err, ENOMEM, "control server: cannot watch its socket");
	}
	server->listen_fd = options->listen_fd;
	server->listener.fn = on_supervisor_event;
	supervisor_listen(server->supervisor, &server->listener);
	*out = server;
	hand_over_resume(server);
	return 0;
}

bool rpc_server_is_quiet(const struct rpc_server *server)
{
	return server->queries_n == 0;
}

int *rpc_server_hold(const struct rpc_server *server, size_t *out_n)
{
	const struct rpc_conn *conn;
	size_t n = 0;
	int *fds;

	*out_n = 0;
	if (!server || list_empty(&server->conns))
		return NULL;
	LIST_FOREACH(conn, &server->conns, node)
		n++;
	fds = calloc(n, sizeof(*fds));
	if (!fds)
		return NULL;
	LIST_FOREACH(conn, &server->conns, node) {
		fds[*out_n] = fcntl(conn->fd, F_DUPFD_CLOEXEC, 3);
		*out_n += fds[*out_n] >= 0;
	}
	return fds;
}

void rpc_server_free(struct rpc_server *server)
{
	if (!server)
		return;
	supervisor_unlisten(&server->listener);
	while (!list_empty(&server->conns))
		conn_kill(LIST_ENTRY(server->conns.next, struct rpc_conn, node));
	conn_reap(server);
	loop_io_free(server->listen_io);
	server->listen_io = NULL;
	(void)close(server->listen_fd);
	server_release(server);
}

void rpc_server_set(struct rpc_server *server, const struct server_settings *settings)
{
	server->settings = settings;
}
