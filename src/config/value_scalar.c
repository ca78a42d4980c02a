/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: values that are a boolean or one number, with or without a unit. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "base/str.h"
#include "config/service_config.h"
#include "config/value.h"

#define EXPECT_MAX 160

/* --- booleans --------------------------------------------------------------------------------- */

static void decode_bool(struct decoder *d, const struct cfg_key *key, const struct doc_node *node,
			void *field)
{
	(void)key;
	if (node->type == DOC_BOOL)
		*(bool *)field = node->boolean;
	else
		decoder_mismatch(d, node, "true or false");
}

static int preset_bool(const struct cfg_key *key, struct arena *arena, void *field)
{
	(void)arena;
	*(bool *)field = key->dflt && strcmp(key->dflt, "true") == 0;
	return 0;
}

static json_t *encode_bool(const struct cfg_key *key, const void *field)
{
	(void)key;
	return json_boolean(*(const bool *)field);
}

static bool equal_bool(const void *a, const void *b)
{
	return *(const bool *)a == *(const bool *)b;
}

const struct value_ops value_bool = { "boolean",   decode_bool, preset_bool,
				      encode_bool, equal_bool,	NULL };

/* --- numbers ---------------------------------------------------------------------------------- */

/* The limits of a row; `type_max` where it names none. */
static int64_t key_max(const struct cfg_key *key, int64_t type_max)
{
	return key->max != 0 ? key->max : type_max;
}

static bool in_range(struct decoder *d, const struct cfg_key *key, const struct doc_node *node,
		     int64_t value, int64_t type_max)
{
	int64_t max = key_max(key, type_max);

	if (value >= key->min && value <= max)
		return true;
	decoder_error(d, node->at, "expected %" PRId64 " to %" PRId64 ", found %" PRId64, key->min,
		      max, value);
	return false;
}

static bool decode_integer(struct decoder *d, const struct cfg_key *key,
			   const struct doc_node *node, int64_t type_max, int64_t *out)
{
	char expected[EXPECT_MAX];
	usec_t span;

	if (node->type == DOC_INT) {
		*out = node->integer;
		return in_range(d, key, node, node->integer, type_max);
	}
	(void)snprintf(expected, sizeof(expected), "%s from %" PRId64 " to %" PRId64,
		       key->type == CFG_MS ? "a number of milliseconds" : "a whole number",
		       key->min, key_max(key, type_max));
	if (key->type == CFG_MS && node->type == DOC_STRING && parse_span(node->text.s, &span) == 0)
		decoder_error(d, node->at, "expected %s, found \"%.32s\" (did you mean %llu?)",
			      expected, node->text.s, (unsigned long long)(span / USEC_PER_MSEC));
	else
		decoder_mismatch(d, node, expected);
	return false;
}

static void decode_int(struct decoder *d, const struct cfg_key *key, const struct doc_node *node,
		       void *field)
{
	int64_t value;

	if (decode_integer(d, key, node, INT32_MAX, &value))
		*(int32_t *)field = (int32_t)value;
}

static int preset_int(const struct cfg_key *key, struct arena *arena, void *field)
{
	int64_t value = CONFIG_UNSET;
	int r = key->dflt ? parse_int(key->dflt, INT32_MIN, INT32_MAX, &value) : 0;

	(void)arena;
	*(int32_t *)field = (int32_t)value;
	return r;
}

static json_t *encode_int(const struct cfg_key *key, const void *field)
{
	int32_t value = *(const int32_t *)field;

	(void)key;
	return value == CONFIG_UNSET ? json_null() : json_integer(value);
}

static bool equal_int(const void *a, const void *b)
{
	return *(const int32_t *)a == *(const int32_t *)b;
}

const struct value_ops value_int = {
	"integer", decode_int, preset_int, encode_int, equal_int, NULL
};

static void decode_u32(struct decoder *d, const struct cfg_key *key, const struct doc_node *node,
		       void *field)
{
	int64_t value;

	if (decode_integer(d, key, node, UINT32_MAX, &value))
		*(uint32_t *)field = (uint32_t)value;
}

static int preset_u32(const struct cfg_key *key, struct arena *arena, void *field)
{
	int64_t value = 0;
	int r = key->dflt ? parse_int(key->dflt, 0, UINT32_MAX, &value) : 0;

	(void)arena;
	*(uint32_t *)field = (uint32_t)value;
	return r;
}

