/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: values that are one text: strings, names, paths, choices, signals. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/kernel_names.h"
#include "base/str.h"
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
		decoder_error(
			d, node->at,
			"expected 1 to 63 ASCII letters, digits, '-', '_' or '.', found \"%.64s\"",
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
	signo = signal_from_name(text, NULL);
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
	int signo = key->dflt ? signal_from_name(key->dflt, NULL) : 0;

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
	signal_name(*(const uint8_t *)field, name);
	return json_string(name);
}

const struct value_ops value_signal = { "signal",      decode_signal, preset_signal,
					encode_signal, equal_byte,    NULL };
