/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the cells of one table and their widths. Why not libsmartcols: docs/adr. */
#include "cli/table.h"

#include <stdarg.h>
#include <string.h>

#include "base/mem.h"
#include "cli/text.h"

#define GAP 2
/* A table of 100,000 services with long reasons is some 20 MB. */
#define TABLE_MAX (256U << 20)

void table_init(struct table *t, const char *const *titles)
{
	*t = (struct table){ .text = STRBUF(TABLE_MAX), .cells = STRBUF(TABLE_MAX) };
	while (titles[t->columns] && t->columns < TABLE_COLUMNS_MAX)
		t->columns++;
	for (size_t i = 0; i < t->columns; i++) {
		t->right[i] = titles[i][0] == '>';
		table_add(t, COLOR_TITLE, titles[i] + t->right[i]);
	}
}

void table_fini(struct table *t)
{
	strbuf_fini(&t->text);
	strbuf_fini(&t->cells);
}

/* Plain ASCII, which nearly every cell is, needs no filter and no table of widths. */
static bool is_plain(const char *s, size_t *out_len)
{
	size_t i = 0;

	while (s[i] >= 0x20 && s[i] < 0x7f)
		i++;
	*out_len = i;
	return s[i] == '\0';
}

void table_add(struct table *t, enum color color, const char *text)
{
	size_t column = t->cells.len / sizeof(struct table_cell) % t->columns;
	struct table_cell cell = { .at = t->text.len, .color = color };
	size_t len;

	if (!text)
		text = "";
	if (is_plain(text, &len)) {
		(void)strbuf_add(&t->text, text, len);
		cell.width = (unsigned int)len;
	} else {
		text_add(&t->text, text, strlen(text), TEXT_STRIP);
		cell.width = t->text.failed ? 0 : (unsigned int)text_width(t->text.data + cell.at);
	}
	(void)strbuf_putc(&t->text, '\0');
	(void)strbuf_add(&t->cells, &cell, sizeof(cell));
	t->widths[column] = MAX(t->widths[column], cell.width);
}

void table_addf(struct table *t, enum color color, const char *fmt, ...)
{
	AUTO(strbuf_fini) struct strbuf b = STRBUF(TABLE_MAX);
	va_list ap;

	va_start(ap, fmt);
	(void)strbuf_vaddf(&b, fmt, ap);
	va_end(ap);
	table_add(t, color, strbuf_str(&b));
}

static void spaces(FILE *to, size_t n)
{
	while (n-- > 0)
		(void)putc_unlocked(' ', to);
}

/* The text up to `width` columns, by whole characters. */
static void print_cut(FILE *to, const char *text, size_t width)
{
	char c[5] = { 0 };

	while (*text) {
		size_t n = 1;

		while (n < 4 && ((unsigned char)text[n] & 0xc0) == 0x80)
			n++;
		memcpy(c, text, n);
		c[n] = '\0';
		if (text_width(c) > width)
			break;
		width -= text_width(c);
		(void)fputs(c, to);
		text += n;
	}
}

static void print_row(const struct table *t, const struct table_cell *row, FILE *to, bool color, int width)
{
	size_t used = 0;

	for (size_t i = 0; i < t->columns; i++) {
		const char *text = t->text.data + row[i].at;
		size_t pad = t->widths[i] - row[i].width;
		bool last = i + 1 == t->columns;
		bool cut = last && width > 0 && used + row[i].width > (size_t)width && used + 8 < (size_t)width;

		if (t->right[i])
			spaces(to, pad);
		(void)fputs_unlocked(row[i].color == COLOR_PLAIN ? "" : color_begin(row[i].color, color), to);
		if (cut)
			print_cut(to, text, (size_t)width - used);
		else
			(void)fputs_unlocked(text, to);
		(void)fputs_unlocked(row[i].color == COLOR_PLAIN ? "" : color_end(color), to);
		if (!last)
			spaces(to, (t->right[i] ? 0 : pad) + GAP);
		used += t->widths[i] + GAP;
	}
	(void)putc_unlocked('\n', to);
}

void table_print(const struct table *t, FILE *to, bool color, int width)
{
	const struct table_cell *cells = (const struct table_cell *)(const void *)t->cells.data;
	size_t n = t->cells.len / sizeof(*cells);

	if (t->text.failed || t->cells.failed)
		return;
	for (size_t i = 0; i + t->columns <= n; i += t->columns)
		print_row(t, cells + i, to, color, width);
}
