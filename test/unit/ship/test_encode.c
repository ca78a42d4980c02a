/* SPDX-License-Identifier: Apache-2.0 */
/* Each format to the byte, its URL and its headers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../testing.h"
#include "base/limits.h"
#include "batches.h"

/* Three lines: plain; of another service, on stderr, with a level and a pid; a gap. */
static void make_lines(struct ship_line lines[3])
{
	lines[0] = line_of(7, "hello \"you\"");
	lines[1] = line_of(8, "oops");
	lines[1].service = "db";
	lines[1].stream = LOG_STDERR;
	lines[1].level = 3;
	lines[1].pid = 42;
	lines[1].run = 0;
	lines[1].flags = LINE_PARTIAL;
	lines[2] = line_of(9, "");
	lines[2].flags = LINE_LOST;
	lines[2].lost = 5;
	lines[2].lost_bytes = 100;
	lines[2].lost_to = 13;
	lines[2].lost_why = "over\twritten";
	lines[2].time = NOON + 1;
}

static void assert_body(const struct ship_settings *settings, const char *url, const char *type, const char *body)
{
	struct ship_request r = ship_request_empty();
	struct ship_sink sink = sink_of(settings);
	struct ship_line lines[3];
	struct ship_batch batch = { lines, 3 };
	struct error err;

	make_lines(lines);
	assert_int_equal(ship_encode(&sink, &batch, &r, &err), 0);
	assert_string_equal(strbuf_str(&r.url), url);
	if (type) {
		assert_string_equal(r.method, "POST");
		assert_string_equal(header_of(&r, "Content-Type"), type);
	} else {
		assert_null(r.method);
	}
	assert_string_equal(r.body.data, body);
	assert_int_equal(r.plain_bytes, r.body.len);
	ship_request_fini(&r);
}

static const char ndjson[] =
	"{\"timestamp\":\"2026-01-02T03:04:05.123456789Z\",\"host\":\"h1\",\"service\":\"web\",\"stream\":\"stdout\","
	"\"run\":3,\"id\":\"ab-7\",\"content\":\"hello \\\"you\\\"\"}\n"
	"{\"timestamp\":\"2026-01-02T03:04:05.123456789Z\",\"host\":\"h1\",\"service\":\"db\",\"stream\":\"stderr\","
	"\"pid\":42,\"level\":\"error\",\"id\":\"ab-8\",\"partial\":true,\"content\":\"oops\"}\n"
	"{\"timestamp\":\"2026-01-02T03:04:05.123456790Z\",\"host\":\"h1\",\"service\":\"web\",\"stream\":\"stdout\","
	"\"run\":3,\"id\":\"ab-9-gap\",\"lost\":5,\"lost_to\":13,\"lost_bytes\":100,\"lost_why\":\"over\\twritten\","
	"\"content\":\"[zinit: 5 lines lost: over\\twritten]\"}\n";

static void test_vector(void **state)
{
	struct ship_settings s = settings_of(SHIP_VECTOR, "http://h:1/in");

	(void)state;
	assert_body(&s, "http://h:1/in", "application/x-ndjson", ndjson);
	s.type = SHIP_HTTP;
	s.endpoint = "http://h:1";
	assert_body(&s, "http://h:1/", "application/x-ndjson", ndjson);
}

