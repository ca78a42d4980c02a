/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors as clients see them: a JSON-RPC code, a sentence, and `data` = {code_name, service, cause_chain, hint,
 * retryable}. One table (rpc_error.c) says for each code its name and whether trying again may help, and which internal
 * errno becomes which code.
 */
#ifndef RPC_RPC_ERROR_H
#define RPC_RPC_ERROR_H

#include "base/error.h"
#include "base/limits.h"
#include "rpc/json_out.h"

enum rpc_code {
	RPC_PARSE_ERROR = -32700,
	RPC_INVALID_REQUEST = -32600,
	RPC_METHOD_NOT_FOUND = -32601,
	RPC_INVALID_PARAMS = -32602,
	RPC_INTERNAL_ERROR = -32603,
	/* the classic ones */
	RPC_SERVICE_NOT_FOUND = -32000,
	RPC_SERVICE_ALREADY_MONITORED = -32001,
	RPC_SERVICE_IS_UP = -32002,
	RPC_SERVICE_IS_DOWN = -32003,
	RPC_INVALID_SIGNAL = -32004,
	RPC_CONFIG_ERROR = -32011, /* as zinit 0.3.9 has it, with data.errors; the classic one said -32005 */
	RPC_SHUTTING_DOWN = -32006,
	RPC_SERVICE_ALREADY_EXISTS = -32007,
	RPC_SERVICE_FILE_ERROR = -32008,
	RPC_INVALID_STATE_TRANSITION = -32009,
	RPC_DEPENDENCY_ERROR = -32010,
	/* ours; -32012 is left free, zinit 0.3.9 uses it for a dependency that does not exist */
	RPC_ACCESS_DENIED = -32020,
	RPC_TIMEOUT = -32021,
	RPC_OVERLOADED = -32022,
	RPC_PROCESS_ERROR = -32023, /* the classic one said -32011 */
};

#define RPC_MESSAGE_MAX (ERROR_MSG_MAX + 64)
#define RPC_HINT_MAX 192
#define RPC_CAUSES_MAX 8
#define RPC_CAUSE_MAX 192

struct rpc_error {
	enum rpc_code code;
	char message[RPC_MESSAGE_MAX];
	char service[LIMIT_NAME + 1]; /* "" if it is about none */
	char hint[RPC_HINT_MAX];      /* what to do next; "" for none */
	char causes[RPC_CAUSES_MAX][RPC_CAUSE_MAX];
	unsigned int causes_n;
};

/** Fill `err` with a code and a sentence; service, hint and causes become empty. Returns -1, so that it can end a handler. */
int rpc_error_set(struct rpc_error *err, enum rpc_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/** Say what to do next. */
void rpc_error_hint(struct rpc_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** Name the service that it is about; cut at LIMIT_NAME. */
void rpc_error_service(struct rpc_error *err, const char *name);
/** Add one link to the chain of causes; what is over RPC_CAUSES_MAX is dropped. */
void rpc_error_cause(struct rpc_error *err, const char *text);
/** Translate an internal error (its errno decides the code, its text is the sentence). Returns -1. */
int rpc_error_from(struct rpc_error *err, const struct error *from, const char *service);

/** "ServiceNotFound", …; "ServerError" for a code that is not in the table. */
const char *rpc_code_name(enum rpc_code code);
/** Write the error object {code, message, data}. */
void rpc_error_write(const struct rpc_error *err, struct json_out *out);
/** Write all codes as [{code, name, retryable, doc}], for rpc.discover. */
void rpc_error_write_table(struct json_out *out);

#endif
