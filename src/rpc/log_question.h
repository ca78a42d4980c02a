/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters of the logs.* methods as a question to the log. */
#ifndef RPC_LOG_QUESTION_H
#define RPC_LOG_QUESTION_H

#include "log/query.h"
#include "rpc/method.h"

/**
 * Fill `out` from the parameters since, until, stream, grep, contains, ignore_case, level, run that are given; strings are
 * borrowed from the call. Returns 0, or RPC_FAILED with `err` naming the parameter.
 */
int log_question(const struct rpc_call *call, struct query_opts *out, struct rpc_error *err);
/** A cursor's text. Returns 0, or RPC_FAILED with `err` filled. */
int log_question_read_cursor(const json_t *text, struct log_cursor *out, struct rpc_error *err);
/**
 * The cursor that the call has for a service, as "cursor" or in "cursors". Returns 1; 0: it has none; RPC_FAILED with `err`
 * filled: it is not one.
 */
int log_question_cursor(const struct rpc_call *call, const char *service, struct log_cursor *out, struct rpc_error *err);

#endif
