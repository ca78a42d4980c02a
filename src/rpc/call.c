/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the way of a request: method, parameters, access, handler, answer; batches; calls that are answered later. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "base/mem.h"
#include "config/service_config.h"
#include "rpc/conn.h"
#include "rpc/jsonrpc.h"
#include "service/core.h"

#define NEAR_MAX 4096 /* names that are compared for "did you mean" */
/* Lines about refused calls in a second; the rest is counted. */
#define REFUSALS_PER_SEC 10

/* --- where an answer goes ----------------------------------------------------------------------- */

/* A batch's answers are collected; others go out as they come; a notification's are dropped. */
static struct strbuf *target_of(const struct rpc_call *call)
{
	if (!call->id)
		return &call->server->scratch;
	return call->batch ? &call->batch->out : &call->conn->out;
}

static void cut(struct strbuf *b, size_t len)
{
	b->len = len;
	b->failed = false;
	if (b->data)
		b->data[len] = '\0';
}

/* Members of a batch's answer are separated by commas; the writer does not know of those before it. */
static size_t begin_answer(struct strbuf *to, const struct rpc_batch *batch)
{
	size_t mark = to->len;

	if (batch)
		(void)strbuf_putc(to, to->len == 0 ? '[' : ',');
	return mark;
}

static void end_answer(struct rpc_conn *conn, struct strbuf *to)
{
	if (to == &conn->server->scratch)
		strbuf_fini(to);
	else if (to == &conn->out)
		conn_send(conn);
}

static void write_error(struct strbuf *to, const struct rpc_batch *batch, const json_t *id, const struct rpc_error *err)
{
	size_t mark = begin_answer(to, batch);
	struct json_out out = json_out_on(to);

	jsonrpc_error(&out, id, err);
	if (to->failed)
		cut(to, mark);
}

static void too_large(struct rpc_error *err)
{
	(void)rpc_error_set(err, RPC_OVERLOADED, "the answer is larger than %u bytes, or memory is short", LIMIT_RPC_ANSWER);
	rpc_error_hint(err, "ask for less at a time");
}

static void answer_error(struct rpc_call *call, const struct rpc_error *err)
{
	struct strbuf *to = target_of(call);

	if (call->id) {
		write_error(to, call->batch, call->id, err);
		if (to->len == 0)
			conn_kill(call->conn); /* not even the error found room */
	}
	end_answer(call->conn, to);
}

void call_no_request(struct rpc_conn *conn, const struct rpc_error *err)
{
	write_error(&conn->out, NULL, NULL, err);
	conn_send(conn);
}

/* --- calls -------------------------------------------------------------------------------------- */

static void call_free(struct rpc_call *call)
{
	json_decref(call->id);
	json_decref(call->params);
	free(call);
}

static void batch_finish(struct rpc_conn *conn)
{
	struct rpc_batch *batch = &conn->batch;

	if (batch->next < json_array_size(batch->requests) || batch->pending > 0)
		return;
	json_decref(batch->requests);
	batch->requests = NULL;
	if (batch->out.len > 0) {
		(void)strbuf_putc(&batch->out, ']');
		if (batch->out.failed || strbuf_add(&conn->out, batch->out.data, batch->out.len) < 0)
			conn_kill(conn);
		else
			conn_send(conn);
	}
	strbuf_fini(&batch->out);
}

static void keep(struct rpc_call *call)
{
	list_append(&call->conn->calls, &call->node);
	call->conn->calls_n++;
	if (call->batch)
		call->batch->pending++;
}

/* A kept call was answered. */
static void release(struct rpc_call *call)
{
	struct rpc_conn *conn = call->conn;

	list_remove(&call->node);
	conn->calls_n--;
	if (call->batch) {
		call->batch->pending--;
		batch_finish(conn);
	}
	call_free(call);
	conn_wake(conn);
}

void rpc_call_begin(struct rpc_call *call, struct json_out *out)
{
	strbuf_reset(&call->server->scratch);
	*out = json_out_on(&call->server->scratch);
}

