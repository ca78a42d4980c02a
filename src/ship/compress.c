/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: gzip and zstd of request bodies. */
#include "ship/compress.h"

#include <errno.h>
#include <limits.h>
#include <zlib.h>
#include <zstd.h>

/* Lines compress well at once; the next levels cost twice the time for a few percent. */
#define LEVEL 1
/* deflateInit2(): the largest window, 16 more for a gzip header (which has no time in it, so that it is deterministic). */
#define GZIP_WINDOW (15 + 16)
#define GZIP_MEMORY 8

const char *compress_name(enum ship_compression how)
{
	static const char *const names[] = { [SHIP_COMPRESSION_GZIP] = "gzip", [SHIP_COMPRESSION_ZSTD] = "zstd" };

	return names[how];
}

static int add_gzip(struct strbuf *out, const struct strbuf *in)
{
	z_stream z = { .next_in = (unsigned char *)in->data, .avail_in = (uInt)in->len };
	size_t room;
	char *to;
	int r;

	if (in->len > UINT_MAX)
		return -ENOBUFS;
	if (deflateInit2(&z, LEVEL, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	room = deflateBound(&z, (uLong)in->len);
	to = strbuf_reserve(out, room);
	if (!to) {
		(void)deflateEnd(&z);
		return room > out->max - out->len ? -ENOBUFS : -ENOMEM;
	}
	z.next_out = (unsigned char *)to;
	z.avail_out = (uInt)room;
	r = deflate(&z, Z_FINISH);
	if (r == Z_STREAM_END)
		strbuf_commit(out, z.total_out);
	(void)deflateEnd(&z);
	return r == Z_STREAM_END ? 0 : -EIO;
}

static int add_zstd(struct strbuf *out, const struct strbuf *in)
{
	size_t room = ZSTD_compressBound(in->len);
	char *to = strbuf_reserve(out, room);
	size_t n;

	if (!to)
		return room > out->max - out->len ? -ENOBUFS : -ENOMEM;
	n = ZSTD_compress(to, room, in->data, in->len, LEVEL);
	if (ZSTD_isError(n))
		return -ENOMEM; /* the room is enough by definition: what is left is its own memory */
	strbuf_commit(out, n);
	return 0;
}

int compress_add(struct strbuf *out, enum ship_compression how, const struct strbuf *in)
{
	return how == SHIP_COMPRESSION_ZSTD ? add_zstd(out, in) : add_gzip(out, in);
}
