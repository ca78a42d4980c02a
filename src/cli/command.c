/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the verbs, their flags, and what is derived from both. */
#include "cli/command.h"

#include <getopt.h>
#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "base/str.h"
#include "cli/ask.h"
#include "cli/color.h"
#include "cli/text.h"

#define BIT(flag) (1UL << (flag))
#define AT(field) offsetof(struct options, field)

const struct flag flags[FLAG_N] = {
	[FLAG_SOCKET] = { 's', "socket", "PATH", FLAG_KIND_TEXT, AT(socket), NULL,
		"Socket of the server; else $ZINIT_SOCKET, /run/zinit.sock (root), $XDG_RUNTIME_DIR/zinit.sock" },
	[FLAG_JSON] = { 0, "json", NULL, FLAG_KIND_BOOL, AT(json), NULL, "Print JSON, for programs" },
	[FLAG_COLOR] = { 0, "color", "WHEN", FLAG_KIND_TEXT, AT(color), "auto|always|never",
		"Colours: auto (on a terminal, unless NO_COLOR is set), always, never" },
	[FLAG_QUIET] = { 'q', "quiet", NULL, FLAG_KIND_BOOL, AT(quiet), NULL, "Say nothing but errors" },
	[FLAG_HELP] = { 'h', "help", NULL, FLAG_KIND_BOOL, AT(help), NULL, "Explain the verb" },
	[FLAG_VERSION] = { 'V', "version", NULL, FLAG_KIND_BOOL, AT(version), NULL, "Print the version" },
	[FLAG_TIMEOUT] = { 't', "timeout", "SPAN", FLAG_KIND_SPAN_MS, AT(timeout_ms), NULL,
		"Wait no longer than this: 500ms, 10s, 2m; then exit with 4" },
	[FLAG_NO_WAIT] = { 0, "no-wait", NULL, FLAG_KIND_BOOL, AT(no_wait), NULL,
		"Ask for it and return, without waiting until it is so" },
	[FLAG_TREE] = { 0, "tree", NULL, FLAG_KIND_BOOL, AT(tree), NULL, "Also start what it depends on" },
	[FLAG_FOLLOW] = { 'f', "follow", NULL, FLAG_KIND_BOOL, AT(follow), NULL, "Go on with what comes, until Ctrl-C" },
	[FLAG_LINES] = { 'n', "lines", "N", FLAG_KIND_COUNT, AT(lines), NULL,
		"The last N lines (default 100; 10 with -f)" },
	[FLAG_SINCE] = { 0, "since", "TIME", FLAG_KIND_TEXT, AT(since), NULL,
		"From then on: 10m (ago), 14:30, today, \"2026-01-31 14:30\", RFC 3339, @SECONDS" },
	[FLAG_UNTIL] = { 0, "until", "TIME", FLAG_KIND_TEXT, AT(until), NULL, "Up to then" },
	[FLAG_GREP] = { 'g', "grep", "REGEX", FLAG_KIND_TEXT, AT(grep), NULL,
		"Only lines that match (a Perl-compatible expression)" },
	[FLAG_STREAM] = { 0, "stream", "NAME", FLAG_KIND_TEXT, AT(stream), "stdout|stderr|syslog",
		"Only lines of that stream" },
	[FLAG_OUTPUT] = { 'o', "output", "FORM", FLAG_KIND_TEXT, AT(output), "text|short|json|raw|logfmt",
		"text: time, name, line; short: line only; json: one object a line; raw: the bytes as they came; logfmt: key=value" },
	[FLAG_STATE] = { 0, "state", "STATE", FLAG_KIND_TEXT, AT(state),
		"up|down|settled|inactive|blocked|starting|running|stopping|exited|failed",
		"Wait for this state; up (default): running, or ended well; down: stopped; settled: at rest" },
	[FLAG_CURSOR] = { 0, "cursor", "PLACE", FLAG_KIND_TEXT, AT(cursor), NULL,
		"Begin behind this event; of logs: where --show-cursor said" },
	[FLAG_ALL] = { 'a', "all", NULL, FLAG_KIND_BOOL, AT(all), NULL, "Everything there is" },
	[FLAG_PERSIST] = { 0, "persist", NULL, FLAG_KIND_BOOL, AT(persist), NULL,
		"Also write it to the server's service directory" },
	[FLAG_FORCE] = { 0, "force", NULL, FLAG_KIND_BOOL, AT(force), NULL, "Replace one that is there" },
	[FLAG_NAMES] = { 0, "names", NULL, FLAG_KIND_BOOL, AT(names), NULL, "Names only, one a line" },
	[FLAG_LEADER] = { 0, "leader", NULL, FLAG_KIND_BOOL, AT(leader), NULL,
		"Signal the main process only, not its group" },
	[FLAG_STATS] = { 0, "stats", NULL, FLAG_KIND_BOOL, AT(stats), NULL,
		"What became of the lines: read, in memory, on disk, dropped and why" },
	[FLAG_IF] = { 0, "if", "EVENT:NAME", FLAG_KIND_TEXT, AT(what_if), NULL,
		"What would happen: start:, stop:, restart:, kill:, exit:, reload:, remove:NAME, or shutdown" },
	[FLAG_RUN] = { 0, "run", "N", FLAG_KIND_TEXT, AT(run), NULL,
		"Only lines of one run: its number, 0 for the newest, -1 for the one before it" },
	[FLAG_LEVEL] = { 'p', "level", "LEVEL", FLAG_KIND_TEXT, AT(level),
		"emerg|alert|crit|err|warning|notice|info|debug|0|1|2|3|4|5|6|7",
		"Only lines of this level or graver, by their <N> prefix; without one a line is info" },
	[FLAG_SHOW_CURSOR] = { 0, "show-cursor", NULL, FLAG_KIND_BOOL, AT(show_cursor), NULL,
		"At the end, print where to go on with --cursor" },
};

