/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: logs.follow: first the lines that are there (if asked for), by a query in the log's thread, then what comes, by one
 * follower per service. Nothing is lost or doubled between the two: the query says where the followers begin.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "rpc/conn.h"
#include "rpc/log_lines.h"
#include "rpc/log_question.h"
#include "rpc/select.h"
#include "rpc/stream.h"
#include "service/core.h"

#define METHOD "logs.follow"
#define CLASSIC_METHOD "stream_subscribeLogs"
#define LINES_PER_MESSAGE 500
/* A message is closed when it is this long; one line may go over it. */
#define MESSAGE_BYTES (32U << 10)

struct log_sub {
	struct rpc_sub sub;
	struct list all;     /* server->log_subs */
	struct list sources;
	struct query_filter *filter;
	struct log_query *query; /* the lines that were there; NULL: done */
	json_t *names;       /* NULL: every service */
	json_t *params;      /* of the call */
	bool paused;
	bool classic;        /* a line a message, as text; nothing else is told */
	bool live;           /* what was there is sent, and the client was told so */
	bool catching_up;    /* what was there comes after places that the client gave: each line says its own */
};

/* One service of a subscription. */
struct source {
	struct list node;
	struct log_sub *owner;
	struct log_service *svc; /* until it is followed */
	struct log_follow *follow;
	struct log_cursor at; /* after the last line that was sent */
	char name[LIMIT_NAME + 1];
	bool ready;          /* there may be lines */
};

static struct log_sub *of(struct rpc_sub *sub)
{
	return CONTAINER_OF(sub, struct log_sub, sub);
}

static void source_free(struct source *source)
{
	list_remove(&source->node);
	log_follow_free(source->follow);
	free(source);
}

static void end(struct rpc_sub *sub)
{
	struct log_sub *logs = of(sub);
	struct source *source;

	if (logs->query) {
		log_query_cancel(logs->query);
		query_ended(sub->conn->server);
	}
	LIST_FOREACH (source, &logs->sources, node)
		source_free(source);
	list_remove(&logs->all);
	query_filter_free(logs->filter);
	json_decref(logs->names);
	json_decref(logs->params);
	free(logs);
}

/* --- messages ----------------------------------------------------------------------------------- */

struct message {
	struct log_sub *logs;
	struct source *source; /* NULL: lines of the query, which may be of several services */
	struct json_out out;
	size_t begin;
	size_t lines;
	bool open;
};

static void message_close(struct message *m)
{
	char cursor[CURSOR_TEXT_SIZE];

	if (!m->open)
		return;
	m->open = false;
	json_out_close_array(&m->out);
	if (m->source) {
		log_cursor_format(&m->source->at, cursor);
		json_out_member_str(&m->out, "cursor", cursor);
	}
	stream_message_end(&m->logs->sub, &m->out);
}

static void message_open(struct message *m, const char *service)
{
	if (m->open)
		return;
	m->open = true;
	m->lines = 0;
	m->begin = m->logs->sub.conn->out.len;
	stream_message_begin(&m->logs->sub, METHOD, &m->out);
	if (m->source)
		json_out_member_str(&m->out, "service", service);
	json_out_key(&m->out, "lines");
	json_out_open_array(&m->out);
}

static void send_classic(struct log_sub *logs, const struct log_line *line, const char *service)
{
	struct json_out out;

	stream_message_begin(&logs->sub, CLASSIC_METHOD, &out);
	json_out_key(&out, "result");
	log_line_write_classic(line, service, &out);
	stream_message_end(&logs->sub, &out);
}

/* A gap is a message of its own, so that it stands between the lines before and after it. */
static void send_gap(struct message *m, const struct log_line *line, const char *service)
{
	if (m->logs->classic) {
		send_classic(m->logs, line, service);
		return;
	}
	message_close(m);
	stream_message_begin(&m->logs->sub, METHOD, &m->out);
	json_out_member_str(&m->out, "service", service);
	json_out_member_uint(&m->out, "lost", line->lost);
	json_out_member_str(&m->out, "reason", log_lost_reason(line->flags));
	json_out_key(&m->out, "lines");
	json_out_open_array(&m->out);
	json_out_close_array(&m->out);
	stream_message_end(&m->logs->sub, &m->out);
}

static bool is_full(const struct message *m)
{
	return m->open && (m->lines >= LINES_PER_MESSAGE || m->logs->sub.conn->out.len - m->begin >= MESSAGE_BYTES);
}

