/* SPDX-License-Identifier: Apache-2.0 */
/* What carries a sink's requests: HTTP (transport_http.c), or a stream without answers (transport_stream.c). */
#ifndef WORKER_TRANSPORT_H
#define WORKER_TRANSPORT_H

#include "worker/net.h"
#include "worker/shipper.h"

struct transport_ops {
	/** Returns NULL: no memory. */
	struct transport *(*open)(struct sink *sink);
	/** Send sink->run->request; its end is told by sink_replied() or sink_written(), never from within. */
	void (*send)(struct transport *t);
	/** libcurl's transfer has ended. */
	void (*done)(struct transport *t, CURLcode code);
	/** Forget what is under way; nothing is told. */
	void (*abort)(struct transport *t);
	void (*close)(struct transport *t);
};

/* First member of each kind. */
struct transport {
	const struct transport_ops *ops;
	struct sink *sink;
	struct strbuf secret; /* "Authorization: …", read from auth.file; empty: none */
	bool secret_read, secret_stale;
	struct loop_timer *failed; /* what could not begin is answered by the loop */
};

extern const struct transport_ops transport_http;
extern const struct transport_ops transport_stream;

/** Returns 0 or -ENOMEM; then transport_fini() is to be called all the same. */
int transport_init(struct transport *t, const struct transport_ops *ops, struct sink *sink);
/** Forget the secret, overwritten. */
void transport_fini(struct transport *t);
/** Addresses, TLS, proxy: what the settings say of connections. */
void transport_set_common(struct transport *t, CURL *easy, char error[CURL_ERROR_SIZE]);
/** Have t->secret ready, where the settings want one: read once, and again when it was refused. Returns 0 or negative errno, told. */
int transport_read_secret(struct transport *t, const char *scheme);
/** Why there will be no answer: for people. */
void transport_note(struct transport *t, const char *why);
/** The request could not begin: it is answered as if there were no receiver, from the loop. */
void transport_fail(struct transport *t);

#endif
