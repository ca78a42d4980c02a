/* SPDX-License-Identifier: Apache-2.0 */
/* zinit rpc: any method, raw. */
#include <stdio.h>

#include "base/str.h"
#include "cli/ask.h"
#include "cli/command.h"

static json_t *read_params(const char *text, json_error_t *why)
{
	if (str_equal(text, "-"))
		return json_loadf(stdin, JSON_ALLOW_NUL, why);
	return json_loads(text, JSON_ALLOW_NUL, why);
}

int cmd_rpc(struct cli *cli, int argc, char **argv)
{
	struct zinit_error err;
	json_t *params = NULL;
	json_t *answer = NULL;
	json_error_t why;

	if (argc > 1) {
		params = read_params(argv[1], &why);
		if (!params)
			return say_usage(cli, "the parameters are not JSON: %s (line %d, column %d)", why.text, why.line,
					 why.column);
		if (!json_is_object(params) && !json_is_array(params)) {
			json_decref(params);
			return say_usage(cli, "the parameters have to be a JSON object or array");
		}
	}
	for (const char *p = argv[0]; *p; p++)
		if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || *p == '_' || *p == '.')) {
			json_decref(params);
			return say_usage(cli, "'%s' is not the name of a method, such as service.list", argv[0]);
		}
	if (ask_quietly(cli, argv[0], params, ASK_ONCE, &answer, &err) < 0)
		return ask_explain(cli, argv[0], &err);
	print_json(answer, false);
	json_decref(answer);
	return EXIT_DONE;
}
