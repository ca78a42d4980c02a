/* SPDX-License-Identifier: Apache-2.0 */
/* The client against a scripted server: a thread that reads N requests, then writes prepared bytes. */
#include "client/zinit_client.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../testing.h"

#define STEPS_MAX 4

/* One connection: wait for `requests` lines, write `reply`; a NULL reply ends the connection. */
struct script {
	struct {
		int requests;
		const char *reply;
	} steps[STEPS_MAX];
	const char *second_reply; /* of a second connection, after one request */
};

struct fake {
	char dir[32];
	char path[64];
	int listener;
	pthread_t thread;
	struct script script;
	char seen[1024];
};

static void read_lines(struct fake *f, int fd, int n)
{
	while (n > 0) {
		size_t len = strlen(f->seen);

		if (read(fd, f->seen + len, 1) != 1)
			return;
		f->seen[len + 1] = '\0';
		n -= f->seen[len] == '\n';
	}
}

static void *serve(void *data)
{
	struct fake *f = data;
	int fd = accept(f->listener, NULL, NULL);

	for (int i = 0; i < STEPS_MAX && f->script.steps[i].reply; i++) {
		read_lines(f, fd, f->script.steps[i].requests);
		(void)!write(fd, f->script.steps[i].reply, strlen(f->script.steps[i].reply));
	}
	if (f->script.second_reply) {
		(void)close(fd);
		fd = accept(f->listener, NULL, NULL);
		read_lines(f, fd, 1);
		(void)!write(fd, f->script.second_reply, strlen(f->script.second_reply));
	}
	(void)close(fd);
	return NULL;
}

static struct zinit_client *fake_start(struct fake *f, const struct script *script)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct zinit_client *client = NULL;

	memset(f, 0, sizeof(*f));
	f->script = *script;
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/test_client.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->path, sizeof(f->path), "%s/sock", f->dir);
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", f->path);
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(f->listener, 4), 0);
	assert_int_equal(pthread_create(&f->thread, NULL, serve, f), 0);
	assert_int_equal(zinit_open(f->path, 1000, &client, NULL), 0);
	return client;
}

static void fake_end(struct fake *f, struct zinit_client *client)
{
	zinit_close(client);
	(void)pthread_join(f->thread, NULL);
	(void)close(f->listener);
	(void)unlink(f->path);
	(void)rmdir(f->dir);
}

static void test_call_returns_the_result(void **state)
{
	struct script script = { .steps = { { 1, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"a\":7}}\n" } } };
	struct fake f;
	struct zinit_client *c = fake_start(&f, &script);
	json_t *result = NULL;

	(void)state;
	assert_int_equal(zinit_call(c, "x.y", json_pack("{s:s}", "name", "n"), 1000, &result, NULL), 0);
	assert_int_equal(json_integer_value(json_object_get(result, "a")), 7);
	assert_string_equal(f.seen, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x.y\",\"params\":{\"name\":\"n\"}}\n");
	json_decref(result);
	fake_end(&f, c);
}

static void count(const char *method, const json_t *params, void *data)
{
	assert_string_equal(method, "event");
	*(json_int_t *)data = *(json_int_t *)data * 10 + json_integer_value(json_object_get(params, "n"));
}

static void test_answers_out_of_order_and_notifications_between(void **state)
{
	struct script script = { .steps = { { 2, "{\"id\":2,\"result\":\"two\"}\n"
						 "{\"method\":\"event\",\"params\":{\"n\":1}}\n"
						 "{\"method\":\"event\",\"params\":{\"n\":2}}\n"
						 "{\"id\":99,\"result\":\"not asked for\"}\n"
						 "{\"id\":1,\"result\":\"one\"}\n" } } };
	struct fake f;
	struct zinit_client *c = fake_start(&f, &script);
	json_int_t events = 0;
	uint64_t one;
	uint64_t two;
	json_t *result = NULL;

	(void)state;
	zinit_on_notify(c, count, &events);
	assert_int_equal(zinit_send(c, "a", NULL, &one, NULL), 0);
	assert_int_equal(zinit_send(c, "b", NULL, &two, NULL), 0);
	assert_int_equal(zinit_wait(c, one, 1000, &result, NULL), 0);
	assert_string_equal(json_string_value(result), "one");
	assert_int_equal(events, 12);
	json_decref(result);
	assert_int_equal(zinit_wait(c, two, 0, &result, NULL), 0);
	assert_string_equal(json_string_value(result), "two");
	json_decref(result);
	fake_end(&f, c);
}

static void test_what_comes_behind_the_answer_waits_for_the_next_call(void **state)
{
	struct script script = { .steps = { { 1, "{\"id\":1,\"result\":1}\n{\"method\":\"event\",\"params\":{\"n\":3}}\n" } } };
	struct fake f;
	struct zinit_client *c = fake_start(&f, &script);
	json_int_t events = 0;

	(void)state;
	zinit_on_notify(c, count, &events);
	assert_int_equal(zinit_call(c, "subscribe", NULL, 1000, NULL, NULL), 0);
	assert_int_equal(events, 0);
	assert_int_equal(zinit_dispatch(c, 1000, NULL), 1);
	assert_int_equal(events, 3);
	fake_end(&f, c);
}

