/* SPDX-License-Identifier: Apache-2.0 */
/* zinit shutdown: stop everything in order, then the server; waits until the server is gone. */
#include <stdio.h>

#include "base/time.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/progress.h"

/* The server closes its connections when the last service is gone. */
static int wait_until_gone(struct cli *cli)
{
	int timeout_ms = cli->opt.timeout_ms >= 0 ? cli->opt.timeout_ms : SETTLE_MS;
	usec_t deadline = time_add(time_boottime(), (unsigned int)timeout_ms * USEC_PER_MSEC);
	struct progress progress;
	struct zinit_error err;

	progress_begin(&progress, cli);
	while (zinit_dispatch(cli->client, PROGRESS_STEP_MS, &err) >= 0) {
		if (time_boottime() >= deadline) {
			progress_clear(&progress);
			say(cli, "the server is still stopping services");
			say_next(cli, "zinit list");
			return EXIT_TIMEOUT;
		}
		progress_draw(&progress, "stopping all services");
	}
	progress_clear(&progress);
	return EXIT_DONE;
}

int cmd_shutdown(struct cli *cli, int argc, char **argv)
{
	json_t *answer = NULL;
	int code = ask(cli, "system.shutdown", NULL, ASK_AGAIN, &answer);

	(void)argc;
	(void)argv;
	if (code != EXIT_DONE)
		return code;
	if (cli->opt.json)
		print_json(answer, false);
	json_decref(answer);
	if (!cli->opt.no_wait)
		code = wait_until_gone(cli);
	if (code == EXIT_DONE && !cli->opt.json && !cli->opt.quiet)
		(void)printf(cli->opt.no_wait ? "shutting down\n" : "all services stopped, the server is gone\n");
	return code;
}
