/* SPDX-License-Identifier: Apache-2.0 */
/* zinit kill: one signal to a service's process group. */
#include <stdio.h>

#include "base/str.h"
#include "cli/ask.h"
#include "cli/command.h"

int cmd_kill(struct cli *cli, int argc, char **argv)
{
	const char *signal = argc > 1 ? argv[1] : "SIGTERM";
	json_t *params = json_pack("{s:s, s:s}", "name", argv[0], "signal", signal);
	json_t *answer = NULL;
	int code;

	if (cli->opt.leader)
		(void)json_object_set_new(params, "leader", json_true());
	/* not asked again: a signal that is sent twice is not the same as one */
	code = ask(cli, "service.kill", params, ASK_ONCE, &answer);
	if (code != EXIT_DONE)
		return code;
	if (cli->opt.json)
		print_json(answer, false);
	else if (!cli->opt.quiet)
		(void)printf("%s: sent %s\n", argv[0], signal);
	json_decref(answer);
	return EXIT_DONE;
}
