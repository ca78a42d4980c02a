/* SPDX-License-Identifier: Apache-2.0 */
/* Tests: the real zinit-prober against a rude server: every probe ends in time with a name; the worker may die or hang. */
#include "../testing.h"

#include "helpers.h"
#include "rude_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/probe_wire.h"
#include "loop/loop.h"
#include "process/prober.h"

#define MS USEC_PER_MSEC
#define IN_TIME (10 * USEC_PER_SEC)

struct world {
	struct loop *loop;
	struct prober *prober;
	pid_t worker;
	uint32_t number;
	unsigned int spawned, ended;
	bool refuse;
};

struct heard {
	unsigned int n;
	struct probe_result result;
	unsigned int *total;
};

static int spawn_worker(int fd, uint32_t number, void *data)
{
	struct world *w = data;

	if (w->refuse)
		return -EAGAIN;
	w->spawned++;
	w->number = number;
	w->worker = fork();
	if (w->worker == 0) {
		if (fd == PROBER_FD)
			(void)fcntl(fd, F_SETFD, 0);
		else
			(void)dup2(fd, PROBER_FD);
		(void)execl(getenv("PROBER"), "zinit-prober", NULL);
		_exit(127);
	}
	return w->worker < 0 ? -errno : 0;
}

static void bury(struct world *w)
{
	if (w->worker)
		(void)waitpid(w->worker, NULL, 0);
	w->worker = 0;
}

static void end_worker(uint32_t number, void *data)
{
	struct world *w = data;

	assert_int_equal(number, w->number);
	w->ended++;
	(void)kill(w->worker, SIGKILL);
	bury(w);
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->loop = loop_new();
	w->prober = prober_new(w->loop, &(struct prober_owner){ spawn_worker, end_worker, w });
	assert_non_null(w->prober);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	prober_free(w->prober);
	bury(w); /* it ends when its socket closes */
	loop_free(w->loop);
	free(w);
	return 0;
}

static void on_answer(const struct probe_result *result, void *data)
{
	struct heard *h = data;

	h->n++;
	h->result = *result;
	if (h->total)
		++*h->total;
}

static void wait_for(struct world *w, const unsigned int *n, unsigned int wanted)
{
	usec_t end = time_boottime() + PATIENCE_MS * MS;

	while (*n < wanted && time_boottime() < end)
		assert_int_equal(loop_once(w->loop, 100 * MS), 0);
	assert_int_equal(*n, wanted);
}

static struct prober_http http_of(char url[64], uint16_t port)
{
	(void)snprintf(url, 64, "http://127.0.0.1:%u/health", port);
	return (struct prober_http){ .url = url, .tls_verify = true };
}

static struct probe_result ask(struct world *w, const struct prober_http *http, usec_t timeout)
{
	struct heard h = { 0 };

	assert_non_null(prober_http(w->prober, http, timeout, on_answer, &h));
	assert_int_equal(h.n, 0);
	wait_for(w, &h.n, 1);
	return h.result;
}

static void test_rude_servers(void **state)
{
	static const struct {
		enum rude_manner manner;
		bool follow, tls;
		enum probe_error error;
		int value;
	} rows[] = {
		{ RUDE_SILENT, false, false, PROBE_TIMEOUT, 0 },
		{ RUDE_DRIP, false, false, PROBE_TIMEOUT, 0 },
		{ RUDE_GIGABYTE, false, false, PROBE_TOO_LARGE, 0 },
		{ RUDE_HEADERS, false, false, PROBE_TOO_LARGE, 0 },
		{ RUDE_REDIRECT, false, false, PROBE_STATUS, 302 },
		{ RUDE_REDIRECT, true, false, PROBE_STATUS, 302 },
		{ RUDE_REDIRECT_TO_FILE, true, false, PROBE_MALFORMED, 0 },
		{ RUDE_RESET, false, false, PROBE_CONNECT, ECONNRESET },
		{ RUDE_GARBAGE, false, false, PROBE_MALFORMED, 0 },
		{ RUDE_GARBAGE, false, true, PROBE_TLS, 0 },
		{ RUDE_SILENT, false, true, PROBE_TIMEOUT, 0 },
		{ RUDE_CUT, false, false, PROBE_MALFORMED, 0 },
		{ RUDE_CLOSE, false, false, PROBE_MALFORMED, 0 },
		{ RUDE_NOT_FOUND, false, false, PROBE_STATUS, 404 },
		{ RUDE_FINE, false, false, PROBE_OK, 0 },
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char url[64];
		uint16_t port;
		pid_t rude = rude_start(rows[i].manner, &port);
		struct prober_http http = http_of(url, port);
		bool ends_at_time_out = rows[i].error == PROBE_TIMEOUT;
		usec_t begun = time_boottime();
		struct probe_result r;

		if (rows[i].tls)
			(void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/", port);
		http.follow = rows[i].follow;
		http.tls_verify = false;
		r = ask(w, &http, ends_at_time_out ? 300 * MS : IN_TIME);
		if (r.error != rows[i].error)
			fail_msg("row %zu: %s: %s", i, probe_error_name(r.error), r.text);
		if (rows[i].value)
			assert_int_equal(r.value, rows[i].value);
		assert_true(r.error == PROBE_OK || r.text[0]);
		if (ends_at_time_out)
			assert_true(time_boottime() - begun >= 290 * MS);
		assert_true(time_boottime() - begun < IN_TIME);
		rude_stop(rude);
	}
	assert_int_equal(w->spawned, 1);
	assert_int_equal(w->ended, 0);
}

/* Keep a port that nobody listens on from being given to another program of this machine meanwhile. */
static int hold_port(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)), 0);
	/* in use: connections that have just ended hold it as well */
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		assert_int_equal(errno, EADDRINUSE);
	return fd;
}

