/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the table of error codes, and the error object. */
#include "rpc/rpc_error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

struct code_row {
	enum rpc_code code;
	const char *name;
	bool retryable;
	const char *doc;
};

static const struct code_row codes[] = {
	{ RPC_PARSE_ERROR, "ParseError", false, "What came is not JSON." },
	{ RPC_INVALID_REQUEST, "InvalidRequest", false, "JSON, but not a JSON-RPC 2.0 request." },
	{ RPC_METHOD_NOT_FOUND, "MethodNotFound", false, "No such method." },
	{ RPC_INVALID_PARAMS, "InvalidParams", false, "A parameter is missing, unknown, twice there or of the wrong type." },
	{ RPC_INTERNAL_ERROR, "InternalError", true, "The server could not do it: out of memory, or a bug." },
	{ RPC_SERVICE_NOT_FOUND, "ServiceNotFound", false, "No service has that name." },
	{ RPC_SERVICE_ALREADY_MONITORED, "ServiceAlreadyMonitored", true, "The service is known already." },
	{ RPC_SERVICE_IS_UP, "ServiceIsUp", false, "The service runs, or is being started." },
	{ RPC_SERVICE_IS_DOWN, "ServiceIsDown", true, "The service does not run." },
	{ RPC_INVALID_SIGNAL, "InvalidSignal", false, "No signal has that name or number." },
	{ RPC_CONFIG_ERROR, "ConfigError", false, "The service's configuration is not valid: data.errors says why." },
	{ RPC_SHUTTING_DOWN, "ShuttingDown", false, "The server is shutting down." },
	{ RPC_SERVICE_ALREADY_EXISTS, "ServiceAlreadyExists", false, "A service of that name exists." },
	{ RPC_SERVICE_FILE_ERROR, "ServiceFileError", true, "A file could not be read or written." },
	{ RPC_INVALID_STATE_TRANSITION, "InvalidStateTransition", false, "The service's state does not allow it." },
	{ RPC_DEPENDENCY_ERROR, "DependencyError", false, "The dependencies do not allow it: a cycle, or a missing one." },
	{ RPC_PROCESS_ERROR, "ProcessError", true, "The operating system refused something about a process." },
	{ RPC_ACCESS_DENIED, "AccessDenied", false, "The caller's user may not do that." },
	{ RPC_TIMEOUT, "Timeout", true, "It did not happen in time." },
	{ RPC_OVERLOADED, "Overloaded", true, "A limit of the server is reached." },
};

/* Internal codes; whatever is not here is an InternalError. */
static const struct {
	int error;
	enum rpc_code code;
} from_errno[] = {
	{ ENOENT, RPC_SERVICE_NOT_FOUND },
	{ EALREADY, RPC_INVALID_STATE_TRANSITION },
	{ ESHUTDOWN, RPC_SHUTTING_DOWN },
	{ EINVAL, RPC_INVALID_PARAMS },
	{ EEXIST, RPC_SERVICE_ALREADY_EXISTS },
	{ EBUSY, RPC_INVALID_STATE_TRANSITION },
	{ ELOOP, RPC_DEPENDENCY_ERROR },
	{ ESRCH, RPC_SERVICE_IS_DOWN },
	{ EISCONN, RPC_SERVICE_IS_UP },
	{ EPERM, RPC_PROCESS_ERROR },
	{ EAGAIN, RPC_PROCESS_ERROR },
	{ EACCES, RPC_SERVICE_FILE_ERROR },
	{ EROFS, RPC_SERVICE_FILE_ERROR },
	{ ENOSPC, RPC_SERVICE_FILE_ERROR },
	{ EIO, RPC_SERVICE_FILE_ERROR },
	{ EMFILE, RPC_OVERLOADED },
	{ ENFILE, RPC_OVERLOADED },
	{ ETIMEDOUT, RPC_TIMEOUT },
};

static const struct code_row *find_code(enum rpc_code code)
{
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		if (codes[i].code == code)
			return &codes[i];
	}
	return NULL;
}

const char *rpc_code_name(enum rpc_code code)
{
	const struct code_row *row = find_code(code);

	return row ? row->name : "ServerError";
}

int rpc_error_set(struct rpc_error *err, enum rpc_code code, const char *fmt, ...)
{
	va_list ap;

	err->code = code;
	err->service[0] = '\0';
	err->hint[0] = '\0';
	err->causes_n = 0;
	va_start(ap, fmt);
	(void)vsnprintf(err->message, sizeof(err->message), fmt, ap);
	va_end(ap);
	return -1;
}

void rpc_error_hint(struct rpc_error *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(err->hint, sizeof(err->hint), fmt, ap);
	va_end(ap);
}

void rpc_error_service(struct rpc_error *err, const char *name)
{
	(void)str_copy(err->service, sizeof(err->service), name);
}

void rpc_error_cause(struct rpc_error *err, const char *text)
{
	if (err->causes_n < RPC_CAUSES_MAX)
		(void)str_copy(err->causes[err->causes_n++], RPC_CAUSE_MAX, text);
}

int rpc_error_from(struct rpc_error *err, const struct error *from, const char *service)
{
	enum rpc_code code = RPC_INTERNAL_ERROR;

	for (size_t i = 0; i < ARRAY_LEN(from_errno); i++) {
		if (from_errno[i].error == from->code)
			code = from_errno[i].code;
	}
	(void)rpc_error_set(err, code, "%s", from->msg[0] ? from->msg : strerror(from->code));
	if (service)
		rpc_error_service(err, service);
	return -1;
}

static void write_causes(const struct rpc_error *err, const char *key, struct json_out *out)
{
	json_out_key(out, key);
	json_out_open_array(out);
	for (unsigned int i = 0; i < err->causes_n; i++)
		json_out_str(out, err->causes[i]);
	json_out_close_array(out);
}

void rpc_error_write(const struct rpc_error *err, struct json_out *out)
{
	const struct code_row *row = find_code(err->code);

	json_out_open_object(out);
	json_out_member_int(out, "code", err->code);
	json_out_member_str(out, "message", err->message);
	json_out_key(out, "data");
	json_out_open_object(out);
	json_out_member_str(out, "code_name", rpc_code_name(err->code));
	json_out_member_str(out, "service", err->service[0] ? err->service : NULL);
	write_causes(err, "cause_chain", out);
	if (err->code == RPC_CONFIG_ERROR)
		write_causes(err, "errors", out); /* where clients of 0.3.9 look for them */
	json_out_member_str(out, "hint", err->hint[0] ? err->hint : NULL);
	json_out_member_bool(out, "retryable", row && row->retryable);
	json_out_close_object(out);
	json_out_close_object(out);
}

void rpc_error_write_table(struct json_out *out)
{
	json_out_open_array(out);
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		json_out_open_object(out);
		json_out_member_int(out, "code", codes[i].code);
		json_out_member_str(out, "name", codes[i].name);
		json_out_member_bool(out, "retryable", codes[i].retryable);
		json_out_member_str(out, "doc", codes[i].doc);
		json_out_close_object(out);
	}
	json_out_close_array(out);
}
