/* SPDX-License-Identifier: Apache-2.0 */
/* zinit why: the server's explanation, cause by cause; with --if: what would happen. */
#include <stdio.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/command.h"
#include "cli/plan.h"
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

/* "stop:web" is asked as event and name, so that rights are those of the service. */
static json_t *event_params(const char *text)
{
	size_t len = strcspn(text, ":");

	if (!text[len])
		return json_pack("{s:s}", "event", text);
	return json_pack("{s:s%, s:s}", "event", text, len, "name", text + len + 1);
}

static int what_if(struct cli *cli)
{
	json_t *answer = NULL;
	int code = ask(cli, "service.preview", event_params(cli->opt.what_if), ASK_AGAIN, &answer);

	if (code != EXIT_DONE)
		return code;
	if (cli->opt.json)
		print_json(answer, false);
	else
		plan_print_steps(cli, json_object_get(answer, "steps"));
	json_decref(answer);
	return EXIT_DONE;
}

int cmd_why(struct cli *cli, int argc, char **argv)
{
	json_t *answer = NULL;
	int code;

	if (cli->opt.what_if && argc == 0)
		return what_if(cli);
	if (cli->opt.what_if || argc == 0)
		return say_usage(cli, "why takes the name of a service, or --if");
	code = ask(cli, "service.why", json_pack("{s:s}", "name", argv[0]), ASK_AGAIN, &answer);
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
