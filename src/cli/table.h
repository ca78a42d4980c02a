/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aligned columns: cells are added row by row and printed at the end, when the widths are known. The last column is not
 * padded, and is cut at the terminal's width if there is one. Memory that is gone shows as missing cells, never as a crash.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/str.h"
#include "cli/color.h"

#define TABLE_COLUMNS_MAX 12

struct table_cell {
	size_t at; /* offset of the text */
	unsigned int width;
	enum color color;
};

struct table {
	struct strbuf text; /* of all cells, NUL after each */
	struct strbuf cells; /* struct table_cell, one after the other */
	size_t columns;
	bool right[TABLE_COLUMNS_MAX];
	unsigned int widths[TABLE_COLUMNS_MAX];
};

/**
 * Begin a table with the titles of its columns, ended by NULL; a title that begins with '>' makes its column
 * right-aligned. At most TABLE_COLUMNS_MAX. Free with table_fini().
 */
void table_init(struct table *t, const char *const *titles);
void table_fini(struct table *t);
/** Add the next cell; control characters and escapes are taken out. NULL and "" are empty cells. */
void table_add(struct table *t, enum color color, const char *text);
void table_addf(struct table *t, enum color color, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/** Print all; `width` 0: no limit. */
void table_print(const struct table *t, FILE *to, bool color, int width);

#endif
