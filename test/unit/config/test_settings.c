/* SPDX-License-Identifier: Apache-2.0 */
#include "helper.h"

#include "base/fd.h"
#include "base/limits.h"

static struct server_settings *settings_ok(const char *text)
{
	struct server_settings *s = NULL;
	struct strbuf said = STRBUF(1 << 16);
	struct problems problems;

	problems_init(&problems);
	(void)load_settings_text(text, strlen(text), "zinit.toml", LOAD_STRICT, &problems, &s);
	problems_format(&problems, NULL, &said);
	assert_string_equal(strbuf_str(&said), "");
	assert_non_null(s);
	strbuf_fini(&said);
	problems_fini(&problems);
	return s;
}

static void assert_settings_said(const char *text, const char *expected)
{
	struct server_settings *s = NULL;
	struct strbuf said = STRBUF(1 << 16);
	struct problems problems;

	problems_init(&problems);
	assert_int_equal(load_settings_text(text, strlen(text), NULL, LOAD_STRICT, &problems, &s),
			 -EINVAL);
	problems_format(&problems, NULL, &said);
	assert_string_equal(strbuf_str(&said), expected);
	assert_null(s);
	strbuf_fini(&said);
	problems_fini(&problems);
}

static void test_defaults(void **state)
{
	struct server_settings *s = settings_ok("");

	(void)state;
	assert_null(s->socket);
	assert_int_equal(s->socket_mode, 0600);
	assert_int_equal(s->log_level, DIAG_INFO);
	assert_int_equal(s->log_max_total, 1 << 30);
	assert_int_equal(s->log_stdout, LOG_MIRROR_OFF);
	assert_false(s->web);
	assert_int_equal(s->ships.n, 0);
	assert_int_equal(s->allow.n, 0);
	settings_free(s);
}

static void test_all_keys(void **state)
{
	struct strbuf text = STRBUF(LIMIT_CONFIG_FILE);
	struct server_settings *s;
	struct server_settings *again;

	(void)state;
	assert_int_equal(fd_read_file(SETTINGS_FILE, &text), 0);
	s = settings_ok(strbuf_str(&text));
	assert_string_equal(s->path, "zinit.toml");
	assert_string_equal(s->socket, "/run/z.sock");
	assert_int_equal(s->socket_mode, 0660);
	assert_int_equal(s->log_level, DIAG_DEBUG);
	assert_int_equal(s->allow.n, 2);
	assert_int_equal(s->allow.items[0].uid, 1000);
	assert_int_equal(s->allow.items[0].gid, -1);
	assert_int_equal(s->allow.items[0].verbs, ALLOW_READ | ALLOW_CONTROL);
	assert_string_equal(s->allow.items[0].services[0], "web*");
	assert_int_equal(s->allow.items[1].uid, -1);
	assert_null(s->allow.items[1].services);
	assert_int_equal(s->log_stdout, LOG_MIRROR_JSON);
	assert_true(s->web);
	assert_false(s->web_ui);
	assert_string_equal(s->web_listen, "[::1]:9180");
	assert_int_equal(s->ships.n, 2);
	assert_int_equal(s->ships.items[0].type, SHIP_LOKI);
	assert_int_equal(s->ships.items[0].batch_bytes, 2 << 20);
	assert_string_equal(s->ships.items[0].headers[0], "X-Scope-OrgID=t");
	assert_int_equal(s->ships.items[0].auth_type, SHIP_AUTH_BASIC);
	assert_string_equal(s->ships.items[0].auth_file, "/etc/pw");
	assert_false(s->ships.items[0].tls_verify);
	assert_int_equal(s->ships.items[0].on_failure, SHIP_ON_FAILURE_SPILL);
	assert_int_equal(s->ships.items[1].batch_size, 100);
	assert_int_equal(s->ships.items[1].flush_interval_ms, 5000);
	assert_true(s->ships.items[1].tls_verify);
	again = settings_ok(strbuf_str(&text));
	assert_true(settings_equal(s, again));
	settings_free(again);
	again = settings_ok("");
	assert_false(settings_equal(s, again));
	settings_free(again);
	settings_free(s);
	strbuf_fini(&text);
}

