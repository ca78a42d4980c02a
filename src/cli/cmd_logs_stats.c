/* SPDX-License-Identifier: Apache-2.0 */
/* zinit logs --stats: what became of the lines of services. */
#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/table.h"
#include "cli/text.h"

#define CELL_MAX 4096

static void add_size(struct table *t, const json_t *object, const char *key)
{
	char size[TEXT_SIZE_SIZE];

	table_add(t, COLOR_PLAIN, text_size((uint64_t)json_int(object, key, 0), size));
}

static void add_count(struct table *t, const json_t *object, const char *key)
{
	table_addf(t, COLOR_PLAIN, "%lld", (long long)json_int(object, key, 0));
}

/* "12 by store (No space left on device)" */
static void add_dropped(struct table *t, const json_t *dropped)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(CELL_MAX);
	const json_t *one;
	size_t i;

	json_array_foreach(dropped, i, one)
	{
		if (json_int(one, "lines", 0) > 0)
			(void)strbuf_addf(&text, "%s%lld by %s (%s)", text.len ? ", " : "", (long long)json_int(one, "lines", 0),
					  json_str(one, "consumer", "?"), json_str(one, "why", "?"));
	}
	table_add(t, text.len ? COLOR_BAD : COLOR_FAINT, text.len ? strbuf_str(&text) : "-");
}

static void print_table(const struct cli *cli, const json_t *all)
{
	static const char *const titles[] = { "NAME", ">READ", ">LINES", ">MEMORY", ">STORED", ">BEHIND", "DISK", "DROPPED", NULL };
	AUTO(table_fini) struct table t;
	const json_t *one;
	size_t i;

	table_init(&t, titles);
	json_array_foreach(all, i, one)
	{
		const char *error = json_str(one, "store_error", NULL);

		table_add(&t, COLOR_PLAIN, json_str(one, "service", "?"));
		add_size(&t, one, "bytes_read");
		add_count(&t, one, "lines_read");
		add_count(&t, one, "lines_in_memory");
		add_count(&t, one, "stored_lines");
		add_count(&t, one, "store_behind");
		table_add(&t, error ? COLOR_BAD : COLOR_PLAIN, error ? error : "ok");
		add_dropped(&t, json_object_get(one, "dropped"));
	}
	table_print(&t, stdout, cli->color_out, cli->width);
}

int cmd_logs_stats(struct cli *cli, int argc, char **argv)
{
	json_t *params = json_object();
	json_t *answer = NULL;
	int code;

	ask_add_names(params, argc, argv);
	code = ask(cli, "logs.stats", params, ASK_AGAIN, &answer);
	if (code != EXIT_DONE)
		return code;
	if (cli->opt.json)
		print_json(answer, false);
	else
		print_table(cli, answer);
	json_decref(answer);
	return EXIT_DONE;
}
