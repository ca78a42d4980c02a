/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: struct strbuf and the small helpers on strings. */
#include "base/str.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define STRBUF_FIRST 64
#define DISTANCE_MAX 63

void strbuf_fini(struct strbuf *b)
{
	size_t max = b->max;

	free(b->data);
	*b = STRBUF(max);
}

void strbuf_reset(struct strbuf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->data)
		b->data[0] = '\0';
}

static int fail(struct strbuf *b, int code)
{
	b->failed = true;
	return -code;
}

static int grow(struct strbuf *b, size_t more)
{
	size_t need;
	size_t cap;
	char *data;

	if (more > b->max || b->len > b->max - more)
		return fail(b, ENOBUFS);
	need = b->len + more + 1;
	if (need <= b->cap)
		return 0;
	cap = b->cap ? b->cap : STRBUF_FIRST;
	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	if (cap > b->max + 1)
		cap = b->max + 1;
	data = realloc(b->data, cap);
	if (!data)
		return fail(b, ENOMEM);
	if (!b->data)
		data[0] = '\0';
	b->data = data;
	b->cap = cap;
	return 0;
}

char *strbuf_reserve(struct strbuf *b, size_t len)
{
	return grow(b, len) < 0 ? NULL : b->data + b->len;
}

void strbuf_commit(struct strbuf *b, size_t len)
{
	b->len += len;
	b->data[b->len] = '\0';
}

void strbuf_truncate(struct strbuf *b, size_t len)
{
	if (len >= b->len)
		return;
	b->len = len;
	b->data[len] = '\0';
}

int strbuf_add(struct strbuf *b, const void *data, size_t len)
{
	int r = grow(b, len);

	if (r < 0)
		return r;
	if (len)
		memcpy(b->data + b->len, data, len);
	strbuf_commit(b, len);
	return 0;
}

int strbuf_puts(struct strbuf *b, const char *s)
{
	return strbuf_add(b, s, strlen(s));
}

int strbuf_putc(struct strbuf *b, char c)
{
	return strbuf_add(b, &c, 1);
}

int strbuf_vaddf(struct strbuf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n;
	int r;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		return fail(b, EINVAL);
	r = grow(b, (size_t)n);
	if (r < 0)
		return r;
	(void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
	strbuf_commit(b, (size_t)n);
	return 0;
}

int strbuf_addf(struct strbuf *b, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = strbuf_vaddf(b, fmt, ap);
	va_end(ap);
	return r;
}

void strbuf_consume(struct strbuf *b, size_t len)
{
	if (len >= b->len) {
		b->len = 0;
	} else {
		memmove(b->data, b->data + len, b->len - len);
		b->len -= len;
	}
	if (b->data)
		b->data[b->len] = '\0';
}

const char *strbuf_str(const struct strbuf *b)
{
	return b->data ? b->data : "";
}

char *strbuf_steal(struct strbuf *b)
{
	char *data = b->data;
	bool failed = b->failed;

	b->data = NULL;
	strbuf_fini(b);
	if (failed) {
		free(data);
		return NULL;
	}
	return data ? data : strdup("");
}

bool str_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_copy(char *out, size_t size, const char *s)
{
	size_t n = strnlen(s, size - 1);

	memcpy(out, s, n);
	out[n] = '\0';
	return s[n] == '\0';
}

static unsigned char lower(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static unsigned char least(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int m = a < b ? a : b;

	return (unsigned char)(m < c ? m : c);
}

unsigned int str_distance(const char *a, const char *b)
{
	/* optimal string alignment: three rows are enough */
	unsigned char rows[3][DISTANCE_MAX + 1];
	size_t n = strlen(a);
	size_t m = strlen(b);

	if (n > DISTANCE_MAX || m > DISTANCE_MAX)
		return DISTANCE_MAX + 1;
	for (size_t j = 0; j <= m; j++)
		rows[0][j] = (unsigned char)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned char *row = rows[i % 3];
		const unsigned char *up = rows[(i + 2) % 3];
		const unsigned char *up2 = rows[(i + 1) % 3];

		row[0] = (unsigned char)i;
		for (size_t j = 1; j <= m; j++) {
			unsigned int cost = lower(a[i - 1]) != lower(b[j - 1]);

			row[j] = least(up[j] + 1U, row[j - 1] + 1U, up[j - 1] + cost);
			if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
			    lower(a[i - 2]) == lower(b[j - 1]))
				row[j] = least(row[j], up2[j - 2] + 1U, row[j]);
		}
	}
	return rows[n % 3][m];
}

const char *str_nearest(const char *wanted, const char *const *names, size_t n)
{
	const char *best = NULL;
	unsigned int best_distance = (unsigned int)strlen(wanted) / 3 + 1;

	for (size_t i = 0; i < n; i++) {
		unsigned int d = str_distance(wanted, names[i]);

		if (d < best_distance || (d == best_distance && !best)) {
			best = names[i];
			best_distance = d;
		}
	}
	return best;
}

bool str_glob(const char *pattern, const char *s)
{
	const char *star = NULL;
	const char *retry = NULL;

	while (*s) {
		if (*pattern == '*') {
			star = pattern++;
			retry = s;
		} else if (*pattern == '?' || *pattern == *s) {
			pattern++;
			s++;
		} else if (star) {
			pattern = star + 1;
			s = ++retry;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}
