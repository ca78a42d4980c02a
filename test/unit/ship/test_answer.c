/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a batch of three lines, by format, status and body. */
#include <stdio.h>
#include <string.h>

#include "../testing.h"
#include "base/limits.h"
#include "batches.h"

#define LINES 3

enum { D = SHIP_DONE, R = SHIP_RETRY, P = SHIP_POISON };

static const struct row {
	enum ship_type type;
	int status;
	const char *body;
	enum ship_verdict verdict;
	int lines[LINES]; /* EACH */
	size_t refused;
	bool refused_known;
	bool bisect;
	const char *message; /* NULL: not looked at */
} rows[] = {
	/* the common rules */
	{ SHIP_VECTOR, 200, NULL, SHIP_DONE, .message = "" },
	{ SHIP_VECTOR, 201, "created", SHIP_DONE, .message = "" },
	{ SHIP_VECTOR, 0, NULL, SHIP_RETRY, .message = "no answer" },
	{ SHIP_VECTOR, 100, NULL, SHIP_RETRY },
	{ SHIP_VECTOR, -7, NULL, SHIP_RETRY },
	{ SHIP_VECTOR, 999, NULL, SHIP_RETRY },
	{ SHIP_VECTOR, 301, NULL, SHIP_PAUSE,
	  .message = "HTTP 301: a redirect, which is not followed: put the right URL into 'endpoint'" },
	{ SHIP_VECTOR, 400, "bad\n\x1b[31m frame \xff", SHIP_POISON, .bisect = true,
	  .message = "HTTP 400: refused: bad [31m frame " },
	{ SHIP_VECTOR, 401, NULL, SHIP_PAUSE },
	{ SHIP_VECTOR, 403, NULL, SHIP_PAUSE },
	{ SHIP_VECTOR, 404, NULL, SHIP_PAUSE },
	{ SHIP_VECTOR, 408, NULL, SHIP_RETRY },
	{ SHIP_VECTOR, 413, NULL, SHIP_SPLIT },
	{ SHIP_VECTOR, 415, NULL, SHIP_PAUSE },
	{ SHIP_VECTOR, 422, NULL, SHIP_POISON, .bisect = true },
	{ SHIP_VECTOR, 425, NULL, SHIP_RETRY },
	{ SHIP_VECTOR, 429, NULL, SHIP_RETRY },
	{ SHIP_VECTOR, 500, NULL, SHIP_RETRY },
	{ SHIP_VECTOR, 501, NULL, SHIP_PAUSE },
	{ SHIP_VECTOR, 503, NULL, SHIP_RETRY },

	/* Loki: a 2xx that stored nothing, and a 400 that stored the good lines */
	{ SHIP_LOKI, 204, NULL, SHIP_DONE },
	{ SHIP_LOKI, 260, "ingestion blocked for user 'x' until 'y'", SHIP_PAUSE,
	  .message = "HTTP 260: ingestion blocked for user 'x' until 'y'" },
	{ SHIP_LOKI, 260, NULL, SHIP_PAUSE },
	{ SHIP_LOKI, 400, "loghttp.PushRequest.Streams: unmarshal", SHIP_POISON, .bisect = true },
	{ SHIP_LOKI, 400, "max entry size '10' bytes exceeded for stream '{a=\"b\"}'", SHIP_DONE, .refused = 1 },
	{ SHIP_LOKI, 400, "entry for stream '{}' has timestamp too old: 2020", SHIP_DONE, .refused = 1 },
	{ SHIP_LOKI, 400, "entry too far behind\nuser 'fake', total ignored: 2 out of 3 for stream: {}", SHIP_DONE,
	  .refused = 2, .refused_known = true },
	{ SHIP_LOKI, 400, "total ignored: 99999999999999999999999 out of 3", SHIP_DONE, .refused = LINES,
	  .refused_known = true },
	{ SHIP_LOKI, 400, "no org id", SHIP_PAUSE },
	{ SHIP_LOKI, 429, "ingestion rate limit exceeded", SHIP_RETRY },
	{ SHIP_LOKI, 500, "total ignored: 2 out of 3", SHIP_RETRY },

	/* OTLP: partial success; and what must not be sent again */
	{ SHIP_OTLP, 200, "{}", SHIP_DONE, .message = "" },
	{ SHIP_OTLP, 201, "", SHIP_DONE },
	{ SHIP_OTLP, 200, "[", SHIP_DONE },
	{ SHIP_OTLP, 200, "{\"partialSuccess\":{\"rejectedLogRecords\":\"2\",\"errorMessage\":\"too old\"}}", SHIP_DONE,
	  .refused = 2, .refused_known = true, .message = "HTTP 200: too old" },
	{ SHIP_OTLP, 200, "{\"partialSuccess\":{\"rejectedLogRecords\":1}}", SHIP_DONE, .refused = 1, .refused_known = true },
	{ SHIP_OTLP, 200, "{\"partialSuccess\":{\"rejectedLogRecords\":99}}", SHIP_DONE, .refused = LINES,
	  .refused_known = true },
	{ SHIP_OTLP, 200, "{\"partialSuccess\":{\"rejectedLogRecords\":\"-5\"}}", SHIP_DONE },
	{ SHIP_OTLP, 200, "{\"partialSuccess\":{\"rejectedLogRecords\":\"0\",\"errorMessage\":\"careful\"}}", SHIP_DONE,
	  .message = "HTTP 200: careful" },
	{ SHIP_OTLP, 400, "{\"code\":3,\"message\":\"cannot parse\"}", SHIP_POISON, .bisect = true,
	  .message = "HTTP 400: cannot parse" },
	{ SHIP_OTLP, 429, NULL, SHIP_RETRY },
	{ SHIP_OTLP, 500, NULL, SHIP_POISON },
	{ SHIP_OTLP, 503, NULL, SHIP_RETRY },
	{ SHIP_OTLP, 404, NULL, SHIP_PAUSE },

	/* Elasticsearch: each item by itself */
	{ SHIP_ELASTICSEARCH, 200, "{\"errors\":false}", SHIP_DONE, .message = "" },
	{ SHIP_ELASTICSEARCH, 200,
	  "{\"errors\":true,\"items\":[{\"create\":{\"status\":201}},{\"create\":{\"status\":429,\"error\":{\"type\":\"busy\","
	  "\"reason\":\"queue full\"}}},{\"create\":{\"status\":400,\"error\":{\"type\":\"mapper\",\"reason\":\"no\"}}}]}",
	  SHIP_EACH, .lines = { D, R, P }, .message = "HTTP 200: item status 429: busy: queue full" },
	{ SHIP_ELASTICSEARCH, 200, /* all stored by an earlier try */
	  "{\"errors\":true,\"items\":[{\"create\":{\"status\":409}},{\"create\":{\"status\":409}},{\"index\":{\"status\":200}}]}",
	  SHIP_DONE, .message = "" },
	{ SHIP_ELASTICSEARCH, 200,
	  "{\"errors\":true,\"items\":[{\"create\":{\"status\":503}},{\"create\":{\"status\":429}},{\"create\":{}}]}", SHIP_RETRY },
	{ SHIP_ELASTICSEARCH, 200,
	  "{\"errors\":true,\"items\":[{\"create\":{\"status\":404}},{\"create\":{\"status\":403}},{\"create\":{\"status\":404}}]}",
	  SHIP_PAUSE },
	{ SHIP_ELASTICSEARCH, 200, "{\"errors\":true,\"items\":[{\"create\":{\"status\":201}}]}", SHIP_PAUSE },
	{ SHIP_ELASTICSEARCH, 200, "{\"errors\":true,\"items\":[7,[],{}]}", SHIP_RETRY },
	{ SHIP_ELASTICSEARCH, 200, "", SHIP_PAUSE },
	{ SHIP_ELASTICSEARCH, 200, "<html>", SHIP_PAUSE, .message = "HTTP 200: not an answer of _bulk: is 'endpoint' right?" },
	{ SHIP_ELASTICSEARCH, 400, "{\"error\":{\"reason\":\"malformed\"},\"status\":400}", SHIP_POISON, .bisect = true,
	  .message = "HTTP 400: malformed" },
	{ SHIP_ELASTICSEARCH, 401, "{\"error\":\"Unauthorized\"}", SHIP_PAUSE, .message = "HTTP 401: Unauthorized" },
	{ SHIP_ELASTICSEARCH, 429, NULL, SHIP_RETRY },

	/* Splunk */
	{ SHIP_SPLUNK, 200, "{\"text\":\"Success\",\"code\":0}", SHIP_DONE, .message = "" },
	{ SHIP_SPLUNK, 200, "{\"text\":\"Server is busy\",\"code\":9}", SHIP_RETRY },
	{ SHIP_SPLUNK, 503, "{\"text\":\"Server is busy\",\"code\":9}", SHIP_RETRY, .message = "HTTP 503: Server is busy" },
	{ SHIP_SPLUNK, 400, "{\"text\":\"Invalid data format\",\"code\":6,\"invalid-event-number\":1}", SHIP_EACH,
	  .lines = { R, P, R }, .message = "HTTP 400: Invalid data format" },
	{ SHIP_SPLUNK, 400, "{\"text\":\"Invalid data format\",\"code\":6,\"invalid-event-number\":3}", SHIP_POISON, .bisect = true },
	{ SHIP_SPLUNK, 400, "{\"text\":\"Invalid data format\",\"code\":6,\"invalid-event-number\":-1}", SHIP_POISON, .bisect = true },
	{ SHIP_SPLUNK, 400, "{\"text\":\"Incorrect index\",\"code\":7,\"invalid-event-number\":0}", SHIP_PAUSE },
	{ SHIP_SPLUNK, 400, "{\"text\":\"Data channel is missing\",\"code\":10}", SHIP_PAUSE },
	{ SHIP_SPLUNK, 400, "{\"text\":\"No data\",\"code\":5}", SHIP_POISON, .bisect = true },
	{ SHIP_SPLUNK, 403, "{\"text\":\"Invalid token\",\"code\":4}", SHIP_PAUSE },
	{ SHIP_SPLUNK, 500, "{\"text\":\"Success\",\"code\":0}", SHIP_RETRY },

	/* ClickHouse */
	{ SHIP_CLICKHOUSE, 200, "", SHIP_DONE, .message = "" },
	{ SHIP_CLICKHOUSE, 200, "Code: 241. DB::Exception: Memory limit", SHIP_RETRY },
	{ SHIP_CLICKHOUSE, 200, "Code: 4711. DB::Exception: what", SHIP_RETRY },
	{ SHIP_CLICKHOUSE, 400, "Code: 26, e.displayText() = DB::Exception: Cannot parse JSON string: (at row 2)\n", SHIP_EACH,
	  .lines = { R, P, R } },
	{ SHIP_CLICKHOUSE, 400, "Code: 26, DB::Exception: Cannot parse (at row 9)", SHIP_POISON, .bisect = true },
	{ SHIP_CLICKHOUSE, 500, "Code: 27, DB::Exception: Cannot parse input", SHIP_POISON, .bisect = true },
	{ SHIP_CLICKHOUSE, 404, "Code: 60, DB::Exception: Table x doesn't exist", SHIP_PAUSE },
	{ SHIP_CLICKHOUSE, 500, "Code: 252, DB::Exception: Too many parts", SHIP_RETRY },
	{ SHIP_CLICKHOUSE, 401, "Code: 192, Unknown user", SHIP_PAUSE },
	{ SHIP_CLICKHOUSE, 502, "<html>", SHIP_RETRY },
	{ SHIP_VICTORIALOGS, 400, "cannot parse", SHIP_POISON, .bisect = true },
};

