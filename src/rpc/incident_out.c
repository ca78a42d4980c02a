/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what an incident looks like in JSON. Lines come last and fill the room that is left. */
#include "rpc/incident_out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "base/mem.h"
#include "log/incident.h"
#include "log/log.h"
#include "rpc/log_lines.h"
#include "service/core.h"
#include "service/why.h"

/* The service itself and what it depends on, near ones first. */
#define SERVICES_MAX 16
/* The last seconds; and at least so many lines, however old. */
#define SPAN (30 * NSEC_PER_SEC)
#define LINES_MAX 200
#define LINES_LEAST 20
#define LINES_OF_DEPENDENCY 50
/* Left for the end of the object. */
#define END_BYTES 256

struct related {
	uint32_t id;
	const char *relation; /* "self", "requires", "after", "wants" */
};

/* --- who belongs to it ---------------------------------------------------------------------------- */

static bool is_among(const struct related *list, size_t n, uint32_t id)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i].id == id)
			return true;
	}
	return false;
}

static size_t find_related(const struct core *core, uint32_t id, struct related list[SERVICES_MAX])
{
	enum dep_kind kind;
	const char *name;
	uint32_t other;
	size_t n = 1;

	list[0] = (struct related){ id, "self" };
	for (size_t at = 0; at < n; at++) {
		for (size_t i = 0; n < SERVICES_MAX && core_dependency(core, list[at].id, i, &kind, &name, &other); i++) {
			if (kind != DEP_CONFLICTS && other != CORE_NONE && !is_among(list, n, other))
				list[n++] = (struct related){ other, dep_kind_name(kind) };
		}
	}
	return n;
}

static void write_service(const struct supervisor *sup, const struct related *r, struct json_out *out)
{
	const struct core *core = supervisor_core(sup);
	const struct service_record *record = core_record(core, r->id);
	struct supervisor_info info;
	char cause[WHY_TEXT_MAX];

	if (!record || supervisor_info(sup, r->id, &info) < 0)
		return;
	core_cause_text(core, &record->cause, cause, sizeof(cause));
	json_out_open_object(out);
	json_out_member_str(out, "name", info.name);
	json_out_member_str(out, "relation", r->relation);
	json_out_member_str(out, "state", service_state_name(core_state(core, r->id)));
	json_out_member_str(out, "cause", cause);
	json_out_member_str(out, "wish", service_wish_name((enum service_wish)record->wish));
	json_out_member_int(out, "pid", info.pid);
	json_out_member_uint(out, "run", info.run);
	json_out_member_uint(out, "uptime_ms", info.uptime / USEC_PER_MSEC);
	json_out_member_uint(out, "restart_count", record->restarts);
	json_out_member_str(out, "health", info.health);
	json_out_member_str(out, "health_error", info.health_error[0] ? info.health_error : NULL);
	json_out_member_str(out, "status_text", info.status_text[0] ? info.status_text : NULL);
	json_out_close_object(out);
}

/* --- processes ------------------------------------------------------------------------------------ */

static void write_threads(const struct snapshot *s, const struct snapshot_process *p, struct json_out *out)
{
	json_out_key(out, "threads");
	json_out_open_array(out);
	for (size_t i = 0; i < p->threads_n; i++) {
		const struct snapshot_thread *t = &s->threads[p->threads_at + i];

		json_out_open_object(out);
		json_out_member_int(out, "tid", t->tid);
		json_out_key(out, "state");
		json_out_strn(out, &t->state, 1);
		json_out_member_str(out, "wait", t->wait[0] ? t->wait : NULL);
		json_out_close_object(out);
	}
	json_out_close_array(out);
}

static void write_fds(const struct snapshot *s, const struct snapshot_process *p, struct json_out *out)
{
	json_out_key(out, "fds");
	json_out_open_array(out);
	for (size_t i = 0; i < p->fds_n; i++) {
		json_out_open_object(out);
		json_out_member_int(out, "fd", s->fds[p->fds_at + i].fd);
		json_out_member_str(out, "target", s->fds[p->fds_at + i].target);
		json_out_close_object(out);
	}
	json_out_close_array(out);
}

static void write_process(const struct snapshot *s, const struct snapshot_process *p, struct json_out *out)
{
	const struct tree_proc *proc = &p->stats.proc;

	json_out_open_object(out);
	json_out_member_int(out, "pid", proc->pid);
	json_out_member_int(out, "ppid", proc->ppid);
	json_out_member_int(out, "pgid", proc->pgid);
	json_out_member_str(out, "name", proc->comm);
	json_out_key(out, "state");
	json_out_strn(out, &proc->state, 1);
	json_out_member_str(out, "command", p->command);
	json_out_member_uint(out, "cpu_ms", p->stats.cpu_usec / USEC_PER_MSEC);
	json_out_member_uint(out, "rss_bytes", p->stats.rss_bytes);
	json_out_member_uint(out, "threads_n", proc->threads);
	json_out_member_uint(out, "fds_n", p->stats.fds);
	write_threads(s, p, out);
	write_fds(s, p, out);
	json_out_close_object(out);
}

static void write_processes(const struct snapshot *s, struct json_out *out)
{
	json_out_member_uint(out, "processes_n", s ? s->found : 0);
	json_out_key(out, "processes");
	json_out_open_array(out);
	for (size_t i = 0; s && i < s->n; i++)
		write_process(s, &s->processes[i], out);
	json_out_close_array(out);
}

/* --- lines ---------------------------------------------------------------------------------------- */

