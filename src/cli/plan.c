/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/plan.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/ask.h"
#include "cli/color.h"
#include "cli/text.h"

/* The words of the API, and how they are told. */
static const struct {
	const char *action, *text;
} kinds[] = {
	{ "add", "add" },
	{ "live", "change live" },
	{ "restart", "restart" },
	{ "start", "start anew" },
	{ "keep", "keep after all" },
	{ "remove", "remove" },
};

static const char *kind_text(const char *action)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (str_equal(kinds[i].action, action))
			return kinds[i].text;
	}
	return action;
}

static bool is_invalid(const json_t *change)
{
	return str_equal(json_str(change, "action", ""), "invalid");
}

static void print_key(const json_t *change, const json_t *key)
{
	const char *path = json_str(change, "path", NULL);
	long long line = json_int(key, "line", 0);

	(void)printf("    %-32s %-8s", json_str(key, "key", "?"), json_str(key, "apply", "?"));
	if (path && line > 0)
		(void)printf(" %s:%lld", path, line);
	else if (path)
		(void)printf(" gone from %s: the default counts", path);
	(void)putc('\n', stdout);
}

static void print_change(const struct cli *cli, const json_t *change)
{
	const char *undone = json_str(change, "undone", NULL);
	const json_t *keys = json_object_get(change, "keys");
	const json_t *key;
	size_t i;

	(void)printf("%s%-14s%s %s\n", color_begin(COLOR_TITLE, cli->color_out), kind_text(json_str(change, "action", "?")),
		     color_end(cli->color_out), json_str(change, "name", "?"));
	json_array_foreach(keys, i, key)
		print_key(change, key);
	if (undone)
		(void)printf("    it was tried before, and taken back: %s\n", undone);
}

void plan_print_changes(const struct cli *cli, const json_t *plan)
{
	const json_t *changes = json_object_get(plan, "changes");
	const json_t *change;
	size_t i;

	json_array_foreach(changes, i, change)
	{
		if (is_invalid(change))
			text_print(json_str(change, "text", json_str(change, "name", "?")), stderr);
		else
			print_change(cli, change);
	}
}

bool plan_has_invalid(const json_t *plan)
{
	const json_t *change;
	size_t i;

	json_array_foreach(json_object_get(plan, "changes"), i, change)
	{
		if (is_invalid(change))
			return true;
	}
	return false;
}

void plan_print_steps(const struct cli *cli, const json_t *steps)
{
	size_t width = 0;
	const json_t *step;
	size_t i;

	(void)cli;
	if (json_array_size(steps) == 0)
		(void)printf("nothing is started or stopped\n");
	json_array_foreach(steps, i, step)
		width = MAX(width, text_width(json_str(step, "name", "")));
	json_array_foreach(steps, i, step)
	{
		const char *name = json_str(step, "name", "?");

		(void)printf("%3zu. %-7s %s", i + 1, json_str(step, "action", "?"), name);
		if (*json_str(step, "reason", ""))
			(void)printf("%*s  %s", (int)(width - MIN(width, text_width(name))), "", json_str(step, "reason", ""));
		(void)putc('\n', stdout);
	}
}
