/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with a configuration: all of it, not only the first. A list is filled while one
 * source (a file, an RPC parameter) is read; at most PROBLEMS_MAX are kept, the rest is counted.
 */
#ifndef CONFIG_PROBLEM_H
#define CONFIG_PROBLEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define PROBLEMS_MAX 50

enum problem_level { PROBLEM_WARNING, PROBLEM_ERROR };

struct problem {
	enum problem_level level;
	uint32_t line, column; /* from 1; 0 = no position (JSON) */
	char *key;             /* "lifecycle.restart", or "" for the file as a whole */
	char *text;            /* what was expected, and what was found */
};

struct problems {
	struct problem *items; /* n of them */
	size_t n;
	size_t dropped;  /* found, but not kept */
	size_t errors;   /* of all, kept or not */
	bool no_memory;  /* a problem could not even be noted down: counts as an error */
};

/** An empty list. */
void problems_init(struct problems *p);
/** Release what the list holds; it is empty after. */
void problems_fini(struct problems *p);
/** Note one problem; `key` is copied. */
void problems_add(struct problems *p, enum problem_level level, uint32_t line, uint32_t column,
		  const char *key, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/** Bring them into the order of the source. */
void problems_sort(struct problems *p);
/** True if one of them is an error. */
bool problems_failed(const struct problems *p);
/** Append "source:line:column: key: text" (without what is unknown; warnings say "warning: "), no newline. */
void problem_format(const struct problem *one, const char *source, struct strbuf *out);
/** Append all, a line each, each ended by a newline; the count of dropped ones last. */
void problems_format(const struct problems *p, const char *source, struct strbuf *out);

#endif
