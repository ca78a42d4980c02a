/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Following a subscription for as long as the user wants, over restarts of the server: the subscription is made anew at
 * the place where it broke, so nothing is shown twice and nothing is left out.
 */
#ifndef CLI_FOLLOW_H
#define CLI_FOLLOW_H

#include "cli/cli.h"

struct follow {
	const char *method;                                   /* "logs.follow"; its notifications have the same name */
	json_t *(*params)(void *data);                        /* where to go on; NULL: out of memory */
	void (*began)(const json_t *answer, void *data);      /* the answer to `method`; may be NULL */
	void (*got)(const json_t *params, void *data);        /* one notification */
	bool (*done)(const void *data);                       /* end now? Asked after each round; NULL: never */
	int idle_ms;                                          /* with `done`: end when nothing came for so long */
	void *data;
};

/** Subscribe and hand on what comes until `done`. stdout is flushed whenever nothing more waits. Returns an exit code. */
int follow_run(struct cli *cli, const struct follow *follow);

#endif
