/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/definitions.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../testing.h"

static void assert_definition(const struct definitions *d, uint32_t slot, const char *expected)
{
	char *text = definitions_get(d, slot);

	if (expected)
		assert_string_equal(text, expected);
	else
		assert_null(text);
	free(text);
}

static struct definitions *reopen(struct definitions *d)
{
	struct definitions *next;
	int fd = dup(definitions_fd(d));

	definitions_free(d);
	assert_int_equal(definitions_adopt(fd, &next, NULL), 0);
	return next;
}

static void test_last_entry_counts_in_the_next_server_too(void **state)
{
	struct definitions *d;

	(void)state;
	assert_int_equal(definitions_new(&d, NULL), 0);
	assert_int_equal(definitions_put(d, 0, "first", 5), 0);
	assert_int_equal(definitions_put(d, 200, "other", 5), 0);
	assert_int_equal(definitions_put(d, 0, "second", 6), 0);
	assert_int_equal(definitions_put(d, 3, "gone", 4), 0);
	assert_int_equal(definitions_put(d, 3, "", 0), 0);
	for (int i = 0; i < 2; i++) {
		assert_definition(d, 0, "second");
		assert_definition(d, 200, "other");
		assert_definition(d, 3, NULL);
		assert_definition(d, 9999, NULL);
		d = reopen(d);
	}
	definitions_free(d);
}

/* What a kill in the middle of an append leaves: bytes behind the length that counts. */
static void test_a_torn_append_does_not_count(void **state)
{
	struct definitions *d;
	off_t end;

	(void)state;
	assert_int_equal(definitions_new(&d, NULL), 0);
	assert_int_equal(definitions_put(d, 1, "whole", 5), 0);
	end = lseek(definitions_fd(d), 0, SEEK_END);
	assert_int_equal(pwrite(definitions_fd(d), "\1\0\0\0\5\0\0\0to", 10, end), 10);
	d = reopen(d);
	assert_definition(d, 1, "whole");
	assert_int_equal(definitions_put(d, 1, "again", 5), 0);
	assert_definition(d, 1, "again");
	definitions_free(d);
}

static void test_compaction_keeps_what_counts(void **state)
{
	static char big[4096];
	struct definitions *d;
	int compacted = 0;

	(void)state;
	memset(big, 'x', sizeof(big));
	assert_int_equal(definitions_new(&d, NULL), 0);
	assert_int_equal(definitions_put(d, 7, "small", 5), 0);
	for (int i = 0; i < 200; i++) {
		assert_int_equal(definitions_put(d, 8, big, sizeof(big)), 0);
		compacted += definitions_compact(d);
	}
	assert_true(compacted >= 1);
	assert_true(lseek(definitions_fd(d), 0, SEEK_END) < 200 * (off_t)sizeof(big));
	d = reopen(d);
	assert_definition(d, 7, "small");
	definitions_free(d);
}

static void test_foreign_file_is_refused(void **state)
{
	struct definitions *d;
	struct error err;
	int fd = memfd_create("other", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(definitions_adopt(fd, &d, &err), -EPROTO);
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_last_entry_counts_in_the_next_server_too),
		cmocka_unit_test(test_a_torn_append_does_not_count),
		cmocka_unit_test(test_compaction_keeps_what_counts),
		cmocka_unit_test(test_foreign_file_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
