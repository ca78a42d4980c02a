/* SPDX-License-Identifier: Apache-2.0 */
/* zinit debug-state, debug-procs: the server's insides, as text. */
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/text.h"

static int print_output(struct cli *cli, const char *method, json_t *params)
{
	json_t *answer = NULL;
	int code = ask(cli, method, params, ASK_AGAIN, &answer);

	if (code != EXIT_DONE)
		return code;
	if (cli->opt.json)
		print_json(answer, false);
	else
		text_print(json_str(answer, "output", ""), stdout);
	json_decref(answer);
	return EXIT_DONE;
}

int cmd_debug_state(struct cli *cli, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return print_output(cli, "debug.state", NULL);
}

int cmd_debug_procs(struct cli *cli, int argc, char **argv)
{
	return print_output(cli, "debug.process_tree", argc > 0 ? json_pack("{s:s}", "name", argv[0]) : NULL);
}
