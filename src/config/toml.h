/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A document: the read-only tree that TOML text or a JSON value becomes, so that one reader serves
 * both. Each value knows where it stands in the text, and so does each key. Strings are
 * well-formed UTF-8, NUL-terminated, and may hold NUL bytes too (`len` counts them).
 *
 * toml_parse() is the C side of toml_shim.cc, the only C++ of the project: no exception leaves it.
 */
#ifndef CONFIG_TOML_H
#define CONFIG_TOML_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Levels of tables and arrays, and dots in one key; a service file needs four, and one. */
#define DOC_DEPTH_MAX 32
#define DOC_DOTS_MAX 32

enum doc_type {
	DOC_NULL, /* JSON only */
	DOC_TABLE,
	DOC_ARRAY,
	DOC_STRING,
	DOC_INT,
	DOC_FLOAT,
	DOC_BOOL,
	DOC_DATETIME, /* its value is not kept */
};

struct doc_place {
	uint32_t line, column; /* from 1; 0 = unknown (JSON) */
};

struct doc_node {
	enum doc_type type;
	struct doc_place at;
	struct doc_place key_at;
	const char *key; /* in a table; NULL in an array and for the root */
	const struct doc_node *next;
	union {
		bool boolean;
		int64_t integer;
		double number;
		struct {
			const char *s;
			size_t len;
		} text;
		struct {
			struct doc_node *first, *last;
			size_t n;
		} children; /* of tables and arrays */
	};
};

struct doc;

/** What is wrong with the text, and where. */
struct doc_error {
	struct doc_place at;
	char text[256];
};

/**
 * Parse TOML 1.0. `text` holds `len` bytes, any.
 *
 * Returns 0 with *out_doc (release with doc_free()), -EINVAL with `error` filled, or -ENOMEM.
 */
int toml_parse(const char *text, size_t len, struct doc **out_doc, struct doc_error *error);
/** The same tree from a JSON value; nothing of `json` is kept. -EINVAL: nested too deep; -ENOMEM. */
int doc_from_json(const json_t *json, struct doc **out_doc);
void doc_free(struct doc *doc);
const struct doc_node *doc_root(const struct doc *doc);

/** The value of `key` (`len` bytes of it) in a table; NULL if there is none or `table` is no table (or NULL). */
const struct doc_node *doc_get(const struct doc_node *table, const char *key, size_t len);
/** "a table", "an integer" … */
const char *doc_type_name(enum doc_type type);

/** True if no key of TOML text has more than DOC_DOTS_MAX dots; else where the first such is. Part of toml_parse(). */
bool toml_dots_bounded(const char *text, size_t len, struct doc_place *out_place);

/* For those who build documents: */

/** An empty document whose root is a table. NULL: out of memory. */
struct doc *doc_new(void);
struct doc_node *doc_root_mutable(struct doc *doc);
/** Append a child to a table (with `key`, `key_len` bytes, copied) or an array (`key` NULL). NULL: out of memory. */
struct doc_node *doc_add(struct doc *doc, struct doc_node *parent, const char *key, size_t key_len);
/** Make `node` a string (copied). Returns 0 or -ENOMEM. */
int doc_set_text(struct doc *doc, struct doc_node *node, const char *s, size_t len);

#ifdef __cplusplus
}
#endif

#endif
