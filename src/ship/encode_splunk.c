/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: events for Splunk's HTTP Event Collector: JSON objects one after the other, no array.
 *
 * An event must not be blank (code 13, and the whole request is refused): an empty line is sent as one space.
 */
#include "ship/format.h"
#include "ship/pieces.h"

#define DECIMALS 9

static void put_time(struct strbuf *to, ts_ns time)
{
	uint64_t rest = (uint64_t)(time % NSEC_PER_SEC);
	char decimals[DECIMALS];

	for (size_t i = DECIMALS; i-- > 0; rest /= 10)
		decimals[i] = (char)('0' + rest % 10);
	put_u64(to, (uint64_t)(time / NSEC_PER_SEC));
	PUT(to, ".");
	(void)strbuf_add(to, decimals, sizeof(decimals));
}

static void put_number(struct strbuf *to, const char *key, uint64_t value)
{
	PUT(to, ",\"");
	(void)strbuf_puts(to, key);
	PUT(to, "\":\"");
	put_u64(to, value);
	PUT(to, "\"");
}

/* Indexed fields: flat, strings. */
static void put_fields(struct strbuf *to, const struct ship_sink *sink, const struct ship_line *line)
{
	char id[LINE_ID_SIZE];

	line_id(line, id);
	PUT(to, ",\"fields\":{\"service\":");
	put_json_str(to, line->service);
	PUT(to, ",\"stream\":");
	put_json_str(to, log_stream_name(line->stream));
	PUT(to, ",\"id\":");
	put_json_str(to, id);
	if (line->run)
		put_number(to, "run", line->run);
	if (line->pid)
		put_number(to, "pid", line->pid);
	if (level_name(line->level)) {
		PUT(to, ",\"level\":");
		put_json_str(to, level_name(line->level));
	}
	if (line->flags & LINE_PARTIAL)
		PUT(to, ",\"partial\":\"true\"");
	if (line->flags & LINE_CONTINUED)
		PUT(to, ",\"continued\":\"true\"");
	if (is_gap(line)) {
		put_number(to, "lost", line->lost);
		put_number(to, "lost_to", line->lost_to);
	}
	for (const char *const *l = sink->settings->labels; l && *l; l++) {
		size_t len;
		const char *value = pair_split(*l, &len);

		if (is_host(*l, len))
			continue;
		PUT(to, ",");
		put_json(to, *l, len);
		PUT(to, ":");
		put_json_str(to, value);
	}
	PUT(to, "}");
}

static void put_event(struct strbuf *to, const struct ship_sink *sink, const struct ship_line *line)
{
	struct line_text text;

	line_text(line, &text);
	PUT(to, "{\"time\":");
	put_time(to, line->time);
	PUT(to, ",\"host\":");
	put_json_str(to, host_of(sink));
	PUT(to, ",\"source\":");
	put_json_str(to, line->service);
	PUT(to, ",\"sourcetype\":\"zinit\"");
	if (sink->settings->index) {
		PUT(to, ",\"index\":");
		put_json_str(to, sink->settings->index);
	}
	PUT(to, ",\"event\":");
	put_json(to, text.len ? text.text : " ", text.len ? text.len : 1);
	put_fields(to, sink, line);
	PUT(to, "}\n");
}

int encode_splunk(const struct ship_sink *sink, const struct ship_batch *batch, struct strbuf *to,
		  struct ship_request *out, struct error *err)
{
	(void)out;
	(void)err;
	for (size_t i = 0; i < batch->count && !to->failed; i++)
		put_event(to, sink, &batch->lines[i]);
	return 0;
}
