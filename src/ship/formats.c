/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the table of formats, and what all of them do alike: URL, headers, compression. */
#include "ship/format.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#include "base/limits.h"
#include "ship/compress.h"
#include "ship/pieces.h"

#define SLOT_SERVICE "{service}"
#define BATCH_ID_SIZE 64

/* --- queries ---------------------------------------------------------------------------------- */

/* True if the URL's query has a parameter `name`. */
static bool has_param(const char *url, const char *name)
{
	const char *at = strchr(url, '?');
	size_t len = strlen(name);

	for (; at; at = strchr(at, '&')) {
		at++;
		if (strncmp(at, name, len) == 0 && (at[len] == '=' || at[len] == '&' || !at[len]))
			return true;
	}
	return false;
}

void url_param(struct strbuf *url, const char *name, const char *value)
{
	if (has_param(strbuf_str(url), name))
		return;
	(void)strbuf_putc(url, strchr(strbuf_str(url), '?') ? '&' : '?');
	(void)strbuf_puts(url, name);
	PUT(url, "=");
	put_query(url, value);
}

/* FNV-1a: what the hash has to do is to differ where the lines differ; nobody gains by a collision of his own lines. */
static uint64_t hash_add(uint64_t hash, const void *data, size_t len)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3ULL;
	return hash;
}

/* Names a batch by the identities of its lines: the same lines give the same name, whoever sends them again. */
static void batch_id(const struct ship_sink *sink, const struct ship_batch *batch, char out[BATCH_ID_SIZE])
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	hash = hash_add(hash, sink->host, strlen(sink->host) + 1);
	for (size_t i = 0; i < batch->count; i++) {
		const struct ship_line *line = &batch->lines[i];

		hash = hash_add(hash, line->service, strlen(line->service) + 1);
		hash = hash_add(hash, &line->ring, sizeof(line->ring));
		hash = hash_add(hash, &line->sequence, sizeof(line->sequence));
		hash = hash_add(hash, &line->lost, is_gap(line) ? sizeof(line->lost) : 0);
	}
	(void)snprintf(out, BATCH_ID_SIZE, "zinit-%016" PRIx64 "-%" PRIu64 "-%zu", hash, batch->lines[0].sequence,
		       batch->count);
}

static int query_bulk(const struct ship_sink *sink, const struct ship_batch *batch, struct strbuf *url,
		      struct error *err)
{
	(void)sink;
	(void)batch;
	(void)err;
	/* an answer is as long as the request otherwise; the status of each item must be in it */
	url_param(url, "filter_path", "errors,items.*.status,items.*.error.type,items.*.error.reason");
	return 0;
}

static int query_victorialogs(const struct ship_sink *sink, const struct ship_batch *batch, struct strbuf *url,
			      struct error *err)
{
	(void)sink;
	(void)batch;
	(void)err;
	url_param(url, "_stream_fields", "host,service,stream");
	url_param(url, "_msg_field", "content");
	url_param(url, "_time_field", "timestamp");
	return 0;
}

static int query_clickhouse(const struct ship_sink *sink, const struct ship_batch *batch, struct strbuf *url,
			    struct error *err)
{
	char id[BATCH_ID_SIZE];

	if (sink->settings->index) {
		AUTO(strbuf_fini) struct strbuf query = STRBUF(4096);

		(void)strbuf_addf(&query, "INSERT INTO %s FORMAT JSONEachRow", sink->settings->index);
		if (query.failed)
			return error_set(err, EINVAL, "index: too long for the name of a table");
		url_param(url, "query", query.data);
	} else if (!has_param(strbuf_str(url), "query")) {
		return error_set(err, EINVAL, "clickhouse needs 'index', the table to insert into");
	}
	url_param(url, "input_format_skip_unknown_fields", "1");
	url_param(url, "date_time_input_format", "best_effort");
	url_param(url, "wait_end_of_query", "1"); /* an error that comes late must not hide behind a 200 */
	if (!(sink->quirks & SHIP_QUIRK_NO_TOKEN)) {
		batch_id(sink, batch, id);
		url_param(url, "insert_deduplication_token", id);
	}
	return 0;
}

/* --- the table -------------------------------------------------------------------------------- */

#define NDJSON "application/x-ndjson"
#define JSON "application/json"

