/* SPDX-License-Identifier: Apache-2.0 */
/* zinit help: the overview, or one verb. */
#include <stdio.h>

#include "base/str.h"
#include "cli/ask.h"
#include "cli/command.h"

int cmd_help(struct cli *cli, int argc, char **argv)
{
	const struct command *command;
	const char *nearest;

	if (cli->opt.json) {
		json_t *all = command_json();

		print_json(all, false);
		json_decref(all);
		return EXIT_DONE;
	}
	if (argc == 0) {
		command_help_all(stdout, cli->color_out);
		return EXIT_DONE;
	}
	command = command_find(argv[0]);
	if (command) {
		command_help(stdout, cli->color_out, command);
		return EXIT_DONE;
	}
	nearest = command_nearest(argv[0]);
	if (nearest)
		return say_usage(cli, "unknown verb '%s'; did you mean '%s'?", argv[0], nearest);
	return say_usage(cli, "unknown verb '%s'", argv[0]);
}
