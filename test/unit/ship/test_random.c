/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Properties of all encoders on lines of random bytes: what comes out is what the format's own grammar says (JSON by
 * jansson, syslog by its lengths), every text comes back (ill-formed UTF-8 as U+FFFD), in order, and twice is the same.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "../testing.h"
#include "base/utf8.h"
#include "batches.h"

#define ROUNDS 300
#define LINES_MAX 40
#define TEXT_MAX 300

static uint64_t seed = 1;

static uint32_t any(uint32_t below)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(seed >> 33) % below;
}

/* Bytes of all kinds, with runs of text, of controls, of UTF-8 whole and cut. */
static void fill_text(char *text, uint32_t len)
{
	static const char *const pieces[] = { "plain ", "\x1b[31m", "\"", "\\", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
					      "\xe2\x82", "\xff\xfe", "\x80", "\r", "\t", "\x7f", "]", "{}", "\xed\xa0\x80" };
	uint32_t at = 0;

	while (at < len) {
		const char *piece = pieces[any(ARRAY_LEN(pieces))];
		size_t n = MIN(strlen(piece), len - at);

		memcpy(text + at, piece, n);
		at += (uint32_t)n;
		if (any(8) == 0 && at < len)
			text[at++] = (char)any(256);
	}
	for (uint32_t i = 0; i < len; i++)
		text[i] = text[i] == '\n' ? '\0' : text[i];
}

struct sample {
	struct ship_line lines[LINES_MAX];
	struct ship_batch batch;
	char text[LINES_MAX][TEXT_MAX];
};

static void make_sample(struct sample *s)
{
	static const char *const services[] = { "web", "db", "a.b-c", "web2" };

	s->batch = (struct ship_batch){ s->lines, 1 + any(LINES_MAX) };
	for (size_t i = 0; i < s->batch.count; i++) {
		struct ship_line *line = &s->lines[i];

		*line = line_of(i, "");
		line->len = any(4) ? any(TEXT_MAX) : any(3);
		line->text = s->text[i];
		line->service = services[any(ARRAY_LEN(services))];
		line->stream = (uint8_t)any(LOG_STREAM_N);
		line->level = (int8_t)((int)any(9) - 1);
		line->run = any(3);
		line->pid = any(2) * 77;
		line->time = NOON + any(3) * (NSEC_PER_SEC / 2);
		line->tie = any(4);
		line->flags = (uint16_t)(any(2) ? LINE_PARTIAL : LINE_CONTINUED);
		fill_text(s->text[i], line->len);
	}
}

/* The text as JSON has to carry it. */
static struct strbuf repaired(const struct ship_line *line)
{
	struct strbuf out = STRBUF(TEXT_MAX * 3 + 1);

	for (size_t i = 0; i < line->len;) {
		size_t n = utf8_sequence(line->text + i, line->len - i);

		(void)strbuf_add(&out, n ? line->text + i : "\xef\xbf\xbd", n ? n : 3);
		i += n ? n : 1;
	}
	return out;
}

static void assert_text(const json_t *got, const struct ship_line *line)
{
	struct strbuf want = repaired(line);

	assert_true(json_is_string(got));
	assert_int_equal(json_string_length(got), want.len);
	assert_memory_equal(json_string_value(got), strbuf_str(&want), want.len);
	strbuf_fini(&want);
}

static json_t *parse(const char *text, size_t len)
{
	json_t *value = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);

	assert_non_null(value);
	return value;
}

/* One JSON object a line; every `step`th has the text under `key`. */
static void check_lines(const struct strbuf *body, const struct ship_batch *batch, const char *key, size_t step)
{
	const char *at = body->data;
	size_t n = 0;

	for (; at < body->data + body->len; n++) {
		const char *end = memchr(at, '\n', (size_t)(body->data + body->len - at));
		json_t *record;

		assert_non_null(end);
		record = parse(at, (size_t)(end - at));
		if (n % step == step - 1)
			assert_text(json_object_get(record, key), &batch->lines[n / step]);
		json_decref(record);
		at = end + 1;
	}
	assert_int_equal(n, batch->count * step);
}

static void check_ndjson(const struct strbuf *body, const struct ship_batch *batch)
{
	check_lines(body, batch, "content", 1);
}

static void check_bulk(const struct strbuf *body, const struct ship_batch *batch)
{
	check_lines(body, batch, "message", 2);
}

static void check_splunk(const struct strbuf *body, const struct ship_batch *batch)
{
	struct ship_line lines[LINES_MAX];

	for (size_t i = 0; i < batch->count; i++) { /* an empty event is refused there */
		lines[i] = batch->lines[i];
		if (!lines[i].len) {
			lines[i].text = " ";
			lines[i].len = 1;
		}
	}
	check_lines(body, &(struct ship_batch){ lines, batch->count }, "event", 1);
}

static void check_array(const struct strbuf *body, const struct ship_batch *batch)
{
	json_t *all = parse(body->data, body->len);

	assert_int_equal(json_array_size(all), batch->count);
	assert_ptr_equal(memchr(body->data, '\n', body->len), body->data + body->len - 1);
	for (size_t i = 0; i < batch->count; i++)
		assert_text(json_object_get(json_array_get(all, i), "content"), &batch->lines[i]);
	json_decref(all);
}

