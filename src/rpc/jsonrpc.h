/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The envelope of JSON-RPC 2.0: from text to requests, from results and errors to messages. No I/O, no state.
 */
#ifndef RPC_JSONRPC_H
#define RPC_JSONRPC_H

#include <jansson.h>
#include <stddef.h>

#include "rpc/json_out.h"
#include "rpc/rpc_error.h"

/** A request; everything is borrowed from the value that it was read from. */
struct jsonrpc_request {
	const char *method;
	json_t *params; /* NULL: none */
	json_t *id;     /* any JSON value; NULL: a notification */
};

/**
 * Parse one value. Returns 0 and *out (json_decref() it); -ENOMEM: whom to answer is not known; or -1 with `err`: RPC_PARSE_ERROR with the place, or
 * RPC_INVALID_PARAMS for a key that is there twice; *out_id is then the request's id if it could be found (json_decref()
 * it), else NULL.
 */
int jsonrpc_parse(const char *text, size_t len, json_t **out, json_t **out_id, struct rpc_error *err);

/**
 * Read one request (a member of a batch, or the whole value). Returns 0, or -1 with `err` = RPC_INVALID_REQUEST; `out->id`
 * is set as far as it is there, so that the error can be answered.
 */
int jsonrpc_request(const json_t *value, struct jsonrpc_request *out, struct rpc_error *err);

/** Write {"jsonrpc":"2.0","id":ID,"result": and leave the object open: one value, then jsonrpc_end(). */
void jsonrpc_begin_result(struct json_out *out, const json_t *id);
void jsonrpc_end(struct json_out *out);
/** Write a whole error answer; `id` NULL is written as null. */
void jsonrpc_error(struct json_out *out, const json_t *id, const struct rpc_error *err);
/** Write {"jsonrpc":"2.0","method":METHOD,"params": and leave the object open: one value, then jsonrpc_end(). */
void jsonrpc_begin_notification(struct json_out *out, const char *method);

#endif