static void advance(struct log_cursor *at, const struct log_line *line)
{
	at->same = at->ts == line->ts ? at->same + 1 : 1;
	at->ts = line->ts;
	at->seq = line->seq + 1;
}

/* The place after a line of the query. */
static bool history_place(const struct log_sub *logs, const struct log_line *line, struct log_cursor *out)
{
	if (!logs->catching_up || !line->same)
		return false;
	*out = (struct log_cursor){ .ring = line->ring, .ts = line->ts, .same = line->same };
	if (line->ring != CURSOR_NO_RING)
		out->seq = line->seq + 1;
	return true;
}

static void add_line(struct message *m, const struct log_line *line, const char *service)
{
	const struct log_cursor *at = m->source ? &m->source->at : NULL;
	struct log_cursor place;

	if (m->logs->classic) {
		send_classic(m->logs, line, service);
		return;
	}
	message_open(m, service);
	if (!at && history_place(m->logs, line, &place))
		at = &place;
	log_line_write(line, service, at, &m->out);
	m->lines++;
}

/* --- what comes ----------------------------------------------------------------------------------- */

static int on_line(const struct log_line *line, void *data)
{
	struct message *m = data;

	if (m->logs->sub.conn->dead || is_full(m))
		return 1;
	if (line->flags & LINE_LOST) {
		send_gap(m, line, m->source->name);
		return 0;
	}
	/* lines that did not match were passed over before this one */
	log_follow_cursor(m->source->follow, &m->source->at);
	advance(&m->source->at, line);
	add_line(m, line, m->source->name);
	return 0;
}

static void send_ended(struct source *source)
{
	struct rpc_sub *sub = &source->owner->sub;
	struct json_out out;

	if (source->owner->classic)
		return;
	stream_message_begin(sub, METHOD, &out);
	json_out_member_str(&out, "service", source->name);
	json_out_member_bool(&out, "ended", true);
	json_out_key(&out, "lines");
	json_out_open_array(&out);
	json_out_close_array(&out);
	stream_message_end(sub, &out);
}

/* One message a turn: with a thousand followers the next client would wait long for all that they could be sent. */
static void pump_source(struct source *source)
{
	struct message m = { .logs = source->owner, .source = source };
	struct rpc_conn *conn = source->owner->sub.conn;
	int n;

	if (!source->ready || !stream_has_room(conn))
		return;
	n = log_follow_read(source->follow, LINES_PER_MESSAGE, on_line, &m);
	log_follow_cursor(source->follow, &source->at);
	message_close(&m);
	if (n <= 0)
		source->ready = false; /* the end: on_wake() says when there is more */
	if (n < 0 && !conn->dead) {
		send_ended(source);
		source_free(source);
	} else if (n > 0 && stream_has_room(conn)) {
		conn_wake(conn);
	}
}

static void on_wake(struct log_follow *follow, void *data)
{
	struct source *source = data;

	(void)follow;
	source->ready = true;
	if (stream_has_room(source->owner->sub.conn)) /* else it is pumped when its client has taken what it was sent */
		conn_wake(source->owner->sub.conn);
}

static int follow_source(struct source *source, const struct log_cursor *from)
{
	struct log_sub *logs = source->owner;
	int r = log_follow_new(source->svc, from, logs->filter, on_wake, source, &source->follow);

	if (r < 0)
		return r;
	log_follow_cursor(source->follow, &source->at);
	source->ready = true; /* the first reading finds out */
	return 0;
}

/*
 * What was there is sent; from here on lines come as they are written. Says where each service stands, so that a client
 * that has not seen a line of it yet can go on from here after a restart of the server.
 */
static void send_live(struct log_sub *logs)
{
	char cursor[CURSOR_TEXT_SIZE];
	const char *name = NULL;
	struct source *source;
	struct json_out out;
	size_t n = 0;

	if (logs->classic)
		return;
	stream_message_begin(&logs->sub, METHOD, &out);
	json_out_member_bool(&out, "live", true);
	json_out_key(&out, "cursors");
	json_out_open_object(&out);
	LIST_FOREACH (source, &logs->sources, node) {
		log_cursor_format(&source->at, cursor);
		json_out_member_str(&out, source->name, cursor);
		name = source->name;
		n++;
	}
	json_out_close_object(&out);
	if (n == 1) { /* as the messages with lines have it */
		json_out_member_str(&out, "service", name);
		json_out_member_str(&out, "cursor", cursor);
	}
	json_out_key(&out, "lines");
	json_out_open_array(&out);
	json_out_close_array(&out);
	stream_message_end(&logs->sub, &out);
}

