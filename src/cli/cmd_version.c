/* SPDX-License-Identifier: Apache-2.0 */
/* zinit version: of this program, and of the server if one is there. */
#include <stdio.h>

#include "cli/ask.h"
#include "cli/command.h"
#include "cli/text.h"

int cmd_version(struct cli *cli, int argc, char **argv)
{
	struct zinit_error err;
	json_t *answer = NULL;
	const char *server = NULL;

	(void)argc;
	(void)argv;
	if (ask_quietly(cli, "system.ping", NULL, ASK_AGAIN, &answer, &err) == 0)
		server = json_str(answer, "version", "?");
	if (cli->opt.json) {
		json_t *both = json_pack("{s:s, s:s?}", "version", ZINIT_VERSION, "server", server);

		print_json(both, false);
		json_decref(both);
	} else {
		(void)printf("zinit %s\n", ZINIT_VERSION);
		if (server)
			(void)printf("zinit-server %s at %s\n", server, zinit_socket(cli->client));
	}
	json_decref(answer);
	return EXIT_DONE;
}
