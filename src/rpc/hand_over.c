/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: connections that outlive their server. One that ends on purpose gives them to the keeper, and says in a memfd where
 * each stands: bytes read and not yet understood, bytes not yet sent, calls that wait, subscriptions and their cursors. The next server
 * goes on, and the clients notice nothing.
 *
 * Until the next server has read all that, the keeper holds it, and nobody writes to a connection meanwhile. So if that server
 * dies in between, the one after it finds all as it was.
 *
 * The file: {"version":1,"seen_event":N,"connections":[…]} and a newline, then for each connection in turn the bytes
 * that its "in", "out" and "batch_out" count. Members that a reader does not know are ignored.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/fd.h"
#include "base/mem.h"
#include "rpc/conn.h"
#include "rpc/server.h"
#include "rpc/stream.h"
#include "rpc/wait.h"

#define KEY_FILE "rpc"
#define KEY_CONNECTION "rpc:" /* begins as the other, so that they are forgotten together */
#define VERSION 1
/* All that connections may hold, and the JSON about it. */
#define FILE_MAX (2U * LIMIT_RPC_MEMORY + (16U << 20))

/* --- leaving ------------------------------------------------------------------------------------ */

static json_t *save_subs(const struct rpc_conn *conn)
{
	json_t *all = json_array();
	struct rpc_sub *sub;

	LIST_FOREACH (sub, &conn->subs, node) {
		json_t *state = sub->save(sub);

		if (!state || json_array_append_new(all, json_pack("{s:I, s:o}", "id", (json_int_t)sub->id, "state", state)) < 0) {
			json_decref(all);
			return NULL;
		}
	}
	return all;
}

static json_t *save_conn(const struct rpc_conn *conn, size_t number)
{
	json_t *subs = save_subs(conn);
	json_t *calls = subs ? call_save_all(conn) : NULL;

	if (!calls) {
		json_decref(subs);
		return NULL;
	}
	return json_pack("{s:I, s:I, s:I, s:I, s:b, s:b, s:I, s:I, s:O*, s:o, s:o}", "n", (json_int_t)number, "in",
			 (json_int_t)conn->in.len, "out", (json_int_t)conn_pending(conn), "batch_out",
			 (json_int_t)conn->batch.out.len, "eof", conn->eof, "skipping", conn->frame.skipping, "last_sub",
			 (json_int_t)conn->last_sub, "batch_next", (json_int_t)conn->batch.next, "batch", conn->batch.requests,
			 "calls", calls, "subs", subs);
}

static int add_bytes(struct strbuf *bytes, const struct rpc_conn *conn)
{
	(void)strbuf_add(bytes, conn->in.data, conn->in.len);
	(void)strbuf_add(bytes, conn->out.data ? conn->out.data + conn->out_at : NULL, conn_pending(conn));
	(void)strbuf_add(bytes, conn->batch.out.data, conn->batch.out.len);
	return bytes->failed ? -ENOMEM : 0;
}

/* One that can't be described, or not be kept, is closed with the server: its client comes back by itself. */
static void leave_conn(struct rpc_conn *conn, size_t number, json_t *list, struct strbuf *bytes)
{
	char key[LIMIT_KEEPER_KEY];
	size_t before = bytes->len;
	json_t *saved = save_conn(conn, number);

	(void)snprintf(key, sizeof(key), KEY_CONNECTION "%zu", number);
	if (saved && add_bytes(bytes, conn) == 0 && supervisor_keep_fd(conn->server->supervisor, key, conn->fd) == 0) {
		(void)json_array_append_new(list, saved);
		return;
	}
	json_decref(saved);
	bytes->len = before;
	bytes->failed = false;
}

static int write_file(int fd, json_t *head, const struct strbuf *bytes)
{
	char *text = json_dumps(head, JSON_COMPACT);
	int r = text ? fd_write_all(fd, text, strlen(text)) : -ENOMEM;

	if (r == 0)
		r = fd_write_all(fd, "\n", 1);
	if (r == 0)
		r = fd_write_all(fd, bytes->data, bytes->len);
	free(text);
	return r;
}

