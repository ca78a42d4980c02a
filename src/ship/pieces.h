/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the encoders are made of: pieces of text appended to a buffer, and the facts of a line in the form that several
 * formats want. An append that finds no room sets `failed` of the buffer and nothing else: encoders test once at the end.
 */
#ifndef SHIP_PIECES_H
#define SHIP_PIECES_H

#include <string.h>

#include "ship/batch.h"

/** Append a string literal. */
#define PUT(to, literal) ((void)strbuf_add(to, literal, sizeof(literal) - 1))

/** Append a number in decimal. */
void put_u64(struct strbuf *to, uint64_t value);
/** Append a JSON string with its quotes. */
void put_json(struct strbuf *to, const char *text, size_t len);
void put_json_str(struct strbuf *to, const char *text);
/** Append `text` percent-encoded for a query's value. */
void put_query(struct strbuf *to, const char *text);

/** The last time that was printed, so that neighbours of the same second cost little. Zero it. */
struct time_text {
	ts_ns second;
	char text[TIME_RFC3339_SIZE];
	bool filled;
};
/** RFC 3339 in UTC with nine decimals; valid until the next call. */
const char *time_text(struct time_text *t, ts_ns time);

/** "ring-sequence" in hexadecimal and decimal: the identity of a line on this machine's `service`. */
#define LINE_ID_SIZE 48
void line_id(const struct ship_line *line, char out[LINE_ID_SIZE]);
/** "emerg" .. "debug"; NULL for a line without a level. */
const char *level_name(int level);
/**
 * The text of a line; of a gap, "[zinit: N lines lost: WHY]". `room` holds the latter.
 */
#define GAP_TEXT_SIZE 256
struct line_text {
	const char *text;
	size_t len;
	char room[GAP_TEXT_SIZE];
};
void line_text(const struct ship_line *line, struct line_text *out);
static inline bool is_gap(const struct ship_line *line)
{
	return (line->flags & LINE_LOST) != 0;
}

/** Splits a "key=value" of the configuration. Returns the value, and the key's length. */
const char *pair_split(const char *pair, size_t *out_key_len);
/** True for the label "host": it stands in for the machine's name, and is no label beside it. */
bool is_host(const char *key, size_t len);
/** The host's name: the label "host" if there is one, else the machine's. */
const char *host_of(const struct ship_sink *sink);

/**
 * The lines of a batch, put together by service and, if `by_stream`, by stream, each group in the batch's order.
 * Returns an array of `batch->count` that belongs to `out` and lasts until the next call, or NULL: no memory.
 */
const struct ship_line **grouped(const struct ship_batch *batch, bool by_stream, struct ship_request *out);
/** True if both belong to the same group. */
bool same_group(const struct ship_line *a, const struct ship_line *b, bool by_stream);

#endif
