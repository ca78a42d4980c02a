/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters of methods: each is a row of a table, and from the rows come the strict check, the positional form, and the
 * schema in rpc.discover.
 */
#ifndef RPC_PARAMS_H
#define RPC_PARAMS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "rpc/rpc_error.h"

enum param_type {
	PARAM_STRING,
	PARAM_NAME,    /* of a service: as config_name_valid() has it */
	PARAM_INT,     /* min..max */
	PARAM_BOOL,
	PARAM_OBJECT,
	PARAM_STRINGS, /* a string, or a list of strings */
	PARAM_SCALAR,  /* a string or a number */
	PARAM_ANY,     /* checked elsewhere */
	PARAM_REST,    /* last row only: whatever else is given by name is let through; not a parameter itself */
	PARAM_TYPE_N
};

struct rpc_param {
	const char *name;
	enum param_type type;
	bool required;
	int64_t min, max; /* PARAM_INT */
	const char *doc;
};

/**
 * Check `given` (a member "params": object, array, or NULL for none) against `rows`. An array is matched by position; null
 * stands for a parameter that is not given.
 *
 * Returns 0 and a new object in *out (json_decref() it), or -1 with `err` = -32602 naming the parameter and what was
 * expected, or RPC_INTERNAL_ERROR (no memory).
 */
int params_check(const struct rpc_param *rows, size_t n, const json_t *given, json_t **out, struct rpc_error *err);

/** The schema of one parameter, as JSON. */
void params_write_schema(const struct rpc_param *row, struct json_out *out);

/* Values of a checked object; the default where it was not given. */

const char *param_str(const json_t *params, const char *name, const char *otherwise);
int64_t param_int(const json_t *params, const char *name, int64_t otherwise);
bool param_bool(const json_t *params, const char *name, bool otherwise);
/** Number of strings of a PARAM_STRINGS; 0 if it was not given. */
size_t param_strings_n(const json_t *params, const char *name);
const char *param_string_at(const json_t *params, const char *name, size_t i);

#endif
