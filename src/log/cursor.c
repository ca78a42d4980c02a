/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the text form of cursors: "1-ring-seq-ts-same", all in hexadecimal. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "log/query.h"

void log_cursor_format(const struct log_cursor *c, char out[CURSOR_TEXT_SIZE])
{
	(void)snprintf(out, CURSOR_TEXT_SIZE, "1-%" PRIx64 "-%" PRIx64 "-%" PRIx64 "-%" PRIx32, c->ring, c->seq,
		       (uint64_t)c->ts, c->same);
}

void ring_cursor(const struct ring *r, uint64_t seq, struct log_cursor *out)
{
	ts_ns ts;

	*out = (struct log_cursor){ .ring = ring_id(r), .seq = seq };
	while (seq && ring_time(r, seq - 1, &ts) == 0 && (!out->same || ts == out->ts)) {
		out->ts = ts;
		out->same++;
		seq--;
	}
}

bool log_cursor_in_ring(const struct log_cursor *c, const struct ring *ring)
{
	return !c->ring || (ring && c->ring == ring_id(ring) && c->seq >= ring_tail(ring));
}

/* One field of lower-case hexadecimal digits and what ends it. */
static const char *hex(const char *s, unsigned int digits, char end, uint64_t *out)
{
	uint64_t value = 0;
	unsigned int n = 0;

	for (; *s != end; s++, n++) {
		int digit = *s >= '0' && *s <= '9' ? *s - '0' : *s >= 'a' && *s <= 'f' ? *s - 'a' + 10 : -1;

		if (digit < 0 || n == digits)
			return NULL;
		value = value << 4 | (unsigned int)digit;
	}
	*out = value;
	return n ? s : NULL;
}

int log_cursor_parse(const char *text, struct log_cursor *out)
{
	uint64_t field[4];
	const char *s = text;

	if (*s++ != '1')
		return -EINVAL;
	for (unsigned int i = 0; i < 4; i++) {
		if (*s++ != '-')
			return -EINVAL;
		s = hex(s, i == 3 ? 8 : 16, i == 3 ? '\0' : '-', &field[i]);
		if (!s)
			return -EINVAL;
	}
	*out = (struct log_cursor){ field[0], field[1], (ts_ns)field[2], (uint32_t)field[3] };
	return 0;
}
