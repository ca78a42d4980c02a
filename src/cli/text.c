/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what may reach the terminal, and how times and sizes are read and written. */
#include "cli/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/parse.h"
#include "base/utf8.h"

/* A text of the server (a tree of 100,000 services) that is printed at once. */
#define PRINT_MAX (64U << 20)

/* --- escape sequences ------------------------------------------------------------------------- */

/*
 * Length of the escape sequence at `s` (s[0] is ESC), as ECMA-48 has it: CSI … final byte, OSC/DCS/SOS/PM/APC up to ST
 * or BEL, and the two- and three-byte ones. *out_sgr: it only changes colours and weights. A cut one takes all.
 */
static size_t escape_length(const char *s, size_t len, bool *out_sgr)
{
	size_t i = 2;

	*out_sgr = false;
	if (len < 2)
		return len;
	if (s[1] == '[') {
		while (i < len && (unsigned char)s[i] >= 0x20 && (unsigned char)s[i] < 0x40)
			i++;
		*out_sgr = i < len && s[i] == 'm';
		return i < len ? i + 1 : len;
	}
	if (strchr("]PX^_", s[1])) {
		for (; i < len; i++) {
			if (s[i] == '\a')
				return i + 1;
			if (s[i] == '\033')
				return i + 1 < len && s[i + 1] == '\\' ? i + 2 : i;
		}
		return len;
	}
	while (i - 1 < len && (unsigned char)s[i - 1] >= 0x20 && (unsigned char)s[i - 1] < 0x30)
		i++;
	return MIN(i, len);
}

static bool is_control(unsigned char c)
{
	return (c < 0x20 && c != '\t') || c == 0x7f;
}

/* C1 controls (U+0080..U+009F, in UTF-8 C2 80..C2 9F) steer some terminals as escapes do. */
static bool is_c1(const char *s, size_t len)
{
	return len >= 2 && (unsigned char)s[0] == 0xc2 && (unsigned char)s[1] >= 0x80 && (unsigned char)s[1] < 0xa0;
}

void text_add(struct strbuf *out, const char *s, size_t len, enum text_escapes escapes)
{
	size_t start = 0;
	size_t i = 0;
	bool colored = false;

	if (escapes == TEXT_RAW) {
		(void)strbuf_add(out, s, len);
		return;
	}
	while (i < len) {
		bool sgr = false;
		size_t skip = 0;

		if (s[i] == '\033')
			skip = escape_length(s + i, len - i, &sgr);
		else if (is_control((unsigned char)s[i]))
			skip = 1;
		else if (is_c1(s + i, len - i))
			skip = 2;
		if (skip == 0 || (sgr && escapes == TEXT_COLORS)) {
			colored = colored || sgr;
			i += MAX(skip, 1U);
			continue;
		}
		(void)strbuf_add(out, s + start, i - start);
		i += skip;
		start = i;
	}
	(void)strbuf_add(out, s + start, len - start);
	if (colored)
		(void)strbuf_puts(out, "\033[0m");
}

void text_print(const char *s, FILE *to)
{
	AUTO(strbuf_fini) struct strbuf out = STRBUF(PRINT_MAX);

	while (*s) {
		size_t len = strcspn(s, "\n");

		text_add(&out, s, len, TEXT_STRIP);
		(void)strbuf_putc(&out, '\n');
		s += len + (s[len] == '\n');
	}
	(void)fputs(strbuf_str(&out), to);
}

/* --- width ------------------------------------------------------------------------------------ */

static unsigned int decode(const char *s, size_t n)
{
	unsigned int c = (unsigned char)s[0];

	if (n == 1)
		return c;
	c &= 0xffU >> (n + 1);
	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)s[i] & 0x3fU);
	return c;
}

/* The blocks that UAX #11 calls wide, roughly; and those that take no column of their own. */
static size_t columns(unsigned int c)
{
	static const struct {
		unsigned int from, to, columns;
	} blocks[] = {
		{ 0x300, 0x36f, 0 },	   { 0x1100, 0x115f, 2 },   { 0x200b, 0x200f, 0 },   { 0x2e80, 0xa4cf, 2 },
		{ 0xac00, 0xd7a3, 2 },	   { 0xf900, 0xfaff, 2 },   { 0xfe00, 0xfe0f, 0 },   { 0xfe30, 0xfe6f, 2 },
		{ 0xff00, 0xff60, 2 },	   { 0x1f300, 0x1faff, 2 }, { 0x20000, 0x3fffd, 2 },
	};

	for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
		if (c >= blocks[i].from && c <= blocks[i].to)
			return blocks[i].columns;
	return 1;
}

size_t text_width(const char *s)
{
	size_t len = strlen(s);
	size_t width = 0;

	for (size_t i = 0; i < len;) {
		size_t n = (unsigned char)s[i] < 0x80 ? 1 : utf8_sequence(s + i, len - i);

		width += n <= 1 ? 1 : columns(decode(s + i, n));
		i += n ? n : 1;
	}
	return width;
}

/* --- times ------------------------------------------------------------------------------------ */

const char *text_time(ts_ns t, enum text_time format, char out[TEXT_TIME_SIZE])
{
	time_t sec = (time_t)(t / NSEC_PER_SEC);
	struct tm tm;
	size_t n;

	(void)localtime_r(&sec, &tm);
	n = strftime(out, TEXT_TIME_SIZE, format == TEXT_TIME_FULL ? "%Y-%m-%d %H:%M:%S" : "%H:%M:%S", &tm);
	(void)snprintf(out + n, TEXT_TIME_SIZE - n, ".%03d", (int)(t / 1000000 % 1000));
	return out;
}

