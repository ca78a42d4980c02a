/* SPDX-License-Identifier: Apache-2.0 */
/* zinit apply: do what the service files ask for, wait until it is done, and tell what was taken back. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/ask.h"
#include "cli/change.h"
#include "cli/command.h"
#include "cli/plan.h"
#include "cli/text.h"

static bool is_named(char **names, int n, const char *name)
{
	for (int i = 0; i < n; i++) {
		if (str_equal(names[i], name))
			return true;
	}
	return false;
}

/* Whom the plan starts, each once. The names are the plan's. Returns how many, or -1: no memory. */
static int started(const json_t *plan, char ***out)
{
	const json_t *steps = json_object_get(plan, "steps");
	char **names = calloc(json_array_size(steps) + 1, sizeof(*names));
	const json_t *step;
	size_t i;
	int n = 0;

	if (!names)
		return -1;
	json_array_foreach(steps, i, step)
	{
		const char *name = json_str(step, "name", "");

		if (str_equal(json_str(step, "action", ""), "starts") && !is_named(names, n, name))
			names[n++] = (char *)(uintptr_t)name;
	}
	*out = names;
	return n;
}

static int wait_for_all(struct cli *cli, const json_t *plan)
{
	const struct change wait = { .method = "service.wait", .doing = "applying:", .up = true, .state = "up",
				     .undo_fails = true };
	AUTO(auto_free) char **names = NULL;
	int n = started(plan, &names);

	if (n < 0) {
		say(cli, "out of memory");
		return EXIT_FAILED;
	}
	return n > 0 && !cli->opt.no_wait ? change_services(cli, &wait, n, names) : EXIT_DONE;
}

static int apply(struct cli *cli, const json_t *plan, const char *digest)
{
	json_t *answer = NULL;
	int code = ask(cli, "config.apply", json_pack("{s:s}", "digest", digest), ASK_ONCE, &answer);

	if (code != EXIT_DONE)
		return code;
	if (cli->opt.json)
		print_json(answer, false);
	code = wait_for_all(cli, plan);
	if (code == EXIT_DONE && json_int(answer, "invalid", 0) > 0)
		code = EXIT_FAILED;
	json_decref(answer);
	return code;
}

int cmd_apply(struct cli *cli, int argc, char **argv)
{
	json_t *plan = NULL;
	const char *digest;
	int code = ask(cli, "config.plan", NULL, ASK_AGAIN, &plan);

	if (code != EXIT_DONE)
		return code;
	/* with a digest the server decides: another plan than that one is refused */
	digest = argc > 0 ? argv[0] : json_str(plan, "digest", "");
	if (json_array_size(json_object_get(plan, "changes")) == 0 && argc == 0) {
		if (cli->opt.json)
			print_json(plan, false);
		else if (!cli->opt.quiet)
			(void)printf("nothing to change\n");
		json_decref(plan);
		return EXIT_DONE;
	}
	if (!cli->opt.json && !cli->opt.quiet && str_equal(digest, json_str(plan, "digest", "")))
		plan_print_changes(cli, plan);
	code = apply(cli, plan, digest);
	json_decref(plan);
	return code;
}
