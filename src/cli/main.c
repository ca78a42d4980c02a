/* SPDX-License-Identifier: Apache-2.0 */
/* zinit: the command line. Finds the verb, takes the flags, runs it; everything else is in cmd_*.c. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/color.h"
#include "cli/command.h"

static void look_at_terminal(struct cli *cli)
{
	struct winsize size;

	cli->color_out = color_wanted(cli->opt.color, STDOUT_FILENO);
	cli->color_err = color_wanted(cli->opt.color, STDERR_FILENO);
	cli->progress = !cli->opt.quiet && !cli->opt.json && isatty(STDERR_FILENO) &&
			!str_equal(getenv("TERM"), "dumb");
	if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		cli->width = size.ws_col;
}

static int unknown_verb(const struct cli *cli, const char *verb)
{
	const char *nearest = command_nearest(verb);

	if (nearest)
		return say_usage(cli, "unknown verb '%s'; did you mean '%s'?", verb, nearest);
	return say_usage(cli, "unknown verb '%s'", verb);
}

static int run(struct cli *cli, int argc, char **argv)
{
	int first;

	first = command_parse(cli, cli->command, argc, argv);
	look_at_terminal(cli);
	if (first < 0)
		return EXIT_USAGE;
	argc -= first;
	argv += first;
	if (cli->opt.help) {
		command_help(stdout, cli->color_out, cli->command);
		return EXIT_DONE;
	}
	if (argc < cli->command->min_args)
		return say_usage(cli, "'%s' needs %s", cli->command->name, cli->command->args);
	if (cli->command->max_args >= 0 && argc > cli->command->max_args)
		return say_usage(cli, "'%s' is one argument too many for '%s'", argv[cli->command->max_args],
				 cli->command->name);
	return cli->command->run(cli, argc, argv);
}

static int find_and_run(struct cli *cli, int argc, char **argv)
{
	int first = command_parse(cli, NULL, argc, argv);

	look_at_terminal(cli);
	if (first < 0)
		return EXIT_USAGE;
	if (cli->opt.version) {
		(void)printf("zinit %s\n", ZINIT_VERSION);
		return EXIT_DONE;
	}
	if (first == argc) {
		command_help_all(cli->opt.help ? stdout : stderr, cli->opt.help ? cli->color_out : cli->color_err);
		return cli->opt.help ? EXIT_DONE : EXIT_USAGE;
	}
	cli->command = command_find(argv[first]);
	if (!cli->command)
		return unknown_verb(cli, argv[first]);
	return run(cli, argc - first, argv + first);
}

int main(int argc, char **argv)
{
	struct cli cli = { .opt = { .timeout_ms = -1, .lines = -1 } };
	int code;

	(void)setvbuf(stdout, NULL, isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF, 1U << 16);
	code = find_and_run(&cli, argc, argv);
	zinit_close(cli.client);
	/* a full disk or a closed pipe is a failure too; what is behind the pipe ended because it had enough */
	if (fflush(stdout) != 0 && code == EXIT_DONE)
		code = EXIT_FAILED;
	return code;
}
