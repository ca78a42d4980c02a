/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the _bulk API of Elasticsearch and OpenSearch: pairs of lines, action and document.
 *
 * `create` with an `_id` of our own: a line that is there already is refused with 409, so a resend changes nothing. Data
 * streams take no other action. Names are those of the Elastic Common Schema, which the built-in templates of
 * `logs-*-*` map ("host" must be an object there).
 */
#include "base/json_text.h"
#include "ship/format.h"
#include "ship/pieces.h"

static const char default_index[] = "logs-zinit-default";

/* The index stands in each action, unless the endpoint's path has it and the configuration says no other. */
static const char *index_of(const struct ship_settings *s)
{
	const char *host = strstr(s->endpoint, "://");
	const char *path = host ? strchr(host + 3, '/') : NULL;

	if (s->index)
		return s->index;
	return path && path[1] && path[1] != '?' && !str_starts(path, "/_bulk") ? NULL : default_index;
}

static void put_action(struct strbuf *to, const struct ship_sink *sink, const struct ship_line *line, const char *id)
{
	const char *index = index_of(sink->settings);

	PUT(to, "{\"create\":{");
	if (index) {
		PUT(to, "\"_index\":");
		put_json_str(to, index);
		PUT(to, ",");
	}
	PUT(to, "\"_id\":\"");
	(void)json_text_add(to, sink->host, strlen(sink->host));
	PUT(to, "/");
	(void)json_text_add(to, line->service, strlen(line->service));
	PUT(to, "/");
	(void)strbuf_puts(to, id);
	PUT(to, "\"}}\n");
}

static void put_labels(struct strbuf *to, const struct ship_settings *s)
{
	const char *comma = "";

	if (!s->labels || !s->labels[0])
		return;
	PUT(to, ",\"labels\":{");
	for (const char *const *l = s->labels; *l; l++) {
		size_t len;
		const char *value = pair_split(*l, &len);

		(void)strbuf_puts(to, comma);
		put_json(to, *l, len);
		PUT(to, ":");
		put_json_str(to, value);
		comma = ",";
	}
	PUT(to, "}");
}

static void put_zinit(struct strbuf *to, const struct ship_line *line, const char *id)
{
	PUT(to, ",\"zinit\":{\"id\":\"");
	(void)strbuf_puts(to, id);
	PUT(to, "\"");
	if (line->run) {
		PUT(to, ",\"run\":");
		put_u64(to, line->run);
	}
	if (line->flags & LINE_PARTIAL)
		PUT(to, ",\"partial\":true");
	if (line->flags & LINE_CONTINUED)
		PUT(to, ",\"continued\":true");
	if (is_gap(line)) {
		PUT(to, ",\"lost\":");
		put_u64(to, line->lost);
		PUT(to, ",\"lost_to\":");
		put_u64(to, line->lost_to);
		PUT(to, ",\"lost_why\":");
		put_json_str(to, line->lost_why ? line->lost_why : "");
	}
	PUT(to, "}");
}

static void put_document(struct strbuf *to, const struct ship_sink *sink, const struct ship_line *line, const char *id,
			 struct time_text *time)
{
	struct line_text text;

	line_text(line, &text);
	PUT(to, "{\"@timestamp\":\"");
	(void)strbuf_add(to, time_text(time, line->time), TIME_RFC3339_SIZE - 1);
	PUT(to, "\",\"message\":");
	put_json(to, text.text, text.len);
	PUT(to, ",\"host\":{\"name\":");
	put_json_str(to, host_of(sink));
	PUT(to, "},\"service\":{\"name\":");
	put_json_str(to, line->service);
	PUT(to, "},\"stream\":");
	put_json_str(to, log_stream_name(line->stream));
	if (level_name(line->level)) {
		PUT(to, ",\"log\":{\"level\":");
		put_json_str(to, level_name(line->level));
		PUT(to, "}");
	}
	if (line->pid) {
		PUT(to, ",\"process\":{\"pid\":");
		put_u64(to, line->pid);
		PUT(to, "}");
	}
	put_labels(to, sink->settings);
	put_zinit(to, line, id);
	PUT(to, "}\n");
}

int encode_bulk(const struct ship_sink *sink, const struct ship_batch *batch, struct strbuf *to,
		struct ship_request *out, struct error *err)
{
	struct time_text time = { .filled = false };
	char id[LINE_ID_SIZE];

	(void)out;
	(void)err;
	for (size_t i = 0; i < batch->count && !to->failed; i++) {
		line_id(&batch->lines[i], id);
		put_action(to, sink, &batch->lines[i], id);
		put_document(to, sink, &batch->lines[i], id, &time);
	}
	return 0;
}
