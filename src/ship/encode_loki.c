/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: Loki's push API as JSON (https://grafana.com/docs/loki/latest/reference/loki-http-api/).
 *
 * A stream is a service's stdout or stderr: few labels of few values. What varies (run, pid, level) is structured
 * metadata. Loki keeps of entries with one time and one text a single one, which is what makes a resend harmless, and
 * would swallow "tick" said twice within one read: so lines of one time are told apart by a nanosecond each.
 */
#include <errno.h>

#include "ship/format.h"
#include "ship/pieces.h"

/* Names are those of Prometheus; what is not allowed in them becomes '_'. */
static void put_name(struct strbuf *to, const char *key, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = key[i];
		bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
			    (c >= '0' && c <= '9' && i > 0);

		(void)strbuf_putc(to, good ? c : '_');
	}
}

static void put_stream(struct strbuf *to, const struct ship_sink *sink, const struct ship_line *line)
{
	PUT(to, "{\"stream\":{\"host\":");
	put_json_str(to, host_of(sink));
	PUT(to, ",\"service_name\":");
	put_json_str(to, line->service);
	PUT(to, ",\"stream\":");
	put_json_str(to, log_stream_name(line->stream));
	for (const char *const *l = sink->settings->labels; l && *l; l++) {
		size_t len;
		const char *value = pair_split(*l, &len);

		if (is_host(*l, len))
			continue;
		PUT(to, ",\"");
		put_name(to, *l, len);
		PUT(to, "\":");
		put_json_str(to, value);
	}
	PUT(to, "},\"values\":[");
}

/* Structured metadata: strings only. */
static void put_metadata(struct strbuf *to, const struct ship_line *line)
{
	char id[LINE_ID_SIZE];

	line_id(line, id);
	PUT(to, ",{\"id\":\"");
	(void)strbuf_puts(to, id);
	PUT(to, "\"");
	if (line->run) {
		PUT(to, ",\"run\":\"");
		put_u64(to, line->run);
		PUT(to, "\"");
	}
	if (line->pid) {
		PUT(to, ",\"pid\":\"");
		put_u64(to, line->pid);
		PUT(to, "\"");
	}
	if (level_name(line->level)) {
		PUT(to, ",\"level\":");
		put_json_str(to, level_name(line->level));
	}
	if (line->flags & LINE_PARTIAL)
		PUT(to, ",\"partial\":\"true\"");
	if (line->flags & LINE_CONTINUED)
		PUT(to, ",\"continued\":\"true\"");
	if (is_gap(line)) {
		PUT(to, ",\"lost\":\"");
		put_u64(to, line->lost);
		PUT(to, "\",\"lost_to\":\"");
		put_u64(to, line->lost_to);
		PUT(to, "\"");
	}
	PUT(to, "}");
}

static void put_value(struct strbuf *to, const struct ship_line *line, bool with_metadata)
{
	struct line_text text;

	line_text(line, &text);
	PUT(to, "[\"");
	put_u64(to, (uint64_t)line->time + line->tie);
	PUT(to, "\",");
	put_json(to, text.text, text.len);
	if (with_metadata)
		put_metadata(to, line);
	PUT(to, "]");
}

int encode_loki(const struct ship_sink *sink, const struct ship_batch *batch, struct strbuf *to,
		struct ship_request *out, struct error *err)
{
	const struct ship_line **lines = grouped(batch, true, out);
	bool with_metadata = !(sink->quirks & SHIP_QUIRK_NO_METADATA);

	(void)err;
	if (!lines)
		return -ENOMEM;
	PUT(to, "{\"streams\":[");
	for (size_t i = 0; i < batch->count && !to->failed; i++) {
		if (i == 0 || !same_group(lines[i - 1], lines[i], true)) {
			if (i > 0)
				PUT(to, "]},");
			put_stream(to, sink, lines[i]);
		} else {
			PUT(to, ",");
		}
		put_value(to, lines[i], with_metadata);
	}
	PUT(to, "]}]}");
	return 0;
}
