/* SPDX-License-Identifier: Apache-2.0 */
/* zinit add: services from files. They are checked here, so that errors name the place in the file. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/text.h"
#include "config/encode.h"
#include "config/load.h"

static json_t *read_toml(const struct cli *cli, const char *path)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(1U << 20);
	struct service_config *config = NULL;
	struct problems problems;
	json_t *json = NULL;

	problems_init(&problems);
	if (load_service_file(path, LOAD_STRICT | LOAD_ANY_NAME, &problems, &config) == 0)
		json = config_to_json(config);
	problems_format(&problems, path, &text);
	(void)fputs(strbuf_str(&text), stderr);
	if (config && !json)
		say(cli, "%s: out of memory", path);
	config_free(config);
	problems_fini(&problems);
	return json;
}

static json_t *read_json(const struct cli *cli, const char *path)
{
	bool from_stdin = str_equal(path, "-");
	json_error_t why;
	json_t *json = from_stdin ? json_loadf(stdin, 0, &why) : json_load_file(path, 0, &why);

	if (!json)
		say(cli, "%s:%d:%d: %s", from_stdin ? "stdin" : path, why.line, why.column, why.text);
	return json;
}

static int add_one(struct cli *cli, const char *path)
{
	size_t len = strlen(path);
	bool is_json = str_equal(path, "-") || (len > 5 && str_equal(path + len - 5, ".json"));
	json_t *config = is_json ? read_json(cli, path) : read_toml(cli, path);
	json_t *answer = NULL;
	json_t *params;
	const char *name;
	int code;

	if (!config)
		return EXIT_FAILED;
	name = json_str(json_object_get(config, "service"), "name", json_str(json_object_get(config, "target"), "name", path));
	params = json_pack("{s:O, s:b}", "config", config, "persist", cli->opt.persist);
	code = ask(cli, cli->opt.force ? "service.set" : "service.add", params, ASK_ONCE, &answer);
	if (code == EXIT_DONE && cli->opt.json)
		print_json(answer, false);
	else if (code == EXIT_DONE && !cli->opt.quiet)
		(void)printf("%s: added\n", name);
	json_decref(answer);
	json_decref(config);
	return code;
}

int cmd_add(struct cli *cli, int argc, char **argv)
{
	int code = EXIT_DONE;

	for (int i = 0; i < argc && code != EXIT_NO_SERVER; i++) {
		int one = add_one(cli, argv[i]);

		if (code == EXIT_DONE)
			code = one;
	}
	return code;
}