static struct ship_outcome ask(struct ship_sink *sink, int status, const char *body, bool truncated)
{
	struct ship_line lines[LINES] = { line_of(1, "a"), line_of(2, "b"), line_of(3, "c") };
	struct ship_batch batch = { lines, LINES };
	struct ship_reply reply = { .status = status, .body = body, .len = body ? strlen(body) : 0, .truncated = truncated };
	struct ship_outcome out;

	ship_answer(sink, &batch, &reply, &out);
	assert_int_equal(out.done + out.retry + out.poison, LINES);
	return out;
}

static void check_row(size_t n)
{
	const struct row *row = &rows[n];
	struct ship_settings settings = settings_of(row->type, "http://h:1");
	struct ship_sink sink = sink_of(&settings);
	struct ship_outcome out = ask(&sink, row->status, row->body, false);

	if (out.verdict != row->verdict)
		fail_msg("row %zu (status %d, %s): %s, not %s: %s", n, row->status, row->body ? row->body : "no body",
			 ship_verdict_name(out.verdict), ship_verdict_name(row->verdict), out.message);
	assert_int_equal(out.lines != NULL, row->verdict == SHIP_EACH);
	for (int i = 0; out.lines && i < LINES; i++)
		assert_int_equal(out.lines[i], row->lines[i]);
	assert_int_equal(out.refused, row->refused);
	assert_int_equal(out.refused_known, row->refused_known);
	if (out.bisect != row->bisect)
		fail_msg("row %zu: bisect", n);
	if (row->message)
		assert_string_equal(out.message, row->message);
	assert_int_equal(sink.quirks, 0);
	ship_outcome_fini(&out);
}

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_row(i);
}

