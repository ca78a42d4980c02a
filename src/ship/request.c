/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the memory of requests and outcomes, and the names of verdicts. */
#include "ship/batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

/* An endpoint with its query, and all headers: what HTTP servers take, with room to spare. */
#define HEAD_MAX (64U << 10)

struct ship_request ship_request_empty(void)
{
	return (struct ship_request){
		.url = STRBUF(HEAD_MAX),
		.headers = STRBUF(HEAD_MAX),
		.body = STRBUF(LIMIT_SHIP_BODY),
		.plain = STRBUF(LIMIT_SHIP_BODY),
		.scratch = STRBUF(LIMIT_SHIP_BODY),
	};
}

void ship_request_fini(struct ship_request *r)
{
	if (!r)
		return;
	strbuf_fini(&r->url);
	strbuf_fini(&r->headers);
	strbuf_fini(&r->body);
	strbuf_fini(&r->plain);
	strbuf_fini(&r->scratch);
	free(r->ends);
	free(r->order);
	*r = ship_request_empty();
}

const char *ship_header_next(const struct ship_request *r, const char *header)
{
	const char *next = header ? header + strlen(header) + 1 : r->headers.data;

	return next && next < r->headers.data + r->headers.len ? next : NULL;
}

void ship_outcome_fini(struct ship_outcome *o)
{
	free(o->lines);
	*o = (struct ship_outcome){ .retry_after_ms = -1 };
}

const char *ship_verdict_name(enum ship_verdict v)
{
	static const char *const names[SHIP_VERDICT_N] = { "done",   "retry", "again", "split",
							   "poison", "pause", "each" };

	return v < SHIP_VERDICT_N ? names[v] : "?";
}
