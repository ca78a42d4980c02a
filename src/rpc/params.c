/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the check of parameters against their rows. */
#include "rpc/params.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "config/service_config.h"

#define NAMES_MAX 24 /* rows of the longest method, for "did you mean" */

struct type_row {
	const char *expected; /* for messages */
	const char *schema;
};

static const struct type_row types[PARAM_TYPE_N] = {
	[PARAM_STRING] = { "a string", "{\"type\":\"string\"}" },
	[PARAM_NAME] = { "the name of a service (letters, digits, '-', '_', '.'; at most 63)",
			 "{\"type\":\"string\",\"pattern\":\"^[A-Za-z0-9._-]{1,63}$\"}" },
	[PARAM_INT] = { "an integer", NULL },
	[PARAM_BOOL] = { "true or false", "{\"type\":\"boolean\"}" },
	[PARAM_OBJECT] = { "an object", "{\"type\":\"object\"}" },
	[PARAM_STRINGS] = { "a string or a list of strings",
			    "{\"oneOf\":[{\"type\":\"string\"},"
			    "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}]}" },
	[PARAM_SCALAR] = { "a string or a number", "{\"type\":[\"string\",\"number\"]}" },
	[PARAM_ANY] = { "any value", "true" },
	[PARAM_REST] = { "any value", "true" },
};

static const char *kind_of(const json_t *value)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a string",
		[JSON_INTEGER] = "a number", [JSON_REAL] = "a number", [JSON_TRUE] = "true",
		[JSON_FALSE] = "false",	     [JSON_NULL] = "null",
	};

	return names[json_typeof(value)];
}

static bool is_strings(const json_t *value)
{
	size_t i;
	json_t *item;

	if (json_is_string(value))
		return true;
	if (!json_is_array(value))
		return false;
	json_array_foreach (value, i, item) {
		if (!json_is_string(item))
			return false;
	}
	return true;
}

static bool has_type(const struct rpc_param *row, const json_t *value)
{
	switch (row->type) {
	case PARAM_STRING:
		return json_is_string(value);
	case PARAM_NAME:
		return json_is_string(value) && config_name_valid(json_string_value(value));
	case PARAM_INT:
		return json_is_integer(value) && json_integer_value(value) >= row->min &&
		       json_integer_value(value) <= row->max;
	case PARAM_BOOL:
		return json_is_boolean(value);
	case PARAM_OBJECT:
		return json_is_object(value);
	case PARAM_STRINGS:
		return is_strings(value);
	case PARAM_SCALAR:
		return json_is_string(value) || json_is_number(value);
	case PARAM_ANY:
	case PARAM_REST:
		return true;
	case PARAM_TYPE_N:
		break;
	}
	return false;
}

static int wrong_type(const struct rpc_param *row, const json_t *value, struct rpc_error *err)
{
	char range[80] = "";

	if (row->type == PARAM_INT)
		(void)snprintf(range, sizeof(range), " from %" PRId64 " to %" PRId64, row->min, row->max);
	if (json_is_string(value))
		return rpc_error_set(err, RPC_INVALID_PARAMS, "parameter '%s': expected %s%s, got \"%.64s\"", row->name,
				     types[row->type].expected, range, json_string_value(value));
	if (json_is_integer(value))
		return rpc_error_set(err, RPC_INVALID_PARAMS, "parameter '%s': expected %s%s, got %" JSON_INTEGER_FORMAT,
				     row->name, types[row->type].expected, range, json_integer_value(value));
	return rpc_error_set(err, RPC_INVALID_PARAMS, "parameter '%s': expected %s%s, got %s", row->name,
			     types[row->type].expected, range, kind_of(value));
}

static int unknown(const struct rpc_param *rows, size_t n, const char *name, struct rpc_error *err)
{
	const char *names[NAMES_MAX];
	const char *near;

	n = MIN(n, ARRAY_LEN(names));
	for (size_t i = 0; i < n; i++)
		names[i] = rows[i].name;
	near = str_nearest(name, names, n);
	(void)rpc_error_set(err, RPC_INVALID_PARAMS, "parameter '%.64s': unknown%s", name,
			    n == 0 ? "; this method takes none" : "");
	if (near)
		rpc_error_hint(err, "did you mean '%s'?", near);
	return -1;
}

