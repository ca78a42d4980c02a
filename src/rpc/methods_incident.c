/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: incident.list and incident.show: what the flight recorder kept. The disk is read in the log's work thread. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log/incident.h"
#include "log/log.h"
#include "rpc/conn.h"
#include "rpc/select.h"
#include "service/core.h"

struct question {
	struct rpc_call *call;
	struct log_incident_ask *ask;
};

static void cancel(struct rpc_call *call)
{
	struct question *q = call->later;

	log_incident_cancel(q->ask);
	query_ended(call->server);
	free(q);
}

static struct rpc_call *finish(struct question *q)
{
	struct rpc_call *call = q->call;

	query_ended(call->server);
	free(q);
	return call;
}

static void fail(struct rpc_call *call, int result)
{
	struct rpc_error err;

	if (result == -ENOENT)
		(void)rpc_error_set(&err, RPC_SERVICE_NOT_FOUND, "no such incident is kept");
	else
		(void)rpc_error_set(&err, RPC_INTERNAL_ERROR, "reading the incidents: %s", strerror(-result));
	rpc_error_hint(&err, "incident.list tells which there are");
	rpc_call_fail(call, &err);
}

/* A service that is gone may have incidents still: who may see it is decided by its name. */
static bool may_see(const struct rpc_call *call, const char *service)
{
	return conn_may(call->conn, ACCESS_READ, service, core_find(supervisor_core(rpc_call_supervisor(call)), service));
}

/* --- list ----------------------------------------------------------------------------------------- */

static bool is_wanted(const struct rpc_call *call, const char *service)
{
	const struct supervisor *sup = rpc_call_supervisor(call);
	size_t n = param_strings_n(call->params, "names");
	uint32_t id = core_find(supervisor_core(sup), service);
	bool wanted = n == 0;

	for (size_t i = 0; i < n && !wanted; i++) {
		const char *pattern = param_string_at(call->params, "names", i);

		wanted = pattern[0] != '@' && str_glob(pattern, service);
	}
	if (!wanted && id != CORE_NONE)
		wanted = select_matches(sup, json_object_get(call->params, "names"), id);
	return wanted && may_see(call, service);
}

static void write_heads(const struct rpc_call *call, const char *text, size_t len, struct json_out *out)
{
	for (const char *line = text; line < text + len;) {
		size_t n = strcspn(line, "\n");
		json_t *head = json_loadb(line, n, 0, NULL);
		const char *service = json_string_value(json_object_get(head, "service"));

		if (service && is_wanted(call, service))
			json_out_tree(out, head);
		json_decref(head);
		line += n + 1;
	}
}

static void on_list(int result, const struct strbuf *text, void *data)
{
	struct rpc_call *call = finish(data);
	struct json_out out;

	if (result < 0) {
		fail(call, result);
		return;
	}
	rpc_call_begin(call, &out);
	json_out_open_object(&out);
	json_out_key(&out, "incidents");
	json_out_open_array(&out);
	write_heads(call, strbuf_str(text), text->len, &out);
	json_out_close_array(&out);
	json_out_member_uint(&out, "lost", log_incidents_lost(supervisor_log(rpc_call_supervisor(call))));
	json_out_close_object(&out);
	rpc_call_end(call);
}

/* --- show ----------------------------------------------------------------------------------------- */

static void on_text(int result, const struct strbuf *text, void *data)
{
	struct rpc_call *call = finish(data);
	json_t *incident = result < 0 ? NULL : json_loadb(strbuf_str(text), text->len, 0, NULL);
	const char *service = json_string_value(json_object_get(incident, "service"));
	struct json_out out;

	if (result == 0 && !service)
		result = -EIO; /* somebody wrote into it */
	if (result == 0 && !may_see(call, service))
		result = -ENOENT;
	if (result < 0) {
		json_decref(incident);
		fail(call, result);
		return;
	}
	rpc_call_begin(call, &out);
	json_out_tree(&out, incident);
	json_decref(incident);
	rpc_call_end(call);
}

/* --- asking --------------------------------------------------------------------------------------- */

static enum rpc_outcome ask(struct rpc_call *call, enum log_incident_question question, const char *what,
			    log_incident_fn fn, struct rpc_error *err)
{
	struct question *q = calloc(1, sizeof(*q));
	int r;

	if (!q)
		return rpc_error_set(err, RPC_INTERNAL_ERROR, "out of memory");
	if (query_begun(call->server, err) < 0) {
		free(q);
		return RPC_FAILED;
	}
	q->call = call;
	r = log_incident_ask(supervisor_log(rpc_call_supervisor(call)), question, what, fn, q, &q->ask);
	if (r < 0) {
		(void)finish(q);
		return rpc_error_set(err, RPC_INTERNAL_ERROR, "the incidents can't be read: %s", strerror(-r));
	}
	call->cancel = cancel;
	call->later = q;
	return RPC_LATER;
}

RPC_HANDLER(rpc_incident_list)
{
	(void)out;
	return ask(call, LOG_INCIDENT_LIST, NULL, on_list, err);
}

RPC_HANDLER(rpc_incident_show)
{
	const char *name = param_str(call->params, "name", NULL);
	const char *service;

	(void)out;
	if (!name)
		return rpc_error_set(err, RPC_INVALID_PARAMS, "parameter 'name': missing; expected a service, or the id of an incident");
	return ask(call, incident_id_parse(name, &service) ? LOG_INCIDENT_BY_ID : LOG_INCIDENT_NEWEST, name, on_text, err);
}