void rpc_call_end(struct rpc_call *call)
{
	struct strbuf *result = &call->server->scratch;
	struct strbuf *to = target_of(call);
	struct rpc_error err;

	if (call->id && !call->conn->dead) {
		size_t mark = begin_answer(to, call->batch);
		struct json_out out = json_out_on(to);

		jsonrpc_begin_result(&out, call->id);
		json_out_raw(&out, strbuf_str(result));
		jsonrpc_end(&out);
		if (result->failed || to->failed) {
			cut(to, mark);
			too_large(&err);
			answer_error(call, &err);
		} else {
			end_answer(call->conn, to);
		}
	}
	strbuf_fini(result);
	release(call);
}

void rpc_call_fail(struct rpc_call *call, const struct rpc_error *err)
{
	if (!call->conn->dead)
		answer_error(call, err);
	release(call);
}

void call_cancel_all(struct rpc_conn *conn)
{
	while (!list_empty(&conn->calls)) {
		struct rpc_call *call = LIST_ENTRY(conn->calls.next, struct rpc_call, node);

		call->cancel(call);
		list_remove(&call->node);
		call_free(call);
	}
	json_decref(conn->batch.requests);
	conn->batch.requests = NULL;
	strbuf_fini(&conn->batch.out);
}

/* --- access -------------------------------------------------------------------------------------- */

bool conn_may(const struct rpc_conn *conn, enum access_class class, const char *name, uint32_t id)
{
	const struct rpc_server *server = conn->server;
	struct access_service service = { .name = name };
	struct supervisor_info info;

	if (id != CORE_NONE && supervisor_info(server->supervisor, id, &info) == 0) {
		service.name = info.name;
		service.tags = info.config ? info.config->tags : NULL;
	}
	return access_allows(&server->settings->allow, server->owner, &conn->peer, class, service.name ? &service : NULL);
}

static void audit(const struct rpc_call *call, const char *service, const char *verdict)
{
	const struct access_peer *peer = &call->conn->peer;

	diag(DIAG_INFO, "audit: call=%llu uid=%u pid=%d method=%s service=%s: %s",
	     (unsigned long long)++call->server->audits, peer->uid, peer->pid, call->method->name,
	     service ? service : "-", verdict);
}

/* A refused caller may try for ever: it must not fill the log. */
static void audit_refusal(const struct rpc_call *call, const char *service)
{
	struct rpc_server *server = call->server;
	usec_t now = loop_now(server->loop);

	if (now - server->refusal_at >= USEC_PER_SEC) {
		if (server->refusals > server->refusals_told)
			diag(DIAG_WARN, "audit: %llu more calls were refused",
			     (unsigned long long)(server->refusals - server->refusals_told));
		server->refusal_at = now;
		server->refusals = server->refusals_told = 0;
	}
	if (++server->refusals > REFUSALS_PER_SEC)
		return;
	server->refusals_told++;
	audit(call, service, "refused");
}

static int check_access(struct rpc_call *call, struct rpc_error *err)
{
	const struct core *core = supervisor_core(call->server->supervisor);
	const char *name = param_str(call->params, "name", NULL);
	uint32_t id = name ? core_find(core, name) : CORE_NONE;

	return conn_may(call->conn, call->method->access, name, id) ? 0 : rpc_no_access(call, name, err);
}

enum rpc_outcome rpc_no_access(const struct rpc_call *call, const char *name, struct rpc_error *err)
{
	audit_refusal(call, name);
	(void)rpc_error_set(err, RPC_ACCESS_DENIED, "uid %u may not use %s%s%s", call->conn->peer.uid, call->method->name,
			    name ? " on " : "", name ? name : "");
	rpc_error_hint(err, "ask the administrator for a rule in [server] allow with verb \"%s\"",
		       access_class_name(call->method->access));
	if (name)
		rpc_error_service(err, name);
	return RPC_FAILED;
}

struct supervisor *rpc_call_supervisor(const struct rpc_call *call)
{
	return call->server->supervisor;
}

struct actor rpc_call_actor(const struct rpc_call *call)
{
	return (struct actor){ .uid = call->conn->peer.uid, .pid = call->conn->peer.pid, .via = "rpc" };
}

