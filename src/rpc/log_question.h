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

#endif
