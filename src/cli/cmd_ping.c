/* SPDX-License-Identifier: Apache-2.0 */
/* zinit ping: is the server there? */
#include <stdio.h>

#include "base/time.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/text.h"

int cmd_ping(struct cli *cli, int argc, char **argv)
{
	usec_t begin = time_boottime();
	json_t *answer = NULL;
	int code = ask(cli, "system.ping", NULL, ASK_AGAIN, &answer);

	(void)argc;
	(void)argv;
	if (code != EXIT_DONE)
		return code;
	if (cli->opt.json)
		print_json(answer, false);
	else if (!cli->opt.quiet)
		(void)printf("zinit-server %s at %s, answered in %.1f ms\n", json_str(answer, "version", "?"),
			     zinit_socket(cli->client), (double)(time_boottime() - begin) / 1000);
	json_decref(answer);
	return EXIT_DONE;
}
