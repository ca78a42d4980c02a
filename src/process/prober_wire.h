/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What server and zinit-prober say to each other: datagrams on a SOCK_SEQPACKET socket pair, which the prober has as its
 * descriptor PROBER_FD. The texts of a question follow its head, one after the other, each ended by NUL.
 */
#ifndef PROCESS_PROBER_WIRE_H
#define PROCESS_PROBER_WIRE_H

#include <stdint.h>

#include "process/probe.h"

#define PROBER_FD 3
#define PROBER_RANGES_MAX 16
/* A question with all its texts; a longer one is refused by the server. */
#define PROBER_QUESTION_MAX 16384
/* Bytes of a body that are read at most; what comes after ends the probe with PROBE_TOO_LARGE. */
#define PROBER_BODY_MAX (1U << 20)
/* The same for all headers of an answer together. */
#define PROBER_HEADERS_MAX (64U << 10)

enum prober_kind {
	PROBER_HTTP = 1,
	PROBER_CONNECT, /* only connect: name look-up, every address of it */
	PROBER_CANCEL,
};

enum prober_flag { PROBER_TLS_VERIFY = 1, PROBER_FOLLOW = 2 };

struct prober_question {
	uint64_t id;
	uint32_t kind; /* enum prober_kind */
	uint32_t flags;
	uint32_t timeout_ms;
	uint32_t ranges_n;
	struct {
		uint16_t low, high;
	} ranges[PROBER_RANGES_MAX]; /* HTTP: expected status; none: 200 to 299 */
	/* texts: url ("host:port" for CONNECT), method, headers ("Name: value" lines), body regex, unix socket */
};

#define PROBER_TEXTS 5

struct prober_answer {
	uint64_t id;
	struct probe_result result;
};

#endif