static void test_server_error_has_code_hint_and_data(void **state)
{
	struct script script = { .steps = { { 1, "{\"id\":1,\"error\":{\"code\":-32000,\"message\":\"no such\","
						 "\"data\":{\"hint\":\"zinit list\"}}}\n" } } };
	struct fake f;
	struct zinit_client *c = fake_start(&f, &script);
	struct zinit_error err;

	(void)state;
	assert_int_equal(zinit_call(c, "x", NULL, 1000, NULL, &err), -ZINIT_ANSWER);
	assert_int_equal(err.rpc_code, -32000);
	assert_string_equal(err.message, "no such");
	assert_string_equal(err.hint, "zinit list");
	assert_true(json_is_object(zinit_error_data(c)));
	fake_end(&f, c);
}

static void test_timeout_leaves_the_request_open(void **state)
{
	struct script script = { .steps = { { 1, "{\"id\":1,\"resu" }, { 1, "lt\":5}\n{\"id\":2,\"result\":6}\n" } } };
	struct fake f;
	struct zinit_client *c = fake_start(&f, &script);
	struct zinit_error err;
	uint64_t id;
	json_t *result = NULL;

	(void)state;
	assert_int_equal(zinit_send(c, "slow", NULL, &id, NULL), 0);
	assert_int_equal(zinit_wait(c, id, 20, &result, &err), -ZINIT_TIMEOUT);
	assert_int_equal(zinit_call(c, "next", NULL, 1000, NULL, NULL), 0);
	assert_int_equal(zinit_wait(c, id, 0, &result, NULL), 0);
	assert_int_equal(json_integer_value(result), 5);
	json_decref(result);
	fake_end(&f, c);
}

static void test_lost_connection_is_told_and_made_anew(void **state)
{
	struct script script = { .steps = { { 1, "{\"id\":1,\"result\":1}\n" } },
				 .second_reply = "{\"id\":2,\"result\":2}\n" };
	struct fake f;
	struct zinit_client *c = fake_start(&f, &script);
	struct zinit_error err;
	json_t *result = NULL;

	(void)state;
	assert_int_equal(zinit_call(c, "x", NULL, 1000, NULL, NULL), 0);
	assert_int_equal(zinit_dispatch(c, 1000, &err), -ZINIT_LOST);
	assert_int_equal(zinit_reconnect(c, 1000, NULL), 0);
	assert_int_equal(zinit_call(c, "x", NULL, 1000, &result, NULL), 0);
	assert_int_equal(json_integer_value(result), 2);
	json_decref(result);
	fake_end(&f, c);
}

static void test_garbage_is_a_protocol_error(void **state)
{
	struct script script = { .steps = { { 1, "HTTP/1.1 400 Bad Request\r\n" } } };
	struct fake f;
	struct zinit_client *c = fake_start(&f, &script);
	struct zinit_error err;

	(void)state;
	assert_int_equal(zinit_call(c, "x", NULL, 1000, NULL, &err), -ZINIT_PROTOCOL);
	assert_non_null(strstr(err.message, "not JSON"));
	fake_end(&f, c);
}

static void test_no_server_says_how_to_start_one(void **state)
{
	struct zinit_client *c = NULL;
	struct zinit_error err;
	char path[200];

	(void)state;
	assert_int_equal(zinit_open("/nonexistent/zinit.sock", 1000, &c, &err), -ZINIT_NO_SERVER);
	assert_non_null(strstr(err.message, "no server at /nonexistent/zinit.sock"));
	assert_non_null(strstr(err.hint, "zinit-server"));
	assert_int_equal(zinit_open("/dev/null", 1000, &c, &err), -ZINIT_NO_SERVER);
	assert_non_null(strstr(err.message, "not a socket"));
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(zinit_open(path, 0, &c, &err), -ZINIT_SYSTEM);
	assert_non_null(strstr(err.message, "too long"));
}

static void test_stale_socket_is_waited_for_then_reported(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct zinit_client *c = NULL;
	struct zinit_error err;
	char dir[] = "/tmp/test_client.XXXXXX";
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/sock", dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(zinit_open(addr.sun_path, 30, &c, &err), -ZINIT_NO_SERVER);
	assert_non_null(strstr(err.message, "nobody listens"));
	(void)close(fd);
	(void)unlink(addr.sun_path);
	(void)rmdir(dir);
}

static void test_default_socket(void **state)
{
	char path[ZINIT_PATH_MAX];

	(void)state;
	(void)setenv("ZINIT_SOCKET", "/x/y.sock", 1);
	assert_string_equal(zinit_default_socket(path), "/x/y.sock");
	(void)unsetenv("ZINIT_SOCKET");
	(void)unsetenv("XDG_RUNTIME_DIR");
	assert_string_equal(zinit_default_socket(path), "/run/zinit.sock");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_call_returns_the_result),
		cmocka_unit_test(test_answers_out_of_order_and_notifications_between),
		cmocka_unit_test(test_what_comes_behind_the_answer_waits_for_the_next_call),
		cmocka_unit_test(test_server_error_has_code_hint_and_data),
		cmocka_unit_test(test_timeout_leaves_the_request_open),
		cmocka_unit_test(test_lost_connection_is_told_and_made_anew),
		cmocka_unit_test(test_garbage_is_a_protocol_error),
		cmocka_unit_test(test_no_server_says_how_to_start_one),
		cmocka_unit_test(test_stale_socket_is_waited_for_then_reported),
		cmocka_unit_test(test_default_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
