/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: probes that connect and hang up: TCP by numeric address, and unix sockets. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
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

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un local;
	} u;
	socklen_t len;
};

struct tcp_probe {
	struct probe base;
	struct loop *loop;
	struct loop_io *io;
	struct loop_timer *timer;
	int fd;
	bool failed_at_once;
	struct probe_result result;
};

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

/* Returns 1 and the address, 0 for a name, -EINVAL for what is neither. */
static int resolve(const char *target, struct address *out)
{
	char host[HOST_SIZE];
	uint16_t port;

	memset(out, 0, sizeof(*out));
	if (str_starts(target, "unix:")) {
		out->u.local.sun_family = AF_UNIX;
		out->len = sizeof(out->u.local);
		return target[5] && str_copy(out->u.local.sun_path, sizeof(out->u.local.sun_path), target + 5) ? 1 : -EINVAL;
	}
	if (split(target, host, &port) < 0)
		return -EINVAL;
	if (inet_pton(AF_INET, host, &out->u.v4.sin_addr) == 1) {
		out->u.v4.sin_family = AF_INET;
		out->u.v4.sin_port = htons(port);
		out->len = sizeof(out->u.v4);
		return 1;
	}
	if (inet_pton(AF_INET6, host, &out->u.v6.sin6_addr) == 1) {
		out->u.v6.sin6_family = AF_INET6;
		out->u.v6.sin6_port = htons(port);
		out->len = sizeof(out->u.v6);
		return 1;
	}
	return *target == '[' ? -EINVAL : 0;
}

int probe_tcp_is_numeric(const char *target)
{
	struct address address;

	return resolve(target, &address);
}

static void tcp_cancel(struct probe *probe)
{
	struct tcp_probe *p = CONTAINER_OF(probe, struct tcp_probe, base);

	loop_io_free(p->io);
	loop_timer_free(p->timer);
	auto_close(&p->fd);
	free(p);
}

static void answer(struct tcp_probe *p, const struct probe_result *result)
{
	struct probe_result copy = *result;
	probe_fn fn = p->base.fn;
	void *data = p->base.data;

	tcp_cancel(&p->base);
	fn(&copy, data);
}

static void set_connect_result(struct probe_result *out, int error)
{
	if (error)
		probe_result_set(out, PROBE_CONNECT, error, "connect: %s", strerror(error));
	else
		*out = (struct probe_result){ .error = PROBE_OK };
}

static void on_connected(struct loop_io *io, uint32_t events, void *data)
{
	struct tcp_probe *p = data;
	struct probe_result result;
	int error = 0;
	socklen_t len = sizeof(error);

	(void)events;
	if (getsockopt(loop_io_fd(io), SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	set_connect_result(&result, error);
	answer(p, &result);
}

static void on_timer(struct loop_timer *timer, void *data)
{
	struct tcp_probe *p = data;
	struct probe_result result;

	(void)timer;
	if (p->failed_at_once) {
		answer(p, &p->result);
		return;
	}
	probe_result_set(&result, PROBE_TIMEOUT, 0, "no connection within the time-out");
	answer(p, &result);
}

/* What connect(2) says at once is told from the loop, like everything else. */
static void begin(struct tcp_probe *p, const struct address *address, usec_t timeout)
{
	int r = connect(p->fd, &address->u.any, address->len);

	if (r < 0 && errno == EINPROGRESS) {
		p->io = loop_io_new(p->loop, p->fd, EPOLLOUT, on_connected, p);
		if (p->io) {
			loop_timer_arm(p->timer, time_add(loop_now(p->loop), timeout));
			return;
		}
		r = -1;
	}
	p->failed_at_once = true;
	set_connect_result(&p->result, r < 0 ? errno : 0);
	loop_timer_arm(p->timer, loop_now(p->loop));
}

struct probe *probe_tcp(struct loop *loop, const char *target, usec_t timeout, probe_fn fn, void *data)
{
	struct address address;
	struct tcp_probe *p;

	if (resolve(target, &address) != 1) {
		errno = EINVAL;
		return NULL;
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->base = (struct probe){ .cancel = tcp_cancel, .fn = fn, .data = data };
	p->loop = loop;
	p->fd = socket(address.u.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	p->timer = loop_timer_new(loop, on_timer, p);
	if (p->fd < 0 || !p->timer) {
		tcp_cancel(&p->base);
		return NULL;
	}
	begin(p, &address, timeout);
	return &p->base;
}
