/* SPDX-License-Identifier: Apache-2.0 */
/* zinit status: services in detail; the exit code says whether they run. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/time.h"
#include "cli/ask.h"
#include "cli/color.h"
#include "cli/command.h"
#include "cli/text.h"
#include "cli/view.h"

static void field(const char *name, const char *value)
{
	AUTO(strbuf_fini) struct strbuf clean = STRBUF(1U << 20);

	text_add(&clean, value, strlen(value), TEXT_STRIP);
	(void)printf("  %-12s %s\n", name, strbuf_str(&clean));
}

static void field_time(const char *name, int64_t ms)
{
	char text[TEXT_TIME_SIZE];

	if (ms > 0)
		field(name, text_time((ts_ns)ms * 1000000, TEXT_TIME_FULL, text));
}

static void field_names(const char *name, const json_t *names)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(1U << 16);
	size_t i;
	const json_t *item;

	json_array_foreach(names, i, item)
		(void)strbuf_addf(&text, "%s%s", i > 0 ? ", " : "", json_is_string(item) ? json_string_value(item) : "?");
	if (text.len > 0)
		field(name, strbuf_str(&text));
}

/* One line for each that it depends on: what, which, and how it is with that one. */
static void field_dependencies(const struct cli *cli, const json_t *dependencies)
{
	const json_t *item;
	size_t i;

	json_array_foreach(dependencies, i, item)
	{
		struct view v;

		view_read(item, &v);
		(void)printf("  %-12s %s (%s%s%s)\n", json_str(item, "dep_type", "?"), v.name,
			     color_begin(color_of_state(v.state), cli->color_out), v.state, color_end(cli->color_out));
	}
}

static void print_process(const json_t *answer, const struct view *v)
{
	char text[64];
	char size[TEXT_SIZE_SIZE];
	char span[16];

	if (v->pid > 0) {
		(void)snprintf(text, sizeof(text), "%lld", (long long)v->pid);
		field("pid", text);
	}
	if (v->uptime_ms > 0) {
		time_span((usec_t)v->uptime_ms * 1000, span, sizeof(span));
		field("uptime", span);
	}
	if (json_object_get(answer, "memory_bytes")) {
		(void)snprintf(text, sizeof(text), "%s", text_size((uint64_t)json_int(answer, "memory_bytes", 0), size));
		field("memory", text);
		(void)snprintf(text, sizeof(text), "%.1f%%", json_num(answer, "cpu_percent", 0));
		field("cpu", text);
	}
	if (v->restarts >= 0) {
		(void)snprintf(text, sizeof(text), "%lld", (long long)v->restarts);
		field("restarts", text);
	}
	if (v->exit_code >= 0) {
		(void)snprintf(text, sizeof(text), "%lld", (long long)v->exit_code);
		field("exit_code", text);
	}
	if (json_int(answer, "exit_signal", 0) > 0) {
		(void)snprintf(text, sizeof(text), "%lld", (long long)json_int(answer, "exit_signal", 0));
		field("exit_signal", text);
	}
}

static void print_status(const struct cli *cli, const char *name, const json_t *answer, const struct view *v)
{
	AUTO(strbuf_fini) struct strbuf why = STRBUF(1U << 16);
	static const char *const texts[] = { "description", "status_text", "health", "health_error", "class", "path" };

	view_why(v, &why);
	(void)printf("%s%s%s: %s%s%s%s%s\n", color_begin(COLOR_TITLE, cli->color_out), name, color_end(cli->color_out),
		     color_begin(color_of_state(v->state), cli->color_out), v->state, color_end(cli->color_out),
		     why.len ? ", " : "", strbuf_str(&why));
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (*json_str(answer, texts[i], ""))
			field(texts[i], json_str(answer, texts[i], ""));
	print_process(answer, v);
	field_time("started", json_int(answer, "last_start", 0));
	if (v->pid == 0)
		field_time("ended", json_int(answer, "last_stop", 0));
	if (*json_str(answer, "log_error", ""))
		field("log", json_str(answer, "log_error", ""));
	field_dependencies(cli, json_object_get(answer, "dependencies"));
	field_names("blocked_by", v->waiting);
	field_names("tags", json_object_get(answer, "tags"));
}

#define SERVICE_NOT_FOUND (-32000)

/* "There is no such service" is an answer to the question whether it runs. */
static int explain(const struct cli *cli, const struct zinit_error *err)
{
	int code = ask_explain(cli, NULL, err);

	return err->status == ZINIT_ANSWER && err->rpc_code == SERVICE_NOT_FOUND ? EXIT_NOT_RUNNING : code;
}

static int status_of(struct cli *cli, const char *name, bool one_line)
{
	json_t *answer = NULL;
	struct zinit_error err;
	struct view v;
	int code;

	if (ask_quietly(cli, "service.status_full", json_pack("{s:s}", "name", name), ASK_AGAIN, &answer, &err) < 0)
		return explain(cli, &err);
	view_flatten(answer);
	view_read(answer, &v);
	code = view_is_up(&v) ? EXIT_DONE : EXIT_NOT_RUNNING;
	if (cli->opt.json)
		print_json(answer, one_line);
	else if (!cli->opt.quiet)
		print_status(cli, name, answer, &v);
	json_decref(answer);
	if (code != EXIT_DONE && cli->progress)
		say_next(cli, "zinit why %s", name);
	return code;
}

int cmd_status(struct cli *cli, int argc, char **argv)
{
	int code = EXIT_DONE;

	for (int i = 0; i < argc && code != EXIT_NO_SERVER; i++) {
		int one = status_of(cli, argv[i], argc > 1);

		if (code == EXIT_DONE)
			code = one;
	}
	return code;
}
