/* SPDX-License-Identifier: Apache-2.0 */
/* zinit doctor: looks at what can be wrong, and tries each sink with one record. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/fd.h"
#include "base/mem.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/table.h"
#include "cli/text.h"

/* Less room than this for logs is worth a word. */
#define LOW_BYTES (100ULL << 20)
#define LOW_PERCENT 3
#define TEXT_MAX 1024

enum result { FINE, ODD, WRONG };

struct doctor {
	struct cli *cli;
	struct table table;
	json_t *found; /* with --json */
	bool wrong;
};

__attribute__((format(printf, 4, 5))) static void found(struct doctor *d, enum result result, const char *what,
							  const char *fmt, ...)
{
	static const char *const words[] = { "ok", "warning", "wrong" };
	static const enum color colors[] = { COLOR_GOOD, COLOR_BUSY, COLOR_BAD };
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	d->wrong = d->wrong || result == WRONG;
	table_add(&d->table, colors[result], words[result]);
	table_add(&d->table, COLOR_PLAIN, what);
	table_add(&d->table, COLOR_PLAIN, text);
	(void)json_array_append_new(d->found,
				    json_pack("{s:s, s:s, s:s}", "check", what, "result", words[result], "text", text));
}

/* --- the installation ------------------------------------------------------------------------- */

static void check_server(struct doctor *d, const json_t *info)
{
	const char *version = json_str(info, "version", "?");
	int64_t bugs = json_int(info, "internal_errors", 0);

	if (!str_equal(version, ZINIT_VERSION))
		found(d, ODD, "server", "version %s, and this command is " ZINIT_VERSION ": 'zinit upgrade' takes the new one", version);
	else if (json_flag(info, "shutting_down"))
		found(d, ODD, "server", "version %s, shutting down", version);
	else
		found(d, FINE, "server", "version %s, pid %" PRId64, version, json_int(info, "pid", 0));
	if (bugs)
		found(d, WRONG, "server", "%" PRId64 " internal errors, the last: %s: please report them", bugs,
		      json_str(info, "last_internal_error", "?"));
}

static void check_keeper(struct doctor *d, const json_t *info)
{
	int64_t pid = json_int(info, "keeper_pid", 0);
	AUTO(strbuf_fini) struct strbuf name = STRBUF(64);
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%" PRId64 "/comm", pid);
	if (fd_read_file(path, &name) < 0)
		found(d, WRONG, "keeper", "pid %" PRId64 " can't be seen: if it is gone, nobody restarts the server when it fails", pid);
	else
		found(d, FINE, "keeper", "pid %" PRId64 " (%.*s)", pid, (int)strcspn(name.data, "\n"), name.data);
}

static void check_socket(struct doctor *d, const json_t *info)
{
	const char *path = json_str(info, "socket", "");
	struct stat st;

	if (!*path || stat(path, &st) < 0)
		found(d, ODD, "socket", "'%s' is not there: %s; new clients can't connect", path, strerror(errno));
	else if (st.st_mode & S_IWOTH)
		found(d, ODD, "socket", "%s: every user may connect; what they may do is up to [[server.allow]]", path);
	else
		found(d, FINE, "socket", "%s", path);
}

