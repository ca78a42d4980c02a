/* SPDX-License-Identifier: Apache-2.0 */
/* zinit check: strict validation of service files, and of the graph that they make, without a server. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "config/load.h"
#include "service/core.h"

/* Everything that was loaded, as a graph of names. */
struct check {
	struct cli *cli;
	struct core *core;
	json_t *report; /* --json */
	bool whole;     /* all are directories: what is not there does not exist */
	size_t files, errors, warnings;
};

static void report(struct check *c, const char *path, const struct problems *problems)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(1U << 20);

	c->files++;
	c->errors += problems->errors + problems->no_memory;
	c->warnings += problems->n - MIN(problems->n, problems->errors);
	problems_format(problems, path, &text);
	if (!c->cli->opt.json) {
		(void)fputs(strbuf_str(&text), stdout);
		return;
	}
	for (size_t i = 0; i < problems->n; i++) {
		const struct problem *p = &problems->items[i];

		(void)json_array_append_new(
			c->report, json_pack("{s:s, s:s, s:i, s:i, s:s, s:s}", "file", path, "level",
					     p->level == PROBLEM_ERROR ? "error" : "warning", "line", (int)p->line, "column",
					     (int)p->column, "key", p->key, "text", p->text));
	}
}

static void report_graph(struct check *c, enum problem_level level, const struct service_config *config, const char *on,
			 const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* One sentence about a dependency of `config` on `on`, at the place where it is declared. */
static void report_graph(struct check *c, enum problem_level level, const struct service_config *config, const char *on,
			 const char *fmt, ...)
{
	static const char *const keys[] = { "dependencies.requires", "dependencies.after" };
	struct problems problems;
	char text[1024];
	uint32_t line = 0;
	uint32_t column = 0;
	va_list ap;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (load_locate(config->path, keys[i], on, &line, &column) == 0)
			break;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	problems_init(&problems);
	problems_add(&problems, level, line, column, "dependencies", "%s", text);
	report(c, config->path, &problems);
	c->files--; /* it was counted when it was loaded */
	problems_fini(&problems);
}

/* --- the graph -------------------------------------------------------------------------------- */

static size_t add_deps(struct policy_dep *out, const char *const *names, enum dep_kind kind)
{
	size_t n = 0;

	for (; names && names[n]; n++)
		if (out)
			out[n] = (struct policy_dep){ .kind = kind, .name = names[n] };
	return n;
}

static int add_to_graph(struct check *c, const struct service_config *config)
{
	struct service_policy policy = { .target = config->is_target };
	AUTO(auto_free) struct policy_dep *deps = NULL;
	size_t n = add_deps(NULL, config->requires, DEP_REQUIRES) + add_deps(NULL, config->after, DEP_AFTER);
	struct error err;
	uint32_t id;
	size_t at;
	int r;

	deps = calloc(n + 1, sizeof(*deps));
	if (!deps)
		return -ENOMEM;
	at = add_deps(deps, config->requires, DEP_REQUIRES);
	at += add_deps(deps + at, config->after, DEP_AFTER);
	policy.deps = deps;
	policy.deps_n = at;
	r = core_add(c->core, config->name, &policy, &id, &err);
	if (r == -EEXIST) {
		report_graph(c, PROBLEM_ERROR, config, "", "another file defines '%s' too", config->name);
		return 0;
	}
	return r;
}

static void check_missing(struct check *c, const struct service_config *config)
{
	for (size_t i = 0; c->whole && config->requires && config->requires[i]; i++)
		if (core_find(c->core, config->requires[i]) == CORE_NONE)
			report_graph(c, PROBLEM_WARNING, config, config->requires[i],
				     "'%s' requires '%s', which is not there", config->name, config->requires[i]);
}

static const struct service_config *find_config(const struct loaded_dir *dir, const char *name)
{
	for (size_t i = 0; i < dir->n; i++)
		if (dir->items[i].config && str_equal(dir->items[i].config->name, name))
			return dir->items[i].config;
	return NULL;
}

/* Cycles are broken one by one, so that all are named. `chain` is "a -> b -> a": a's file names b. */
static void check_cycles(struct check *c, const struct loaded_dir *dir)
{
	char chain[512];
	uint32_t id;

	while ((id = core_find_cycle(c->core, chain, sizeof(chain))) != CORE_NONE) {
		const struct service_config *config = find_config(dir, core_name(c->core, id));
		char on[LIMIT_NAME + 1] = "";

		(void)sscanf(chain, "%*s -> %63s", on);
		if (config)
			report_graph(c, PROBLEM_ERROR, config, on, "cyclic dependency: %s", chain);
		if (core_remove(c->core, id, 0) < 0)
			break;
	}
}

/* --- files ------------------------------------------------------------------------------------ */

static int load_one(const char *path, struct loaded_dir *out)
{
	struct loaded *items = realloc(out->items, (out->n + 1) * sizeof(*items));
	struct loaded *one;

	if (!items)
		return -ENOMEM;
	out->items = items;
	one = &items[out->n++];
	*one = (struct loaded){ .path = strdup(path) };
	problems_init(&one->problems);
	(void)load_service_file(path, LOAD_STRICT | LOAD_ANY_NAME, &one->problems, &one->config);
	return 0;
}

static int load_all(struct check *c, int argc, char **argv, struct loaded_dir *out)
{
	c->whole = true;
	for (int i = 0; i < argc; i++) {
		struct stat st;
		struct error err = { 0 };
		bool is_dir = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode);
		int r = is_dir ? load_dir(argv[i], LOAD_STRICT, out, &err) : load_one(argv[i], out);

		c->whole = c->whole && is_dir;
		if (r < 0) {
			say(c->cli, "%s: %s", argv[i], err.code ? err.msg : "out of memory");
			return r;
		}
	}
	return 0;
}

static int check_all(struct check *c, const struct loaded_dir *dir)
{
	for (size_t i = 0; i < dir->n; i++) {
		report(c, dir->items[i].path, &dir->items[i].problems);
		if (dir->items[i].config && add_to_graph(c, dir->items[i].config) < 0)
			return -ENOMEM;
	}
	for (size_t i = 0; i < dir->n; i++)
		if (dir->items[i].config)
			check_missing(c, dir->items[i].config);
	check_cycles(c, dir);
	return 0;
}

int cmd_check(struct cli *cli, int argc, char **argv)
{
	struct check c = { .cli = cli, .core = core_new(0), .report = json_array() };
	struct loaded_dir dir = { 0 };
	int code = EXIT_FAILED;

	if (c.core && c.report && load_all(&c, argc, argv, &dir) == 0 && check_all(&c, &dir) == 0) {
		code = c.errors ? EXIT_FAILED : EXIT_DONE;
		if (cli->opt.json)
			print_json(c.report, false);
		else if (!cli->opt.quiet)
			(void)printf("%zu file%s: %zu error%s, %zu warning%s\n", c.files, c.files == 1 ? "" : "s", c.errors,
				     c.errors == 1 ? "" : "s", c.warnings, c.warnings == 1 ? "" : "s");
	}
	loaded_dir_fini(&dir);
	core_free(c.core);
	json_decref(c.report);
	return code;
}