static json_t *encode_u32(const struct cfg_key *key, const void *field)
{
	(void)key;
	return json_integer(*(const uint32_t *)field);
}

static bool equal_u32(const void *a, const void *b)
{
	return *(const uint32_t *)a == *(const uint32_t *)b;
}

const struct value_ops value_u32 = {
	"integer", decode_u32, preset_u32, encode_u32, equal_u32, NULL
};

static void decode_id(struct decoder *d, const struct cfg_key *key, const struct doc_node *node,
		      void *field)
{
	int64_t value;

	if (decode_integer(d, key, node, UINT32_MAX - 1LL, &value))
		*(int64_t *)field = value;
}

static int preset_id(const struct cfg_key *key, struct arena *arena, void *field)
{
	(void)key;
	(void)arena;
	*(int64_t *)field = -1;
	return 0;
}

static json_t *encode_id(const struct cfg_key *key, const void *field)
{
	int64_t value = *(const int64_t *)field;

	(void)key;
	return value < 0 ? json_null() : json_integer(value);
}

static bool equal_id(const void *a, const void *b)
{
	return *(const int64_t *)a == *(const int64_t *)b;
}

const struct value_ops value_id = {
	"user or group number", decode_id, preset_id, encode_id, equal_id, NULL
};

/* min and max are thousandths */
static void decode_float(struct decoder *d, const struct cfg_key *key, const struct doc_node *node,
			 void *field)
{
	double value = node->type == DOC_INT	 ? (double)node->integer
		       : node->type == DOC_FLOAT ? node->number
						 : NAN;

	if (value * 1000 >= (double)key->min && value * 1000 <= (double)key->max) {
		*(double *)field = value == 0 ? 0.0 : value; /* no negative zero */
	} else {
		char expected[EXPECT_MAX];

		(void)snprintf(expected, sizeof(expected), "a number from %g to %g",
			       (double)key->min / 1000, (double)key->max / 1000);
		decoder_mismatch(d, node, expected);
	}
}

static int preset_float(const struct cfg_key *key, struct arena *arena, void *field)
{
	(void)arena;
	*(double *)field = key->dflt ? strtod(key->dflt, NULL) : 0;
	return 0;
}

static json_t *encode_float(const struct cfg_key *key, const void *field)
{
	(void)key;
	return json_real(*(const double *)field);
}

static bool equal_float(const void *a, const void *b)
{
	return !(*(const double *)a < *(const double *)b) &&
	       !(*(const double *)a > *(const double *)b);
}

const struct value_ops value_float = { "number",     decode_float, preset_float,
				       encode_float, equal_float,  NULL };

/* --- numbers with a unit ---------------------------------------------------------------------- */

static bool decode_bytes(struct decoder *d, const struct cfg_key *key, const struct doc_node *node,
			 int64_t type_max, int64_t *out)
{
	uint64_t value;

	if (node->type == DOC_INT) {
		*out = node->integer;
		return in_range(d, key, node, node->integer, type_max);
	}
	if (node->type != DOC_STRING || strlen(node->text.s) != node->text.len ||
	    parse_size(node->text.s, &value) < 0 || value > INT64_MAX) {
		decoder_mismatch(d, node, "a number of bytes, or a size such as \"512M\"");
		return false;
	}
	*out = (int64_t)value;
	return in_range(d, key, node, *out, type_max);
}

static void decode_size(struct decoder *d, const struct cfg_key *key, const struct doc_node *node,
			void *field)
{
	int64_t value;

	if (decode_bytes(d, key, node, INT64_MAX, &value))
		*(uint64_t *)field = (uint64_t)value;
}

static int preset_size(const struct cfg_key *key, struct arena *arena, void *field)
{
	uint64_t value = 0;
	int r = key->dflt ? parse_size(key->dflt, &value) : 0;

	(void)arena;
	*(uint64_t *)field = value;
	return r;
}

static json_t *encode_size(const struct cfg_key *key, const void *field)
{
	(void)key;
	return json_integer((json_int_t) * (const uint64_t *)field);
}

static bool equal_size(const void *a, const void *b)
{
	return *(const uint64_t *)a == *(const uint64_t *)b;
}

const struct value_ops value_size = { "size",	   decode_size, preset_size,
				      encode_size, equal_size,	NULL };

static void decode_size32(struct decoder *d, const struct cfg_key *key, const struct doc_node *node,
			  void *field)
{
	int64_t value;

	if (decode_bytes(d, key, node, UINT32_MAX, &value))
		*(uint32_t *)field = (uint32_t)value;
}