static void check_service_dir(struct doctor *d, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		found(d, WRONG, "services", "%s: %s", path, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		found(d, WRONG, "services", "%s: not a directory", path);
	else if (st.st_mode & S_IWOTH && !(st.st_mode & S_ISVTX))
		found(d, WRONG, "services", "%s: every user may write there, and so run commands as the server: chmod o-w %s", path, path);
	else
		found(d, FINE, "services", "%s", path);
}

static void check_log_dir(struct doctor *d, const char *path)
{
	struct statvfs fs;
	uint64_t room, all;
	char size[TEXT_SIZE_SIZE];

	if (!path) {
		found(d, ODD, "logs", "kept in memory only: there is no directory for them");
		return;
	}
	if (statvfs(path, &fs) < 0) {
		found(d, WRONG, "logs", "%s: %s", path, strerror(errno));
		return;
	}
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	all = (uint64_t)fs.f_blocks * fs.f_frsize;
	if (fs.f_flag & ST_RDONLY)
		found(d, WRONG, "logs", "%s: the file system is read-only", path);
	else if (room < LOW_BYTES || room < all / 100 * LOW_PERCENT)
		found(d, ODD, "logs", "%s: %s of room left", path, text_size(room, size));
	else
		found(d, FINE, "logs", "%s, %s of room", path, text_size(room, size));
}

static void check_cgroups(struct doctor *d, const json_t *info)
{
	if (json_flag(info, "cgroups"))
		found(d, FINE, "cgroups", "each service has one: limits hold, and nothing of it escapes a stop");
	else
		found(d, ODD, "cgroups", "not used: %s; [limits] have no effect then", json_str(info, "no_cgroups", "?"));
}

/* Files that could not be loaded, and services that gave up. */
static void check_services(struct doctor *d)
{
	struct zinit_error err;
	json_t *rows = NULL;
	const json_t *row;
	size_t i, n = 0;

	if (ask_quietly(d->cli, "service.list_full", json_pack("{s:b}", "invalid", true), ASK_AGAIN, &rows, &err) < 0)
		return;
	json_array_foreach (rows, i, row) {
		const json_t *state = json_object_get(row, "state");
		const char *name = json_is_string(state) ? json_string_value(state) : json_str(state, "state", "");

		if (str_equal(name, "invalid"))
			found(d, WRONG, "services", "%s: its file could not be loaded: 'zinit check' says why", json_str(row, "name", "?"));
		else if (str_equal(name, "failed"))
			found(d, ODD, "services", "%s failed: 'zinit why %s' says why", json_str(row, "name", "?"),
			      json_str(row, "name", "?"));
		n++;
	}
	if (n)
		found(d, FINE, "services", "%zu in all", n);
	json_decref(rows);
}

/* --- sinks ------------------------------------------------------------------------------------ */

static void check_sink(struct doctor *d, const char *name, const json_t *status)
{
	struct zinit_error err;
	json_t *answer = NULL;
	char what[128];

	(void)snprintf(what, sizeof(what), "ship %s", name);
	if (ask_quietly(d->cli, "ship.probe", json_pack("{s:s}", "sink", name), ASK_ONCE, &answer, &err) < 0)
		found(d, WRONG, what, "%s", err.message);
	else if (json_flag(answer, "taken"))
		found(d, FINE, what, "%s in %" PRId64 " ms by %s", json_str(answer, "text", "taken"),
		      json_int(answer, "took_ms", 0), json_str(status, "endpoint", "?"));
	else
		found(d, WRONG, what, "%s: %s", json_str(status, "endpoint", "?"), json_str(answer, "text", "?"));
	json_decref(answer);
}

/* Those that are named, or all. */
static void check_sinks(struct doctor *d, int argc, char **argv)
{
	struct zinit_error err;
	json_t *answer = NULL;
	const json_t *sinks, *sink;
	size_t i;

	if (ask_quietly(d->cli, "ship.status", NULL, ASK_AGAIN, &answer, &err) < 0) {
		found(d, ODD, "ship", "%s", err.message);
		return;
	}
	sinks = json_object_get(answer, "sinks");
	for (int n = 0; n < MAX(argc, 1); n++) {
		bool known = argc == 0;

		json_array_foreach (sinks, i, sink) {
			const char *name = json_str(sink, "name", "?");

			if (argc > 0 && !str_equal(name, argv[n]))
				continue;
			check_sink(d, name, sink);
			known = true;
		}
		if (!known)
			found(d, WRONG, "ship", "no [[ship]] table is called '%s'", argv[n]);
	}
	json_decref(answer);
}

static void check_installation(struct doctor *d, const json_t *info)
{
	const json_t *dir;
	size_t i;

	check_server(d, info);
	check_keeper(d, info);
	check_socket(d, info);
	json_array_foreach (json_object_get(info, "service_dirs"), i, dir)
		check_service_dir(d, json_string_value(dir));
	check_services(d);
	check_log_dir(d, json_str(info, "log_dir", NULL));
	check_cgroups(d, info);
}

int cmd_doctor(struct cli *cli, int argc, char **argv)
{
	static const char *const titles[] = { "RESULT", "CHECK", "WHAT", NULL };
	struct doctor d = { .cli = cli, .found = json_array() };
	json_t *info = NULL;
	int code = ask(cli, "system.info", NULL, ASK_AGAIN, &info);

	if (code != EXIT_DONE) {
		json_decref(d.found);
		return code;
	}
	table_init(&d.table, titles);
	if (argc == 0)
		check_installation(&d, info);
	check_sinks(&d, argc, argv);
	if (cli->opt.json)
		print_json(d.found, false);
	else
		table_print(&d.table, stdout, cli->color_out, 0);
	table_fini(&d.table);
	json_decref(d.found);
	json_decref(info);
	return d.wrong ? EXIT_FAILED : EXIT_DONE;
}
