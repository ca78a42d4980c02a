/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: strict parsing of numbers, sizes and spans. */
#include "base/parse.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

/* Reads decimal digits at *s and moves it past them. */
static int read_digits(const char **s, uint64_t *out)
{
	uint64_t value = 0;
	const char *p = *s;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(value, 10U, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return -ERANGE;
	}
	*s = p;
	*out = value;
	return 0;
}

int parse_int(const char *s, int64_t min, int64_t max, int64_t *out)
{
	bool negative = *s == '-';
	uint64_t magnitude;
	int64_t value;
	int r;

	s += negative;
	r = read_digits(&s, &magnitude);
	if (r < 0)
		return r;
	if (*s)
		return -EINVAL;
	if (magnitude > (uint64_t)INT64_MAX)
		return -ERANGE;
	value = negative ? -(int64_t)magnitude : (int64_t)magnitude;
	if (value < min || value > max)
		return -ERANGE;
	*out = value;
	return 0;
}

int parse_size(const char *s, uint64_t *out)
{
	static const char units[] = "kmgt";
	uint64_t value;
	int r = read_digits(&s, &value);

	if (r < 0)
		return r;
	if (*s) {
		const char *unit = memchr(units, *s | 0x20, sizeof(units) - 1);

		if (unit) {
			for (long i = 0; i <= unit - units; i++) {
				if (__builtin_mul_overflow(value, 1024U, &value))
					return -ERANGE;
			}
			s++;
			if (*s == 'i' && (s[1] | 0x20) == 'b')
				s++;
		}
		if ((*s | 0x20) == 'b')
			s++;
		if (*s)
			return -EINVAL;
	}
	*out = value;
	return 0;
}

static const struct span_unit {
	const char *name;
	usec_t usec;
} span_units[] = {
	{ "us", 1 },
	{ "ms", USEC_PER_MSEC },
	{ "s", USEC_PER_SEC },
	{ "sec", USEC_PER_SEC },
	{ "m", 60 * USEC_PER_SEC },
	{ "min", 60 * USEC_PER_SEC },
	{ "h", 3600 * USEC_PER_SEC },
	{ "d", 86400 * USEC_PER_SEC },
	{ "w", 604800 * USEC_PER_SEC },
};

static const struct span_unit *read_unit(const char **s)
{
	size_t n = strcspn(*s, "0123456789");

	for (size_t i = 0; i < ARRAY_LEN(span_units); i++) {
		const struct span_unit *u = &span_units[i];

		if (strlen(u->name) == n && strncmp(*s, u->name, n) == 0) {
			*s += n;
			return u;
		}
	}
	return NULL;
}

int parse_span(const char *s, usec_t *out)
{
	usec_t total = 0;
	bool bare = true;

	if (!*s)
		return -EINVAL;
	while (*s) {
		const struct span_unit *unit;
		uint64_t value;
		int r = read_digits(&s, &value);

		if (r < 0)
			return r;
		if (!*s && bare) {
			unit = &span_units[2];
		} else {
			unit = read_unit(&s);
			if (!unit)
				return -EINVAL;
		}
		bare = false;
		if (__builtin_mul_overflow(value, unit->usec, &value) ||
		    __builtin_add_overflow(total, value, &total))
			return -ERANGE;
	}
	*out = total;
	return 0;
}
