/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/table.h"

#include <stdlib.h>

#include "../testing.h"

static void assert_printed(const struct table *t, bool color, int width, const char *expected)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	assert_non_null(to);
	table_print(t, to, color, width);
	(void)fclose(to);
	assert_string_equal(text, expected);
	free(text);
}

static void test_columns_are_aligned(void **state)
{
	static const char *const titles[] = { "NAME", ">N", "WHY", NULL };
	struct table t;

	(void)state;
	table_init(&t, titles);
	table_add(&t, COLOR_PLAIN, "web");
	table_add(&t, COLOR_PLAIN, "7");
	table_add(&t, COLOR_PLAIN, NULL);
	table_add(&t, COLOR_PLAIN, "caf\xc3\xa9-long");
	table_addf(&t, COLOR_PLAIN, "%d", 1234);
	table_add(&t, COLOR_PLAIN, "it\033[31m broke\n");
	assert_printed(&t, false, 0,
		       "NAME          N  WHY\n"
		       "web           7  \n"
		       "caf\xc3\xa9-long  1234  it broke\n");
	table_fini(&t);
}

static void test_last_column_is_cut_at_the_terminal(void **state)
{
	static const char *const titles[] = { "A", "TEXT", NULL };
	struct table t;

	(void)state;
	table_init(&t, titles);
	table_add(&t, COLOR_PLAIN, "x");
	table_add(&t, COLOR_PLAIN, "0123456789 \xe6\x97\xa5\xe6\x9c\xac");
	assert_printed(&t, false, 17, "A  TEXT\nx  0123456789 \xe6\x97\xa5\n");
	table_fini(&t);
}

static void test_colors_surround_the_text_only(void **state)
{
	static const char *const titles[] = { "STATE", "X", NULL };
	struct table t;

	(void)state;
	table_init(&t, titles);
	table_add(&t, COLOR_GOOD, "up");
	table_add(&t, COLOR_PLAIN, "y");
	assert_printed(&t, true, 0, "\033[1mSTATE\033[0m  \033[1mX\033[0m\n\033[32mup\033[0m     y\n");
	table_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_columns_are_aligned),
		cmocka_unit_test(test_last_column_is_cut_at_the_terminal),
		cmocka_unit_test(test_colors_surround_the_text_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