static void test_array_stands_on_one_line(void **state)
{
	struct ship_settings s = settings_of(SHIP_VECTOR, "http://h:1");
	struct ship_sink sink = sink_of(&s);
	struct ship_request r = ship_request_empty();
	struct ship_line lines[2] = { line_of(1, "a"), line_of(2, "b") };
	struct ship_batch batch = { lines, 2 };

	(void)state;
	s.framing = SHIP_FRAMING_ARRAY;
	assert_int_equal(ship_encode(&sink, &batch, &r, NULL), 0);
	assert_string_equal(header_of(&r, "content-type"), "application/json");
	assert_string_equal(
		r.body.data,
		"[{\"timestamp\":\"2026-01-02T03:04:05.123456789Z\",\"host\":\"h1\",\"service\":\"web\","
		"\"stream\":\"stdout\",\"run\":3,\"id\":\"ab-1\",\"content\":\"a\"},"
		"{\"timestamp\":\"2026-01-02T03:04:05.123456789Z\",\"host\":\"h1\",\"service\":\"web\","
		"\"stream\":\"stdout\",\"run\":3,\"id\":\"ab-2\",\"content\":\"b\"}]\n");
	ship_request_fini(&r);
}

static void test_loki(void **state)
{
	static const char *const labels[] = { "host=alias", "my.job=\"x\"", NULL };
	struct ship_settings s = settings_of(SHIP_LOKI, "http://h:1");
	struct ship_sink sink = sink_of(&s);
	struct ship_request r = ship_request_empty();
	struct ship_line lines[3] = { line_of(1, "a"), line_of(2, "b"), line_of(3, "a") };
	struct ship_batch batch = { lines, 3 };

	(void)state;
	assert_body(&s, "http://h:1/loki/api/v1/push", "application/json",
		    "{\"streams\":[{\"stream\":{\"host\":\"h1\",\"service_name\":\"db\",\"stream\":\"stderr\"},\"values\":["
		    "[\"1767323045123456789\",\"oops\",{\"id\":\"ab-8\",\"pid\":\"42\",\"level\":\"error\",\"partial\":\"true\"}]"
		    "]},{\"stream\":{\"host\":\"h1\",\"service_name\":\"web\",\"stream\":\"stdout\"},\"values\":["
		    "[\"1767323045123456789\",\"hello \\\"you\\\"\",{\"id\":\"ab-7\",\"run\":\"3\"}],"
		    "[\"1767323045123456790\",\"[zinit: 5 lines lost: over\\twritten]\","
		    "{\"id\":\"ab-9-gap\",\"run\":\"3\",\"lost\":\"5\",\"lost_to\":\"13\"}]]}]}");

	/* equal lines of one time are apart; labels; no metadata where they are not allowed */
	s.labels = labels;
	sink.quirks = SHIP_QUIRK_NO_METADATA;
	lines[1].tie = 1;
	lines[2].tie = 2;
	assert_int_equal(ship_encode(&sink, &batch, &r, NULL), 0);
	assert_string_equal(r.body.data, "{\"streams\":[{\"stream\":{\"host\":\"alias\",\"service_name\":\"web\",\"stream\":"
					 "\"stdout\",\"my_job\":\"\\\"x\\\"\"},\"values\":[[\"1767323045123456789\",\"a\"],"
					 "[\"1767323045123456790\",\"b\"],[\"1767323045123456791\",\"a\"]]}]}");
	ship_request_fini(&r);
}

