/* SPDX-License-Identifier: Apache-2.0 */
/* Segments alone: names, CRI lines, torn tails, reading plain and compressed. */
#include "../testing_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "log/segment.h"

#define TS 1795388645123456789LL /* 2026-11-22T23:04:05.123456789Z */

static int make_dir(char *path)
{
	int fd;

	testing_dir_make(path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static int make_file(int dir_fd, const char *name, const void *data, size_t len)
{
	int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, data, len), 0);
	return fd;
}

static void test_names(void **state)
{
	struct segment s = { .ts = TS, .no = 17 };
	struct segment got;
	char name[SEGMENT_NAME_SIZE];

	(void)state;
	segment_name(&s, name);
	assert_string_equal(name, "20261122T230405.123456789Z-000017.log");
	assert_true(segment_parse_name(name, &got));
	assert_true(got.ts == TS);
	assert_int_equal(got.no, 17);
	assert_false(got.zipped);
	assert_true(segment_parse_name("20261122T230405.123456789Z-1234567.log.zst", &got));
	assert_int_equal(got.no, 1234567);
	assert_true(got.zipped);
	assert_false(segment_parse_name("20261122T230405.123456789Z-000017.log.zst.tmp", &got));
	assert_false(segment_parse_name("20261322T230405.123456789Z-000017.log", &got));
	assert_false(segment_parse_name("20261122T230405.123456789Z-17.log", &got));
	assert_false(segment_parse_name("20261122T230405.123456789Z-", &got));
	assert_false(segment_parse_name("", &got));
}

static void test_cri(void **state)
{
	static const char *const wrong[] = {
		"", "2026-11-22T23:04:05.123456789Z stdout F", "2026-11-22T23:04:05.123456789Z stdin  F x",
		"2026-11-22T23:04:05.123456789Z stdout X x", "2026-11-22 23:04:05.123456789Z stdout F x",
		"2026-11-22T23:04:05.12345678xZ stdout F x", "2026-11-22T23:04:05.123456789Z stdout Fx ",
	};
	char prefix[CRI_PREFIX + 1] = "";
	char text[64];
	struct log_line line;

	(void)state;
	cri_prefix(prefix, TS, LOG_STDERR, true);
	assert_string_equal(prefix, "2026-11-22T23:04:05.123456789Z stderr P ");
	cri_prefix(prefix, TS, LOG_STDOUT, false);
	assert_string_equal(prefix, "2026-11-22T23:04:05.123456789Z stdout F ");
	(void)snprintf(text, sizeof(text), "%shello", prefix);
	assert_true(cri_parse(text, strlen(text), &line));
	assert_true(line.ts == TS);
	assert_int_equal(line.len, 5);
	assert_memory_equal(line.text, "hello", 5);
	assert_int_equal(line.stream, LOG_STDOUT);
	assert_true(cri_parse(prefix, CRI_PREFIX, &line));
	assert_int_equal(line.len, 0);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_false(cri_parse(wrong[i], strlen(wrong[i]), &line));
	/* every day of 500 years there and back */
	for (int64_t day = 0; day < 291 * 365; day++) {
		cri_prefix(prefix, day * 86400 * NSEC_PER_SEC, LOG_STDOUT, false);
		assert_true(cri_parse(prefix, CRI_PREFIX, &line));
		assert_true(line.ts == day * 86400 * NSEC_PER_SEC);
	}
}

static void test_repair(void **state)
{
	static const struct {
		const char *text;
		int64_t cut;
	} cases[] = {
		{ "", 0 }, { "whole\n", 0 }, { "whole\ntorn", 4 }, { "torn", 4 }, { "a\nb\n\n", 0 }, { "a\n\n2026-", 5 },
	};
	char path[32];
	int dir = make_dir(path);
	char *big = malloc(200000);
	uint64_t size;
	int fd;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		fd = make_file(dir, "f", cases[i].text, strlen(cases[i].text));
		assert_int_equal(segment_repair(fd, &size), cases[i].cut);
		assert_int_equal(size, strlen(cases[i].text) - (size_t)cases[i].cut);
		close(fd);
	}
	/* a torn line longer than what is looked at at once */
	memset(big, 'x', 200000);
	memcpy(big, "ok\n", 3);
	fd = make_file(dir, "f", big, 200000);
	assert_int_equal(segment_repair(fd, &size), 200000 - 3);
	assert_int_equal(size, 3);
	close(fd);
	free(big);
	close(dir);
	testing_dir_remove(path);
}

