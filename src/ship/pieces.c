/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: pieces of text, and the facts of a line. */
#include "ship/pieces.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json_text.h"

#define DIGITS_U64 20

void put_u64(struct strbuf *to, uint64_t value)
{
	char text[DIGITS_U64];
	size_t at = sizeof(text);

	do {
		text[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	(void)strbuf_add(to, text + at, sizeof(text) - at);
}

void put_json(struct strbuf *to, const char *text, size_t len)
{
	PUT(to, "\"");
	(void)json_text_add(to, text, len);
	PUT(to, "\"");
}

void put_json_str(struct strbuf *to, const char *text)
{
	put_json(to, text, strlen(text));
}

void put_query(struct strbuf *to, const char *text)
{
	static const char hex[] = "0123456789ABCDEF";

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
			     strchr("-_.~", c);

		if (plain)
			(void)strbuf_add(to, text, 1);
		else
			(void)strbuf_add(to, (char[]){ '%', hex[c >> 4], hex[c & 15] }, 3);
	}
}

const char *time_text(struct time_text *t, ts_ns time)
{
	ts_ns second = time / NSEC_PER_SEC;
	ts_ns rest = time % NSEC_PER_SEC;

	if (!t->filled || second != t->second) {
		time_rfc3339(time, t->text);
		t->second = second;
		t->filled = true;
		return t->text;
	}
	/* "2026-11-22T23:04:05.123456789Z": the decimals are those before the Z */
	for (size_t i = TIME_RFC3339_SIZE - 3; i >= TIME_RFC3339_SIZE - 11; i--) {
		t->text[i] = (char)('0' + rest % 10);
		rest /= 10;
	}
	return t->text;
}

void line_id(const struct ship_line *line, char out[LINE_ID_SIZE])
{
	(void)snprintf(out, LINE_ID_SIZE, "%" PRIx64 "-%" PRIu64 "%s", line->ring, line->sequence,
		       is_gap(line) ? "-gap" : "");
}

const char *level_name(int level)
{
	static const char *const names[] = { "emerg", "alert", "crit", "error", "warn", "notice", "info", "debug" };

	return level >= 0 && level < (int)ARRAY_LEN(names) ? names[level] : NULL;
}

void line_text(const struct ship_line *line, struct line_text *out)
{
	int n;

	if (!is_gap(line)) {
		out->text = line->text;
		out->len = line->len;
		return;
	}
	n = snprintf(out->room, sizeof(out->room), "[zinit: %" PRIu64 " lines lost: %s]", line->lost,
		     line->lost_why ? line->lost_why : "unknown reason");
	out->text = out->room;
	out->len = n < (int)sizeof(out->room) ? (size_t)n : sizeof(out->room) - 1;
}

const char *pair_split(const char *pair, size_t *out_key_len)
{
	const char *equals = strchr(pair, '=');

	*out_key_len = equals ? (size_t)(equals - pair) : strlen(pair);
	return equals ? equals + 1 : pair + *out_key_len;
}

bool is_host(const char *key, size_t len)
{
	return len == 4 && memcmp(key, "host", len) == 0;
}

const char *host_of(const struct ship_sink *sink)
{
	for (const char *const *l = sink->settings->labels; l && *l; l++) {
		size_t len;
		const char *value = pair_split(*l, &len);

		if (is_host(*l, len) && *value)
			return value;
	}
	return sink->host;
}

/* --- groups ----------------------------------------------------------------------------------- */

static int compare(const struct ship_line *a, const struct ship_line *b, bool by_stream)
{
	int order = a->service == b->service ? 0 : strcmp(a->service, b->service);

	return order || !by_stream ? order : (int)a->stream - (int)b->stream;
}

bool same_group(const struct ship_line *a, const struct ship_line *b, bool by_stream)
{
	return compare(a, b, by_stream) == 0;
}

/* The address is the place in the batch: qsort(3) does not keep the order of equals by itself. */
static int in_place(const struct ship_line *a, const struct ship_line *b)
{
	return a < b ? -1 : a > b;
}

static int by_service(const void *pa, const void *pb)
{
	const struct ship_line *a = *(const struct ship_line *const *)pa;
	const struct ship_line *b = *(const struct ship_line *const *)pb;
	int order = compare(a, b, false);

	return order ? order : in_place(a, b);
}

static int by_service_and_stream(const void *pa, const void *pb)
{
	const struct ship_line *a = *(const struct ship_line *const *)pa;
	const struct ship_line *b = *(const struct ship_line *const *)pb;
	int order = compare(a, b, true);

	return order ? order : in_place(a, b);
}

const struct ship_line **grouped(const struct ship_batch *batch, bool by_stream, struct ship_request *out)
{
	const struct ship_line **order;
	bool sorted = true;

	if (batch->count > out->order_cap) {
		order = realloc(out->order, batch->count * sizeof(*order));
		if (!order)
			return NULL;
		out->order = order;
		out->order_cap = batch->count;
	}
	order = out->order;
	for (size_t i = 0; i < batch->count; i++) {
		order[i] = &batch->lines[i];
		sorted = sorted && (i == 0 || compare(order[i - 1], order[i], by_stream) <= 0);
	}
	if (!sorted)
		qsort(order, batch->count, sizeof(*order), by_stream ? by_service_and_stream : by_service);
	return order;
}