static void pump(struct rpc_sub *sub)
{
	struct log_sub *logs = of(sub);
	struct source *source;

	if (logs->paused && logs->query) {
		logs->paused = false;
		log_query_pause(logs->query, false);
	}
	if (logs->query)
		return;
	if (!logs->live) {
		logs->live = true;
		send_live(logs);
	}
	LIST_FOREACH (source, &logs->sources, node)
		pump_source(source);
}

/* --- services that come ----------------------------------------------------------------------------- */

static struct source *source_new(struct log_sub *logs, struct log_service *svc, const char *name)
{
	struct source *source = calloc(1, sizeof(*source));

	if (!source)
		return NULL;
	source->owner = logs;
	source->svc = svc;
	(void)str_copy(source->name, sizeof(source->name), name);
	list_append(&logs->sources, &source->node);
	return source;
}

static bool is_followed(const struct log_sub *logs, const char *name)
{
	struct source *source;

	LIST_FOREACH (source, &logs->sources, node) {
		if (str_equal(source->name, name))
			return true;
	}
	return false;
}

static void follow_new_service(struct log_sub *logs, uint32_t id, struct log_service *svc, const char *name)
{
	struct rpc_conn *conn = logs->sub.conn;
	static const struct log_cursor beginning;
	struct source *source;

	if (logs->query || is_followed(logs, name) || !select_matches(conn->server->supervisor, logs->names, id) ||
	    !conn_may(conn, ACCESS_READ, name, id))
		return;
	source = source_new(logs, svc, name);
	if (!source)
		return;
	if (follow_source(source, &beginning) < 0)
		source_free(source);
	else if (logs->live)
		pump_source(source);
}

/* A service has no log before its first start. */
static void follow_new_services(struct log_sub *logs)
{
	const struct supervisor *sup = logs->sub.conn->server->supervisor;
	const struct core *core = supervisor_core(sup);

	for (uint32_t id = core_next(core, CORE_NONE); id != CORE_NONE; id = core_next(core, id)) {
		struct log_service *svc = log_service_find(supervisor_log(sup), core_name(core, id));

		if (svc)
			follow_new_service(logs, id, svc, core_name(core, id));
	}
}

/* --- what was there ------------------------------------------------------------------------------- */

static void history_done(struct log_sub *logs)
{
	const struct log_cursor *cursors = log_query_cursors(logs->query);
	struct source *source;
	size_t i = 0;

	logs->query = NULL;
	query_ended(logs->sub.conn->server);
	LIST_FOREACH (source, &logs->sources, node) {
		/* it may have been removed meanwhile, and its pointer with it */
		source->svc = log_service_find(supervisor_log(logs->sub.conn->server->supervisor), source->name);
		if (!source->svc || follow_source(source, cursors ? &cursors[i] : NULL) < 0)
			source_free(source);
		i++;
	}
	follow_new_services(logs);
	pump(&logs->sub);
}

static void on_history(struct log_query *q, const struct log_line *lines, size_t n, int result, void *data)
{
	struct log_sub *logs = data;
	struct message m = { .logs = logs };

	(void)q;
	(void)result; /* what could be read was sent; the live part goes on */
	for (size_t i = 0; i < n && !logs->sub.conn->dead; i++) {
		if (is_full(&m))
			message_close(&m);
		if (lines[i].flags & LINE_LOST)
			send_gap(&m, &lines[i], lines[i].service);
		else
			add_line(&m, &lines[i], lines[i].service);
	}
	message_close(&m);
	if (n == 0) {
		history_done(logs);
	} else if (!stream_has_room(logs->sub.conn)) {
		logs->paused = true;
		log_query_pause(logs->query, true);
	}
}

/* --- beginning ------------------------------------------------------------------------------------- */

static int no_memory(struct rpc_error *err)
{
	return rpc_error_set(err, RPC_INTERNAL_ERROR, "out of memory");
}

static int add_sources(struct rpc_call *call, struct log_sub *logs, struct rpc_error *err)
{
	struct supervisor *sup = rpc_call_supervisor(call);
	AUTO(auto_free) uint32_t *ids = NULL;
	int n = select_logs(call, &ids, err);

	for (int i = 0; i < n; i++) {
		const char *name = select_log_name(sup, ids[i]);
		struct log_service *svc = log_service_find(supervisor_log(sup), name);

		if (svc && !source_new(logs, svc, name))
			return no_memory(err);
	}
	return n < 0 ? n : 0;
}

