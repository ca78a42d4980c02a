/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: which run "the one before" is, and where its lines are in the segments. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "log/query_source.h"
#include "log/runs.h"

/* The greatest run below `below` that has a line in the ring; 0: none. */
static uint64_t ring_run_below(const struct ring *r, uint64_t below, char *buf, size_t size)
{
	uint64_t head = ring_head(r);
	struct log_line line;
	uint64_t best = 0;

	for (uint64_t seq = MIN(ring_tail(r), head); seq < head; seq++) {
		if (ring_read(r, seq, buf, size, &line) == 0 && line.run < below && line.run > best)
			best = line.run;
	}
	return best;
}

/*
 * The greatest run below `below` in the record. After a restart of the machine runs are counted from 1 again: the record
 * counts back only to where numbers stop falling.
 */
static uint64_t recorded_run_below(const struct runs *runs, uint64_t below)
{
	uint64_t last = UINT64_MAX;

	for (size_t i = runs->n; i > 0; i--) {
		uint64_t run = runs->list[i - 1].run;

		if (run > last)
			break;
		if (run < below)
			return run;
		last = run;
	}
	return 0;
}

static int resolve(const struct ring *ring, const struct runs *runs, int64_t wanted, uint64_t *out_run)
{
	size_t size = ring ? ring_max_line(ring) : 1;
	AUTO(auto_free) char *buf = malloc(size);
	uint64_t run = UINT64_MAX;

	if (!buf)
		return -ENOMEM;
	for (; wanted <= 0 && run; wanted++) {
		uint64_t in_ring = ring ? ring_run_below(ring, run, buf, size) : 0;
		uint64_t recorded = recorded_run_below(runs, run);

		run = MAX(in_ring, recorded);
	}
	*out_run = run;
	return run ? 0 : -ENOENT;
}

/* The run's span in the segments: from its last begin on record to the next. */
static void find_span(const struct runs *runs, uint64_t run, ts_ns *out_begin, ts_ns *out_end)
{
	*out_begin = INT64_MAX;
	*out_end = 0;
	for (size_t i = runs->n; i > 0; i--) {
		if (runs->list[i - 1].run != run)
			continue;
		*out_begin = runs->list[i - 1].ts;
		*out_end = i < runs->n ? runs->list[i].ts : INT64_MAX;
		return;
	}
}

int query_find_run(const struct ring *ring, int dir_fd, int64_t wanted, uint64_t *out_run, ts_ns *out_begin,
		   ts_ns *out_end)
{
	struct runs runs = { 0 };
	int code = 0;

	if (dir_fd >= 0 && runs_read(dir_fd, &runs) == -ENOMEM)
		return -ENOMEM;
	*out_run = (uint64_t)wanted;
	if (wanted <= 0)
		code = resolve(ring, &runs, wanted, out_run);
	find_span(&runs, *out_run, out_begin, out_end);
	runs_fini(&runs);
	return code;
}
