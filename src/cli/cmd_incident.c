/* SPDX-License-Identifier: Apache-2.0 */
/* zinit incident: what the flight recorder kept: a list, or one incident for people to read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/ask.h"
#include "cli/color.h"
#include "cli/command.h"
#include "cli/lines.h"
#include "cli/table.h"
#include "cli/text.h"

#define FIELD_MAX (1U << 16)

/* --- list ------------------------------------------------------------------------------------- */

static void print_list(const struct cli *cli, const json_t *incidents)
{
	static const char *const titles[] = { "TIME", "SERVICE", "KIND", "WHAT", "ID", NULL };
	AUTO(table_fini) struct table t;
	const json_t *one;
	size_t i;

	table_init(&t, titles);
	json_array_foreach(incidents, i, one)
	{
		char when[TEXT_TIME_SIZE];

		table_add(&t, COLOR_FAINT, text_time(json_int(one, "timestamp_ms", 0) * 1000000, TEXT_TIME_FULL, when));
		table_add(&t, COLOR_PLAIN, json_str(one, "service", "?"));
		table_add(&t, COLOR_BAD, json_str(one, "kind", "?"));
		table_add(&t, COLOR_PLAIN, json_str(one, "text", ""));
		table_add(&t, COLOR_FAINT, json_str(one, "id", "?"));
	}
	table_print(&t, stdout, cli->color_out, cli->width);
}

static int list(struct cli *cli, int argc, char **argv)
{
	json_t *params = json_object();
	json_t *names = json_array();
	json_t *answer = NULL;
	const json_t *incidents;
	int code;

	for (int i = 0; i < argc; i++)
		(void)json_array_append_new(names, json_string(argv[i]));
	if (argc > 0)
		(void)json_object_set(params, "names", names);
	json_decref(names);
	code = ask(cli, "incident.list", params, ASK_AGAIN, &answer);
	if (code != EXIT_DONE)
		return code;
	incidents = json_object_get(answer, "incidents");
	if (cli->opt.json)
		print_json(incidents, false);
	else if (json_array_size(incidents) > 0)
		print_list(cli, incidents);
	else
		say(cli, "no incidents are kept");
	if (json_int(answer, "lost", 0) > 0)
		say(cli, "%lld incidents could not be written to the disk and are gone", (long long)json_int(answer, "lost", 0));
	json_decref(answer);
	return EXIT_DONE;
}

/* --- show ------------------------------------------------------------------------------------- */

static void title(const struct cli *cli, const char *text)
{
	(void)printf("\n%s%s%s\n", color_begin(COLOR_TITLE, cli->color_out), text, color_end(cli->color_out));
}

/* Text of services, made fit to print. */
static void print_clean(const char *before, const char *text)
{
	AUTO(strbuf_fini) struct strbuf clean = STRBUF(FIELD_MAX);

	text_add(&clean, text, strlen(text), TEXT_STRIP);
	(void)printf("%s%s", before, strbuf_str(&clean));
}

static void print_head(const json_t *incident)
{
	const json_t *exit = json_object_get(incident, "exit");
	char when[TEXT_TIME_SIZE];

	(void)printf("%s  %s\n", text_time(json_int(incident, "timestamp_ms", 0) * 1000000, TEXT_TIME_FULL, when),
		     json_str(incident, "id", "?"));
	(void)printf("%s (run %lld, pid %lld): %s: ", json_str(incident, "service", "?"),
		     (long long)json_int(incident, "run", 0), (long long)json_int(incident, "pid", 0),
		     json_str(incident, "kind", "?"));
	print_clean("", json_str(incident, "text", ""));
	(void)putchar('\n');
	if (json_int(exit, "oom_kills", 0) > 0)
		(void)printf("out of memory: the kernel killed %lld of its processes\n", (long long)json_int(exit, "oom_kills", 0));
	if (json_int(incident, "unrecorded", 0) > 0)
		(void)printf("%lld more since the one before were too many to be recorded\n",
			     (long long)json_int(incident, "unrecorded", 0));
}

static void print_services(const struct cli *cli, const json_t *services)
{
	static const char *const titles[] = { "SERVICE", "RELATION", "STATE", ">PID", "HEALTH", "BECAUSE", NULL };
	AUTO(table_fini) struct table t;
	const json_t *one;
	size_t i;

	table_init(&t, titles);
	json_array_foreach(services, i, one)
	{
		const char *state = json_str(one, "state", "?");

		table_add(&t, COLOR_PLAIN, json_str(one, "name", "?"));
		table_add(&t, COLOR_FAINT, json_str(one, "relation", ""));
		table_add(&t, color_of_state(state), state);
		table_addf(&t, COLOR_PLAIN, "%lld", (long long)json_int(one, "pid", 0));
		table_add(&t, COLOR_PLAIN, json_str(one, "health", ""));
		table_add(&t, COLOR_PLAIN, json_str(one, "cause", ""));
	}
	title(cli, "States");
	table_print(&t, stdout, cli->color_out, cli->width);
}