static void test_otlp(void **state)
{
	struct ship_settings s = settings_of(SHIP_OTLP, "https://h:1/");

	(void)state;
	assert_body(&s, "https://h:1/v1/logs", "application/json",
		    "{\"resourceLogs\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":\"db\"}},"
		    "{\"key\":\"host.name\",\"value\":{\"stringValue\":\"h1\"}}]},\"scopeLogs\":[{\"scope\":{\"name\":\"zinit\","
		    "\"version\":\"" ZINIT_VERSION "\"},\"logRecords\":[{\"timeUnixNano\":\"1767323045123456789\","
		    "\"observedTimeUnixNano\":\"1767323045123456789\",\"severityNumber\":17,\"severityText\":\"error\","
		    "\"body\":{\"stringValue\":\"oops\"},\"attributes\":[{\"key\":\"log.iostream\",\"value\":{\"stringValue\":"
		    "\"stderr\"}},{\"key\":\"log.record.uid\",\"value\":{\"stringValue\":\"ab-8\"}},{\"key\":\"process.pid\","
		    "\"value\":{\"intValue\":\"42\"}},{\"key\":\"zinit.partial\",\"value\":{\"boolValue\":true}}]}]}]},"
		    "{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":\"web\"}},"
		    "{\"key\":\"host.name\",\"value\":{\"stringValue\":\"h1\"}}]},\"scopeLogs\":[{\"scope\":{\"name\":\"zinit\","
		    "\"version\":\"" ZINIT_VERSION "\"},\"logRecords\":[{\"timeUnixNano\":\"1767323045123456789\","
		    "\"observedTimeUnixNano\":\"1767323045123456789\",\"body\":{\"stringValue\":\"hello \\\"you\\\"\"},"
		    "\"attributes\":[{\"key\":\"log.iostream\",\"value\":{\"stringValue\":\"stdout\"}},{\"key\":\"log.record.uid\","
		    "\"value\":{\"stringValue\":\"ab-7\"}},{\"key\":\"zinit.run\",\"value\":{\"intValue\":\"3\"}}]},"
		    "{\"timeUnixNano\":\"1767323045123456790\",\"observedTimeUnixNano\":\"1767323045123456790\","
		    "\"body\":{\"stringValue\":\"[zinit: 5 lines lost: over\\twritten]\"},\"attributes\":[{\"key\":\"log.iostream\","
		    "\"value\":{\"stringValue\":\"stdout\"}},{\"key\":\"log.record.uid\",\"value\":{\"stringValue\":\"ab-9-gap\"}},"
		    "{\"key\":\"zinit.run\",\"value\":{\"intValue\":\"3\"}},{\"key\":\"zinit.lost\",\"value\":{\"intValue\":\"5\"}},"
		    "{\"key\":\"zinit.lost_to\",\"value\":{\"intValue\":\"13\"}}]}]}]}]}");
}

static void test_bulk(void **state)
{
	struct ship_settings s = settings_of(SHIP_ELASTICSEARCH, "http://h:1");

	(void)state;
	assert_body(&s, "http://h:1/_bulk?filter_path=errors%2Citems.%2A.status%2Citems.%2A.error.type%2Citems.%2A.error.reason",
		    "application/x-ndjson",
		    "{\"create\":{\"_index\":\"logs-zinit-default\",\"_id\":\"h1/web/ab-7\"}}\n"
		    "{\"@timestamp\":\"2026-01-02T03:04:05.123456789Z\",\"message\":\"hello \\\"you\\\"\",\"host\":{\"name\":\"h1\"},"
		    "\"service\":{\"name\":\"web\"},\"stream\":\"stdout\",\"zinit\":{\"id\":\"ab-7\",\"run\":3}}\n"
		    "{\"create\":{\"_index\":\"logs-zinit-default\",\"_id\":\"h1/db/ab-8\"}}\n"
		    "{\"@timestamp\":\"2026-01-02T03:04:05.123456789Z\",\"message\":\"oops\",\"host\":{\"name\":\"h1\"},"
		    "\"service\":{\"name\":\"db\"},\"stream\":\"stderr\",\"log\":{\"level\":\"error\"},\"process\":{\"pid\":42},"
		    "\"zinit\":{\"id\":\"ab-8\",\"partial\":true}}\n"
		    "{\"create\":{\"_index\":\"logs-zinit-default\",\"_id\":\"h1/web/ab-9-gap\"}}\n"
		    "{\"@timestamp\":\"2026-01-02T03:04:05.123456790Z\",\"message\":\"[zinit: 5 lines lost: over\\twritten]\","
		    "\"host\":{\"name\":\"h1\"},\"service\":{\"name\":\"web\"},\"stream\":\"stdout\",\"zinit\":{\"id\":\"ab-9-gap\","
		    "\"run\":3,\"lost\":5,\"lost_to\":13,\"lost_why\":\"over\\twritten\"}}\n");
}