/* What a receiver can't do is remembered, and asked for once. */
static void test_quirks(void **state)
{
	static const struct {
		enum ship_type type;
		int status;
		const char *body;
		unsigned int quirk;
		enum ship_verdict second;
	} quirks[] = {
		{ SHIP_VECTOR, 415, NULL, SHIP_QUIRK_NO_COMPRESSION, SHIP_AGAIN },
		{ SHIP_CLICKHOUSE, 500, "Code: 89, Unknown compression method zstd", SHIP_QUIRK_NO_COMPRESSION, SHIP_RETRY },
		{ SHIP_CLICKHOUSE, 500, "Code: 115, Unknown setting insert_deduplication_token", SHIP_QUIRK_NO_TOKEN, SHIP_PAUSE },
		{ SHIP_LOKI, 400, "stream '{}' includes structured metadata, but this feature is disallowed",
		  SHIP_QUIRK_NO_METADATA, SHIP_POISON },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(quirks); i++) {
		struct ship_settings settings = settings_of(quirks[i].type, "http://h:1");
		struct ship_sink sink = sink_of(&settings);
		struct ship_outcome out;

		settings.compression = SHIP_COMPRESSION_GZIP;
		out = ask(&sink, quirks[i].status, quirks[i].body, false);
		assert_int_equal(out.verdict, SHIP_AGAIN);
		assert_int_equal(sink.quirks, quirks[i].quirk);
		out = ask(&sink, quirks[i].status, quirks[i].body, false);
		if (quirks[i].status == 415)
			assert_int_equal(out.verdict, SHIP_PAUSE);
		else
			assert_int_equal(out.verdict, quirks[i].second);
	}
}

