/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what the readers of all types share: paths, problems, packing, choices. */
#include "config/value.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "config/load.h"

/* How much of a wrong value a message quotes. */
#define QUOTE_MAX 48
#define CHOICES_MAX 16
/* Items of one list: above any sane file; names are searched for doubles, so it must not be huge. */
#define LIST_MAX 1024

const struct value_ops *value_ops(enum cfg_type type)
{
	static const struct value_ops *const rows[CFG_TYPE_N] = {
		[CFG_STRING] = &value_string,
		[CFG_NAME] = &value_name,
		[CFG_PATH] = &value_path,
		[CFG_BOOL] = &value_bool,
		[CFG_INT] = &value_int,
		[CFG_COUNT] = &value_u32,
		[CFG_MS] = &value_u32,
		[CFG_SPAN] = &value_span,
		[CFG_FLOAT] = &value_float,
		[CFG_SIZE] = &value_size,
		[CFG_SIZE32] = &value_size32,
		[CFG_PERCENT] = &value_percent,
		[CFG_MODE] = &value_mode,
		[CFG_ENUM] = &value_enum,
		[CFG_ENUM_INT] = &value_enum_int,
		[CFG_FLAGS] = &value_flags,
		[CFG_ID] = &value_id,
		[CFG_SIGNAL] = &value_signal,
		[CFG_COMMAND] = &value_command,
		[CFG_OUTPUT] = &value_output,
		[CFG_STRINGS] = &value_strings,
		[CFG_NAMES] = &value_names,
		[CFG_PAIRS] = &value_pairs,
		[CFG_CAPS] = &value_caps,
		[CFG_INTS] = &value_ints,
		[CFG_STATUSES] = &value_statuses,
		[CFG_RLIMITS] = &value_rlimits,
	};

	return rows[type];
}

size_t decoder_push(struct decoder *d, const char *name)
{
	size_t len = strlen(d->path);

	/* cut where an unknown key is long: the place tells the rest */
	(void)snprintf(d->path + len, sizeof(d->path) - len, "%s%s",
		       len > 0 && *name != '[' ? "." : "", name);
	return len;
}

void decoder_pop(struct decoder *d, size_t len)
{
	d->path[len] = '\0';
}

__attribute__((format(printf, 4, 0)))
static void note(struct decoder *d, enum problem_level level, struct doc_place at, const char *fmt,
		 va_list ap)
{
	char text[400];

	(void)vsnprintf(text, sizeof(text), fmt, ap); /* cut where too long */
	problems_add(d->problems, level, at.line, at.column, d->path, "%s", text);
}

void decoder_error(struct decoder *d, struct doc_place at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	note(d, PROBLEM_ERROR, at, fmt, ap);
	va_end(ap);
}

void decoder_warn(struct decoder *d, struct doc_place at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	note(d, PROBLEM_WARNING, at, fmt, ap);
	va_end(ap);
}

void decoder_doubt(struct decoder *d, struct doc_place at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	note(d, (d->flags & LOAD_STRICT) != 0 ? PROBLEM_ERROR : PROBLEM_WARNING, at, fmt, ap);
	va_end(ap);
}

void *decoder_alloc(struct decoder *d, size_t size)
{
	void *mem = arena_alloc(d->arena, size);

	if (!mem)
		d->problems->no_memory = true;
	return mem;
}

/* What a wrong value is, for a message: its type, and short ones themselves. */
static void describe(const struct doc_node *node, char *out, size_t size)
{
	const char *type = doc_type_name(node->type);

	if (node->type == DOC_INT) {
		(void)snprintf(out, size, "%lld", (long long)node->integer);
	} else if (node->type == DOC_FLOAT) {
		(void)snprintf(out, size, "%g", node->number);
	} else if (node->type == DOC_BOOL) {
		(void)snprintf(out, size, "%s", node->boolean ? "true" : "false");
	} else if (node->type == DOC_STRING && node->text.len <= QUOTE_MAX &&
		   strlen(node->text.s) == node->text.len) {
		(void)snprintf(out, size, "\"%s\"", node->text.s);
	} else {
		(void)snprintf(out, size, "%s", type);
	}
	for (char *p = out; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	}
}

void decoder_mismatch(struct decoder *d, const struct doc_node *node, const char *expected)
{
	char found[QUOTE_MAX + 8];

	describe(node, found, sizeof(found));
	decoder_error(d, node->at, "expected %s, found %s", expected, found);
}

const char *decoder_text(struct decoder *d, const struct doc_node *node, const char *expected)
{
	if (node->type != DOC_STRING) {
		decoder_mismatch(d, node, expected);
		return NULL;
	}
	if (strlen(node->text.s) != node->text.len) {
		decoder_error(d, node->at, "expected %s, found a NUL character in it", expected);
		return NULL;
	}
	return node->text.s;
}

bool decoder_list(struct decoder *d, const struct doc_node *node, const char *expected)
{
	if (node->type != DOC_ARRAY) {
		decoder_mismatch(d, node, expected);
		return false;
	}
	if (node->children.n > LIST_MAX) {
		decoder_error(d, node->at, "expected at most %d items, found %zu", LIST_MAX,
			      node->children.n);
		return false;
	}
	return true;
}

void *packer_alloc(struct packer *p, size_t size, size_t align)
{
	size_t at = (p->used + align - 1) / align * align;

	p->used = at + size;
	return p->base ? p->base + at : NULL;
}

const char *packer_string(struct packer *p, const char *s)
{
	size_t size;
	char *copy;

	if (!s)
		return NULL;
	size = strlen(s) + 1;
	copy = packer_alloc(p, size, 1);
	if (copy)
		memcpy(copy, s, size);
	return copy;
}

const struct cfg_choice *choice_find(const struct cfg_choice *choices, const char *name)
{
	for (const struct cfg_choice *c = choices; c->name; c++) {
		if (strcmp(c->name, name) == 0)
			return c;
	}
	return NULL;
}

const char *choice_nearest(const struct cfg_choice *choices, const char *name)
{
	const char *names[CHOICES_MAX];
	size_t n = 0;

	for (; n < CHOICES_MAX && choices[n].name; n++)
		names[n] = choices[n].name;
	return str_nearest(name, names, n);
}

const char *choice_name(const struct cfg_choice *choices, int value)
{
	for (const struct cfg_choice *c = choices; c->name; c++) {
		if (c->value == value)
			return c->name;
	}
	return choices->name;
}