bool rpc_call_sees(const struct rpc_call *call, uint32_t id)
{
	return conn_may(call->conn, ACCESS_READ, NULL, id);
}

bool rpc_call_may(const struct rpc_call *call, uint32_t id)
{
	return conn_may(call->conn, call->method->access, NULL, id);
}

enum rpc_outcome rpc_no_service(const struct rpc_call *call, const char *name, struct rpc_error *err)
{
	const struct core *core = supervisor_core(call->server->supervisor);
	AUTO(auto_free) const char **names = calloc(NEAR_MAX, sizeof(*names));
	const char *near = NULL;
	size_t n = 0;

	for (uint32_t id = core_next(core, CORE_NONE); names && id != CORE_NONE && n < NEAR_MAX; id = core_next(core, id)) {
		if (rpc_call_sees(call, id))
			names[n++] = core_name(core, id);
	}
	if (n > 0)
		near = str_nearest(name, names, n);
	(void)rpc_error_set(err, RPC_SERVICE_NOT_FOUND, "service not found: %s", name);
	rpc_error_service(err, name);
	if (near)
		rpc_error_hint(err, "did you mean '%s'?", near);
	return RPC_FAILED;
}

uint32_t rpc_call_service(const struct rpc_call *call, struct rpc_error *err)
{
	const char *name = param_str(call->params, "name", "");
	uint32_t id = core_find(supervisor_core(call->server->supervisor), name);

	if (id == CORE_NONE)
		(void)rpc_no_service(call, name, err);
	return id;
}

/* --- dispatch ------------------------------------------------------------------------------------ */

/* Whom a call is about, for the audit: the service that it names, or whose definition it brings. */
static const char *subject_of(const struct rpc_call *call)
{
	const json_t *config = json_object_get(call->params, "config");
	const json_t *service = json_object_get(config ? config : call->params, "service");
	const char *name = param_str(call->params, "name", NULL);

	if (name || !json_is_object(service))
		return name;
	name = json_string_value(json_object_get(service, "name"));
	return name && config_name_valid(name) ? name : NULL; /* what is no name may hold anything */
}

static enum rpc_outcome run_handler(struct rpc_call *call, struct json_out *out, struct rpc_error *err)
{
	enum rpc_outcome outcome;

	if (call->saved)
		return call_go_on(call, out, err);
	outcome = call->method->handler(call, out, err);

	if (call->method->access != ACCESS_READ)
		audit(call, subject_of(call), outcome == RPC_FAILED ? err->message : "taken");
	return outcome;
}

/* Answers at once, fails, or keeps the call. Frees the call unless it is kept. */
static void run_call(struct rpc_call *call)
{
	struct strbuf *to = target_of(call);
	size_t mark = begin_answer(to, call->id ? call->batch : NULL);
	struct json_out out = json_out_on(to);
	struct rpc_error err;
	enum rpc_outcome outcome;

	jsonrpc_begin_result(&out, call->id);
	outcome = run_handler(call, &out, &err);
	if (outcome == RPC_DONE)
		jsonrpc_end(&out);
	if (outcome == RPC_DONE && to->failed) {
		too_large(&err);
		outcome = RPC_FAILED;
	}
	if (outcome == RPC_DONE) {
		end_answer(call->conn, to);
	} else {
		cut(to, mark);
		if (outcome == RPC_FAILED)
			answer_error(call, &err);
	}
	if (outcome == RPC_LATER)
		keep(call);
	else
		call_free(call);
}

static int find_method(const char *name, const struct rpc_method **out, struct rpc_error *err)
{
	const char *names[128];
	const char *near;
	size_t n;
	const struct rpc_method *methods = rpc_methods(&n);

	*out = rpc_method_find(name);
	if (*out)
		return 0;
	n = MIN(n, ARRAY_LEN(names));
	for (size_t i = 0; i < n; i++)
		names[i] = methods[i].name;
	near = str_nearest(name, names, n);
	(void)rpc_error_set(err, RPC_METHOD_NOT_FOUND, "no method '%.64s'", name);
	if (near)
		rpc_error_hint(err, "did you mean '%s'?", near);
	else
		rpc_error_hint(err, "rpc.discover lists all methods");
	return -1;
}

