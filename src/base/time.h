/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time: one type for decisions, one for what people read.
 *
 * `usec_t` is microseconds of CLOCK_BOOTTIME: it never jumps, and it goes on while the machine is
 * suspended. All deadlines use it. `ts_ns` is nanoseconds of CLOCK_REALTIME since 1970: log lines
 * and "since when" use it, nothing is decided by it.
 */
#ifndef BASE_TIME_H
#define BASE_TIME_H

#include <stddef.h>
#include <stdint.h>

typedef uint64_t usec_t;
typedef int64_t ts_ns;

#define USEC_PER_MSEC 1000ULL
#define USEC_PER_SEC 1000000ULL
#define NSEC_PER_SEC 1000000000LL
#define USEC_NEVER UINT64_MAX

/** "2026-11-22T23:04:05.123456789Z" and the NUL. */
#define TIME_RFC3339_SIZE 31

/** CLOCK_BOOTTIME in microseconds. Only shells and tests call it; the rest is given `now`. */
usec_t time_boottime(void);
/** CLOCK_REALTIME in nanoseconds. */
ts_ns time_realtime(void);
/** `a + b` that stops at USEC_NEVER. */
usec_t time_add(usec_t a, usec_t b);
/** Write `t` as RFC 3339 in UTC with nine decimals into `out` (TIME_RFC3339_SIZE bytes); years 1970..2262. */
void time_rfc3339(ts_ns t, char out[TIME_RFC3339_SIZE]);
/** Write a span for people ("3d 4h", "12m 5s", "1.5s", "20ms") into `out`; at most 15 characters and NUL. */
void time_span(usec_t span, char *out, size_t size);

#endif
