/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: one sink's HTTP connection: a request at a time on a handle that is kept, so that connections are used again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "worker/transport.h"

#define RETRY_AFTER_SIZE 64

struct http {
	struct transport base;
	CURL *easy;
	struct curl_slist *headers;
	struct strbuf answer;
	bool truncated;
	bool running;
	char retry_after[RETRY_AFTER_SIZE];
	char error[CURL_ERROR_SIZE];
};

static size_t on_body(char *data, size_t size, size_t n, void *user)
{
	struct http *h = user;
	size_t room = LIMIT_SHIP_ANSWER - h->answer.len;

	h->truncated = h->truncated || size * n > room;
	(void)strbuf_add(&h->answer, data, MIN(size * n, room));
	return size * n;
}

static size_t on_header(char *data, size_t size, size_t n, void *user)
{
	static const char name[] = "retry-after:";
	struct http *h = user;
	size_t len = size * n;
	size_t at = sizeof(name) - 1;

	if (len <= at || strncasecmp(data, name, at) != 0)
		return len;
	while (at < len && (data[at] == ' ' || data[at] == '\t'))
		at++;
	len -= at;
	if (len < sizeof(h->retry_after)) {
		memcpy(h->retry_after, data + at, len);
		h->retry_after[len] = '\0';
		h->retry_after[strcspn(h->retry_after, "\r\n")] = '\0';
	}
	return size * n;
}

static int add_header(struct http *h, const char *line)
{
	struct curl_slist *list = curl_slist_append(h->headers, line);

	if (!list)
		return -ENOMEM;
	h->headers = list;
	return 0;
}

static int set_headers(struct http *h, const struct ship_request *request)
{
	int r = 0;

	curl_slist_free_all(STEAL(&h->headers));
	for (const char *line = ship_header_next(request, NULL); line && r == 0; line = ship_header_next(request, line))
		r = add_header(h, line);
	if (r == 0)
		r = add_header(h, "Expect:"); /* a round trip for nothing: the body is sent anyway */
	if (r == 0 && h->base.secret.len)
		r = add_header(h, strbuf_str(&h->base.secret));
	(void)curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, h->headers);
	return r;
}

static void reply(struct http *h, int status, bool cut)
{
	const struct ship_reply r = {
		.status = status,
		.body = status ? strbuf_str(&h->answer) : NULL,
		.len = status ? h->answer.len : 0,
		.truncated = h->truncated,
		.retry_after = h->retry_after[0] ? h->retry_after : NULL,
		.now = time_realtime(),
	};

	if (status == 401 || status == 403)
		h->base.secret_stale = true;
	sink_replied(h->base.sink, &r, cut);
}

static void http_send(struct transport *t)
{
	struct http *h = (struct http *)t;
	const struct ship_request *request = &t->sink->run->request;
	int r = transport_read_secret(t, ship_auth_scheme(t->sink->settings));

	strbuf_reset(&h->answer);
	h->truncated = false;
	h->retry_after[0] = '\0';
	h->error[0] = '\0';
	if (r == 0)
		r = set_headers(h, request);
	(void)curl_easy_setopt(h->easy, CURLOPT_URL, strbuf_str(&request->url));
	(void)curl_easy_setopt(h->easy, CURLOPT_POST, 1L);
	(void)curl_easy_setopt(h->easy, CURLOPT_CUSTOMREQUEST, strcmp(request->method, "POST") == 0 ? NULL : request->method);
	(void)curl_easy_setopt(h->easy, CURLOPT_POSTFIELDS, strbuf_str(&request->body));
	(void)curl_easy_setopt(h->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
	if (r == 0)
		r = net_add(t->sink->shipper->net, h->easy);
	h->running = r == 0;
	if (r < 0)
		transport_fail(t);
}

static void http_done(struct transport *t, CURLcode code)
{
	struct http *h = (struct http *)t;
	curl_off_t connected = 0;
	long status = 0;

	net_remove(t->sink->shipper->net, h->easy);
	h->running = false;
	(void)curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(h->easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
	if (code != CURLE_OK)
		transport_note(t, h->error[0] ? h->error : curl_easy_strerror(code));
	/* a status whose body did not come whole is no answer that can be trusted */
	reply(h, code == CURLE_OK ? (int)status : 0, code != CURLE_OK && connected > 0);
}

static void http_abort(struct transport *t)
{
	struct http *h = (struct http *)t;

	if (h->running)
		net_remove(t->sink->shipper->net, h->easy);
	h->running = false;
	loop_timer_disarm(t->failed);
}

static void http_close(struct transport *t)
{
	struct http *h = (struct http *)t;

	http_abort(t);
	curl_easy_cleanup(h->easy);
	curl_slist_free_all(h->headers);
	strbuf_fini(&h->answer);
	transport_fini(t);
	free(h);
}

static struct transport *http_open(struct sink *sink)
{
	struct http *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->answer = STRBUF(LIMIT_SHIP_ANSWER);
	h->easy = curl_easy_init();
	if (transport_init(&h->base, &transport_http, sink) < 0 || !h->easy) {
		curl_easy_cleanup(h->easy);
		transport_fini(&h->base);
		free(h);
		return NULL;
	}
	transport_set_common(&h->base, h->easy, h->error);
	(void)curl_easy_setopt(h->easy, CURLOPT_TIMEOUT_MS, (long)sink->settings->timeout_ms);
	(void)curl_easy_setopt(h->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	(void)curl_easy_setopt(h->easy, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(h->easy, CURLOPT_WRITEDATA, h);
	(void)curl_easy_setopt(h->easy, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(h->easy, CURLOPT_HEADERDATA, h);
	return &h->base;
}

const struct transport_ops transport_http = {
	.open = http_open, .send = http_send, .done = http_done, .abort = http_abort, .close = http_close,
};
