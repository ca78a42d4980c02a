/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: whether a text is a schedule. When it is due is not known here. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/parse.h"
#include "base/str.h"
#include "base/time.h"
#include "config/validate.h"

#define EVERY "@every "
#define ELEMENT_MAX 24

struct field {
	int64_t min, max;
	const char *const *names; /* of min, min + 1 …; NULL at the end; may be NULL */
};

static const char *const months[] = { "jan", "feb", "mar", "apr", "may", "jun", "jul",
				      "aug", "sep", "oct", "nov", "dec", NULL };
static const char *const days[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL };

static const struct field fields[] = {
	{ 0, 59, NULL }, { 0, 23, NULL }, { 1, 31, NULL }, { 1, 12, months }, { 0, 7, days },
};

static const char *const nicknames[] = { "@yearly", "@annually", "@monthly", "@weekly",
					 "@daily",  "@midnight", "@hourly" };

static bool number_of(const struct field *f, const char *s, int64_t *out)
{
	for (int64_t i = 0; f->names && f->names[i]; i++) {
		if (strcasecmp(f->names[i], s) == 0) {
			*out = f->min + i;
			return true;
		}
	}
	return parse_int(s, f->min, f->max, out) == 0;
}

/* "*", "5", "1-5", each with an optional "/2" */
static bool element_valid(const struct field *f, char *s)
{
	char *step = strchr(s, '/');
	char *dash;
	int64_t low, high;

	if (step) {
		*step++ = '\0';
		if (parse_int(step, 1, f->max, &low) < 0)
			return false;
	}
	if (strcmp(s, "*") == 0)
		return true;
	dash = strchr(s, '-');
	if (!dash)
		return !step && number_of(f, s, &low);
	*dash++ = '\0';
	return number_of(f, s, &low) && number_of(f, dash, &high) && low <= high;
}

static bool field_valid(const struct field *f, const char *s, size_t len)
{
	while (len > 0) {
		const char *comma = memchr(s, ',', len);
		size_t n = comma ? (size_t)(comma - s) : len;
		char element[ELEMENT_MAX];

		if (n == 0 || n >= sizeof(element) || (comma && n + 1 == len))
			return false;
		memcpy(element, s, n);
		element[n] = '\0';
		if (!element_valid(f, element))
			return false;
		n += comma != NULL;
		s += n;
		len -= n;
	}
	return true;
}

bool validate_schedule(const char *s)
{
	static const char blanks[] = " \t";
	usec_t span;

	if (str_starts(s, EVERY))
		return parse_span(s + strlen(EVERY), &span) == 0 && span >= USEC_PER_SEC;
	for (size_t i = 0; i < ARRAY_LEN(nicknames); i++) {
		if (strcmp(s, nicknames[i]) == 0)
			return true;
	}
	s += strspn(s, blanks);
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		size_t len = strcspn(s, blanks);

		if (len == 0 || !field_valid(&fields[i], s, len))
			return false;
		s += len;
		s += strspn(s, blanks);
	}
	return *s == '\0';
}
