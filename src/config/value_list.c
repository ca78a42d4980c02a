/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: values that are lists, tables of strings, commands and outputs. */
#include <inttypes.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/kernel_names.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/service_config.h"
#include "config/value.h"

#define FILE_PREFIX "file:"

typedef const char *const *strings_t;

/* --- lists of strings ------------------------------------------------------------------------- */

static char *copy_text(struct decoder *d, const char *s)
{
	char *copy = arena_strndup(d->arena, s, strlen(s));

	if (!copy)
		d->problems->no_memory = true;
	return copy;
}

static bool contains(const char *const *list, size_t n, const char *s)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i], s) == 0)
			return true;
	}
	return false;
}

/* Checks an item; gives what is to be kept, or NULL after a problem. */
typedef const char *(*item_fn)(struct decoder *d, const struct doc_node *node);

static const char *item_string(struct decoder *d, const struct doc_node *node)
{
	const char *text = decoder_text(d, node, "a string");

	if (text && !*text) {
		decoder_error(d, node->at, "must not be empty");
		return NULL;
	}
	return text;
}

static const char *item_name(struct decoder *d, const struct doc_node *node)
{
	const char *text = decoder_text(d, node, "a name");

	if (text && !config_name_valid(text)) {
		decoder_error(
			d, node->at,
			"expected 1 to 63 ASCII letters, digits, '-', '_' or '.', found \"%.64s\"",
			text);
		return NULL;
	}
	return text;
}

static const char *item_capability(struct decoder *d, const struct doc_node *node)
{
	const char *text = decoder_text(d, node, "a capability such as \"CAP_NET_BIND_SERVICE\"");
	const char *name = text ? capability_name(capability_from_name(text, NULL)) : NULL;
	const char *near;

	if (!text || name)
		return name;
	near = capability_nearest(text);
	if (near)
		decoder_error(d, node->at, "unknown capability \"%.48s\" (did you mean \"%s\"?)",
			      text, near);
	else
		decoder_error(d, node->at, "unknown capability \"%.48s\"", text);
	return NULL;
}

/* With `unique`, an item that came before is left out, with a warning. NULL: not a list, or no memory. */
static const char **read_strings(struct decoder *d, const struct doc_node *node, item_fn item,
				 bool unique)
{
	const char **list;
	size_t n = 0;

	if (!decoder_list(d, node, "a list of strings"))
		return NULL;
	list = decoder_alloc(d, (node->children.n + 1) * sizeof(*list));
	if (!list)
		return NULL;
	for (const struct doc_node *i = node->children.first; i; i = i->next) {
		const char *text = item(d, i);

		if (!text)
			continue;
		if (unique && contains(list, n, text)) {
			decoder_warn(d, i->at, "\"%.64s\" is in the list twice", text);
			continue;
		}
		list[n] = copy_text(d, text);
		if (!list[n])
			return NULL;
		n++;
	}
	return list;
}

static void decode_strings(struct decoder *d, const struct cfg_key *key,
			   const struct doc_node *node, void *field)
{
	const char **list = read_strings(d, node, item_string, false);

	(void)key;
	*(strings_t *)field = list && list[0] ? list : NULL;
}

static void decode_names(struct decoder *d, const struct cfg_key *key, const struct doc_node *node,
			 void *field)
{
	const char **list = read_strings(d, node, item_name, true);

	(void)key;
	*(strings_t *)field = list && list[0] ? list : NULL;
}

static void decode_caps(struct decoder *d, const struct cfg_key *key, const struct doc_node *node,
			void *field)
{
	(void)key;
	*(strings_t *)field = read_strings(d, node, item_capability, true);
}

