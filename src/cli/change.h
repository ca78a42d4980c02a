/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verbs that bring services into a state and wait for it: start, stop, restart, wait. All services are asked for at
 * once; each is reported as soon as it is decided.
 */
#ifndef CLI_CHANGE_H
#define CLI_CHANGE_H

#include "cli/cli.h"

struct change {
	const char *method; /* "service.start" */
	const char *doing;  /* "starting", for the progress line */
	bool up;            /* a failure is shown with the last lines of the service */
	bool undo_fails;    /* a new definition that was taken back is a failure */
	const char *state;  /* service.wait: the state to wait for; NULL for the others */
};

/** Do it for `n` names. Returns an exit code: the first that is not EXIT_DONE, in the order of the names. */
int change_services(struct cli *cli, const struct change *change, int n, char **names);

#endif
