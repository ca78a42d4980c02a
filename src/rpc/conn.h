/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the control server: what a connection is, and how calls and streams reach it.
 *
 * A connection is never freed under the feet of its caller: conn_kill() closes it and puts it on the server's list of the
 * dead, which is emptied at the end of the loop's round. Until then its functions do nothing.
 */
#ifndef RPC_CONN_H
#define RPC_CONN_H

#include "base/list.h"
#include "base/str.h"
#include "loop/loop.h"
#include "rpc/frame.h"
#include "rpc/method.h"

/* Over this much unsent output no further request is looked at, and streams pause. */
#define CONN_HIGH (256U << 10)
/* Below it they go on. */
#define CONN_LOW (64U << 10)

struct rpc_server {
	struct loop *loop;
	struct supervisor *supervisor;
	const struct server_settings *settings;
	uid_t owner;
	char *socket_path;
	int listen_fd;
	struct loop_io *listen_io;
	struct loop_timer *accept_timer; /* accept failed for want of descriptors: try again later */
	struct loop_timer *sweep_timer;  /* armed while clients are stalled */
	struct list conns;
	struct list ready; /* connections with requests that wait for their turn */
	struct list parked; /* the same, that wait for memory: shortage.c */
	struct loop_timer *shortage_timer;
	struct list dead;
	size_t conns_n;
	size_t bytes;      /* buffers of all connections */
	size_t queries_n;  /* questions to the logs that are under way */
	bool ready_deferred, dead_deferred, look_deferred;
	struct strbuf scratch; /* results that nobody wants: of notifications, of kept calls */
	uint64_t audits;       /* number of the last changing call, for the audit line */
	uint64_t refusals, refusals_told;
	usec_t refusal_at;
	struct list waits;     /* wait.c */
	struct supervisor_listener listener;
	struct list event_subs; /* stream_events.c */
	struct list log_subs;   /* stream_logs.c */
	uint64_t seen_event;    /* the last event that followers of patterns know */
};

/** A batch whose members are being answered; at most one of a connection at a time. */
struct rpc_batch {
	json_t *requests; /* NULL: no batch */
	size_t next;
	size_t pending;   /* members that are answered later */
	struct strbuf out;
};

struct rpc_conn {
	struct list node;       /* conns or dead */
	struct list ready_node; /* ready, parked, or alone */
	struct rpc_server *server;
	struct loop_io *io;
	int fd;
	uint32_t events;
	struct access_peer peer;
	gid_t *gids;            /* what peer.gids points to */
	struct frame frame;
	struct strbuf in;
	struct strbuf out;
	size_t out_at;          /* bytes of `out` that are sent */
	size_t accounted;
	usec_t stalled_since;   /* output waits and nothing was taken since; 0: not so */
	struct rpc_batch batch;
	struct list calls;      /* that are answered later */
	size_t calls_n;
	struct list subs;
	size_t subs_n;
	uint64_t last_sub;
	bool eof, dead;
};

/** Look at waits and event streams again, at the end of the loop's round. */
void server_look_soon(struct rpc_server *server);

/** Where what is kept of a call leads to. */
enum rpc_outcome call_go_on(struct rpc_call *call, struct json_out *out, struct rpc_error *err);
/** All calls of a connection that are answered later, as a list of objects. NULL: no memory. */
json_t *call_save_all(const struct rpc_conn *conn);
/** Go on with one of them: an object of that list. */
void call_resume(struct rpc_conn *conn, const json_t *saved);
/** A server that came before left connections: take them over. */
void hand_over_resume(struct rpc_server *server);

/** Take a connection over (`fd` is owned on success). Returns 0 or negative errno. */
int conn_new(struct rpc_server *server, int fd, const struct access_peer *peer, gid_t *gids);
/** Close it; it is freed at the end of the round. */
void conn_kill(struct rpc_conn *conn);
/** Look at requests that are there, send what is to be sent, and account for what it holds. */
void conn_turn(struct rpc_conn *conn);
/** Have conn_turn() called soon, from the loop. */
void conn_wake(struct rpc_conn *conn);
/** Bytes that wait to be sent. */
size_t conn_pending(const struct rpc_conn *conn);
/** Something was appended to `out`: end it with a newline and send. */
void conn_send(struct rpc_conn *conn);
/** Free all that is dead. Must not be called while a connection is in use. */
void conn_reap(struct rpc_server *server);

/** The text of one frame: answer it, or begin to (a batch). */
void call_frame(struct rpc_conn *conn, const char *text, size_t len);
/** Answer the next member of the connection's batch. */
void call_batch_next(struct rpc_conn *conn);
/** Answer an error that belongs to no request. */
void call_no_request(struct rpc_conn *conn, const struct rpc_error *err);
/** The connection is gone: cancel and free its calls and batch. */
void call_cancel_all(struct rpc_conn *conn);

/** Count one more question to the logs. Returns 0, or RPC_FAILED with `err`: there are too many. Each is ended by query_ended(). */
int query_begun(struct rpc_server *server, struct rpc_error *err);
void query_ended(struct rpc_server *server);

/** Find peer's credentials. Returns 0 or negative errno; *out_gids is the caller's to free. */
int peer_of(int fd, struct access_peer *out, gid_t **out_gids);
/** May the connection's peer do it? `id` CORE_NONE: nothing single; `name` is used when the id is not known. */
bool conn_may(const struct rpc_conn *conn, enum access_class class, const char *name, uint32_t id);

#endif
