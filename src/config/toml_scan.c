/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: a look at TOML text before the parser gets it. toml++ bounds the nesting of values, but a
 * dotted key makes a table a dot, and the recursion that frees half a million of them ends the
 * stack. Up to the first mistake of the text this scan and the parser agree on what is a string.
 */
#include <string.h>

#include "config/toml.h"

struct scan {
	const char *text;
	size_t len, at;
};

static bool looking_at(const struct scan *s, const char *what)
{
	size_t n = strlen(what);

	return s->len - s->at >= n && memcmp(s->text + s->at, what, n) == 0;
}

/* Moves past a string that begins here; to the end of the text if it does not end. */
static void skip_string(struct scan *s)
{
	char quote = s->text[s->at];
	const char triple[] = { quote, quote, quote, '\0' };
	bool multi = looking_at(s, triple);
	size_t n = multi ? 3 : 1;

	for (s->at += n; s->at < s->len; s->at++) {
		char c = s->text[s->at];

		if (c == '\\' && quote == '"')
			s->at++;
		else if (c == '\n' && !multi)
			return; /* a mistake: the parser stops here */
		else if (c == quote && (!multi || looking_at(s, triple)))
			break;
	}
	s->at += n;
	/* one or two quotes may stand before the three that end it */
	for (size_t i = 0; multi && i < 2 && s->at < s->len && s->text[s->at] == quote; i++)
		s->at++;
}

static void skip_comment(struct scan *s)
{
	while (s->at < s->len && s->text[s->at] != '\n')
		s->at++;
}

static struct doc_place place_at(const struct scan *s)
{
	struct doc_place place = { 1, 1 };

	for (size_t i = 0; i < s->at; i++) {
		unsigned char c = (unsigned char)s->text[i];

		if (c == '\n')
			place = (struct doc_place){ place.line + 1, 1 };
		else if ((c & 0xc0) != 0x80)
			place.column++;
	}
	return place;
}

bool toml_dots_bounded(const char *text, size_t len, struct doc_place *out_place)
{
	struct scan s = { text, len, 0 };
	unsigned int dots = 0;

	while (s.at < s.len) {
		char c = s.text[s.at];

		if (c == '"' || c == '\'') {
			skip_string(&s);
			continue;
		}
		if (c == '#') {
			skip_comment(&s);
			continue;
		}
		if (c == '.')
			dots++;
		else if (strchr("=[]{},\n", c))
			dots = 0;
		if (dots > DOC_DOTS_MAX) {
			*out_place = place_at(&s);
			return false;
		}
		s.at++;
	}
	return true;
}
