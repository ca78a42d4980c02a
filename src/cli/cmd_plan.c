/* SPDX-License-Identifier: Apache-2.0 */
/* zinit plan: what applying the service files would do, step by step; nothing is done. */
#include <stdio.h>

#include "cli/ask.h"
#include "cli/command.h"
#include "cli/plan.h"
#include "cli/text.h"

int cmd_plan(struct cli *cli, int argc, char **argv)
{
	json_t *plan = NULL;
	int code = ask(cli, "config.plan", NULL, ASK_AGAIN, &plan);

	(void)argc;
	(void)argv;
	if (code != EXIT_DONE)
		return code;
	if (cli->opt.json) {
		print_json(plan, false);
	} else if (json_array_size(json_object_get(plan, "changes")) == 0) {
		if (!cli->opt.quiet)
			(void)printf("nothing to change: %lld services are as their files say\n",
				     (long long)json_int(plan, "unchanged", 0));
	} else {
		plan_print_changes(cli, plan);
		(void)putc('\n', stdout);
		plan_print_steps(cli, json_object_get(plan, "steps"));
		(void)printf("\nto do exactly this: zinit apply %s\n", json_str(plan, "digest", ""));
	}
	code = plan_has_invalid(plan) ? EXIT_FAILED : EXIT_DONE;
	json_decref(plan);
	return code;
}
