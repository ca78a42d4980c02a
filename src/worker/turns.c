/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: ending attempts to connect that have had their time. */
#include "worker/turns.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "loop/loop.h"

/* libcurl tries one address of each family at a time. */
#define FAMILIES 2

struct turns {
	struct loop *loop;
	struct loop_timer *timer;
	usec_t each;
	bool stopped, ended_one;
	struct {
		int fd; /* -1: none; libcurl's */
		usec_t end;
	} turn[FAMILIES];
};

static void arm(struct turns *t)
{
	usec_t next = USEC_NEVER;

	for (int i = 0; i < FAMILIES; i++) {
		if (t->turn[i].fd >= 0)
			next = MIN(next, t->turn[i].end);
	}
	loop_timer_arm(t->timer, next);
}

static bool is_connecting(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 && info.tcpi_state == TCP_SYN_SENT;
}

static void on_timer(struct loop_timer *timer, void *data)
{
	const struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	struct turns *t = data;

	(void)timer;
	for (int i = 0; i < FAMILIES; i++) {
		int fd = t->turn[i].fd;

		if (fd < 0 || loop_now(t->loop) < t->turn[i].end)
			continue;
		t->turn[i].fd = -1;
		if (!is_connecting(fd))
			continue;
		t->ended_one = true;
		(void)connect(fd, &nobody, sizeof(nobody)); /* ends the attempt: libcurl sees that it failed */
	}
	arm(t);
}

static curl_socket_t on_open(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct turns *t = data;
	int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	int i = address->family == AF_INET6;

	(void)purpose;
	if (fd < 0)
		return CURL_SOCKET_BAD;
	if (t->stopped || (address->family != AF_INET && address->family != AF_INET6))
		return fd;
	t->turn[i].fd = fd;
	t->turn[i].end = time_add(loop_now(t->loop), t->each);
	arm(t);
	return fd;
}

static int on_close(void *data, curl_socket_t fd)
{
	struct turns *t = data;

	for (int i = 0; i < FAMILIES; i++) {
		if (t->turn[i].fd == fd)
			t->turn[i].fd = -1;
	}
	return close(fd);
}

struct turns *turns_new(struct loop *loop, CURL *easy, usec_t each)
{
	struct turns *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	*t = (struct turns){ .loop = loop, .each = each, .turn = { { .fd = -1 }, { .fd = -1 } } };
	t->timer = loop_timer_new(loop, on_timer, t);
	if (!t->timer) {
		free(t);
		return NULL;
	}
	(void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
	(void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, t);
	(void)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
	(void)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, t);
	return t;
}

void turns_free(struct turns *t)
{
	if (!t)
		return;
	loop_timer_free(t->timer);
	free(t);
}

bool turns_stop(struct turns *t)
{
	t->stopped = true;
	for (int i = 0; i < FAMILIES; i++)
		t->turn[i].fd = -1;
	loop_timer_disarm(t->timer);
	return t->ended_one;
}