static const struct format formats[] = {
	[SHIP_VECTOR] = { .path = "/", .content_type = NDJSON, .array_type = JSON,
			  .takes = TAKES_GZIP | TAKES_ZSTD, .encode = encode_ndjson },
	[SHIP_LOKI] = { .path = "/loki/api/v1/push", .content_type = JSON,
			.takes = TAKES_GZIP, .encode = encode_loki, .judge = judge_loki },
	[SHIP_OTLP] = { .path = "/v1/logs", .content_type = JSON,
			.takes = TAKES_GZIP | TAKES_ZSTD, .encode = encode_otlp, .judge = judge_otlp },
	[SHIP_ELASTICSEARCH] = { .path = "/_bulk", .content_type = NDJSON,
				 .takes = TAKES_GZIP, .encode = encode_bulk, .query = query_bulk, .judge = judge_bulk },
	[SHIP_VICTORIALOGS] = { .path = "/insert/jsonline", .content_type = "application/stream+json",
				.takes = TAKES_GZIP | TAKES_ZSTD, .encode = encode_ndjson, .query = query_victorialogs },
	[SHIP_CLICKHOUSE] = { .path = "/", .content_type = NDJSON,
			      .takes = TAKES_GZIP | TAKES_ZSTD, .encode = encode_clickhouse, .query = query_clickhouse,
			      .judge = judge_clickhouse },
	[SHIP_SPLUNK] = { .path = "/services/collector/event", .content_type = JSON, .auth_scheme = "Splunk",
			  .takes = TAKES_GZIP, .encode = encode_splunk, .judge = judge_splunk },
	[SHIP_SYSLOG] = { .encode = encode_syslog },
	[SHIP_HTTP] = { .path = "/", .content_type = NDJSON, .array_type = JSON,
			.takes = TAKES_GZIP | TAKES_ZSTD, .encode = encode_ndjson },
};

const struct format *format_of(const struct ship_settings *settings)
{
	return &formats[settings->type];
}

const char *ship_auth_scheme(const struct ship_settings *settings)
{
	const char *scheme = format_of(settings)->auth_scheme;

	return scheme ? scheme : "Bearer";
}

bool ship_is_silent(const struct ship_settings *settings)
{
	return !format_of(settings)->path;
}

bool ship_wants_one_service(const struct ship_settings *settings)
{
	for (const char *const *h = settings->headers; h && *h; h++) {
		size_t len;

		if (strstr(pair_split(*h, &len), SLOT_SERVICE))
			return true;
	}
	return false;
}

/* --- URL and headers -------------------------------------------------------------------------- */

/* The endpoint; where it names no path, with that of the format. */
static int make_url(const struct ship_sink *sink, const struct ship_batch *batch, struct strbuf *url, struct error *err)
{
	const struct format *format = format_of(sink->settings);
	const char *endpoint = sink->settings->endpoint;
	const char *host = strstr(endpoint, "://");
	size_t head;
	const char *rest;
	int r;

	if (!host)
		return error_set(err, EINVAL, "endpoint '%s': not a URL", endpoint);
	head = (size_t)(host + 3 - endpoint) + strcspn(host + 3, "/?#");
	rest = endpoint + head;
	(void)strbuf_add(url, endpoint, head);
	if (!*rest || *rest == '?' || (rest[0] == '/' && (!rest[1] || rest[1] == '?'))) {
		(void)strbuf_puts(url, format->path);
		rest += *rest == '/';
	}
	(void)strbuf_puts(url, rest);
	r = format->query ? format->query(sink, batch, url, err) : 0;
	if (r == 0 && url->failed)
		return error_set(err, EINVAL, "endpoint: too long");
	return r;
}

static void fill_slot(struct strbuf *to, const char *slot, size_t len, const struct ship_sink *sink,
		      const struct ship_batch *batch)
{
	char id[BATCH_ID_SIZE], lines[BATCH_ID_SIZE];
	const struct {
		const char *name, *value;
	} slots[] = {
		{ "{host}", sink->host },
		{ "{boot}", sink->boot },
		{ "{sink}", sink->settings->name },
		{ SLOT_SERVICE, batch->lines[0].service },
		{ "{lines}", lines },
		{ "{batch}", id },
	};

	batch_id(sink, batch, id);
	(void)snprintf(lines, sizeof(lines), "%zu", batch->count);
	for (size_t i = 0; i < ARRAY_LEN(slots); i++) {
		if (strlen(slots[i].name) == len && memcmp(slots[i].name, slot, len) == 0) {
			(void)strbuf_puts(to, slots[i].value);
			return;
		}
	}
	(void)strbuf_add(to, slot, len); /* braces of the value's own */
}