static void test_splunk(void **state)
{
	struct ship_settings s = settings_of(SHIP_SPLUNK, "http://h:1");

	(void)state;
	s.index = "main";
	assert_body(&s, "http://h:1/services/collector/event", "application/json",
		    "{\"time\":1767323045.123456789,\"host\":\"h1\",\"source\":\"web\",\"sourcetype\":\"zinit\",\"index\":\"main\","
		    "\"event\":\"hello \\\"you\\\"\",\"fields\":{\"service\":\"web\",\"stream\":\"stdout\",\"id\":\"ab-7\",\"run\":\"3\"}}\n"
		    "{\"time\":1767323045.123456789,\"host\":\"h1\",\"source\":\"db\",\"sourcetype\":\"zinit\",\"index\":\"main\","
		    "\"event\":\"oops\",\"fields\":{\"service\":\"db\",\"stream\":\"stderr\",\"id\":\"ab-8\",\"pid\":\"42\","
		    "\"level\":\"error\",\"partial\":\"true\"}}\n"
		    "{\"time\":1767323045.123456790,\"host\":\"h1\",\"source\":\"web\",\"sourcetype\":\"zinit\",\"index\":\"main\","
		    "\"event\":\"[zinit: 5 lines lost: over\\twritten]\",\"fields\":{\"service\":\"web\",\"stream\":\"stdout\","
		    "\"id\":\"ab-9-gap\",\"run\":\"3\",\"lost\":\"5\",\"lost_to\":\"13\"}}\n");
	assert_string_equal(ship_auth_scheme(&s), "Splunk");
}

static void test_syslog(void **state)
{
	static const char *const labels[] = { "a=b]\"\\c", NULL };
	struct ship_settings s = settings_of(SHIP_SYSLOG, "tcp://h:1");

	(void)state;
	s.labels = labels;
	assert_body(&s, "", NULL,
		    "106 <14>1 2026-01-02T03:04:05.123456Z h1 web - stdout [zinit@32473 id=\"ab-7\" run=\"3\" a=\"b\\]\\\"\\\\c\"] "
		    "hello \"you\""
		    "103 <11>1 2026-01-02T03:04:05.123456Z h1 db 42 stderr [zinit@32473 id=\"ab-8\" partial=\"1\" a=\"b\\]\\\"\\\\c\"] "
		    "oops"
		    "156 <12>1 2026-01-02T03:04:05.123456Z h1 web - stdout [zinit@32473 id=\"ab-9-gap\" run=\"3\" lost=\"5\" "
		    "lost_to=\"13\" a=\"b\\]\\\"\\\\c\"] [zinit: 5 lines lost: over\twritten]");
	assert_true(ship_is_silent(&s));
}

static void test_query_of_victorialogs_and_clickhouse(void **state)
{
	struct ship_settings s = settings_of(SHIP_VICTORIALOGS, "http://h:1?_stream_fields=service");
	struct ship_sink sink = sink_of(&s);
	struct ship_request r = ship_request_empty();
	struct ship_line lines[1] = { line_of(1, "a") };
	struct ship_batch batch = { lines, 1 };
	struct error err;

	(void)state;
	assert_int_equal(ship_encode(&sink, &batch, &r, NULL), 0);
	assert_string_equal(r.url.data, "http://h:1/insert/jsonline?_stream_fields=service&_msg_field=content&_time_field=timestamp");

	s = settings_of(SHIP_CLICKHOUSE, "http://h:1/?database=logs");
	assert_int_equal(ship_encode(&sink, &batch, &r, &err), -EINVAL);
	assert_string_equal(err.msg, "clickhouse needs 'index', the table to insert into");
	s.index = "t";
	assert_int_equal(ship_encode(&sink, &batch, &r, NULL), 0);
	assert_string_equal(r.url.data,
			    "http://h:1/?database=logs&query=INSERT%20INTO%20t%20FORMAT%20JSONEachRow"
			    "&input_format_skip_unknown_fields=1&date_time_input_format=best_effort&wait_end_of_query=1"
			    "&insert_deduplication_token=zinit-758ae7f356aa066a-1-1");
	sink.quirks = SHIP_QUIRK_NO_TOKEN;
	assert_int_equal(ship_encode(&sink, &batch, &r, NULL), 0);
	assert_null(strstr(r.url.data, "token"));
	assert_non_null(strstr(r.body.data, ",\"timestamp_ns\":1767323045123456789,"));
	ship_request_fini(&r);
}

