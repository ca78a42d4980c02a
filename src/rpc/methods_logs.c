/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the methods that answer with log lines. logs.follow is in stream_logs.c. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "rpc/conn.h"
#include "rpc/log_lines.h"
#include "rpc/log_question.h"
#include "rpc/select.h"
#include "service/core.h"

#define TAIL_LINES 100
#define QUERY_LINES 1000

/* "1795399702861 [stdout] text", as zinit 0.3.9 has it. */
static int write_text_fn(const struct log_line *line, void *data)
{
	struct log_lines_out *lines = data;
	struct strbuf text = STRBUF(LIMIT_RPC_ANSWER);

	(void)strbuf_addf(&text, "%lld [%s] ", (long long)(line->ts / 1000000), log_stream_name(line->stream));
	if (line->flags & LINE_LOST)
		(void)strbuf_addf(&text, "--- %llu lines lost: %s ---", (unsigned long long)line->lost, log_lost_reason(line->flags));
	else
		(void)strbuf_add(&text, line->text, line->len);
	json_out_strn(lines->out, strbuf_str(&text), text.len);
	strbuf_fini(&text);
	return lines->out->to->failed ? -ENOBUFS : 0;
}

static int write_lines(struct log_engine *log, const char *name, const struct query_opts *opts, log_line_fn fn,
		       struct json_out *out, struct error *error)
{
	struct log_lines_out lines = { .out = out, .service = name };
	struct log_service *svc = log_service_find(log, name);
	int r = svc ? log_memory(svc, opts, fn, &lines, NULL, error) : 0;

	return r == -ENOBUFS ? 0 : r; /* the answer's own check finds that it is full */
}

/* Lines in memory of the service that the call names, or of all that its caller may see. */
static enum rpc_outcome write_memory(struct rpc_call *call, uint64_t lines_otherwise, log_line_fn fn, struct json_out *out,
				     struct rpc_error *err)
{
	struct supervisor *sup = rpc_call_supervisor(call);
	AUTO(auto_free) uint32_t *ids = NULL;
	struct query_opts opts;
	struct error error;
	int n = log_question(call, &opts, err) < 0 ? RPC_FAILED : select_logs(call, &ids, err);
	int r = 0;

	if (n < 0)
		return RPC_FAILED;
	opts.last = (uint64_t)param_int(call->params, "lines", (int64_t)lines_otherwise);
	opts.memory_only = true;
	json_out_open_array(out);
	for (int i = 0; i < n && r == 0; i++)
		r = write_lines(supervisor_log(sup), select_log_name(sup, ids[i]), &opts, fn, out, &error);
	json_out_close_array(out);
	return r < 0 ? (enum rpc_outcome)rpc_error_from(err, &error, NULL) : RPC_DONE;
}

RPC_HANDLER(rpc_logs_get)
{
	return write_memory(call, TAIL_LINES, write_text_fn, out, err);
}

RPC_HANDLER(rpc_logs_tail)
{
	return write_memory(call, TAIL_LINES, log_line_write_fn, out, err);
}

/* The service stands under "service" here; "name" is understood as well. */
RPC_HANDLER(rpc_logs_filter)
{
	json_t *service = json_object_get(call->params, "service");

	if (service && json_object_set(call->params, "name", service) < 0)
		return rpc_error_set(err, RPC_INTERNAL_ERROR, "out of memory");
	if (!json_object_get(call->params, "name"))
		return rpc_error_set(err, RPC_INVALID_PARAMS, "missing 'service' parameter: expected the name of a service");
	return write_memory(call, INT64_MAX, write_text_fn, out, err);
}

/* --- the whole history ---------------------------------------------------------------------------------- */

struct question {
	struct rpc_call *call;
	struct log_query *query;
	struct strbuf text; /* lines so far */
	struct json_out out;
	char (*names)[LIMIT_NAME + 1]; /* of the services, for the cursors */
	size_t names_n;
	bool cut;           /* the answer would be too large: what came after is not in it */
};

static void question_free(struct question *q)
{
	strbuf_fini(&q->text);
	free(q->names);
	free(q);
}

static void question_cancel(struct rpc_call *call)
{
	struct question *q = call->later;

	log_query_cancel(q->query);
	query_ended(call->server);
	question_free(q);
}

