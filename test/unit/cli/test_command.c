/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"

#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

#include "../testing.h"

static void test_names_are_unique_and_rows_complete(void **state)
{
	(void)state;
	for (size_t i = 0; i < commands_n; i++) {
		assert_ptr_equal(command_find(commands[i].name), &commands[i]);
		if (commands[i].alias)
			assert_ptr_equal(command_find(commands[i].alias), &commands[i]);
		assert_non_null(commands[i].doc);
		assert_non_null(commands[i].run);
		assert_true(commands[i].max_args < 0 || commands[i].min_args <= commands[i].max_args);
	}
	for (int i = 0; i < FLAG_N; i++)
		for (int j = 0; j < i; j++) {
			assert_string_not_equal(flags[i].name, flags[j].name);
			assert_true(!flags[i].letter || flags[i].letter != flags[j].letter);
		}
}

static void test_nearest_verb(void **state)
{
	(void)state;
	assert_null(command_find("staus"));
	assert_string_equal(command_nearest("staus"), "status");
	assert_string_equal(command_nearest("strat"), "start");
	assert_null(command_nearest("qwertyuiop"));
}

static void test_flags_may_stand_anywhere(void **state)
{
	struct cli cli = { .opt = { .timeout_ms = -1, .lines = -1 }, .command = command_find("logs") };
	char *argv[] = { "logs", "web", "-fn", "5", "--since=10m", "db", "--timeout", "2s", NULL };
	int first;

	(void)state;
	first = command_parse(&cli, cli.command, 8, argv);
	assert_int_equal(first, 6);
	assert_string_equal(argv[6], "web");
	assert_string_equal(argv[7], "db");
	assert_true(cli.opt.follow);
	assert_int_equal(cli.opt.lines, 5);
	assert_string_equal(cli.opt.since, "10m");
	assert_int_equal(cli.opt.timeout_ms, 2000);
}

static void test_global_flags_end_at_the_verb(void **state)
{
	struct cli cli = { 0 };
	char *argv[] = { "zinit", "-s", "/x", "--json", "start", "--tree", "web", NULL };

	(void)state;
	assert_int_equal(command_parse(&cli, NULL, 7, argv), 4);
	assert_string_equal(cli.opt.socket, "/x");
	assert_true(cli.opt.json);
	assert_false(cli.opt.tree);
}

/* The usage error that a command line gives. */
static void assert_usage(const char *line, const char *expected)
{
	struct cli cli = { 0 };
	char *words = strdup(line);
	char *argv[8];
	char *rest = words;
	char *text = NULL;
	size_t len = 0;
	FILE *saved = stderr;
	int argc = 0;

	while (argc < 7 && (argv[argc] = strsep(&rest, " ")))
		argc++;
	argv[argc] = NULL;
	cli.command = command_find(argv[0]);
	stderr = open_memstream(&text, &len);
	assert_int_equal(command_parse(&cli, cli.command, argc, argv), -1);
	(void)fclose(stderr);
	stderr = saved;
	assert_non_null(strstr(text, expected));
	free(text);
	free(words);
}

static void test_usage_errors_name_what_was_meant(void **state)
{
	(void)state;
	assert_usage("list --jsno", "did you mean --json?");
	assert_usage("list --tree", "unknown flag --tree");
	assert_usage("list -x", "unknown flag -x");
	assert_usage("list --json=1", "--json takes no value");
	assert_usage("logs web -n many", "'many' is not a number");
	assert_usage("logs web -n", "-n needs a value");
	assert_usage("logs web -o pretty", "'pretty' is none of text|short|json|raw");
	assert_usage("start web --timeout soon", "'soon' is not a span");
}

static void test_help_names_every_verb_and_flag(void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	(void)state;
	command_help_all(to, false);
	for (size_t i = 0; i < commands_n; i++)
		command_help(to, false, &commands[i]);
	(void)fclose(to);
	for (size_t i = 0; i < commands_n; i++)
		assert_non_null(strstr(text, commands[i].name));
	for (int i = 0; i < FLAG_N; i++)
		assert_non_null(strstr(text, flags[i].name));
	assert_null(strchr(text, '\033'));
	free(text);
}

static void test_manual_names_every_verb_and_flag(void **state)
{
	struct strbuf text = STRBUF(1U << 20);
	char word[40];

	(void)state;
	assert_int_equal(fd_read_file(MANUAL, &text), 0);
	for (size_t i = 0; i < commands_n; i++) {
		(void)snprintf(word, sizeof(word), "*%s*", commands[i].name);
		assert_non_null(strstr(text.data, word));
		if (commands[i].alias) {
			(void)snprintf(word, sizeof(word), "*%s*", commands[i].alias);
			assert_non_null(strstr(text.data, word));
		}
	}
	for (int i = 0; i < FLAG_N; i++) {
		(void)snprintf(word, sizeof(word), "*--%s*", flags[i].name);
		assert_non_null(strstr(text.data, word));
	}
	strbuf_fini(&text);
}

static void test_json_has_both_tables(void **state)
{
	json_t *all = command_json();

	(void)state;
	assert_int_equal(json_array_size(json_object_get(all, "verbs")), commands_n);
	assert_true(json_array_size(json_object_get(all, "flags")) > 0);
	json_decref(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_are_unique_and_rows_complete),
		cmocka_unit_test(test_nearest_verb),
		cmocka_unit_test(test_flags_may_stand_anywhere),
		cmocka_unit_test(test_global_flags_end_at_the_verb),
		cmocka_unit_test(test_usage_errors_name_what_was_meant),
		cmocka_unit_test(test_help_names_every_verb_and_flag),
		cmocka_unit_test(test_manual_names_every_verb_and_flag),
		cmocka_unit_test(test_json_has_both_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
