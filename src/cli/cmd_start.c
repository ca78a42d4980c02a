/* SPDX-License-Identifier: Apache-2.0 */
/* zinit start: until it is ready, or has failed. */
#include "cli/change.h"
#include "cli/command.h"

int cmd_start(struct cli *cli, int argc, char **argv)
{
	static const struct change change = { .method = "service.start", .doing = "starting", .up = true };

	return change_services(cli, &change, argc, argv);
}
