/* SPDX-License-Identifier: Apache-2.0 */
/* zinit logs: what services printed, and with -f what they go on to print. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/follow.h"
#include "cli/lines.h"
#include "cli/text.h"

#define SHOWN 100
#define SHOWN_FOLLOWING 10
/* A search through segments on disk. */
#define SEARCH_MS 600000

struct logs {
	struct cli *cli;
	json_t *question; /* what is wanted, as parameters */
	json_t *cursors;  /* name -> where to go on; NULL until the server has said where all of them are */
	bool live;        /* what was there is printed */
	ts_ns last;       /* until then: time of the last line that was printed, and ... */
	unsigned int same, skip; /* ... how many of exactly that time; how many of those are still to come again */
	bool nothing;     /* no service matches */
	struct lines lines;
};

/* --- the question ----------------------------------------------------------------------------- */

static int add_time(struct cli *cli, json_t *params, const char *name, const char *text)
{
	char when[TIME_RFC3339_SIZE];
	ts_ns t;

	if (!text)
		return 0;
	if (text_parse_time(text, time_realtime(), &t) < 0)
		return say_usage(cli, "--%s: '%s' is no time; try 10m, 14:30, today, \"2026-01-31 14:30\"", name, text);
	time_rfc3339(t, when);
	(void)json_object_set_new(params, name, json_string(when));
	return 0;
}

/* "web:1-…,db:1-…", as --show-cursor prints it. */
static int add_cursors(struct cli *cli, json_t *params)
{
	json_t *cursors = json_object();
	const char *p = cli->opt.cursor;

	while (p && *p) {
		size_t len = strcspn(p, ",");
		const char *colon = memchr(p, ':', len);

		if (!colon || colon == p) {
			json_decref(cursors);
			return say_usage(cli, "--cursor: '%s' is not what --show-cursor prints", cli->opt.cursor);
		}
		(void)json_object_setn_new(cursors, p, (size_t)(colon - p), json_stringn(colon + 1, (size_t)(p + len - colon - 1)));
		p += len + (p[len] == ',');
	}
	if (cli->opt.cursor)
		(void)json_object_set(params, "cursors", cursors);
	json_decref(cursors);
	return 0;
}

static int add_choices(struct cli *cli, json_t *params)
{
	static const char *const levels[] = { "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug" };
	int64_t run;

	for (int i = 0; cli->opt.level && i < (int)ARRAY_LEN(levels); i++) {
		if (str_equal(cli->opt.level, levels[i]) || (cli->opt.level[0] == '0' + i && !cli->opt.level[1]))
			(void)json_object_set_new(params, "level", json_integer(i));
	}
	if (!cli->opt.run)
		return add_cursors(cli, params);
	if (parse_int(cli->opt.run, INT32_MIN, INT64_MAX, &run) < 0)
		return say_usage(cli, "--run: '%s' is not the number of a run, 0, or -1, -2, … for earlier ones", cli->opt.run);
	(void)json_object_set_new(params, "run", json_integer(run));
	return add_cursors(cli, params);
}

static void add_count(const struct cli *cli, json_t *params)
{
	const struct options *o = &cli->opt;
	int n = o->follow ? SHOWN_FOLLOWING : SHOWN;

	if (o->lines >= 0)
		n = o->lines;
	else if (o->all || o->since || o->until || o->cursor || o->run)
		n = INT_MAX;
	(void)json_object_set_new(params, "lines", json_integer(n));
}

static json_t *make_question(struct cli *cli, int argc, char **argv)
{
	json_t *params = json_object();
	json_t *names = json_array();

	for (int i = 0; i < argc; i++)
		(void)json_array_append_new(names, json_string(argv[i]));
	if (argc > 0)
		(void)json_object_set(params, "names", names);
	json_decref(names);
	if (cli->opt.grep)
		(void)json_object_set_new(params, "grep", json_string(cli->opt.grep));
	if (cli->opt.stream)
		(void)json_object_set_new(params, "stream", json_string(cli->opt.stream));
	add_count(cli, params);
	if (add_time(cli, params, "since", cli->opt.since) == 0 && add_time(cli, params, "until", cli->opt.until) == 0 &&
	    add_choices(cli, params) == 0)
		return params;
	json_decref(params);
	return NULL;
}

/* --- following -------------------------------------------------------------------------------- */

static json_t *follow_params(void *data)
{
	struct logs *logs = data;
	char since[TIME_RFC3339_SIZE];
	json_t *params = json_copy(logs->question);

	if (!logs->cursors && logs->last == 0)
		return params;
	(void)json_object_del(params, "lines");
	(void)json_object_del(params, "since");
	if (logs->cursors) {
		(void)json_object_set(params, "cursors", logs->cursors);
	} else {
		time_rfc3339(logs->last, since);
		(void)json_object_set_new(params, "since", json_string(since));
		logs->skip = logs->same;
	}
	return params;
}

static void follow_began(const json_t *answer, void *data)
{
	struct logs *logs = data;
	const json_t *names = json_object_get(answer, "services");
	const json_t *name;
	size_t i;

	logs->nothing = json_is_array(names) && json_array_size(names) == 0;
	json_array_foreach(names, i, name)
		lines_fit(&logs->lines, json_is_string(name) ? json_string_value(name) : "");
}

