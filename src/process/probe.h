/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One probe: a question to a service that ends in exactly one answer, at its time-out at the latest. The kinds are made by
 * probe_tcp(), probe_exec() and prober_http(); all are cancelled the same way.
 */
#ifndef PROCESS_PROBE_H
#define PROCESS_PROBE_H

#include <stdbool.h>

#include "base/probe_wire.h"
#include "base/time.h"

struct loop;

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
