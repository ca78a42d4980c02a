/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/lines.h"

#include <stdlib.h>
#include <string.h>

#include "../testing.h"

static void assert_line(struct lines *l, const char *json, const char *expected, size_t expected_len)
{
	json_t *line = json_loads(json, JSON_ALLOW_NUL, NULL);
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	assert_non_null(line);
	lines_print(l, line, to);
	(void)fclose(to);
	assert_int_equal(len, expected_len);
	assert_memory_equal(text, expected, len);
	free(text);
	json_decref(line);
}

#define ASSERT_LINE(l, json, expected) assert_line(l, json, expected, sizeof(expected) - 1)

static struct lines form(const char *output, bool names)
{
	struct cli cli = { .opt.output = output };

	return lines_init(&cli, names);
}

static void test_text_has_time_name_and_stream(void **state)
{
	struct lines l = form(NULL, true);

	(void)state;
	lines_fit(&l, "worker");
	ASSERT_LINE(&l, "{\"service\":\"web\",\"stream\":\"stdout\",\"timestamp_ns\":1795388645250000000,\"content\":\"hi\"}",
		    "2026-11-22 23:04:05.250 web    | hi\n");
	ASSERT_LINE(&l, "{\"service\":\"worker\",\"stream\":\"stderr\",\"timestamp_ms\":1795388645250,\"content\":\"\\u001b[31moh\"}",
		    "2026-11-22 23:04:05.250 worker ! oh\n");
	ASSERT_LINE(&l, "{\"service\":\"web\",\"stream\":\"stdout\",\"timestamp_ns\":1795388645250000000,\"lost\":7,"
			"\"reason\":\"overwritten\",\"content\":\"\"}",
		    "2026-11-22 23:04:05.250 web    | --- 7 lines lost (overwritten) ---\n");
}

static void test_short_names_services_only_if_there_are_several(void **state)
{
	struct lines one = form("short", false);
	struct lines two = form("short", true);

	(void)state;
	ASSERT_LINE(&one, "{\"service\":\"web\",\"stream\":\"stdout\",\"content\":\"hi\"}", "hi\n");
	ASSERT_LINE(&two, "{\"service\":\"web\",\"stream\":\"stdout\",\"content\":\"hi\"}", "web | hi\n");
}

static void test_raw_gives_the_bytes_that_were_written(void **state)
{
	struct lines l = form("raw", false);

	(void)state;
	ASSERT_LINE(&l, "{\"content\":\"\\u001b[31ma\\u0000b\"}", "\033[31ma\0b\n");
	ASSERT_LINE(&l, "{\"content\":\"\\ufffd\\ufffdx\",\"base64\":\"/v94\"}", "\xfe\xffx\n");
	ASSERT_LINE(&l, "{\"content\":\"\\ufffd\",\"base64\":\"/w==\"}", "\xff\n");
	ASSERT_LINE(&l, "{\"content\":\"part\",\"partial\":true}", "part");
	ASSERT_LINE(&l, "{\"content\":\"end\",\"unterminated\":true}", "end");
	ASSERT_LINE(&l, "{\"content\":\"\",\"lost\":7}", "");
}

static void test_json_is_one_object_a_line(void **state)
{
	struct lines l = form("json", false);

	(void)state;
	ASSERT_LINE(&l, "{\"service\": \"web\", \"content\": \"a\\nb\"}", "{\"service\":\"web\",\"content\":\"a\\nb\"}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_has_time_name_and_stream),
		cmocka_unit_test(test_short_names_services_only_if_there_are_several),
		cmocka_unit_test(test_raw_gives_the_bytes_that_were_written),
		cmocka_unit_test(test_json_is_one_object_a_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
