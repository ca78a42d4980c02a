/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Splits a byte stream into JSON values, without parsing them. Requests may follow each other with or without white space
 * or newlines between them, several in one read or one in many; a value may span lines.
 *
 * What a value is: from '{' or '[' to the bracket that closes it, brackets in strings not counted. Anything else at the
 * place where a value should begin is garbage. Garbage, a bracket of the wrong kind, a control byte inside a string,
 * nesting over FRAME_NESTING and a value over FRAME_MAX are each reported once; then everything up to the next newline is
 * dropped, and the stream is in step again. The parser holds no bytes: the caller keeps those of the value under way.
 */
#ifndef RPC_FRAME_H
#define RPC_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

#define FRAME_MAX LIMIT_RPC_REQUEST
/* One bit of a word for each open bracket. No request of ours nests deeper than ten. */
#define FRAME_NESTING 64

struct frame {
	uint64_t kinds;  /* bit n: the bracket that opened level n is '[' */
	unsigned int depth;
	size_t scanned;  /* bytes of the value under way that were looked at */
	bool in_string, escaped, skipping;
};

enum frame_event {
	FRAME_MORE,       /* nothing complete: read more */
	FRAME_VALUE,      /* one value */
	FRAME_BAD_SYNTAX, /* garbage */
	FRAME_BAD_NESTING,
	FRAME_BAD_SIZE,
	FRAME_EVENT_N
};

/** A parser at the beginning of a stream; no memory is held. */
void frame_init(struct frame *f);

/**
 * Look for the next value in `data` (`len` bytes: everything that was received and not yet dropped).
 *
 * *out_drop: how many bytes the caller must drop from the front before the next call. For FRAME_VALUE the value is the
 * *out_len bytes that end the dropped part. Call again until FRAME_MORE. Never allocates.
 */
enum frame_event frame_next(struct frame *f, const char *data, size_t len, size_t *out_drop, size_t *out_len);

/** True if a value has begun and is not complete. */
bool frame_is_open(const struct frame *f);

#endif
