/* SPDX-License-Identifier: Apache-2.0 */
/* zinit tree: services and what they depend on, as the server draws it. */
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/text.h"

int cmd_tree(struct cli *cli, int argc, char **argv)
{
	json_t *params = argc > 0 ? json_pack("{s:s}", "name", argv[0]) : NULL;
	json_t *answer = NULL;
	int code = ask(cli, "service.tree", params, ASK_AGAIN, &answer);

	if (code != EXIT_DONE)
		return code;
	if (cli->opt.json)
		print_json(answer, false);
	else
		text_print(json_str(answer, "ascii", ""), stdout);
	json_decref(answer);
	return EXIT_DONE;
}
