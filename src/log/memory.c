/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: questions that the ring alone answers, in the thread of the asker. */
#include "log/engine.h"

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
