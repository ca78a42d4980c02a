/* SPDX-License-Identifier: Apache-2.0 */
#include "helper.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"

/* --- one text --------------------------------------------------------------------------------- */

static void test_smallest_file_has_the_defaults(void **state)
{
	struct service_config *c = load_ok("[service]\nexec = \"true\"\n");

	(void)state;
	assert_string_equal(c->name, "web");
	assert_string_equal(c->path, "web.toml");
	assert_string_equal(c->exec.text, "true");
	assert_null(c->exec.argv);
	assert_null(c->env);
	assert_null(c->requires);
	assert_null(c->capabilities);
	assert_false(c->oneshot);
	assert_int_equal(c->status, CONFIG_STATUS_START);
	assert_int_equal(c->class, CONFIG_CLASS_USER);
	assert_int_equal(c->restart, CONFIG_RESTART_ON_FAILURE);
	assert_int_equal(c->restart_delay_ms, 1000);
	assert_int_equal(c->restart_delay_max_ms, 300000);
	assert_int_equal(c->max_restarts, 10);
	assert_int_equal(c->stability_period_ms, 30000);
	assert_int_equal(c->start_timeout_ms, 30000);
	assert_int_equal(c->stop_timeout_ms, 10000);
	assert_int_equal(c->stop_signal, SIGTERM);
	assert_int_equal(c->reload_signal, SIGHUP);
	assert_int_equal(c->success_exit_codes.n, 1);
	assert_int_equal(c->success_exit_codes.items[0], 0);
	assert_int_equal(c->nice, CONFIG_UNSET);
	assert_int_equal(c->umask, CONFIG_MODE_UNSET);
	assert_int_equal(c->health.n, 0);
	assert_int_equal(c->buffer_lines, 1000);
	assert_int_equal(c->buffer_bytes, 1 << 20);
	assert_int_equal(c->max_line, 64 << 10);
	assert_int_equal(c->max_age_s, 7 * 86400);
	assert_int_equal(c->output.kind, CONFIG_OUTPUT_LOG);
	assert_true(c->store);
	config_free(c);
}

static void test_name_and_stem(void **state)
{
	struct service_config *c;

	(void)state;
	c = load_ok("[service]\nname = \"web\"\nexec = \"true\"\n");
	assert_string_equal(c->name, "web");
	config_free(c);

	assert_said(
		"[service]\nname = \"api\"\nexec = \"true\"\n",
		"web.toml:2:8: service.name: is \"api\", but the file is called \"web.toml\"\n");
	assert_said_flags("[service]\nname = \"api\"\nexec = \"true\"\n", LOAD_ANY_NAME, true, "");
	assert_said_flags("[service]\nname = \"api\"\nexec = \"true\"\n", 0, true,
			  "web.toml:2:8: warning: service.name: is \"api\", but the file is called "
			  "\"web.toml\"\n");
	assert_said("[target]\nname = \"all\"\n",
		    "web.toml:2:8: target.name: is \"all\", but the file is called \"web.toml\"\n");
}

static void test_stem_that_is_no_name(void **state)
{
	static const char text[] = "[service]\nexec = \"x\"\n";
	struct service_config *c = NULL;
	struct problems problems;

	(void)state;
	problems_init(&problems);
	assert_int_equal(load_service_text(text, strlen(text), NULL, "a b", 0, &problems, &c),
			 -EINVAL);
	assert_int_equal(problems.n, 1);
	assert_string_equal(problems.items[0].key, "service.name");
	problems_fini(&problems);

	problems_init(&problems);
	assert_int_equal(load_service_text(text, strlen(text), NULL, NULL, 0, &problems, &c),
			 -EINVAL);
	assert_string_equal(problems.items[0].text, "missing");
	problems_fini(&problems);
}

static void test_system_flag(void **state)
{
	static const char text[] = "[service]\nexec = \"x\"\nclass = \"user\"\n";
	struct service_config *c = NULL;
	struct problems problems;

	(void)state;
	problems_init(&problems);
	assert_int_equal(
		load_service_text(text, strlen(text), NULL, "web", LOAD_SYSTEM, &problems, &c), 0);
	assert_int_equal(c->class, CONFIG_CLASS_SYSTEM);
	assert_null(c->path);
	config_free(c);
	problems_fini(&problems);
}

static void test_missing_tables_and_keys(void **state)
{
	(void)state;
	assert_said("", "web.toml:1:1: service: missing: the table [service] (or [target])\n");
	assert_said("[lifecycle]\n",
		    "web.toml:1:1: service: missing: the table [service] (or [target])\n");
	assert_said("[service]\n", "web.toml:1:1: service.exec: missing\n");
	assert_said("service = 3\n", "web.toml:1:11: service: expected a table, found 3\n");
}

