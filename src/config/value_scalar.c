/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: values that are one string, number or choice. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "base/str.h"
#include "config/names.h"
#include "config/service_config.h"
#include "config/value.h"

#define EXPECT_MAX 160

/* --- strings ---------------------------------------------------------------------------------- */

static int preset_string(const struct cfg_key *key, struct arena *arena, void *field)
{
	(void)arena;
	*(const char **)field = key->choices ? NULL : key->dflt;
	return 0;
}

static void store_string(struct decoder *d, const struct doc_node *node, const char *text,
			 void *field)
{
	char *copy;

	copy = arena_strndup(d->arena, text, node->text.len);
	if (!copy)
		d->problems->no_memory = true;
	*(const char **)field = copy;
}

static void decode_string(struct decoder *d, const struct cfg_key *key, const struct doc_node *node,
			  void *field)
{
	const char *text = decoder_text(d, node, "a string");

	if (!text)
		return;
	if (*text)
		store_string(d, node, text, field);
	else if (key->min > 0 || key->required)
		decoder_error(d, node->at, "must not be empty");
	else
		*(const char **)field = NULL;
}

static void decode_name(struct decoder *d, const struct cfg_key *key, const struct doc_node *node,
			void *field)
{
	const char *text = decoder_text(d, node, "a name");

	(void)key;
	if (!text)
		return;
	if (config_name_valid(text))
		store_string(d, node, text, field);
	else
		decoder_error(d, node->at,
			      "expected 1 to 63 ASCII letters, digits, '-' or '_', found \"%.64s\"",
			      text);
}

static void decode_path(struct decoder *d, const struct cfg_key *key, const struct doc_node *node,
			void *field)
{
	const char *text = decoder_text(d, node, "an absolute path");

	if (!text)
		return;
	if (!*text || (key->choices && choice_find(key->choices, text)))
		*(const char **)field = NULL;
	else if (*text == '/')
		store_string(d, node, text, field);
	else
		decoder_error(d, node->at, "expected %s%s%san absolute path, found \"%.48s\"",
			      key->choices ? "\"" : "", key->choices ? key->choices->name : "",
			      key->choices ? "\" or " : "", text);
}

static json_t *encode_string(const struct cfg_key *key, const void *field)
{
	const char *text = *(const char *const *)field;

	if (!text && key->choices)
		text = key->choices->name;
	return text ? json_string(text) : json_null();
}

static bool equal_string(const void *a, const void *b)
{
	return str_equal(*(const char *const *)a, *(const char *const *)b);
}

static void copy_string(struct packer *p, void *dst, const void *src)
{
	const char *copy = packer_string(p, *(const char *const *)src);

	if (dst)
		*(const char **)dst = copy;
}

const struct value_ops value_string = { "string",      decode_string, preset_string,
					encode_string, equal_string,  copy_string };
const struct value_ops value_name = { "name",	     decode_name,  preset_string,
				      encode_string, equal_string, copy_string };
const struct value_ops value_path = { "path",	     decode_path,  preset_string,
				      encode_string, equal_string, copy_string };

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

/* --- choices ---------------------------------------------------------------------------------- */

static void choices_text(const struct cfg_choice *choices, char *out, size_t size)
{
	size_t len = 0;

	out[0] = '\0';
	for (const struct cfg_choice *c = choices; c->name && len < size - 1; c++) {
		int n = snprintf(out + len, size - len, "%s\"%s\"",
				 c == choices ? ""
				 : c[1].name  ? ", "
					      : " or ",
				 c->name);

		len += n > 0 ? (size_t)n : 0;
	}
}

static const struct cfg_choice *decode_choice(struct decoder *d, const struct cfg_choice *choices,
					      const struct doc_node *node)
{
	char expected[EXPECT_MAX];
	const struct cfg_choice *found;
	const char *near, *text;

	choices_text(choices, expected, sizeof(expected));
	text = decoder_text(d, node, expected);
	if (!text)
		return NULL;
	found = choice_find(choices, text);
	if (found)
		return found;
	near = choice_nearest(choices, text);
	if (near)
		decoder_error(d, node->at, "expected %s, found \"%.48s\" (did you mean \"%s\"?)",
			      expected, text, near);
	else
		decoder_mismatch(d, node, expected);
	return NULL;
}

static void decode_enum(struct decoder *d, const struct cfg_key *key, const struct doc_node *node,
			void *field)
{
	const struct cfg_choice *c = decode_choice(d, key->choices, node);

	if (c)
		*(uint8_t *)field = (uint8_t)c->value;
}

