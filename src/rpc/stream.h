/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subscriptions: log lines and events as notifications on the connection that asked for them. None has a queue: each is a
 * cursor on a ring that is there anyway. It is read when something is new and the client has taken what it was
 * sent before; who is too slow loses what the ring overwrites, and is told how much.
 */
#ifndef RPC_STREAM_H
#define RPC_STREAM_H

#include "base/list.h"
#include "rpc/method.h"

struct rpc_sub {
	struct list node; /* of the connection */
	struct rpc_conn *conn;
	uint64_t id;      /* number on its connection */
	void (*pump)(struct rpc_sub *sub); /* send what is new, as far as stream_has_room() */
	void (*end)(struct rpc_sub *sub);  /* free; the node is removed already */
	json_t *(*save)(const struct rpc_sub *sub); /* {KIND: …} for the server that takes over; NULL: it can't go on */
};

/** Put a subscription on its connection and number it. Returns 0, or RPC_FAILED with `err` (too many). */
int stream_add(struct rpc_conn *conn, struct rpc_sub *sub, struct rpc_error *err);
/** Take it off and free it. */
void stream_end(struct rpc_sub *sub);
/** The subscription of that number, or NULL. */
struct rpc_sub *stream_find(const struct rpc_conn *conn, uint64_t id);
void stream_end_all(struct rpc_conn *conn);
void stream_pump_all(struct rpc_conn *conn);
/** May more be sent to this client now? */
bool stream_has_room(const struct rpc_conn *conn);

/** Begin {"jsonrpc":…,"method":METHOD,"params":{"subscription":N, ; write members, then stream_message_end(). */
void stream_message_begin(struct rpc_sub *sub, const char *method, struct json_out *out);
void stream_message_end(struct rpc_sub *sub, struct json_out *out);

/* stream_events.c */
/** Go on with a subscription of an earlier server, under its number. Returns 0 or -1. */
int stream_events_resume(struct rpc_conn *conn, uint64_t id, const json_t *saved);
/** New events are there. */
void stream_events_look(struct rpc_server *server);
/* stream_logs.c */
int stream_logs_resume(struct rpc_conn *conn, uint64_t id, const json_t *saved);
/** Services may have come or gone: followers of patterns look again. */
void stream_logs_look(struct rpc_server *server);

#endif