/* A line of what was there: not printed again if the server broke off in the middle and began anew. */
static void print_past(struct logs *logs, const json_t *line)
{
	ts_ns t = json_int(line, "timestamp_ns", 0);

	if (logs->skip > 0 && t == logs->last) {
		logs->skip--;
		return;
	}
	logs->skip = 0;
	logs->same = t == logs->last ? logs->same + 1 : 1;
	logs->last = t;
	lines_print(&logs->lines, line, stdout);
}

/* A server that catches up from disk says with each line where it is: a break in there goes on from that line. */
static void note_place(struct logs *logs, const json_t *line)
{
	const char *service = json_str(line, "service", NULL);
	json_t *cursor = json_object_get(line, "cursor");

	if (logs->cursors && service && cursor)
		(void)json_object_set(logs->cursors, service, cursor);
}

static void follow_got(const json_t *params, void *data)
{
	struct logs *logs = data;
	const char *service = json_str(params, "service", NULL);
	const json_t *lines = json_object_get(params, "lines");
	const json_t *line;
	size_t i;

	if (logs->live && !logs->cli->opt.follow)
		return;
	if (json_object_get(params, "lost"))
		lines_print(&logs->lines, params, stdout);
	json_array_foreach(lines, i, line)
	{
		if (logs->live)
			lines_print(&logs->lines, line, stdout);
		else
			print_past(logs, line);
		note_place(logs, line);
	}
	if (json_flag(params, "live")) {
		logs->live = true;
		json_decref(logs->cursors);
		logs->cursors = json_copy(json_object_get(params, "cursors"));
	} else if (logs->cursors && service && json_object_get(params, "cursor")) {
		(void)json_object_set(logs->cursors, service, json_object_get(params, "cursor"));
	}
}

static bool is_done(const void *data)
{
	return ((const struct logs *)data)->live;
}

/* --- once ------------------------------------------------------------------------------------- */

static void print_cursors(const json_t *cursors)
{
	const char *between = "-- cursor: ";
	const char *name;
	const json_t *text;

	json_object_foreach((json_t *)cursors, name, text)
	{
		(void)printf("%s%s:%s", between, name, json_is_string(text) ? json_string_value(text) : "");
		between = ",";
	}
	if (json_object_size(cursors) > 0)
		(void)putchar('\n');
}

static int print_once(struct logs *logs)
{
	json_t *answer = NULL;
	const json_t *lines;
	const json_t *line;
	size_t i;
	int code;

	if (logs->cli->opt.timeout_ms < 0)
		logs->cli->opt.timeout_ms = SEARCH_MS;
	code = ask(logs->cli, "logs.query", json_incref(logs->question), ASK_AGAIN, &answer);
	if (code != EXIT_DONE)
		return code;
	lines = json_is_array(answer) ? answer : json_object_get(answer, "lines");
	json_array_foreach(lines, i, line)
		lines_fit(&logs->lines, json_str(line, "service", ""));
	json_array_foreach(lines, i, line)
		lines_print(&logs->lines, line, stdout);
	if (logs->cli->opt.show_cursor)
		print_cursors(json_object_get(answer, "cursors"));
	if (json_flag(answer, "truncated"))
		say(logs->cli, "there is more than fits into one answer: ask for less with -n, --since, --until or --grep");
	if (*json_str(answer, "error", ""))
		say(logs->cli, "not all could be read: %s", json_str(answer, "error", ""));
	code = *json_str(answer, "error", "") ? EXIT_FAILED : EXIT_DONE;
	json_decref(answer);
	return code;
}

/* One question with one answer: there is an end to it. */
static bool is_once(const struct cli *cli)
{
	return cli->opt.until || (!cli->opt.follow && (cli->opt.cursor || cli->opt.show_cursor));
}

int cmd_logs(struct cli *cli, int argc, char **argv)
{
	struct logs logs = { .cli = cli };
	const struct follow follow = { "logs.follow", follow_params, follow_began, follow_got,
				       cli->opt.follow ? NULL : is_done, SEARCH_MS, &logs };
	bool several = argc != 1 || strpbrk(argv[0], "@*?");
	int code;

	if (cli->opt.stats)
		return cmd_logs_stats(cli, argc, argv);
	logs.question = make_question(cli, argc, argv);
	if (!logs.question)
		return EXIT_USAGE;
	logs.lines = lines_init(cli, several);
	/* a subscription has no bound; but it has no end either */
	code = is_once(cli) ? print_once(&logs) : follow_run(cli, &follow);
	if (code == EXIT_DONE && logs.nothing && argc > 0 && !cli->opt.follow) {
		say(cli, "no service matches");
		say_next(cli, "zinit list");
		code = EXIT_FAILED;
	} else if (code == EXIT_DONE && !is_once(cli) && !cli->opt.follow && !logs.live) {
		say(cli, "the search takes too long");
		code = EXIT_TIMEOUT;
	}
	json_decref(logs.cursors);
	json_decref(logs.question);
	return code;
}