/* Everything up to the handler. */
static int prepare(struct rpc_call *call, const struct jsonrpc_request *request, struct rpc_error *err)
{
	if (find_method(request->method, &call->method, err) < 0)
		return -1;
	if (params_check(call->method->params, call->method->params_n, request->params, &call->params, err) < 0)
		return -1;
	return check_access(call, err);
}

/* --- calls that outlive a server ---------------------------------------------------------------- */

json_t *call_save_all(const struct rpc_conn *conn)
{
	json_t *all = json_array();
	struct rpc_call *call;

	LIST_FOREACH (call, &conn->calls, node) {
		json_t *state = call->save ? call->save(call) : json_object();
		json_t *one = json_pack("{s:s, s:b, s:o, s:O*, s:O*}", "method", call->method->name, "batch", call->batch != NULL,
					"state", state, "id", call->id, "params", call->params);

		if (!one || json_array_append_new(all, one) < 0) {
			json_decref(all);
			return NULL;
		}
	}
	return all;
}

void call_resume(struct rpc_conn *conn, const json_t *saved)
{
	const json_t *state = json_object_get(saved, "state");
	struct rpc_call *call = calloc(1, sizeof(*call));

	if (!call) {
		conn_kill(conn);
		return;
	}
	call->server = conn->server;
	call->conn = conn;
	call->batch = json_is_true(json_object_get(saved, "batch")) ? &conn->batch : NULL;
	call->id = json_incref(json_object_get(saved, "id"));
	call->params = json_incref(json_object_get(saved, "params"));
	call->method = rpc_method_find(json_string_value(json_object_get(saved, "method")));
	call->saved = json_object_size(state) > 0 ? state : NULL;
	list_init(&call->node);
	if (call->method) {
		run_call(call);
		return;
	}
	conn_kill(conn); /* of a newer server: nobody here can answer it */
	call_free(call);
}

/* --- requests ------------------------------------------------------------------------------------ */

static void answer_request(struct rpc_conn *conn, const json_t *value, struct rpc_batch *batch)
{
	struct jsonrpc_request request;
	struct rpc_error err;
	struct rpc_call *call;

	if (jsonrpc_request(value, &request, &err) < 0) {
		write_error(batch ? &batch->out : &conn->out, batch, request.id, &err);
		if (!batch)
			conn_send(conn);
		return;
	}
	call = calloc(1, sizeof(*call));
	if (!call) {
		conn_kill(conn);
		return;
	}
	call->server = conn->server;
	call->conn = conn;
	call->batch = batch;
	call->id = json_incref(request.id);
	list_init(&call->node);
	if (prepare(call, &request, &err) == 0) {
		run_call(call);
		return;
	}
	answer_error(call, &err);
	call_free(call);
}

void call_frame(struct rpc_conn *conn, const char *text, size_t len)
{
	json_t *value;
	json_t *id;
	struct rpc_error err;

	int r = jsonrpc_parse(text, len, &value, &id, &err);

	if (r == -ENOMEM) {
		conn_kill(conn); /* the client asks again, which it would not if it waited for the answer to its id */
		return;
	}
	if (r < 0) {
		write_error(&conn->out, NULL, id, &err);
		json_decref(id);
		conn_send(conn);
		return;
	}
	if (json_is_array(value) && json_array_size(value) > 0 && json_array_size(value) <= LIMIT_RPC_BATCH) {
		conn->batch.requests = value;
		conn->batch.next = 0;
		return;
	}
	if (json_is_array(value)) {
		(void)rpc_error_set(&err, RPC_INVALID_REQUEST, "a batch holds 1 to %d requests", LIMIT_RPC_BATCH);
		call_no_request(conn, &err);
	} else {
		answer_request(conn, value, NULL);
	}
	json_decref(value);
}

void call_batch_next(struct rpc_conn *conn)
{
	struct rpc_batch *batch = &conn->batch;

	answer_request(conn, json_array_get(batch->requests, batch->next++), batch);
	batch_finish(conn);
}
