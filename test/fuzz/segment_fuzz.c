/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A segment that anybody may have written: repaired, then read, plain or compressed, with and without a needle. After
 * the repair there is no torn line; what the reader takes for a line is one; a needle changes nothing but what it should.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "log/query.h"
#include "log/segment.h"

#define NAME_LEN 40
#define SIZE_MAX_TRIED 100000

static char path[] = "/tmp/segment_fuzz.XXXXXX";

static void remove_directory(void)
{
	(void)rmdir(path);
}

static int directory(void)
{
	static int fd = -1;

	if (fd < 0 && mkdtemp(path)) {
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		(void)atexit(remove_directory);
	}
	return fd;
}

static void check_repair(const uint8_t *data, size_t size)
{
	int fd = memfd_create("segment", MFD_CLOEXEC);
	uint64_t left = 0;
	char last = '\n';

	assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	assert(segment_repair(fd, &left) == (int64_t)(size - left));
	assert(left <= size && lseek(fd, 0, SEEK_END) == (off_t)left);
	if (left)
		assert(pread(fd, &last, 1, (off_t)left - 1) == 1 && last == '\n');
	assert(!memchr(data + left, '\n', size - left));
	(void)close(fd);
}

static void check_names(const uint8_t *data, size_t size)
{
	char text[NAME_LEN + 1] = "";
	char again[SEGMENT_NAME_SIZE];
	struct log_cursor cursor;
	struct segment s;
	ts_ns ts;

	memcpy(text, data, size < NAME_LEN ? size : NAME_LEN);
	if (segment_parse_name(text, &s)) {
		segment_name(&s, again);
		assert(strlen(again) <= strlen(text));
	}
	(void)log_cursor_parse(text, &cursor);
	(void)log_time_parse(text, 1795388645000000000LL, &ts, NULL);
}

static unsigned int count(int fd, const struct segment *s, const char *needle, size_t len)
{
	struct segment_reader *r;
	struct log_line line;
	unsigned int n = 0;

	if (segment_open(fd, s, 0, UINT64_MAX, needle, needle ? len : 0, &r) < 0)
		return 0;
	while (segment_next(r, &line) == 1) {
		char prefix[CRI_PREFIX];

		cri_prefix(prefix, line.ts, line.stream, line.flags & LINE_PARTIAL);
		assert(memcmp(prefix + 30, line.text - 10, 10) == 0);
		assert(!memchr(line.text, '\n', line.len));
		n += !needle || memmem(line.text - CRI_PREFIX, line.len + CRI_PREFIX, needle, len);
	}
	segment_close(r);
	return n;
}

static unsigned int count_by_hand(int fd, const struct segment *s, const char *needle, size_t len)
{
	struct segment_reader *r;
	struct log_line line;
	unsigned int n = 0;

	if (segment_open(fd, s, 0, UINT64_MAX, NULL, 0, &r) < 0)
		return 0;
	while (segment_next(r, &line) == 1)
		n += memmem(line.text - CRI_PREFIX, line.len + CRI_PREFIX, needle, len) != NULL;
	segment_close(r);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct segment s = { .ts = 1795388645123456789LL, .no = 1 };
	char name[SEGMENT_NAME_SIZE];
	int dir;
	int fd;

	if (size > SIZE_MAX_TRIED)
		return 0;
	check_repair(data, size);
	check_names(data, size);
	dir = directory();
	if (dir < 0)
		return 0;
	for (int zipped = 0; zipped < 2; zipped++) {
		s.zipped = zipped;
		segment_name(&s, name);
		fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (fd < 0)
			return 0;
		assert(write(fd, data, size) == (ssize_t)size);
		(void)close(fd);
		(void)count(dir, &s, NULL, 0);
		if (!zipped)
			assert(count(dir, &s, "o", 1) == count_by_hand(dir, &s, "o", 1));
		(void)unlinkat(dir, name, 0);
	}
	return 0;
}