#define GLOBAL_FLAGS \
	(BIT(FLAG_SOCKET) | BIT(FLAG_JSON) | BIT(FLAG_COLOR) | BIT(FLAG_QUIET) | BIT(FLAG_HELP) | BIT(FLAG_TIMEOUT))
#define LOG_FLAGS \
	(BIT(FLAG_FOLLOW) | BIT(FLAG_LINES) | BIT(FLAG_SINCE) | BIT(FLAG_UNTIL) | BIT(FLAG_GREP) | BIT(FLAG_STREAM) | \
	 BIT(FLAG_OUTPUT) | BIT(FLAG_ALL) | BIT(FLAG_STATS) | BIT(FLAG_RUN) | BIT(FLAG_LEVEL) | \
	 BIT(FLAG_CURSOR) | BIT(FLAG_SHOW_CURSOR))

const struct command commands[] = {
	{ "list", "ls", "", GROUP_LOOK, 0, 0, BIT(FLAG_NAMES), "All services: state, pid, uptime, restarts, and why one is not running",
	  "The last column says why a service is not running, or since when it is waiting. A file that could not be\n"
	  "loaded is listed as 'invalid' with its first error.", cmd_list },
	{ "status", NULL, "NAME…", GROUP_LOOK, 1, -1, 0, "One service in detail; exit 0 only if it is running",
	  "Exit status 0: all of them run (or are oneshots that ended well); 3: one does not run, or does not exist.",
	  cmd_status },
	{ "why", NULL, "NAME | --if EVENT:NAME", GROUP_LOOK, 0, 1, BIT(FLAG_IF),
	  "Why it is in its state, down to the root cause; or what would happen if",
	  "With --if nothing is done: the steps are those that would follow if all goes well, in order, each with its reason.\n"
	  "zinit why --if stop:db", cmd_why },
	{ "tree", NULL, "[NAME]", GROUP_LOOK, 0, 1, 0, "Services under what they depend on", NULL, cmd_tree },
	{ "stats", NULL, "[NAME…]", GROUP_LOOK, 0, -1, 0, "CPU, memory and processes of services", NULL, cmd_stats },
	{ "metrics", NULL, "[NAME|@TAG…]", GROUP_LOOK, 0, -1, BIT(FLAG_ALL), "Figures for Prometheus: states, health, logs, the server",
	  "The text format of Prometheus (0.0.4). With -a CPU and memory of each service too.", cmd_metrics },
	{ "start", NULL, "NAME…", GROUP_STEER, 1, -1, BIT(FLAG_TREE) | BIT(FLAG_NO_WAIT),
	  "Start, and wait until it is ready",
	  "Waits until the service is ready (a oneshot: until it has ended). If it fails, the reason and its last lines are\n"
	  "printed and the exit status is 1; 4 when the time is over before it is decided.", cmd_start },
	{ "stop", NULL, "NAME…", GROUP_STEER, 1, -1, BIT(FLAG_NO_WAIT),
	  "Stop it and what depends on it; waits until nothing is left", NULL, cmd_stop },
	{ "restart", NULL, "NAME…", GROUP_STEER, 1, -1, BIT(FLAG_NO_WAIT), "Stop, start, and wait until it is ready",
	  NULL, cmd_restart },
	{ "kill", NULL, "NAME [SIGNAL]", GROUP_STEER, 1, 2, BIT(FLAG_LEADER),
	  "Send a signal (default SIGTERM) to its process group",
	  "SIGNAL is a name (TERM, SIGHUP) or a number. The service counts as crashed if it dies of it: use 'stop' to end it.",
	  cmd_kill },
	{ "wait", NULL, "NAME…", GROUP_STEER, 1, -1, BIT(FLAG_STATE), "Wait until services are in a state", NULL, cmd_wait },
	{ "start-all", NULL, "", GROUP_STEER, 0, 0, BIT(FLAG_NO_WAIT), "Start all services of class user", NULL, cmd_start_all },
	{ "stop-all", NULL, "", GROUP_STEER, 0, 0, BIT(FLAG_NO_WAIT), "Stop all services of class user", NULL, cmd_stop_all },
	{ "logs", "log", "[NAME|@TAG…]", GROUP_LOGS, 0, -1, LOG_FLAGS, "What services printed",
	  "Several services are merged by time. With -f the output goes on, also over a restart of the server. Colours that\n"
	  "a service writes are kept on a terminal and taken out elsewhere; --output raw leaves every byte as it came.\n"
	  "'|' stands before lines of stdout, '!' before those of stderr.", cmd_logs },
	{ "ship", NULL, "", GROUP_LOGS, 0, 0, 0, "Where log lines are sent, and how far behind that is",
	  "LOST counts lines that this receiver will not get: dropped, overwritten before they could be read, refused, or\n"
	  "set aside. BEHIND and BY: lines that were written and are not acknowledged yet, and the age of the oldest.",
	  cmd_ship },
	{ "doctor", NULL, "[SINK…]", GROUP_LOGS, 0, -1, 0, "Look for what is wrong: the installation, and whether each sink takes a record",
	  "Looks at server, keeper, socket, directories, cgroups and invalid files, and sends one test record to the receiver of\n"
	  "each [[ship]] table (or those that are named), then says what came back. Exit status 1 if something is wrong.",
	  cmd_doctor },
	{ "events", NULL, "", GROUP_LOGS, 0, 0, BIT(FLAG_FOLLOW) | BIT(FLAG_LINES) | BIT(FLAG_CURSOR),
	  "What happened to services, and why", "With -f the output goes on, also over a restart of the server.",
	  cmd_events },
	{ "incident", "incidents", "[list [NAME…] | show NAME|ID]", GROUP_LOGS, 0, -1, 0,
	  "What was kept of crashes, failed health checks and kills at a time-out",
	  "Each incident holds states, the processes with what they waited for and their open descriptors, how the process\n"
	  "ended, and the last lines of the service and of what it depends on. 'show NAME' shows the newest of a service.",
	  cmd_incident },
	{ "check", NULL, "FILE…", GROUP_CONFIG, 1, -1, 0, "Validate service files strictly, without a server",
	  "A directory stands for its *.toml files. Every error is printed as file:line:column.", cmd_check },
	{ "plan", NULL, "", GROUP_CONFIG, 0, 0, 0, "What applying the changed service files would do, step by step",
	  "Each change is told with its keys, their places, and whether they take effect live or by a restart. Nothing is done.\n"
	  "Exit status 1: a file is not valid; it is left out.", cmd_plan },
	{ "apply", NULL, "[PLAN]", GROUP_CONFIG, 0, 1, BIT(FLAG_NO_WAIT),
	  "Apply the changed service files, and wait until all is up",
	  "With the number that 'plan' told, exactly that plan is carried out, or nothing if it does not hold any more. A service\n"
	  "whose new definition does not come up gets its old one back: that is told, and the exit status is 1.", cmd_apply },
	{ "reload", NULL, "[NAME…]", GROUP_CONFIG, 0, -1, 0,
	  "Read the service directory again and apply what changed; with names: let these services reload",
	  "A service that is named is told to read its own files again: its reload_command runs, or it gets its reload_signal.",
	  cmd_reload },
	{ "add", "add-service", "FILE…", GROUP_CONFIG, 1, -1, BIT(FLAG_PERSIST) | BIT(FLAG_FORCE),
	  "Add a service from a TOML or JSON file ('-': JSON from stdin)", NULL, cmd_add },
	{ "remove", "delete", "NAME…", GROUP_CONFIG, 1, -1, 0, "Stop a service and forget it, its file too", NULL,
	  cmd_remove },
	{ "ping", NULL, "", GROUP_SERVER, 0, 0, 0, "Is the server there, and which version?", NULL, cmd_ping },
	{ "shutdown", NULL, "", GROUP_SERVER, 0, 0, BIT(FLAG_NO_WAIT), "Stop all services in order, then the server",
	  NULL, cmd_shutdown },
	{ "upgrade", NULL, "[PATH]", GROUP_SERVER, 0, 1, 0, "Let another zinit-server take over; services and clients go on",
	  "Without PATH: what is at the path of the server by now, as after an upgrade of the package. The new program is\n"
	  "checked first; if it does not take over, the old one goes on, the reason is printed, and the exit status is 1.",
	  cmd_upgrade },
	{ "rpc", NULL, "METHOD [JSON]", GROUP_SERVER, 1, 2, 0, "Call a method of the API ('-': parameters from stdin)",
	  "The parameters are a JSON object: zinit rpc service.status '{\"name\": \"web\"}'. 'zinit rpc rpc.discover' lists\n"
	  "all methods.", cmd_rpc },
	{ "version", NULL, "", GROUP_SERVER, 0, 0, 0, "Versions of this program and of the server", NULL, cmd_version },
	{ "debug-state", NULL, "", GROUP_SERVER, 0, 0, 0, "What the server has on record of each service", NULL,
	  cmd_debug_state },
	{ "debug-procs", NULL, "[NAME]", GROUP_SERVER, 0, 1, 0, "The processes of services", NULL, cmd_debug_procs },
	{ "completion", NULL, "SHELL", GROUP_SERVER, 1, 1, 0, "Completion script for bash, zsh or fish",
	  "For bash: source <(zinit completion bash). Names of services are completed by asking the server.", cmd_completion },
	{ "help", NULL, "[VERB]", GROUP_SERVER, 0, 1, 0, "This overview, or one verb in detail", NULL, cmd_help },
};

