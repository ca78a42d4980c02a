/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: one connection to the server, its buffer of unread bytes, and the answers that nobody has taken yet. */
#include "client/zinit_client.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"

/* One answer: the lines of a log query are the longest; the server bounds them far below this. */
#define ANSWER_MAX (256U << 20)
#define SYSTEM_SOCKET "/run/zinit.sock"
#define READ_CHUNK (64U << 10)
#define SEND_TIMEOUT_MS 10000
/* Between two tries of a socket that nobody serves: a server is back within a few of these. */
#define RETRY_STEP_MS 10

struct answer {
	struct answer *next;
	uint64_t id;
	json_t *message; /* NULL: not come yet */
	bool forgotten;
};

struct zinit_client {
	char path[ZINIT_PATH_MAX];
	int fd;
	uint64_t last_id;
	struct answer *answers; /* one per request that was not taken or forgotten */
	uint64_t awaited;       /* of zinit_wait(): what comes behind its answer is left for later; 0: none */
	struct strbuf in;
	size_t scanned; /* bytes of `in` known to hold no newline */
	json_t *error_data;
	zinit_notify_fn notify;
	void *notify_data;
};

static int fail(struct zinit_error *err, enum zinit_status status, const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static int fail(struct zinit_error *err, enum zinit_status status, const char *hint, const char *fmt, ...)
{
	va_list ap;

	if (err) {
		err->status = status;
		err->rpc_code = 0;
		(void)str_copy(err->hint, sizeof(err->hint), hint);
		va_start(ap, fmt);
		(void)vsnprintf(err->message, sizeof(err->message), fmt, ap);
		va_end(ap);
	}
	return -(int)status;
}

static int no_memory(struct zinit_error *err)
{
	return fail(err, ZINIT_SYSTEM, "", "out of memory");
}

/* --- time-outs -------------------------------------------------------------------------------- */

static usec_t deadline_of(int timeout_ms)
{
	return timeout_ms < 0 ? USEC_NEVER : time_add(time_boottime(), (unsigned int)timeout_ms * USEC_PER_MSEC);
}

/* Milliseconds for poll(2): rounded up, so that a wait never spins through its last millisecond. */
static int left_ms(usec_t deadline)
{
	usec_t now;
	usec_t ms;

	if (deadline == USEC_NEVER)
		return -1;
	now = time_boottime();
	if (now >= deadline)
		return 0;
	ms = (deadline - now + USEC_PER_MSEC - 1) / USEC_PER_MSEC;
	return ms > 1U << 30 ? 1 << 30 : (int)ms;
}

/* 1: ready; 0: the deadline passed; negative errno. */
static int wait_for(int fd, short events, usec_t deadline)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = events };
		int r = poll(&p, 1, left_ms(deadline));

		if (r >= 0)
			return r;
		if (errno != EINTR)
			return -errno;
	}
}

/* --- connecting ------------------------------------------------------------------------------- */

const char *zinit_default_socket(char out[ZINIT_PATH_MAX])
{
	const char *path = getenv("ZINIT_SOCKET");
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (path && *path) {
		(void)str_copy(out, ZINIT_PATH_MAX, path);
		return out;
	}
	if (geteuid() != 0 && runtime && *runtime) {
		int n = snprintf(out, ZINIT_PATH_MAX, "%s/zinit.sock", runtime);

		if (n > 0 && n < ZINIT_PATH_MAX && (access(out, F_OK) == 0 || access(SYSTEM_SOCKET, F_OK) < 0))
			return out;
	}
	(void)str_copy(out, ZINIT_PATH_MAX, SYSTEM_SOCKET);
	return out;
}

static bool is_socket(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 || S_ISSOCK(st.st_mode);
}

