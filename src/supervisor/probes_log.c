/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: readiness by a line of the output that matches a pattern. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "supervisor/probes.h"

/* Lines looked at before the loop goes on with others. */
#define LINES_MAX 1024

static void watch_free(struct probes_log_watch *w)
{
	list_remove(&w->node);
	log_follow_free(w->follow);
	query_filter_free(w->filter);
	free(w);
}

static int on_line(const struct log_line *line, void *data)
{
	bool *found = data;

	*found = *found || !(line->flags & LINE_LOST);
	return 0;
}

static void on_wake(struct log_follow *f, void *data)
{
	struct probes_log_watch *w = data;
	struct probes *p = w->probes;
	size_t check = w->check;
	bool found = false;

	while (!found && log_follow_read(f, LINES_MAX, on_line, &found) > 0)
		;
	if (!found)
		return;
	watch_free(w);
	health_told_ready(p->health, check);
}

static void trouble(struct probes *p, size_t check, const char *text)
{
	struct probe_result result;

	diag(DIAG_ERROR, "%s: health check by log: %s", p->unit->config->name, text);
	probe_result_set(&result, PROBE_UNAVAILABLE, 0, "%s", text);
	health_told_trouble(p->health, check, &result);
}

/* Its first lines may be there already; what comes after them is followed. */
static int look(struct probes_log_watch *w, const struct query_opts *opts, bool *found, struct error *err)
{
	struct log_cursor cursor = { 0 };
	int r = query_filter_new(opts, &w->filter, err);

	if (r == 0)
		r = log_memory(w->probes->unit->log, opts, on_line, found, &cursor, err);
	if (r < 0 || *found)
		return r;
	r = log_follow_new(w->probes->unit->log, &cursor, w->filter, on_wake, w, &w->follow);
	return r < 0 ? error_set(err, -r, "%s", strerror(-r)) : 0;
}

void probes_log_start(struct probes *p, size_t check)
{
	struct probes_log_watch *w;
	struct query_opts opts = QUERY_OPTS_INIT;
	bool found = false;
	struct error err;

	if (!p->unit->log) {
		trouble(p, check, "the output is not logged");
		return;
	}
	w = calloc(1, sizeof(*w));
	if (!w) {
		trouble(p, check, strerror(ENOMEM));
		return;
	}
	w->probes = p;
	w->check = check;
	list_append(&p->log_watches, &w->node);
	opts.regex = p->unit->config->health.items[check].target.text;
	opts.by_run = true;
	opts.run = (int64_t)p->run;
	opts.memory_only = true;
	if (look(w, &opts, &found, &err) < 0) {
		watch_free(w);
		trouble(p, check, err.msg);
	} else if (found) {
		watch_free(w);
		health_told_ready(p->health, check);
	}
}

void probes_log_stop(struct probes *p)
{
	struct probes_log_watch *w;

	LIST_FOREACH (w, &p->log_watches, node)
		watch_free(w);
}
