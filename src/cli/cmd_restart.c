/* SPDX-License-Identifier: Apache-2.0 */
/* zinit restart: and wait until it is ready again. */
#include "cli/change.h"
#include "cli/command.h"

int cmd_restart(struct cli *cli, int argc, char **argv)
{
	static const struct change change = { .method = "service.restart", .doing = "restarting", .up = true };

	return change_services(cli, &change, argc, argv);
}
