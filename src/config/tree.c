/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the walk of a table of keys along a struct: defaults, reading, packing, comparing. */
#include "config/tree.h"

#include <errno.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/* Records of one kind in one file. */
#define RECORDS_MAX 256
#define NAMES_MAX 64

int tree_preset(const struct cfg_table *table, struct arena *arena, void *base)
{
	for (size_t i = 0; i < table->n; i++) {
		const struct cfg_key *key = &table->keys[i];
		const struct value_ops *ops = value_ops(key->type);
		int r = 0;

		if (key->type == CFG_SECTION && !key->alias)
			r = tree_preset(key->sub, arena, base);
		else if (ops && ops->preset)
			r = ops->preset(key, arena, tree_field(key, base));
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- reading ---------------------------------------------------------------------------------- */

static const struct cfg_key *key_find(const struct cfg_table *table, const char *name)
{
	for (size_t i = 0; i < table->n; i++) {
		if (strcmp(table->keys[i].name, name) == 0)
			return &table->keys[i];
	}
	return NULL;
}

static const char *key_nearest(const struct cfg_table *table, const char *name)
{
	const char *names[NAMES_MAX];
	size_t n = 0;

	for (size_t i = 0; i < table->n && n < NAMES_MAX; i++) {
		if (table->keys[i].type != CFG_TOMBSTONE)
			names[n++] = table->keys[i].name;
	}
	return str_nearest(name, names, n);
}

/* The section of either kind of file that has such a key: it may only stand in the wrong place. */
static const char *other_section(const char *name)
{
	const struct cfg_table *const tables[] = { &cfg_service_table, &cfg_settings_table };

	for (size_t t = 0; t < ARRAY_LEN(tables); t++) {
		for (size_t i = 0; i < tables[t]->n; i++) {
			const struct cfg_key *found = key_find(tables[t]->keys[i].sub, name);

			if (found && found->type != CFG_TOMBSTONE)
				return tables[t]->keys[i].name;
		}
	}
	return NULL;
}

static void report_unknown(struct decoder *d, const struct cfg_table *table,
			   const struct doc_node *node)
{
	size_t len = decoder_push(d, node->key);
	const char *near = d->problems->n < PROBLEMS_MAX ? key_nearest(table, node->key) : NULL;
	const char *section = d->problems->n < PROBLEMS_MAX ? other_section(node->key) : NULL;

	if (near)
		decoder_doubt(d, node->key_at, "unknown key (did you mean \"%s\"?)", near);
	else if (section)
		decoder_doubt(d, node->key_at, "unknown key here (it belongs to [%s])", section);
	else
		decoder_doubt(d, node->key_at, "unknown key");
	decoder_pop(d, len);
}

static void report_strangers(struct decoder *d, const struct cfg_table *table,
			     const struct doc_node *node)
{
	for (const struct doc_node *n = node->children.first; n; n = n->next) {
		if (!key_find(table, n->key))
			report_unknown(d, table, n);
	}
}

static void decode_record(struct decoder *d, const struct cfg_table *table,
			  const struct doc_node *node, void *base)
{
	int r;

	if (node->type != DOC_TABLE) {
		decoder_mismatch(d, node, "a table");
		return;
	}
	r = tree_preset(table, d->arena, base);
	if (r == -ENOMEM)
		d->problems->no_memory = true;
	else if (r < 0)
		decoder_error(d, node->at, "wrong default");
	tree_decode(d, table, node, base);
}

/* One table, or an array of tables. */
static void decode_records(struct decoder *d, const struct cfg_key *key,
			   const struct doc_node *node, void *field)
{
	bool array = node->type == DOC_ARRAY;
	size_t n = array ? node->children.n : 1;
	const struct doc_node *item = array ? node->children.first : node;
	char *items;

	if (!array && node->type != DOC_TABLE) {
		decoder_mismatch(d, node, "a table, or an array of tables");
		return;
	}
	if (n > RECORDS_MAX) {
		decoder_error(d, node->at, "expected at most %d tables, found %zu", RECORDS_MAX, n);
		return;
	}
	items = decoder_alloc(d, MAX(n, (size_t)1) * key->sub->size);
	if (!items)
		return;
	for (size_t i = 0; i < n; i++, item = item->next) {
		size_t len = strlen(d->path);
		char index[24];

		if (n > 1) {
			(void)snprintf(index, sizeof(index), "[%zu]", i); /* never cut */
			(void)decoder_push(d, index);
		}
		decode_record(d, key->sub, item, items + i * key->sub->size);
		decoder_pop(d, len);
	}
	*(struct cfg_records *)field = (struct cfg_records){ n > 0 ? items : NULL, (uint32_t)n };
}

static void decode_section(struct decoder *d, const struct cfg_key *key,
			   const struct doc_node *node, void *base)
{
	if (node->type != DOC_TABLE) {
		decoder_mismatch(d, node, "a table");
		return;
	}
	if (key->at != CFG_NO_FIELD)
		*(bool *)tree_field(key, base) = true;
	tree_decode(d, key->sub, node, base);
}

static void decode_key(struct decoder *d, const struct cfg_key *key, const struct doc_node *node,
		       void *base)
{
	if (key->type == CFG_TOMBSTONE)
		decoder_doubt(d, node->key_at, "this key is gone: %s", key->doc);
	else if (key->type == CFG_SECTION)
		decode_section(d, key, node, base);
	else if (key->type == CFG_RECORDS)
		decode_records(d, key, node, tree_field(key, base));
	else
		value_ops(key->type)->decode(d, key, node, tree_field(key, base));
}

/* The node of a key that is to be read; a JSON null is what some clients send for "not set". */
static const struct doc_node *find_value(const struct decoder *d, const struct cfg_table *table,
					 const struct cfg_key *key, const struct doc_node *node)
{
	const struct doc_node *value = doc_get(node, key->name, strlen(key->name));

	if (!value || value->type == DOC_NULL)
		return NULL;
	return table == &cfg_service_table && !tree_has_section(key, d->is_target) ? NULL : value;
}

void tree_decode(struct decoder *d, const struct cfg_table *table, const struct doc_node *node,
		 void *base)
{
	for (size_t i = 0; i < table->n; i++) {
		const struct cfg_key *key = &table->keys[i];
		const struct doc_node *value = find_value(d, table, key, node);
		size_t len;

		if (!value && !key->required)
			continue;
		len = decoder_push(d, key->name);
		if (value)
			decode_key(d, key, value, base);
		else
			decoder_error(d, node->at, "missing");
		decoder_pop(d, len);
	}
	report_strangers(d, table, node);
}

/* --- packing ---------------------------------------------------------------------------------- */

static void pack_fields(struct packer *p, const struct cfg_table *table, void *dst,
			const void *src);

static void pack_records(struct packer *p, const struct cfg_table *table, void *dst,
			 const void *src)
{
	const struct cfg_records *from = src;
	char *items = NULL;

	if (from->n > 0)
		items = packer_alloc(p, from->n * table->size, alignof(max_align_t));
	for (size_t i = 0; i < from->n; i++) {
		const char *item = (const char *)from->items + i * table->size;
		char *copy = items ? items + i * table->size : NULL;

		if (copy)
			memcpy(copy, item, table->size);
		pack_fields(p, table, copy, item);
	}
	if (dst)
		((struct cfg_records *)dst)->items = items;
}

static void pack_fields(struct packer *p, const struct cfg_table *table, void *dst, const void *src)
{
	for (size_t i = 0; i < table->n; i++) {
		const struct cfg_key *key = &table->keys[i];
		const struct value_ops *ops = value_ops(key->type);
		void *to = dst && key->at != CFG_NO_FIELD ? tree_field(key, dst) : NULL;

		if (key->type == CFG_SECTION && !key->alias)
			pack_fields(p, key->sub, dst, src);
		else if (key->type == CFG_RECORDS)
			pack_records(p, key->sub, to, tree_field_const(key, src));
		else if (ops && ops->copy)
			ops->copy(p, to, tree_field_const(key, src));
	}
}

static void pack_struct(struct packer *p, const struct cfg_table *table, const void *src)
{
	char *dst = packer_alloc(p, table->size, alignof(max_align_t));
	const char *path;

	if (dst)
		memcpy(dst, src, table->size);
	pack_fields(p, table, dst, src);
	if (table->path_at == CFG_NO_FIELD)
		return;
	path = packer_string(p, *(const char *const *)(const void *)((const char *)src +
								     table->path_at));
	if (dst)
		*(const char **)(void *)(dst + table->path_at) = path;
}

void *tree_pack(const struct cfg_table *table, const void *base)
{
	struct packer p = { 0 };

	pack_struct(&p, table, base);
	p = (struct packer){ .base = malloc(p.used) };
	if (p.base)
		pack_struct(&p, table, base);
	return p.base;
}

/* --- comparing -------------------------------------------------------------------------------- */

static bool records_equal(const struct cfg_table *table, const void *a, const void *b)
{
	const struct cfg_records *x = a;
	const struct cfg_records *y = b;

	if (x->n != y->n)
		return false;
	for (size_t i = 0; i < x->n; i++) {
		if (!tree_equal(table, (const char *)x->items + i * table->size,
				(const char *)y->items + i * table->size))
			return false;
	}
	return true;
}

bool tree_key_equal(const struct cfg_key *key, const void *a, const void *b)
{
	const struct value_ops *ops = value_ops(key->type);

	if (key->type == CFG_SECTION) {
		if (key->at != CFG_NO_FIELD && *(const bool *)tree_field_const(key, a) !=
						       *(const bool *)tree_field_const(key, b))
			return false;
		return key->alias || tree_equal(key->sub, a, b);
	}
	if (key->type == CFG_RECORDS)
		return records_equal(key->sub, tree_field_const(key, a), tree_field_const(key, b));
	return !ops || ops->equal(tree_field_const(key, a), tree_field_const(key, b));
}

bool tree_equal(const struct cfg_table *table, const void *a, const void *b)
{
	for (size_t i = 0; i < table->n; i++) {
		if (!tree_key_equal(&table->keys[i], a, b))
			return false;
	}
	return true;
}
