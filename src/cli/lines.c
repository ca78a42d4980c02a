/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what a log line looks like. */
#include "cli/lines.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/color.h"
#include "cli/text.h"

/* Longer names are not padded for: one long name must not push all lines to the right. */
#define NAME_WIDTH_MAX 20
#define LINE_MAX_BYTES (64U << 20)

struct lines lines_init(const struct cli *cli, bool names)
{
	static const char *const forms[LINES_FORM_N] = { "text", "short", "json", "raw", "logfmt" };
	struct lines l = { .names = names, .color = cli->color_out };

	for (size_t i = 0; i < ARRAY_LEN(forms); i++)
		if (str_equal(cli->opt.output, forms[i]))
			l.form = (enum lines_form)i;
	if (cli->opt.json)
		l.form = LINES_JSON;
	return l;
}

void lines_fit(struct lines *l, const char *name)
{
	size_t width = strlen(name);

	if (width > l->width)
		l->width = (unsigned int)MIN(width, NAME_WIDTH_MAX);
}

static ts_ns time_of(const json_t *line)
{
	const json_t *ns = json_object_get(line, "timestamp_ns");

	if (json_is_integer(ns))
		return json_integer_value(ns);
	return json_int(line, "timestamp_ms", 0) * 1000000;
}

static void add_head(struct lines *l, const json_t *line, struct strbuf *out)
{
	const char *name = json_str(line, "service", "");
	bool err = str_equal(json_str(line, "stream", ""), "stderr");
	char when[TEXT_TIME_SIZE];

	lines_fit(l, name);
	if (l->form == LINES_TEXT)
		(void)strbuf_addf(out, "%s%s%s ", color_begin(COLOR_FAINT, l->color),
				  text_time(time_of(line), TEXT_TIME_FULL, when), color_end(l->color));
	if (l->form == LINES_TEXT || l->names)
		(void)strbuf_addf(out, "%s%-*s%s %s%c%s ", color_of_name(name, l->color), (int)l->width, name,
				  color_end(l->color), color_begin(err ? COLOR_BAD : COLOR_FAINT, l->color),
				  err ? '!' : '|', color_end(l->color));
}

/* RFC 4648, as the server writes it: exact bytes of a line that is not UTF-8. */
static void add_base64(struct strbuf *out, const char *text)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits = 0;
	int have = 0;

	for (; *text && *text != '='; text++) {
		const char *digit = strchr(digits, *text);

		if (!digit)
			return;
		bits = bits << 6 | (uint32_t)(digit - digits);
		have += 6;
		if (have >= 8) {
			have -= 8;
			(void)strbuf_putc(out, (char)(bits >> have));
		}
	}
}

static void add_raw(const json_t *line, const json_t *text, struct strbuf *out)
{
	const char *base64 = json_str(line, "base64", NULL);

	if (base64)
		add_base64(out, base64);
	else if (text)
		(void)strbuf_add(out, json_string_value(text), json_string_length(text));
	/* parts of one long line belong together, and the newline that was never written is not invented */
	if (!json_flag(line, "partial") && !json_flag(line, "unterminated"))
		(void)strbuf_putc(out, '\n');
}

static void add_formatted(struct lines *l, const json_t *line, const json_t *text, struct strbuf *out)
{
	int64_t lost = json_int(line, "lost", 0);

	add_head(l, line, out);
	if (lost > 0)
		(void)strbuf_addf(out, "%s--- %lld lines lost (%s) ---%s", color_begin(COLOR_BAD, l->color),
				  (long long)lost, json_str(line, "reason", "?"), color_end(l->color));
	if (text)
		text_add(out, json_string_value(text), json_string_length(text), l->color ? TEXT_COLORS : TEXT_STRIP);
	(void)strbuf_putc(out, '\n');
}

/* Quoted, unless it is one word that no parser could misread. */
static void add_logfmt_value(struct strbuf *out, const char *text, size_t len)
{
	bool plain = len > 0;

	for (size_t i = 0; i < len; i++)
		plain = plain && text[i] > ' ' && text[i] != '"' && text[i] != '=' && text[i] != '\\' && text[i] != 0x7f;
	if (plain) {
		(void)strbuf_add(out, text, len);
		return;
	}
	(void)strbuf_putc(out, '"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '"' || c == '\\')
			(void)strbuf_addf(out, "\\%c", c);
		else if (c < ' ' || c == 0x7f)
			(void)strbuf_addf(out, "\\x%02x", c);
		else
			(void)strbuf_putc(out, (char)c);
	}
	(void)strbuf_putc(out, '"');
}

static void add_logfmt(const json_t *line, const json_t *text, struct strbuf *out)
{
	AUTO(strbuf_fini) struct strbuf clean = STRBUF(LINE_MAX_BYTES);
	const char *name = json_str(line, "service", "");
	char when[TIME_RFC3339_SIZE];

	time_rfc3339(time_of(line), when);
	(void)strbuf_addf(out, "time=%s service=", when);
	add_logfmt_value(out, name, strlen(name));
	(void)strbuf_addf(out, " stream=%s", json_str(line, "stream", "?"));
	if (json_int(line, "run", 0) > 0)
		(void)strbuf_addf(out, " run=%lld", (long long)json_int(line, "run", 0));
	if (json_int(line, "lost", 0) > 0) {
		(void)strbuf_addf(out, " lost=%lld reason=", (long long)json_int(line, "lost", 0));
		add_logfmt_value(out, json_str(line, "reason", "?"), strlen(json_str(line, "reason", "?")));
	}
	if (text)
		text_add(&clean, json_string_value(text), json_string_length(text), TEXT_STRIP);
	(void)strbuf_puts(out, " msg=");
	add_logfmt_value(out, strbuf_str(&clean), clean.len);
	(void)strbuf_putc(out, '\n');
}

void lines_print(struct lines *l, const json_t *line, FILE *to)
{
	AUTO(strbuf_fini) struct strbuf out = STRBUF(LINE_MAX_BYTES);
	const json_t *text = json_object_get(line, "content");

	if (l->form == LINES_JSON) {
		(void)json_dumpf(line, to, JSON_COMPACT);
		(void)putc('\n', to);
		return;
	}
	if (l->form == LINES_LOGFMT)
		add_logfmt(line, text, &out);
	else if (l->form != LINES_RAW)
		add_formatted(l, line, text, &out);
	else if (!json_object_get(line, "lost"))
		add_raw(line, text, &out);
	(void)fwrite(strbuf_str(&out), 1, out.len, to);
}

void lines_print_last(const struct cli *cli, const json_t *lines, FILE *to)
{
	struct lines l = { .form = LINES_SHORT, .color = cli->color_err };
	const json_t *line;
	size_t i;

	json_array_foreach(lines, i, line)
	{
		(void)fputs("  | ", to);
		lines_print(&l, line, to);
	}
}