static void put_template(struct strbuf *to, const char *value, const struct ship_sink *sink,
			 const struct ship_batch *batch)
{
	while (*value) {
		size_t plain = strcspn(value, "{");
		const char *end = strchr(value + plain, '}');

		(void)strbuf_add(to, value, plain);
		value += plain;
		if (!*value)
			break;
		if (!end) {
			(void)strbuf_puts(to, value);
			break;
		}
		fill_slot(to, value, (size_t)(end - value) + 1, sink, batch);
		value = end + 1;
	}
}

static bool is_configured(const struct ship_settings *s, const char *name)
{
	for (const char *const *h = s->headers; h && *h; h++) {
		size_t len;

		(void)pair_split(*h, &len);
		if (len == strlen(name) && strncasecmp(*h, name, len) == 0)
			return true;
	}
	return false;
}

static void put_header(struct strbuf *to, const struct ship_settings *s, const char *name, const char *value)
{
	if (!value || is_configured(s, name))
		return;
	(void)strbuf_puts(to, name);
	PUT(to, ": ");
	(void)strbuf_puts(to, value);
	(void)strbuf_putc(to, '\0');
}

/* A value that a label or a service's name brought in must not end the header. */
static void tame(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			text[i] = '?';
	}
}

static int make_headers(const struct ship_sink *sink, const struct ship_batch *batch, enum ship_compression encoding,
			struct strbuf *to, struct error *err)
{
	const struct ship_settings *s = sink->settings;
	const struct format *format = format_of(s);
	bool array = s->framing == SHIP_FRAMING_ARRAY && format->array_type;

	put_header(to, s, "Content-Type", array ? format->array_type : format->content_type);
	put_header(to, s, "Content-Encoding", compress_name(encoding));
	for (const char *const *h = s->headers; h && *h; h++) {
		size_t len, from;
		const char *value = pair_split(*h, &len);

		from = to->len;
		(void)strbuf_add(to, *h, len);
		PUT(to, ": ");
		put_template(to, value, sink, batch);
		if (!to->failed)
			tame(to->data + from, to->len - from);
		(void)strbuf_putc(to, '\0');
	}
	return to->failed ? error_set(err, EINVAL, "headers: too long") : 0;
}

/* --- the request ------------------------------------------------------------------------------ */

static enum ship_compression encoding_of(const struct ship_sink *sink)
{
	enum ship_compression wanted = sink->settings->compression;
	unsigned int takes = format_of(sink->settings)->takes;

	if (wanted == SHIP_COMPRESSION_NONE || (sink->quirks & SHIP_QUIRK_NO_COMPRESSION) || !takes)
		return SHIP_COMPRESSION_NONE;
	return takes & (1U << wanted) ? wanted : SHIP_COMPRESSION_GZIP;
}

static void clear(struct ship_request *r)
{
	strbuf_reset(&r->url);
	strbuf_reset(&r->headers);
	strbuf_reset(&r->body);
	strbuf_reset(&r->plain);
	strbuf_reset(&r->scratch);
	r->method = NULL;
	r->plain_bytes = 0;
}

static int make_body(const struct ship_sink *sink, const struct ship_batch *batch, enum ship_compression encoding,
		     struct ship_request *out, struct error *err)
{
	bool plain = encoding == SHIP_COMPRESSION_NONE;
	struct strbuf *to = plain ? &out->body : &out->plain;
	int r = format_of(sink->settings)->encode(sink, batch, to, out, err);

	if (r == 0 && to->failed) /* short of memory or of room: what was reserved last tells them apart no more */
		r = to->len > to->max / 2 ? -ENOBUFS : -ENOMEM;
	if (r == 0 && !plain)
		r = compress_add(&out->body, encoding, to);
	out->plain_bytes = to->len;
	return r;
}

int ship_encode(const struct ship_sink *sink, const struct ship_batch *batch, struct ship_request *out,
		struct error *err)
{
	enum ship_compression encoding = encoding_of(sink);
	int r = 0;

	clear(out);
	if (!ship_is_silent(sink->settings)) {
		out->method = "POST";
		r = make_url(sink, batch, &out->url, err);
		if (r == 0)
			r = make_headers(sink, batch, encoding, &out->headers, err);
	}
	if (r == 0)
		r = make_body(sink, batch, encoding, out, err);
	if (r < 0)
		clear(out);
	return r;
}
