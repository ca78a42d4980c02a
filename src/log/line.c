/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the names of streams and of reasons, and the `<N>` prefix. */
#include "log/line.h"

#include <errno.h>

#include "base/mem.h"
#include "base/str.h"

static const char *const stream_names[LOG_STREAM_N] = { "stdout", "stderr" };

const char *log_stream_name(enum log_stream stream)
{
	return stream_names[stream];
}

int log_stream_from_name(const char *name)
{
	for (int i = 0; i < LOG_STREAM_N; i++) {
		if (str_equal(name, stream_names[i]))
			return i;
	}
	return -EINVAL;
}

const char *log_lost_reason(uint16_t flags)
{
	static const struct {
		unsigned int flag;
		const char *text;
	} reasons[] = {
		{ LINE_LOST_RATE, "over the rate limit" },
		{ LINE_LOST_OVERWRITTEN, "overwritten before they were read" },
		{ LINE_LOST_DISK, "the disk refused them" },
	};

	for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
		if (flags & reasons[i].flag)
			return reasons[i].text;
	}
	return "unknown reason";
}

int log_line_level(const struct log_line *line, size_t *out_prefix)
{
	bool has = line->len >= 3 && line->text[0] == '<' && line->text[1] >= '0' &&
		   line->text[1] <= '7' && line->text[2] == '>';

	*out_prefix = has ? 3 : 0;
	return has ? line->text[1] - '0' : -1;
}
