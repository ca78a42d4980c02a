/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text from outside, made fit to print: what a service wrote may hold anything, and a terminal obeys it.
 */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/str.h"
#include "base/time.h"

/** How escape sequences of services are treated. */
enum text_escapes {
	TEXT_STRIP,  /* taken out: all escape sequences and control characters but TAB */
	TEXT_COLORS, /* colours and weights (SGR) stay, everything else is taken out; ends with a reset if one stayed */
	TEXT_RAW,    /* byte for byte */
};

/** Append `len` bytes of `s` to `out`. */
void text_add(struct strbuf *out, const char *s, size_t len, enum text_escapes escapes);

/** Print `s`, which may have several lines, with TEXT_STRIP and a newline at the end. */
void text_print(const char *s, FILE *to);

/** Columns that `s` takes on a terminal (no escapes in it; wide East Asian characters and emoji count two). */
size_t text_width(const char *s);

/** Formats of a wall-clock time, in local time unless said otherwise. */
enum text_time {
	TEXT_TIME_FULL,  /* 2026-11-22 23:04:05.123 */
	TEXT_TIME_CLOCK, /* 23:04:05.123 */
};
#define TEXT_TIME_SIZE 32
/** Write `t` into `out` (TEXT_TIME_SIZE bytes) and return it. */
const char *text_time(ts_ns t, enum text_time format, char out[TEXT_TIME_SIZE]);

/** Read what a person types for --since and --until: RFC 3339, "2026-11-22 23:04[:05]", "2026-11-22", "23:04[:05]" (local
 *  time, today), "now", "today", "yesterday", "@SECONDS", or a span into the past such as "10m", "1h30m" or "10 min ago".
 *  Returns 0 or -EINVAL. */
int text_parse_time(const char *s, ts_ns now, ts_ns *out);

/** Bytes for people: "512", "4.2K", "1.3G". */
#define TEXT_SIZE_SIZE 16
const char *text_size(uint64_t bytes, char out[TEXT_SIZE_SIZE]);

/* Members of a JSON object, with what to take where there is none. */
const char *json_str(const json_t *object, const char *key, const char *otherwise);
int64_t json_int(const json_t *object, const char *key, int64_t otherwise);
double json_num(const json_t *object, const char *key, double otherwise);
bool json_flag(const json_t *object, const char *key);

#endif
