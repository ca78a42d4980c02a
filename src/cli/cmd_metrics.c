/* SPDX-License-Identifier: Apache-2.0 */
/* zinit metrics: the figures of the server, as text. */
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/text.h"

int cmd_metrics(struct cli *cli, int argc, char **argv)
{
	json_t *params = json_pack("{s:b}", "usage", cli->opt.all);
	json_t *answer = NULL;
	int code;

	ask_add_names(params, argc, argv);
	code = ask(cli, "system.metrics", params, ASK_AGAIN, &answer);
	if (code != EXIT_DONE)
		return code;
	if (cli->opt.json)
		print_json(answer, false);
	else
		(void)fputs(json_str(answer, "text", ""), stdout);
	json_decref(answer);
	return EXIT_DONE;
}
