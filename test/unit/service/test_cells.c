/* SPDX-License-Identifier: Apache-2.0 */
/* Every event in every situation: test_service_cells --write writes cells.txt anew, to be read as a difference. */
#include "../testing.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cells.h"

#define CELLS_MAX (4U << 20)

static void every_event_in_every_situation(void **state)
{
	static char expected[CELLS_MAX];
	struct strbuf out = STRBUF(CELLS_MAX);
	FILE *f = fopen(CELLS_FILE, "r");
	const char *a = expected;
	const char *b;
	unsigned int line = 1;

	(void)state;
	assert_non_null(f);
	expected[fread(expected, 1, sizeof(expected) - 1, f)] = '\0';
	(void)fclose(f);
	assert_true(cells_write(&out) >= 0);
	for (b = strbuf_str(&out); *a && *a == *b; a++, b++)
		line += *a == '\n';
	while (a > expected && a[-1] != '\n') {
		a--;
		b--;
	}
	if (*a || *b)
		fail_msg("cells.txt:%u\n  says: %.*s\n  is:   %.*s", line, (int)strcspn(a, "\n"), a,
			 (int)strcspn(b, "\n"), b);
	strbuf_fini(&out);
}

static int write_anew(void)
{
	AUTO(strbuf_fini) struct strbuf out = STRBUF(CELLS_MAX);
	FILE *f = fopen(CELLS_FILE, "w");

	if (!f || cells_write(&out) < 0)
		return 1;
	(void)fputs(strbuf_str(&out), f);
	return fclose(f) != 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_event_in_every_situation),
	};

	if (argc > 1 && strcmp(argv[1], "--write") == 0)
		return write_anew();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
