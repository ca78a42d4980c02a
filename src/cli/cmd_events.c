/* SPDX-License-Identifier: Apache-2.0 */
/* zinit events: what happened to services, and why. */
#include <stdio.h>

#include "base/mem.h"
#include "base/parse.h"
#include "cli/ask.h"
#include "cli/color.h"
#include "cli/command.h"
#include "cli/follow.h"
#include "cli/text.h"

#define SHOWN 100
#define SHOWN_FOLLOWING 10
/* Events that this user may not see never come. */
#define IDLE_MS 1000

struct events {
	struct cli *cli;
	int64_t cursor; /* of the last event that was shown */
	int64_t last;   /* without -f: stop behind this one */
};

static void print_event(const struct cli *cli, const json_t *event)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(1U << 16);
	const char *to = json_str(event, "to", NULL);
	const char *cause = json_str(event, "cause", "");
	char when[TEXT_TIME_SIZE];

	if (cli->opt.json) {
		print_json(event, true);
		return;
	}
	(void)strbuf_puts(&text, text_time(json_int(event, "timestamp_ms", 0) * 1000000, TEXT_TIME_FULL, when));
	(void)strbuf_addf(&text, " %-12s ", json_str(event, "service", "server"));
	if (to)
		(void)strbuf_addf(&text, "%s -> %s%s%s", json_str(event, "from", "?"), color_begin(color_of_state(to), cli->color_out),
				  to, color_end(cli->color_out));
	else
		(void)strbuf_puts(&text, json_str(event, "kind", "?"));
	if (*cause)
		(void)strbuf_addf(&text, ": %s", cause);
	(void)printf("%s\n", strbuf_str(&text));
}

static json_t *params(void *data)
{
	const struct events *e = data;

	return json_pack("{s:I}", "cursor", (json_int_t)e->cursor);
}

static void got(const json_t *params, void *data)
{
	struct events *e = data;
	const json_t *events = json_object_get(params, "events");
	int64_t lost = json_int(params, "lost", 0);
	const json_t *event;
	size_t i;

	if (lost > 0 && e->cursor > 0 && !e->cli->opt.json)
		(void)printf("--- %lld events are no longer kept ---\n", (long long)lost);
	json_array_foreach(events, i, event)
	{
		if (e->cli->opt.follow || json_int(event, "cursor", 0) <= e->last)
			print_event(e->cli, event);
	}
	e->cursor = json_int(params, "cursor", e->cursor);
}

static bool done(const void *data)
{
	const struct events *e = data;

	return !e->cli->opt.follow && e->cursor >= e->last;
}

static int find_last(struct events *e)
{
	json_t *answer = NULL;
	int code = ask(e->cli, "system.info", NULL, ASK_AGAIN, &answer);

	e->last = json_int(answer, "event_cursor", 0);
	json_decref(answer);
	return code;
}

int cmd_events(struct cli *cli, int argc, char **argv)
{
	struct events e = { .cli = cli };
	const struct follow follow = { "events.subscribe", params, NULL, got, done, IDLE_MS, &e };
	int shown = cli->opt.lines >= 0 ? cli->opt.lines : cli->opt.follow ? SHOWN_FOLLOWING : SHOWN;
	int code;

	(void)argc;
	(void)argv;
	if (cli->opt.cursor && parse_int(cli->opt.cursor, 0, INT64_MAX, &e.cursor) < 0)
		return say_usage(cli, "--cursor: '%s' is not the number of an event", cli->opt.cursor);
	code = find_last(&e);
	if (code != EXIT_DONE)
		return code;
	if (!cli->opt.cursor)
		e.cursor = e.last > shown ? e.last - shown : 0;
	return follow_run(cli, &follow);
}