static int begin_with_history(struct rpc_call *call, struct log_sub *logs, const struct query_opts *opts,
			      struct rpc_error *err)
{
	AUTO(auto_free) struct log_service **svcs = NULL;
	struct source *source;
	struct error error;
	size_t n = 0;

	LIST_FOREACH (source, &logs->sources, node)
		n++;
	if (n == 0)
		return 0;
	svcs = calloc(n, sizeof(struct log_service *));
	if (!svcs)
		return no_memory(err);
	n = 0;
	LIST_FOREACH (source, &logs->sources, node)
		svcs[n++] = source->svc;
	if (query_begun(call->server, err) < 0)
		return RPC_FAILED;
	if (log_query_start(supervisor_log(rpc_call_supervisor(call)), svcs, n, opts, on_history, logs, &logs->query,
			    &error) < 0) {
		query_ended(call->server);
		return rpc_error_from(err, &error, NULL);
	}
	return 0;
}

/*
 * "cursor" for the one service, or "cursors" by name. A service without one is followed from now on. What memory does not
 * hold any more is looked for on disk.
 */
static int begin_at_cursors(struct rpc_call *call, struct log_sub *logs, struct query_opts *opts, struct rpc_error *err)
{
	AUTO(auto_free) struct log_cursor *after = NULL;
	struct source *source;
	bool reaches = true;
	size_t n = 0;

	LIST_FOREACH (source, &logs->sources, node) {
		int given = log_question_cursor(call, source->name, &source->at, err);

		if (given < 0)
			return RPC_FAILED;
		if (follow_source(source, given ? &source->at : NULL) < 0)
			return no_memory(err);
		reaches = reaches && log_follow_reaches(source->svc, &source->at);
		n++;
	}
	if (reaches)
		return 0;
	after = calloc(n, sizeof(*after));
	if (!after)
		return no_memory(err);
	n = 0;
	LIST_FOREACH (source, &logs->sources, node) {
		after[n++] = source->at;
		log_follow_free(STEAL(&source->follow));
		source->ready = false;
	}
	opts->after = after;
	opts->last = QUERY_ALL;
	logs->catching_up = true;
	return begin_with_history(call, logs, opts, err);
}

static int begin(struct rpc_call *call, struct log_sub *logs, struct rpc_error *err)
{
	struct query_opts opts;
	struct error error;

	if (log_question(call, &opts, err) < 0)
		return RPC_FAILED;
	if (query_filter_new(&opts, &logs->filter, &error) < 0)
		return rpc_error_set(err, RPC_INVALID_PARAMS, "parameter 'grep': %s", error.msg);
	if (add_sources(call, logs, err) < 0)
		return RPC_FAILED;
	opts.last = (uint64_t)param_int(call->params, "lines", opts.since ? INT64_MAX : 0);
	if (json_object_get(call->params, "cursor") || json_object_get(call->params, "cursors") || opts.last == 0)
		return begin_at_cursors(call, logs, &opts, err);
	opts.until = 0;
	return begin_with_history(call, logs, &opts, err);
}

static void write_begun(const struct log_sub *logs, struct json_out *out)
{
	struct source *source;

	if (logs->classic) {
		json_out_uint(out, logs->sub.id);
		return;
	}
	json_out_open_object(out);
	json_out_member_uint(out, "subscription", logs->sub.id);
	json_out_key(out, "services");
	json_out_open_array(out);
	LIST_FOREACH (source, &logs->sources, node)
		json_out_str(out, source->name);
	json_out_close_array(out);
	json_out_close_object(out);
}

/* --- over the change of servers --------------------------------------------------------------------- */

/* While what was there is still being read, nobody can tell where it stands: its client begins again. */
static json_t *save(const struct rpc_sub *sub)
{
	const struct log_sub *logs = CONTAINER_OF(sub, struct log_sub, sub);
	json_t *cursors = json_object();
	struct source *source;
	char cursor[CURSOR_TEXT_SIZE];

	if (logs->query) {
		json_decref(cursors);
		return NULL;
	}
	LIST_FOREACH (source, &logs->sources, node) {
		log_cursor_format(&source->at, cursor);
		(void)json_object_set_new(cursors, source->name, json_string(cursor));
	}
	return json_pack("{s:{s:b, s:b, s:o, s:O*}}", "logs", "live", logs->live, "classic", logs->classic,
			 "cursors", cursors, "params", logs->params);
}

