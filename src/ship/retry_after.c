/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the value of Retry-After: seconds, or an HTTP date (RFC 9110, 5.6.7) in one of its three forms. */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "ship/batch.h"

/* Two-digit years: those that seem more than 50 years ahead are of the last century; nobody asks for such a wait. */
#define CENTURY_TURN 70

static int month_of(const char name[4])
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (int i = 0; i < 12; i++) {
		if (memcmp(names + (size_t)i * 3, name, 3) == 0)
			return i + 1;
	}
	return -1;
}

/* Days since 1970-01-01 of a day of the Gregorian calendar, with years that begin in March. */
static int64_t days_of(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = y / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	return era * 146097 + day_of_era - 719468;
}

/* Seconds since 1970, or -1. */
static int64_t date_of(const char *value)
{
	int year, month, day, hour, minute, second;
	char name[4] = "";
	const char *comma = strchr(value, ',');

	if (comma && sscanf(comma, ", %2d %3s %4d %2d:%2d:%2d GMT", &day, name, &year, &hour, &minute, &second) == 6) {
		/* Sun, 06 Nov 1994 08:49:37 GMT */
	} else if (comma &&
		   sscanf(comma, ", %2d-%3s-%2d %2d:%2d:%2d GMT", &day, name, &year, &hour, &minute, &second) == 6) {
		/* Sunday, 06-Nov-94 08:49:37 GMT */
		year += year < CENTURY_TURN ? 2000 : 1900;
	} else if (!comma && sscanf(value, "%*3s %3s %2d %2d:%2d:%2d %4d", name, &day, &hour, &minute, &second, &year) == 6) {
		/* Sun Nov  6 08:49:37 1994 */
	} else {
		return -1;
	}
	month = month_of(name);
	if (month < 0 || year < 1970 || day < 1 || day > 31 || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
	    second < 0 || second > 60)
		return -1;
	return ((days_of(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
}

static int64_t in_ms(int64_t seconds)
{
	return seconds < 0 ? 0 : MIN(seconds, LIMIT_SHIP_RETRY_AFTER_MS / 1000) * 1000;
}

int64_t ship_retry_after(const char *value, ts_ns now)
{
	int64_t seconds = 0;
	int64_t date;
	size_t digits;

	if (!value)
		return -1;
	value += strspn(value, " \t");
	digits = strspn(value, "0123456789");
	if (digits == 0) {
		date = date_of(value);
		return date < 0 ? -1 : in_ms(date - now / NSEC_PER_SEC);
	}
	if (value[digits + strspn(value + digits, " \t\r")])
		return -1;
	for (size_t i = 0; i < digits && seconds < LIMIT_SHIP_RETRY_AFTER_MS; i++)
		seconds = seconds * 10 + (value[i] - '0');
	return in_ms(seconds);
}
