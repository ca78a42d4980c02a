/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One probe: a question to a service that ends in exactly one answer, at its time-out at the latest. The kinds are made by
 * probe_tcp(), probe_exec() and prober_http(); all are cancelled the same way.
 */
#ifndef PROCESS_PROBE_H
#define PROCESS_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/time.h"

struct loop;

enum probe_error {
	PROBE_OK,
	PROBE_TIMEOUT,
	PROBE_CONNECT,   /* value: errno */
	PROBE_NAME,      /* the host's name could not be looked up */
	PROBE_EXEC,      /* the command could not be started; value: errno */
	PROBE_EXIT_CODE, /* the command ended with another code than 0; value: the code, or -signal */
	PROBE_STATUS,    /* HTTP: another status than expected; value: the status */
	PROBE_TLS,
	PROBE_TOO_LARGE, /* HTTP: the answer's body went over the limit */
	PROBE_MALFORMED, /* not an HTTP answer, or it was cut */
	PROBE_BODY,      /* HTTP: the body does not match the regex */
	PROBE_UNAVAILABLE, /* the prober could not be asked */
	PROBE_ERROR_N
};

#define PROBE_TEXT_SIZE 160

struct probe_result {
	enum probe_error error;
	int32_t value;
	char text[PROBE_TEXT_SIZE]; /* one sentence, "" for PROBE_OK */
};

/** Named as in the interface: "Timeout", "Connect", "NonZeroExit", … */
const char *probe_error_name(enum probe_error error);
/** Fill a result; the text is printf-like. */
void probe_result_set(struct probe_result *out, enum probe_error error, int value, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/** The answer, once, from the loop. The probe is freed after it. */
typedef void (*probe_fn)(const struct probe_result *result, void *data);

/** The common head of all kinds of probe. */
struct probe {
	void (*cancel)(struct probe *probe); /* ends and frees it */
	probe_fn fn;
	void *data;
};

/** No answer comes any more; NULL is fine. */
void probe_cancel(struct probe *probe);

/** Is it "name:port" with a name that has to be looked up, which is the prober's job? */
bool probe_tcp_needs_lookup(const char *target);
/**
 * Connect to "1.2.3.4:80", "[::1]:80", "[fe80::1%eth0]:80", "localhost:80" (both loopback addresses in turn; never looked
 * up, RFC 6761) or "unix:/path", and hang up. Returns NULL with errno set (EINVAL: not such a target).
 */
struct probe *probe_tcp(struct loop *loop, const char *target, usec_t timeout, probe_fn fn, void *data);

#endif
