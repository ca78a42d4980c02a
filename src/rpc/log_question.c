/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: reading the parameters of log methods. */
#include "rpc/log_question.h"

#include "base/time.h"

/* A time: text as people write it, or milliseconds since 1970. */
static int read_time(const struct rpc_call *call, const char *name, ts_ns *out, struct rpc_error *err)
{
	const json_t *value = json_object_get(call->params, name);
	struct error error;

	if (!value)
		return 0;
	if (json_is_number(value)) {
		double ms = json_number_value(value);

		if (ms < 0 || ms > 9e12)
			return rpc_error_set(err, RPC_INVALID_PARAMS, "parameter '%s': expected milliseconds since 1970", name);
		*out = (ts_ns)(ms * 1e6);
		return 0;
	}
	if (log_time_parse(json_string_value(value), time_realtime(), out, &error) < 0)
		return rpc_error_set(err, RPC_INVALID_PARAMS, "parameter '%s': %s", name, error.msg);
	return 0;
}

int log_question(const struct rpc_call *call, struct query_opts *out, struct rpc_error *err)
{
	const char *stream = param_str(call->params, "stream", NULL);

	*out = (struct query_opts)QUERY_OPTS_INIT;
	if (stream) {
		int number = log_stream_from_name(stream);

		if (number < 0)
			return rpc_error_set(err, RPC_INVALID_PARAMS, "parameter 'stream': expected \"stdout\" or \"stderr\", got \"%.32s\"",
					     stream);
		out->streams = 1U << number;
	}
	out->regex = param_str(call->params, "grep", NULL);
	out->substring = param_str(call->params, "contains", NULL);
	out->ignore_case = param_bool(call->params, "ignore_case", false);
	out->level = (int)param_int(call->params, "level", -1);
	out->by_run = json_object_get(call->params, "run") != NULL;
	out->run = param_int(call->params, "run", 0);
	if (read_time(call, "since", &out->since, err) < 0)
		return RPC_FAILED;
	return read_time(call, "until", &out->until, err);
}

int log_question_read_cursor(const json_t *text, struct log_cursor *out, struct rpc_error *err)
{
	if (!json_is_string(text) || log_cursor_parse(json_string_value(text), out) < 0)
		return rpc_error_set(err, RPC_INVALID_PARAMS, "parameter 'cursor': not a cursor that this server gave");
	return 0;
}

int log_question_cursor(const struct rpc_call *call, const char *service, struct log_cursor *out, struct rpc_error *err)
{
	const json_t *one = json_object_get(call->params, "cursor");
	const json_t *text = one ? one : json_object_get(json_object_get(call->params, "cursors"), service);

	if (!text)
		return 0;
	return log_question_read_cursor(text, out, err) < 0 ? RPC_FAILED : 1;
}