static void answer(struct question *q, int result)
{
	const struct log_cursor *cursors = log_query_cursors(q->query);
	struct rpc_call *call = q->call;
	struct json_out out;
	char text[CURSOR_TEXT_SIZE];

	query_ended(call->server);
	rpc_call_begin(call, &out);
	json_out_open_object(&out);
	json_out_key(&out, "lines");
	json_out_raw(&out, strbuf_str(&q->text));
	json_out_member_bool(&out, "truncated", q->cut);
	json_out_member_str(&out, "error", result < 0 ? log_query_error(q->query) : NULL);
	json_out_key(&out, "cursors");
	json_out_open_object(&out);
	for (size_t i = 0; cursors && i < q->names_n; i++) {
		log_cursor_format(&cursors[i], text);
		json_out_member_str(&out, q->names[i], text);
	}
	json_out_close_object(&out);
	json_out_close_object(&out);
	question_free(q);
	rpc_call_end(call);
}

static void on_lines(struct log_query *query, const struct log_line *lines, size_t n, int result, void *data)
{
	struct question *q = data;

	(void)query;
	for (size_t i = 0; i < n && !q->cut; i++) {
		size_t before = q->text.len;
		bool comma = q->out.comma;

		log_line_write(&lines[i], lines[i].service, NULL, &q->out);
		if (q->text.failed) {
			q->cut = true;
			q->text.len = before;
			q->text.failed = false;
			q->out.comma = comma;
		}
	}
	if (n > 0)
		return;
	json_out_close_array(&q->out);
	answer(q, result);
}

static int find_services(struct rpc_call *call, struct question *q, struct log_service ***out_svcs, struct rpc_error *err)
{
	struct supervisor *sup = rpc_call_supervisor(call);
	AUTO(auto_free) uint32_t *ids = NULL;
	int n = select_logs(call, &ids, err);

	if (n < 0)
		return RPC_FAILED;
	*out_svcs = calloc((size_t)n + 1, sizeof(struct log_service *));
	q->names = calloc((size_t)n + 1, sizeof(*q->names));
	if (!*out_svcs || !q->names)
		return rpc_error_set(err, RPC_INTERNAL_ERROR, "out of memory");
	for (int i = 0; i < n; i++) {
		const char *name = select_log_name(sup, ids[i]);
		struct log_service *svc = log_service_find(supervisor_log(sup), name);

		if (!svc)
			continue;
		(void)str_copy(q->names[q->names_n], LIMIT_NAME + 1, name);
		(*out_svcs)[q->names_n++] = svc;
	}
	return 0;
}

/* A service without a cursor is read from its beginning: that is what no place stands for. */
static int read_cursors(struct rpc_call *call, const struct question *q, struct log_cursor **out, struct rpc_error *err)
{
	if (!json_object_get(call->params, "cursor") && !json_object_get(call->params, "cursors"))
		return 0;
	*out = calloc(q->names_n, sizeof(**out));
	if (!*out)
		return rpc_error_set(err, RPC_INTERNAL_ERROR, "out of memory");
	for (size_t i = 0; i < q->names_n; i++) {
		if (log_question_cursor(call, q->names[i], &(*out)[i], err) < 0)
			return RPC_FAILED;
	}
	return 0;
}

static int ask(struct rpc_call *call, struct question *q, struct rpc_error *err)
{
	AUTO(auto_free) struct log_service **svcs = NULL;
	AUTO(auto_free) struct log_cursor *after = NULL;
	struct query_opts opts;
	struct error error;

	if (log_question(call, &opts, err) < 0 || find_services(call, q, &svcs, err) < 0)
		return RPC_FAILED;
	if (q->names_n == 0)
		return rpc_error_set(err, RPC_SERVICE_NOT_FOUND, "no service with a log matches");
	if (read_cursors(call, q, &after, err) < 0)
		return RPC_FAILED;
	opts.after = after;
	if (json_object_get(call->params, "limit"))
		opts.limit = (uint64_t)param_int(call->params, "limit", 0);
	else
		opts.last = (uint64_t)param_int(call->params, "lines", QUERY_LINES);
	if (query_begun(call->server, err) < 0)
		return RPC_FAILED;
	if (log_query_start(supervisor_log(rpc_call_supervisor(call)), svcs, q->names_n, &opts, on_lines, q, &q->query,
			    &error) < 0) {
		query_ended(call->server);
		return rpc_error_from(err, &error, NULL);
	}
	return 0;
}

RPC_HANDLER(rpc_logs_query)
{
	struct question *q = calloc(1, sizeof(*q));

	(void)out;
	if (!q)
		return rpc_error_set(err, RPC_INTERNAL_ERROR, "out of memory");
	q->call = call;
	/* room is left for the envelope and the cursors */
	q->text = STRBUF(LIMIT_RPC_ANSWER / 2);
	q->out = json_out_on(&q->text);
	json_out_open_array(&q->out);
	if (ask(call, q, err) < 0) {
		question_free(q);
		return RPC_FAILED;
	}
	call->cancel = question_cancel;
	call->later = q;
	return RPC_LATER;
}
