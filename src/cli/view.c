/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: how a service in an answer is read, and the words for its state. */
#include "cli/view.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/time.h"
#include "cli/text.h"

void view_read(const json_t *answer, struct view *out)
{
	const json_t *state = json_object_get(answer, "state");
	const json_t *inner = json_is_object(state) ? state : answer;

	*out = (struct view){
		.name = json_str(answer, "name", ""),
		.state = json_str(inner, "state", "unknown"),
		.pid = json_int(inner, "pid", json_int(answer, "pid", 0)),
		.uptime_ms = json_int(answer, "uptime_ms", -1),
		.restarts = json_int(answer, "restart_count", -1),
		.exit_code = json_int(inner, "exit_code", json_int(answer, "exit_code", -1)),
		.next_start_ms = json_int(answer, "next_start_ms", 0),
		.reason = json_object_get(inner, "reason"),
		.error = json_str(answer, "error", NULL),
		.waiting = json_object_get(inner, "waiting_on"),
		.is_target = json_flag(answer, "is_target"),
	};
	if (!out->reason)
		out->reason = json_object_get(answer, "reason");
	if (!json_array_size(out->waiting))
		out->waiting = json_object_get(answer, "blocked_by");
}

void view_flatten(json_t *answer)
{
	json_t *inner = json_object_get(answer, "state");
	json_t *name;

	if (!json_is_object(inner))
		return;
	name = json_incref(json_object_get(inner, "state"));
	(void)json_object_del(inner, "state");
	(void)json_object_update(answer, inner);
	(void)json_object_set_new(answer, "state", name);
}

/* The failure reasons of the states, by their "type"; %s or %d stands for `member`. */
static const struct {
	const char *type, *before, *member, *after;
} reasons[] = {
	{ "exit_code", "exited with code ", "code", "" },
	{ "signal", "killed by signal ", "signal", "" },
	{ "start_timeout", "not ready within the start time-out", NULL, "" },
	{ "stop_timeout", "did not stop within the stop time-out", NULL, "" },
	{ "health_check_failed", "health check failed after ", "attempts", " attempts" },
	{ "dependency_failed", "dependency '", "service", "' failed" },
	{ "missing_dependency", "dependency '", "dependency", "' does not exist" },
	{ "spawn_error", "could not be started: ", "message", "" },
};

static void add_member(const json_t *value, struct strbuf *out)
{
	if (json_is_string(value))
		(void)strbuf_puts(out, json_string_value(value));
	else if (json_is_integer(value))
		(void)strbuf_addf(out, "%lld", (long long)json_integer_value(value));
	else
		(void)strbuf_putc(out, '?');
}

void view_reason(const json_t *reason, struct strbuf *out)
{
	const char *type = json_str(reason, "type", NULL);
	const char *text = json_str(reason, "text", NULL);

	if (json_is_string(reason) || text) {
		(void)strbuf_puts(out, text ? text : json_string_value(reason));
		return;
	}
	for (size_t i = 0; type && i < ARRAY_LEN(reasons); i++) {
		if (!str_equal(type, reasons[i].type))
			continue;
		(void)strbuf_puts(out, reasons[i].before);
		if (reasons[i].member)
			add_member(json_object_get(reason, reasons[i].member), out);
		(void)strbuf_puts(out, reasons[i].after);
		return;
	}
	if (type)
		(void)strbuf_puts(out, type);
}

static void add_names(const json_t *names, struct strbuf *out)
{
	size_t i;
	const json_t *name;

	json_array_foreach(names, i, name)
	{
		const char *s = json_is_object(name) ? json_str(name, "name", "?") : json_string_value(name);

		(void)strbuf_addf(out, "%s%s", i > 0 ? ", " : "", s ? s : "?");
	}
}

static void add_why(const struct view *v, struct strbuf *out)
{
	if (v->error) {
		(void)strbuf_add(out, v->error, strcspn(v->error, "\n")); /* the first of several */
	} else if (v->reason && !json_is_null(v->reason)) {
		view_reason(v->reason, out);
	} else if (str_equal(v->state, "blocked") && json_array_size(v->waiting)) {
		(void)strbuf_puts(out, "waiting for ");
		add_names(v->waiting, out);
	} else if (str_equal(v->state, "exited") && v->exit_code > 0) {
		(void)strbuf_addf(out, "exited with code %lld", (long long)v->exit_code);
	}
}

void view_next_try(const struct view *v, struct strbuf *out)
{
	char span[16];

	if (v->next_start_ms <= 0)
		return;
	time_span((usec_t)v->next_start_ms * 1000, span, sizeof(span));
	(void)strbuf_addf(out, "%snext try in %s", out->len > 0 ? "; " : "", span);
}

void view_why(const struct view *v, struct strbuf *out)
{
	add_why(v, out);
	view_next_try(v, out);
}

bool view_is_up(const struct view *v)
{
	return str_equal(v->state, "running") || (str_equal(v->state, "exited") && v->exit_code <= 0);
}

bool view_is_down(const struct view *v)
{
	return str_equal(v->state, "inactive") || str_equal(v->state, "exited") || str_equal(v->state, "failed");
}
