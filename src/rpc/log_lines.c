/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the JSON form of log lines. */
#include "rpc/log_lines.h"

#include <errno.h>

#include "base/limits.h"
#include "base/utf8.h"

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The exact bytes of a line that is not text: RFC 4648. */
static void write_base64(struct json_out *out, const unsigned char *s, size_t len)
{
	char text[4 + 1] = "";

	json_out_raw(out, "\"");
	for (size_t i = 0; i < len; i += 3) {
		uint32_t v = (uint32_t)s[i] << 16;

		if (i + 1 < len)
			v |= (uint32_t)s[i + 1] << 8;
		if (i + 2 < len)
			v |= s[i + 2];
		text[0] = base64_digits[v >> 18];
		text[1] = base64_digits[(v >> 12) & 63];
		text[2] = i + 1 < len ? base64_digits[(v >> 6) & 63] : '=';
		text[3] = i + 2 < len ? base64_digits[v & 63] : '=';
		(void)strbuf_add(out->to, text, 4);
	}
	(void)strbuf_putc(out->to, '"');
}

void log_line_write(const struct log_line *line, const char *service, const struct log_cursor *cursor, struct json_out *out)
{
	char place[CURSOR_TEXT_SIZE];
	char when[TIME_RFC3339_SIZE];

	time_rfc3339(line->ts, when);
	json_out_open_object(out);
	json_out_member_str(out, "service", line->service ? line->service : service);
	json_out_member_str(out, "stream", log_stream_name(line->stream));
	json_out_member_int(out, "timestamp_ms", line->ts / 1000000);
	json_out_member_int(out, "timestamp_ns", line->ts);
	json_out_member_str(out, "time", when);
	if (line->flags & LINE_LOST) {
		json_out_member_uint(out, "lost", line->lost);
		json_out_member_str(out, "reason", log_lost_reason(line->flags));
	}
	json_out_key(out, "content");
	json_out_strn(out, line->text ? line->text : "", line->text ? line->len : 0);
	if (line->text && !utf8_valid(line->text, line->len)) {
		json_out_key(out, "base64");
		write_base64(out, (const unsigned char *)line->text, line->len);
	}
	if (line->flags & LINE_PARTIAL)
		json_out_member_bool(out, "partial", true);
	if (line->flags & LINE_CONTINUED)
		json_out_member_bool(out, "continued", true);
	if (line->flags & LINE_UNTERMINATED)
		json_out_member_bool(out, "unterminated", true);
	if (line->run)
		json_out_member_uint(out, "run", line->run);
	if (cursor) {
		log_cursor_format(cursor, place);
		json_out_member_str(out, "cursor", place);
	}
	json_out_close_object(out);
}

void log_line_write_classic(const struct log_line *line, const char *service, struct json_out *out)
{
	struct strbuf text = STRBUF(LIMIT_RPC_ANSWER);

	if (line->flags & LINE_LOST)
		(void)strbuf_addf(&text, "[-] zinit: %llu lines dropped", (unsigned long long)line->lost);
	else
		(void)strbuf_addf(&text, "[%c] %s: ", line->stream == LOG_STDOUT ? '+' : '-', line->service ? line->service : service);
	if (!(line->flags & LINE_LOST))
		(void)strbuf_add(&text, line->text, line->len);
	json_out_strn(out, strbuf_str(&text), text.len);
	strbuf_fini(&text);
}

int log_line_write_fn(const struct log_line *line, void *data)
{
	struct log_lines_out *lines = data;

	log_line_write(line, lines->service, NULL, lines->out);
	lines->n++;
	return lines->out->to->failed ? -ENOBUFS : 0;
}

void log_lines_write_last(struct log_engine *log, const char *service, uint64_t n, struct json_out *out)
{
	struct log_service *svc = log ? log_service_find(log, service) : NULL;
	struct query_opts opts = QUERY_OPTS_INIT;
	struct log_lines_out lines = { .out = out, .service = service };

	opts.last = n;
	opts.memory_only = true;
	json_out_open_array(out);
	if (svc)
		(void)log_memory(svc, &opts, log_line_write_fn, &lines, NULL, NULL);
	json_out_close_array(out);
}
