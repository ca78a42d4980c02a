/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the subscriptions of a connection, whatever they are about. */
#include "rpc/stream.h"

#include "rpc/conn.h"
#include "rpc/jsonrpc.h"

int stream_add(struct rpc_conn *conn, struct rpc_sub *sub, struct rpc_error *err)
{
	if (conn->subs_n >= LIMIT_RPC_SUBSCRIPTIONS)
		return rpc_error_set(err, RPC_OVERLOADED, "a connection has at most %d subscriptions", LIMIT_RPC_SUBSCRIPTIONS);
	sub->conn = conn;
	sub->id = ++conn->last_sub;
	list_append(&conn->subs, &sub->node);
	conn->subs_n++;
	return 0;
}

void stream_end(struct rpc_sub *sub)
{
	list_remove(&sub->node);
	sub->conn->subs_n--;
	sub->end(sub);
}

struct rpc_sub *stream_find(const struct rpc_conn *conn, uint64_t id)
{
	struct rpc_sub *sub;

	LIST_FOREACH (sub, &conn->subs, node) {
		if (sub->id == id)
			return sub;
	}
	return NULL;
}

void stream_end_all(struct rpc_conn *conn)
{
	while (!list_empty(&conn->subs))
		stream_end(LIST_ENTRY(conn->subs.next, struct rpc_sub, node));
}

void stream_pump_all(struct rpc_conn *conn)
{
	struct rpc_sub *sub;

	LIST_FOREACH (sub, &conn->subs, node) {
		if (!stream_has_room(conn))
			return;
		sub->pump(sub);
	}
}

bool stream_has_room(const struct rpc_conn *conn)
{
	return !conn->dead && conn_pending(conn) < CONN_LOW;
}

void stream_message_begin(struct rpc_sub *sub, const char *method, struct json_out *out)
{
	*out = json_out_on(&sub->conn->out);
	jsonrpc_begin_notification(out, method);
	json_out_open_object(out);
	json_out_member_uint(out, "subscription", sub->id);
}

void stream_message_end(struct rpc_sub *sub, struct json_out *out)
{
	json_out_close_object(out);
	jsonrpc_end(out);
	if (sub->conn->out.failed)
		conn_kill(sub->conn); /* no memory: what was promised in order can't be kept */
	else
		conn_send(sub->conn);
}
