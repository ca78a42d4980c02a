/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values by type: for each enum cfg_type one row of functions that read a field from a document,
 * fill in its default, write it as JSON, compare it and copy it. Private to config/.
 */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "config/arena.h"
#include "config/keys.h"
#include "config/problem.h"
#include "config/toml.h"

#define CFG_PATH_MAX 160

/** One reading of one source. */
struct decoder {
	struct arena *arena; /* what the fields point to until they are packed */
	struct problems *problems;
	unsigned int flags; /* enum load_flags */
	bool is_target;     /* the file of a target: the sections of a service are not read */
	char path[CFG_PATH_MAX]; /* key that is being read: "lifecycle.restart" */
};

/** Append "name" or ".name" to the path. Returns the length to go back to with decoder_pop(). */
size_t decoder_push(struct decoder *d, const char *name);
void decoder_pop(struct decoder *d, size_t len);
/** Note a problem of the current path, at a place of the source. */
void decoder_error(struct decoder *d, struct doc_place at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void decoder_warn(struct decoder *d, struct doc_place at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/** What the reference lets pass, but nobody means: an error with LOAD_STRICT, else a warning. */
void decoder_doubt(struct decoder *d, struct doc_place at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/** arena_alloc() that notes down when memory is gone. */
void *decoder_alloc(struct decoder *d, size_t size);
/** Note "expected WHAT, found …". */
void decoder_mismatch(struct decoder *d, const struct doc_node *node, const char *expected);
/** The text of a string node without NUL bytes; NULL, and a problem, if it is none. `expected` as above. */
const char *decoder_text(struct decoder *d, const struct doc_node *node, const char *expected);

/** True for an array of a sane length; else a problem is noted. */
bool decoder_list(struct decoder *d, const struct doc_node *node, const char *expected);

/** Copies what fields point to into one block; with `base` NULL it only counts. */
struct packer {
	char *base;
	size_t used;
};

/** Room for `size` bytes at `align`; NULL when only counting. */
void *packer_alloc(struct packer *p, size_t size, size_t align);
/** A copy of a string (NULL stays NULL). */
const char *packer_string(struct packer *p, const char *s);

struct value_ops {
	const char *name; /* for documents */
	void (*decode)(struct decoder *d, const struct cfg_key *key, const struct doc_node *node,
		       void *field);
	/* sets key->dflt, or "unset"; NULL: zero bytes are unset and there are no defaults */
	int (*preset)(const struct cfg_key *key, struct arena *arena, void *field);
	json_t *(*encode)(const struct cfg_key *key, const void *field); /* NULL: out of memory */
	bool (*equal)(const void *a, const void *b);
	/* `dst` holds a plain copy of `src`, or is NULL when only counting; NULL: plain copy is enough */
	void (*copy)(struct packer *p, void *dst, const void *src);
};

/** The row of a type; sections, records and tombstones have none (NULL). */
const struct value_ops *value_ops(enum cfg_type type);

/* The rows, by file. */
extern const struct value_ops value_string, value_name, value_path, value_enum, value_enum_int,
	value_flags, value_signal; /* value_text.c */
extern const struct value_ops value_bool, value_int, value_u32, value_id, value_float, value_size,
	value_size32, value_span, value_percent, value_mode; /* value_scalar.c */
extern const struct value_ops value_command, value_output, value_strings, value_names, value_pairs,
	value_caps; /* value_list.c */
extern const struct value_ops value_ints, value_statuses, value_rlimits; /* value_numbers.c */

/** The choice of that name, or NULL; and the nearest name, or NULL. */
const struct cfg_choice *choice_find(const struct cfg_choice *choices, const char *name);
const char *choice_nearest(const struct cfg_choice *choices, const char *name);
/** The name of a value; the first choice's if there is none such. */
const char *choice_name(const struct cfg_choice *choices, int value);

#endif
