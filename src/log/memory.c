/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: questions that the ring alone answers, in the thread of the asker; which run is "the one before". */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "log/engine.h"
#include "log/query_source.h"

/* The greatest run below `below` that has a line in the ring; 0: none. */
static uint64_t run_below(const struct ring *r, uint64_t below, char *buf, size_t size)
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

int64_t query_absolute_run(const struct ring *r, int64_t relative)
{
	size_t size = ring_max_line(r);
	AUTO(auto_free) char *buf = malloc(size);
	uint64_t run = buf ? run_below(r, UINT64_MAX, buf, size) : 0;

	while (relative++ < 0 && run)
		run = run_below(r, run, buf, size);
	/* No such run: a number that no run has. */
	return run ? (int64_t)run : INT64_MAX;
}

int log_memory(struct log_service *svc, const struct query_opts *opts, log_line_fn fn, void *data,
	       struct log_cursor *out_cursor, struct error *err)
{
	struct query_source from = {
		.service = svc->name,
		.ring = atomic_load_explicit(&svc->ring, memory_order_acquire),
	};
	struct query_opts here = *opts;

	here.memory_only = true;
	return query_run(&from, 1, &here, fn, data, out_cursor, err);
}
