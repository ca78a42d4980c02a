/* SPDX-License-Identifier: Apache-2.0 */
/* zinit stop-all: every service of class user. */
#include "cli/bulk.h"
#include "cli/change.h"
#include "cli/command.h"

int cmd_stop_all(struct cli *cli, int argc, char **argv)
{
	static const struct change wait = { .method = "service.wait", .doing = "stopping", .up = false, .state = "down" };

	(void)argc;
	(void)argv;
	return bulk_call(cli, "service.stop_all", "stopped", &wait);
}
