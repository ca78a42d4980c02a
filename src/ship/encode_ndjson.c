/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: one flat JSON object for each line, as Vector, VictoriaLogs, ClickHouse and anything that reads NDJSON take it:
 *
 *	{"timestamp":"…","host":"h1","service":"web","stream":"stdout","run":3,"id":"…","content":"hello"}
 *
 * In an array they stand on one line, since Vector splits at newlines first.
 */
#include <errno.h>

#include "ship/format.h"
#include "ship/pieces.h"

static void put_labels(struct strbuf *to, const struct ship_settings *s)
{
	for (const char *const *l = s->labels; l && *l; l++) {
		size_t len;
		const char *value = pair_split(*l, &len);

		if (is_host(*l, len))
			continue;
		PUT(to, ",");
		put_json(to, *l, len);
		PUT(to, ":");
		put_json_str(to, value);
	}
}

/* What neighbours mostly have in common: it is made once for a row of them. */
static void put_common(struct strbuf *to, const struct ship_sink *sink, const struct ship_line *line)
{
	PUT(to, "\",\"host\":");
	put_json_str(to, host_of(sink));
	put_labels(to, sink->settings);
	PUT(to, ",\"service\":");
	put_json_str(to, line->service);
	PUT(to, ",\"stream\":");
	put_json_str(to, log_stream_name(line->stream));
	if (line->run) {
		PUT(to, ",\"run\":");
		put_u64(to, line->run);
	}
	if (line->pid) {
		PUT(to, ",\"pid\":");
		put_u64(to, line->pid);
	}
	if (level_name(line->level)) {
		PUT(to, ",\"level\":");
		put_json_str(to, level_name(line->level));
	}
}

static bool same_common(const struct ship_line *a, const struct ship_line *b)
{
	return a->run == b->run && a->pid == b->pid && a->level == b->level && same_group(a, b, true);
}

static void put_flags(struct strbuf *to, const struct ship_line *line)
{
	if (line->flags & LINE_PARTIAL)
		PUT(to, ",\"partial\":true");
	if (line->flags & LINE_CONTINUED)
		PUT(to, ",\"continued\":true");
	if (!is_gap(line))
		return;
	PUT(to, ",\"lost\":");
	put_u64(to, line->lost);
	PUT(to, ",\"lost_to\":");
	put_u64(to, line->lost_to);
	if (line->lost_bytes) {
		PUT(to, ",\"lost_bytes\":");
		put_u64(to, line->lost_bytes);
	}
	PUT(to, ",\"lost_why\":");
	put_json_str(to, line->lost_why ? line->lost_why : "");
}

static void put_record(struct strbuf *to, const struct strbuf *common, const struct ship_line *line,
		       struct time_text *time, bool with_ns)
{
	struct line_text text;
	char id[LINE_ID_SIZE];

	line_text(line, &text);
	line_id(line, id);
	PUT(to, "{\"timestamp\":\"");
	(void)strbuf_add(to, time_text(time, line->time), TIME_RFC3339_SIZE - 1);
	(void)strbuf_add(to, common->data, common->len);
	if (with_ns) {
		PUT(to, ",\"timestamp_ns\":");
		put_u64(to, (uint64_t)line->time);
	}
	PUT(to, ",\"id\":\"");
	(void)strbuf_puts(to, id);
	PUT(to, "\"");
	if (line->flags)
		put_flags(to, line);
	PUT(to, ",\"content\":");
	put_json(to, text.text, text.len);
	PUT(to, "}");
}

static int put_all(const struct ship_sink *sink, const struct ship_batch *batch, struct strbuf *to,
		   struct ship_request *out, bool with_ns)
{
	bool array = sink->settings->framing == SHIP_FRAMING_ARRAY;
	struct strbuf *common = &out->scratch;
	struct time_text time = { .filled = false };

	if (array)
		PUT(to, "[");
	for (size_t i = 0; i < batch->count && !to->failed; i++) {
		const struct ship_line *line = &batch->lines[i];

		if (i == 0 || !same_common(line - 1, line)) {
			strbuf_reset(common);
			put_common(common, sink, line);
			if (common->failed)
				return -ENOMEM;
		}
		if (array && i > 0)
			PUT(to, ",");
		put_record(to, common, line, &time, with_ns);
		if (!array)
			PUT(to, "\n");
	}
	if (array)
		PUT(to, "]\n");
	return 0;
}

int encode_ndjson(const struct ship_sink *sink, const struct ship_batch *batch, struct strbuf *to,
		  struct ship_request *out, struct error *err)
{
	(void)err;
	return put_all(sink, batch, to, out, false);
}

/* With the time as a number, too: before DateTime64 an Int64 column is what keeps nanoseconds. */
int encode_clickhouse(const struct ship_sink *sink, const struct ship_batch *batch, struct strbuf *to,
		      struct ship_request *out, struct error *err)
{
	(void)err;
	return put_all(sink, batch, to, out, true);
}
