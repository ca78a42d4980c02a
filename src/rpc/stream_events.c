/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: events.subscribe: the supervisor's events as notifications. */
#include <stdlib.h>

#include "base/mem.h"
#include "rpc/conn.h"
#include "rpc/stream.h"
#include "service/core.h"

/* Events in one notification. */
#define EVENTS_PER_MESSAGE 100

struct event_sub {
	struct rpc_sub sub;
	struct list all; /* server->event_subs */
	uint64_t cursor; /* of the last event that was sent or passed over */
	json_t *names;   /* patterns: a string or an array; NULL: all services */
};

static struct event_sub *of(struct rpc_sub *sub)
{
	return CONTAINER_OF(sub, struct event_sub, sub);
}

static bool matches(const json_t *names, const char *name)
{
	size_t i;
	json_t *pattern;

	if (!names)
		return true;
	if (json_is_string(names))
		return str_glob(json_string_value(names), name);
	json_array_foreach (names, i, pattern) {
		if (str_glob(json_string_value(pattern), name))
			return true;
	}
	return false;
}

static bool is_wanted(const struct event_sub *sub, const struct supervisor_event *event)
{
	const struct rpc_conn *conn = sub->sub.conn;

	if (event->name[0] == '\0')
		return !sub->names;
	if (!matches(sub->names, event->name))
		return false;
	return conn_may(conn, ACCESS_READ, event->name, core_find(supervisor_core(conn->server->supervisor), event->name));
}

static void write_event(const struct supervisor_event *event, struct json_out *out)
{
	char when[TIME_RFC3339_SIZE];

	time_rfc3339(event->at, when);
	json_out_open_object(out);
	json_out_member_uint(out, "cursor", event->cursor);
	json_out_member_int(out, "timestamp_ms", event->at / 1000000);
	json_out_member_str(out, "time", when);
	json_out_member_str(out, "kind", supervisor_event_kind_name(event->kind));
	json_out_member_str(out, "service", event->name[0] ? event->name : NULL);
	json_out_member_str(out, "from", event->from[0] ? event->from : NULL);
	json_out_member_str(out, "to", event->to[0] ? event->to : NULL);
	json_out_member_str(out, "cause", event->cause);
	json_out_close_object(out);
}

/* One notification. Returns false if there was nothing to send. */
static bool send_some(struct event_sub *sub)
{
	const struct supervisor *sup = sub->sub.conn->server->supervisor;
	struct supervisor_event event;
	struct json_out out;
	uint64_t lost = 0;
	uint64_t lost_now;
	size_t n = 0;

	while (n < EVENTS_PER_MESSAGE && supervisor_event_after(sup, sub->cursor, &event, &lost_now) == 1) {
		lost += lost_now;
		sub->cursor = event.cursor;
		if (!is_wanted(sub, &event))
			continue;
		if (n++ == 0) {
			stream_message_begin(&sub->sub, "events.subscribe", &out);
			json_out_key(&out, "events");
			json_out_open_array(&out);
		}
		write_event(&event, &out);
	}
	if (n == 0 && lost == 0)
		return false;
	if (n == 0)
		stream_message_begin(&sub->sub, "events.subscribe", &out);
	else
		json_out_close_array(&out);
	json_out_member_uint(&out, "cursor", sub->cursor);
	if (lost)
		json_out_member_uint(&out, "lost", lost);
	stream_message_end(&sub->sub, &out);
	return true;
}

static void pump(struct rpc_sub *sub)
{
	if (stream_has_room(sub->conn) && send_some(of(sub)) && stream_has_room(sub->conn))
		conn_wake(sub->conn); /* there may be more: in the next round, after everybody else */
}

static void end(struct rpc_sub *sub)
{
	struct event_sub *events = of(sub);

	list_remove(&events->all);
	json_decref(events->names);
	free(events);
}

void stream_events_look(struct rpc_server *server)
{
	struct event_sub *sub;

	LIST_FOREACH (sub, &server->event_subs, all) {
		if (stream_has_room(sub->sub.conn)) /* else it is pumped when its client has taken what it was sent */
			conn_wake(sub->sub.conn);
	}
}

static json_t *save(const struct rpc_sub *sub)
{
	const struct event_sub *events = CONTAINER_OF(sub, struct event_sub, sub);

	return json_pack("{s:{s:I, s:O*}}", "events", "cursor", (json_int_t)events->cursor, "names", events->names);
}

static struct event_sub *event_sub_new(uint64_t cursor)
{
	struct event_sub *sub = calloc(1, sizeof(*sub));

	if (!sub)
		return NULL;
	sub->sub.pump = pump;
	sub->sub.end = end;
	sub->sub.save = save;
	sub->cursor = cursor;
	return sub;
}

int stream_events_resume(struct rpc_conn *conn, uint64_t id, const json_t *saved)
{
	struct event_sub *sub = event_sub_new((uint64_t)json_integer_value(json_object_get(saved, "cursor")));
	struct rpc_error err;

	if (!sub)
		return -1;
	if (stream_add(conn, &sub->sub, &err) < 0) {
		free(sub);
		return -1;
	}
	sub->sub.id = id;
	sub->names = json_incref(json_object_get(saved, "names"));
	list_append(&conn->server->event_subs, &sub->all);
	server_look_soon(conn->server);
	return 0;
}

enum rpc_outcome rpc_events_subscribe(struct rpc_call *call, struct json_out *out, struct rpc_error *err)
{
	struct supervisor *sup = rpc_call_supervisor(call);
	struct event_sub *sub =
		event_sub_new((uint64_t)param_int(call->params, "cursor", (int64_t)supervisor_event_last(sup)));

	if (!sub)
		return rpc_error_set(err, RPC_INTERNAL_ERROR, "out of memory");
	if (stream_add(call->conn, &sub->sub, err) < 0) {
		free(sub);
		return RPC_FAILED;
	}
	sub->names = json_incref(json_object_get(call->params, "names"));
	list_append(&call->server->event_subs, &sub->all);
	json_out_open_object(out);
	json_out_member_uint(out, "subscription", sub->sub.id);
	json_out_member_uint(out, "cursor", sub->cursor);
	json_out_close_object(out);
	server_look_soon(call->server);
	return RPC_DONE;
}

enum rpc_outcome rpc_subscription_end(struct rpc_call *call, struct json_out *out, struct rpc_error *err)
{
	struct rpc_sub *sub = stream_find(call->conn, (uint64_t)param_int(call->params, "subscription", 0));

	if (!sub)
		return rpc_error_set(err, RPC_INVALID_PARAMS, "parameter 'subscription': this connection has none of that number");
	stream_end(sub);
	json_out_open_object(out);
	json_out_member_bool(out, "ok", true);
	json_out_close_object(out);
	return RPC_DONE;
}