static void test_expectations(void **state)
{
	int held;
	static const struct prober_range classes[] = { { 500, 599 }, { 200, 299 } };
	static const struct prober_range only_404[] = { { 404, 404 } };
	static const char *const headers[] = { "X-One=1", "Host=example.org", NULL };
	struct world *w = *state;
	char url[64];
	uint16_t port;
	pid_t rude = rude_start(RUDE_FINE, &port);
	struct prober_http http = http_of(url, port);
	struct probe_result r;

	http.ranges = classes;
	http.ranges_n = 2;
	http.headers = headers;
	http.method = "POST";
	http.body = "^heal(thy|ed)$";
	assert_int_equal(ask(w, &http, IN_TIME).error, PROBE_OK);
	http.body = "sick";
	assert_int_equal(ask(w, &http, IN_TIME).error, PROBE_BODY);
	http.body = "((";
	assert_int_equal(ask(w, &http, IN_TIME).error, PROBE_BODY);
	http.body = NULL;
	http.ranges = only_404;
	http.ranges_n = 1;
	r = ask(w, &http, IN_TIME);
	assert_int_equal(r.error, PROBE_STATUS);
	assert_int_equal(r.value, 200);
	rude_stop(rude);
	held = hold_port(port);
	r = ask(w, &http, IN_TIME);
	assert_int_equal(r.error, PROBE_CONNECT);
	assert_int_equal(r.value, ECONNREFUSED);
	(void)close(held);
	http.unix_socket = "/nonexistent/socket";
	assert_int_equal(ask(w, &http, IN_TIME).error, PROBE_CONNECT);
}

static void test_connect_by_name(void **state)
{
	struct world *w = *state;
	int held;
	struct heard h = { 0 };
	char target[64];
	uint16_t port;
	pid_t rude = rude_start(RUDE_SILENT, &port);

	(void)snprintf(target, sizeof(target), "localhost:%u", port);
	assert_non_null(prober_connect(w->prober, target, IN_TIME, on_answer, &h));
	wait_for(w, &h.n, 1);
	assert_int_equal(h.result.error, PROBE_OK);
	rude_stop(rude);
	held = hold_port(port);
	assert_non_null(prober_connect(w->prober, target, IN_TIME, on_answer, &h));
	wait_for(w, &h.n, 2);
	assert_int_equal(h.result.error, PROBE_CONNECT);
	(void)close(held);
	assert_non_null(prober_connect(w->prober, "no-such-name.invalid:80", IN_TIME, on_answer, &h));
	wait_for(w, &h.n, 3);
	assert_true(h.result.error == PROBE_NAME || h.result.error == PROBE_TIMEOUT);
}

