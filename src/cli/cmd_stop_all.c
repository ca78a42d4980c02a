/* SPDX-License-Identifier: Apache-2.0 */
/* zinit stop-all: every service of class user. */
#include "cli/bulk.h"
#include "cli/command.h"

int cmd_stop_all(struct cli *cli, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return bulk_call(cli, "service.stop_all", "stopped");
}
