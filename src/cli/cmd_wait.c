/* SPDX-License-Identifier: Apache-2.0 */
/* zinit wait: until services are in a state. */
#include "base/str.h"
#include "cli/change.h"
#include "cli/command.h"

int cmd_wait(struct cli *cli, int argc, char **argv)
{
	const char *state = cli->opt.state ? cli->opt.state : "running";
	struct change change = { .method = "service.wait", .doing = "waiting for", .state = state };

	change.up = str_equal(state, "running");
	return change_services(cli, &change, argc, argv);
}
