/* SPDX-License-Identifier: Apache-2.0 */
/* Tests: probes that connect: targets, errors by name, time-outs, cancelling. */
#include "../testing.h"

#include "helpers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "loop/loop.h"
#include "process/probe.h"

#define SHORT (60 * USEC_PER_MSEC)

struct heard {
	unsigned int n;
	struct probe_result result;
};

static void on_answer(const struct probe_result *result, void *data)
{
	struct heard *h = data;

	h->n++;
	h->result = *result;
}

/* Probe `target` to its answer. */
static struct probe_result ask(const char *target, usec_t timeout)
{
	struct loop *loop = loop_new();
	struct heard h = { 0 };
	size_t fds = count_fds();
	usec_t end = time_boottime() + PATIENCE_MS * USEC_PER_MSEC;

	assert_non_null(loop);
	assert_non_null(probe_tcp(loop, target, timeout, on_answer, &h));
	assert_int_equal(h.n, 0); /* from the loop only */
	while (!h.n && time_boottime() < end)
		assert_int_equal(loop_once(loop, USEC_PER_SEC), 0);
	assert_int_equal(h.n, 1);
	assert_int_equal(count_fds(), fds);
	loop_free(loop);
	return h.result;
}

/* A listening socket; its target goes to `out`. */
static int listen_at(int family, char out[64])
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr *a = family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
	socklen_t len = family == AF_INET ? sizeof(v4) : sizeof(v6);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, a, len) < 0 || listen(fd, 8) < 0 || getsockname(fd, a, &len) < 0) {
		if (fd >= 0)
			(void)close(fd);
		return -1;
	}
	(void)snprintf(out, 64, "%s:%u", family == AF_INET ? "127.0.0.1" : "[::1]",
		       ntohs(family == AF_INET ? v4.sin_port : v6.sin6_port));
	return fd;
}

static void test_targets(void **state)
{
	static const char *const bad[] = { "",	       "80",	    ":80",	  "127.0.0.1",	   "127.0.0.1:",    "127.0.0.1:0",
					   "1.2.3.4:65536", "::1:80",  "[::1]",	  "[::1:80",	   "[name]:80",	    "unix:",
					   "[]:80",    "host:8x",   "1.2.3.4:-1", "1.2.3.4: 80" };
	struct loop *loop = loop_new();
	char path[160];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		errno = 0;
		assert_null(probe_tcp(loop, bad[i], SHORT, on_answer, NULL));
		assert_int_equal(errno, EINVAL);
		assert_false(probe_tcp_needs_lookup(bad[i]));
	}
	(void)snprintf(path, sizeof(path), "unix:/%0150d", 0);
	assert_null(probe_tcp(loop, path, SHORT, on_answer, NULL));
	assert_true(probe_tcp_needs_lookup("example.org:80"));
	assert_false(probe_tcp_needs_lookup("localhost:80"));
	assert_false(probe_tcp_needs_lookup("LocalHost:80"));
	assert_false(probe_tcp_needs_lookup("[::1]:80"));
	loop_free(loop);
}

static void test_connects(void **state)
{
	static const int families[] = { AF_INET, AF_INET6 };
	char target[64];
	char name[80];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		AUTO(auto_close) int fd = listen_at(families[i], target);

		if (fd < 0)
			continue; /* no IPv6 here */
		assert_int_equal(ask(target, USEC_PER_SEC).error, PROBE_OK);
		(void)snprintf(name, sizeof(name), "localhost%s", strrchr(target, ':'));
		assert_int_equal(ask(name, USEC_PER_SEC).error, PROBE_OK);
	}
}

static void test_refused(void **state)
{
	char target[64];
	int fd = listen_at(AF_INET, target);
	struct probe_result r;

	(void)state;
	(void)close(fd);
	r = ask(target, USEC_PER_SEC);
	assert_int_equal(r.error, PROBE_CONNECT);
	assert_int_equal(r.value, ECONNREFUSED);
	assert_string_equal(r.text, "connect: Connection refused");
	assert_string_equal(probe_error_name(r.error), "Connect");
	(void)snprintf(target, sizeof(target), "localhost:1");
	r = ask(target, USEC_PER_SEC);
	assert_int_equal(r.value, ECONNREFUSED);
}

/* Ports of the ephemeral range without a listener: now and then one connects to itself, which must not count. */
static void test_nobody_is_never_somebody(void **state)
{
	char target[64];
	int fd = listen_at(AF_INET, target);

	(void)state;
	(void)close(fd);
	for (int i = 0; i < 3000; i++)
		assert_int_equal(ask(target, USEC_PER_SEC).error, PROBE_CONNECT);
}