/* Many lines as text, of which every hundredth has a long text and one is not in the format. */
static void make_text(struct strbuf *text, unsigned int lines)
{
	char prefix[CRI_PREFIX];
	char filler[30000];

	memset(filler, 'z', sizeof(filler));
	for (unsigned int i = 0; i < lines; i++) {
		cri_prefix(prefix, TS + i, i % 3 ? LOG_STDOUT : LOG_STDERR, false);
		assert_int_equal(strbuf_add(text, prefix, sizeof(prefix)), 0);
		assert_int_equal(strbuf_addf(text, "line %u.%s", i, i % 50 ? "" : "fifty "), 0);
		assert_int_equal(strbuf_add(text, filler, i % 100 ? 0 : sizeof(filler)), 0);
		assert_int_equal(strbuf_putc(text, '\n'), 0);
		if (i == 7)
			assert_int_equal(strbuf_puts(text, "this is not a line\n"), 0);
	}
}

static unsigned int read_all(int dir, const struct segment *s, uint64_t from, uint64_t to, const char *needle)
{
	struct segment_reader *r;
	struct log_line line;
	unsigned int n = 0;
	int code;

	assert_int_equal(segment_open(dir, s, from, to, needle, needle ? strlen(needle) : 0, &r), 0);
	while ((code = segment_next(r, &line)) == 1)
		n++;
	assert_int_equal(code, 0);
	segment_close(r);
	return n;
}

static void test_read_plain_and_compressed(void **state)
{
	struct segment s = { .ts = TS, .no = 1 };
	struct strbuf text = STRBUF(64U << 20);
	char name[SEGMENT_NAME_SIZE];
	char path[32];
	int dir = make_dir(path);
	struct segments list;
	struct segment_reader *r;
	int64_t saved;
	uint64_t half;
	int fd;

	(void)state;
	make_text(&text, 5000);
	half = (uint64_t)((char *)memchr(text.data + text.len / 2, '\n', text.len / 2) + 1 - text.data);
	segment_name(&s, name);
	for (int zipped = 0; zipped < 2; zipped++) {
		unsigned int first;

		if (zipped) {
			assert_int_equal(segment_zip(dir, &s, &saved), 0);
			assert_true(saved > 0);
		} else {
			close(make_file(dir, name, text.data, text.len));
		}
		/* asked for by its old name both times */
		assert_int_equal(read_all(dir, &s, 0, UINT64_MAX, NULL), 5000);
		assert_int_equal(read_all(dir, &s, 0, UINT64_MAX, "fifty"), 100);
		assert_int_equal(read_all(dir, &s, 0, UINT64_MAX, "line 4999."), 1);
		assert_int_equal(read_all(dir, &s, 0, UINT64_MAX, "not there"), 0);
		first = read_all(dir, &s, 0, half, NULL);
		assert_true(first > 0 && first < 5000);
		assert_int_equal(first + read_all(dir, &s, half, UINT64_MAX, NULL), 5000);
		assert_int_equal(segments_list(dir, &list), 0);
		assert_int_equal(list.n, 1);
		assert_int_equal(list.list[0].zipped, zipped);
		segments_fini(&list);
	}
	/* cut compressed data is read up to the cut, and said to be so or simply ends */
	s.zipped = true;
	segment_name(&s, name);
	fd = openat(dir, name, O_RDWR | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, 100), 0);
	close(fd);
	assert_int_equal(segment_open(dir, &s, 0, UINT64_MAX, NULL, 0, &r), 0);
	struct log_line line;
	int code;
	while ((code = segment_next(r, &line)) == 1)
		continue;
	assert_true(code <= 0);
	segment_close(r);
	/* the plain file beside a compressed one is what a killed compression left */
	name[strlen(name) - 4] = '\0';
	close(make_file(dir, name, "x", 1));
	assert_int_equal(segments_list(dir, &list), 0);
	assert_int_equal(list.n, 1);
	assert_true(list.list[0].zipped);
	segments_fini(&list);
	strbuf_fini(&text);
	close(dir);
	testing_dir_remove(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_cri),
		cmocka_unit_test(test_repair),
		cmocka_unit_test(test_read_plain_and_compressed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