/* One try. Returns the descriptor or negative errno. */
static int try_connect(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	AUTO(auto_close) int fd = -1;

	if (!str_copy(addr.sun_path, sizeof(addr.sun_path), path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return errno == ECONNREFUSED && !is_socket(path) ? -ENOTSOCK : -errno;
	return fd_steal(&fd);
}

static int explain_connect(const char *path, int code, struct zinit_error *err)
{
	switch (code) {
	case ENOENT:
	case ENOTDIR:
		return fail(err, ZINIT_NO_SERVER,
			    "start it with 'zinit-server', or name its socket with -s PATH or ZINIT_SOCKET",
			    "no server at %s: there is no such socket", path);
	case ENOTSOCK:
		return fail(err, ZINIT_NO_SERVER, "name the server's socket with -s PATH or ZINIT_SOCKET",
			    "no server at %s: it is not a socket", path);
	case ECONNREFUSED:
		return fail(err, ZINIT_NO_SERVER, "start it with 'zinit-server'",
			    "no server at %s: the socket is there but nobody listens", path);
	case EAGAIN:
		return fail(err, ZINIT_NO_SERVER, "the server may be hung: look at its log, or try again",
			    "the server at %s does not accept connections", path);
	case EACCES:
	case EPERM:
		return fail(err, ZINIT_DENIED, "run it as root or as the server's user, or set [server] socket_mode",
			    "may not open %s: %s", path, strerror(code));
	case ENAMETOOLONG:
		return fail(err, ZINIT_SYSTEM, "use a path of at most 107 bytes", "socket path too long: %s", path);
	default:
		return fail(err, ZINIT_SYSTEM, "", "cannot connect to %s: %s", path, strerror(code));
	}
}

/* `missing_too`: a socket file that is not there is waited for as well. */
static int connect_within(struct zinit_client *c, int timeout_ms, bool missing_too, struct zinit_error *err)
{
	usec_t deadline = deadline_of(timeout_ms);

	for (;;) {
		int fd = try_connect(c->path);

		if (fd >= 0) {
			c->fd = fd;
			return 0;
		}
		if (fd != -ECONNREFUSED && fd != -EAGAIN && !(missing_too && fd == -ENOENT))
			return explain_connect(c->path, -fd, err);
		if (left_ms(deadline) == 0)
			return explain_connect(c->path, -fd, err);
		(void)poll(NULL, 0, RETRY_STEP_MS);
	}
}

int zinit_open(const char *path, int timeout_ms, struct zinit_client **out_client, struct zinit_error *err)
{
	struct zinit_client *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return no_memory(err);
	c->fd = -1;
	c->in = STRBUF(ANSWER_MAX);
	if (path)
		(void)str_copy(c->path, sizeof(c->path), path); /* what is cut here is refused as too long below */
	else
		(void)zinit_default_socket(c->path);
	r = connect_within(c, timeout_ms, false, err);
	if (r < 0) {
		zinit_close(c);
		return r;
	}
	*out_client = c;
	return 0;
}

static void disconnect(struct zinit_client *c)
{
	auto_close(&c->fd);
	c->fd = -1;
	while (c->answers) {
		struct answer *a = c->answers;

		c->answers = a->next;
		json_decref(a->message);
		free(a);
	}
	strbuf_reset(&c->in);
	c->scanned = 0;
}

void zinit_close(struct zinit_client *client)
{
	if (!client)
		return;
	disconnect(client);
	strbuf_fini(&client->in);
	json_decref(client->error_data);
	free(client);
}

int zinit_reconnect(struct zinit_client *client, int timeout_ms, struct zinit_error *err)
{
	disconnect(client);
	return connect_within(client, timeout_ms, true, err);
}

const char *zinit_socket(const struct zinit_client *client)
{
	return client->path;
}

int zinit_fd(const struct zinit_client *client)
{
	return client->fd;
}

void zinit_on_notify(struct zinit_client *client, zinit_notify_fn fn, void *data)
{
	client->notify = fn;
	client->notify_data = data;
}

static int lost(struct zinit_client *c, struct zinit_error *err)
{
	return fail(err, ZINIT_LOST, "try again; if it persists, look at the server's log",
		    "the server at %s closed the connection", c->path);
}

/* --- receiving -------------------------------------------------------------------------------- */

static struct answer **find_answer(struct zinit_client *c, uint64_t id)
{
	struct answer **p = &c->answers;

	while (*p && (*p)->id != id)
		p = &(*p)->next;
	return p;
}

static void drop_answer(struct answer **p)
{
	struct answer *a = *p;

	*p = a->next;
	json_decref(a->message);
	free(a);
}

/* Takes `message` over. */
static void deliver(struct zinit_client *c, json_t *message)
{
	const char *method = json_string_value(json_object_get(message, "method"));
	const json_t *id = json_object_get(message, "id");
	struct answer **p;

	if (method && !id) {
		if (c->notify)
			c->notify(method, json_object_get(message, "params"), c->notify_data);
		json_decref(message);
		return;
	}
	p = find_answer(c, (uint64_t)json_integer_value(id));
	if (!*p || (*p)->message || !json_is_integer(id)) {
		json_decref(message);
		return;
	}
	if ((*p)->forgotten) {
		drop_answer(p);
		json_decref(message);
		return;
	}
	(*p)->message = message;
}

static bool has_answer(struct zinit_client *c, uint64_t id)
{
	struct answer *a = *find_answer(c, id);

	return a && a->message;
}

/* Hand on each whole line of the buffer, up to the awaited answer. Returns their number or a negative status. */
static int deliver_lines(struct zinit_client *c, struct zinit_error *err)
{
	size_t start = 0;
	int n = 0;
	char *end = NULL;

	while (c->in.len > c->scanned && (end = memchr(c->in.data + c->scanned, '\n', c->in.len - c->scanned))) {
		size_t len = (size_t)(end - (c->in.data + start));
		json_error_t why;
		json_t *message;

		message = json_loadb(c->in.data + start, len, JSON_ALLOW_NUL, &why);
		if (!message && len > 0)
			return fail(err, ZINIT_PROTOCOL, "is this the socket of a zinit server?",
				    "%s sent what is not JSON: %s", c->path, why.text);
		start += len + 1;
		c->scanned = start;
		if (message)
			deliver(c, message);
		n++;
		if (c->awaited && has_answer(c, c->awaited))
			break;
	}
	strbuf_consume(&c->in, start);
	c->scanned = end ? 0 : c->in.len;
	return n;
}

/* Read what is there. Returns 1 if something came, 0 if nothing is there, negative status. */
static int receive(struct zinit_client *c, struct zinit_error *err)
{
	/* a long answer is read in ever longer pieces, so that it is not copied over and over */
	char *to = strbuf_reserve(&c->in, MAX(READ_CHUNK, c->in.len / 2));
	ssize_t n;

	if (!to)
		return fail(err, ZINIT_PROTOCOL, "ask for less at once", "%s sent an answer over %u bytes", c->path,
			    ANSWER_MAX);
	do {
		n = recv(c->fd, to, MAX(READ_CHUNK, c->in.len / 2), 0);
	} while (n < 0 && errno == EINTR);
	if (n > 0) {
		strbuf_commit(&c->in, (size_t)n);
		return 1;
	}
	if (n < 0 && errno == EAGAIN)
		return 0;
	return lost(c, err);
}

static int dispatch_until(struct zinit_client *c, usec_t deadline, struct zinit_error *err)
{
	if (c->fd < 0)
		return lost(c, err);
	for (;;) {
		int r = deliver_lines(c, err);

		if (r == 0)
			r = receive(c, err);
		else
			return r;
		if (r > 0)
			continue;
		if (r < 0)
			return r;
		r = wait_for(c->fd, POLLIN, deadline);
		if (r < 0)
			return fail(err, ZINIT_SYSTEM, "", "poll: %s", strerror(-r));
		if (r == 0)
			return 0;
	}
}

int zinit_dispatch(struct zinit_client *client, int timeout_ms, struct zinit_error *err)
{
	return dispatch_until(client, deadline_of(timeout_ms), err);
}

/* --- asking ----------------------------------------------------------------------------------- */

static int send_all(struct zinit_client *c, const char *data, size_t len, struct zinit_error *err)
{
	usec_t deadline = deadline_of(SEND_TIMEOUT_MS);

	while (len > 0) {
		ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);

		if (n >= 0) {
			data += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			if (wait_for(c->fd, POLLOUT, deadline) == 0)
				return fail(err, ZINIT_TIMEOUT, "the server may be hung",
					    "the server at %s does not read", c->path);
		} else if (errno != EINTR) {
			return lost(c, err);
		}
	}
	return 0;
}

static int dump_to_strbuf(const char *data, size_t len, void *buffer)
{
	return strbuf_add(buffer, data, len);
}

static int encode(const char *method, json_t *params, uint64_t id, struct strbuf *out)
{
	(void)strbuf_addf(out, "{\"jsonrpc\":\"2.0\",\"id\":%llu,\"method\":\"%s\"", (unsigned long long)id, method);
	if (params) {
		(void)strbuf_puts(out, ",\"params\":");
		if (json_dump_callback(params, dump_to_strbuf, out, JSON_COMPACT) < 0)
			return -1;
	}
	(void)strbuf_puts(out, "}\n");
	return out->failed ? -1 : 0;
}

int zinit_send(struct zinit_client *client, const char *method, json_t *params, uint64_t *out_id,
	       struct zinit_error *err)
{
	AUTO(strbuf_fini) struct strbuf line = STRBUF(ANSWER_MAX);
	struct answer *a = calloc(1, sizeof(*a));
	uint64_t id = client->last_id + 1;
	int r = a ? encode(method, params, id, &line) : -1;

	json_decref(params);
	if (r < 0) {
		free(a);
		return no_memory(err);
	}
	r = client->fd < 0 ? lost(client, err) : send_all(client, line.data, line.len, err);
	if (r < 0) {
		free(a);
		return r;
	}
	a->id = client->last_id = id;
	a->next = client->answers;
	client->answers = a;
	*out_id = id;
	return 0;
}

static int server_error(struct zinit_client *c, json_t *error, struct zinit_error *err)
{
	const char *message = json_string_value(json_object_get(error, "message"));
	const char *hint;

	json_decref(c->error_data);
	c->error_data = json_incref(json_object_get(error, "data"));
	hint = json_string_value(json_object_get(c->error_data, "hint"));
	(void)fail(err, ZINIT_ANSWER, hint ? hint : "", "%s", message ? message : "the server gave no reason");
	if (err)
		err->rpc_code = (int)json_integer_value(json_object_get(error, "code"));
	return -ZINIT_ANSWER;
}

static int take_answer(struct zinit_client *c, struct answer **p, json_t **out_result, struct zinit_error *err)
{
	json_t *message = json_incref((*p)->message);
	json_t *error = json_object_get(message, "error");
	json_t *result = json_object_get(message, "result");
	int r = 0;

	drop_answer(p);
	if (error && !json_is_null(error))
		r = server_error(c, error, err);
	else if (!result)
		r = fail(err, ZINIT_PROTOCOL, "", "an answer without result or error");
	else if (out_result)
		*out_result = json_incref(result);
	json_decref(message);
	return r;
}

static int wait_until(struct zinit_client *client, uint64_t id, usec_t deadline, json_t **out_result,
		      struct zinit_error *err)
{
	for (;;) {
		struct answer **p = find_answer(client, id);
		int r;

		if (!*p)
			return fail(err, ZINIT_SYSTEM, "", "no such request: %llu", (unsigned long long)id);
		if ((*p)->message)
			return take_answer(client, p, out_result, err);
		r = dispatch_until(client, deadline, err);
		if (r < 0)
			return r;
		if ((r == 0 || left_ms(deadline) == 0) && !has_answer(client, id))
			return fail(err, ZINIT_TIMEOUT, "", "no answer from the server in time");
	}
}

int zinit_wait(struct zinit_client *client, uint64_t id, int timeout_ms, json_t **out_result, struct zinit_error *err)
{
	int r;

	client->awaited = id;
	r = wait_until(client, id, deadline_of(timeout_ms), out_result, err);
	client->awaited = 0;
	return r;
}

void zinit_forget(struct zinit_client *client, uint64_t id)
{
	struct answer **p = find_answer(client, id);

	if (!*p)
		return;
	if ((*p)->message)
		drop_answer(p);
	else
		(*p)->forgotten = true;
}

int zinit_call(struct zinit_client *client, const char *method, json_t *params, int timeout_ms, json_t **out_result,
	       struct zinit_error *err)
{
	uint64_t id;
	int r = zinit_send(client, method, params, &id, err);

	if (r < 0)
		return r;
	r = zinit_wait(client, id, timeout_ms, out_result, err);
	if (r == -ZINIT_TIMEOUT)
		zinit_forget(client, id);
	return r;
}

const json_t *zinit_error_data(const struct zinit_client *client)
{
	return client->error_data;
}

const char *zinit_library_version(void)
{
	return ZINIT_VERSION;
}
