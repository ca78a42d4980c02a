/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the report of a bulk answer {MEMBER: [names], failed: [{name, error}]}. */
#include "cli/bulk.h"

#include <stdio.h>

#include "cli/ask.h"
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

int bulk_call(struct cli *cli, const char *method, const char *done)
{
	json_t *answer = NULL;
	const json_t *failed;
	const json_t *item;
	size_t i;
	int code = ask(cli, method, NULL, ASK_AGAIN, &answer);

	if (code != EXIT_DONE)
		return code;
	if (cli->opt.json)
		print_json(answer, false);
	else if (!cli->opt.quiet)
		print_names(json_object_get(answer, done), done);
	failed = json_object_get(answer, "failed");
	json_array_foreach(failed, i, item)
	{
		say(cli, "%s: %s", json_str(item, "name", json_is_string(item) ? json_string_value(item) : "?"),
		    json_str(item, "error", "failed"));
		code = EXIT_FAILED;
	}
	json_decref(answer);
	return code;
}
