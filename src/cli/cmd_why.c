/* SPDX-License-Identifier: Apache-2.0 */
/* zinit why: the server's explanation, cause by cause. */
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/text.h"

int cmd_why(struct cli *cli, int argc, char **argv)
{
	json_t *answer = NULL;
	int code = ask(cli, "service.why", json_pack("{s:s}", "name", argv[0]), ASK_AGAIN, &answer);

	(void)argc;
	if (code != EXIT_DONE)
		return code;
	if (cli->opt.json)
		print_json(answer, false);
	else
		text_print(json_str(answer, "text", json_str(answer, "ascii", "")), stdout);
	json_decref(answer);
	return EXIT_DONE;
}