static void test_unknown_keys(void **state)
{
	static const char text[] =
		"[service]\nexec = \"x\"\nstatsu = \"start\"\nmax_restarts = 3\nzzzzzz = 1\n";

	(void)state;
	assert_said(
		text,
		"web.toml:3:1: service.statsu: unknown key (did you mean \"status\"?)\n"
		"web.toml:4:1: service.max_restarts: unknown key here (it belongs to [lifecycle])\n"
		"web.toml:5:1: service.zzzzzz: unknown key\n");
	assert_said_flags(
		text, 0, true,
		"web.toml:3:1: warning: service.statsu: unknown key (did you mean \"status\"?)\n"
		"web.toml:4:1: warning: service.max_restarts: unknown key here (it belongs to "
		"[lifecycle])\n"
		"web.toml:5:1: warning: service.zzzzzz: unknown key\n");
	assert_said("[service]\nexec = \"x\"\n[lifecicle]\n",
		    "web.toml:3:2: lifecicle: unknown key (did you mean \"lifecycle\"?)\n");
}

static void test_removed_keys_say_what_to_use(void **state)
{
	(void)state;
	assert_said_flags("[service]\nexec = \"x\"\nprocess_filter = \"a\"\n", LOAD_STRICT, false,
			  "web.toml:3:1: service.process_filter: this key is gone: use "
			  "process_filters, a list\n");
}

/* The words after the place are the parser's. */
static void assert_not_toml(const char *text, const char *expected)
{
	struct problems problems;
	struct service_config *c = NULL;
	struct strbuf said = STRBUF(1 << 20);

	problems_init(&problems);
	assert_int_equal(load_service_text(text, strlen(text), NULL, "web", 0, &problems, &c),
			 -EINVAL);
	problems_format(&problems, "web.toml", &said);
	assert_int_equal(problems.n, 1);
	if (!str_starts(strbuf_str(&said), expected))
		assert_string_equal(strbuf_str(&said), expected);
	strbuf_fini(&said);
	problems_fini(&problems);
}

static void test_text_that_is_no_toml(void **state)
{
	(void)state;
	assert_not_toml("[service]\nexec = \"x\n", "web.toml:2:10: not TOML: ");
	assert_not_toml("a = 1\na = 2\n", "web.toml:2:5: not TOML: ");
	assert_not_toml("[service\n", "web.toml:1:9: not TOML: ");
	assert_not_toml("[service]\n\n[= 1]\n", "web.toml:3:1: not TOML: malformed line\n");
	assert_not_toml("a = \"\xc3\xa4\" # \xc3\xa4\n\xc3\xa4 = 1\n", "web.toml:2:1: not TOML: ");
	assert_not_toml("a = 1 \xc3\xa4\n", "web.toml:1:7: not TOML: ");
	assert_not_toml("a = 00b\"l.\xce\x9e\xd1\x9e\"\n", "web.toml:1:");
	assert_not_toml("[= 1]", "web.toml:1:1: not TOML: malformed line\n");
	assert_said("[service]\nexec = \"\xc3\xa4\xff\"\n", "web.toml:2:10: this is not UTF-8\n");
	assert_said("[service]\nexec = \"a\\u0000b\"\n",
		    "web.toml:2:8: service.exec: expected a string, or a list of strings, found a "
		    "NUL character in it\n");
}

static void test_nested_too_deep(void **state)
{
	struct strbuf text = STRBUF(400);

	(void)state;
	strbuf_puts(&text, "a = ");
	for (int i = 0; i < 100; i++)
		strbuf_putc(&text, '[');
	for (int i = 0; i < 100; i++)
		strbuf_putc(&text, ']');
	assert_not_toml(strbuf_str(&text), "web.toml:1:");
	strbuf_fini(&text);
}

static void test_byte_order_mark(void **state)
{
	(void)state;
	config_free(load_ok("\xef\xbb\xbf[service]\nexec = \"true\"\ndir = '/\xc3\xa4'\n"));
}

/* A dot makes a table: many of them must not reach the parser, whose clean-up is recursive. */
static void test_many_dots(void **state)
{
	struct strbuf text = STRBUF(1 << 20);

	(void)state;
	strbuf_puts(&text, "# .......................................................\n"
			   "x = \"\"\"................................................\"\"\"\"\"\n"
			   "y = ['................................................', "
			   "\"\\\"......................................\"]\n"
			   "[a");
	for (int i = 0; i < 500000; i++)
		strbuf_puts(&text, ".a");
	strbuf_puts(&text, "]\n");
	assert_false(text.failed);
	assert_said(strbuf_str(&text), "web.toml:4:67: not TOML: nested too deep\n");
	strbuf_fini(&text);
}

