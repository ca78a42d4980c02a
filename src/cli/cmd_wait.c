/* SPDX-License-Identifier: Apache-2.0 */
/* zinit wait: until services are in a state. */
#include "cli/change.h"
#include "cli/command.h"

int cmd_wait(struct cli *cli, int argc, char **argv)
{
	struct change change = { .method = "service.wait", .doing = "waiting for", .up = true,
				 .state = cli->opt.state ? cli->opt.state : "up" };

	return change_services(cli, &change, argc, argv);
}
