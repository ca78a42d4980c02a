/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which runs a service's segments hold: a file "runs" beside them, a line per run: "TIME NUMBER", the
 * time of the run's first line. The segments themselves know nothing of runs (the CRI format has no
 * place for them), so a run's lines there are those from its begin to the next one's.
 */
#ifndef LOG_RUNS_H
#define LOG_RUNS_H

#include <stddef.h>
#include <stdint.h>

#include "base/time.h"

struct run_begin {
	ts_ns ts;
	uint64_t run;
};

struct runs {
	struct run_begin *list; /* oldest first */
	size_t n;
};

/** Append one line. A line that is there already does no harm. Returns 0 or negative errno. */
int runs_append(int dir_fd, const struct run_begin *begin);
/** Read the file; none is no run. Returns 0 or negative errno. Free with runs_fini(). */
int runs_read(int dir_fd, struct runs *out);
void runs_fini(struct runs *r);
/** Drop what is older than the oldest segment (of time `oldest`), if the file has grown large. Errors are of no consequence. */
void runs_trim(int dir_fd, ts_ns oldest);

#endif