void rpc_server_hand_over(struct rpc_server *server)
{
	AUTO(strbuf_fini) struct strbuf bytes = STRBUF(FILE_MAX);
	AUTO(auto_close) int fd = memfd_create("zinit-rpc", MFD_CLOEXEC);
	json_t *list = json_array();
	json_t *head = json_pack("{s:i, s:I, s:o}", "version", VERSION, "seen_event", (json_int_t)server->seen_event,
				 "connections", list);
	struct rpc_conn *conn;
	size_t n = 0;
	int r;

	LIST_FOREACH (conn, &server->conns, node)
		leave_conn(conn, n++, list, &bytes);
	r = fd < 0 || !head ? -ENOMEM : write_file(fd, head, &bytes);
	if (r == 0)
		r = supervisor_keep_fd(server->supervisor, KEY_FILE, fd);
	if (r < 0)
		diag(DIAG_WARN, "upgrade: %zu connections can't be handed over: %s", n, strerror(-r));
	json_decref(head);
}

/* --- taking over ---------------------------------------------------------------------------------- */

/* What an earlier server left. */
struct left {
	struct rpc_server *server;
	int *fds; /* by number; -1: none */
	size_t n;
	struct strbuf text;
	size_t at; /* where the bytes of the next connection begin */
};

static void take_fd(const char *key, int fd, void *data)
{
	struct left *left = data;
	unsigned long number = strtoul(key + strlen(KEY_CONNECTION), NULL, 10);

	if (number < left->n && left->fds[number] < 0)
		left->fds[number] = fd;
	else
		(void)close(fd);
}

static size_t number_of(const json_t *saved, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(saved, key));

	return n < 0 ? 0 : (size_t)n;
}

static int take_bytes(struct left *left, const json_t *saved, const char *key, struct strbuf *out)
{
	size_t n = number_of(saved, key);

	if (n > left->text.len - left->at)
		return -EPROTO;
	left->at += n;
	return n ? strbuf_add(out, left->text.data + left->at - n, n) : 0;
}

static const struct {
	const char *kind;
	int (*resume)(struct rpc_conn *conn, uint64_t id, const json_t *saved);
} sub_kinds[] = {
	{ "events", stream_events_resume },
	{ "logs", stream_logs_resume },
};

static int resume_sub(struct rpc_conn *conn, const json_t *saved)
{
	const json_t *state = json_object_get(saved, "state");

	for (size_t i = 0; i < ARRAY_LEN(sub_kinds); i++) {
		const json_t *of_kind = json_object_get(state, sub_kinds[i].kind);

		if (of_kind)
			return sub_kinds[i].resume(conn, number_of(saved, "id"), of_kind);
	}
	return -EPROTO;
}

static enum rpc_outcome go_on_waiting(struct rpc_call *call, struct json_out *out, struct rpc_error *err)
{
	(void)out;
	return wait_resume(call, json_object_get(call->saved, "wait"), err);
}

enum rpc_outcome call_go_on(struct rpc_call *call, struct json_out *out, struct rpc_error *err)
{
	static const struct {
		const char *kind;
		rpc_handler_fn go_on;
	} kinds[] = { { "wait", go_on_waiting }, { "upgrade", rpc_system_upgraded } };
	enum rpc_outcome outcome;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (!json_object_get(call->saved, kinds[i].kind))
			continue;
		outcome = kinds[i].go_on(call, out, err);
		call->saved = NULL;
		return outcome;
	}
	return rpc_error_set(err, RPC_INTERNAL_ERROR, "the server was replaced by one that can't go on with this");
}

