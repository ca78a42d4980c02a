/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a probe may end, and what server and zinit-prober say to each other about it: datagrams on a SOCK_SEQPACKET socket
 * pair, which the prober has as its descriptor PROBER_FD. The texts of a question follow its head, one after the other,
 * each ended by NUL. It stands in base because two programs share it, and a worker is built without the server's modules.
 */
#ifndef BASE_PROBE_WIRE_H
#define BASE_PROBE_WIRE_H

#include <stdint.h>

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
