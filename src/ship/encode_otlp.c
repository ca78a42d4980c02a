/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: OTLP/HTTP logs as JSON (https://opentelemetry.io/docs/specs/otlp/): lowerCamelCase keys, enums as numbers, 64-bit
 * integers as strings. One resource for each service.
 */
#include <errno.h>

#include "ship/format.h"
#include "ship/pieces.h"

/* Severity numbers of the specification for the levels 0..7 of syslog. */
static unsigned int severity_of(int level)
{
	static const unsigned char numbers[] = { 24, 22, 21, 17, 13, 10, 9, 5 };

	return numbers[level];
}

static void put_string(struct strbuf *to, const char *key, size_t key_len, const char *value)
{
	PUT(to, "{\"key\":");
	put_json(to, key, key_len);
	PUT(to, ",\"value\":{\"stringValue\":");
	put_json_str(to, value);
	PUT(to, "}}");
}

static void put_int(struct strbuf *to, const char *key, uint64_t value)
{
	PUT(to, ",{\"key\":");
	put_json_str(to, key);
	PUT(to, ",\"value\":{\"intValue\":\"");
	put_u64(to, value);
	PUT(to, "\"}}");
}

static void put_true(struct strbuf *to, const char *key)
{
	PUT(to, ",{\"key\":");
	put_json_str(to, key);
	PUT(to, ",\"value\":{\"boolValue\":true}}");
}

static void put_resource(struct strbuf *to, const struct ship_sink *sink, const struct ship_line *line)
{
	static const char service[] = "service.name";
	static const char host[] = "host.name";

	PUT(to, "{\"resource\":{\"attributes\":[");
	put_string(to, service, sizeof(service) - 1, line->service);
	PUT(to, ",");
	put_string(to, host, sizeof(host) - 1, host_of(sink));
	for (const char *const *l = sink->settings->labels; l && *l; l++) {
		size_t len;
		const char *value = pair_split(*l, &len);

		if (is_host(*l, len))
			continue;
		PUT(to, ",");
		put_string(to, *l, len, value);
	}
	PUT(to, "]},\"scopeLogs\":[{\"scope\":{\"name\":\"zinit\",\"version\":\"" ZINIT_VERSION "\"},\"logRecords\":[");
}

static void put_attributes(struct strbuf *to, const struct ship_line *line)
{
	static const char iostream[] = "log.iostream";
	static const char record_id[] = "log.record.uid";
	char id[LINE_ID_SIZE];

	line_id(line, id);
	PUT(to, ",\"attributes\":[");
	put_string(to, iostream, sizeof(iostream) - 1, log_stream_name(line->stream));
	PUT(to, ",");
	put_string(to, record_id, sizeof(record_id) - 1, id);
	if (line->run)
		put_int(to, "zinit.run", line->run);
	if (line->pid)
		put_int(to, "process.pid", line->pid);
	if (line->flags & LINE_PARTIAL)
		put_true(to, "zinit.partial");
	if (line->flags & LINE_CONTINUED)
		put_true(to, "zinit.continued");
	if (is_gap(line)) {
		put_int(to, "zinit.lost", line->lost);
		put_int(to, "zinit.lost_to", line->lost_to);
	}
	PUT(to, "]");
}

static void put_record(struct strbuf *to, const struct ship_line *line)
{
	struct line_text text;

	line_text(line, &text);
	PUT(to, "{\"timeUnixNano\":\"");
	put_u64(to, (uint64_t)line->time);
	PUT(to, "\",\"observedTimeUnixNano\":\"");
	put_u64(to, (uint64_t)line->time);
	PUT(to, "\"");
	if (level_name(line->level)) {
		PUT(to, ",\"severityNumber\":");
		put_u64(to, severity_of(line->level));
		PUT(to, ",\"severityText\":");
		put_json_str(to, level_name(line->level));
	}
	PUT(to, ",\"body\":{\"stringValue\":");
	put_json(to, text.text, text.len);
	PUT(to, "}");
	put_attributes(to, line);
	PUT(to, "}");
}

int encode_otlp(const struct ship_sink *sink, const struct ship_batch *batch, struct strbuf *to,
		struct ship_request *out, struct error *err)
{
	const struct ship_line **lines = grouped(batch, false, out);

	(void)err;
	if (!lines)
		return -ENOMEM;
	PUT(to, "{\"resourceLogs\":[");
	for (size_t i = 0; i < batch->count && !to->failed; i++) {
		if (i == 0 || !same_group(lines[i - 1], lines[i], false)) {
			if (i > 0)
				PUT(to, "]}]},");
			put_resource(to, sink, lines[i]);
		} else {
			PUT(to, ",");
		}
		put_record(to, lines[i]);
	}
	PUT(to, "]}]}]}");
	return 0;
}