static void print_process(const json_t *p)
{
	const json_t *one;
	size_t i;

	(void)printf("%lld (parent %lld) %s  %lld threads, %lld ms CPU, %lld KiB", (long long)json_int(p, "pid", 0),
		     (long long)json_int(p, "ppid", 0), json_str(p, "state", "?"), (long long)json_int(p, "threads_n", 0),
		     (long long)json_int(p, "cpu_ms", 0), (long long)json_int(p, "rss_bytes", 0) / 1024);
	print_clean("  ", json_str(p, "command", json_str(p, "name", "?")));
	(void)putchar('\n');
	json_array_foreach(json_object_get(p, "threads"), i, one)
		(void)printf("    thread %lld  %s  %s\n", (long long)json_int(one, "tid", 0), json_str(one, "state", "?"),
			     json_str(one, "wait", ""));
	json_array_foreach(json_object_get(p, "fds"), i, one)
	{
		(void)printf("    fd %lld  ", (long long)json_int(one, "fd", 0));
		print_clean("", json_str(one, "target", ""));
		(void)putchar('\n');
	}
	if (json_int(p, "fds_n", 0) > (json_int_t)json_array_size(json_object_get(p, "fds")))
		(void)printf("    … of %lld descriptors\n", (long long)json_int(p, "fds_n", 0));
}

static void print_processes(const struct cli *cli, const json_t *incident)
{
	const json_t *processes = json_object_get(incident, "processes");
	const json_t *one;
	size_t i;

	title(cli, "Processes");
	json_array_foreach(processes, i, one)
		print_process(one);
	if (json_array_size(processes) == 0)
		(void)printf("none was left\n");
	if (json_int(incident, "processes_n", 0) > (json_int_t)json_array_size(processes))
		(void)printf("… of %lld processes\n", (long long)json_int(incident, "processes_n", 0));
}

struct placed {
	const json_t *line;
	int64_t time;
	size_t place;
};

static int by_time(const void *a, const void *b)
{
	const struct placed *x = a;
	const struct placed *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return x->place < y->place ? -1 : 1;
}

/* They are kept service by service; people read them as they came. */
static void print_lines(const struct cli *cli, const json_t *incident)
{
	const json_t *lines = json_object_get(incident, "lines");
	struct lines form = lines_init(cli, true);
	size_t n = json_array_size(lines);
	AUTO(auto_free) struct placed *sorted = calloc(n + 1, sizeof(*sorted));

	title(cli, "Lines");
	if (!sorted)
		return;
	for (size_t i = 0; i < n; i++) {
		const json_t *line = json_array_get(lines, i);

		sorted[i] = (struct placed){ line, json_int(line, "timestamp_ns", 0), i };
		lines_fit(&form, json_str(line, "service", ""));
	}
	qsort(sorted, n, sizeof(*sorted), by_time);
	for (size_t i = 0; i < n; i++)
		lines_print(&form, sorted[i].line, stdout);
	if (json_flag(incident, "lines_cut"))
		(void)printf("… more than the record may hold\n");
}

static int show(struct cli *cli, const char *name)
{
	json_t *answer = NULL;
	int code = ask(cli, "incident.show", json_pack("{s:s}", "name", name), ASK_AGAIN, &answer);

	if (code != EXIT_DONE)
		return code;
	if (cli->opt.json) {
		print_json(answer, false);
	} else {
		print_head(answer);
		print_services(cli, json_object_get(answer, "services"));
		print_processes(cli, answer);
		print_lines(cli, answer);
	}
	json_decref(answer);
	return EXIT_DONE;
}

int cmd_incident(struct cli *cli, int argc, char **argv)
{
	if (argc == 0 || str_equal(argv[0], "list"))
		return list(cli, argc - (argc > 0), argv + (argc > 0));
	if (!str_equal(argv[0], "show"))
		return say_usage(cli, "incident: '%s' is neither list nor show", argv[0]);
	if (argc != 2)
		return say_usage(cli, "incident show: the name of a service, or the id of an incident");
	return show(cli, argv[1]);
}