const size_t commands_n = ARRAY_LEN(commands);

static const char *const group_titles[GROUP_N] = {
	[GROUP_LOOK] = "Look",
	[GROUP_STEER] = "Steer",
	[GROUP_LOGS] = "Logs",
	[GROUP_CONFIG] = "Configuration",
	[GROUP_SERVER] = "Server",
};

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < commands_n; i++)
		if (str_equal(name, commands[i].name) || str_equal(name, commands[i].alias))
			return &commands[i];
	return NULL;
}

const char *command_nearest(const char *name)
{
	const char *names[ARRAY_LEN(commands)];

	for (size_t i = 0; i < commands_n; i++)
		names[i] = commands[i].name;
	return str_nearest(name, names, commands_n);
}

/* --- parsing ---------------------------------------------------------------------------------- */

unsigned long command_flags(const struct command *command)
{
	return command ? command->flags | GLOBAL_FLAGS : GLOBAL_FLAGS | BIT(FLAG_VERSION);
}

static bool among(const char *choices, const char *value)
{
	size_t len = strlen(value);

	for (const char *p = choices; p; p = strchr(p, '|')) {
		p += *p == '|';
		if (strncmp(p, value, len) == 0 && (p[len] == '|' || p[len] == '\0'))
			return true;
	}
	return false;
}

