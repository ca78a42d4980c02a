/* SPDX-License-Identifier: Apache-2.0 */
/* zinit list: all services, one a line. */
#include <stdio.h>

#include "base/mem.h"
#include "base/time.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/view.h"

static void add_number(struct table *t, int64_t n, bool shown)
{
	char text[24];

	if (shown)
		(void)snprintf(text, sizeof(text), "%lld", (long long)n);
	table_add(t, COLOR_PLAIN, shown ? text : "-");
}

static void add_row(struct table *t, const struct view *v, const char *why)
{
	char uptime[16];

	if (v->uptime_ms > 0)
		time_span((usec_t)v->uptime_ms * 1000, uptime, sizeof(uptime));
	table_add(t, COLOR_PLAIN, v->name);
	table_add(t, color_of_state(v->state), v->state);
	add_number(t, v->pid, v->pid > 0);
	table_add(t, COLOR_PLAIN, v->uptime_ms > 0 ? uptime : "-");
	add_number(t, v->restarts, v->restarts >= 0);
	table_add(t, COLOR_FAINT, why);
}

static int64_t number_at(const json_t *row, size_t column)
{
	return json_integer_value(json_array_get(row, column));
}

static const char *text_at(const json_t *row, size_t column)
{
	const char *s = json_string_value(json_array_get(row, column));

	return s ? s : "";
}

/* Rows of service.table: name, state, pid, uptime_ms, restart_count, next_start_ms, note. */
static void add_rows(struct table *t, const json_t *rows)
{
	AUTO(strbuf_fini) struct strbuf why = STRBUF(1U << 16);
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		struct view v = { .name = text_at(row, 0), .state = text_at(row, 1), .pid = number_at(row, 2),
				  .uptime_ms = number_at(row, 3), .restarts = number_at(row, 4),
				  .next_start_ms = number_at(row, 5) };

		strbuf_reset(&why);
		(void)strbuf_puts(&why, text_at(row, 6));
		view_next_try(&v, &why);
		add_row(t, &v, strbuf_str(&why));
	}
}

/* Elements of service.list_full, from a server that has no service.table. */
static void add_objects(struct table *t, const json_t *items)
{
	AUTO(strbuf_fini) struct strbuf why = STRBUF(1U << 16);
	const json_t *item;
	size_t i;

	json_array_foreach(items, i, item)
	{
		struct view v;

		view_read(item, &v);
		strbuf_reset(&why);
		view_why(&v, &why);
		add_row(t, &v, strbuf_str(&why));
	}
}

static int list_names(struct cli *cli)
{
	json_t *answer = NULL;
	const json_t *name;
	size_t i;
	int code = ask(cli, "service.list", NULL, ASK_AGAIN, &answer);

	json_array_foreach(answer, i, name)
		(void)printf("%s\n", json_is_string(name) ? json_string_value(name) : "?");
	json_decref(answer);
	return code;
}

static int list_json(struct cli *cli)
{
	json_t *answer = NULL;
	json_t *item;
	size_t i;
	/* memory and CPU would cost the server a look at /proc for each; JSON shows all there is */
	json_t *params = json_pack("{s:b, s:b}", "usage", cli->opt.json, "invalid", true);
	int code = ask(cli, "service.list_full", params, ASK_AGAIN, &answer);

	if (code != EXIT_DONE)
		return code;
	json_array_foreach(answer, i, item)
		view_flatten(item);
	print_json(answer, false);
	json_decref(answer);
	return EXIT_DONE;
}

static int list_table(struct cli *cli)
{
	static const char *const titles[] = { "NAME", "STATE", ">PID", ">UPTIME", ">RESTARTS", "WHY", NULL };
	AUTO(table_fini) struct table t;
	struct zinit_error err;
	json_t *answer = NULL;
	int r = ask_quietly(cli, "service.table", NULL, ASK_AGAIN, &answer, &err);

	table_init(&t, titles);
	if (r < 0 && ask_is_unknown_method(&err))
		r = ask_quietly(cli, "service.list_full", NULL, ASK_AGAIN, &answer, &err);
	if (r < 0)
		return ask_explain(cli, NULL, &err);
	if (json_is_array(answer))
		add_objects(&t, answer);
	else
		add_rows(&t, json_object_get(answer, "rows"));
	table_print(&t, stdout, cli->color_out, cli->width);
	if (t.cells.len / sizeof(struct table_cell) == t.columns && cli->progress)
		(void)fprintf(stderr, "no services: put files into the service directory, then 'zinit reload'\n");
	json_decref(answer);
	return EXIT_DONE;
}

int cmd_list(struct cli *cli, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	if (cli->opt.json)
		return list_json(cli);
	return cli->opt.names ? list_names(cli) : list_table(cli);
}
