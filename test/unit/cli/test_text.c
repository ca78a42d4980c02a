/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/text.h"

#include <errno.h>
#include <string.h>

#include "../testing.h"

static void assert_text(const char *in, enum text_escapes escapes, const char *expected)
{
	struct strbuf out = STRBUF(1000);

	text_add(&out, in, strlen(in), escapes);
	assert_string_equal(strbuf_str(&out), expected);
	strbuf_fini(&out);
}

static void test_strip_takes_out_all_escapes(void **state)
{
	(void)state;
	assert_text("a\033[31mred\033[0m b", TEXT_STRIP, "ared b");
	assert_text("\033]0;title\007x", TEXT_STRIP, "x");
	assert_text("\033]0;title\033\\x", TEXT_STRIP, "x");
	assert_text("\033(Bx\033=y\033cz", TEXT_STRIP, "xyz");
	assert_text("a\rb\bc\x7f\td", TEXT_STRIP, "abc\td");
	assert_text("c1: \xc2\x9b" "31m", TEXT_STRIP, "c1: 31m");
	assert_text("\xc3\xa9\xe2\x82\xac", TEXT_STRIP, "\xc3\xa9\xe2\x82\xac");
	assert_text("cut \033[3", TEXT_STRIP, "cut ");
	assert_text("cut \033", TEXT_STRIP, "cut ");
}

static void test_colors_keeps_sgr_only_and_resets(void **state)
{
	(void)state;
	assert_text("\033[1;31mred", TEXT_COLORS, "\033[1;31mred\033[0m");
	assert_text("\033[2J\033[1;1Hx", TEXT_COLORS, "x");
	assert_text("plain", TEXT_COLORS, "plain");
}

static void test_raw_is_untouched(void **state)
{
	(void)state;
	assert_text("\033[2Ja\r\x01", TEXT_RAW, "\033[2Ja\r\x01");
}

static void test_width(void **state)
{
	(void)state;
	assert_int_equal(text_width("abc"), 3);
	assert_int_equal(text_width("\xc3\xa9t\xc3\xa9"), 3);
	assert_int_equal(text_width("\xe6\x97\xa5\xe6\x9c\xac"), 4);
	assert_int_equal(text_width("e\xcc\x81"), 1);
	assert_int_equal(text_width("\xff"), 1);
}

static void test_times_that_people_type(void **state)
{
	const ts_ns now = 1795399200LL * NSEC_PER_SEC; /* 2026-11-23 02:00:00 UTC */
	static const struct {
		const char *text;
		ts_ns sec;
		ts_ns ns;
	} rows[] = {
		{ "now", 1795399200, 0 },
		{ "today", 1795392000, 0 },
		{ "yesterday", 1795305600, 0 },
		{ "10m", 1795398600, 0 },
		{ "10 min ago", 1795398600, 0 },
		{ "1h 30m ago", 1795393800, 0 },
		{ "-1h30m", 1795393800, 0 },
		{ "01:30", 1795397400, 0 },
		{ "01:30:05.5", 1795397405, 500000000 },
		{ "2026-11-22", 1795305600, 0 },
		{ "2026-11-22 23:04", 1795388640, 0 },
		{ "2026-11-22T23:04:05.25Z", 1795388645, 250000000 },
		{ "2026-11-22T23:04:05+01:00", 1795385045, 0 },
		{ "@5", 5, 0 },
	};
	ts_ns t;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(text_parse_time(rows[i].text, now, &t), 0);
		assert_int_equal(t, rows[i].sec * NSEC_PER_SEC + rows[i].ns);
	}
	assert_int_equal(text_parse_time("soon", now, &t), -EINVAL);
	assert_int_equal(text_parse_time("2026-11-22T23:04:05+0100x", now, &t), -EINVAL);
	assert_int_equal(text_parse_time("", now, &t), -EINVAL);
	assert_int_equal(text_parse_time(" ago", now, &t), -EINVAL);
}

static void test_formats(void **state)
{
	char when[TEXT_TIME_SIZE];
	char size[TEXT_SIZE_SIZE];

	(void)state;
	assert_string_equal(text_time(1795388645250000000LL, TEXT_TIME_FULL, when), "2026-11-22 23:04:05.250");
	assert_string_equal(text_time(1795388645250000000LL, TEXT_TIME_CLOCK, when), "23:04:05.250");
	assert_string_equal(text_size(0, size), "0");
	assert_string_equal(text_size(1023, size), "1023");
	assert_string_equal(text_size(4300, size), "4.2K");
	assert_string_equal(text_size(UINT64_MAX, size), "16.0E");
}

static void test_json_members_have_defaults(void **state)
{
	json_t *o = json_pack("{s:s, s:I, s:b, s:n}", "s", "x", "i", (json_int_t)9007199254740993, "t", 1, "n");

	(void)state;
	assert_string_equal(json_str(o, "s", "-"), "x");
	assert_string_equal(json_str(o, "n", "-"), "-");
	assert_int_equal(json_int(o, "i", 0), 9007199254740993);
	assert_int_equal(json_int(NULL, "i", 7), 7);
	assert_true(json_flag(o, "t"));
	assert_false(json_flag(o, "s"));
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strip_takes_out_all_escapes),
		cmocka_unit_test(test_colors_keeps_sgr_only_and_resets),
		cmocka_unit_test(test_raw_is_untouched),
		cmocka_unit_test(test_width),
		cmocka_unit_test(test_times_that_people_type),
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_json_members_have_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
