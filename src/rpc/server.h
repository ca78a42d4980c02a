/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control server: clients on a unix socket who ask, steer and listen, by JSON-RPC (interface.md; methods.c).
 *
 * Everything runs in the loop's thread. A client costs a few hundred bytes while it is idle; what it may make us hold is
 * bounded in both directions: requests of one that does not read its answers are not read any more, and after
 * RPC_STALL it is dropped. Long work (batches, many requests in one read) is cut into slices, so that others are answered
 * in between.
 */
#ifndef RPC_SERVER_H
#define RPC_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/time.h"

struct loop;
struct server_settings;
struct supervisor;
struct rpc_server;

/* A client that takes nothing of what waits for it for so long is dropped. */
#define RPC_STALL (30 * USEC_PER_SEC)

struct rpc_server_options {
	struct loop *loop;
	struct supervisor *supervisor;
	const struct server_settings *settings; /* borrowed: who may do what */
	int listen_fd;           /* of rpc_listen(), or held by the keeper; owned by the server on success */
	const char *socket_path; /* for system.info; copied */
};

/** Begin to serve. Returns 0, or negative errno with `err` filled; `listen_fd` is then still the caller's. */
int rpc_server_new(const struct rpc_server_options *options, struct rpc_server **out, struct error *err);
/**
 * End all connections and free. What was answered but not sent is sent as far as the sockets take it at once. The
 * socket's file stays: rpc_unlisten() is for a server that ends for good. NULL is fine.
 */
void rpc_server_free(struct rpc_server *server);
/** Is no question to the logs under way? Those can't be handed over half answered. */
bool rpc_server_is_quiet(const struct rpc_server *server);
/**
 * Leave all connections, with what they wait for and how far they were served, to the server that comes next: the keeper gets
 * them, and rpc_server_new() finds them there. After this nothing may be done with `server`.
 */
void rpc_server_hand_over(struct rpc_server *server);
/**
 * Copies of the connections' descriptors, in memory for free(3); at most *out_n. A client takes its connection's end for the
 * server's: who ends for good closes these when nothing of it is left to do. NULL: no memory, or none are connected.
 */
int *rpc_server_hold(const struct rpc_server *server, size_t *out_n);
/** Use other settings from now on (a reload); borrowed. */
void rpc_server_set(struct rpc_server *server, const struct server_settings *settings);

#endif
