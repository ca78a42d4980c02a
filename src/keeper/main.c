/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the command line of zinit-keeper, which zinit-server turns itself into. */
#include <stdio.h>
#include <string.h>

#include "base/diag.h"
#include "keeper/keeper.h"

int main(int argc, char **argv)
{
	struct error err;
	int r;

	if (argc < 3 || strcmp(argv[1], "--") != 0) {
		(void)fputs("usage: zinit-keeper -- PATH-OF-ZINIT-SERVER [ARGUMENT...]\n"
			    "zinit-server starts this program by itself; it is of no use by hand.\n",
			    stderr);
		return 2;
	}
	r = keeper_run(argv + 2, &err);
	if (r < 0) {
		diag(DIAG_ERROR, "keeper: %s", err.msg);
		return 1;
	}
	return r;
}
