/* SPDX-License-Identifier: Apache-2.0 */
#include "batches.h"

#include <string.h>
#include <strings.h>
#include <zlib.h>
#include <zstd.h>

#include "../testing.h"

struct ship_settings settings_of(enum ship_type type, const char *endpoint)
{
	return (struct ship_settings){ .name = "s1", .type = type, .endpoint = endpoint };
}

struct ship_sink sink_of(const struct ship_settings *settings)
{
	return (struct ship_sink){ .settings = settings, .host = "h1", .boot = "b00t" };
}

struct ship_line line_of(uint64_t sequence, const char *text)
{
	return (struct ship_line){ .service = "web", .text = text, .len = (uint32_t)strlen(text), .level = -1,
				   .stream = LOG_STDOUT, .time = NOON, .run = 3, .ring = 0xab, .sequence = sequence };
}

const char *header_of(const struct ship_request *r, const char *name)
{
	size_t len = strlen(name);

	for (const char *h = NULL; (h = ship_header_next(r, h));) {
		if (strncasecmp(h, name, len) == 0 && h[len] == ':')
			return h + len + 2;
	}
	return NULL;
}

struct strbuf plain_of(const struct ship_request *r)
{
	struct strbuf out = STRBUF(256U << 20);
	const char *encoding = header_of(r, "Content-Encoding");
	char *to = strbuf_reserve(&out, r->plain_bytes);
	z_stream z = { .next_in = (unsigned char *)r->body.data, .avail_in = (uInt)r->body.len };

	assert_non_null(to);
	if (!encoding) {
		assert_int_equal(r->plain_bytes, r->body.len);
		memcpy(to, r->body.data, r->body.len);
	} else if (strcmp(encoding, "zstd") == 0) {
		assert_int_equal(ZSTD_decompress(to, r->plain_bytes, r->body.data, r->body.len), r->plain_bytes);
	} else {
		assert_string_equal(encoding, "gzip");
		assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
		z.next_out = (unsigned char *)to;
		z.avail_out = (uInt)r->plain_bytes;
		assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
		assert_int_equal(z.total_out, r->plain_bytes);
		(void)inflateEnd(&z);
	}
	strbuf_commit(&out, r->plain_bytes);
	return out;
}
