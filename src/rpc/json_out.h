/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing JSON text straight into a buffer: answers can be long (a list of ten thousand services, a ring of lines) and
 * building a tree first would cost several times their size. Commas are put by the writer; the caller opens and closes.
 *
 * A write that finds no room sets `failed` of the buffer and nothing else; so a caller writes all and tests once.
 * Strings may hold any bytes: what is not UTF-8 is written as U+FFFD, one for each bad byte.
 */
#ifndef RPC_JSON_OUT_H
#define RPC_JSON_OUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct json_out {
	struct strbuf *to;
	bool comma; /* a value was written in the innermost open object or array */
};

/** A writer that appends to `to`, which must outlive it. */
struct json_out json_out_on(struct strbuf *to);

void json_out_open_object(struct json_out *o);
void json_out_close_object(struct json_out *o);
void json_out_open_array(struct json_out *o);
void json_out_close_array(struct json_out *o);
/** A member's name; the value has to follow. `key` is one of ours: ASCII without quotes. */
void json_out_key(struct json_out *o, const char *key);

void json_out_null(struct json_out *o);
void json_out_bool(struct json_out *o, bool value);
void json_out_int(struct json_out *o, int64_t value);
void json_out_uint(struct json_out *o, uint64_t value);
/** Finite numbers only; others are written as null. */
void json_out_real(struct json_out *o, double value);
/** NULL is written as null. */
void json_out_str(struct json_out *o, const char *value);
void json_out_strn(struct json_out *o, const char *value, size_t len);
/** Text that is JSON already (a schema of ours). */
void json_out_raw(struct json_out *o, const char *json);
/** A tree; NULL (no memory when it was made) fails the buffer. */
void json_out_tree(struct json_out *o, const json_t *value);

/* Members: key and value in one call. */
void json_out_member_bool(struct json_out *o, const char *key, bool value);
void json_out_member_int(struct json_out *o, const char *key, int64_t value);
void json_out_member_uint(struct json_out *o, const char *key, uint64_t value);
void json_out_member_str(struct json_out *o, const char *key, const char *value);

#endif
