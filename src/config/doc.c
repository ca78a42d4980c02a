/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the document tree, and its making from JSON. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/arena.h"
#include "config/toml.h"

struct doc {
	struct arena arena;
	struct doc_node root;
};

DEFINE_AUTO(struct doc, auto_doc, doc_free)

struct doc *doc_new(void)
{
	struct doc *doc = calloc(1, sizeof(*doc));

	if (doc)
		doc->root.type = DOC_TABLE;
	return doc;
}

void doc_free(struct doc *doc)
{
	if (!doc)
		return;
	arena_fini(&doc->arena);
	free(doc);
}

const struct doc_node *doc_root(const struct doc *doc)
{
	return &doc->root;
}

struct doc_node *doc_root_mutable(struct doc *doc)
{
	return &doc->root;
}

struct doc_node *doc_add(struct doc *doc, struct doc_node *parent, const char *key, size_t key_len)
{
	struct doc_node *node = arena_alloc(&doc->arena, sizeof(*node));

	if (!node)
		return NULL;
	if (key) {
		node->key = arena_strndup(&doc->arena, key, key_len);
		if (!node->key)
			return NULL;
	}
	if (parent->children.last)
		parent->children.last->next = node;
	else
		parent->children.first = node;
	parent->children.last = node;
	parent->children.n++;
	return node;
}

int doc_set_text(struct doc *doc, struct doc_node *node, const char *s, size_t len)
{
	char *copy = arena_strndup(&doc->arena, s, len);

	if (!copy)
		return -ENOMEM;
	node->type = DOC_STRING;
	node->text.s = copy;
	node->text.len = len;
	return 0;
}

const struct doc_node *doc_get(const struct doc_node *table, const char *key, size_t len)
{
	if (!table || table->type != DOC_TABLE)
		return NULL;
	for (const struct doc_node *n = table->children.first; n; n = n->next) {
		if (strncmp(n->key, key, len) == 0 && n->key[len] == '\0')
			return n;
	}
	return NULL;
}

const char *doc_type_name(enum doc_type type)
{
	static const char *const names[] = {
		[DOC_NULL] = "null",	  [DOC_TABLE] = "a table",
		[DOC_ARRAY] = "an array", [DOC_STRING] = "a string",
		[DOC_INT] = "an integer", [DOC_FLOAT] = "a float",
		[DOC_BOOL] = "a boolean", [DOC_DATETIME] = "a date or time",
	};

	return names[type];
}

static int fill_from_json(struct doc *doc, struct doc_node *node, const json_t *json, int depth);

static int fill_object(struct doc *doc, struct doc_node *node, const json_t *json, int depth)
{
	const char *key;
	json_t *value;

	node->type = DOC_TABLE;
	json_object_foreach((json_t *)json, key, value)
	{
		struct doc_node *child = doc_add(doc, node, key, strlen(key));
		int r = child ? fill_from_json(doc, child, value, depth + 1) : -ENOMEM;

		if (r < 0)
			return r;
	}
	return 0;
}

static int fill_array(struct doc *doc, struct doc_node *node, const json_t *json, int depth)
{
	size_t i;
	json_t *value;

	node->type = DOC_ARRAY;
	json_array_foreach(json, i, value)
	{
		struct doc_node *child = doc_add(doc, node, NULL, 0);
		int r = child ? fill_from_json(doc, child, value, depth + 1) : -ENOMEM;

		if (r < 0)
			return r;
	}
	return 0;
}

static int fill_from_json(struct doc *doc, struct doc_node *node, const json_t *json, int depth)
{
	if (depth > DOC_DEPTH_MAX)
		return -EINVAL;
	switch (json_typeof(json)) {
	case JSON_OBJECT:
		return fill_object(doc, node, json, depth);
	case JSON_ARRAY:
		return fill_array(doc, node, json, depth);
	case JSON_STRING:
		return doc_set_text(doc, node, json_string_value(json), json_string_length(json));
	case JSON_INTEGER:
		node->type = DOC_INT;
		node->integer = json_integer_value(json);
		return 0;
	case JSON_REAL:
		node->type = DOC_FLOAT;
		node->number = json_real_value(json);
		return 0;
	case JSON_TRUE:
	case JSON_FALSE:
		node->type = DOC_BOOL;
		node->boolean = json_is_true(json);
		return 0;
	case JSON_NULL:
		node->type = DOC_NULL;
		return 0;
	}
	return -EINVAL;
}

int doc_from_json(const json_t *json, struct doc **out_doc)
{
	AUTO(auto_doc) struct doc *doc = doc_new();
	int r;

	if (!doc)
		return -ENOMEM;
	r = fill_from_json(doc, &doc->root, json, 0);
	if (r < 0)
		return r;
	*out_doc = STEAL(&doc);
	return 0;
}
