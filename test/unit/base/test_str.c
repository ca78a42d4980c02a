/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <errno.h>
#include <string.h>

#include "../testing.h"

static void test_strbuf_grows_to_its_max_and_no_further(void **state)
{
	struct strbuf b = STRBUF(100);

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(strbuf_puts(&b, "0123456789"), 0);
	assert_int_equal(b.len, 100);
	assert_int_equal(strbuf_putc(&b, 'x'), -ENOBUFS);
	assert_true(b.failed);
	assert_int_equal(b.len, 100);
	assert_null(strbuf_steal(&b));
	strbuf_fini(&b);
}

static void test_strbuf_formats_and_consumes(void **state)
{
	struct strbuf b = STRBUF(1000);

	(void)state;
	assert_string_equal(strbuf_str(&b), "");
	assert_int_equal(strbuf_addf(&b, "%s=%d;", "a", 42), 0);
	assert_int_equal(strbuf_add(&b, "x\0y", 3), 0);
	assert_int_equal(b.len, 8);
	strbuf_consume(&b, 5);
	assert_memory_equal(b.data, "x\0y", 4);
	strbuf_consume(&b, 99);
	assert_int_equal(b.len, 0);
	strbuf_fini(&b);
}

static void test_distance_counts_slips(void **state)
{
	static const char *const names[] = { "restart", "requires", "exec" };

	(void)state;
	assert_int_equal(str_distance("exec", "exec"), 0);
	assert_int_equal(str_distance("exce", "exec"), 1);
	assert_int_equal(str_distance("EXEC", "exec"), 0);
	assert_int_equal(str_distance("", "abc"), 3);
	assert_string_equal(str_nearest("reqires", names, 3), "requires");
	assert_null(str_nearest("zzzzzz", names, 3));
}

static void test_glob(void **state)
{
	(void)state;
	assert_true(str_glob("web*", "web-1"));
	assert_true(str_glob("*", ""));
	assert_true(str_glob("a*b*c", "a-bb-b-c"));
	assert_false(str_glob("a?c", "ac"));
	assert_false(str_glob("web", "web-1"));
}

static void test_copy_cuts(void **state)
{
	char out[4];

	(void)state;
	assert_true(str_copy(out, sizeof(out), "abc"));
	assert_string_equal(out, "abc");
	assert_false(str_copy(out, sizeof(out), "abcd"));
	assert_string_equal(out, "abc");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strbuf_grows_to_its_max_and_no_further),
		cmocka_unit_test(test_strbuf_formats_and_consumes),
		cmocka_unit_test(test_distance_counts_slips),
		cmocka_unit_test(test_glob),
		cmocka_unit_test(test_copy_cuts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
