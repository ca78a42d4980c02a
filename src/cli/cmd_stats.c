/* SPDX-License-Identifier: Apache-2.0 */
/* zinit stats: what services cost. Without names: all that run. */
#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/view.h"

static void add_size(struct table *t, const json_t *object, const char *key)
{
	char size[TEXT_SIZE_SIZE];

	table_add(t, COLOR_PLAIN, text_size((uint64_t)json_int(object, key, 0), size));
}

static void add_main(struct table *t, const char *name, const json_t *answer)
{
	table_add(t, COLOR_PLAIN, name);
	table_addf(t, COLOR_PLAIN, "%lld", (long long)json_int(answer, "pid", 0));
	table_addf(t, COLOR_PLAIN, "%.1f", json_num(answer, "cpu_percent", 0));
	add_size(t, answer, "memory_bytes");
	for (int i = 0; i < 6; i++)
		table_add(t, COLOR_PLAIN, "-");
}

static void add_row(struct table *t, const char *name, const json_t *answer)
{
	const json_t *total = json_object_get(answer, "total");

	if (!json_is_object(total)) { /* an older server tells of the main process only */
		add_main(t, name, answer);
		return;
	}
	table_add(t, COLOR_PLAIN, name);
	table_addf(t, COLOR_PLAIN, "%lld", (long long)json_int(answer, "pid", 0));
	table_addf(t, COLOR_PLAIN, "%.1f", json_num(total, "cpu_percent", 0));
	add_size(t, total, "rss_bytes");
	add_size(t, total, "pss_bytes");
	table_addf(t, COLOR_PLAIN, "%lld", (long long)json_int(total, "processes", 0));
	table_addf(t, COLOR_PLAIN, "%lld", (long long)json_int(total, "threads", 0));
	table_addf(t, COLOR_PLAIN, "%lld", (long long)json_int(total, "fds", 0));
	add_size(t, total, "read_bytes");
	add_size(t, total, "write_bytes");
}

static int stats_of(struct cli *cli, const char *name, struct table *t, json_t *all)
{
	json_t *answer = NULL;
	int code = ask(cli, "service.stats", json_pack("{s:s}", "name", name), ASK_AGAIN, &answer);

	if (code != EXIT_DONE)
		return code;
	add_row(t, name, answer);
	(void)json_object_set_new(all, name, answer);
	return EXIT_DONE;
}

static int stats_of_running(struct cli *cli, struct table *t, json_t *all)
{
	json_t *list = NULL;
	const json_t *item;
	size_t i;
	int code = ask(cli, "service.list_full", NULL, ASK_AGAIN, &list);

	json_array_foreach(list, i, item)
	{
		struct view v;
		int one;

		view_read(item, &v);
		one = v.pid > 0 ? stats_of(cli, v.name, t, all) : EXIT_DONE;
		if (code == EXIT_DONE)
			code = one;
	}
	json_decref(list);
	return code;
}

int cmd_stats(struct cli *cli, int argc, char **argv)
{
	static const char *const titles[] = { "NAME",     ">PID",    ">CPU%", ">MEMORY", ">PSS",
					      ">PROCS", ">THREADS", ">FDS",  ">READ",   ">WRITTEN", NULL };
	AUTO(table_fini) struct table t;
	json_t *all = json_object();
	int code = EXIT_DONE;

	table_init(&t, titles);
	if (argc == 0)
		code = stats_of_running(cli, &t, all);
	for (int i = 0; i < argc && code != EXIT_NO_SERVER; i++) {
		int one = stats_of(cli, argv[i], &t, all);

		if (code == EXIT_DONE)
			code = one;
	}
	if (cli->opt.json)
		print_json(all, false);
	else if (code == EXIT_DONE || json_object_size(all) > 0)
		table_print(&t, stdout, cli->color_out, cli->width);
	json_decref(all);
	return code;
}
