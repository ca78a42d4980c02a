/* SPDX-License-Identifier: Apache-2.0 */
/* The whole control server on a real socket, with a supervisor that has no processes. */
#include "rpc/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../testing_dir.h"
#include "base/diag.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/server_settings.h"
#include "fake.h"
#include "rpc/conn.h"
#include "rpc/listen.h"

#define PATIENCE_ROUNDS 2000

struct rig {
	struct loop *loop;
	struct supervisor sup;
	struct server_settings settings;
	struct rpc_server *server;
	char dir[32];
	char path[64];
};

static void rig_start(struct rig *rig)
{
	struct rpc_server_options options = { 0 };
	struct error err;

	memset(rig, 0, sizeof(*rig));
	testing_dir_make(rig->dir);
	(void)snprintf(rig->path, sizeof(rig->path), "%s/s", rig->dir);
	rig->loop = loop_new();
	assert_non_null(rig->loop);
	assert_int_equal(fake_init(&rig->sup, rig->loop), 0);
	options = (struct rpc_server_options){ .loop = rig->loop, .supervisor = &rig->sup, .settings = &rig->settings,
					       .listen_fd = rpc_listen(rig->path, 0600, (gid_t)-1, &err),
					       .socket_path = rig->path };
	assert_true(options.listen_fd >= 0);
	assert_int_equal(rpc_server_new(&options, &rig->server, &err), 0);
	assert_true(fake_add(&rig->sup, "db", NULL, "one\ntwo\nthree\n") != CORE_NONE);
	assert_true(fake_add(&rig->sup, "web", "db", NULL) != CORE_NONE);
}

static void rig_stop(struct rig *rig)
{
	rpc_server_free(rig->server);
	fake_fini(&rig->sup);
	loop_free(rig->loop);
	(void)unlink(rig->path);
	assert_int_equal(rmdir(rig->dir), 0);
}