/* The next line of the batch from `from` on that is of this service, and of this stream if there is one. */
static size_t find_line(const struct ship_batch *batch, size_t from, const char *service, const char *stream)
{
	while (from < batch->count && (strcmp(batch->lines[from].service, service) != 0 ||
				       (stream && strcmp(log_stream_name(batch->lines[from].stream), stream) != 0)))
		from++;
	assert_true(from < batch->count);
	return from;
}

static void check_loki(const struct strbuf *body, const struct ship_batch *batch)
{
	json_t *all = parse(body->data, body->len);
	json_t *stream, *value;
	size_t i, j, total = 0;

	json_array_foreach(json_object_get(all, "streams"), i, stream) {
		json_t *labels = json_object_get(stream, "stream");
		const char *service = json_string_value(json_object_get(labels, "service_name"));
		const char *name = json_string_value(json_object_get(labels, "stream"));
		size_t at = 0;

		json_array_foreach(json_object_get(stream, "values"), j, value) {
			at = find_line(batch, at, service, name);
			assert_text(json_array_get(value, 1), &batch->lines[at]);
			assert_int_equal(strtoll(json_string_value(json_array_get(value, 0)), NULL, 10),
					 batch->lines[at].time + batch->lines[at].tie);
			at++;
			total++;
		}
	}
	assert_int_equal(total, batch->count);
	json_decref(all);
}

static void check_otlp(const struct strbuf *body, const struct ship_batch *batch)
{
	json_t *all = parse(body->data, body->len);
	json_t *resource, *record;
	size_t i, j, total = 0;

	json_array_foreach(json_object_get(all, "resourceLogs"), i, resource) {
		json_t *attribute =
			json_array_get(json_object_get(json_object_get(resource, "resource"), "attributes"), 0);
		const char *service =
			json_string_value(json_object_get(json_object_get(attribute, "value"), "stringValue"));
		json_t *scope = json_array_get(json_object_get(resource, "scopeLogs"), 0);
		size_t at = 0;

		json_array_foreach(json_object_get(scope, "logRecords"), j, record) {
			at = find_line(batch, at, service, NULL);
			assert_text(json_object_get(json_object_get(record, "body"), "stringValue"), &batch->lines[at]);
			at++;
			total++;
		}
	}
	assert_int_equal(total, batch->count);
	json_decref(all);
}

static void check_syslog(const struct strbuf *body, const struct ship_batch *batch)
{
	char *at = body->data;

	for (size_t i = 0; i < batch->count; i++) {
		size_t frame = strtoul(at, &at, 10);
		const struct ship_line *line = &batch->lines[i];
		char *text;

		assert_int_equal(*at++, ' ');
		assert_true(at + frame <= body->data + body->len);
		text = at + frame - line->len;
		assert_memory_equal(text, line->text, line->len); /* as it is */
		if (line->len) {
			assert_int_equal(text[-1], ' ');
			text--;
		}
		assert_int_equal(text[-1], ']');
		at += frame;
	}
	assert_ptr_equal(at, body->data + body->len);
}

static const struct {
	enum ship_type type;
	enum ship_framing framing;
	void (*check)(const struct strbuf *body, const struct ship_batch *batch);
} cases[] = {
	{ SHIP_VECTOR, SHIP_FRAMING_NDJSON, check_ndjson },
	{ SHIP_VECTOR, SHIP_FRAMING_ARRAY, check_array },
	{ SHIP_HTTP, SHIP_FRAMING_NDJSON, check_ndjson },
	{ SHIP_VICTORIALOGS, SHIP_FRAMING_NDJSON, check_ndjson },
	{ SHIP_CLICKHOUSE, SHIP_FRAMING_NDJSON, check_ndjson },
	{ SHIP_LOKI, SHIP_FRAMING_NDJSON, check_loki },
	{ SHIP_OTLP, SHIP_FRAMING_NDJSON, check_otlp },
	{ SHIP_ELASTICSEARCH, SHIP_FRAMING_NDJSON, check_bulk },
	{ SHIP_SPLUNK, SHIP_FRAMING_NDJSON, check_splunk },
	{ SHIP_SYSLOG, SHIP_FRAMING_NDJSON, check_syslog },
};

static void try_case(size_t n, const struct ship_batch *batch, struct ship_request *r, struct ship_request *again)
{
	struct ship_settings settings = settings_of(cases[n].type, "http://h:1");
	struct ship_sink sink = sink_of(&settings);
	struct strbuf body;

	settings.index = "t";
	settings.framing = cases[n].framing;
	settings.compression = (enum ship_compression)any(3);
	assert_int_equal(ship_encode(&sink, batch, r, NULL), 0);
	assert_int_equal(ship_encode(&sink, batch, again, NULL), 0);
	assert_int_equal(r->body.len, again->body.len);
	assert_memory_equal(r->body.data, again->body.data, r->body.len);
	assert_string_equal(strbuf_str(&r->url), strbuf_str(&again->url));
	body = plain_of(r);
	cases[n].check(&body, batch);
	strbuf_fini(&body);
}

static void test_all_formats(void **state)
{
	struct ship_request r = ship_request_empty(), again = ship_request_empty();
	struct sample *sample = malloc(sizeof(*sample));

	(void)state;
	assert_non_null(sample);
	for (int round = 0; round < ROUNDS; round++) {
		make_sample(sample);
		for (size_t i = 0; i < ARRAY_LEN(cases); i++)
			try_case(i, &sample->batch, &r, &again);
	}
	free(sample);
	ship_request_fini(&r);
	ship_request_fini(&again);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_all_formats) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
