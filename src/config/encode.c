/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: configs as JSON. */
#include "config/encode.h"

#include "config/tree.h"

static json_t *encode_table(const struct cfg_table *table, const void *base);

static json_t *encode_records(const struct cfg_table *table, const struct cfg_records *records)
{
	json_t *array;

	if (records->n == 0)
		return json_null();
	if (records->n == 1)
		return encode_table(table, records->items);
	array = json_array();
	for (size_t i = 0; array && i < records->n; i++) {
		const char *item = (const char *)records->items + i * table->size;

		if (json_array_append_new(array, encode_table(table, item)) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *encode_key(const struct cfg_key *key, const void *base)
{
	if (key->type == CFG_SECTION)
		return encode_table(key->sub, base);
	if (key->type == CFG_RECORDS)
		return encode_records(key->sub, tree_field_const(key, base));
	return value_ops(key->type)->encode(key, tree_field_const(key, base));
}

static json_t *encode_table(const struct cfg_table *table, const void *base)
{
	json_t *object = json_object();

	for (size_t i = 0; object && i < table->n; i++) {
		const struct cfg_key *key = &table->keys[i];

		if (key->type == CFG_TOMBSTONE)
			continue;
		if (json_object_set_new(object, key->name, encode_key(key, base)) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

json_t *config_to_json(const struct service_config *c)
{
	json_t *object = json_object();

	for (size_t i = 0; object && i < cfg_service_table.n; i++) {
		const struct cfg_key *section = &cfg_service_table.keys[i];

		if (!tree_has_section(section, c->is_target))
			continue;
		if (json_object_set_new(object, section->name, encode_key(section, c)) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}
