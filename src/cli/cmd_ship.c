/* SPDX-License-Identifier: Apache-2.0 */
/* zinit ship: the sinks of log lines, and how far behind they are. */
#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/table.h"
#include "cli/text.h"

static void add_number(struct table *t, const json_t *sink, const char *key, enum color color)
{
	int64_t n = json_int(sink, key, 0);

	table_addf(t, n ? color : COLOR_PLAIN, "%" PRId64, n);
}

/* Lines that are gone for this receiver, whatever the reason. */
static int64_t lost(const json_t *sink)
{
	static const char *const keys[] = { "dropped", "overrun", "refused", "set_aside" };
	int64_t n = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		n += json_int(sink, keys[i], 0);
	return n;
}

static void add_sink(struct table *t, const json_t *sink)
{
	char span[16];
	int64_t n = lost(sink);

	table_add(t, COLOR_PLAIN, json_str(sink, "name", "?"));
	table_add(t, COLOR_PLAIN, json_str(sink, "type", "?"));
	table_add(t, COLOR_PLAIN, json_str(sink, "phase", "?"));
	add_number(t, sink, "acked", COLOR_PLAIN);
	add_number(t, sink, "retried", COLOR_PLAIN);
	table_addf(t, n ? COLOR_BAD : COLOR_PLAIN, "%" PRId64, n);
	add_number(t, sink, "lag_lines", COLOR_PLAIN);
	time_span((usec_t)json_int(sink, "lag_ms", 0) * USEC_PER_MSEC, span, sizeof(span));
	table_add(t, COLOR_PLAIN, json_int(sink, "lag_ms", 0) ? span : "-");
	table_add(t, COLOR_PLAIN, json_str(sink, "error", ""));
}

int cmd_ship(struct cli *cli, int argc, char **argv)
{
	static const char *const titles[] = { "SINK",  "TYPE",	 "STATE", ">ACKED", ">RETRIED",
					      ">LOST", ">BEHIND", ">BY",   "LAST ERROR", NULL };
	AUTO(table_fini) struct table t;
	json_t *answer = NULL;
	const json_t *sink;
	size_t i;
	int code = ask(cli, "ship.status", NULL, ASK_AGAIN, &answer);

	(void)argc;
	(void)argv;
	table_init(&t, titles);
	if (code == EXIT_DONE && cli->opt.json) {
		print_json(answer, false);
	} else if (code == EXIT_DONE && json_array_size(json_object_get(answer, "sinks")) == 0) {
		(void)puts("no [[ship]] in zinit.toml: nothing is shipped");
	} else if (code == EXIT_DONE) {
		json_array_foreach (json_object_get(answer, "sinks"), i, sink)
			add_sink(&t, sink);
		table_print(&t, stdout, cli->color_out, cli->width);
	}
	json_decref(answer);
	return code;
}
