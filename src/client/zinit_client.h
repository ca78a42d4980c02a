/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client of the zinit server: JSON-RPC 2.0, one object a line, on a unix stream socket. Installed as <zinit.h>, for
 * libzinit (pkg-config libzinit); the same code is within the command line tool.
 *
 * A `struct zinit_client` is one connection. Requests may be sent ahead of their answers (zinit_send), and answers
 * are taken by id in any order (zinit_wait); zinit_call() does both. Notifications that arrive meanwhile (events, log
 * lines of a subscription) go to the handler in the order of their arrival: before an answer that came after them, and
 * only by a later call if they came after the answer that is waited for.
 *
 * The server may be restarted under a client: calls then fail with ZINIT_LOST, zinit_reconnect() makes the connection
 * anew, and the caller, who knows whether a request may be repeated, repeats it. Subscriptions are renewed by cursor.
 *
 * Every call that can fail returns 0 or more, or a negative `enum zinit_status`, and fills a `struct zinit_error` (may be
 * NULL) with what happened and what to do next. Time-outs are milliseconds; negative: none. No threads, no
 * signals, no output; SIGPIPE is not raised. A client is used by one thread at a time.
 */
#ifndef CLIENT_ZINIT_CLIENT_H
#define CLIENT_ZINIT_CLIENT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ZINIT_MESSAGE_MAX 512
#define ZINIT_HINT_MAX 192
/** Enough for any socket path (struct sockaddr_un) and for one that is too long to be tried. */
#define ZINIT_PATH_MAX 256

struct zinit_client;

enum zinit_status {
	ZINIT_OK = 0,
	ZINIT_NO_SERVER = 1, /* nobody listens there */
	ZINIT_DENIED,        /* the socket may not be opened by this user */
	ZINIT_LOST,          /* the connection broke; what was asked may or may not have been done */
	ZINIT_TIMEOUT,
	ZINIT_PROTOCOL,      /* what came is not JSON-RPC */
	ZINIT_ANSWER,        /* the server answered with an error: `rpc_code`, zinit_error_data() */
	ZINIT_SYSTEM,        /* memory, a bad path: see the message */
};

struct zinit_error {
	enum zinit_status status;
	int rpc_code;                    /* of ZINIT_ANSWER: JSON-RPC's error code; else 0 */
	char message[ZINIT_MESSAGE_MAX]; /* what happened and why, without a newline */
	char hint[ZINIT_HINT_MAX];       /* what to do next, or "" */
};

/** A notification: `params` is borrowed. The handler must not call into the client. */
typedef void (*zinit_notify_fn)(const char *method, const json_t *params, void *data);

/**
 * The socket that is used when none is named: $ZINIT_SOCKET; else /run/zinit.sock for root; else
 * $XDG_RUNTIME_DIR/zinit.sock, unless only /run/zinit.sock exists. Written to `out` (ZINIT_PATH_MAX bytes), cut if
 * longer. Returns `out`.
 */
const char *zinit_default_socket(char out[ZINIT_PATH_MAX]);

/**
 * Connect to the server at `path` (NULL: zinit_default_socket()).
 *
 * While the socket file is there and nobody accepts (a server that is being restarted), it is tried again until
 * `timeout_ms` have passed; a missing file fails at once. The caller frees *out_client with zinit_close().
 * Fails with ZINIT_NO_SERVER, ZINIT_DENIED, ZINIT_SYSTEM.
 */
int zinit_open(const char *path, int timeout_ms, struct zinit_client **out_client, struct zinit_error *err);
/** Close and free; NULL is fine. Subscriptions end. */
void zinit_close(struct zinit_client *client);
/**
 * Connect again to the same path, with the handler kept; answers still due are forgotten. Here a missing socket file is
 * waited for as well, since the server was there a moment ago. Fails as zinit_open() does.
 */
int zinit_reconnect(struct zinit_client *client, int timeout_ms, struct zinit_error *err);
/** The path of the socket; valid until zinit_close(). */
const char *zinit_socket(const struct zinit_client *client);
/** The descriptor, for a poll(2) of one's own: call zinit_dispatch(client, 0, …) when it is readable. */
int zinit_fd(const struct zinit_client *client);

/** Who gets notifications; NULL: they are dropped. */
void zinit_on_notify(struct zinit_client *client, zinit_notify_fn fn, void *data);

/**
 * Send a request. `params` (an object, an array, or NULL) is taken over, on failure too. *out_id names the answer for
 * zinit_wait(). Waits at most 10 s for room in the socket. Fails with ZINIT_LOST, ZINIT_TIMEOUT, ZINIT_SYSTEM.
 */
int zinit_send(struct zinit_client *client, const char *method, json_t *params, uint64_t *out_id,
	       struct zinit_error *err);
/**
 * Wait for the answer to request `id`. *out_result (may be NULL) is the caller's to json_decref().
 *
 * ZINIT_TIMEOUT leaves the request open: it may be waited for again, so a progress display calls this in short steps.
 * Give up for good with zinit_forget(). ZINIT_ANSWER: the server refused; details by zinit_error_data().
 */
int zinit_wait(struct zinit_client *client, uint64_t id, int timeout_ms, json_t **out_result, struct zinit_error *err);
/** Drop the answer to `id`, whether it has come or will come. */
void zinit_forget(struct zinit_client *client, uint64_t id);
/** zinit_send(), zinit_wait(), and zinit_forget() on time-out. `params` is taken over. */
int zinit_call(struct zinit_client *client, const char *method, json_t *params, int timeout_ms, json_t **out_result,
	       struct zinit_error *err);
/** `error.data` of the last ZINIT_ANSWER, or NULL; borrowed, valid until the next call on this client. */
const json_t *zinit_error_data(const struct zinit_client *client);

/**
 * Handle what has arrived, waiting at most `timeout_ms` for the first of it. Returns the number of messages handled, 0 if
 * none came in time. Fails with ZINIT_LOST or ZINIT_PROTOCOL.
 */
int zinit_dispatch(struct zinit_client *client, int timeout_ms, struct zinit_error *err);

/** The version of this library, "0.4.0"; static. */
const char *zinit_library_version(void);

#ifdef __cplusplus
}
#endif

#endif