/* The order matters: answers of a batch go to the batch, and what is in `in` is looked at last. */
static int fill_conn(struct left *left, struct rpc_conn *conn, const json_t *saved)
{
	const json_t *batch = json_object_get(saved, "batch");
	size_t i;
	json_t *one;

	if (take_bytes(left, saved, "in", &conn->in) < 0 || take_bytes(left, saved, "out", &conn->out) < 0 ||
	    take_bytes(left, saved, "batch_out", &conn->batch.out) < 0)
		return -EPROTO;
	conn->eof = json_is_true(json_object_get(saved, "eof"));
	conn->frame.skipping = json_is_true(json_object_get(saved, "skipping"));
	if (json_is_array(batch)) {
		conn->batch.requests = json_incref((json_t *)(uintptr_t)batch);
		conn->batch.next = number_of(saved, "batch_next");
	}
	json_array_foreach (json_object_get(saved, "subs"), i, one) {
		if (resume_sub(conn, one) < 0)
			return -EPROTO;
	}
	conn->last_sub = number_of(saved, "last_sub");
	json_array_foreach (json_object_get(saved, "calls"), i, one)
		call_resume(conn, one);
	return 0;
}

static struct rpc_conn *conn_from(struct rpc_server *server, int fd)
{
	struct access_peer peer;
	gid_t *gids = NULL;

	if (peer_of(fd, &peer, &gids) < 0)
		return NULL;
	if (conn_new(server, fd, &peer, gids) == 0)
		return LIST_ENTRY(server->conns.prev, struct rpc_conn, node);
	free(gids);
	return NULL;
}

/* Bytes of one that can't be taken over are passed over. */
static void resume_conn(struct left *left, const json_t *saved)
{
	size_t number = number_of(saved, "n");
	size_t end = left->at + number_of(saved, "in") + number_of(saved, "out") + number_of(saved, "batch_out");
	int fd = number < left->n ? fd_steal(&left->fds[number]) : -1;
	struct rpc_conn *conn = fd >= 0 ? conn_from(left->server, fd) : NULL;

	if (!conn && fd >= 0)
		(void)close(fd);
	if (conn && fill_conn(left, conn, saved) < 0)
		conn_kill(conn);
	else if (conn)
		conn_wake(conn);
	left->at = MIN(end, left->text.len);
}

static int read_file(struct left *left, int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	char *to;

	if (size <= 0 || (size_t)size > FILE_MAX)
		return -EPROTO;
	to = strbuf_reserve(&left->text, (size_t)size);
	if (!to)
		return -ENOMEM;
	if (pread(fd, to, (size_t)size, 0) != size)
		return -EIO;
	strbuf_commit(&left->text, (size_t)size);
	return 0;
}

static int take_over(struct left *left, int fd)
{
	json_t *head = NULL;
	const json_t *list;
	json_t *one;
	size_t i;
	int r = read_file(left, fd);
	const char *end = r == 0 ? memchr(left->text.data, '\n', left->text.len) : NULL;

	if (end)
		head = json_loadb(left->text.data, (size_t)(end - left->text.data), JSON_ALLOW_NUL, NULL);
	list = json_object_get(head, "connections");
	if (!json_is_array(list)) {
		json_decref(head);
		return r < 0 ? r : -EPROTO;
	}
	left->at = (size_t)(end - left->text.data) + 1;
	left->n = LIMIT_RPC_CONNECTIONS;
	left->fds = malloc(left->n * sizeof(*left->fds));
	if (!left->fds) {
		json_decref(head);
		return -ENOMEM;
	}
	for (i = 0; i < left->n; i++)
		left->fds[i] = -1;
	left->server->seen_event = number_of(head, "seen_event");
	supervisor_take_kept(left->server->supervisor, KEY_CONNECTION, take_fd, left);
	/* before the first byte is sent: one after us must not send it again */
	supervisor_forget_kept(left->server->supervisor, KEY_FILE);
	json_array_foreach (list, i, one)
		resume_conn(left, one);
	for (i = 0; i < left->n; i++)
		auto_close(&left->fds[i]);
	json_decref(head);
	return 0;
}

void hand_over_resume(struct rpc_server *server)
{
	AUTO(auto_close) int fd = supervisor_take_kept_fd(server->supervisor, KEY_FILE);
	struct left left = { .server = server, .text = STRBUF(FILE_MAX) };
	int r = fd >= 0 ? take_over(&left, fd) : 0;

	if (r < 0)
		diag(DIAG_WARN, "connections of the earlier server can't be taken over: %s", strerror(-r));
	free(left.fds);
	strbuf_fini(&left.text);
	supervisor_forget_kept(server->supervisor, KEY_FILE);
}