static int preset_size32(const struct cfg_key *key, struct arena *arena, void *field)
{
	uint64_t value;
	int r = preset_size(key, arena, &value);

	*(uint32_t *)field = (uint32_t)value;
	return r;
}

const struct value_ops value_size32 = { "size",	    decode_size32, preset_size32,
					encode_u32, equal_u32,	   NULL };

static void decode_span(struct decoder *d, const struct cfg_key *key, const struct doc_node *node,
			void *field)
{
	usec_t span;
	int64_t seconds;

	if (node->type == DOC_INT) {
		seconds = node->integer;
	} else if (node->type == DOC_STRING && strlen(node->text.s) == node->text.len &&
		   parse_span(node->text.s, &span) == 0) {
		seconds = (int64_t)(span / USEC_PER_SEC);
	} else {
		decoder_mismatch(d, node, "a number of seconds, or a span such as \"7d\"");
		return;
	}
	if (in_range(d, key, node, seconds, UINT32_MAX))
		*(uint32_t *)field = (uint32_t)seconds;
}

static int preset_span(const struct cfg_key *key, struct arena *arena, void *field)
{
	usec_t span = 0;
	int r = key->dflt ? parse_span(key->dflt, &span) : 0;

	(void)arena;
	*(uint32_t *)field = (uint32_t)(span / USEC_PER_SEC);
	return r;
}

const struct value_ops value_span = {
	"span", decode_span, preset_span, encode_u32, equal_u32, NULL
};

static void decode_percent(struct decoder *d, const struct cfg_key *key,
			   const struct doc_node *node, void *field)
{
	char digits[16];
	int64_t value;

	if (node->type == DOC_INT) {
		value = node->integer;
	} else if (node->type != DOC_STRING || node->text.len < 2 ||
		   node->text.len > sizeof(digits) || node->text.s[node->text.len - 1] != '%' ||
		   str_copy(digits, node->text.len, node->text.s) ||
		   parse_int(digits, 0, UINT32_MAX, &value) < 0) {
		decoder_mismatch(d, node, "a percentage such as \"150%\"");
		return;
	}
	if (in_range(d, key, node, value, UINT32_MAX))
		*(uint32_t *)field = (uint32_t)value;
}

static json_t *encode_percent(const struct cfg_key *key, const void *field)
{
	uint32_t value = *(const uint32_t *)field;
	char text[16];

	(void)key;
	if (value == 0)
		return json_integer(0);
	(void)snprintf(text, sizeof(text), "%u%%", value); /* never cut */
	return json_string(text);
}

const struct value_ops value_percent = { "percentage",	 decode_percent, preset_u32,
					 encode_percent, equal_u32,	 NULL };

/* --- octal modes ------------------------------------------------------------------------------ */

static bool parse_octal(const char *s, int64_t *out)
{
	int64_t value = 0;

	if (!*s || strlen(s) > 5)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '7')
			return false;
		value = value * 8 + (*s - '0');
	}
	*out = value;
	return true;
}

static void decode_mode(struct decoder *d, const struct cfg_key *key, const struct doc_node *node,
			void *field)
{
	int64_t value;

	if (node->type != DOC_STRING || strlen(node->text.s) != node->text.len ||
	    !parse_octal(node->text.s, &value) || value > key->max)
		decoder_mismatch(d, node, "octal text such as \"0027\"");
	else
		*(uint16_t *)field = (uint16_t)value;
}

static int preset_mode(const struct cfg_key *key, struct arena *arena, void *field)
{
	int64_t value = CONFIG_MODE_UNSET;

	(void)arena;
	if (key->dflt)
		(void)parse_octal(key->dflt, &value); /* of the table: a test reads them all */
	*(uint16_t *)field = (uint16_t)value;
	return 0;
}

static json_t *encode_mode(const struct cfg_key *key, const void *field)
{
	uint16_t value = *(const uint16_t *)field;
	char text[8];

	(void)key;
	if (value == CONFIG_MODE_UNSET)
		return json_null();
	(void)snprintf(text, sizeof(text), "%04o", value); /* never cut */
	return json_string(text);
}

static bool equal_mode(const void *a, const void *b)
{
	return *(const uint16_t *)a == *(const uint16_t *)b;
}

const struct value_ops value_mode = { "octal mode", decode_mode, preset_mode,
				      encode_mode,  equal_mode,	 NULL };