static int take(const struct rpc_param *row, json_t *value, json_t *out, struct rpc_error *err)
{
	if (json_is_null(value))
		return 0;
	if (!has_type(row, value))
		return wrong_type(row, value, err);
	if (json_object_set(out, row->name, value) < 0)
		return rpc_error_set(err, RPC_INTERNAL_ERROR, "out of memory");
	return 0;
}

static const struct rpc_param *find_row(const struct rpc_param *rows, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (rows[i].type != PARAM_REST && strcmp(rows[i].name, name) == 0)
			return &rows[i];
	}
	return NULL;
}

static int take_named(const struct rpc_param *rows, size_t n, const json_t *given, json_t *out, struct rpc_error *err)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)given, name, value) {
		const struct rpc_param *row = find_row(rows, n, name);

		if (!row && n > 0 && rows[n - 1].type == PARAM_REST) {
			if (json_object_set(out, name, value) < 0)
				return rpc_error_set(err, RPC_INTERNAL_ERROR, "out of memory");
			continue;
		}
		if (!row)
			return unknown(rows, n, name, err);
		if (take(row, value, out, err) < 0)
			return -1;
	}
	return 0;
}

static int take_positional(const struct rpc_param *rows, size_t n, const json_t *given, json_t *out,
			   struct rpc_error *err)
{
	size_t i;
	json_t *value;

	while (n > 0 && rows[n - 1].type == PARAM_REST)
		n--;
	if (json_array_size(given) > n)
		return rpc_error_set(err, RPC_INVALID_PARAMS, "%zu parameters given, at most %zu expected",
				     json_array_size(given), n);
	json_array_foreach (given, i, value) {
		if (take(&rows[i], value, out, err) < 0)
			return -1;
	}
	return 0;
}

static int check(const struct rpc_param *rows, size_t n, const json_t *given, json_t *out, struct rpc_error *err)
{
	int r = 0;

	if (json_is_object(given))
		r = take_named(rows, n, given, out, err);
	else if (json_is_array(given))
		r = take_positional(rows, n, given, out, err);
	else if (given && !json_is_null(given))
		return rpc_error_set(err, RPC_INVALID_PARAMS, "'params': expected an object or an array, got %s",
				     kind_of(given));
	for (size_t i = 0; i < n && r == 0; i++) {
		if (rows[i].required && !json_object_get(out, rows[i].name))
			r = rpc_error_set(err, RPC_INVALID_PARAMS, "missing '%s' parameter: expected %s", rows[i].name,
					  types[rows[i].type].expected);
	}
	return r;
}

int params_check(const struct rpc_param *rows, size_t n, const json_t *given, json_t **out, struct rpc_error *err)
{
	json_t *checked = json_object();

	if (!checked)
		return rpc_error_set(err, RPC_INTERNAL_ERROR, "out of memory");
	if (check(rows, n, given, checked, err) < 0) {
		json_decref(checked);
		return -1;
	}
	*out = checked;
	return 0;
}

void params_write_schema(const struct rpc_param *row, struct json_out *out)
{
	if (row->type != PARAM_INT) {
		json_out_raw(out, types[row->type].schema);
		return;
	}
	json_out_open_object(out);
	json_out_member_str(out, "type", "integer");
	json_out_member_int(out, "minimum", row->min);
	json_out_member_int(out, "maximum", row->max);
	json_out_close_object(out);
}

const char *param_str(const json_t *params, const char *name, const char *otherwise)
{
	const json_t *value = json_object_get(params, name);

	return value ? json_string_value(value) : otherwise;
}

int64_t param_int(const json_t *params, const char *name, int64_t otherwise)
{
	const json_t *value = json_object_get(params, name);

	return value ? json_integer_value(value) : otherwise;
}

bool param_bool(const json_t *params, const char *name, bool otherwise)
{
	const json_t *value = json_object_get(params, name);

	return value ? json_is_true(value) : otherwise;
}

size_t param_strings_n(const json_t *params, const char *name)
{
	const json_t *value = json_object_get(params, name);

	return json_is_array(value) ? json_array_size(value) : value ? 1 : 0;
}

const char *param_string_at(const json_t *params, const char *name, size_t i)
{
	const json_t *value = json_object_get(params, name);

	return json_string_value(json_is_array(value) ? json_array_get(value, i) : value);
}
