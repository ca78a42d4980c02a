/* SPDX-License-Identifier: Apache-2.0 */
/* zinit upgrade: another program takes the server's place; waits until one of the two serves. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/text.h"

/* A check, helper commands that are waited for, and a start that is given up: see supervisor/upgrade.c. */
#define UPGRADE_MS 45000

/*
 * The connection broke: so it was not handed over. The server that answers now knows how it went, unless it came by a
 * crash in between.
 */
static int ask_how_it_went(struct cli *cli)
{
	json_t *info = NULL;
	const char *text;
	int code = ask_reconnect(cli);

	if (code == EXIT_DONE)
		code = ask(cli, "system.info", NULL, ASK_AGAIN, &info);
	if (code != EXIT_DONE)
		return code;
	text = json_str(info, "last_upgrade", NULL);
	if (text && str_starts(text, "zinit") && !cli->opt.quiet)
		(void)printf("%s\n", text);
	else if (!text)
		say(cli, "the connection broke, and zinit %s serves now", json_str(info, "version", "?"));
	code = text && !strstr(text, "put back") ? EXIT_DONE : EXIT_FAILED;
	json_decref(info);
	return code;
}

static void print_answer(const struct cli *cli, const json_t *answer)
{
	if (cli->opt.json)
		print_json(answer, false);
	else if (!cli->opt.quiet)
		(void)printf("%s in %.1f ms\n", json_str(answer, "text", "upgraded"),
			     (double)json_int(answer, "gap_us", 0) / 1000.0);
}

int cmd_upgrade(struct cli *cli, int argc, char **argv)
{
	AUTO(auto_free) char *path = argc > 0 ? realpath(argv[0], NULL) : NULL;
	struct zinit_error err;
	json_t *answer = NULL;
	int code;
	int r;

	/* what is not there for us may be for the server, and it says so best */
	if (argc > 0 && !path)
		path = strdup(argv[0]);
	if (cli->opt.timeout_ms < 0)
		cli->opt.timeout_ms = UPGRADE_MS;
	code = ask_connect(cli);
	if (code != EXIT_DONE)
		return code;
	r = ask_quietly(cli, "system.upgrade", json_pack("{s:s*}", "path", path), ASK_ONCE, &answer, &err);
	if (r == -ZINIT_LOST)
		return ask_how_it_went(cli);
	if (r < 0)
		return ask_explain(cli, NULL, &err);
	print_answer(cli, answer);
	json_decref(answer);
	return EXIT_DONE;
}
