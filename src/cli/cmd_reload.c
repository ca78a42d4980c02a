/* SPDX-License-Identifier: Apache-2.0 */
/* zinit reload: apply what changed in the service directory, every bad file is named; with names: these services reload. */
#include <stdio.h>

#include "base/str.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/text.h"

static void print_changes(const json_t *answer)
{
	const json_t *changes = json_object_get(answer, "changes");
	const json_t *change;
	size_t i;

	json_array_foreach(changes, i, change)
	{
		const char *text = json_str(change, "text", "");

		if (str_equal(json_str(change, "action", ""), "invalid"))
			continue;
		(void)printf("%-10s %s%s%s%s\n", json_str(change, "action", "?"), json_str(change, "name", "?"),
			     *text ? " (" : "", text, *text ? ")" : "");
	}
}

static void print_counts(const json_t *answer)
{
	static const char *const counts[] = { "added", "changed", "restarted", "removed", "unchanged", "invalid" };

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		(void)printf("%s%lld %s", i > 0 ? ", " : "", (long long)json_int(answer, counts[i], 0), counts[i]);
	(void)putc('\n', stdout);
}

static void tell_invalid(const json_t *answer)
{
	const json_t *changes = json_object_get(answer, "changes");
	const json_t *change;
	size_t i;

	json_array_foreach(changes, i, change)
	{
		if (str_equal(json_str(change, "action", ""), "invalid"))
			text_print(json_str(change, "text", json_str(change, "name", "?")), stderr);
	}
}

static int reload_services(struct cli *cli, int argc, char **argv)
{
	int code = EXIT_DONE;

	for (int i = 0; i < argc && code != EXIT_NO_SERVER; i++) {
		json_t *answer = NULL;
		int one = ask(cli, "service.reload", json_pack("{s:s}", "name", argv[i]), ASK_ONCE, &answer);

		if (one == EXIT_DONE && cli->opt.json)
			print_json(answer, argc > 1);
		else if (one == EXIT_DONE && !cli->opt.quiet)
			(void)printf("%s: asked to reload\n", argv[i]);
		json_decref(answer);
		if (code == EXIT_DONE)
			code = one;
	}
	return code;
}

int cmd_reload(struct cli *cli, int argc, char **argv)
{
	json_t *answer = NULL;
	int code;

	if (argc > 0)
		return reload_services(cli, argc, argv);
	code = ask(cli, "service.reload", NULL, ASK_AGAIN, &answer);
	if (code != EXIT_DONE)
		return code;
	if (cli->opt.json) {
		print_json(answer, false);
	} else if (!cli->opt.quiet) {
		print_changes(answer);
		print_counts(answer);
	}
	if (!cli->opt.json)
		tell_invalid(answer);
	if (json_int(answer, "invalid", 0) > 0)
		code = EXIT_FAILED;
	json_decref(answer);
	return code;
}
