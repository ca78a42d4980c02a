/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: values that are lists of numbers: ports, exit codes, HTTP statuses, resource limits. */
#include <errno.h>
#include <inttypes.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/kernel_names.h"
#include "base/parse.h"
#include "base/str.h"
#include "config/service_config.h"
#include "config/value.h"

#define STATUS_CLASS "xx"

/* --- lists of numbers ------------------------------------------------------------------------- */

static void decode_ints(struct decoder *d, const struct cfg_key *key, const struct doc_node *node,
			void *field)
{
	int32_t *items;
	uint32_t n = 0;

	if (!decoder_list(d, node, "a list of whole numbers"))
		return;
	items = decoder_alloc(d, node->children.n * sizeof(*items));
	if (!items)
		return;
	for (const struct doc_node *i = node->children.first; i; i = i->next) {
		if (i->type != DOC_INT)
			decoder_mismatch(d, i, "a whole number");
		else if (i->integer < key->min || i->integer > key->max)
			decoder_error(d, i->at,
				      "expected %" PRId64 " to %" PRId64 ", found %" PRId64,
				      key->min, key->max, i->integer);
		else
			items[n++] = (int32_t)i->integer;
	}
	*(struct config_ints *)field = (struct config_ints){ n > 0 ? items : NULL, n };
}

/* A default of one number. */
static int preset_ints(const struct cfg_key *key, struct arena *arena, void *field)
{
	int32_t *item;
	int64_t value;

	if (!key->dflt)
		return 0;
	if (parse_int(key->dflt, key->min, key->max, &value) < 0)
		return -EINVAL;
	item = arena_alloc(arena, sizeof(*item));
	if (!item)
		return -ENOMEM;
	*item = (int32_t)value;
	*(struct config_ints *)field = (struct config_ints){ item, 1 };
	return 0;
}

