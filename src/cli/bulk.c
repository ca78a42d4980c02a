/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the report of a bulk answer {MEMBER: [names], failed: [{name, error}]}. */
#include "cli/bulk.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/ask.h"
#include "cli/change.h"
#include "cli/text.h"

static void print_names(const json_t *names, const char *done)
{
	const json_t *name;
	size_t i;

	(void)printf("%zu %s", json_array_size(names), done);
	json_array_foreach(names, i, name)
		(void)printf("%s %s", i == 0 ? ":" : ",", json_is_string(name) ? json_string_value(name) : "?");
	(void)putc('\n', stdout);
}

/* Those that fail are told one by one; the rest goes without saying. */
static int wait_for_names(struct cli *cli, const json_t *names, const struct change *wait)
{
	size_t n = json_array_size(names);
	char **list = calloc(n + 1, sizeof(*list));
	struct options options = cli->opt;
	int code;

	if (!list)
		return EXIT_FAILED;
	for (size_t i = 0; i < n; i++)
		list[i] = (char *)(uintptr_t)json_string_value(json_array_get(names, i));
	cli->opt.quiet = true;
	cli->opt.json = false;
	code = n > 0 ? change_services(cli, wait, (int)n, list) : EXIT_DONE;
	cli->opt = options;
	free(list);
	return code;
}

static int tell_failed(const struct cli *cli, const json_t *failed)
{
	const json_t *item;
	size_t i;

	json_array_foreach(failed, i, item)
		say(cli, "%s: %s", json_str(item, "name", "?"), json_str(item, "error", "failed"));
	return json_array_size(failed) > 0 ? EXIT_FAILED : EXIT_DONE;
}

int bulk_call(struct cli *cli, const char *method, const char *done, const struct change *wait)
{
	json_t *answer = NULL;
	int code = ask(cli, method, NULL, ASK_AGAIN, &answer);
	int failed;

	if (code != EXIT_DONE)
		return code;
	if (!cli->opt.no_wait)
		code = wait_for_names(cli, json_object_get(answer, done), wait);
	failed = tell_failed(cli, json_object_get(answer, "failed"));
	if (cli->opt.json)
		print_json(answer, false);
	else if (!cli->opt.quiet)
		print_names(json_object_get(answer, done), done);
	json_decref(answer);
	return code != EXIT_DONE ? code : failed;
}