static void test_headers(void **state)
{
	static const char *const headers[] = { "X-All={sink}/{host}/{boot}/{service}/{lines}/{what}/{", "content-type=text/x",
					       NULL };
	struct ship_settings s = settings_of(SHIP_HTTP, "http://h:1/p?q=1");
	struct ship_sink sink = sink_of(&s);
	struct ship_request r = ship_request_empty();
	struct ship_line lines[2] = { line_of(1, "a"), line_of(2, "b") };
	struct ship_batch batch = { lines, 2 };

	(void)state;
	assert_false(ship_wants_one_service(&s));
	s.headers = headers;
	assert_true(ship_wants_one_service(&s));
	lines[0].service = "evil\r\nX-Injected: 1";
	assert_int_equal(ship_encode(&sink, &batch, &r, NULL), 0);
	assert_string_equal(r.url.data, "http://h:1/p?q=1");
	assert_string_equal(header_of(&r, "X-All"), "s1/h1/b00t/evil??X-Injected: 1/2/{what}/{");
	assert_string_equal(header_of(&r, "Content-Type"), "text/x");
	assert_null(header_of(&r, "X-Injected"));
	ship_request_fini(&r);
}

/* The same lines have the same name, others have another. */
static void test_batch_names(void **state)
{
	static const char *const headers[] = { "Idempotency-Key={batch}", NULL };
	struct ship_settings s = settings_of(SHIP_HTTP, "http://h:1");
	struct ship_sink sink = sink_of(&s);
	struct ship_request one = ship_request_empty(), two = ship_request_empty();
	struct ship_line lines[3] = { line_of(1, "a"), line_of(2, "b"), line_of(3, "c") };

	(void)state;
	s.headers = headers;
	assert_int_equal(ship_encode(&sink, &(struct ship_batch){ lines, 2 }, &one, NULL), 0);
	assert_int_equal(ship_encode(&sink, &(struct ship_batch){ lines, 2 }, &two, NULL), 0);
	assert_string_equal(header_of(&one, "Idempotency-Key"), header_of(&two, "Idempotency-Key"));
	assert_int_equal(ship_encode(&sink, &(struct ship_batch){ lines, 3 }, &two, NULL), 0);
	assert_string_not_equal(header_of(&one, "Idempotency-Key"), header_of(&two, "Idempotency-Key"));
	assert_int_equal(ship_encode(&sink, &(struct ship_batch){ lines + 1, 2 }, &two, NULL), 0);
	assert_string_not_equal(header_of(&one, "Idempotency-Key"), header_of(&two, "Idempotency-Key"));
	ship_request_fini(&one);
	ship_request_fini(&two);
}

