/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: times as people write them. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/mem.h"
#include "base/parse.h"
#include "base/str.h"
#include "log/query.h"

#define TEXT_MAX 64

/* Midnight of today, local time, plus `days`. */
static ts_ns midnight(ts_ns now, int days)
{
	time_t sec = (time_t)(now / NSEC_PER_SEC);
	struct tm tm;

	(void)localtime_r(&sec, &tm);
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	tm.tm_mday += days;
	tm.tm_isdst = -1;
	return (ts_ns)mktime(&tm) * NSEC_PER_SEC;
}

static bool parse_word(const char *s, ts_ns now, ts_ns *out)
{
	if (strcasecmp(s, "now") == 0)
		*out = now;
	else if (strcasecmp(s, "today") == 0)
		*out = midnight(now, 0);
	else if (strcasecmp(s, "yesterday") == 0)
		*out = midnight(now, -1);
	else if (strcasecmp(s, "tomorrow") == 0)
		*out = midnight(now, 1);
	else
		return false;
	return true;
}

/* "10 minutes" -> "10m": a unit by its first letters. */
static bool parse_long_span(const char *s, usec_t *out)
{
	static const struct {
		const char *name;
		const char *unit;
	} units[] = {
		{ "second", "s" }, { "sec", "s" },  { "minute", "m" }, { "min", "m" }, { "hour", "h" },
		{ "day", "d" },    { "week", "w" }, { "ms", "ms" },
	};
	char number[TEXT_MAX];
	char word[TEXT_MAX];
	char text[2 * TEXT_MAX];
	size_t len;

	if (parse_span(s, out) == 0)
		return true;
	if (sscanf(s, "%20[0-9] %20[a-z]", number, word) != 2)
		return false;
	len = strlen(word);
	if (len > 3 && word[len - 1] == 's')
		word[len - 1] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (strcmp(word, units[i].name) == 0)
			(void)snprintf(word, sizeof(word), "%s", units[i].unit);
	}
	(void)snprintf(text, sizeof(text), "%s%s", number, word);
	return parse_span(text, out) == 0;
}

/* "-10m", "10 min ago" and, for times to come, "+10m". */
static bool parse_relative(const char *s, ts_ns now, ts_ns *out)
{
	char text[TEXT_MAX];
	size_t len = strlen(s);
	bool ago = len > 4 && strcmp(s + len - 4, " ago") == 0;
	usec_t span;

	if (!ago && *s != '-' && *s != '+')
		return false;
	if (!str_copy(text, sizeof(text), *s == '-' || *s == '+' ? s + 1 : s))
		return false;
	if (ago)
		text[strlen(text) - 4] = '\0';
	if (!parse_long_span(text, &span) || span > (usec_t)INT64_MAX / 1000)
		return false;
	*out = *s == '+' && !ago ? now + (ts_ns)span * 1000 : now - (ts_ns)span * 1000;
	return true;
}

/* ".123456789" -> nanoseconds; `*p` moves behind it. */
static ts_ns parse_fraction(const char **p)
{
	ts_ns nsec = 0;
	unsigned int n = 0;

	if (**p != '.')
		return 0;
	for ((*p)++; isdigit((unsigned char)**p); (*p)++) {
		if (n++ < 9)
			nsec = nsec * 10 + (**p - '0');
	}
	while (n++ < 9)
		nsec *= 10;
	return nsec;
}

/* "@1732230000.5" */
static bool parse_epoch(const char *s, ts_ns *out)
{
	const char *p = s + 1;
	int64_t sec = 0;
	unsigned int n = 0;

	if (*s != '@')
		return false;
	for (; isdigit((unsigned char)*p) && n < 11; p++, n++)
		sec = sec * 10 + (*p - '0');
	if (!n || sec > INT64_MAX / NSEC_PER_SEC)
		return false;
	*out = sec * NSEC_PER_SEC + parse_fraction(&p);
	return *p == '\0';
}

/* "Z", "+02:00", "+0200", or nothing: local. Returns false if it is none of these. */
static bool parse_zone(const char *p, struct tm *tm, time_t *out)
{
	int hours;
	int minutes = 0;
	int used = 0;

	if (*p == '\0') {
		tm->tm_isdst = -1;
		*out = mktime(tm);
		return true;
	}
	*out = timegm(tm);
	if (strcmp(p, "Z") == 0 || strcmp(p, "z") == 0)
		return true;
	if ((*p != '+' && *p != '-') || (sscanf(p + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 &&
					 sscanf(p + 1, "%2d%2d%n", &hours, &minutes, &used) != 2) ||
	    p[1 + used] != '\0' || hours > 14 || minutes > 59)
		return false;
	*out -= (*p == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
	return true;
}

/* The rest of "10:00[:05[.123]][zone]" on the day of `tm`. */
static bool parse_clock(const char *p, struct tm *tm, ts_ns *out)
{
	int used = 0;
	int more = 0;
	ts_ns fraction;
	time_t sec;

	if (sscanf(p, "%2d:%2d%n", &tm->tm_hour, &tm->tm_min, &used) != 2)
		return false;
	p += used;
	tm->tm_sec = 0;
	if (*p == ':') {
		if (sscanf(p, ":%2d%n", &tm->tm_sec, &more) != 1)
			return false;
		p += more;
	}
	fraction = parse_fraction(&p);
	if (tm->tm_hour < 0 || tm->tm_hour > 23 || tm->tm_min < 0 || tm->tm_min > 59 || tm->tm_sec < 0 ||
	    tm->tm_sec > 60 || !parse_zone(p, tm, &sec))
		return false;
	*out = (ts_ns)sec * NSEC_PER_SEC + fraction;
	return true;
}

static bool parse_date(const char *s, ts_ns now, ts_ns *out)
{
	time_t sec = (time_t)(now / NSEC_PER_SEC);
	struct tm tm = { 0 };
	int used = 0;

	if (sscanf(s, "%4d-%2d-%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &used) != 3) {
		(void)localtime_r(&sec, &tm);
		return parse_clock(s, &tm, out);
	}
	if (tm.tm_year < 1970 || tm.tm_year > 2261 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	if (s[used] == '\0') {
		tm.tm_isdst = -1;
		*out = (ts_ns)mktime(&tm) * NSEC_PER_SEC;
		return true;
	}
	return (s[used] == 'T' || s[used] == ' ') && parse_clock(s + used + 1, &tm, out);
}

int log_time_parse(const char *text, ts_ns now, ts_ns *out, struct error *err)
{
	if (parse_word(text, now, out) || parse_relative(text, now, out) || parse_epoch(text, out) ||
	    parse_date(text, now, out))
		return 0;
	return error_set(err, EINVAL,
			 "'%.60s' is not a time: write \"10 min ago\", \"-2h\", \"today\", \"10:00\", "
			 "\"2026-11-22 10:00\", \"2026-11-22T10:00:00Z\" or \"@1732230000\"", text);
}
