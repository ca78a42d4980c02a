/* SPDX-License-Identifier: Apache-2.0 */
/* zinit stop: until nothing of it is left. */
#include "cli/change.h"
#include "cli/command.h"

int cmd_stop(struct cli *cli, int argc, char **argv)
{
	static const struct change change = { .method = "service.stop", .doing = "stopping", .up = false };

	return change_services(cli, &change, argc, argv);
}
