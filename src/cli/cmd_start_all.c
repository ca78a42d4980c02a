/* SPDX-License-Identifier: Apache-2.0 */
/* zinit start-all: every service of class user. */
#include "cli/bulk.h"
#include "cli/change.h"
#include "cli/command.h"

int cmd_start_all(struct cli *cli, int argc, char **argv)
{
	static const struct change wait = { .method = "service.wait", .doing = "starting", .up = true, .state = "up" };

	(void)argc;
	(void)argv;
	return bulk_call(cli, "service.start_all", "started", &wait);
}
