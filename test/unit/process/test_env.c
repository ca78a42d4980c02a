/* SPDX-License-Identifier: Apache-2.0 */
/* Tests: environment, env files, and the splitting of simple commands. */
#include "../testing.h"

#include "helpers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "base/mem.h"
#include "process/command.h"
#include "process/env.h"

static struct env env;
static struct error err;

static int set_up(void **state)
{
	(void)state;
	env = ENV;
	error_clear(&err);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	env_fini(&env);
	return 0;
}

static int load(const char *text)
{
	return env_add_file(&env, temp_file("env", text, strlen(text)), &err);
}

static void assert_var(const char *key, const char *value)
{
	const char *got = env_get(&env, key);

	if (!value) {
		assert_null(got);
		return;
	}
	assert_non_null(got);
	assert_string_equal(got, value);
}

static void test_file(void **state)
{
	(void)state;
	assert_int_equal(load("\xef\xbb\xbf"
			      "A=1\n"
			      "# comment = x\n"
			      "  ; another\n"
			      "\n"
			      "\tB= two words  \r\n"
			      "export C=c\n"
			      "EMPTY=\n"
			      "SINGLE='a \"b\" \\n $x'\n"
			      "DOUBLE=\"a 'b' \\\"c\\\" \\\\ \\$x \\n\"\n"
			      "JOINED=a'b'\"c\"d  \n"
			      "MULTI='one\ntwo'\n"
			      "LONG=one\\\ntwo\n"
			      "ESC=a\\ b\\#\n"
			      "HASH=a#b # c\n"
			      "export_x=1\n"
			      "LAST=end"), 0);
	assert_var("A", "1");
	assert_var("B", "two words");
	assert_var("EMPTY", "");
	assert_var("C", "c");
	assert_var("SINGLE", "a \"b\" \\n $x");
	assert_var("DOUBLE", "a 'b' \"c\" \\ $x \\n");
	assert_var("JOINED", "abcd");
	assert_var("MULTI", "one\ntwo");
	assert_var("LONG", "onetwo");
	assert_var("ESC", "a b#");
	assert_var("HASH", "a#b # c");
	assert_var("export_x", "1");
	assert_var("LAST", "end");
	assert_var("comment", NULL);
}

static void assert_bad(const char *text, const char *where)
{
	assert_int_equal(load(text), -EINVAL);
	if (!strstr(err.msg, where))
		print_error("message: %s\n", err.msg);
	assert_non_null(strstr(err.msg, where));
}

static void test_bad_files(void **state)
{
	(void)state;
	assert_bad("A=1\nnonsense\n", "env:2: expected KEY=value");
	assert_bad("A=1\n\n1A=2\n", "env:3: expected KEY=value");
	assert_bad("A = 1\n", "env:1: expected KEY=value");
	assert_bad("=x\n", "env:1: expected KEY=value");
	assert_bad("A-B=x\n", "env:1:");
	assert_bad("A=1\nB='x\nC=2\n", "env:2: quote is not closed");
	assert_bad("M='a\nb'\nB=\"x\n", "env:3: quote is not closed");
	assert_bad("export\n", "env:1:");
}

static void test_unreadable_files(void **state)
{
	char path[200];
	char *big = malloc(10U << 20);

	(void)state;
	assert_non_null(big);
	memset(big, 'x', 10U << 20);
	big[1] = '=';
	assert_int_equal(env_add_file(&env, temp_file("big", big, 10U << 20), &err), -EFBIG);
	assert_non_null(strstr(err.msg, "larger than"));
	free(big);
	assert_int_equal(env_add_file(&env, temp_file("elf", "A=1\nB=\177ELF\0\1", 13), &err), -EINVAL);
	assert_non_null(strstr(err.msg, "elf:2: binary data"));
	assert_int_equal(env_add_file(&env, temp_dir(), &err), -EISDIR);
	assert_int_equal(env_add_file(&env, "/dev/null", &err), -EINVAL);
	assert_non_null(strstr(err.msg, "not a regular file"));
	(void)snprintf(path, sizeof(path), "%s/fifo", temp_dir());
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(env_add_file(&env, path, &err), -EINVAL); /* and does not wait for a writer */
	(void)snprintf(path, sizeof(path), "-%s/missing", temp_dir());
	assert_int_equal(env_add_file(&env, path, &err), 0);
	assert_int_equal(env_add_file(&env, path + 1, &err), -ENOENT);
	assert_int_equal(load(""), 0);
	assert_int_equal(env.n, 0);
}

/* The largest file that is allowed, all lines alike: no quadratic time. */
static void test_many_lines(void **state)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_ENV_FILE);

	(void)state;
	for (int i = 0; strbuf_addf(&text, "K%d=v\n", i % 60000) == 0; i++)
		;
	strbuf_consume(&text, 0);
	assert_int_equal(env_add_file(&env, temp_file("many", text.data, text.len), &err), 0);
	assert_true(env.n > 90000);
	assert_int_equal(env_finish(&env), 0);
	assert_int_equal(env.n, 60000);
	assert_null(env.vars[env.n]);
}

static void test_later_wins_in_place(void **state)
{
	(void)state;
	assert_int_equal(env_add(&env, "A=1"), 0);
	assert_int_equal(env_add(&env, "AB=1"), 0);
	assert_int_equal(env_add(&env, "A=2"), 0);
	assert_int_equal(env_set(&env, "C", "xyz", 2), 0);
	assert_int_equal(env_add(&env, "A=3"), 0);
	assert_int_equal(env_finish(&env), 0);
	assert_int_equal(env.n, 3);
	assert_string_equal(env.vars[0], "AB=1");
	assert_string_equal(env.vars[1], "C=xy");
	assert_string_equal(env.vars[2], "A=3");
	assert_null(env.vars[3]);
}