static int client(struct rig *rig)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)str_copy(address.sun_path, sizeof(address.sun_path), rig->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* The next line of the server, without its newline; runs the loop until it is there. NULL: the connection has ended. */
static char *hear(struct rig *rig, int fd)
{
	static char line[1 << 20];
	size_t len = 0;

	for (int i = 0; i < PATIENCE_ROUNDS; i++) {
		ssize_t n;

		while ((n = recv(fd, line + len, 1, 0)) == 1) {
			if (line[len] == '\n') {
				line[len] = '\0';
				return line;
			}
			assert_true(++len < sizeof(line));
		}
		if (n == 0)
			return NULL;
		assert_int_equal(loop_once(rig->loop, 5 * USEC_PER_MSEC), 0);
	}
	fail_msg("no answer");
	return NULL;
}

/* Both must be in the answer. */
static void expect(struct rig *rig, int fd, const char *request, const char *one, const char *two)
{
	const char *line;

	say(fd, request);
	line = hear(rig, fd);
	assert_non_null(line);
	if (!strstr(line, one) || !strstr(line, two))
		fail_msg("%s: '%s' or '%s' is not in: %s", request, one, two, line);
}

#define CALL(method, params) "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" method "\",\"params\":" params "}"

static void test_calls(void **state)
{
	struct rig rig;
	int fd;

	(void)state;
	rig_start(&rig);
	fd = client(&rig);
	expect(&rig, fd, CALL("system.ping", "null"), "\"id\":1", "\"version\"");
	expect(&rig, fd, CALL("service.list", "[]"), "[\"db\",\"web\"]", "");
	expect(&rig, fd, CALL("service.list_full", "{\"invalid\":true}"), "\"state\":\"invalid\"", "bad.toml:1:1");
	expect(&rig, fd, CALL("service.status", "[\"db\"]"), "\"state\":\"inactive\"", "\"pid\":0");
	expect(&rig, fd, CALL("service.status", "{\"name\":\"dbb\"}"), "-32000", "did you mean 'db'?");
	expect(&rig, fd, CALL("service.start", "{\"nam\":\"db\"}"), "-32602", "did you mean 'name'?");
	expect(&rig, fd, CALL("service.strat", "{}"), "-32601", "did you mean 'service.start'?");
	expect(&rig, fd, CALL("service.is_running", "[\"ghost\"]"), "\"result\":false", "");
	expect(&rig, fd, CALL("service.kill", "[\"db\"]"), "-32003", "ServiceIsDown");
	expect(&rig, fd, CALL("service.kill", "[\"db\",\"NOSIG\"]"), "-32004", "InvalidSignal");
	expect(&rig, fd, CALL("logs.tail", "[\"db\",2]"), "\"content\":\"two\"", "\"content\":\"three\"");
	expect(&rig, fd, CALL("logs.get", "[\"db\"]"), "\"1000 [stdout] one\"", "");
	expect(&rig, fd, CALL("logs.filter", "{\"service\":\"db\",\"grep\":\"^t\"}"), "[\"1000 [stdout] two\",", "three");
	expect(&rig, fd, CALL("service.set", "{\"service\":{\"name\":\"new\",\"exec\":\"true\"}}"), "\"name\":\"new\"", "warnings");
	expect(&rig, fd, CALL("service.set", "{\"service\":{\"name\":\"new\"}}"), "-32011", "\"errors\":[");
	expect(&rig, fd, CALL("service.delete", "[\"new\"]"), "\"ok\":true", "");
	expect(&rig, fd, CALL("service.reload", "null"), "broken\"", "\"invalid\":1");
	expect(&rig, fd, CALL("config.plan", "null"), "\"action\":\"restart\"", "\"digest\":\"0123456789abcdef\"");
	expect(&rig, fd, CALL("config.apply", "{\"digest\":\"0123456789abcdef\"}"), "\"restarted\":1", "\"ok\":true");
	expect(&rig, fd, CALL("config.apply", "{\"digest\":\"feed\"}"), "-32011", "does not hold any more");
	expect(&rig, fd, CALL("service_list", "null"), "{\"db\":\"Unknown\",\"web\":\"Unknown\"}", "");
	expect(&rig, fd, CALL("service.start_all", "null"), "\"started\":[\"db\",\"web\"]", "\"failed\":[]");
	expect(&rig, fd, CALL("service_status", "[\"web\"]"), "\"after\":{\"db\":\"Running\"}", "\"target\":\"Up\"");
	(void)close(fd);
	rig_stop(&rig);
}

static void test_every_method_stands_in_the_document(void **state)
{
	struct rig rig;
	size_t n;
	const struct rpc_method *methods = rpc_methods(&n);
	json_t *answer;
	json_t *listed;
	int fd;

	(void)state;
	rig_start(&rig);
	fd = client(&rig);
	say(fd, CALL("rpc.discover", "null"));
	answer = json_loads(hear(&rig, fd), 0, NULL);
	listed = json_object_get(json_object_get(answer, "result"), "methods");
	assert_int_equal(json_array_size(listed), n);
	for (size_t i = 0; i < n; i++) {
		const json_t *one = json_array_get(listed, i);
		const char *ref = json_string_value(json_object_get(
			json_object_get(json_object_get(one, "result"), "schema"), "$ref"));
		const json_t *schemas = json_object_get(
			json_object_get(json_object_get(answer, "result"), "components"), "schemas");

		assert_string_equal(json_string_value(json_object_get(one, "name")), methods[i].name);
		assert_non_null(json_object_get(schemas, strrchr(ref, '/') + 1));
		assert_true(methods[i].doc[0] != '\0');
		for (size_t other = 0; other < i; other++)
			assert_string_not_equal(methods[i].name, methods[other].name);
	}
	json_decref(answer);
	(void)close(fd);
	rig_stop(&rig);
}

static void test_framing_and_batches(void **state)
{
	struct rig rig;
	int fd;

	(void)state;
	rig_start(&rig);
	fd = client(&rig);
	expect(&rig, fd, "garbage\n", "-32700", "\"id\":null");
	expect(&rig, fd, "{\"jsonrpc\":\"2.0\",\"id\":7}", "-32600", "\"id\":7");
	expect(&rig, fd, "[]", "-32600", "\"id\":null");
	expect(&rig, fd,
	       "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"system.ping\"},{\"jsonrpc\":\"2.0\",\"method\":\"system.ping\"},5]",
	       "[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\"", ",{\"jsonrpc\":\"2.0\",\"id\":null,\"error\"");
	/* only notifications: no answer at all, so the next line is the ping's */
	say(fd, "[{\"jsonrpc\":\"2.0\",\"method\":\"system.ping\"}]{\"jsonrpc\":\"2.0\",\"method\":\"no\"}");
	expect(&rig, fd, "{\"jsonrpc\":\"2.0\",\"id\":{\"any\":[1]},\"method\":\"system.ping\"}", "\"id\":{\"any\":[1]}", "result");
	/* a client that closes its side gets what it asked for, then the end */
	say(fd, CALL("system.ping", "{}"));
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	assert_non_null(hear(&rig, fd));
	assert_null(hear(&rig, fd));
	(void)close(fd);
	rig_stop(&rig);
}

static void test_waiting(void **state)
{
	struct rig rig;
	int fd;

	(void)state;
	rig_start(&rig);
	fd = client(&rig);
	rig.sup.hold = true;
	say(fd, CALL("service.start", "{\"name\":\"db\",\"wait\":true}"));
	expect(&rig, fd, CALL("service.status", "[\"db\"]"), "\"state\":\"starting\"", "");
	fake_spawned(&rig.sup, "db");
	assert_non_null(strstr(hear(&rig, fd), "\"reached\":true"));
	say(fd, CALL("service.wait", "{\"name\":\"db\",\"state\":\"failed\"}"));
	expect(&rig, fd, CALL("system.ping", "{}"), "version", "");
	fake_exit(&rig.sup, "db", 3);
	assert_non_null(strstr(hear(&rig, fd), "\"state\":\"failed\""));
	expect(&rig, fd, CALL("service.wait", "{\"name\":\"db\",\"state\":\"running\",\"timeout_ms\":1}"), "\"timed_out\":true",
	       "\"content\":\"three\"");
	/* asked again while it is failed: what went wrong comes with the answer */
	say(fd, CALL("service.start", "{\"name\":\"db\",\"wait\":true}"));
	assert_int_equal(loop_once(rig.loop, 0), 0);
	fake_exit(&rig.sup, "db", 4);
	assert_non_null(strstr(hear(&rig, fd), "\"text\":\"exited with code 4\""));
	/* a client that goes away takes its calls with it */
	say(fd, CALL("service.wait", "{\"name\":\"db\",\"state\":\"running\"}"));
	assert_int_equal(loop_once(rig.loop, 0), 0);
	(void)close(fd);
	for (int i = 0; i < 5; i++)
		assert_int_equal(loop_once(rig.loop, 0), 0);
	assert_true(list_empty(&rig.server->waits));
	assert_int_equal(rig.server->conns_n, 0);
	rig_stop(&rig);
}

static void test_a_batch_waits_for_all_of_its_members(void **state)
{
	struct rig rig;
	int fd;

	(void)state;
	rig_start(&rig);
	fd = client(&rig);
	rig.sup.hold = true;
	say(fd, "[" CALL("service.start", "{\"name\":\"db\",\"wait\":true}") "," CALL("system.ping", "{}") "]");
	for (int i = 0; i < 5; i++)
		assert_int_equal(loop_once(rig.loop, 0), 0);
	assert_int_equal(recv(fd, &(char){ 0 }, 1, 0), -1);
	fake_spawned(&rig.sup, "db");
	expect(&rig, fd, "", "\"version\"", "\"reached\":true");
	(void)close(fd);
	rig_stop(&rig);
}

static void test_events(void **state)
{
	struct rig rig;
	uint64_t cursor;
	char request[160];
	char *line;
	int fd;

	(void)state;
	rig_start(&rig);
	fd = client(&rig);
	expect(&rig, fd, CALL("events.subscribe", "{\"names\":\"d*\"}"), "\"subscription\":1", "\"cursor\":0");
	say(fd, CALL("service.start", "[\"web\"]") CALL("service.start", "[\"db\"]"));
	(void)hear(&rig, fd);
	(void)hear(&rig, fd);
	line = hear(&rig, fd);
	assert_non_null(strstr(line, "\"method\":\"events.subscribe\""));
	assert_non_null(strstr(line, "\"service\":\"db\""));
	assert_null(strstr(line, "\"service\":\"web\""));
	cursor = rig.sup.last_event;
	expect(&rig, fd, CALL("subscription.end", "[1]"), "\"ok\":true", "");
	expect(&rig, fd, CALL("subscription.end", "[1]"), "-32602", "");
	/* more happens than is kept: the gap is counted */
	for (int i = 0; i < FAKE_EVENTS; i++) {
		expect(&rig, fd, CALL("service.stop", "[\"db\"]"), "\"ok\":true", "");
		expect(&rig, fd, CALL("service.start", "[\"db\"]"), "\"ok\":true", "");
	}
	(void)snprintf(request, sizeof(request), CALL("events.subscribe", "{\"cursor\":%llu}"), (unsigned long long)cursor);
	expect(&rig, fd, request, "\"subscription\":2", "");
	(void)snprintf(request, sizeof(request), "\"lost\":%llu",
		       (unsigned long long)(rig.sup.last_event - FAKE_EVENTS - cursor));
	expect(&rig, fd, "", request, "events");
	(void)close(fd);
	rig_stop(&rig);
}

static void test_follow(void **state)
{
	struct rig rig;
	int fd;

	(void)state;
	rig_start(&rig);
	fd = client(&rig);
	expect(&rig, fd, CALL("logs.follow", "{\"name\":\"db\",\"lines\":2}"), "\"subscription\":1", "\"services\":[\"db\"]");
	expect(&rig, fd, "", "\"content\":\"two\"", "\"content\":\"three\"");
	expect(&rig, fd, "", "\"live\":true", "\"cursors\":{\"db\":");
	expect(&rig, fd, CALL("logs.follow", "{\"name\":\"db\",\"cursor\":\"x\"}"), "-32602", "'cursor'");
	expect(&rig, fd, CALL("logs.follow", "{\"name\":\"db\",\"grep\":\"(\"}"), "-32602", "'grep'");
	expect(&rig, fd, CALL("logs.follow", "{\"name\":\"ghost\"}"), "-32000", "");
	expect(&rig, fd, CALL("logs.query", "{\"names\":[\"db\"],\"lines\":1}"), "\"content\":\"three\"", "\"cursors\":{\"db\":");
	(void)close(fd);
	for (int i = 0; i < 5; i++)
		assert_int_equal(loop_once(rig.loop, 0), 0);
	assert_true(list_empty(&rig.server->log_subs));
	rig_stop(&rig);
}

/* A client that never reads: its requests are not taken any more, others are served, and after a while it is dropped. */
static void test_who_does_not_read_is_throttled(void **state)
{
	static const char request[] = CALL("rpc.discover", "{}");
	struct rig rig;
	size_t sent = 0;
	int deaf;
	int fd;

	(void)state;
	rig_start(&rig);
	deaf = client(&rig);
	fd = client(&rig);
	for (int idle = 0; idle < 50;) {
		ssize_t n = send(deaf, request, sizeof(request) - 1, MSG_NOSIGNAL);

		idle = n > 0 ? 0 : idle + 1;
		sent += n > 0 ? (size_t)n : 0;
		assert_int_equal(loop_once(rig.loop, 0), 0);
	}
	assert_true(sent < 4 << 20);
	assert_true(rig.server->bytes < 4 << 20);
	expect(&rig, fd, CALL("system.ping", "{}"), "version", "");
	assert_int_equal(rig.server->conns_n, 2);
	(void)close(deaf);
	(void)close(fd);
	rig_stop(&rig);
}

/* Time is moved instead of waited for: what the sweep sees is a client that has taken nothing for RPC_STALL. */
static void test_who_takes_nothing_is_dropped(void **state)
{
	static const char request[] = CALL("rpc.discover", "{}");
	struct rpc_conn *conn;
	struct rig rig;
	int deaf;
	int fd;

	(void)state;
	rig_start(&rig);
	deaf = client(&rig);
	for (int idle = 0; idle < 50;) {
		idle = send(deaf, request, sizeof(request) - 1, MSG_NOSIGNAL) > 0 ? 0 : idle + 1;
		assert_int_equal(loop_once(rig.loop, 0), 0);
	}
	fd = client(&rig);
	expect(&rig, fd, CALL("system.ping", "{}"), "version", "");
	LIST_FOREACH (conn, &rig.server->conns, node) {
		if (conn->stalled_since)
			conn->stalled_since -= RPC_STALL;
	}
	loop_timer_arm(rig.server->sweep_timer, loop_now(rig.loop));
	for (int i = 0; i < PATIENCE_ROUNDS && rig.server->conns_n > 1; i++)
		assert_int_equal(loop_once(rig.loop, 0), 0);
	assert_int_equal(rig.server->conns_n, 1);
	expect(&rig, fd, CALL("system.ping", "{}"), "version", "");
	(void)close(deaf);
	(void)close(fd);
	rig_stop(&rig);
}

static void test_many_idle_connections_cost_little(void **state)
{
	struct rig rig;
	int fds[1000];
	int fd;

	(void)state;
	rig_start(&rig);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = client(&rig);
		assert_int_equal(loop_once(rig.loop, 0), 0);
		if (i % 2)
			say(fds[i], "{\"jsonrpc\":");
	}
	fd = client(&rig);
	expect(&rig, fd, CALL("system.ping", "{}"), "version", "");
	assert_int_equal(rig.server->conns_n, ARRAY_LEN(fds) + 1);
	assert_true(rig.server->bytes <= 500 * 8192);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		(void)close(fds[i]);
	(void)close(fd);
	rig_stop(&rig);
}

