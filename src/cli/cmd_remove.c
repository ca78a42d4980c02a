/* SPDX-License-Identifier: Apache-2.0 */
/* zinit remove: stop services and forget them, their files too. */
#include <stdio.h>

#include "cli/ask.h"
#include "cli/command.h"

static int remove_one(struct cli *cli, const char *name)
{
	json_t *answer = NULL;
	/* stopping it may take as long as it takes; asked once, for it would not be found the second time */
	int code;

	if (cli->opt.timeout_ms < 0)
		cli->opt.timeout_ms = SETTLE_MS;
	code = ask(cli, "service.delete", json_pack("{s:s}", "name", name), ASK_ONCE, &answer);
	if (code != EXIT_DONE)
		return code;
	if (cli->opt.json)
		print_json(answer, false);
	else if (!cli->opt.quiet)
		(void)printf("%s: removed\n", name);
	json_decref(answer);
	return EXIT_DONE;
}

int cmd_remove(struct cli *cli, int argc, char **argv)
{
	int code = EXIT_DONE;

	for (int i = 0; i < argc && code != EXIT_NO_SERVER; i++) {
		int one = remove_one(cli, argv[i]);

		if (code == EXIT_DONE)
			code = one;
	}
	return code;
}
