/* SPDX-License-Identifier: Apache-2.0 */
/* zinit why: the server's explanation, cause by cause. */
#include <stdio.h>

#include "cli/ask.h"
#include "cli/command.h"
#include "cli/text.h"

/* Each sentence is explained by the next, down to the root. */
static void print_steps(const json_t *answer)
{
	const json_t *texts = json_object_get(answer, "text");
	const json_t *text;
	size_t i;

	json_array_foreach(texts, i, text)
	{
		(void)printf("%*s", (int)(2 * i), "");
		text_print(json_is_string(text) ? json_string_value(text) : "?", stdout);
	}
}

int cmd_why(struct cli *cli, int argc, char **argv)
{
	json_t *answer = NULL;
	int code = ask(cli, "service.why", json_pack("{s:s}", "name", argv[0]), ASK_AGAIN, &answer);

	(void)argc;
	if (code != EXIT_DONE)
		return code;
	if (cli->opt.json)
		print_json(answer, false);
	else if (json_is_array(json_object_get(answer, "text")))
		print_steps(answer);
	else
		text_print(json_str(answer, "ascii", ""), stdout);
	json_decref(answer);
	return EXIT_DONE;
}
