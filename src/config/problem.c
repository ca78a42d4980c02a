/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the list of problems of one source. */
#include "config/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* An explanation quotes values of the file, cut before; this bounds what is left. */
#define TEXT_MAX 400

void problems_init(struct problems *p)
{
	*p = (struct problems){ 0 };
}

void problems_fini(struct problems *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->items[i].key);
		free(p->items[i].text);
	}
	free(p->items);
	problems_init(p);
}

/* Room for one more; most sources have none, so it grows by one. */
static struct problem *add_slot(struct problems *p)
{
	struct problem *items = reallocarray(p->items, p->n + 1, sizeof(*items));

	if (!items)
		return NULL;
	p->items = items;
	return &items[p->n];
}

void problems_add(struct problems *p, enum problem_level level, uint32_t line, uint32_t column,
		  const char *key, const char *fmt, ...)
{
	char text[TEXT_MAX];
	struct problem *one;
	va_list ap;

	if (level == PROBLEM_ERROR)
		p->errors++;
	if (p->n == PROBLEMS_MAX) {
		p->dropped++;
		return;
	}
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* cut where too long */
	va_end(ap);

	one = add_slot(p);
	if (!one) {
		p->no_memory = true;
		return;
	}
	one->level = level;
	one->line = line;
	one->column = column;
	one->key = strdup(key);
	one->text = strdup(text);
	if (!one->key || !one->text) {
		free(one->key);
		free(one->text);
		p->no_memory = true;
		return;
	}
	p->n++;
}

static bool comes_after(const struct problem *a, const struct problem *b)
{
	return a->line > b->line || (a->line == b->line && a->column > b->column);
}

void problems_sort(struct problems *p)
{
	/* insertion: few, nearly sorted, and equal places keep their order */
	for (size_t i = 1; i < p->n; i++) {
		struct problem one = p->items[i];
		size_t at = i;

		for (; at > 0 && comes_after(&p->items[at - 1], &one); at--)
			p->items[at] = p->items[at - 1];
		p->items[at] = one;
	}
}

bool problems_failed(const struct problems *p)
{
	return p->errors > 0 || p->no_memory;
}

void problem_format(const struct problem *one, const char *source, struct strbuf *out)
{
	if (source)
		strbuf_puts(out, source);
	if (one->line > 0)
		strbuf_addf(out, "%s%u:%u", source ? ":" : "", one->line, one->column);
	if (source || one->line > 0)
		strbuf_puts(out, ": ");
	if (one->level == PROBLEM_WARNING)
		strbuf_puts(out, "warning: ");
	if (*one->key)
		strbuf_addf(out, "%s: ", one->key);
	strbuf_puts(out, one->text);
}

void problems_format(const struct problems *p, const char *source, struct strbuf *out)
{
	for (size_t i = 0; i < p->n; i++) {
		problem_format(&p->items[i], source, out);
		strbuf_putc(out, '\n');
	}
	if (p->dropped > 0)
		strbuf_addf(out, "%s%s%zu more problems\n", source ? source : "",
			    source ? ": " : "", p->dropped);
	if (p->no_memory)
		strbuf_addf(out, "%s%sout of memory\n", source ? source : "", source ? ": " : "");
}
