/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what all transports need of libcurl, and the secrets. */
#include "worker/transport.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"

#define SECRET_MAX (16U << 10)
/* Names are looked up again after this time. */
#define DNS_CACHE_S 30L
/* A connection that nobody uses for so long is not trusted any more: firewalls forget them. */
#define CONNECTION_AGE_S 110L

static void on_failed(struct loop_timer *timer, void *data);

int transport_init(struct transport *t, const struct transport_ops *ops, struct sink *sink)
{
	t->ops = ops;
	t->sink = sink;
	t->secret = STRBUF(SECRET_MAX * 2);
	t->failed = loop_timer_new(sink->shipper->loop, on_failed, t);
	return t->failed ? 0 : -ENOMEM;
}

static void wipe(struct strbuf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->cap);
	strbuf_fini(b);
}

void transport_fini(struct transport *t)
{
	loop_timer_free(t->failed);
	wipe(&t->secret);
}

void transport_done(CURL *easy, CURLcode code, void *data)
{
	struct transport *t = data;

	(void)easy;
	t->ops->done(t, code);
}

void transport_set_common(struct transport *t, CURL *easy, char error[CURL_ERROR_SIZE])
{
	const struct ship_settings *s = t->sink->settings;

	(void)curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
	(void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
	(void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* a look-up that hangs is left to its thread */
	(void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L); /* our secrets are for this receiver */
	(void)curl_easy_setopt(easy, CURLOPT_USERAGENT, "zinit-shipper/" ZINIT_VERSION);
	(void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)s->timeout_ms);
	(void)curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, DNS_CACHE_S);
	(void)curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, CONNECTION_AGE_S);
	(void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, s->tls_verify ? 1L : 0L);
	(void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, s->tls_verify ? 2L : 0L);
	if (s->tls_ca)
		(void)curl_easy_setopt(easy, CURLOPT_CAINFO, s->tls_ca);
	if (s->tls_cert)
		(void)curl_easy_setopt(easy, CURLOPT_SSLCERT, s->tls_cert);
	if (s->tls_key)
		(void)curl_easy_setopt(easy, CURLOPT_SSLKEY, s->tls_key);
	if (s->unix_socket)
		(void)curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, s->unix_socket);
	/* the environment's proxies are not ours: "" is none */
	(void)curl_easy_setopt(easy, CURLOPT_PROXY, s->proxy ? s->proxy : "");
}

/* Base64 (RFC 4648) of what is in `in`. */
static void add_base64(struct strbuf *out, const struct strbuf *in)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *data = (const unsigned char *)strbuf_str(in);

	for (size_t i = 0; i < in->len; i += 3) {
		size_t left = in->len - i;
		unsigned int bits = (unsigned int)data[i] << 16 | (left > 1 ? (unsigned int)data[i + 1] << 8 : 0) |
				    (left > 2 ? data[i + 2] : 0U);

		(void)strbuf_putc(out, digits[bits >> 18]);
		(void)strbuf_putc(out, digits[bits >> 12 & 63]);
		(void)strbuf_putc(out, left > 1 ? digits[bits >> 6 & 63] : '=');
		(void)strbuf_putc(out, left > 2 ? digits[bits & 63] : '=');
	}
}

static int make_header(struct transport *t, const char *text, size_t len, const char *scheme)
{
	const struct ship_settings *s = t->sink->settings;
	AUTO(wipe) struct strbuf pair = STRBUF(SECRET_MAX * 2);

	if (s->auth_type == SHIP_AUTH_BASIC) {
		(void)strbuf_addf(&pair, "%s:", s->auth_user);
		(void)strbuf_add(&pair, text, len);
		(void)strbuf_puts(&t->secret, "Authorization: Basic ");
		add_base64(&t->secret, &pair);
	} else if (s->auth_type == SHIP_AUTH_BEARER) {
		(void)strbuf_addf(&t->secret, "Authorization: %s ", scheme);
		(void)strbuf_add(&t->secret, text, len);
	} else {
		(void)strbuf_addf(&t->secret, "%s: ", s->auth_header);
		(void)strbuf_add(&t->secret, text, len);
	}
	return t->secret.failed ? -1 : 0;
}

int transport_read_secret(struct transport *t, const char *scheme)
{
	const struct ship_settings *s = t->sink->settings;
	AUTO(wipe) struct strbuf file = STRBUF(SECRET_MAX);
	char why[CURL_ERROR_SIZE];
	size_t len;
	int r;

	if (s->auth_type == SHIP_AUTH_NONE || (t->secret_read && !t->secret_stale))
		return 0;
	wipe(&t->secret);
	t->secret = STRBUF(SECRET_MAX * 2);
	t->secret_read = false;
	r = fd_read_file(s->auth_file, &file);
	if (r < 0) {
		(void)snprintf(why, sizeof(why), "auth.file '%s': %s", s->auth_file, strerror(-r));
		transport_note(t, why);
		return r;
	}
	/* a newline at the end is the editor's; one in the middle would be another header */
	len = strcspn(strbuf_str(&file), "\r\n");
	t->secret_read = make_header(t, strbuf_str(&file), len, scheme) == 0;
	t->secret_stale = false;
	return t->secret_read ? 0 : -1;
}

void transport_note(struct transport *t, const char *why)
{
	(void)str_copy(t->sink->run->cause, sizeof(t->sink->run->cause), why);
}

static void on_failed(struct loop_timer *timer, void *data)
{
	const struct ship_reply nothing = { .now = time_realtime() };
	struct transport *t = data;

	(void)timer;
	sink_replied(t->sink, &nothing, false);
}

void transport_fail(struct transport *t)
{
	loop_timer_arm(t->failed, loop_now(t->sink->shipper->loop));
}
