/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: reading segments line by line, plain or compressed, and compressing them. */
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

/* Decompressed text is taken in windows of this size; a line that is longer is not ours. */
#define WINDOW (4U << 20)
#define ZIP_LEVEL 1

/* Give the whole lines in [p, p + n). Returns what `fn` did; `*used` bytes were taken. */
static int give_lines(const char *p, size_t n, size_t *used, log_line_fn fn, void *data)
{
	const char *begin = p;
	const char *end = p + n;
	const char *nl;
	struct log_line line;
	int code = 0;

	while (code == 0 && (nl = memchr(p, '\n', (size_t)(end - p)))) {
		if (cri_parse(p, (size_t)(nl - p), &line))
			code = fn(&line, data);
		p = nl + 1;
	}
	*used = (size_t)(p - begin);
	return code;
}

static int read_plain(int fd, uint64_t max_bytes, log_line_fn fn, void *data)
{
	struct stat st;
	size_t len;
	size_t used;
	char *map;
	int code;

	if (fstat(fd, &st) < 0)
		return -errno;
	len = (size_t)MIN((uint64_t)st.st_size, max_bytes);
	if (!len)
		return 0;
	/*
	 * Mapped, for speed. The writer cuts only what lies behind its announced end, which is where `max_bytes` ends; a
	 * stranger who cuts a segment while it is read would be a SIGBUS, so the file is read in the ordinary way.
	 */
	map = malloc(MIN(len, (size_t)WINDOW));
	if (!map)
		return -ENOMEM;
	code = 0;
	for (size_t at = 0, have = 0; code == 0;) {
		ssize_t got = pread(fd, map + have, MIN(len - at, (size_t)WINDOW - have), (off_t)at);

		if (got <= 0) {
			code = got < 0 ? -errno : 0;
			break;
		}
		at += (size_t)got;
		have += (size_t)got;
		code = give_lines(map, have, &used, fn, data);
		have -= used;
		memmove(map, map + used, have);
		if (have == WINDOW)
			have = 0;
	}
	free(map);
	return code;
}

struct unzip {
	ZSTD_DStream *stream;
	char *in;
	char *out;
};

static void unzip_fini(struct unzip *u)
{
	(void)ZSTD_freeDStream(u->stream);
	free(u->in);
	free(u->out);
}

static int read_zipped(int fd, log_line_fn fn, void *data)
{
	size_t in_size = ZSTD_DStreamInSize();
	AUTO(unzip_fini) struct unzip u = { ZSTD_createDStream(), malloc(in_size), malloc(WINDOW) };
	size_t have = 0;
	size_t used;
	int code = 0;

	if (!u.stream || !u.in || !u.out)
		return -ENOMEM;
	for (;;) {
		ssize_t got = read(fd, u.in, in_size);
		ZSTD_inBuffer in = { u.in, (size_t)MAX(got, 0), 0 };

		if (got <= 0)
			return got < 0 ? -errno : 0;
		while (in.pos < in.size) {
			ZSTD_outBuffer out = { u.out, WINDOW, have };
			size_t r = ZSTD_decompressStream(u.stream, &out, &in);

			if (ZSTD_isError(r))
				return -EIO;
			code = give_lines(u.out, out.pos, &used, fn, data);
			if (code)
				return code;
			have = out.pos - used;
			memmove(u.out, u.out + used, have);
			if (have == WINDOW)
				have = 0;
		}
	}
}

int segment_read(int dir_fd, const struct segment *s, uint64_t max_bytes, log_line_fn fn, void *data)
{
	struct segment twin = *s;
	char name[SEGMENT_NAME_SIZE];
	AUTO(auto_close) int fd = -1;

	segment_name(&twin, name);
	fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT && !twin.zipped) {
		/* it was compressed since it was listed */
		twin.zipped = true;
		segment_name(&twin, name);
		fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	}
	if (fd < 0)
		return -errno;
	return twin.zipped ? read_zipped(fd, fn, data) : read_plain(fd, max_bytes, fn, data);
}

struct zip {
	ZSTD_CCtx *ctx;
	char *in;
	char *out;
};

static void zip_fini(struct zip *z)
{
	(void)ZSTD_freeCCtx(z->ctx);
	free(z->in);
	free(z->out);
}

static int zip_stream(struct zip *z, int from, int to)
{
	size_t in_size = ZSTD_CStreamInSize();
	size_t out_size = ZSTD_CStreamOutSize();

	for (;;) {
		ssize_t got = read(from, z->in, in_size);
		ZSTD_inBuffer in = { z->in, (size_t)MAX(got, 0), 0 };
		size_t left;

		if (got < 0)
			return -errno;
		do {
			ZSTD_outBuffer out = { z->out, out_size, 0 };
			int code;

			left = ZSTD_compressStream2(z->ctx, &out, &in, got ? ZSTD_e_continue : ZSTD_e_end);
			if (ZSTD_isError(left))
				return -EIO;
			code = fd_write_all(to, z->out, out.pos);
			if (code < 0)
				return code;
		} while (got ? in.pos < in.size : left > 0);
		if (!got)
			return 0;
	}
}

static int zip_file(int from, int to)
{
	AUTO(zip_fini) struct zip z = { ZSTD_createCCtx(), malloc(ZSTD_CStreamInSize()), malloc(ZSTD_CStreamOutSize()) };
	int code;

	if (!z.ctx || !z.in || !z.out)
		return -ENOMEM;
	(void)ZSTD_CCtx_setParameter(z.ctx, ZSTD_c_compressionLevel, ZIP_LEVEL);
	(void)ZSTD_CCtx_setParameter(z.ctx, ZSTD_c_checksumFlag, 1);
	code = zip_stream(&z, from, to);
	if (code == 0 && fdatasync(to) < 0)
		code = -errno;
	return code;
}

static int64_t size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? 0 : st.st_size;
}

int segment_zip(int dir_fd, const struct segment *s, int64_t *out_saved)
{
	struct segment zipped = *s;
	char plain_name[SEGMENT_NAME_SIZE];
	char zip_name[SEGMENT_NAME_SIZE];
	char tmp_name[SEGMENT_NAME_SIZE + 4];
	AUTO(auto_close) int from = -1;
	AUTO(auto_close) int to = -1;
	struct timespec times[2];
	struct stat st;
	int code;

	zipped.zipped = true;
	segment_name(s, plain_name);
	segment_name(&zipped, zip_name);
	memcpy(tmp_name, zip_name, sizeof(zip_name));
	memcpy(tmp_name + strlen(zip_name), ".tmp", 5);
	from = openat(dir_fd, plain_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (from < 0)
		return -errno;
	to = openat(dir_fd, tmp_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (to < 0)
		return -errno;
	code = zip_file(from, to);
	/* The time of the last line stays what it was: max_age goes by it. */
	if (code == 0 && fstat(from, &st) == 0) {
		times[0] = times[1] = st.st_mtim;
		(void)futimens(to, times);
	}
	if (code == 0 && renameat(dir_fd, tmp_name, dir_fd, zip_name) < 0)
		code = -errno;
	if (code < 0) {
		(void)unlinkat(dir_fd, tmp_name, 0);
		return code;
	}
	*out_saved = size_of(from) - size_of(to);
	return unlinkat(dir_fd, plain_name, 0) < 0 ? -errno : 0;
}
