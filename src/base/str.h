/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings: a growing byte buffer with a maximum, and small helpers on NUL-terminated strings.
 *
 * A `struct strbuf` is created with the most it may ever hold. An append that would go over it, or
 * that finds no memory, changes nothing and sets `failed`; so a caller can append many times and
 * test once. The content is always NUL-terminated and may hold NUL bytes too.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct strbuf {
	char *data; /* NULL until the first append */
	size_t len;
	size_t cap;
	size_t max; /* bytes, without the terminating NUL */
	bool failed;
};

/** An empty buffer that may grow to `max` bytes. */
#define STRBUF(max_bytes) ((struct strbuf){ .max = (max_bytes) })

/** Free the content; the buffer is empty and usable again. For AUTO() too. */
void strbuf_fini(struct strbuf *b);
/** Forget the content and `failed`, keep the memory. */
void strbuf_reset(struct strbuf *b);
/** Append `len` bytes. Returns 0, or -ENOMEM / -ENOBUFS (over max): nothing appended, `failed` set. */
int strbuf_add(struct strbuf *b, const void *data, size_t len);
int strbuf_puts(struct strbuf *b, const char *s);
int strbuf_putc(struct strbuf *b, char c);
int strbuf_addf(struct strbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int strbuf_vaddf(struct strbuf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/** Make room for `len` more bytes. Returns where to write them, or NULL. Follow with strbuf_commit(). */
char *strbuf_reserve(struct strbuf *b, size_t len);
/** Count `len` bytes that were written after strbuf_reserve(). */
void strbuf_commit(struct strbuf *b, size_t len);
/** Forget what is behind the first `len` bytes. */
void strbuf_truncate(struct strbuf *b, size_t len);
/** Remove the first `len` bytes. */
void strbuf_consume(struct strbuf *b, size_t len);
/** The content as a string, never NULL ("" when empty). Valid until the next change. */
const char *strbuf_str(const struct strbuf *b);
/** Hand the content over to the caller, who frees it; NULL if it `failed` or memory is gone. The buffer is empty after. */
char *strbuf_steal(struct strbuf *b);

/** True if both are NULL, or both are equal strings. */
bool str_equal(const char *a, const char *b);
bool str_starts(const char *s, const char *prefix);
/** Copy with truncation, always NUL-terminated. Returns false if it was cut. `size` > 0. */
bool str_copy(char *out, size_t size, const char *s);
/**
 * Edit distance (insert, delete, replace, swap of neighbours) of two names, for "did you mean".
 * Letter case is ignored. Names over 63 bytes compare as 64 apart.
 */
unsigned int str_distance(const char *a, const char *b);
/** The name among `n` that is nearest to `wanted` and near enough to be a slip; NULL if none is. */
const char *str_nearest(const char *wanted, const char *const *names, size_t n);
/** Shell-like pattern of '*' and '?' against a whole string; no classes, no escapes. */
bool str_glob(const char *pattern, const char *s);

#endif