static int set_flag(struct cli *cli, const struct flag *f, const char *value)
{
	char *field = (char *)&cli->opt + f->at;
	usec_t span;
	int64_t count;

	switch (f->kind) {
	case FLAG_KIND_BOOL:
		*(bool *)(void *)field = true;
		return 0;
	case FLAG_KIND_TEXT:
		if (f->choices && !among(f->choices, value))
			return say_usage(cli, "--%s: '%s' is none of %s", f->name, value, f->choices);
		*(const char **)(void *)field = value;
		return 0;
	case FLAG_KIND_COUNT:
		if (parse_int(value, 0, INT_MAX, &count) < 0)
			return say_usage(cli, "--%s: '%s' is not a number of lines", f->name, value);
		*(int *)(void *)field = (int)count;
		return 0;
	case FLAG_KIND_SPAN_MS:
		if (parse_span(value, &span) < 0 || span / USEC_PER_MSEC > INT_MAX)
			return say_usage(cli, "--%s: '%s' is not a span such as 500ms, 10s or 2m", f->name, value);
		*(int *)(void *)field = (int)(span / USEC_PER_MSEC);
		return 0;
	case FLAG_KIND_N:
		break;
	}
	return 0;
}

/* What getopt_long() could not place: `typed` is the word it stumbled over, `letter` what it left in optopt. */
static int bad_flag(struct cli *cli, unsigned long known, const char *typed, int letter, bool no_value)
{
	const char *names[FLAG_N];
	const char *nearest;
	size_t n = 0;

	for (int i = 0; i < FLAG_N; i++)
		if (known & BIT(i))
			names[n++] = flags[i].name;
	if (no_value)
		return say_usage(cli, "%s needs a value", typed);
	if (letter > UCHAR_MAX)
		return say_usage(cli, "--%s takes no value", flags[letter - UCHAR_MAX - 1].name);
	if (letter)
		return say_usage(cli, "unknown flag -%c", letter);
	nearest = str_nearest(typed + 2, names, n);
	if (nearest)
		return say_usage(cli, "unknown flag %s; did you mean --%s?", typed, nearest);
	return say_usage(cli, "unknown flag %s", typed);
}

