/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: compressing a closed segment. */
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

#define ZIP_LEVEL 1

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
