/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any answer of a receiver: the first byte is the format, the next two the status, then a Retry-After up to a newline,
 * then the body. Whatever comes in, each line has one verdict, and the message is printable.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/utf8.h"
#include "ship/batch.h"

#define LINES 3
#define RETRY_AFTER_MAX 64

/* Our own assert: it must stay in builds without assertions. */
static void must(bool good)
{
	if (!good)
		abort();
}

static void check(const struct ship_outcome *out)
{
	must(out->verdict < SHIP_VERDICT_N);
	must(out->done + out->retry + out->poison == LINES);
	must((out->lines != NULL) == (out->verdict == SHIP_EACH));
	must(out->refused <= out->done);
	must(out->retry_after_ms >= -1 && out->retry_after_ms <= LIMIT_SHIP_RETRY_AFTER_MS);
	must(utf8_valid(out->message, strlen(out->message)));
	for (const char *c = out->message; *c; c++)
		must((unsigned char)*c >= ' ' && *c != 0x7f);
	for (size_t i = 0; out->lines && i < LINES; i++)
		must(out->lines[i] == SHIP_DONE || out->lines[i] == SHIP_RETRY || out->lines[i] == SHIP_POISON);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct ship_line lines[LINES] = { { .service = "a", .text = "" },
						       { .service = "a", .text = "" },
						       { .service = "b", .text = "" } };
	const struct ship_batch batch = { lines, LINES };
	struct ship_settings settings = { .name = "s", .endpoint = "http://h", .compression = SHIP_COMPRESSION_GZIP };
	struct ship_sink sink = { .settings = &settings, .host = "h", .boot = "b" };
	struct ship_reply reply = { 0 };
	char retry_after[RETRY_AFTER_MAX + 1] = "";
	struct ship_outcome out;
	const char *body;

	if (size < 3)
		return 0;
	settings.type = (enum ship_type)(data[0] % (SHIP_HTTP + 1));
	reply.status = data[1] << 8 | data[2];
	body = memchr(data + 3, '\n', size - 3);
	body = body ? body + 1 : (const char *)data + size;
	(void)memcpy(retry_after, data + 3, MIN((size_t)(body - (const char *)data) - 3, RETRY_AFTER_MAX));
	reply.retry_after = retry_after;
	/* a copy of its own size: a read behind its end is seen */
	reply.len = size - (size_t)(body - (const char *)data);
	reply.body = malloc(reply.len ? reply.len : 1);
	must(reply.body != NULL);
	memcpy((char *)reply.body, body, reply.len);
	for (int i = 0; i < 3; i++) { /* quirks change what comes next */
		ship_answer(&sink, &batch, &reply, &out);
		check(&out);
		ship_outcome_fini(&out);
	}
	free((char *)reply.body);
	return 0;
}
