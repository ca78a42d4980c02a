/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text to numbers, strictly: the whole string must be the number, no white space, no overflow.
 * Each returns 0, -EINVAL (not of the form) or -ERANGE (outside the limits); `out` is untouched then.
 */
#ifndef BASE_PARSE_H
#define BASE_PARSE_H

#include <stdint.h>

#include "base/time.h"

/** Decimal integer, optional '-'. */
int parse_int(const char *s, int64_t min, int64_t max, int64_t *out);
/** Bytes: a number with an optional k, M, G, T (1024-based, any case, "B" or "iB" may follow): "512M", "64KiB". */
int parse_size(const char *s, uint64_t *out);
/** A span: number and unit us, ms, s, m (min), h, d, w; several may follow each other: "1h30m". No unit = seconds. */
int parse_span(const char *s, usec_t *out);

#endif
