/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: clocks and the printing of times. */
#include "base/time.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

usec_t time_boottime(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_BOOTTIME, &ts);
	return (usec_t)ts.tv_sec * USEC_PER_SEC + (usec_t)ts.tv_nsec / 1000;
}

ts_ns time_realtime(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (ts_ns)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

usec_t time_add(usec_t a, usec_t b)
{
	return a > USEC_NEVER - b ? USEC_NEVER : a + b;
}

static void digits(char *out, unsigned int n, int64_t value)
{
	while (n-- > 0) {
		out[n] = (char)('0' + value % 10);
		value /= 10;
	}
}

void time_rfc3339(ts_ns t, char out[TIME_RFC3339_SIZE])
{
	time_t sec = (time_t)(t / NSEC_PER_SEC);
	struct tm tm;

	(void)gmtime_r(&sec, &tm);
	memcpy(out, "0000-00-00T00:00:00.000000000Z", TIME_RFC3339_SIZE);
	digits(out, 4, tm.tm_year + 1900);
	digits(out + 5, 2, tm.tm_mon + 1);
	digits(out + 8, 2, tm.tm_mday);
	digits(out + 11, 2, tm.tm_hour);
	digits(out + 14, 2, tm.tm_min);
	digits(out + 17, 2, tm.tm_sec);
	digits(out + 20, 9, t % NSEC_PER_SEC);
}

void time_span(usec_t span, char *out, size_t size)
{
	usec_t s = span / USEC_PER_SEC;

	if (span < USEC_PER_SEC)
		(void)snprintf(out, size, "%llums", (unsigned long long)(span / USEC_PER_MSEC));
	else if (s < 10)
		(void)snprintf(out, size, "%llu.%llus", (unsigned long long)s,
			       (unsigned long long)(span / 100000 % 10));
	else if (s < 60)
		(void)snprintf(out, size, "%llus", (unsigned long long)s);
	else if (s < 3600)
		(void)snprintf(out, size, "%llum %llus", (unsigned long long)(s / 60), (unsigned long long)(s % 60));
	else if (s < 86400)
		(void)snprintf(out, size, "%lluh %llum", (unsigned long long)(s / 3600), (unsigned long long)(s / 60 % 60));
	else
		(void)snprintf(out, size, "%llud %lluh", (unsigned long long)(s / 86400), (unsigned long long)(s / 3600 % 24));
}