static void test_truncated_bulk_is_split(void **state)
{
	struct ship_settings settings = settings_of(SHIP_ELASTICSEARCH, "http://h:1");
	struct ship_sink sink = sink_of(&settings);
	struct ship_outcome out = ask(&sink, 200, "{\"errors\":true,\"items\":[", true);

	(void)state;
	assert_int_equal(out.verdict, SHIP_SPLIT);
}

static void test_retry_after(void **state)
{
	struct ship_settings settings = settings_of(SHIP_HTTP, "http://h:1");
	struct ship_sink sink = sink_of(&settings);
	struct ship_line lines[1] = { line_of(1, "a") };
	struct ship_batch batch = { lines, 1 };
	struct ship_reply reply = { .status = 429, .retry_after = "3" };
	struct ship_outcome out;

	(void)state;
	ship_answer(&sink, &batch, &reply, &out);
	assert_int_equal(out.retry_after_ms, 3000);
	reply.status = 200;
	ship_answer(&sink, &batch, &reply, &out);
	assert_int_equal(out.retry_after_ms, -1);
}

/* A message of any bytes ends up short, printable and on one line. */
static void test_messages_are_tame(void **state)
{
	static char body[1000];
	struct ship_settings settings = settings_of(SHIP_HTTP, "http://h:1");
	struct ship_sink sink = sink_of(&settings);
	struct ship_outcome out;

	(void)state;
	for (size_t i = 0; i < sizeof(body) - 1; i++)
		body[i] = (char)(1 + i * 7 % 255);
	out = ask(&sink, 400, body, false);
	assert_true(strlen(out.message) < sizeof(out.message));
	for (const char *c = out.message; *c; c++)
		assert_true((unsigned char)*c >= ' ' && *c != 0x7f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),	     cmocka_unit_test(test_quirks),
		cmocka_unit_test(test_truncated_bulk_is_split), cmocka_unit_test(test_retry_after),
		cmocka_unit_test(test_messages_are_tame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
