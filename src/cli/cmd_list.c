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

static void add_row(struct table *t, const struct view *v, struct strbuf *why)
{
	char uptime[16];

	if (v->uptime_ms > 0)
		time_span((usec_t)v->uptime_ms * 1000, uptime, sizeof(uptime));
	strbuf_reset(why);
	view_why(v, why);
	table_add(t, COLOR_PLAIN, v->name);
	table_add(t, color_of_state(v->state), v->state);
	add_number(t, v->pid, v->pid > 0);
	table_add(t, COLOR_PLAIN, v->uptime_ms > 0 ? uptime : "-");
	add_number(t, v->restarts, v->restarts >= 0);
	table_add(t, COLOR_FAINT, v->is_target && !why->len ? "target" : strbuf_str(why));
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

static int list_table(struct cli *cli)
{
	static const char *const titles[] = { "NAME", "STATE", ">PID", ">UPTIME", ">RESTARTS", "WHY", NULL };
	AUTO(strbuf_fini) struct strbuf why = STRBUF(1U << 16);
	AUTO(table_fini) struct table t;
	json_t *answer = NULL;
	json_t *item;
	size_t i;
	/* memory and CPU would cost the server a look at /proc for each; JSON shows all there is */
	json_t *params = json_pack("{s:b}", "usage", cli->opt.json);
	int code = ask(cli, "service.list_full", params, ASK_AGAIN, &answer);

	table_init(&t, titles);
	if (code != EXIT_DONE)
		return code;
	if (cli->opt.json) {
		json_array_foreach(answer, i, item)
			view_flatten(item);
		print_json(answer, false);
	} else {
		json_array_foreach(answer, i, item)
		{
			struct view v;

			view_read(item, &v);
			add_row(&t, &v, &why);
		}
		table_print(&t, stdout, cli->color_out, cli->width);
		if (json_array_size(answer) == 0 && cli->progress)
			(void)fprintf(stderr, "no services: put files into the service directory, then 'zinit reload'\n");
	}
	json_decref(answer);
	return EXIT_DONE;
}

int cmd_list(struct cli *cli, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return cli->opt.names && !cli->opt.json ? list_names(cli) : list_table(cli);
}
