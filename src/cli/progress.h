/* SPDX-License-Identifier: Apache-2.0 */
/* One line on stderr that says what is being waited for; nothing where stderr is no terminal. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "base/time.h"
#include "cli/cli.h"

/* How often it is drawn, so how long a wait may last between two draws. */
#define PROGRESS_STEP_MS 100

struct progress {
	bool on;
	bool drawn;
	unsigned int step;
	usec_t begin;
};

void progress_begin(struct progress *p, const struct cli *cli);
/** Draw the line; nothing in the first third of a second, which most waits don't outlive. */
void progress_draw(struct progress *p, const char *text);
/** Take the line away, before anything else is printed. */
void progress_clear(struct progress *p);

#endif
