/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: requests that wait because clients hold much memory, and who is dropped for it. */
#include "rpc/shortage.h"

#include "base/diag.h"
#include "rpc/conn.h"
#include "rpc/server.h"

#define SHORTAGE_BYTES (LIMIT_RPC_MEMORY / 2)
#define SHORTAGE_PATIENCE (1 * USEC_PER_SEC)

bool shortage(const struct rpc_server *server)
{
	return server->bytes > SHORTAGE_BYTES;
}

void shortage_park(struct rpc_conn *conn)
{
	struct rpc_server *server = conn->server;

	list_remove(&conn->ready_node);
	list_append(&server->parked, &conn->ready_node);
	if (loop_timer_deadline(server->shortage_timer) == USEC_NEVER)
		loop_timer_arm(server->shortage_timer, time_add(loop_now(server->loop), SHORTAGE_PATIENCE));
}

void shortage_relief(struct rpc_server *server)
{
	if (shortage(server) || list_empty(&server->parked))
		return;
	loop_timer_arm(server->shortage_timer, USEC_NEVER);
	while (!list_empty(&server->parked))
		conn_wake(LIST_ENTRY(server->parked.next, struct rpc_conn, ready_node));
}

/* One that does not take its answers, or has sent half a request and nothing more; not one that waits here itself. */
static bool is_to_blame(const struct rpc_conn *conn, usec_t now)
{
	if (conn->stalled_since)
		return now - conn->stalled_since >= SHORTAGE_PATIENCE;
	return list_empty(&conn->ready_node) && conn_pending(conn) == 0;
}

static struct rpc_conn *largest_to_blame(struct rpc_server *server, usec_t now)
{
	struct rpc_conn *largest = NULL;
	struct rpc_conn *conn;

	LIST_FOREACH (conn, &server->conns, node) {
		if (is_to_blame(conn, now) && conn->accounted > (largest ? largest->accounted : 0))
			largest = conn;
	}
	return largest;
}

/* The bytes of those who are dropped are counted off at the end of the round, with relief for the others. */
void shortage_on_timer(struct loop_timer *timer, void *data)
{
	struct rpc_server *server = data;
	usec_t now = loop_now(server->loop);
	size_t left = server->bytes;
	size_t n = 0;

	while (left > SHORTAGE_BYTES) {
		struct rpc_conn *conn = largest_to_blame(server, now);

		if (!conn)
			break;
		left -= conn->accounted;
		n++;
		conn_kill(conn);
	}
	if (n > 0)
		diag(DIAG_WARN, "control: %zu clients that do not read their answers, or send half a request, are dropped: all buffers hold %zu bytes",
		     n, server->bytes);
	if (!list_empty(&server->parked))
		loop_timer_arm(timer, time_add(now, SHORTAGE_PATIENCE));
}
