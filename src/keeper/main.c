/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the command line of zinit-keeper, which zinit-server turns itself into. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/fd.h"
#include "base/program.h"
#include "keeper/keeper.h"

#define EXIT_USAGE 2

static int usage(void)
{
	(void)fputs("usage: zinit-keeper -- PATH-OF-ZINIT-SERVER [ARGUMENT...]\n"
		    "zinit-server starts this program by itself; it is of no use by hand.\n",
		    stderr);
	return EXIT_USAGE;
}

/* "--check VERSION": can we read a table of that version? Each keeper reads its own, the one before and the one after. */
static int check(const char *version)
{
	long n = strtol(version, NULL, 10);

	return n >= KEEPER_TABLE_VERSION - 1 && n <= KEEPER_TABLE_VERSION + 1 ? 0 : 1;
}

/* "--resume TABLE OLD -- …": go on for the keeper that we were; OLD is its program. */
static int resume(char **argv)
{
	int table = (int)strtol(argv[2], NULL, 10);
	int old = (int)strtol(argv[3], NULL, 10);
	char none[] = "-1";
	struct error err;
	int r;

	(void)fd_set_cloexec(old, true);
	r = keeper_run(argv[0], table, argv + 5, &err);
	if (r >= 0)
		return r;
	diag(DIAG_ERROR, "keeper: %s; back to the old one", err.msg);
	argv[3] = none;
	(void)program_exec(old, argv);
	return 1;
}

int main(int argc, char **argv)
{
	struct error err;
	int r;

	if (argc == 3 && strcmp(argv[1], "--check") == 0)
		return check(argv[2]);
	if (argc >= 6 && strcmp(argv[1], "--resume") == 0 && strcmp(argv[4], "--") == 0)
		return resume(argv);
	if (argc < 3 || strcmp(argv[1], "--") != 0)
		return usage();
	r = keeper_run(argv[0], -1, argv + 2, &err);
	if (r < 0) {
		diag(DIAG_ERROR, "keeper: %s", err.msg);
		return 1;
	}
	return r;
}