/* A long line for syslog goes in parts that no receiver cuts, whole characters each. */
static void test_syslog_parts(void **state)
{
	struct ship_settings s = settings_of(SHIP_SYSLOG, "tcp://h:1");
	struct ship_sink sink = sink_of(&s);
	struct ship_request r = ship_request_empty();
	struct ship_line lines[2] = { line_of(1, ""), line_of(2, "end") };
	struct ship_batch batch = { lines, 2 };
	static char text[20001];
	size_t seen = 0, parts = 0;
	char *at;

	(void)state;
	for (size_t i = 0; i < 20000; i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	lines[0].text = text;
	lines[0].len = 20000;
	assert_int_equal(ship_encode(&sink, &batch, &r, NULL), 0);
	for (at = r.body.data; at < r.body.data + r.ends[0]; parts++) {
		size_t frame = strtoul(at, &at, 10);
		char *body = memmem(at, frame, "] ", 2);

		assert_true(frame <= 8000);
		assert_int_equal(*at++, ' ');
		assert_non_null(body);
		assert_int_equal((at + frame - body) % 2, 0);
		assert_memory_equal(body + 2, text, (size_t)(at + frame - body) - 2);
		seen += (size_t)(at + frame - body) - 2;
		at += frame;
	}
	assert_int_equal(seen, 20000);
	assert_int_equal(parts, 3);
	assert_non_null(strstr(r.body.data, " part=\"3\" parts=\"3\"]"));
	assert_int_equal(r.ends[1], r.body.len);
	assert_memory_equal(r.body.data + r.body.len - 3, "end", 3);
	ship_request_fini(&r);
}

static void test_compression(void **state)
{
	struct ship_settings s = settings_of(SHIP_LOKI, "http://h:1");
	struct ship_sink sink = sink_of(&s);
	struct ship_request plain = ship_request_empty(), r = ship_request_empty();
	struct ship_line lines[1] = { line_of(1, "a") };
	struct ship_batch batch = { lines, 1 };
	static const enum ship_compression all[] = { SHIP_COMPRESSION_GZIP, SHIP_COMPRESSION_ZSTD };

	(void)state;
	assert_int_equal(ship_encode(&sink, &batch, &plain, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct strbuf back;

		s.compression = all[i];
		assert_int_equal(ship_encode(&sink, &batch, &r, NULL), 0);
		assert_string_equal(header_of(&r, "Content-Encoding"), "gzip"); /* Loki takes no zstd */
		back = plain_of(&r);
		assert_string_equal(back.data, plain.body.data);
		strbuf_fini(&back);
	}
	sink.quirks = SHIP_QUIRK_NO_COMPRESSION;
	assert_int_equal(ship_encode(&sink, &batch, &r, NULL), 0);
	assert_null(header_of(&r, "Content-Encoding"));
	assert_string_equal(r.body.data, plain.body.data);
	ship_request_fini(&r);
	ship_request_fini(&plain);
}

/* More than a body may hold: said as such, so that the sender splits. */
static void test_too_large(void **state)
{
	struct ship_settings s = settings_of(SHIP_HTTP, "http://h:1");
	struct ship_sink sink = sink_of(&s);
	struct ship_request r = ship_request_empty();
	static char text[1 << 20];
	struct ship_line *lines = calloc(32, sizeof(*lines));
	struct ship_batch batch = { lines, 32 };

	(void)state;
	assert_non_null(lines);
	memset(text, 1, sizeof(text)); /* six bytes each: 192 MB */
	for (size_t i = 0; i < 32; i++) {
		lines[i] = line_of(i, "");
		lines[i].text = text;
		lines[i].len = sizeof(text);
	}
	assert_int_equal(ship_encode(&sink, &batch, &r, NULL), -ENOBUFS);
	assert_int_equal(r.body.len, 0);
	batch.count = 1;
	assert_int_equal(ship_encode(&sink, &batch, &r, NULL), 0);
	ship_request_fini(&r);
	free(lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vector),
		cmocka_unit_test(test_array_stands_on_one_line),
		cmocka_unit_test(test_loki),
		cmocka_unit_test(test_otlp),
		cmocka_unit_test(test_bulk),
		cmocka_unit_test(test_splunk),
		cmocka_unit_test(test_syslog),
		cmocka_unit_test(test_query_of_victorialogs_and_clickhouse),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_batch_names),
		cmocka_unit_test(test_syslog_parts),
		cmocka_unit_test(test_compression),
		cmocka_unit_test(test_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