/* --- the socket's file ---------------------------------------------------------------------------------- */

static void test_listen(void **state)
{
	char dir[] = "/tmp/rpc-test-XXXXXX";
	char path[64];
	char longer[200];
	struct stat st;
	struct error err;
	mode_t mask;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/s", dir);
	mask = umask(0);
	fd = rpc_listen(path, 0600, (gid_t)-1, &err);
	(void)umask(mask);
	assert_true(fd >= 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* a live server is left alone */
	assert_int_equal(rpc_listen(path, 0600, (gid_t)-1, &err), -EADDRINUSE);
	assert_int_equal(stat(path, &st), 0);
	/* a stale one is replaced, with the mode that is asked for */
	(void)close(fd);
	mask = umask(0077);
	fd = rpc_listen(path, 0660, (gid_t)-1, &err);
	(void)umask(mask);
	assert_true(fd >= 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	rpc_unlisten(fd, path);
	(void)close(fd);
	assert_int_equal(stat(path, &st), -1);
	/* what is no socket is not touched */
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	(void)close(fd);
	assert_int_equal(rpc_listen(path, 0600, (gid_t)-1, &err), -EEXIST);
	assert_int_equal(unlink(path), 0);
	memset(longer, 'x', sizeof(longer));
	longer[0] = '/';
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(rpc_listen(longer, 0600, (gid_t)-1, &err), -ENAMETOOLONG);
	assert_non_null(strstr(err.msg, "199 bytes long"));
	assert_int_equal(rpc_listen("/no/such/dir/s", 0600, (gid_t)-1, &err), -ENOENT);
	assert_int_equal(rpc_listen("", 0600, (gid_t)-1, &err), -EINVAL);
	assert_int_equal(rmdir(dir), 0);
}

/* --- another server ------------------------------------------------------------------------------- */

/* As an upgrade does it, but that the one that leaves is freed, so that leaks are seen. */
static void replace(struct rig *rig)
{
	struct rpc_server_options options = { .loop = rig->loop, .supervisor = &rig->sup, .settings = &rig->settings,
					      .listen_fd = dup(rig->server->listen_fd), .socket_path = rig->path };
	struct error err;

	rpc_server_hand_over(rig->server);
	while (!list_empty(&rig->server->conns))
		conn_kill(LIST_ENTRY(rig->server->conns.next, struct rpc_conn, node));
	assert_int_equal(loop_once(rig->loop, 0), 0); /* what it had put off */
	rpc_server_free(rig->server);
	assert_int_equal(rpc_server_new(&options, &rig->server, &err), 0);
	assert_int_equal(rig->sup.kept_n, 0);
}

static void hear_both(struct rig *rig, int fd, const char *one, const char *two)
{
	const char *line = hear(rig, fd);

	assert_non_null(line);
	if (!strstr(line, one) || !strstr(line, two))
		fail_msg("'%s' or '%s' is not in: %s", one, two, line);
}

static void test_connections_go_to_the_next_server(void **state)
{
	struct rig rig;
	int waits;
	int halves;
	int batch;
	int follows;

	(void)state;
	rig_start(&rig);
	waits = client(&rig);
	halves = client(&rig);
	batch = client(&rig);
	follows = client(&rig);
	expect(&rig, follows, CALL("events.subscribe", "{\"names\":[\"d*\"]}"), "\"subscription\":1", "");
	expect(&rig, follows, CALL("logs.follow", "{\"name\":\"db\",\"lines\":1}"), "\"subscription\":2", "");
	hear_both(&rig, follows, "three", "");
	hear_both(&rig, follows, "\"live\":true", "");
	expect(&rig, halves, "} garbage", "-32700", ""); /* skips up to the newline, in the next server too */
	say(waits, "{\"jsonrpc\":\"2.0\",\"id\":\"w\",\"method\":\"service.wait\",\"params\":{\"name\":\"db\",\"state\":\"running\"}}");
	say(batch, "[" CALL("system.ping", "null") ",{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"service.wait\",\"params\":{\"name\":\"db\","
		   "\"state\":\"running\"}}]" CALL("service.list", "null"));
	expect(&rig, client(&rig), CALL("system.ping", "null"), "version", ""); /* the others were read by now */
	for (int i = 0; i < 3; i++)
		replace(&rig);
	say(halves, " more garbage\n{\"jsonrpc\":\"2.0\",\"id\":5,\"meth");
	expect(&rig, client(&rig), CALL("system.ping", "null"), "version", "");
	replace(&rig);
	expect(&rig, halves, "od\":\"system.ping\"}", "\"id\":5", "version");
	expect(&rig, client(&rig), CALL("service.start", "[\"db\"]"), "result", "");
	hear_both(&rig, waits, "\"id\":\"w\"", "\"reached\":true");
	hear_both(&rig, batch, "version", "\"id\":2");
	hear_both(&rig, batch, "[\"db\",\"web\"]", "");
	hear_both(&rig, follows, "\"subscription\":1", "\"service\":\"db\"");
	expect(&rig, follows, CALL("subscription.end", "[2]"), "\"ok\":true", "");
	expect(&rig, follows, CALL("events.subscribe", "{}"), "\"subscription\":3", "");
	rig_stop(&rig);
}

/* What waits for the upgrade itself is told by the server that serves in the end. */
static void test_the_caller_of_an_upgrade_is_told(void **state)
{
	struct error why;
	struct rig rig;
	int fd;

	(void)state;
	rig_start(&rig);
	fd = client(&rig);
	say(fd, CALL("system.upgrade", "{}"));
	expect(&rig, client(&rig), CALL("system.ping", "null"), "version", "");
	(void)error_set(&why, EPROTO, "it is none");
	rig.sup.upgrade_fn(&why, rig.sup.upgrade_data);
	hear_both(&rig, fd, "error", "it is none");
	for (int ok = 0; ok < 2; ok++) {
		say(fd, CALL("system.upgrade", "{}"));
		expect(&rig, client(&rig), CALL("system.ping", "null"), "version", "");
		rig.sup.upgraded = (struct supervisor_upgraded){ .tried = true, .ok = ok, .from = "1", .to = "2", .text = "what happened" };
		replace(&rig);
		hear_both(&rig, fd, ok ? "\"from\":\"1\",\"to\":\"2\"" : "error", "what happened");
	}
	rig_stop(&rig);
}

static int file_of(const char *text)
{
	int fd = memfd_create("left", MFD_CLOEXEC);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

/* A file that makes no sense: connections are closed, and nothing else happens. */
static void test_nonsense_from_an_earlier_server(void **state)
{
	static const char *const files[] = {
		"", "garbage", "{}\n", "{\"connections\":7}\n", "{\"connections\":[{\"n\":0,\"in\":99}]}\nabc",
		"{\"connections\":[{\"n\":0,\"subs\":[{\"id\":1,\"state\":{\"later\":{}}}]}]}\n",
		"{\"connections\":[{\"n\":0,\"calls\":[{\"method\":\"system.later\"}]}]}\n",
		"{\"connections\":[{\"n\":0,\"calls\":[{\"id\":1,\"method\":\"service.wait\",\"state\":{\"later\":1}}]},{\"n\":-5},{\"n\":1e9},3]}\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct rig rig;
		int ends[2];
		int fd;

		rig_start(&rig);
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
		fd = file_of(files[i]);
		assert_int_equal(supervisor_keep_fd(&rig.sup, "rpc", fd), 0);
		assert_int_equal(supervisor_keep_fd(&rig.sup, "rpc:0", ends[1]), 0);
		(void)close(fd);
		hand_over_resume(rig.server);
		expect(&rig, client(&rig), CALL("system.ping", "null"), "version", "");
		assert_int_equal(rig.sup.kept_n, 0);
		(void)close(ends[0]);
		(void)close(ends[1]);
		rig_stop(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connections_go_to_the_next_server),
		cmocka_unit_test(test_the_caller_of_an_upgrade_is_told),
		cmocka_unit_test(test_nonsense_from_an_earlier_server),
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_every_method_stands_in_the_document),
		cmocka_unit_test(test_framing_and_batches),
		cmocka_unit_test(test_waiting),
		cmocka_unit_test(test_a_batch_waits_for_all_of_its_members),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_follow),
		cmocka_unit_test(test_who_does_not_read_is_throttled),
		cmocka_unit_test(test_who_takes_nothing_is_dropped),
		cmocka_unit_test(test_many_idle_connections_cost_little),
		cmocka_unit_test(test_listen),
	};

	diag_set_level(DIAG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