static void test_expand(void **state)
{
	(void)state;
	assert_int_equal(env_add(&env, "HOME=/h"), 0);
	assert_int_equal(env_add_expanded(&env, "A=${HOME}/x$y$$z$", &err), 0);
	assert_var("A", "/h/x$y$z$");
	assert_int_equal(env_add_expanded(&env, "B=${A}${NONE}${}!", &err), 0);
	assert_var("B", "/h/x$y$z$!");
	assert_int_equal(env_add_expanded(&env, "A=${A}:2", &err), 0);
	assert_var("A", "/h/x$y$z$:2");
	assert_int_equal(env_add_expanded(&env, "C=${A", &err), -EINVAL);
	assert_non_null(strstr(err.msg, "without '}'"));
}

static void assert_split(const char *command, const char *expected)
{
	AUTO(auto_free) char **words = NULL;
	AUTO(strbuf_fini) struct strbuf text = STRBUF(1000);
	int r = command_split(command, &words);

	if (!expected) {
		if (r != 0)
			print_error("needs a shell: %s\n", command);
		assert_int_equal(r, 0);
		return;
	}
	if (r != 1)
		print_error("needs no shell: %s\n", command);
	assert_int_equal(r, 1);
	for (size_t i = 0; words[i]; i++)
		(void)strbuf_addf(&text, "<%s>", words[i]);
	assert_string_equal(strbuf_str(&text), expected);
}

static void test_split(void **state)
{
	(void)state;
	assert_split("/usr/bin/api --port 8080", "</usr/bin/api><--port><8080>");
	assert_split("  a \t b  ", "<a><b>");
	assert_split("a 'b c' \"d e\" f'g'\"h\"", "<a><b c><d e><fgh>");
	assert_split("a '' \"\"", "<a><><>");
	assert_split("a '$HOME|;&' \"x;y*|\"", "<a><$HOME|;&><x;y*|>");
	assert_split("exec nginx -g 'daemon off;'", "<nginx><-g><daemon off;>");
	assert_split("a b=c --x=y", "<a><b=c><--x=y>");
	assert_split("a é,%@:+-./_", "<a><é,%@:+-./_>");
}

static void test_needs_a_shell(void **state)
{
	static const char *const commands[] = {
		"a | b", "a; b", "a && b", "a &", "a > f", "a < f", "a $X", "a \"$X\"", "a `b`", "a \"`b`\"", "a \\b", "a *", "a ?",
		"a [b]", "a ~", "a #b", "a {b,c}", "a !b", "a 'b", "a \"b", "A=1 b", "exec A=1 b", "cd /", "exit 3", "true", "echo x",
		"exec -a x y", "exec", "exec exec a", "if a", "a\nb", ". f", "a (b)", "\"\" a", "ulimit -n", "[ a ]", "time a", "a ^b", "a \"x\\\"\"",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		assert_split(commands[i], NULL);
	for (const char *blank = "   "; *blank; blank++) {
		char **words;

		assert_int_equal(command_split(blank, &words), -EINVAL);
	}
}

/* What is split here must be what sh makes of it. */
static void test_split_as_sh_does(void **state)
{
	static const char *const commands[] = {
		"printf-stand-in a b", "x 'a  b' \"c  d\"e'f'", "x --opt='v w' \"\" ''z", "x a=b c:d,e%f@g+h", "x 'it'\"'\"'s'",
		"x \t tabs\tand   blanks ",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		AUTO(strbuf_fini) struct strbuf mine = STRBUF(4096);
		AUTO(strbuf_fini) struct strbuf theirs = STRBUF(4096);
		AUTO(auto_free) char **words = NULL;
		struct spawn_request r = SPAWN_REQUEST;
		struct spawn_result result;
		char script[300];

		assert_int_equal(command_split(commands[i], &words), 1);
		for (size_t w = 0; words[w]; w++)
			(void)strbuf_addf(&mine, "<%s>", words[w]);
		(void)snprintf(script, sizeof(script), "set -- %s; printf '<%%s>' \"$@\"", commands[i]);
		r.command = script;
		assert_int_equal(run_and_read(&r, &result, &theirs), 0);
		assert_string_equal(strbuf_str(&mine), strbuf_str(&theirs));
	}
}

static void test_candidates(void **state)
{
	AUTO(auto_free) char **list = command_candidates("prog", "/a:/b/::c");
	AUTO(auto_free) char **direct = command_candidates("./prog", "/a");
	AUTO(auto_free) char **empty = command_candidates("prog", "");

	(void)state;
	assert_string_equal(list[0], "/a/prog");
	assert_string_equal(list[1], "/b//prog");
	assert_string_equal(list[2], "prog");
	assert_string_equal(list[3], "c/prog");
	assert_null(list[4]);
	assert_string_equal(direct[0], "./prog");
	assert_null(direct[1]);
	assert_string_equal(empty[0], "prog");
	assert_null(empty[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bad_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unreadable_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many_lines, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_later_wins_in_place, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_expand, set_up, tear_down),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_needs_a_shell),
		cmocka_unit_test(test_split_as_sh_does),
		cmocka_unit_test(test_candidates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