static void test_wrong_settings(void **state)
{
	(void)state;
	assert_settings_said(
		"[server]\nsocket_mode = 600\n",
		"2:15: server.socket_mode: expected octal text such as \"0027\", found 600\n");
	assert_settings_said("[server]\nlog_level = \"loud\"\n",
			     "2:13: server.log_level: expected \"error\", \"warn\", \"info\", "
			     "\"debug\" or \"trace\", found \"loud\"\n");
	assert_settings_said(
		"[server]\nallow = [{ uid = 1, verbs = [\"raed\"] }, { uid = -1, verbs = [] }]\n",
		"2:30: server.allow[0].verbs: expected \"read\", \"control\" or \"admin\", found "
		"\"raed\" (did you mean "
		"\"read\"?)\n"
		"2:49: server.allow[1].uid: expected 0 to 4294967294, found -1\n"
		"2:61: server.allow[1].verbs: expected a list of at least one string, found an "
		"array\n");
	assert_settings_said("[web]\nlisten = \"9180\"\n",
			     "2:10: web.listen: expected host:port, [v6]:port or unix:/path\n");
	assert_settings_said(
		"[log]\ndir = \"logs\"\nmax_total = 1\n",
		"2:7: log.dir: expected an absolute path, found \"logs\"\n"
		"3:13: log.max_total: expected 4096 to 9223372036854775807, found 1\n");
	assert_settings_said(
		"[[ship]]\n",
		"1:1: ship.name: missing\n1:1: ship.type: missing\n1:1: ship.endpoint: missing\n");
	assert_settings_said("[[ship]]\nname = \"a\"\ntype = \"loki\"\nendpoint = \"h:1\"\nauth = "
			     "{ type = \"basic\" }\n"
			     "tls = { key = \"/k\" }\n",
			     "4:12: ship.endpoint: expected an http:// or https:// URL\n"
			     "5:8: ship.auth.file: missing: the file that holds the secret\n"
			     "5:8: ship.auth.user: missing\n"
			     "6:7: ship.tls: cert and key belong together\n");
	assert_settings_said(
		"[[ship]]\nname = \"a\"\ntype = \"syslog\"\nendpoint = \"tcp://h:1\"\n"
		"[[ship]]\nname = \"a\"\ntype = \"syslog\"\nendpoint = \"http://h\"\n",
		"6:8: ship[1].name: another [[ship]] is called 'a'\n"
		"8:12: ship[1].endpoint: expected tcp://host:port or tls://host:port\n");
	assert_settings_said(
		"[[ship]]\nname = \"a\"\ntype = \"http\"\nendpoint = \"http://h\"\nauth = { token "
		"= \"s3cret\" }\n",
		"5:10: ship.auth.token: this key is gone: secrets stand in files only: use file\n");
}

/* What a type's receivers don't take is said when the file is read, not by an answer at night. */
static void test_types_of_sinks(void **state)
{
	(void)state;
	assert_settings_said("[[ship]]\nname = \"a\"\ntype = \"loki\"\nendpoint = \"http://h\"\n"
			     "compression = \"zstd\"\nframing = \"array\"\nlabels = { job = \"x\", service = \"y\" }\n",
			     "5:15: ship.compression: this type of receiver takes no zstd: use \"gzip\"\n"
			     "6:11: ship.framing: for types vector and http only\n"
			     "7:10: ship.labels: 'service' is a field that each line has already\n");
	assert_settings_said("[[ship]]\nname = \"a\"\ntype = \"clickhouse\"\nendpoint = \"http://h\"\n",
			     "1:1: ship.index: missing: the table to insert into\n");
	assert_settings_said("[[ship]]\nname = \"a\"\ntype = \"syslog\"\nendpoint = \"tcp://h:1\"\n"
			     "compression = \"gzip\"\n",
			     "5:15: ship.compression: there is none in syslog\n");
	settings_free(settings_ok("[[ship]]\nname = \"a\"\ntype = \"vector\"\nendpoint = \"http://h\"\n"
				  "compression = \"zstd\"\nframing = \"array\"\nlabels = { host = \"x\" }\n"));
}

static void test_file_that_is_not_there(void **state)
{
	struct server_settings *s = NULL;
	struct problems problems;

	(void)state;
	problems_init(&problems);
	assert_int_equal(load_settings_file("/nonexistent/zinit.toml", 0, &problems, &s), 0);
	assert_null(s->path);
	settings_free(s);
	assert_int_equal(load_settings_file("/", 0, &problems, &s), -EINVAL);
	assert_string_equal(problems.items[0].text, "not a regular file");
	problems_fini(&problems);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_all_keys),
		cmocka_unit_test(test_wrong_settings),
		cmocka_unit_test(test_types_of_sinks),
		cmocka_unit_test(test_file_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