struct lines {
	struct json_out *out;
	const char *service;
	size_t n;
	bool cut;
};

static int count_fn(const struct log_line *line, void *data)
{
	(void)line;
	(*(size_t *)data)++;
	return 0;
}

static int write_fn(const struct log_line *line, void *data)
{
	struct lines *lines = data;
	struct strbuf *to = lines->out->to;
	size_t before = to->len;
	bool comma = lines->out->comma;

	log_line_write(line, lines->service, NULL, lines->out);
	lines->n++;
	if (!to->failed && to->len + END_BYTES <= to->max)
		return 0;
	to->len = before;
	to->data[before] = '\0';
	to->failed = false;
	lines->out->comma = comma;
	lines->cut = true;
	return -ENOBUFS;
}

/* Lines of the last seconds, of the newest `most` of them; or the newest few, if there are fewer than those. */
static void write_lines_of(struct log_engine *log, const struct related *r, const char *name, ts_ns at, struct lines *lines)
{
	struct log_service *svc = log_service_find(log, name);
	struct query_opts opts = QUERY_OPTS_INIT;
	size_t recent = 0;

	if (!svc || lines->cut)
		return;
	opts.memory_only = true;
	opts.since = at - SPAN;
	opts.last = LINES_LEAST;
	(void)log_memory(svc, &opts, count_fn, &recent, NULL, NULL);
	opts.last = strcmp(r->relation, "self") == 0 ? LINES_MAX : LINES_OF_DEPENDENCY;
	if (recent < LINES_LEAST) {
		opts.since = 0;
		opts.last = LINES_LEAST;
	}
	lines->service = name;
	(void)log_memory(svc, &opts, write_fn, lines, NULL, NULL);
}

/* --- the whole ------------------------------------------------------------------------------------ */

/* What lists show: a line of its own, which is an object but for its end (log/incident.h). */
static void write_head(const struct supervisor *sup, const struct incident *i, const char *id, struct json_out *out)
{
	char when[TIME_RFC3339_SIZE];

	time_rfc3339(i->at, when);
	json_out_open_object(out);
	json_out_member_str(out, "id", id);
	json_out_member_str(out, "service", core_name(supervisor_core(sup), i->id));
	json_out_member_str(out, "kind", incident_kind_name(i->kind));
	json_out_member_str(out, "time", when);
	json_out_member_int(out, "timestamp_ms", i->at / 1000000);
	json_out_member_uint(out, "run", i->run);
	json_out_member_int(out, "pid", i->pid);
	json_out_member_str(out, "text", i->text);
	(void)strbuf_puts(out->to, ",\n");
	out->comma = false;
}

static void write_exit(const struct incident *i, struct json_out *out)
{
	json_out_key(out, "exit");
	if (!i->exit) {
		json_out_null(out);
		return;
	}
	json_out_open_object(out);
	json_out_member_int(out, "code", i->exit->code);
	json_out_member_int(out, "signal", i->exit->signal);
	json_out_member_bool(out, "core_dumped", i->exit->core_dumped);
	json_out_member_uint(out, "oom_kills", i->oom_kills);
	json_out_close_object(out);
}

static void write_incident(const struct supervisor *sup, const struct incident *i, const char *id, struct json_out *out)
{
	const struct core *core = supervisor_core(sup);
	struct related related[SERVICES_MAX];
	size_t n = find_related(core, i->id, related);
	struct lines lines = { .out = out };

	write_head(sup, i, id, out);
	write_exit(i, out);
	json_out_member_uint(out, "unrecorded", i->unrecorded);
	json_out_key(out, "services");
	json_out_open_array(out);
	for (size_t s = 0; s < n; s++)
		write_service(sup, &related[s], out);
	json_out_close_array(out);
	write_processes(i->snapshot, out);
	json_out_key(out, "lines");
	json_out_open_array(out);
	for (size_t s = 0; s < n; s++)
		write_lines_of(supervisor_log(sup), &related[s], core_name(core, related[s].id), i->at, &lines);
	json_out_close_array(out);
	json_out_member_bool(out, "lines_cut", lines.cut);
	json_out_close_object(out);
	(void)strbuf_putc(out->to, '\n');
}

static void on_kept(const char *id, int result, void *data)
{
	(void)data;
	if (result < 0)
		diag(DIAG_WARN, "incident %s can't be written: %s; it is tried again with the next one", id, strerror(-result));
}

void incident_keep(struct supervisor *sup, const struct incident *incident)
{
	const char *service = core_name(supervisor_core(sup), incident->id);
	struct strbuf text = STRBUF(LIMIT_INCIDENT_BYTES);
	struct json_out out = json_out_on(&text);
	char id[INCIDENT_ID_SIZE];
	size_t len;
	char *data;

	incident_id(incident->at, incident_kind_name(incident->kind), service, id);
	write_incident(sup, incident, id, &out);
	if (text.failed) { /* names of files that are all escapes: without them there is room */
		struct incident blind = *incident;

		blind.snapshot = NULL;
		strbuf_reset(&text);
		out = json_out_on(&text);
		write_incident(sup, &blind, id, &out);
	}
	len = text.len;
	data = strbuf_steal(&text);
	if (!data || log_incident_add(supervisor_log(sup), id, data, len, on_kept, NULL) < 0) {
		diag(DIAG_WARN, "%s: no record of the incident (%s): out of memory", service, incident->text);
		free(data);
		return;
	}
	diag(DIAG_INFO, "%s: incident %s: %s", service, id, incident->text);
}
