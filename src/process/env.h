/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The environment of a service: the server's, then the variables of its user, then env_file, then env. What comes
 * later wins.
 */
#ifndef PROCESS_ENV_H
#define PROCESS_ENV_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct env {
	const char **vars; /* "KEY=value" in the order they came, doubles included until env_finish() */
	size_t n, cap;
	char **owned; /* those of `vars` that are freed with it */
	size_t n_owned, cap_owned;
};

/** Empty. */
#define ENV ((struct env){ 0 })
void env_fini(struct env *env);
/** Add a borrowed "KEY=value". Returns 0 or -ENOMEM. */
int env_add(struct env *env, const char *var);
/** Add a copy of key and value (`value_len` bytes). Returns 0 or -ENOMEM. */
int env_set(struct env *env, const char *key, const char *value, size_t value_len);
/** Value of `key` as it stands, or NULL. */
const char *env_get(const struct env *env, const char *key);
/**
 * Add "KEY=value" after replacing ${NAME} by what stands in `env`, or by nothing; "$$" stands for one '$', any other '$'
 * for itself. Returns 0; -EINVAL for a "${" that is not closed, with `err`; -ENOMEM.
 */
int env_add_expanded(struct env *env, const char *var, struct error *err);
/**
 * Add the variables of a file: lines KEY=value (also after `export`), blank lines, comments that begin with '#' or ';'. A value
 * may be quoted: '…' as it is, "…" with \" \\ \$ \` and a joined line at a final '\'; both may hold newlines. Unquoted, a '\' makes
 * the next character plain and blanks at the end are dropped. A leading '-' of `path` allows the file to be missing.
 *
 * Returns 0, or negative errno with `err` ("path:line: …"): -EFBIG over LIMIT_ENV_FILE, -EINVAL for what is not text of that form.
 */
int env_add_file(struct env *env, const char *path, struct error *err);
/** Drop variables that later ones replace, and end `vars` with NULL. Returns 0 or -ENOMEM. */
int env_finish(struct env *env);

#endif
