/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/saved.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../testing.h"

static void fill(struct saved *saved, unsigned char seed)
{
	memset(saved, 0, sizeof(*saved));
	for (size_t i = 0; i < saved_fields_n; i++) {
		const struct saved_field *f = &saved_fields[i];
		unsigned char *to = (unsigned char *)saved + f->member;

		for (size_t j = 0; j < f->size; j++)
			to[j] = (unsigned char)(seed * 31 + i * 7 + j + 1);
		if (f->values)
			*to = (unsigned char)((seed + i) % f->values);
	}
}

static bool equal(const struct saved *a, const struct saved *b)
{
	for (size_t i = 0; i < saved_fields_n; i++) {
		if (memcmp((const char *)a + saved_fields[i].member, (const char *)b + saved_fields[i].member, saved_fields[i].size) != 0)
			return false;
	}
	return true;
}

/* No two fields overlap, in the record or in memory; all are aligned, and within the size. */
static void test_the_table(void **state)
{
	size_t end = 0;

	(void)state;
	for (size_t i = 0; i < saved_fields_n; i++) {
		const struct saved_field *f = &saved_fields[i];

		assert_true(f->at >= end);
		assert_int_equal(f->at % f->size, 0);
		assert_true(f->values == 0 || f->size == 1);
		end = f->at + (size_t)f->size;
		for (size_t j = 0; j < i; j++)
			assert_true(f->member + f->size <= saved_fields[j].member || saved_fields[j].member + saved_fields[j].size <= f->member);
	}
	assert_true(end <= SAVED_SIZE && SAVED_SIZE <= SAVED_ROOM);
}

/* Each field by itself comes back, and touches no other. */
static void test_each_field_comes_back(void **state)
{
	unsigned char record[SAVED_SIZE];
	struct saved out;

	(void)state;
	for (size_t i = 0; i < saved_fields_n; i++) {
		const struct saved_field *f = &saved_fields[i];
		struct saved in = { 0 };

		memset((char *)&in + f->member, f->values ? 1 : 0xa5, f->size);
		saved_encode(&in, record);
		assert_int_equal(saved_decode(record, &out, NULL), 0);
		assert_true(equal(&in, &out));
		for (size_t j = 0; j < SAVED_SIZE; j++)
			assert_true(j >= f->at && j < f->at + (size_t)f->size ? record[j] != 0 : record[j] == 0);
	}
}

/* Every byte of each limited field: known values come back, others are refused or read as nothing, never taken. */
static void test_values_of_later_versions(void **state)
{
	unsigned char record[SAVED_SIZE];
	struct saved out;
	struct error err;

	(void)state;
	for (size_t i = 0; i < saved_fields_n; i++) {
		const struct saved_field *f = &saved_fields[i];

		for (unsigned int value = 0; f->values && value < 256; value++) {
			int r;

			memset(record, 0, sizeof(record));
			record[f->at] = (unsigned char)value;
			r = saved_decode(record, &out, &err);
			if (value < f->values)
				assert_int_equal(((unsigned char *)&out)[f->member], value);
			else if (!f->vital)
				assert_int_equal(((unsigned char *)&out)[f->member], 0);
			assert_int_equal(r, value >= f->values && f->vital ? -EPROTO : 0);
			if (r < 0)
				assert_non_null(strstr(err.msg, f->name));
		}
	}
}

static void commit(struct state *s, uint32_t slot, const struct saved *saved)
{
	unsigned char record[SAVED_ROOM];

	saved_encode(saved, record);
	state_commit(s, slot, record);
}

/*
 * A kill between any two instructions of an update leaves the old record or the new one: the update is made by a child that is
 * stopped after each of its instructions, and what is in the file then is read as the next server would. Returns false if
 * processes can't be traced here.
 */
static bool step_through(struct state *s, uint32_t slot, const struct saved *old, const struct saved *new)
{
	bool seen_new = false;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(1);
		(void)raise(SIGSTOP);
		commit(s, slot, new);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFSTOPPED(status))
		return false;
	while (WIFSTOPPED(status)) {
		struct saved out;

		assert_int_equal(saved_decode(state_read(s, slot), &out, NULL), 0);
		seen_new = seen_new || equal(&out, new);
		assert_true(equal(&out, seen_new ? new : old));
		assert_return_code(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), errno);
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
	assert_true(WIFEXITED(status) && seen_new);
	return true;
}

static void test_any_prefix_of_an_update(void **state)
{
	struct saved old = { 0 };
	struct saved new;
	struct state *s;
	uint32_t slot;

	(void)state;
	assert_int_equal(state_new(&saved_format, &s, NULL), 0);
	assert_int_equal(state_alloc(s, &slot), 0);
	commit(s, slot, &old);
	for (unsigned char seed = 1; seed < 5; seed++) { /* into both copies */
		fill(&new, seed);
		if (!step_through(s, slot, &old, &new)) {
			state_free(s);
			skip(); /* no ptrace here */
		}
		old = new;
	}
	state_free(s);
}

/* Another mapping of the file sees it: no part of it is in the server's own memory. */
static void test_the_state_keeps_it(void **state)
{
	unsigned char record[SAVED_SIZE];
	struct state_program earlier;
	struct state *s;
	struct state *other;
	struct saved in;
	struct saved out;
	uint32_t slot;

	(void)state;
	assert_int_equal(state_new(&saved_format, &s, NULL), 0);
	state_begin(s, &earlier);
	assert_int_equal(state_alloc(s, &slot), 0);
	for (unsigned char seed = 1; seed < 10; seed++) {
		fill(&in, seed);
		saved_encode(&in, record);
		state_commit(s, slot, record);
		assert_int_equal(state_adopt(dup(state_fd(s)), &saved_format, &other, NULL), 0);
		assert_int_equal(saved_decode(state_read(other, slot), &out, NULL), 0);
		assert_true(equal(&in, &out));
		state_free(other);
	}
	state_free(s);
}

/* The page that documents the layout has a row for each field. */
static void test_the_layout_is_documented(void **state)
{
	const char *root = getenv("ZINIT_SOURCE");
	char path[512];
	char row[128];
	static char text[1U << 16];
	FILE *page;

	(void)state;
	if (!root)
		skip();
	(void)snprintf(path, sizeof(path), "%s/docs/internals/crash.md", root);
	page = fopen(path, "r");
	assert_non_null(page);
	text[fread(text, 1, sizeof(text) - 1, page)] = '\0';
	(void)fclose(page);
	for (size_t i = 0; i < saved_fields_n; i++) {
		(void)snprintf(row, sizeof(row), "| %u | %u | `%s` |", saved_fields[i].at, saved_fields[i].size, saved_fields[i].name);
		if (!strstr(text, row))
			fail_msg("docs/internals/crash.md has no row '%s'", row);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_table),
		cmocka_unit_test(test_each_field_comes_back),
		cmocka_unit_test(test_values_of_later_versions),
		cmocka_unit_test(test_any_prefix_of_an_update),
		cmocka_unit_test(test_the_state_keeps_it),
		cmocka_unit_test(test_the_layout_is_documented),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
