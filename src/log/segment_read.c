/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: reading segments line by line, plain or compressed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "log/segment.h"

#define WINDOW_FIRST (256U << 10)
/* A line that is longer than this is not ours. */
#define WINDOW_MAX (4U << 20)

struct segment_reader {
	int fd;
	ZSTD_DStream *zstd; /* NULL: a plain file */
	char *in;           /* compressed bytes */
	ZSTD_inBuffer input;
	uint64_t skip;      /* uncompressed bytes to pass over */
	uint64_t left;      /* uncompressed bytes to give after that */
	const char *needle;
	size_t needle_len;
	char *window;
	size_t size;
	size_t at;          /* next byte of the window to look at */
	size_t end;
};

void segment_close(struct segment_reader *r)
{
	if (!r)
		return;
	(void)ZSTD_freeDStream(r->zstd);
	auto_close(&r->fd);
	free(r->in);
	free(r->window);
	free(r);
}

DEFINE_AUTO(struct segment_reader, auto_reader, segment_close)

static int open_file(int dir_fd, const struct segment *s, bool *out_zipped)
{
	struct segment twin = *s;
	char name[SEGMENT_NAME_SIZE];
	int fd;

	segment_name(&twin, name);
	fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT && !twin.zipped) {
		twin.zipped = true;
		segment_name(&twin, name);
		fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	}
	*out_zipped = twin.zipped;
	return fd < 0 ? -errno : fd;
}

int segment_open(int dir_fd, const struct segment *s, uint64_t from, uint64_t to, const char *needle, size_t needle_len,
		 struct segment_reader **out)
{
	AUTO(auto_reader) struct segment_reader *r = calloc(1, sizeof(*r));
	bool zipped;

	if (!r)
		return -ENOMEM;
	r->fd = open_file(dir_fd, s, &zipped);
	if (r->fd < 0)
		return r->fd;
	r->left = to - MIN(from, to);
	r->needle = needle;
	r->needle_len = needle_len;
	r->size = WINDOW_FIRST;
	r->window = malloc(r->size);
	if (zipped) {
		r->skip = from;
		r->zstd = ZSTD_createDStream();
		r->in = malloc(ZSTD_DStreamInSize());
	} else if (from && lseek(r->fd, (off_t)from, SEEK_SET) < 0) {
		return -errno;
	}
	if (!r->window || (zipped && (!r->zstd || !r->in)))
		return -ENOMEM;
	*out = STEAL(&r);
	return 0;
}

static ssize_t read_file(int fd, void *buf, size_t size)
{
	ssize_t got;

	do {
		got = read(fd, buf, size);
	} while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

/* Decompress into `buf`. Returns the bytes, 0 at the end, or negative errno. */
static ssize_t unzip(struct segment_reader *r, char *buf, size_t size)
{
	ZSTD_outBuffer out = { buf, size, 0 };

	while (out.pos == 0) {
		size_t code;

		if (r->input.pos == r->input.size) {
			ssize_t got = read_file(r->fd, r->in, ZSTD_DStreamInSize());

			if (got <= 0)
				return got;
			r->input = (ZSTD_inBuffer){ r->in, (size_t)got, 0 };
		}
		code = ZSTD_decompressStream(r->zstd, &out, &r->input);
		if (ZSTD_isError(code))
			return -EIO;
	}
	return (ssize_t)out.pos;
}

/* More text behind what the window holds. Returns 1, 0 at the end, or negative errno. */
static int fill(struct segment_reader *r)
{
	char *to;
	ssize_t got;
	size_t skipped;

	memmove(r->window, r->window + r->at, r->end - r->at);
	r->end -= r->at;
	r->at = 0;
	if (r->end == r->size) {
		char *more = r->size < WINDOW_MAX ? realloc(r->window, r->size * 2) : NULL;

		if (!more)
			return r->size < WINDOW_MAX ? -ENOMEM : -EIO;
		r->window = more;
		r->size *= 2;
	}
	to = r->window + r->end;
	got = r->zstd ? unzip(r, to, r->size - r->end) : read_file(r->fd, to, r->size - r->end);
	if (got <= 0)
		return (int)got;
	skipped = (size_t)MIN(r->skip, (uint64_t)got);
	memmove(to, to + skipped, (size_t)got - skipped);
	r->skip -= skipped;
	got = (ssize_t)MIN((uint64_t)got - skipped, r->left);
	r->left -= (uint64_t)got;
	r->end += (size_t)got;
	return r->left || got ? 1 : 0;
}

/* Go to the line that has the needle; false: no whole line of the window has it, and they are passed over. */
static bool seek_needle(struct segment_reader *r)
{
	const char *from = r->window + r->at;
	const char *end = r->window + r->end;
	const char *hit;
	const char *nl;

	if (!r->needle)
		return true;
	hit = memmem(from, (size_t)(end - from), r->needle, r->needle_len);
	nl = memrchr(from, '\n', (size_t)((hit ? hit : end) - from));
	if (nl)
		r->at = (size_t)(nl + 1 - r->window);
	return hit != NULL;
}

int segment_next(struct segment_reader *r, struct log_line *out)
{
	for (;;) {
		const char *line;
		const char *nl = NULL;
		int code;

		if (seek_needle(r)) {
			line = r->window + r->at;
			nl = memchr(line, '\n', r->end - r->at);
		}
		if (!nl) {
			code = fill(r);
			if (code <= 0)
				return code;
			continue;
		}
		r->at = (size_t)(nl + 1 - r->window);
		if (cri_parse(line, (size_t)(nl - line), out))
			return 1;
	}
}
