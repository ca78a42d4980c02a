/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that are answered when a service has got somewhere: start, stop and restart with `wait`, and service.wait. Nothing
 * polls: every event of the supervisor has them looked at again.
 */
#ifndef RPC_WAIT_H
#define RPC_WAIT_H

#include "rpc/method.h"

enum wait_for {
	WAIT_UP,      /* at rest after a start; ok if it runs, or is a oneshot that ended well */
	WAIT_DOWN,    /* at rest after a stop; ok if nothing of it is left */
	WAIT_STATES,  /* in one of `states` */
	WAIT_SETTLED, /* at rest, wherever */
	WAIT_GONE,    /* forgotten, as a delete asked for; the answer is {ok: true} */
};

/**
 * Keep `call` until service `id` is where `what` says, or `timeout` (0: none) has passed; `states` is a bit set of enum
 * service_state for WAIT_STATES. Returns RPC_LATER, or RPC_FAILED with `err` (no memory).
 * If it is there already, the answer comes at the end of the loop's round all the same.
 */
enum rpc_outcome wait_begin(struct rpc_call *call, uint32_t id, enum wait_for what, unsigned int states, usec_t timeout,
			    struct rpc_error *err);
/** Go on with a wait that an earlier server began: `call->saved`. */
enum rpc_outcome wait_resume(struct rpc_call *call, const json_t *saved, struct rpc_error *err);
/** Look at all waits again. */
void wait_check_all(struct rpc_server *server);

#endif