static struct log_sub *log_sub_new(json_t *params, bool classic)
{
	struct log_sub *logs = calloc(1, sizeof(*logs));

	if (!logs)
		return NULL;
	logs->sub.pump = pump;
	logs->sub.end = end;
	logs->classic = classic;
	logs->sub.save = save;
	logs->params = json_incref(params);
	list_init(&logs->sources);
	list_init(&logs->all);
	return logs;
}

static int resume_source(struct log_sub *logs, const char *name, const json_t *text)
{
	struct supervisor *sup = logs->sub.conn->server->supervisor;
	struct log_service *svc = log_service_find(supervisor_log(sup), name);
	struct source *source = svc ? source_new(logs, svc, name) : NULL;
	struct log_cursor cursor;
	struct rpc_error err;

	/* its service is gone: there is nothing to follow */
	if (!svc)
		return 0;
	return source && log_question_read_cursor(text, &cursor, &err) == 0 && follow_source(source, &cursor) == 0 ? 0 : -1;
}

static int resume(struct log_sub *logs, struct rpc_call *call, const json_t *cursors)
{
	struct query_opts opts;
	struct rpc_error err;
	const char *name;
	json_t *text;

	if (log_question(call, &opts, &err) < 0 || query_filter_new(&opts, &logs->filter, NULL) < 0)
		return -1;
	json_object_foreach ((json_t *)(uintptr_t)cursors, name, text) {
		if (resume_source(logs, name, text) < 0)
			return -1;
	}
	return 0;
}

int stream_logs_resume(struct rpc_conn *conn, uint64_t id, const json_t *saved)
{
	struct rpc_call call = { .server = conn->server, .conn = conn, .params = json_object_get(saved, "params") };
	struct log_sub *logs = log_sub_new(call.params, json_is_true(json_object_get(saved, "classic")));
	struct rpc_error err;

	if (!logs)
		return -1;
	if (stream_add(conn, &logs->sub, &err) < 0) {
		json_decref(logs->params);
		free(logs);
		return -1;
	}
	logs->sub.id = id;
	logs->live = json_is_true(json_object_get(saved, "live"));
	logs->names = json_incref((json_t *)(uintptr_t)select_names(&call));
	list_append(&conn->server->log_subs, &logs->all);
	if (resume(logs, &call, json_object_get(saved, "cursors")) == 0)
		return 0;
	stream_end(&logs->sub);
	return -1;
}

/* --- asking ----------------------------------------------------------------------------------------- */

static enum rpc_outcome follow(struct rpc_call *call, bool classic, struct json_out *out, struct rpc_error *err)
{
	struct log_sub *logs = log_sub_new(call->params, classic);

	if (!logs)
		return no_memory(err);
	if (stream_add(call->conn, &logs->sub, err) < 0) {
		json_decref(logs->params);
		free(logs);
		return RPC_FAILED;
	}
	logs->names = json_incref((json_t *)select_names(call));
	if (list_empty(&call->server->log_subs))
		call->server->seen_event = supervisor_event_last(rpc_call_supervisor(call));
	list_append(&call->server->log_subs, &logs->all);
	if (begin(call, logs, err) < 0) {
		stream_end(&logs->sub);
		return RPC_FAILED;
	}
	write_begun(logs, out);
	conn_wake(call->conn); /* its first lines go out after this answer */
	return RPC_DONE;
}

enum rpc_outcome rpc_logs_follow(struct rpc_call *call, struct json_out *out, struct rpc_error *err)
{
	return follow(call, false, out, err);
}

enum rpc_outcome rpc_classic_follow(struct rpc_call *call, struct json_out *out, struct rpc_error *err)
{
	return follow(call, true, out, err);
}

static void offer_service(struct rpc_server *server, const char *name)
{
	uint32_t id = core_find(supervisor_core(server->supervisor), name);
	struct log_service *svc = log_service_find(supervisor_log(server->supervisor), name);
	struct log_sub *logs;

	if (id == CORE_NONE || !svc)
		return;
	LIST_FOREACH (logs, &server->log_subs, all)
		follow_new_service(logs, id, svc, name);
}

void stream_logs_look(struct rpc_server *server)
{
	struct supervisor_event event;
	uint64_t lost;

	while (supervisor_event_after(server->supervisor, server->seen_event, &event, &lost) == 1) {
		server->seen_event = event.cursor;
		if (event.kind == EVENT_ADDED || event.kind == EVENT_STATE)
			offer_service(server, event.name);
	}
}
