/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the plain text inside a regular expression. Wherever it is in doubt it says "none". */
#include "log/literal.h"

#include <ctype.h>
#include <string.h>

#include "base/mem.h"

struct scan {
	char *out;
	size_t size;
	size_t best; /* length of what is in `out` */
	char buf[256]; /* the run under way */
	size_t len;
	unsigned int depth; /* in groups, which may be optional */
};

static void end_run(struct scan *sc)
{
	if (sc->len > sc->best && sc->len <= sc->size) {
		memcpy(sc->out, sc->buf, sc->len);
		sc->best = sc->len;
	}
	sc->len = 0;
}

static void add(struct scan *sc, char c)
{
	if (sc->depth)
		return;
	if (sc->len == sizeof(sc->buf))
		end_run(sc);
	sc->buf[sc->len++] = c;
}

/* The last character may be missing or repeated: it does not count. */
static void drop_last(struct scan *sc)
{
	sc->len -= sc->len > 0;
	end_run(sc);
}

/* Behind the closing bracket of a class, or NULL. `p` is behind the opening one. */
static const char *skip_class(const char *p)
{
	p += *p == '^';
	p += *p == ']';
	for (; *p && *p != ']'; p++) {
		if (p[0] == '[' && (p[1] == ':' || p[1] == '.' || p[1] == '='))
			return NULL;
		if (*p == '\\' && !*++p)
			return NULL;
	}
	return *p ? p + 1 : NULL;
}

/* Behind an escape, of which `p` is the second character, or NULL: one whose end we do not know. */
static const char *escape(struct scan *sc, const char *p)
{
	if (!*p)
		return NULL;
	if (!isalnum((unsigned char)*p)) {
		add(sc, *p);
		return p + 1;
	}
	end_run(sc);
	return strchr("dDwWsSbBAzZnrt", *p) ? p + 1 : NULL;
}

/* Behind the piece of the expression at `p`, or NULL: not understood. */
static const char *step(struct scan *sc, const char *p)
{
	switch (*p) {
	case '\\':
		return escape(sc, p + 1);
	case '[':
		end_run(sc);
		return skip_class(p + 1);
	case '(':
		end_run(sc);
		sc->depth++;
		/* options, assertions, conditions, verbs */
		return p[1] == '?' || p[1] == '*' ? NULL : p + 1;
	case ')':
		end_run(sc);
		sc->depth -= sc->depth > 0;
		return p + 1;
	case '*':
	case '?':
		drop_last(sc);
		return p + 1;
	case '{':
		drop_last(sc);
		/* anything but a count is a brace, or will be one thing or the other by version */
		return isdigit((unsigned char)p[1]) && p[1 + strspn(p + 1, "0123456789,")] == '}' ? strchr(p, '}') + 1 :
												     NULL;
	case '+':
	case '^':
	case '$':
	case '.':
		end_run(sc);
		return p + 1;
	case '|':
		return NULL;
	default:
		add(sc, *p);
		return p + 1;
	}
}

size_t literal_of_regex(const char *regex, char *out, size_t size)
{
	struct scan sc = { .out = out, .size = size };

	while (regex && *regex)
		regex = step(&sc, regex);
	if (!regex)
		return 0;
	end_run(&sc);
	return sc.best;
}
