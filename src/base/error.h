/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An error that a person will read: a positive errno value and a sentence. It lives in the
 * caller's memory, so that it can be filled when memory is gone. Functions that take a
 * `struct error *` last also return the negative code; the pointer may be NULL for callers who
 * want the code alone. Context is added on the way up with error_wrap().
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdarg.h>

#define ERROR_MSG_MAX 512

struct error {
	int code; /* positive errno value; 0 = no error */
	char msg[ERROR_MSG_MAX];
};

/**
 * Fill `err` (may be NULL) with `code` (a positive errno value) and a printf-like message, cut at ERROR_MSG_MAX.
 *
 * Returns -code, so that it can end a function: `return error_set(err, ENOENT, "no '%s'", name);`
 */
int error_set(struct error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * Put context before the message of `err` (may be NULL): "context: message". The code stays.
 *
 * Returns -err->code (-EIO where `err` is NULL or holds no code).
 */
int error_wrap(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Empty the error: code 0, no text. */
void error_clear(struct error *err);

#endif
