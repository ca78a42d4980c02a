/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line of a service's output, as every consumer sees it: ring, segments, queries and followers
 * speak of lines in this form. Text is any bytes but newline: NUL bytes, invalid UTF-8, carriage
 * returns and colours pass unharmed; whoever prints or encodes them escapes them.
 */
#ifndef LOG_LINE_H
#define LOG_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"

enum log_stream { LOG_STDOUT, LOG_STDERR, LOG_STREAM_N };

/* Bits of `flags`; the low bits of the 16-bit field in the ring hold the stream. */
#define LINE_STREAM_MASK 0x0003U
/* More of this line follows in the next line of the same stream and run (it was longer than max_line). */
#define LINE_PARTIAL 0x0004U
/* The line before it, of the same stream and run, was its beginning. */
#define LINE_CONTINUED 0x0008U
/* The stream ended, or its service exited, without a newline. */
#define LINE_UNTERMINATED 0x0010U
/* Not a line but a count: `lost` lines were not kept here. Why: LINE_LOST_*. No text. */
#define LINE_LOST 0x0020U
/* First line of its run. */
#define LINE_RUN_START 0x0040U
/* Both streams were readable at once: the order against the other stream's neighbours is not known. */
#define LINE_UNCERTAIN 0x0080U
/* Why lines were lost: over rate_limit; overwritten before this consumer read them; the disk refused. */
#define LINE_LOST_RATE 0x0100U
#define LINE_LOST_OVERWRITTEN 0x0200U
#define LINE_LOST_DISK 0x0400U

struct log_line {
	ts_ns ts;             /* when the pipe was read */
	uint64_t seq;         /* number in its ring, from 0; LINE_SEQ_NONE for lines of segments */
	uint64_t run;         /* run of the service that wrote it; 0: not known (segments) */
	const char *service;  /* borrowed */
	const char *text;     /* `len` bytes, not NUL-terminated, valid until the callback returns */
	uint32_t len;
	uint64_t lost;        /* LINE_LOST: how many lines */
	uint64_t ring;        /* queries: as log_cursor.ring of the place after this line; 0: not told */
	uint32_t same;        /* queries: how many lines of exactly this time there were up to this one; 0: not counted */
	enum log_stream stream;
	uint16_t flags;       /* LINE_*, without the stream */
};

#define LINE_SEQ_NONE UINT64_MAX

/** Gets one line. Returns 0 to go on; anything else ends the walk and is returned by it. */
typedef int (*log_line_fn)(const struct log_line *line, void *data);

/** "stdout", "stderr". */
const char *log_stream_name(enum log_stream stream);
/** The stream of a name, or -EINVAL. */
int log_stream_from_name(const char *name);
/** "rate limit", "overwritten", "disk": why the lines of a LINE_LOST record are gone. */
const char *log_lost_reason(uint16_t flags);
/**
 * Level of a line by its `<N>` prefix (0 emergency .. 7 debug, as syslog and systemd have it), or -1 without one.
 * `*out_prefix` is the length of the prefix (0 or 3): what a printer may leave out.
 */
int log_line_level(const struct log_line *line, size_t *out_prefix);

#endif