static void test_problems_are_collected_and_capped(void **state)
{
	struct service_config *c = NULL;
	struct strbuf text = STRBUF(1 << 20);
	struct strbuf said = STRBUF(1 << 20);
	struct problems problems;

	(void)state;
	strbuf_puts(&text, "[service]\nexec = 1\nnice = 99\n");
	for (int i = 0; i < 100; i++)
		strbuf_addf(&text, "key%d = 1\n", i);
	problems_init(&problems);
	assert_int_equal(load_service_text(text.data, text.len, NULL, "web", LOAD_STRICT, &problems,
					   &c),
			 -EINVAL);
	assert_int_equal(problems.n, PROBLEMS_MAX);
	assert_int_equal(problems.errors, 102);
	assert_int_equal(problems.dropped, 102 - PROBLEMS_MAX);
	assert_string_equal(problems.items[0].key, "service.exec");
	assert_int_equal(problems.items[0].line, 2);
	assert_int_equal(problems.items[1].line, 3);
	problems_format(&problems, "f", &said);
	assert_non_null(strstr(said.data, "f: 52 more problems\n"));
	problems_fini(&problems);
	strbuf_fini(&text);
	strbuf_fini(&said);
}

static void test_all_in_one_allocation(void **state)
{
	struct service_config *c = load_ok(
		"[service]\nexec = [\"a\", \"\"]\nenv = { B = \"2\", A = \"1\", AB = \"3\" }\n");
	struct service_config *copy = config_dup(c);

	(void)state;
	assert_string_equal(copy->exec.argv[0], "a");
	assert_string_equal(copy->exec.argv[1], "");
	assert_null(copy->exec.argv[2]);
	assert_string_equal(copy->env[0], "A=1");
	assert_string_equal(copy->env[1], "AB=3");
	assert_string_equal(copy->env[2], "B=2");
	assert_null(copy->env[3]);
	assert_true(config_equal(c, copy));
	assert_string_equal(copy->path, "web.toml");
	assert_ptr_not_equal(c->path, copy->path);
	assert_true(sizeof(*c) <= 704); /* a budget: each service has one */
	config_free(c);
	config_free(copy);
}

/* --- files and directories -------------------------------------------------------------------- */

static char root[] = "/tmp/zinit-config-XXXXXX";

