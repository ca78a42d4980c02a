/* SPDX-License-Identifier: Apache-2.0 */
/* Sinks, lines and answers for the tests of shipping. */
#ifndef UNIT_SHIP_BATCHES_H
#define UNIT_SHIP_BATCHES_H

#include "ship/batch.h"

/* 2026-01-02T03:04:05.123456789Z */
#define NOON 1767323045123456789LL

/** Settings of a type with an endpoint, nothing else set. */
struct ship_settings settings_of(enum ship_type type, const char *endpoint);
/** A sink on the machine "h1". */
struct ship_sink sink_of(const struct ship_settings *settings);
/** A line of `web`, at NOON, number `sequence` of ring 0xab. */
struct ship_line line_of(uint64_t sequence, const char *text);
/** Inflates gzip or zstd, as the request's headers say; fails the test if that can't be done. The caller frees. */
struct strbuf plain_of(const struct ship_request *r);
/** The header's value, or NULL. */
const char *header_of(const struct ship_request *r, const char *name);

#endif
