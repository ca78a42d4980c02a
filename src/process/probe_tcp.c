/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: probes that connect and hang up: TCP by numeric address or localhost, and unix sockets. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/parse.h"
#include "base/str.h"
#include "loop/loop.h"
#include "process/probe.h"

#define HOST_SIZE 256
#define ADDRESSES_MAX 2
/* A unix socket whose queue is full says so at once: it is tried again until the time-out. */
#define FULL_PAUSE (20 * USEC_PER_MSEC)
/* An address that says nothing so long does not keep the next one from being tried beside it (RFC 8305). */
#define HEAD_START (250 * USEC_PER_MSEC)

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un local;
	} u;
	socklen_t len;
};

/* One address being tried. */
struct attempt {
	struct tcp_probe *probe;
	struct loop_io *io;
	int fd; /* -1: not under way */
};

struct tcp_probe {
	struct probe base;
	struct loop *loop;
	struct loop_timer *timer;
	usec_t deadline;
	struct address addresses[ADDRESSES_MAX];
	struct attempt attempts[ADDRESSES_MAX]; /* of each address */
	size_t n, next, under_way;
	int error; /* of the first address that failed; 0: none */
	bool settled; /* `result` is the answer, to be told from the loop */
	struct probe_result result;
};

/* --- targets ---------------------------------------------------------------------------------- */

/* "[v6]:port" or "host:port" into its parts. */
static int split(const char *target, char host[HOST_SIZE], uint16_t *out_port)
{
	const char *colon = strrchr(target, ':');
	size_t n;
	int64_t port;

	if (!colon || parse_int(colon + 1, 1, 65535, &port) < 0)
		return -EINVAL;
	n = (size_t)(colon - target);
	if (*target == '[') {
		if (n < 3 || target[n - 1] != ']')
			return -EINVAL;
		target++;
		n -= 2;
	} else if (memchr(target, ':', n)) {
		return -EINVAL; /* an IPv6 address needs its brackets */
	}
	if (n == 0 || n >= HOST_SIZE)
		return -EINVAL;
	memcpy(host, target, n);
	host[n] = '\0';
	*out_port = (uint16_t)port;
	return 0;
}

static bool set_v4(struct address *out, const char *host, uint16_t port)
{
	if (inet_pton(AF_INET, host, &out->u.v4.sin_addr) != 1)
		return false;
	out->u.v4.sin_family = AF_INET;
	out->u.v4.sin_port = htons(port);
	out->len = sizeof(out->u.v4);
	return true;
}

/* "fe80::1%eth0" too; cuts `host` at the '%'. */
static bool set_v6(struct address *out, char *host, uint16_t port)
{
	char *scope = strchr(host, '%');
	int64_t index;

	if (scope)
		*scope++ = '\0';
	if (inet_pton(AF_INET6, host, &out->u.v6.sin6_addr) != 1)
		return false;
	if (scope) {
		out->u.v6.sin6_scope_id = if_nametoindex(scope);
		if (!out->u.v6.sin6_scope_id && parse_int(scope, 1, UINT32_MAX, &index) == 0)
			out->u.v6.sin6_scope_id = (uint32_t)index;
	}
	out->u.v6.sin6_family = AF_INET6;
	out->u.v6.sin6_port = htons(port);
	out->len = sizeof(out->u.v6);
	return true;
}

static int set_local(struct address *out, const char *path)
{
	out->u.local.sun_family = AF_UNIX;
	out->len = sizeof(out->u.local);
	return *path && str_copy(out->u.local.sun_path, sizeof(out->u.local.sun_path), path) ? 1 : -EINVAL;
}

/* Returns how many addresses it has, 0 for a name, -EINVAL for what is none of these. */
static int resolve(const char *target, struct address out[ADDRESSES_MAX])
{
	char v6[] = "::1";
	char host[HOST_SIZE];
	uint16_t port;

	memset(out, 0, ADDRESSES_MAX * sizeof(*out));
	if (str_starts(target, "unix:"))
		return set_local(&out[0], target + 5);
	if (split(target, host, &port) < 0)
		return -EINVAL;
	if (strcasecmp(host, "localhost") == 0)
		return set_v4(&out[0], "127.0.0.1", port) && set_v6(&out[1], v6, port) ? 2 : -EINVAL;
	if (*target == '[')
		return set_v6(&out[0], host, port) ? 1 : -EINVAL;
	return set_v4(&out[0], host, port) ? 1 : 0;
}

bool probe_tcp_needs_lookup(const char *target)
{
	struct address addresses[ADDRESSES_MAX];

	return resolve(target, addresses) == 0;
}

/* --- the end ---------------------------------------------------------------------------------- */

static void hang_up(struct attempt *a)
{
	a->probe->under_way -= a->io != NULL;
	loop_io_free(a->io);
	a->io = NULL;
	auto_close(&a->fd);
	a->fd = -1;
}

static void tcp_cancel(struct probe *probe)
{
	struct tcp_probe *p = CONTAINER_OF(probe, struct tcp_probe, base);

	for (size_t i = 0; i < ADDRESSES_MAX; i++)
		hang_up(&p->attempts[i]);
	loop_timer_free(p->timer);
	free(p);
}

