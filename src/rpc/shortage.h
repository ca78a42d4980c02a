/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the buffers of all clients together are half of what they may be, requests wait instead of making more: answers that are
 * read free memory, and those who do not read theirs are dropped after SHORTAGE_PATIENCE without any relief.
 */
#ifndef RPC_SHORTAGE_H
#define RPC_SHORTAGE_H

#include <stdbool.h>

struct loop_timer;
struct rpc_conn;
struct rpc_server;

/** Are the buffers too full for further requests? */
bool shortage(const struct rpc_server *server);
/** This connection has work that waits for the shortage's end. */
void shortage_park(struct rpc_conn *conn);
/** Memory was freed: if that was enough, all that were parked are woken. */
void shortage_relief(struct rpc_server *server);
/** A loop_timer_fn: nothing got better for so long. */
void shortage_on_timer(struct loop_timer *timer, void *data);

#endif
