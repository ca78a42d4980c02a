/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the envelope of requests and answers. */
#include "rpc/jsonrpc.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "config/json_memory.h"

/* A key twice is refused; the second look, without that rule, finds whom to answer. */
static int duplicate(const char *text, size_t len, const json_error_t *error, json_t **out_id, struct rpc_error *err)
{
	json_error_t again;
	json_t *value = json_parse(text, len, 0, &again);

	if (json_is_object(value))
		*out_id = json_incref(json_object_get(value, "id"));
	json_decref(value);
	return rpc_error_set(err, RPC_INVALID_PARAMS, "a key is given twice: %s", error->text);
}

int jsonrpc_parse(const char *text, size_t len, json_t **out, json_t **out_id, struct rpc_error *err)
{
	json_error_t error;

	*out_id = NULL;
	*out = json_parse(text, len, JSON_REJECT_DUPLICATES, &error);
	if (*out)
		return 0;
	if (json_error_code(&error) == json_error_duplicate_key)
		return duplicate(text, len, &error, out_id, err);
	if (json_error_code(&error) == json_error_out_of_memory)
		return -ENOMEM;
	return rpc_error_set(err, RPC_PARSE_ERROR, "parse error at line %d, column %d: %s", error.line, error.column,
			     error.text);
}

int jsonrpc_request(const json_t *value, struct jsonrpc_request *out, struct rpc_error *err)
{
	const char *version;

	memset(out, 0, sizeof(*out));
	if (!json_is_object(value))
		return rpc_error_set(err, RPC_INVALID_REQUEST, "a request is an object");
	out->id = json_object_get(value, "id");
	out->params = json_object_get(value, "params");
	out->method = json_string_value(json_object_get(value, "method"));
	version = json_string_value(json_object_get(value, "jsonrpc"));
	if (!str_equal(version, "2.0")) {
		(void)rpc_error_set(err, RPC_INVALID_REQUEST, "'jsonrpc' must be \"2.0\"");
		rpc_error_hint(err, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"system.ping\"}");
		return -1;
	}
	if (!out->method)
		return rpc_error_set(err, RPC_INVALID_REQUEST, "'method' must be a string");
	return 0;
}

static void begin(struct json_out *out)
{
	json_out_open_object(out);
	json_out_member_str(out, "jsonrpc", "2.0");
}

static void write_id(struct json_out *out, const json_t *id)
{
	json_out_key(out, "id");
	if (id)
		json_out_tree(out, id);
	else
		json_out_null(out);
}

void jsonrpc_begin_result(struct json_out *out, const json_t *id)
{
	begin(out);
	write_id(out, id);
	json_out_key(out, "result");
}

void jsonrpc_end(struct json_out *out)
{
	json_out_close_object(out);
}

void jsonrpc_error(struct json_out *out, const json_t *id, const struct rpc_error *err)
{
	begin(out);
	write_id(out, id);
	json_out_key(out, "error");
	rpc_error_write(err, out);
	jsonrpc_end(out);
}

void jsonrpc_begin_notification(struct json_out *out, const char *method)
{
	begin(out);
	json_out_member_str(out, "method", method);
	json_out_key(out, "params");
}