static void answer(struct tcp_probe *p)
{
	struct probe_result result = p->result;
	probe_fn fn = p->base.fn;
	void *data = p->base.data;

	tcp_cancel(&p->base);
	fn(&result, data);
}

static void settle(struct tcp_probe *p, int error)
{
	p->settled = true;
	if (error)
		probe_result_set(&p->result, PROBE_CONNECT, error, "connect: %s", strerror(error));
	else
		p->result = (struct probe_result){ .error = PROBE_OK };
}

/* --- trying ----------------------------------------------------------------------------------- */

/*
 * A port of our own range that nobody listens at may be given to our own end, which is then connected with itself (RFC
 * 9293, simultaneous open): nobody is there.
 */
static bool is_self(int fd)
{
	struct address ours = { .len = sizeof(ours.u) };
	struct address theirs = { .len = sizeof(theirs.u) };

	if (getsockname(fd, &ours.u.any, &ours.len) < 0 || getpeername(fd, &theirs.u.any, &theirs.len) < 0 ||
	    ours.u.any.sa_family == AF_UNIX)
		return false;
	return ours.len == theirs.len && memcmp(&ours.u, &theirs.u, ours.len) == 0;
}

static void on_connected(struct loop_io *io, uint32_t events, void *data);

/* One address. Returns 0 connected, -EINPROGRESS, -EAGAIN (try this one again later), or another negative errno. */
static int try_one(struct attempt *a, const struct address *address)
{
	struct tcp_probe *p = a->probe;

	a->fd = socket(address->u.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (a->fd < 0)
		return -errno;
	if (connect(a->fd, &address->u.any, address->len) == 0)
		return is_self(a->fd) ? -ECONNREFUSED : 0;
	if (errno != EINPROGRESS)
		return -errno;
	a->io = loop_io_new(p->loop, a->fd, EPOLLOUT, on_connected, a);
	p->under_way += a->io != NULL;
	return a->io ? -EINPROGRESS : -ENOMEM;
}

/* What the first address says is the answer: what the others say is often only that there is no IPv6. */
static void note_error(struct tcp_probe *p, int error)
{
	if (!p->error)
		p->error = error;
}

/* The addresses that are left, until one is under way or all have failed. Afterwards it may be settled. */
static void try_rest(struct tcp_probe *p)
{
	while (p->next < p->n) {
		struct attempt *a = &p->attempts[p->next];
		int r = try_one(a, &p->addresses[p->next]);

		if (r == -EINPROGRESS) {
			p->next++;
			loop_timer_arm(p->timer, p->next < p->n ? MIN(p->deadline, loop_now(p->loop) + HEAD_START) : p->deadline);
			return;
		}
		hang_up(a);
		if (r == -EAGAIN && p->addresses[p->next].u.any.sa_family == AF_UNIX) {
			loop_timer_arm(p->timer, MIN(p->deadline, loop_now(p->loop) + FULL_PAUSE));
			return;
		}
		p->next++;
		if (r == 0) {
			settle(p, 0);
			return;
		}
		note_error(p, -r);
	}
	if (p->under_way)
		loop_timer_arm(p->timer, p->deadline);
	else
		settle(p, p->error);
}

static void on_connected(struct loop_io *io, uint32_t events, void *data)
{
	struct attempt *a = data;
	struct tcp_probe *p = a->probe;
	int error = 0;
	socklen_t len = sizeof(error);

	(void)events;
	if (getsockopt(loop_io_fd(io), SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (!error && is_self(a->fd))
		error = ECONNREFUSED;
	hang_up(a);
	if (error) {
		note_error(p, error);
		try_rest(p);
	} else {
		settle(p, 0);
	}
	if (p->settled)
		answer(p);
}

static void on_timer(struct loop_timer *timer, void *data)
{
	struct tcp_probe *p = data;

	(void)timer;
	if (!p->settled && loop_now(p->loop) < p->deadline) {
		try_rest(p);
		if (!p->settled)
			return;
	} else if (!p->settled) {
		probe_result_set(&p->result, PROBE_TIMEOUT, 0, "no connection within the time-out");
	}
	answer(p);
}

struct probe *probe_tcp(struct loop *loop, const char *target, usec_t timeout, probe_fn fn, void *data)
{
	struct tcp_probe *p = calloc(1, sizeof(*p));
	int n;

	if (!p)
		return NULL;
	p->base = (struct probe){ .cancel = tcp_cancel, .fn = fn, .data = data };
	p->loop = loop;
	for (size_t i = 0; i < ADDRESSES_MAX; i++)
		p->attempts[i] = (struct attempt){ .probe = p, .fd = -1 };
	p->deadline = time_add(loop_now(loop), timeout);
	p->timer = loop_timer_new(loop, on_timer, p);
	n = resolve(target, p->addresses);
	if (n <= 0 || !p->timer) {
		tcp_cancel(&p->base);
		errno = n <= 0 ? EINVAL : ENOMEM;
		return NULL;
	}
	p->n = (size_t)n;
	try_rest(p);
	/* what is known at once is told from the loop, like everything else */
	if (p->settled)
		loop_timer_arm(p->timer, loop_now(loop));
	return &p->base;
}
