/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_text.h"

#include "../testing.h"

#include <stdio.h>
#include <string.h>

/* What the escaping of one byte is, slowly. */
static const char *slow(unsigned char c, char room[8])
{
	static const struct {
		char c;
		const char *text;
	} shorts[] = { { '\b', "\\b" }, { '\t', "\\t" }, { '\n', "\\n" }, { '\f', "\\f" }, { '\r', "\\r" },
		       { '"', "\\\"" }, { '\\', "\\\\" } };

	for (size_t i = 0; i < sizeof(shorts) / sizeof(shorts[0]); i++) {
		if ((unsigned char)shorts[i].c == c)
			return shorts[i].text;
	}
	if (c >= 0x80)
		return "\xef\xbf\xbd";
	(void)snprintf(room, 8, c < 0x20 || c == 0x7f ? "\\u%04x" : "%c", c);
	return room;
}

/* Each byte at each place of a word, since words are looked at as a whole. */
static void test_every_byte_everywhere(void **state)
{
	(void)state;
	for (unsigned int c = 0; c < 256; c++) {
		for (size_t at = 0; at < 20; at++) {
			struct strbuf out = STRBUF(1000);
			char text[20], want[64], room[8];

			memset(text, '~', sizeof(text));
			text[at] = (char)c;
			(void)snprintf(want, sizeof(want), "%.*s%s%.*s", (int)at, "~~~~~~~~~~~~~~~~~~~~",
				       slow((unsigned char)c, room), (int)(19 - at), "~~~~~~~~~~~~~~~~~~~~");
			assert_int_equal(json_text_add(&out, text, sizeof(text)), 0);
			assert_string_equal(out.data, want);
			strbuf_fini(&out);
		}
	}
}

static void test_utf8(void **state)
{
	static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 \xe2\x82 \xed\xa0\x80";
	struct strbuf out = STRBUF(1000);

	(void)state;
	assert_int_equal(json_text_add(&out, text, sizeof(text) - 1), 0);
	assert_string_equal(out.data, "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 \xef\xbf\xbd\xef\xbf\xbd "
				      "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	strbuf_fini(&out);
}

static void test_no_room(void **state)
{
	struct strbuf out = STRBUF(3);

	(void)state;
	assert_true(json_text_add(&out, "abcd", 4) < 0);
	assert_true(out.failed);
	strbuf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_byte_everywhere),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