static json_t *encode_ints(const struct cfg_key *key, const void *field)
{
	const struct config_ints *list = field;
	json_t *array = json_array();

	(void)key;
	for (uint32_t i = 0; array && i < list->n; i++) {
		if (json_array_append_new(array, json_integer(list->items[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static bool equal_ints(const void *a, const void *b)
{
	const struct config_ints *x = a;
	const struct config_ints *y = b;

	return x->n == y->n &&
	       (x->n == 0 || memcmp(x->items, y->items, x->n * sizeof(*x->items)) == 0);
}

static const void *pack_bytes(struct packer *p, const void *items, size_t size, size_t align)
{
	void *copy;

	if (size == 0)
		return NULL;
	copy = packer_alloc(p, size, align);
	if (copy)
		memcpy(copy, items, size);
	return copy;
}

static void copy_ints(struct packer *p, void *dst, const void *src)
{
	const struct config_ints *list = src;
	const void *items =
		pack_bytes(p, list->items, list->n * sizeof(*list->items), alignof(int32_t));

	if (dst)
		((struct config_ints *)dst)->items = items;
}

const struct value_ops value_ints = { "list of integers", decode_ints, preset_ints,
				      encode_ints,	  equal_ints,  copy_ints };

/* --- HTTP statuses ---------------------------------------------------------------------------- */

static bool parse_status_class(const char *s, struct config_range *out)
{
	if (s[0] < '1' || s[0] > '5' || strcmp(s + 1, STATUS_CLASS) != 0)
		return false;
	out->low = (uint16_t)((s[0] - '0') * 100);
	out->high = (uint16_t)(out->low + 99);
	return true;
}

static bool read_status(struct decoder *d, const struct cfg_key *key, const struct doc_node *node,
			struct config_range *out)
{
	if (node->type == DOC_INT && node->integer >= key->min && node->integer <= key->max) {
		out->low = out->high = (uint16_t)node->integer;
		return true;
	}
	if (node->type == DOC_STRING && strlen(node->text.s) == node->text.len &&
	    parse_status_class(node->text.s, out))
		return true;
	decoder_mismatch(d, node,
			 "a status from 100 to 599, a class such as \"2xx\", or a list of these");
	return false;
}

static void decode_statuses(struct decoder *d, const struct cfg_key *key,
			    const struct doc_node *node, void *field)
{
	const struct doc_node *first = node;
	size_t room = 1;
	struct config_range *items;
	uint32_t n = 0;

	if (node->type == DOC_ARRAY) {
		if (!decoder_list(d, node, "a list"))
			return;
		if (node->children.n == 0) {
			decoder_error(d, node->at, "must not be empty");
			return;
		}
		first = node->children.first;
		room = node->children.n;
	}
	items = decoder_alloc(d, room * sizeof(*items));
	if (!items)
		return;
	for (size_t i = 0; i < room; i++, first = first->next)
		n += read_status(d, key, first, &items[n]);
	*(struct config_ranges *)field = (struct config_ranges){ n > 0 ? items : NULL, n };
}

static int preset_statuses(const struct cfg_key *key, struct arena *arena, void *field)
{
	struct config_range *item = arena_alloc(arena, sizeof(*item));
	int64_t value;

	if (!item)
		return -ENOMEM;
	if (parse_int(key->dflt, key->min, key->max, &value) < 0)
		return -EINVAL;
	item->low = item->high = (uint16_t)value;
	*(struct config_ranges *)field = (struct config_ranges){ item, 1 };
	return 0;
}

static json_t *encode_range(const struct config_range *r)
{
	if (r->low == r->high)
		return json_integer(r->low);
	return json_sprintf("%d" STATUS_CLASS, r->low / 100);
}

static json_t *encode_statuses(const struct cfg_key *key, const void *field)
{
	const struct config_ranges *list = field;
	json_t *array;

	(void)key;
	if (list->n == 1)
		return encode_range(list->items);
	array = json_array();
	for (uint32_t i = 0; array && i < list->n; i++) {
		if (json_array_append_new(array, encode_range(&list->items[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static bool equal_statuses(const void *a, const void *b)
{
	const struct config_ranges *x = a;
	const struct config_ranges *y = b;

	return x->n == y->n &&
	       (x->n == 0 || memcmp(x->items, y->items, x->n * sizeof(*x->items)) == 0);
}

static void copy_statuses(struct packer *p, void *dst, const void *src)
{
	const struct config_ranges *list = src;
	const void *items = pack_bytes(p, list->items, list->n * sizeof(*list->items),
				       alignof(struct config_range));

	if (dst)
		((struct config_ranges *)dst)->items = items;
}

const struct value_ops value_statuses = { "HTTP statuses", decode_statuses, preset_statuses,
					  encode_statuses, equal_statuses,  copy_statuses };

/* --- resource limits -------------------------------------------------------------------------- */

static bool read_limit(struct decoder *d, const struct doc_node *node, uint64_t *out)
{
	if (node->type == DOC_INT && node->integer >= 0) {
		*out = (uint64_t)node->integer;
		return true;
	}
	if (node->type == DOC_STRING && strcmp(node->text.s, "infinity") == 0) {
		*out = CONFIG_INFINITY;
		return true;
	}
	decoder_mismatch(d, node, "a number, \"infinity\", or [soft, hard]");
	return false;
}

static bool read_limits(struct decoder *d, const struct doc_node *node, struct config_rlimit *out)
{
	if (node->type != DOC_ARRAY) {
		if (!read_limit(d, node, &out->soft))
			return false;
		out->hard = out->soft;
		return true;
	}
	if (node->children.n != 2) {
		decoder_error(d, node->at, "expected [soft, hard], found %zu items",
			      node->children.n);
		return false;
	}
	if (!read_limit(d, node->children.first, &out->soft) ||
	    !read_limit(d, node->children.last, &out->hard))
		return false;
	if (out->soft > out->hard) {
		decoder_error(d, node->at, "the soft limit is above the hard one");
		return false;
	}
	return true;
}

static int rlimit_resource(struct decoder *d, const struct doc_node *node)
{
	int resource = rlimit_from_name(node->key, NULL);
	const char *near;

	if (resource >= 0)
		return resource;
	near = rlimit_nearest(node->key);
	decoder_error(d, node->key_at, "unknown resource limit%s%s%s",
		      near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
	return -1;
}

/* Under another spelling of its name. */
static bool is_given(const struct config_rlimit *items, uint32_t n, int resource)
{
	for (uint32_t i = 0; i < n; i++) {
		if (items[i].resource == resource)
			return true;
	}
	return false;
}

static int compare_rlimits(const void *a, const void *b)
{
	return ((const struct config_rlimit *)a)->resource -
	       ((const struct config_rlimit *)b)->resource;
}

static void decode_rlimits(struct decoder *d, const struct cfg_key *key,
			   const struct doc_node *node, void *field)
{
	struct config_rlimit *items;
	uint32_t n = 0;

	(void)key;
	if (node->type != DOC_TABLE) {
		decoder_mismatch(d, node, "a table such as { nofile = 65536 }");
		return;
	}
	items = decoder_alloc(d, (node->children.n + 1) * sizeof(*items));
	if (!items)
		return;
	for (const struct doc_node *i = node->children.first; i; i = i->next) {
		size_t len = decoder_push(d, i->key);

		items[n].resource = rlimit_resource(d, i);
		if (is_given(items, n, items[n].resource))
			decoder_error(d, i->key_at, "the limit is given twice");
		else
			n += items[n].resource >= 0 && read_limits(d, i, &items[n]);
		decoder_pop(d, len);
	}
	qsort(items, n, sizeof(*items), compare_rlimits);
	*(struct config_rlimits *)field = (struct config_rlimits){ n > 0 ? items : NULL, n };
}

static json_t *encode_limit(uint64_t value)
{
	return value == CONFIG_INFINITY ? json_string("infinity") : json_integer((json_int_t)value);
}

static json_t *encode_limits(const struct config_rlimit *l)
{
	if (l->soft == l->hard)
		return encode_limit(l->soft);
	return json_pack("[o, o]", encode_limit(l->soft), encode_limit(l->hard));
}

static json_t *encode_rlimits(const struct cfg_key *key, const void *field)
{
	const struct config_rlimits *list = field;
	json_t *object = json_object();

	(void)key;
	for (uint32_t i = 0; object && i < list->n; i++) {
		const struct config_rlimit *l = &list->items[i];

		if (json_object_set_new(object, rlimit_name(l->resource), encode_limits(l)) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static bool equal_rlimits(const void *a, const void *b)
{
	const struct config_rlimits *x = a;
	const struct config_rlimits *y = b;

	if (x->n != y->n)
		return false;
	for (uint32_t i = 0; i < x->n; i++) {
		if (x->items[i].resource != y->items[i].resource ||
		    x->items[i].soft != y->items[i].soft || x->items[i].hard != y->items[i].hard)
			return false;
	}
	return true;
}

static void copy_rlimits(struct packer *p, void *dst, const void *src)
{
	const struct config_rlimits *list = src;
	const void *items = pack_bytes(p, list->items, list->n * sizeof(*list->items),
				       alignof(struct config_rlimit));

	if (dst)
		((struct config_rlimits *)dst)->items = items;
}

const struct value_ops value_rlimits = { "resource limits", decode_rlimits, NULL,
					 encode_rlimits,    equal_rlimits,  copy_rlimits };
