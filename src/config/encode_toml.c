/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: configs as TOML text: the keys that differ from the defaults, section by section. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "config/encode.h"
#include "config/tree.h"

DEFINE_AUTO(json_t, auto_json, json_decref)

/* Writes a JSON value as a TOML value; there are no nulls in it. */
static void write_value(const json_t *value, struct strbuf *out);

static void write_string(const char *s, struct strbuf *out)
{
	strbuf_putc(out, '"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			strbuf_addf(out, "\\%c", c);
		else if (c == '\n')
			strbuf_puts(out, "\\n");
		else if (c == '\t')
			strbuf_puts(out, "\\t");
		else if (c < 0x20 || c == 0x7f)
			strbuf_addf(out, "\\u%04x", c);
		else
			strbuf_putc(out, *s);
	}
	strbuf_putc(out, '"');
}

static void write_key(const char *key, struct strbuf *out)
{
	static const char bare[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

	if (*key && key[strspn(key, bare)] == '\0')
		strbuf_puts(out, key);
	else
		write_string(key, out);
}

static void write_array(const json_t *array, struct strbuf *out)
{
	const json_t *item;
	size_t i;

	strbuf_putc(out, '[');
	json_array_foreach(array, i, item)
	{
		strbuf_puts(out, i > 0 ? ", " : "");
		write_value(item, out);
	}
	strbuf_putc(out, ']');
}

static void write_inline_table(const json_t *object, struct strbuf *out)
{
	const char *separator = " ";
	const char *key;
	json_t *item;

	strbuf_putc(out, '{');
	json_object_foreach((json_t *)object, key, item)
	{
		strbuf_puts(out, separator);
		write_key(key, out);
		strbuf_puts(out, " = ");
		write_value(item, out);
		separator = ", ";
	}
	strbuf_puts(out, " }");
}

static void write_real(double value, struct strbuf *out)
{
	char text[40];

	(void)snprintf(text, sizeof(text), "%.17g", value); /* never cut */
	strbuf_puts(out, text);
	if (!strpbrk(text, ".e"))
		strbuf_puts(out, ".0");
}

static void write_value(const json_t *value, struct strbuf *out)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		write_inline_table(value, out);
		break;
	case JSON_ARRAY:
		write_array(value, out);
		break;
	case JSON_STRING:
		write_string(json_string_value(value), out);
		break;
	case JSON_INTEGER:
		strbuf_addf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		break;
	case JSON_REAL:
		write_real(json_real_value(value), out);
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		strbuf_puts(out, json_is_true(value) ? "true" : "false");
		break;
	case JSON_NULL:
		break;
	}
}

static int write_keys(const struct cfg_table *table, const void *base, const void *dflt,
		      struct strbuf *out)
{
	for (size_t i = 0; i < table->n; i++) {
		const struct cfg_key *key = &table->keys[i];
		AUTO(auto_json) json_t *value = NULL;

		if (key->type == CFG_TOMBSTONE ||
		    (!key->required && tree_key_equal(key, base, dflt)))
			continue;
		value = value_ops(key->type)->encode(key, tree_field_const(key, base));
		if (!value)
			return -ENOMEM;
		if (json_is_null(value))
			continue;
		strbuf_addf(out, "%s = ", key->name);
		write_value(value, out);
		strbuf_putc(out, '\n');
	}
	return 0;
}

static void write_header(const char *name, bool array, struct strbuf *out)
{
	strbuf_addf(out, "%s%s%s%s\n", out->len > 0 ? "\n" : "", array ? "[[" : "[", name,
		    array ? "]]" : "]");
}

/* The health checks: only service files have records. */
static int write_records(const struct cfg_key *key, const void *base, struct arena *arena,
			 struct strbuf *out)
{
	const struct cfg_records *records = tree_field_const(key, base);
	struct health_config dflt = { 0 };
	int r = tree_preset(key->sub, arena, &dflt);

	for (size_t i = 0; r == 0 && i < records->n; i++) {
		write_header(key->name, records->n > 1, out);
		r = write_keys(key->sub, (const char *)records->items + i * key->sub->size, &dflt,
			       out);
	}
	return r;
}

static int write_section(const struct cfg_key *section, const void *base, const void *dflt,
			 struct arena *arena, struct strbuf *out)
{
	if (section->type == CFG_RECORDS)
		return write_records(section, base, arena, out);
	if (tree_key_equal(section, base, dflt))
		return 0;
	write_header(section->name, false, out);
	return write_keys(section->sub, base, dflt, out);
}

int config_to_toml(const struct service_config *c, struct strbuf *out)
{
	AUTO(arena_fini) struct arena arena = { 0 };
	struct service_config dflt = { 0 };
	int r = tree_preset(&cfg_service_table, &arena, &dflt);

	if (c->oneshot)
		dflt.restart = CONFIG_RESTART_NEVER; /* load.c: what is not said of a oneshot */
	for (size_t i = 0; r == 0 && i < cfg_service_table.n; i++) {
		const struct cfg_key *section = &cfg_service_table.keys[i];

		if (tree_has_section(section, c->is_target))
			r = write_section(section, c, &dflt, &arena, out);
	}
	if (r < 0)
		return r;
	return out->failed ? -ENOMEM : 0;
}