static int make_root(void **state)
{
	(void)state;
	return mkdtemp(root) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int remove_root(void **state)
{
	(void)state;
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static char *path_of(const char *name)
{
	static char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", root, name);
	return path;
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(path_of(name), "w");

	assert_non_null(f);
	(void)fputs(text, f);
	(void)fclose(f);
}

static void make_dir(const char *name)
{
	assert_int_equal(mkdir(path_of(name), 0755), 0);
}

static void assert_file_says(const char *name, const char *expected)
{
	struct service_config *c = NULL;
	struct problems problems;

	problems_init(&problems);
	assert_int_equal(load_service_file(path_of(name), 0, &problems, &c), -EINVAL);
	assert_null(c);
	assert_int_equal(problems.n, 1);
	assert_string_equal(problems.items[0].text, expected);
	problems_fini(&problems);
}

static void test_files_that_cannot_be_read(void **state)
{
	(void)state;
	assert_file_says("nothing.toml", "No such file or directory");
	make_dir("dir.toml");
	assert_file_says("dir.toml", "not a regular file");
	assert_int_equal(mkfifo(path_of("fifo.toml"), 0600), 0);
	assert_file_says("fifo.toml", "not a regular file");
	put("huge.toml", "");
	assert_int_equal(truncate(path_of("huge.toml"), LIMIT_CONFIG_FILE + 1), 0);
	assert_file_says("huge.toml", "too large for a configuration file");
}

static void test_file_takes_the_stem(void **state)
{
	struct service_config *c = NULL;
	struct problems problems;

	(void)state;
	put("stem.toml", "[service]\nexec = \"x\"\n");
	problems_init(&problems);
	assert_int_equal(load_service_file(path_of("stem.toml"), 0, &problems, &c), 0);
	assert_string_equal(c->name, "stem");
	assert_string_equal(c->path, path_of("stem.toml"));
	config_free(c);
	problems_fini(&problems);
}

static void test_directory(void **state)
{
	struct loaded_dir dir = { 0 };
	struct error err;

	(void)state;
	make_dir("d");
	make_dir("d/sub");
	put("d/b.toml", "[service]\nexec = \"b\"\n");
	put("d/a.toml", "[service]\nexec = \"a\"\n");
	put("d/bad.toml", "[service]\nexec = 3\n");
	put("d/.hidden.toml", "[service]\nexec = \"h\"\n");
	put("d/readme.txt", "hello");
	put("d/sub/c.toml", "[service]\nexec = \"c\"\n");
	assert_int_equal(load_dir(path_of("d"), 0, &dir, &err), 3);
	assert_int_equal(dir.n, 3);
	assert_string_equal(dir.items[0].name, "a");
	assert_string_equal(dir.items[1].name, "b");
	assert_string_equal(dir.items[1].config->exec.text, "b");
	assert_string_equal(dir.items[2].name, "bad");
	assert_null(dir.items[2].config);
	assert_int_equal(dir.items[2].problems.n, 1);
	loaded_dir_fini(&dir);
}

static void test_double_names(void **state)
{
	struct loaded_dir dir = { 0 };
	struct service_config *taken;
	struct error err;
	char first[300];

	(void)state;
	make_dir("s");
	make_dir("u");
	put("s/x.toml", "[service]\nexec = \"system\"\n");
	put("u/x.toml", "[service]\nexec = \"user\"\n");
	put("u/y.toml", "[service]\nexec = \"y\"\n");
	assert_int_equal(load_dir(path_of("s"), LOAD_SYSTEM, &dir, &err), 1);
	taken = STEAL(&dir.items[0].config);
	assert_int_equal(load_dir(path_of("u"), 0, &dir, &err), 2);
	assert_int_equal(dir.n, 3);
	assert_int_equal(taken->class, CONFIG_CLASS_SYSTEM);
	assert_null(dir.items[1].config);
	(void)snprintf(first, sizeof(first), "'x' is defined in %s already", path_of("s/x.toml"));
	assert_string_equal(dir.items[1].problems.items[0].text, first);
	assert_string_equal(dir.items[1].problems.items[0].key, "service.name");
	assert_non_null(dir.items[2].config);
	config_free(taken);
	loaded_dir_fini(&dir);
}

static void test_directories_that_are_none(void **state)
{
	struct loaded_dir dir = { 0 };
	struct error err;

	(void)state;
	assert_int_equal(load_dir(path_of("missing"), 0, &dir, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "No such file or directory"));
	put("plain", "");
	assert_int_equal(load_dir(path_of("plain"), 0, &dir, &err), -ENOTDIR);
	make_dir("empty");
	assert_int_equal(load_dir(path_of("empty"), 0, &dir, &err), 0);
	assert_int_equal(dir.n, 0);
	loaded_dir_fini(&dir);
}

static void test_locate(void **state)
{
	uint32_t line = 0;
	uint32_t column = 0;

	(void)state;
	put("l.toml", "[service]\nexec = \"x\"\n[dependencies]\nrequires = [\"a\",\n  \"b\"]\n");
	assert_int_equal(load_locate(path_of("l.toml"), "service.exec", NULL, &line, &column), 0);
	assert_int_equal(line, 2);
	assert_int_equal(column, 1);
	assert_int_equal(
		load_locate(path_of("l.toml"), "dependencies.requires", "b", &line, &column), 0);
	assert_int_equal(line, 5);
	assert_int_equal(column, 3);
	assert_int_equal(load_locate(path_of("l.toml"), "dependencies.requires", "c", &line,
				     &column),
			 -ENOENT);
	assert_int_equal(load_locate(path_of("l.toml"), "lifecycle.restart", NULL, &line, &column),
			 -ENOENT);
	assert_int_equal(load_locate(path_of("none.toml"), "a", NULL, &line, &column), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_smallest_file_has_the_defaults),
		cmocka_unit_test(test_name_and_stem),
		cmocka_unit_test(test_stem_that_is_no_name),
		cmocka_unit_test(test_system_flag),
		cmocka_unit_test(test_missing_tables_and_keys),
		cmocka_unit_test(test_unknown_keys),
		cmocka_unit_test(test_removed_keys_say_what_to_use),
		cmocka_unit_test(test_text_that_is_no_toml),
		cmocka_unit_test(test_nested_too_deep),
		cmocka_unit_test(test_many_dots),
		cmocka_unit_test(test_byte_order_mark),
		cmocka_unit_test(test_problems_are_collected_and_capped),
		cmocka_unit_test(test_all_in_one_allocation),
		cmocka_unit_test(test_files_that_cannot_be_read),
		cmocka_unit_test(test_file_takes_the_stem),
		cmocka_unit_test(test_directory),
		cmocka_unit_test(test_double_names),
		cmocka_unit_test(test_directories_that_are_none),
		cmocka_unit_test(test_locate),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}