/* 127.0.0.1 says nothing (a full queue drops what comes), ::1 answers: localhost is there. */
static void test_an_address_that_says_nothing_hides_no_other(void **state)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in v4;
	socklen_t len = sizeof(v4);
	AUTO(auto_close) int other = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char target[64], name[64];
	int clients[4];
	int mute = listen_at(AF_INET, target);

	(void)state;
	assert_int_equal(listen(mute, 0), 0);
	assert_int_equal(getsockname(mute, (struct sockaddr *)&v4, &len), 0);
	v6.sin6_port = v4.sin_port;
	if (other < 0 || bind(other, (struct sockaddr *)&v6, sizeof(v6)) < 0) {
		(void)close(mute);
		skip(); /* no IPv6 here, or the port is taken there */
	}
	for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
		clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)connect(clients[i], (struct sockaddr *)&v4, sizeof(v4));
	}
	(void)snprintf(name, sizeof(name), "localhost%s", strrchr(target, ':'));
	assert_int_equal(ask(name, 4 * SHORT).error, PROBE_TIMEOUT); /* the other one refuses: that is no answer for all */
	assert_int_equal(ask(name, 400 * USEC_PER_MSEC).error, PROBE_TIMEOUT);
	assert_int_equal(listen(other, 8), 0);
	assert_int_equal(ask(name, 10 * USEC_PER_SEC).error, PROBE_OK);
	for (size_t i = 0; i < ARRAY_LEN(clients); i++)
		(void)close(clients[i]);
	(void)close(mute);
}

static int listen_local(const char *path, int backlog)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	(void)unlink(path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
	if (backlog >= 0)
		assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static void test_unix(void **state)
{
	char target[100];
	struct probe_result r;
	AUTO(auto_close) int fd = -1;

	(void)state;
	(void)snprintf(target, sizeof(target), "unix:%s/s", temp_dir());
	r = ask(target, USEC_PER_SEC);
	assert_int_equal(r.error, PROBE_CONNECT);
	assert_int_equal(r.value, ENOENT);
	fd = listen_local(target + 5, -1);
	assert_int_equal(ask(target, USEC_PER_SEC).value, ECONNREFUSED);
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(ask(target, USEC_PER_SEC).error, PROBE_OK);
	/* that connection fills the queue, since nobody accepts it */
	r = ask(target, SHORT);
	assert_int_equal(r.error, PROBE_TIMEOUT);
}

static void accept_one(struct loop_timer *timer, void *data)
{
	(void)timer;
	(void)close(accept(*(int *)data, NULL, NULL));
}

static void test_full_queue_that_empties(void **state)
{
	struct loop *loop = loop_new();
	struct heard h = { 0 };
	char target[100];
	AUTO(auto_close) int fd = -1;
	struct loop_timer *timer;

	(void)state;
	(void)snprintf(target, sizeof(target), "unix:%s/s", temp_dir());
	fd = listen_local(target + 5, 0);
	assert_int_equal(ask(target, USEC_PER_SEC).error, PROBE_OK);
	timer = loop_timer_new(loop, accept_one, &fd);
	loop_timer_arm(timer, loop_now(loop) + SHORT);
	assert_non_null(probe_tcp(loop, target, PATIENCE_MS * USEC_PER_MSEC, on_answer, &h));
	while (!h.n)
		assert_int_equal(loop_once(loop, USEC_PER_SEC), 0);
	assert_int_equal(h.result.error, PROBE_OK);
	loop_free(loop);
}

static void test_cancelled_is_silent(void **state)
{
	struct loop *loop = loop_new();
	struct heard h = { 0 };
	char target[64];
	AUTO(auto_close) int fd = listen_at(AF_INET, target);
	size_t fds = count_fds();

	(void)state;
	assert_true(fd >= 0);
	probe_cancel(NULL);
	probe_cancel(probe_tcp(loop, target, USEC_PER_SEC, on_answer, &h));
	probe_cancel(probe_tcp(loop, "unix:/nonexistent", USEC_PER_SEC, on_answer, &h));
	for (int i = 0; i < 3; i++)
		assert_int_equal(loop_once(loop, 1000), 0);
	assert_int_equal(h.n, 0);
	assert_int_equal(count_fds(), fds);
	loop_free(loop);
}

static void test_error_names(void **state)
{
	(void)state;
	for (int e = 0; e < PROBE_ERROR_N; e++)
		assert_non_null(probe_error_name((enum probe_error)e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_connects),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_nobody_is_never_somebody),
		cmocka_unit_test(test_an_address_that_says_nothing_hides_no_other),
		cmocka_unit_test(test_unix),
		cmocka_unit_test(test_full_queue_that_empties),
		cmocka_unit_test(test_cancelled_is_silent),
		cmocka_unit_test(test_error_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
