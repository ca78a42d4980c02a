/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows the request that our encoders make of lines on standard input: a line of JSON with URL and headers, then the
 * body as it would be sent. Lines are numbered; one after the other they belong to the services that are named.
 *
 *	encode_batch TYPE ENDPOINT [index=NAME] [compression=gzip|zstd] [framing=array] [time=NS] [first=N] [services=a,b]
 *		[quirks=BITS]
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ship/batch.h"

#define SERVICES_MAX 16

struct options {
	struct ship_settings settings;
	ts_ns time;
	uint64_t first;
	unsigned int quirks;
	const char *services[SERVICES_MAX];
	size_t n_services;
};

static int find(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (str_equal(name, names[i]))
			return (int)i;
	}
	(void)fprintf(stderr, "encode_batch: what is '%s'?\n", name);
	exit(2);
}

static void take_option(struct options *o, char *option)
{
	static const char *const compressions[] = { "none", "gzip", "zstd" };
	static const char *const framings[] = { "ndjson", "array" };
	static const char *const keys[] = { "index", "compression", "framing", "time", "first", "services", "quirks" };
	char *value = strchr(option, '=');
	char *rest = NULL;

	if (!value)
		find(option, keys, 0);
	*value++ = '\0';
	switch (find(option, keys, ARRAY_LEN(keys))) {
	case 0:
		o->settings.index = value;
		break;
	case 1:
		o->settings.compression = (enum ship_compression)find(value, compressions, 3);
		break;
	case 2:
		o->settings.framing = (enum ship_framing)find(value, framings, 2);
		break;
	case 3:
		o->time = strtoll(value, NULL, 10);
		break;
	case 4:
		o->first = strtoull(value, NULL, 10);
		break;
	case 5:
		o->n_services = 0;
		for (char *s = strtok_r(value, ",", &rest); s && o->n_services < SERVICES_MAX; s = strtok_r(NULL, ",", &rest))
			o->services[o->n_services++] = s;
		break;
	default:
		o->quirks = (unsigned int)strtoul(value, NULL, 10);
	}
}

static size_t make_lines(const struct options *o, const struct strbuf *text, struct ship_line **out)
{
	const char *at = strbuf_str(text);
	const char *end = at + text->len;
	struct ship_line *lines = NULL;
	size_t n = 0;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((newline ? newline : end) - at);

		lines = realloc(lines, (n + 1) * sizeof(*lines));
		if (!lines)
			exit(1);
		lines[n] = (struct ship_line){ .service = o->services[n % o->n_services], .text = at, .len = (uint32_t)len,
					       .level = -1, .stream = n % 2 ? LOG_STDERR : LOG_STDOUT, .time = o->time,
					       .tie = (uint32_t)n, .run = 1, .ring = 0xfeed, .sequence = o->first + n };
		n++;
		at += len + 1;
	}
	*out = lines;
	return n;
}

static void show(const struct ship_request *r)
{
	json_t *headers = json_array();
	json_t *head;

	for (const char *h = NULL; (h = ship_header_next(r, h));)
		(void)json_array_append_new(headers, json_string(h));
	head = json_pack("{s:s, s:o}", "url", strbuf_str(&r->url), "headers", headers);
	(void)json_dumpf(head, stdout, JSON_COMPACT);
	(void)putchar('\n');
	(void)fwrite(r->body.data, 1, r->body.len, stdout);
	json_decref(head);
}

int main(int argc, char **argv)
{
	static const char *const types[] = { "vector", "loki", "otlp", "elasticsearch", "victorialogs", "clickhouse",
					     "splunk", "syslog", "http" };
	struct options o = { .settings = { .name = "test" }, .services = { "web" }, .n_services = 1 };
	struct strbuf text = STRBUF(256U << 20);
	struct ship_request r = ship_request_empty();
	struct ship_batch batch;
	struct ship_line *lines;
	struct error err = { 0 };
	char chunk[4096];
	size_t n;

	if (argc < 3)
		return 2;
	o.settings.type = (enum ship_type)find(argv[1], types, ARRAY_LEN(types));
	o.settings.endpoint = argv[2];
	o.time = time_realtime();
	for (int i = 3; i < argc; i++)
		take_option(&o, argv[i]);
	while ((n = fread(chunk, 1, sizeof(chunk), stdin)) > 0)
		(void)strbuf_add(&text, chunk, n);
	batch.count = make_lines(&o, &text, &lines);
	batch.lines = lines;
	if (batch.count == 0 || ship_encode(&(struct ship_sink){ .settings = &o.settings, .host = "testhost", .boot = "b",
								 .quirks = o.quirks }, &batch, &r, &err) < 0) {
		(void)fprintf(stderr, "encode_batch: %s\n", err.msg);
		return 1;
	}
	show(&r);
	ship_request_fini(&r);
	strbuf_fini(&text);
	free(lines);
	return 0;
}