static int preset_choice(const struct cfg_key *key, int *out)
{
	const struct cfg_choice *c =
		key->dflt ? choice_find(key->choices, key->dflt) : key->choices;

	if (!c)
		return -EINVAL;
	*out = c->value;
	return 0;
}

static int preset_enum(const struct cfg_key *key, struct arena *arena, void *field)
{
	int value = 0;
	int r = preset_choice(key, &value);

	(void)arena;
	*(uint8_t *)field = (uint8_t)value;
	return r;
}

static json_t *encode_enum(const struct cfg_key *key, const void *field)
{
	return json_string(choice_name(key->choices, *(const uint8_t *)field));
}

static bool equal_byte(const void *a, const void *b)
{
	return *(const uint8_t *)a == *(const uint8_t *)b;
}

const struct value_ops value_enum = { "choice",	   decode_enum, preset_enum,
				      encode_enum, equal_byte,	NULL };

static void decode_enum_int(struct decoder *d, const struct cfg_key *key,
			    const struct doc_node *node, void *field)
{
	const struct cfg_choice *c = decode_choice(d, key->choices, node);

	if (c)
		*(int *)field = c->value;
}

static int preset_enum_int(const struct cfg_key *key, struct arena *arena, void *field)
{
	(void)arena;
	return preset_choice(key, field);
}

static json_t *encode_enum_int(const struct cfg_key *key, const void *field)
{
	return json_string(choice_name(key->choices, *(const int *)field));
}

static bool equal_enum_int(const void *a, const void *b)
{
	return *(const int *)a == *(const int *)b;
}

const struct value_ops value_enum_int = { "choice",	   decode_enum_int, preset_enum_int,
					  encode_enum_int, equal_enum_int,  NULL };

static void decode_flags(struct decoder *d, const struct cfg_key *key, const struct doc_node *node,
			 void *field)
{
	unsigned int bits = 0;

	if (node->type != DOC_ARRAY || node->children.n == 0) {
		decoder_mismatch(d, node, "a list of at least one string");
		return;
	}
	for (const struct doc_node *n = node->children.first; n; n = n->next) {
		const struct cfg_choice *c = decode_choice(d, key->choices, n);

		if (c)
			bits |= (unsigned int)c->value;
	}
	*(uint8_t *)field = (uint8_t)bits;
}

static json_t *encode_flags(const struct cfg_key *key, const void *field)
{
	json_t *list = json_array();

	for (const struct cfg_choice *c = key->choices; list && c->name; c++) {
		if ((*(const uint8_t *)field & (unsigned int)c->value) != 0 &&
		    json_array_append_new(list, json_string(c->name)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

const struct value_ops value_flags = { "list of choices", decode_flags, NULL,
				       encode_flags,	  equal_byte,	NULL };

/* --- signals ---------------------------------------------------------------------------------- */

static void decode_signal(struct decoder *d, const struct cfg_key *key, const struct doc_node *node,
			  void *field)
{
	const char *expected = "a signal by name or number";
	const char *near, *text;
	char number[24];
	int signo;

	(void)key;
	if (node->type == DOC_INT) {
		(void)snprintf(number, sizeof(number), "%" PRId64, node->integer); /* never cut */
		text = number;
	} else {
		text = decoder_text(d, node, expected);
		if (!text)
			return;
	}
	signo = config_signal_from_name(text);
	if (signo > 0) {
		*(uint8_t *)field = (uint8_t)signo;
		return;
	}
	near = signal_nearest(text);
	if (near)
		decoder_error(d, node->at, "expected %s, found \"%.32s\" (did you mean \"%s\"?)",
			      expected, text, near);
	else
		decoder_mismatch(d, node, expected);
}

static int preset_signal(const struct cfg_key *key, struct arena *arena, void *field)
{
	int signo = key->dflt ? config_signal_from_name(key->dflt) : 0;

	(void)arena;
	if (signo < 0)
		return signo;
	*(uint8_t *)field = (uint8_t)signo;
	return 0;
}

static json_t *encode_signal(const struct cfg_key *key, const void *field)
{
	char name[SIGNAL_NAME_SIZE];

	(void)key;
	config_signal_name(*(const uint8_t *)field, name);
	return json_string(name);
}

const struct value_ops value_signal = { "signal",      decode_signal, preset_signal,
					encode_signal, equal_byte,    NULL };
