/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's end of zinit-prober, the worker that speaks HTTP and looks up names: it may hang, crash or be lied to by a
 * hostile server, and nothing but the probe under way notices. It is started with the first question and again, with a
 * growing delay, when it died; questions meanwhile are answered PROBE_UNAVAILABLE.
 */
#ifndef PROCESS_PROBER_H
#define PROCESS_PROBER_H

#include <stdint.h>
#include <sys/types.h>

#include "loop/loop.h"
#include "process/probe.h"

struct prober;

/** What the owner of a prober does for it. `worker` is the number of a worker, from 1. */
struct prober_owner {
	/* Start the worker with `fd` as its descriptor PROBER_FD, watch its exit and tell prober_exited(). 0 or negative errno. */
	int (*spawn)(int fd, uint32_t worker, void *data);
	/* It does not answer any more: end it, if it is still that one. */
	void (*end)(uint32_t worker, void *data);
	void *data;
};

/** `owner` is copied. NULL: no memory. */
struct prober *prober_new(struct loop *loop, const struct prober_owner *owner);
/** All probes must be cancelled before. NULL is fine. */
void prober_free(struct prober *prober);
/** The worker ended, or could not be started: probes under way there end as PROBE_UNAVAILABLE. Not news of an older worker. */
void prober_exited(struct prober *prober, uint32_t worker);

struct prober_http {
	const char *url;
	const char *method;         /* NULL: GET */
	const char *const *headers; /* "Name=value"; NULL: none */
	const char *body;           /* regex, NULL: any */
	const char *unix_socket;    /* NULL: by the URL's host */
	const struct prober_range {
		uint16_t low, high;
	} *ranges;
	size_t ranges_n;            /* 0: 200 to 299 */
	bool tls_verify, follow;
};

/** Ask by HTTP. Returns NULL with errno set (E2BIG: the texts are too long). */
struct probe *prober_http(struct prober *prober, const struct prober_http *http, usec_t timeout, probe_fn fn, void *data);
/** Connect to "host:port" by name. */
struct probe *prober_connect(struct prober *prober, const char *target, usec_t timeout, probe_fn fn, void *data);

#endif
