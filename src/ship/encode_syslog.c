/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: syslog messages (RFC 5424) in octet-counted frames (RFC 6587, 3.4.1; with TLS RFC 5425).
 *
 * The text goes as it is, NUL bytes and all: the length says where it ends. Receivers cut what is too long for them
 * without a word (rsyslog at 8 KiB by default), so a long line goes in parts that say which part they are. There is no
 * byte order mark, which RFC 5424 asks for and receivers show as text; and six decimals, since rsyslog garbles nine.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "ship/format.h"
#include "ship/pieces.h"

#define FRAME_MAX 8000		/* header and text */
#define PART_MIN 1024		/* of text, however long the header is */
#define PART_PARAMS 64		/* what ` part="1" parts="2"` may take */
#define FACILITY_USER 1
#define TIME_DECIMALS_CUT 4	/* "789Z" of nine decimals */
#define SD_NAME_MAX 32
#define HOST_MAX 255
#define APP_MAX 48
/* RFC 5612: the enterprise number for those who have none. */
#define SD_ID "zinit@32473"

static unsigned int severity_of(const struct ship_line *line)
{
	if (is_gap(line))
		return 4; /* warning */
	if (line->level >= 0)
		return (unsigned int)line->level & 7;
	return line->stream == LOG_STDERR ? 3 : 6; /* error, informational */
}

/* A header field: printable ASCII without spaces, "-" if empty. */
static void put_field(struct strbuf *to, const char *text, size_t max)
{
	PUT(to, " ");
	if (!*text)
		PUT(to, "-");
	for (size_t i = 0; text[i] && i < max; i++)
		(void)strbuf_putc(to, text[i] > ' ' && text[i] < 0x7f ? text[i] : '?');
}

static void put_param(struct strbuf *to, const char *name, size_t name_len, const char *value)
{
	PUT(to, " ");
	for (size_t i = 0; i < name_len && i < SD_NAME_MAX; i++) {
		bool good = name[i] > ' ' && name[i] < 0x7f && name[i] != '=' && name[i] != ']' && name[i] != '"';

		(void)strbuf_putc(to, good ? name[i] : '_');
	}
	PUT(to, "=\"");
	for (; *value; value++) {
		if (*value == '"' || *value == '\\' || *value == ']')
			PUT(to, "\\");
		(void)strbuf_putc(to, *value);
	}
	PUT(to, "\"");
}

static void put_number(struct strbuf *to, const char *name, uint64_t value)
{
	PUT(to, " ");
	(void)strbuf_puts(to, name);
	PUT(to, "=\"");
	put_u64(to, value);
	PUT(to, "\"");
}

/* All before the parts' own parameters and the "]" that ends them. */
static void put_header(struct strbuf *to, const struct ship_sink *sink, const struct ship_line *line,
		       struct time_text *time)
{
	static const char id_name[] = "id";
	char id[LINE_ID_SIZE];

	line_id(line, id);
	PUT(to, "<");
	put_u64(to, FACILITY_USER * 8 + severity_of(line));
	PUT(to, ">1 ");
	(void)strbuf_add(to, time_text(time, line->time), TIME_RFC3339_SIZE - 1 - TIME_DECIMALS_CUT);
	PUT(to, "Z");
	put_field(to, host_of(sink), HOST_MAX);
	put_field(to, line->service, APP_MAX);
	PUT(to, " ");
	if (line->pid)
		put_u64(to, line->pid);
	else
		PUT(to, "-");
	put_field(to, log_stream_name(line->stream), SD_NAME_MAX);
	PUT(to, " [" SD_ID);
	put_param(to, id_name, sizeof(id_name) - 1, id);
	if (line->run)
		put_number(to, "run", line->run);
	if (line->flags & LINE_PARTIAL)
		PUT(to, " partial=\"1\"");
	if (line->flags & LINE_CONTINUED)
		PUT(to, " continued=\"1\"");
	if (is_gap(line)) {
		put_number(to, "lost", line->lost);
		put_number(to, "lost_to", line->lost_to);
	}
	for (const char *const *l = sink->settings->labels; l && *l; l++) {
		size_t len;
		const char *value = pair_split(*l, &len);

		if (!is_host(*l, len))
			put_param(to, *l, len, value);
	}
}

/* How much of `text` the next part takes: not more than `max`, and no character is cut in two. */
static size_t part_length(const char *text, size_t len, size_t max)
{
	size_t n = max;

	if (len <= max)
		return len;
	while (n > max - 3 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	return n;
}

static size_t count_parts(const char *text, size_t len, size_t max)
{
	size_t n = 1;

	for (size_t part; (part = part_length(text, len, max)) < len; n++) {
		text += part;
		len -= part;
	}
	return n;
}

static void put_frame(struct strbuf *to, const struct strbuf *header, const char *params, const char *text, size_t len)
{
	put_u64(to, header->len + strlen(params) + 1 + (len ? len + 1 : 0));
	PUT(to, " ");
	(void)strbuf_add(to, header->data, header->len);
	(void)strbuf_puts(to, params);
	PUT(to, "]");
	if (len) {
		PUT(to, " ");
		(void)strbuf_add(to, text, len);
	}
}

static void put_line(struct strbuf *to, const struct strbuf *header, const struct ship_line *line)
{
	size_t max = header->len + PART_PARAMS + PART_MIN < FRAME_MAX ? FRAME_MAX - header->len - PART_PARAMS : PART_MIN;
	struct line_text text;
	char params[PART_PARAMS] = "";
	size_t parts;

	line_text(line, &text);
	parts = count_parts(text.text, text.len, max);
	for (size_t i = 1; i <= parts; i++) {
		size_t len = part_length(text.text, text.len, max);

		if (parts > 1)
			(void)snprintf(params, sizeof(params), " part=\"%zu\" parts=\"%zu\"", i, parts);
		put_frame(to, header, params, text.text, len);
		text.text += len;
		text.len -= len;
	}
}

static bool make_ends(const struct ship_batch *batch, struct ship_request *out)
{
	uint32_t *ends;

	if (batch->count <= out->ends_cap)
		return true;
	ends = realloc(out->ends, batch->count * sizeof(*ends));
	if (!ends)
		return false;
	out->ends = ends;
	out->ends_cap = batch->count;
	return true;
}

int encode_syslog(const struct ship_sink *sink, const struct ship_batch *batch, struct strbuf *to,
		  struct ship_request *out, struct error *err)
{
	struct time_text time = { .filled = false };
	struct strbuf *header = &out->scratch;

	(void)err;
	if (!make_ends(batch, out))
		return -ENOMEM;
	for (size_t i = 0; i < batch->count && !to->failed; i++) {
		strbuf_reset(header);
		put_header(header, sink, &batch->lines[i], &time);
		if (header->failed)
			return -ENOMEM;
		put_line(to, header, &batch->lines[i]);
		out->ends[i] = (uint32_t)to->len;
	}
	return 0;
}