/* More than a socket holds, while the worker is still being started. */
static void test_a_burst(void **state)
{
	enum { N = 3000 };
	struct world *w = *state;
	struct heard *h = calloc(N, sizeof(*h));
	unsigned int total = 0;
	char url[64];
	uint16_t port;
	pid_t rude = rude_start(RUDE_FINE, &port);
	struct prober_http http = http_of(url, port);

	assert_non_null(h);
	rude_stop(rude); /* refused is an answer, too, and quicker */
	for (int i = 0; i < N; i++) {
		h[i].total = &total;
		assert_non_null(prober_http(w->prober, &http, IN_TIME, on_answer, &h[i]));
	}
	wait_for(w, &total, N);
	for (int i = 0; i < N; i++) {
		assert_int_equal(h[i].n, 1);
		assert_int_equal(h[i].result.error, PROBE_CONNECT);
	}
	free(h);
}

static void test_a_worker_that_dies(void **state)
{
	struct world *w = *state;
	struct heard h = { 0 };
	char url[64];
	uint16_t port;
	pid_t rude = rude_start(RUDE_SILENT, &port);
	struct prober_http http = http_of(url, port);
	uint32_t old;

	assert_non_null(prober_http(w->prober, &http, IN_TIME, on_answer, &h));
	assert_int_equal(loop_once(w->loop, 100 * MS), 0);
	(void)kill(w->worker, SIGKILL);
	bury(w);
	old = w->number;
	wait_for(w, &h.n, 1);
	assert_int_equal(h.result.error, PROBE_UNAVAILABLE);
	assert_non_null(prober_http(w->prober, &http, IN_TIME, on_answer, &h)); /* too soon for another */
	wait_for(w, &h.n, 2);
	assert_int_equal(h.result.error, PROBE_UNAVAILABLE);
	for (usec_t end = time_boottime() + 150 * MS; time_boottime() < end;)
		assert_int_equal(loop_once(w->loop, 10 * MS), 0);
	assert_non_null(prober_http(w->prober, &http, 200 * MS, on_answer, &h));
	prober_exited(w->prober, old); /* old news */
	wait_for(w, &h.n, 3);
	assert_int_equal(h.result.error, PROBE_TIMEOUT);
	assert_int_equal(w->spawned, 2);
	rude_stop(rude);
}

static void test_a_worker_that_hangs(void **state)
{
	struct world *w = *state;
	struct heard h = { 0 };
	char url[64];
	uint16_t port;
	pid_t rude = rude_start(RUDE_FINE, &port);
	struct prober_http http = http_of(url, port);

	assert_int_equal(ask(w, &http, IN_TIME).error, PROBE_OK);
	(void)kill(w->worker, SIGSTOP);
	assert_non_null(prober_http(w->prober, &http, 100 * MS, on_answer, &h));
	wait_for(w, &h.n, 1);
	assert_int_equal(h.result.error, PROBE_TIMEOUT);
	assert_int_equal(w->ended, 1);
	rude_stop(rude);
}

static void test_a_worker_that_cannot_start(void **state)
{
	struct world *w = *state;
	char url[64];
	struct prober_http http = http_of(url, 1);

	w->refuse = true;
	assert_int_equal(ask(w, &http, IN_TIME).error, PROBE_UNAVAILABLE);
	assert_int_equal(ask(w, &http, IN_TIME).error, PROBE_UNAVAILABLE);
}

static void test_cancelled_is_silent(void **state)
{
	struct world *w = *state;
	struct heard h = { 0 };
	char url[64];
	uint16_t port;
	pid_t rude = rude_start(RUDE_SILENT, &port);
	struct prober_http http = http_of(url, port);

	for (int i = 0; i < 100; i++)
		probe_cancel(prober_http(w->prober, &http, 200 * MS, on_answer, &h));
	assert_int_equal(ask(w, &http, 300 * MS).error, PROBE_TIMEOUT);
	assert_int_equal(h.n, 0);
	rude_stop(rude);
}

static void test_texts_that_are_too_long(void **state)
{
	struct world *w = *state;
	char *url = calloc(1, PROBER_QUESTION_MAX + 2);
	struct prober_http http = { .url = url };

	assert_non_null(url);
	memset(url, 'x', PROBER_QUESTION_MAX + 1);
	assert_null(prober_http(w->prober, &http, IN_TIME, on_answer, NULL));
	assert_int_equal(errno, E2BIG);
	free(url);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rude_servers),
		TEST(test_expectations),
		TEST(test_connect_by_name),
		TEST(test_a_burst),
		TEST(test_a_worker_that_dies),
		TEST(test_a_worker_that_hangs),
		TEST(test_a_worker_that_cannot_start),
		TEST(test_cancelled_is_silent),
		TEST(test_texts_that_are_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
