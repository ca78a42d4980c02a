/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc/frame.h"

#include <stdlib.h>
#include <string.h>

#include "../testing.h"
#include "base/str.h"

/* Feeds `text` in pieces of `piece` bytes and writes what came out: values as they are, B, N, S for the three errors. */
static void feed(const char *text, size_t len, size_t piece, struct strbuf *out)
{
	struct strbuf in = STRBUF(FRAME_MAX + 65536);
	struct frame f;

	frame_init(&f);
	for (size_t at = 0; at < len; at += piece) {
		enum frame_event event;

		assert_int_equal(strbuf_add(&in, text + at, len - at < piece ? len - at : piece), 0);
		do {
			size_t drop = 0;
			size_t value = 0;

			event = frame_next(&f, in.data, in.len, &drop, &value);
			assert_true(drop <= in.len);
			assert_true(value <= drop);
			if (event == FRAME_VALUE)
				(void)strbuf_addf(out, "%.*s|", (int)value, in.data + drop - value);
			else if (event != FRAME_MORE)
				(void)strbuf_addf(out, "%c|", "..BNS"[event]);
			strbuf_consume(&in, drop);
		} while (event != FRAME_MORE);
	}
	strbuf_fini(&in);
}

static void check(const char *text, const char *expected)
{
	static const size_t pieces[] = { 1, 2, 3, 7, 4096 };

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct strbuf out = STRBUF(65536);

		feed(text, strlen(text), pieces[i], &out);
		assert_string_equal(strbuf_str(&out), expected);
		strbuf_fini(&out);
	}
}

static void test_values_are_cut_wherever_reads_end(void **state)
{
	(void)state;
	check("{}", "{}|");
	check("{}\n{}\n", "{}|{}|");
	check("{}{}[1,2] \r\n\t{\"a\":[{}]}", "{}|{}|[1,2]|{\"a\":[{}]}|");
	check("{\n \"a\": 1\n}\n", "{\n \"a\": 1\n}|");
	check("", "");
	check(" \n\n \t", "");
}

static void test_brackets_in_strings_do_not_count(void **state)
{
	(void)state;
	check("{\"}]{[\":\"\\\"}\\\\\"}{}", "{\"}]{[\":\"\\\"}\\\\\"}|{}|");
}

static void test_half_a_value_gives_nothing(void **state)
{
	(void)state;
	check("{\"a\":1", "");
	check("{\"a", "");
	check("[[]", "");
}

static void test_garbage_is_told_once_and_ends_with_its_line(void **state)
{
	(void)state;
	check("hello {} world\n{}", "B|{}|");
	check("5\n", "B|");
	check("}\n{}", "B|{}|");
	check("{]}{}\n[1]", "B|[1]|");
	check("[}\n[1]", "B|[1]|");
	check("{\"a\n{}", "B|{}|");
	check("x\ny\n", "B|B|");
}

static void test_nesting_is_bounded(void **state)
{
	char text[3 * FRAME_NESTING];
	struct strbuf out = STRBUF(65536);

	(void)state;
	memset(text, '[', FRAME_NESTING);
	memset(text + FRAME_NESTING, ']', FRAME_NESTING);
	feed(text, 2 * (size_t)FRAME_NESTING, 5, &out);
	assert_int_equal(out.len, 2 * FRAME_NESTING + 1);
	strbuf_reset(&out);
	memset(text, '[', FRAME_NESTING + 1);
	memcpy(text + FRAME_NESTING + 1, "]]]\n{}", 6);
	feed(text, FRAME_NESTING + 7, 5, &out);
	assert_string_equal(strbuf_str(&out), "N|{}|");
	strbuf_fini(&out);
}

static void test_size_is_bounded(void **state)
{
	size_t len = FRAME_MAX + 8;
	char *text = malloc(len + 8);
	struct strbuf out = STRBUF(FRAME_MAX + 1024);

	(void)state;
	assert_non_null(text);
	memset(text, ' ', len);
	text[0] = '[';
	text[FRAME_MAX - 1] = ']';
	feed(text, len, 65536, &out);
	assert_int_equal(out.len, FRAME_MAX + 1);
	strbuf_reset(&out);
	text[FRAME_MAX - 1] = ' ';
	memcpy(text + len, "]\n{}", 4);
	feed(text, len + 4, 65536, &out);
	assert_string_equal(strbuf_str(&out), "S|{}|");
	strbuf_fini(&out);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_are_cut_wherever_reads_end),
		cmocka_unit_test(test_brackets_in_strings_do_not_count),
		cmocka_unit_test(test_half_a_value_gives_nothing),
		cmocka_unit_test(test_garbage_is_told_once_and_ends_with_its_line),
		cmocka_unit_test(test_nesting_is_bounded),
		cmocka_unit_test(test_size_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