/* A fraction of a second ".123…" at `*s`; moves on behind it. */
static ts_ns fraction(const char **s)
{
	ts_ns unit = NSEC_PER_SEC;
	ts_ns value = 0;

	if (**s != '.')
		return 0;
	for ((*s)++; **s >= '0' && **s <= '9'; (*s)++) {
		unit /= 10;
		value += (**s - '0') * unit;
	}
	return value;
}

/* "Z", "+01:00" or nothing (local time) to the end of the string. */
static int with_zone(struct tm *tm, const char *s, time_t *out)
{
	int hours;
	int minutes;
	char sign;
	int end = 0;

	if (*s == '\0') {
		tm->tm_isdst = -1;
		*out = mktime(tm);
		return 0;
	}
	*out = timegm(tm);
	if (str_equal(s, "Z") || str_equal(s, "z"))
		return 0;
	if (sscanf(s, "%c%2d:%2d%n", &sign, &hours, &minutes, &end) != 3 || s[end] || !strchr("+-", sign))
		return -EINVAL;
	*out -= (sign == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
	return 0;
}

static int parse_calendar(const char *s, ts_ns now, ts_ns *out)
{
	static const struct {
		const char *format;
		bool today; /* the date is today's */
	} forms[] = {
		{ "%Y-%m-%dT%H:%M:%S", false }, { "%Y-%m-%d %H:%M:%S", false }, { "%Y-%m-%dT%H:%M", false },
		{ "%Y-%m-%d %H:%M", false },    { "%Y-%m-%d", false },          { "%H:%M:%S", true },
		{ "%H:%M", true },
	};
	time_t today = (time_t)(now / NSEC_PER_SEC);

	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct tm tm = { 0 };
		const char *rest;
		time_t sec;
		ts_ns ns;

		if (forms[i].today) {
			(void)localtime_r(&today, &tm);
			tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
		}
		rest = strptime(s, forms[i].format, &tm);
		if (!rest)
			continue;
		ns = fraction(&rest);
		if (with_zone(&tm, rest, &sec) == 0) {
			*out = (ts_ns)sec * NSEC_PER_SEC + ns;
			return 0;
		}
	}
	return -EINVAL;
}

static ts_ns midnight(ts_ns now, int days_back)
{
	time_t sec = (time_t)(now / NSEC_PER_SEC);
	struct tm tm;

	(void)localtime_r(&sec, &tm);
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	tm.tm_mday -= days_back;
	tm.tm_isdst = -1;
	return (ts_ns)mktime(&tm) * NSEC_PER_SEC;
}

/* "10 min ago", "1h ago": a span in words. */
static int parse_ago(const char *s, usec_t *out)
{
	static const char ago[] = " ago";
	size_t len = strlen(s);
	char compact[32];
	size_t n = 0;

	if (len < sizeof(ago) || len >= sizeof(compact) || strcmp(s + len - (sizeof(ago) - 1), ago) != 0)
		return -EINVAL;
	for (size_t i = 0; i < len - (sizeof(ago) - 1); i++) {
		if (s[i] != ' ')
			compact[n++] = s[i];
	}
	compact[n] = '\0';
	return parse_span(compact, out);
}

int text_parse_time(const char *s, ts_ns now, ts_ns *out)
{
	usec_t span;
	int64_t sec;

	if (str_equal(s, "now") || str_equal(s, "today") || str_equal(s, "yesterday")) {
		*out = *s == 'n' ? now : midnight(now, *s == 'y');
		return 0;
	}
	if (*s == '@') {
		if (parse_int(s + 1, 0, INT64_MAX / NSEC_PER_SEC, &sec) < 0)
			return -EINVAL;
		*out = sec * NSEC_PER_SEC;
		return 0;
	}
	if ((parse_ago(s, &span) == 0 || parse_span(*s == '-' ? s + 1 : s, &span) == 0) && span < (usec_t)now / 1000) {
		*out = now - (ts_ns)span * 1000;
		return 0;
	}
	return parse_calendar(s, now, out);
}

const char *text_size(uint64_t bytes, char out[TEXT_SIZE_SIZE])
{
	static const char units[] = "KMGTPE";
	double value = (double)bytes;
	size_t unit = 0;

	if (bytes < 1024) {
		(void)snprintf(out, TEXT_SIZE_SIZE, "%u", (unsigned int)bytes);
		return out;
	}
	for (value /= 1024; value >= 1024 && unit + 1 < sizeof(units) - 1; unit++)
		value /= 1024;
	(void)snprintf(out, TEXT_SIZE_SIZE, "%.1f%c", value, units[unit]);
	return out;
}

/* --- JSON ------------------------------------------------------------------------------------- */

const char *json_str(const json_t *object, const char *key, const char *otherwise)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : otherwise;
}

int64_t json_int(const json_t *object, const char *key, int64_t otherwise)
{
	const json_t *v = json_object_get(object, key);

	if (json_is_integer(v))
		return json_integer_value(v);
	return json_is_real(v) ? (int64_t)json_real_value(v) : otherwise;
}

double json_num(const json_t *object, const char *key, double otherwise)
{
	const json_t *v = json_object_get(object, key);

	return json_is_number(v) ? json_number_value(v) : otherwise;
}

bool json_flag(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}
