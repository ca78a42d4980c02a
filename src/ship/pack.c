/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the settings of a sink as one message. */
#include "ship/pack.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "config/keys.h"

enum shape { SHAPE_PLAIN, SHAPE_TEXT, SHAPE_LIST };

/* Of the types of keys, those that are pointers in the struct. */
static const enum shape shapes[CFG_TYPE_N] = {
	[CFG_STRING] = SHAPE_TEXT,  [CFG_NAME] = SHAPE_TEXT,  [CFG_PATH] = SHAPE_TEXT,
	[CFG_STRINGS] = SHAPE_LIST, [CFG_NAMES] = SHAPE_LIST, [CFG_PAIRS] = SHAPE_LIST,
};

/* Gets each row that has a field. Returns 0 to go on. */
typedef int (*row_fn)(const struct cfg_key *key, void *data);

static int each_row(const struct cfg_table *table, row_fn fn, void *data)
{
	int r = 0;

	for (size_t i = 0; i < table->n && r == 0; i++) {
		const struct cfg_key *key = &table->keys[i];

		if (key->type == CFG_SECTION)
			r = each_row(key->sub, fn, data);
		else if (key->at != CFG_NO_FIELD && shapes[key->type] != SHAPE_PLAIN)
			r = fn(key, data);
	}
	return r;
}

static const struct cfg_table *ship_table(void)
{
	for (size_t i = 0; i < cfg_settings_table.n; i++) {
		if (strcmp(cfg_settings_table.keys[i].name, "ship") == 0)
			return cfg_settings_table.keys[i].sub;
	}
	return NULL;
}

/* --- packing ---------------------------------------------------------------------------------------- */

struct packer {
	const struct ship_settings *from;
	struct strbuf *out;
	size_t head; /* where the struct is in `out` */
};

/* Put the offset (0: NULL) of what comes next where the pointer was. */
static void set_offset(struct packer *p, size_t at, uintptr_t offset)
{
	if (!p->out->failed)
		memcpy(p->out->data + at, &offset, sizeof(offset));
}

static void add_text(struct packer *p, size_t at, const char *text)
{
	set_offset(p, at, p->out->len - p->head);
	(void)strbuf_add(p->out, text, strlen(text) + 1);
}

static void add_list(struct packer *p, size_t at, const char *const *list)
{
	static const char zeros[sizeof(char *)];
	size_t n = 0;
	size_t first;

	while (list[n])
		n++;
	while (!p->out->failed && (p->out->len - p->head) % sizeof(char *))
		(void)strbuf_putc(p->out, '\0');
	first = p->out->len;
	set_offset(p, at, first - p->head);
	for (size_t i = 0; i <= n; i++)
		(void)strbuf_add(p->out, zeros, sizeof(zeros));
	for (size_t i = 0; i < n; i++)
		add_text(p, first + i * sizeof(char *), list[i]);
}

static int pack_row(const struct cfg_key *key, void *data)
{
	struct packer *p = data;
	const void *field = (const char *)p->from + key->at;

	if (shapes[key->type] == SHAPE_TEXT && *(const char *const *)field)
		add_text(p, p->head + key->at, *(const char *const *)field);
	if (shapes[key->type] == SHAPE_LIST && *(const char *const *const *)field)
		add_list(p, p->head + key->at, *(const char *const *const *)field);
	return p->out->failed ? -ENOBUFS : 0;
}

int ship_pack(const struct ship_settings *s, struct strbuf *out)
{
	struct packer p = { .from = s, .out = out, .head = out->len };

	if (strbuf_add(out, s, sizeof(*s)) < 0)
		return -ENOMEM;
	/* pointers that are not set are zero already, and those that are set are replaced below */
	return each_row(ship_table(), pack_row, &p);
}

/* --- unpacking -------------------------------------------------------------------------------------- */

struct unpacker {
	char *base;
	size_t len;
};

/* The text at the offset that stands in `slot`, which becomes a pointer. */
static int relocate_text(const struct unpacker *u, char *slot)
{
	uintptr_t offset;
	const char *text = NULL;

	memcpy(&offset, slot, sizeof(offset));
	if (offset) {
		if (offset >= u->len || !memchr(u->base + offset, '\0', u->len - offset))
			return -EINVAL;
		text = u->base + offset;
	}
	memcpy(slot, &text, sizeof(text));
	return 0;
}

static int relocate_list(const struct unpacker *u, char *slot)
{
	uintptr_t offset;
	uintptr_t item;
	char *list = NULL;

	memcpy(&offset, slot, sizeof(offset));
	if (offset && (offset % sizeof(char *) || offset >= u->len))
		return -EINVAL;
	for (size_t i = offset; offset; i += sizeof(char *)) {
		list = u->base + offset;
		if (i + sizeof(char *) > u->len)
			return -EINVAL;
		memcpy(&item, u->base + i, sizeof(item));
		if (!item)
			break;
		if (relocate_text(u, u->base + i) < 0)
			return -EINVAL;
	}
	memcpy(slot, &list, sizeof(list));
	return 0;
}

static int unpack_row(const struct cfg_key *key, void *data)
{
	const struct unpacker *u = data;
	char *slot = u->base + key->at;

	return shapes[key->type] == SHAPE_TEXT ? relocate_text(u, slot) : relocate_list(u, slot);
}

struct ship_settings *ship_unpack(const void *data, size_t len)
{
	struct unpacker u = { .len = len };
	struct ship_settings *s;

	if (len < sizeof(*s))
		return NULL;
	u.base = malloc(len);
	if (!u.base)
		return NULL;
	memcpy(u.base, data, len);
	s = (struct ship_settings *)(void *)u.base;
	if (each_row(ship_table(), unpack_row, &u) < 0 || !s->name || !s->endpoint) {
		free(u.base);
		return NULL;
	}
	return s;
}