int command_parse(struct cli *cli, const struct command *command, int argc, char **argv)
{
	unsigned long known = command_flags(command);
	struct option longs[FLAG_N + 1] = { 0 };
	char shorts[2 * FLAG_N + 3];
	size_t n = 0;
	int id;

	(void)str_copy(shorts, sizeof(shorts), command ? ":" : "+:"); /* '+': stop at the verb */
	for (int i = 0; i < FLAG_N; i++) {
		size_t len = strlen(shorts);

		if (!(known & BIT(i)))
			continue;
		longs[n++] = (struct option){ flags[i].name, flags[i].value ? required_argument : no_argument, NULL,
					      UCHAR_MAX + 1 + i };
		if (flags[i].letter) {
			shorts[len++] = flags[i].letter;
			if (flags[i].value)
				shorts[len++] = ':';
			shorts[len] = '\0';
		}
	}
	optind = 0;
	opterr = 0;
	while ((id = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct flag *f = NULL;

		if (id == '?' || id == ':') {
			(void)bad_flag(cli, known, argv[optind - 1], optopt, id == ':');
			return -1;
		}
		for (int i = 0; i < FLAG_N && !f; i++)
			if (id == UCHAR_MAX + 1 + i || (flags[i].letter == id && known & BIT(i)))
				f = &flags[i];
		if (f && set_flag(cli, f, optarg) != 0)
			return -1;
	}
	return optind;
}

/* --- help ------------------------------------------------------------------------------------- */

static void help_flags(FILE *to, bool color, const char *title, unsigned long mask)
{
	(void)fprintf(to, "\n%s%s%s\n", color_begin(COLOR_TITLE, color), title, color_end(color));
	for (int i = 0; i < FLAG_N; i++) {
		char head[40];
		int n;

		if (!(mask & BIT(i)))
			continue;
		n = flags[i].letter ? snprintf(head, sizeof(head), "-%c, ", flags[i].letter) :
				      snprintf(head, sizeof(head), "    ");
		(void)snprintf(head + n, sizeof(head) - (size_t)n, "--%s %s", flags[i].name,
			       flags[i].value ? flags[i].value : "");
		(void)fprintf(to, "  %-20s  %s\n", head, flags[i].doc);
	}
}

static void help_verb(FILE *to, const struct command *c)
{
	char head[64];

	(void)snprintf(head, sizeof(head), "%s%s%s %s", c->name, c->alias ? ", " : "", c->alias ? c->alias : "", c->args);
	(void)fprintf(to, "  %s", head);
	for (size_t width = text_width(head); width < 26; width++)
		(void)putc(' ', to);
	(void)fprintf(to, "  %s\n", c->doc);
}

void command_help_all(FILE *to, bool color)
{
	(void)fprintf(to, "zinit looks at and steers the services of a zinit server.\n\n"
			  "Usage: zinit [FLAG…] VERB [ARGUMENT…]\n");
	for (int group = 0; group < GROUP_N; group++) {
		(void)fprintf(to, "\n%s%s%s\n", color_begin(COLOR_TITLE, color), group_titles[group], color_end(color));
		for (size_t i = 0; i < commands_n; i++)
			if ((int)commands[i].group == group)
				help_verb(to, &commands[i]);
	}
	help_flags(to, color, "Flags of every verb", GLOBAL_FLAGS | BIT(FLAG_VERSION));
	(void)fprintf(to, "\nExit status: 0 done, 1 failed, 2 usage, 3 (status) not running or no such service,\n"
			  "4 time-out, 5 no server, 6 refused.\n");
}

void command_help(FILE *to, bool color, const struct command *command)
{
	(void)fprintf(to, "%s\n\nUsage: zinit %s %s\n", command->doc, command->name, command->args);
	if (command->alias)
		(void)fprintf(to, "Also:  zinit %s\n", command->alias);
	if (command->more)
		(void)fprintf(to, "\n%s\n", command->more);
	if (command->flags)
		help_flags(to, color, "Flags", command->flags);
	help_flags(to, color, "Flags of every verb", GLOBAL_FLAGS);
}

/* --- for programs ----------------------------------------------------------------------------- */

static json_t *flag_json(const struct flag *f)
{
	const char letter[2] = { f->letter, '\0' };

	return json_pack("{s:s, s:s?, s:s?, s:s?, s:s}", "name", f->name, "letter", f->letter ? letter : NULL, "value", f->value,
			 "choices", f->choices, "doc", f->doc);
}

static json_t *flags_json(unsigned long mask)
{
	json_t *all = json_array();

	for (int i = 0; i < FLAG_N; i++)
		if (mask & BIT(i))
			(void)json_array_append_new(all, flag_json(&flags[i]));
	return all;
}

json_t *command_json(void)
{
	json_t *verbs = json_array();

	for (size_t i = 0; i < commands_n; i++) {
		const struct command *c = &commands[i];

		(void)json_array_append_new(verbs, json_pack("{s:s, s:s?, s:s, s:s, s:s, s:s?, s:o}", "name", c->name, "alias",
							     c->alias, "args", c->args, "group", group_titles[c->group], "doc",
							     c->doc, "more", c->more, "flags", flags_json(c->flags)));
	}
	return json_pack("{s:o, s:o}", "verbs", verbs, "flags", flags_json(GLOBAL_FLAGS | BIT(FLAG_VERSION)));
}