static json_t *encode_list(strings_t list)
{
	json_t *array = json_array();

	for (; array && list && *list; list++) {
		if (json_array_append_new(array, json_string(*list)) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *encode_strings(const struct cfg_key *key, const void *field)
{
	(void)key;
	return encode_list(*(const strings_t *)field);
}

static json_t *encode_caps(const struct cfg_key *key, const void *field)
{
	strings_t list = *(const strings_t *)field;

	(void)key;
	return list ? encode_list(list) : json_null();
}

static bool equal_strings(const void *a, const void *b)
{
	strings_t x = *(const strings_t *)a;
	strings_t y = *(const strings_t *)b;

	if (!x || !y)
		return x == y;
	for (; *x && *y; x++, y++) {
		if (strcmp(*x, *y) != 0)
			return false;
	}
	return *x == *y;
}

static strings_t pack_list(struct packer *p, strings_t list)
{
	const char **copy;
	size_t n = 0;

	if (!list)
		return NULL;
	while (list[n])
		n++;
	copy = packer_alloc(p, (n + 1) * sizeof(*copy), alignof(char *));
	for (size_t i = 0; i < n; i++) {
		const char *s = packer_string(p, list[i]);

		if (copy)
			copy[i] = s;
	}
	if (copy)
		copy[n] = NULL;
	return copy;
}

static void copy_strings(struct packer *p, void *dst, const void *src)
{
	strings_t copy = pack_list(p, *(const strings_t *)src);

	if (dst)
		*(strings_t *)dst = copy;
}

const struct value_ops value_strings = { "list of strings", decode_strings, NULL,
					 encode_strings,    equal_strings,  copy_strings };
const struct value_ops value_names = { "list of names", decode_names,  NULL,
				       encode_strings,	equal_strings, copy_strings };
const struct value_ops value_caps = { "list of capabilities", decode_caps, NULL, encode_caps,
				      equal_strings,	      copy_strings };

/* --- tables of strings ------------------------------------------------------------------------ */

static int compare_pairs(const void *a, const void *b)
{
	const char *x = *(const char *const *)a;
	const char *y = *(const char *const *)b;
	int r = strncmp(x, y, MIN(strcspn(x, "="), strcspn(y, "=")));

	if (r != 0)
		return r;
	return (strcspn(x, "=") > strcspn(y, "=")) - (strcspn(x, "=") < strcspn(y, "="));
}

static const char *pair_value(struct decoder *d, const struct doc_node *node, char *number,
			      size_t size)
{
	if (node->type == DOC_BOOL)
		return node->boolean ? "true" : "false";
	if (node->type == DOC_INT) {
		(void)snprintf(number, size, "%" PRId64, node->integer); /* never cut */
		return number;
	}
	return decoder_text(d, node, "a string");
}

static char *read_pair(struct decoder *d, const struct doc_node *node)
{
	char number[24];
	const char *value = pair_value(d, node, number, sizeof(number));
	size_t size;
	char *pair;

	if (!value)
		return NULL;
	if (!*node->key || strchr(node->key, '=')) {
		decoder_error(d, node->key_at, "expected a name without '=', found \"%.48s\"",
			      node->key);
		return NULL;
	}
	size = strlen(node->key) + strlen(value) + 2;
	pair = decoder_alloc(d, size);
	if (pair)
		(void)snprintf(pair, size, "%s=%s", node->key, value); /* never cut */
	return pair;
}

static void decode_pairs(struct decoder *d, const struct cfg_key *key, const struct doc_node *node,
			 void *field)
{
	const char **list;
	size_t n = 0;

	(void)key;
	if (node->type != DOC_TABLE) {
		decoder_mismatch(d, node, "a table of strings");
		return;
	}
	list = decoder_alloc(d, (node->children.n + 1) * sizeof(*list));
	if (!list)
		return;
	for (const struct doc_node *i = node->children.first; i; i = i->next) {
		size_t len;

		if (i->type == DOC_NULL)
			continue;
		len = decoder_push(d, i->key);
		list[n] = read_pair(d, i);
		n += list[n] != NULL;
		decoder_pop(d, len);
	}
	qsort(list, n, sizeof(*list), compare_pairs);
	*(strings_t *)field = n > 0 ? list : NULL;
}

static json_t *encode_pairs(const struct cfg_key *key, const void *field)
{
	json_t *object = json_object();

	(void)key;
	for (strings_t i = *(const strings_t *)field; object && i && *i; i++) {
		size_t len = strcspn(*i, "=");
		AUTO(auto_free) char *name = strndup(*i, len);

		if (!name || json_object_set_new(object, name, json_string(*i + len + 1)) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

const struct value_ops value_pairs = { "table of strings", decode_pairs,  NULL,
				       encode_pairs,	   equal_strings, copy_strings };

/* --- commands --------------------------------------------------------------------------------- */

/* Arguments may be empty strings, the program may not. */
static const char *item_argument(struct decoder *d, const struct doc_node *node)
{
	return decoder_text(d, node, "a string");
}

static void decode_command(struct decoder *d, const struct cfg_key *key,
			   const struct doc_node *node, void *field)
{
	struct config_command *c = field;
	const char *text;
	strings_t argv;

	if (node->type == DOC_ARRAY) {
		argv = read_strings(d, node, item_argument, false);
		if (argv && (!argv[0] || !*argv[0]))
			decoder_error(d, node->at, "the list must begin with a program");
		*c = (struct config_command){ .argv = argv };
		return;
	}
	text = decoder_text(d, node, "a string, or a list of strings");
	if (!text)
		return;
	if (text[strspn(text, " \t\r\n")] == '\0') {
		if (key->required)
			decoder_error(d, node->at, "must not be empty");
		*c = (struct config_command){ 0 };
		return;
	}
	*c = (struct config_command){ .text = copy_text(d, text) };
}

static json_t *encode_command(const struct cfg_key *key, const void *field)
{
	const struct config_command *c = field;

	(void)key;
	if (c->text)
		return json_string(c->text);
	return c->argv ? encode_list(c->argv) : json_null();
}

static bool equal_command(const void *a, const void *b)
{
	const struct config_command *x = a;
	const struct config_command *y = b;

	return str_equal(x->text, y->text) && equal_strings(&x->argv, &y->argv);
}

static void copy_command(struct packer *p, void *dst, const void *src)
{
	const struct config_command *c = src;
	struct config_command copy = { .text = packer_string(p, c->text),
				       .argv = pack_list(p, c->argv) };

	if (dst)
		*(struct config_command *)dst = copy;
}

const struct value_ops value_command = { "command",	 decode_command, NULL,
					 encode_command, equal_command,	 copy_command };

/* --- outputs ---------------------------------------------------------------------------------- */

static void decode_output(struct decoder *d, const struct cfg_key *key, const struct doc_node *node,
			  void *field)
{
	const char *text = decoder_text(d, node, "a string");
	const struct cfg_choice *choice;
	const char *near;

	if (!text)
		return;
	choice = choice_find(key->choices, text);
	if (choice) {
		*(struct config_output *)field =
			(struct config_output){ NULL, (enum config_output_kind)choice->value };
		return;
	}
	if (str_starts(text, FILE_PREFIX "/")) {
		*(struct config_output *)field =
			(struct config_output){ copy_text(d, text + strlen(FILE_PREFIX)),
						CONFIG_OUTPUT_FILE };
		return;
	}
	near = choice_nearest(key->choices, text);
	decoder_error(d, node->at,
		      "expected \"log\", \"null\", \"inherit\"%s or \"file:/path\", found "
		      "\"%.48s\"%s%s%s",
		      choice_find(key->choices, "stdout") ? ", \"stdout\"" : "", text,
		      near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
}

static json_t *encode_output(const struct cfg_key *key, const void *field)
{
	const struct config_output *o = field;

	if (o->kind != CONFIG_OUTPUT_FILE)
		return json_string(choice_name(key->choices, (int)o->kind));
	return json_sprintf(FILE_PREFIX "%s", o->path);
}

static bool equal_output(const void *a, const void *b)
{
	const struct config_output *x = a;
	const struct config_output *y = b;

	return x->kind == y->kind && str_equal(x->path, y->path);
}

static void copy_output(struct packer *p, void *dst, const void *src)
{
	const char *path = packer_string(p, ((const struct config_output *)src)->path);

	if (dst)
		((struct config_output *)dst)->path = path;
}

const struct value_ops value_output = { "output",      decode_output, NULL,
					encode_output, equal_output,  copy_output };
