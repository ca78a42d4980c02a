/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: escaping for JSON. */
#include "base/json_text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

#define ONES 0x0101010101010101ULL
#define HIGHS 0x8080808080808080ULL

/* True if one of the eight bytes is below 0x20, above 0x7e, a quote or a backslash; may be true for others, too. */
static bool needs_look(uint64_t w)
{
	uint64_t control = (w - ONES * 0x20) & ~w;
	uint64_t quote = w ^ ONES * '"';
	uint64_t slash = w ^ ONES * '\\';
	uint64_t del = w ^ ONES * 0x7f;

	quote = (quote - ONES) & ~quote;
	slash = (slash - ONES) & ~slash;
	del = (del - ONES) & ~del;
	return ((w | control | quote | slash | del) & HIGHS) != 0;
}

/* Length of the run of bytes at `s` that need no change. */
static size_t plain_run(const char *s, size_t len)
{
	size_t i = 0;

	while (i < len) {
		unsigned char c;
		size_t n = 1;
		uint64_t word;

		if (len - i >= sizeof(word)) {
			memcpy(&word, s + i, sizeof(word));
			if (!needs_look(word)) {
				i += sizeof(word);
				continue;
			}
		}
		c = (unsigned char)s[i];
		if (c < 0x20 || c == '"' || c == '\\' || c == 0x7f)
			break;
		if (c >= 0x80)
			n = utf8_sequence(s + i, len - i);
		if (n == 0)
			break;
		i += n;
	}
	return i;
}

static int add_escaped(struct strbuf *to, unsigned char c)
{
	static const char short_form[] = { ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
					   ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\' };
	static const char hex[] = "0123456789abcdef";

	if (c >= 0x80)
		return strbuf_add(to, "\xef\xbf\xbd", 3);
	if (c < sizeof(short_form) && short_form[c])
		return strbuf_add(to, (char[]){ '\\', short_form[c] }, 2);
	return strbuf_add(to, (char[]){ '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] }, 6);
}

int json_text_add(struct strbuf *to, const char *text, size_t len)
{
	int r = 0;

	while (len > 0 && r == 0) {
		size_t n = plain_run(text, len);

		if (n > 0) {
			r = strbuf_add(to, text, n);
		} else {
			r = add_escaped(to, (unsigned char)*text);
			n = 1;
		}
		text += n;
		len -= n;
	}
	return r;
}
