/* SPDX-License-Identifier: Apache-2.0 */
/* The plain text in a regular expression: known cases, and: filtering by it first changes no answer. */
#include "../testing.h"

#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/mem.h"
#include "log/literal.h"

static void test_known(void **state)
{
	static const struct {
		const char *regex;
		const char *literal;
	} cases[] = {
		{ "error", "error" },      { "^GET /a\\.b$", "GET /a.b" }, { "ab+c", "ab" },       { "abc?de", "ab" },
		{ "abc*de", "ab" },        { "abc{0,2}xyz", "xyz" },      { "(abc)?de", "de" },   { "(abcdef)de", "de" },
		{ "[abcdef]xy", "xy" },    { "[]abc]xy", "xy" },          { "[^]abc]xy", "xy" },  { "a|bcd", "" },
		{ "(?i)abc", "" },         { "\\x41bc", "" },             { "\\d+ms", "ms" },     { "ab\\", "" },
		{ "[[:alpha:]]bcd", "" },  { "\\Qa*b\\E", "" },           { "", "" },             { ".*", "" },
		{ "a{b", "" },             { "x??yz", "yz" },             { "(a|b)cd", "" },      { "\\[warn\\]", "[warn]" },
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t len = literal_of_regex(cases[i].regex, out, sizeof(out));

		print_message("%s\n", cases[i].regex);
		assert_int_equal(len, strlen(cases[i].literal));
		assert_memory_equal(out, cases[i].literal, len);
	}
}

/* Random expressions over few characters: whatever one matches has the literal in it. */
static void test_random(void **state)
{
	static const char alphabet[] = "abab()[]*+?{}|.^$\\12,dwQEx:-";
	unsigned int seed = 8;
	unsigned int compiled = 0;
	unsigned int matched = 0;

	(void)state;
	for (unsigned int i = 0; i < 200000; i++) {
		char regex[12];
		char text[16];
		char literal[64];
		size_t n = 1 + (size_t)rand_r(&seed) % (sizeof(regex) - 1);
		size_t len;
		pcre2_code *code;
		pcre2_match_data *match;
		PCRE2_SIZE at;
		int error;

		for (size_t k = 0; k < n; k++)
			regex[k] = alphabet[(size_t)rand_r(&seed) % (sizeof(alphabet) - 1)];
		regex[n - (n == sizeof(regex))] = '\0';
		len = literal_of_regex(regex, literal, sizeof(literal));
		if (!len)
			continue;
		code = pcre2_compile((PCRE2_SPTR)regex, PCRE2_ZERO_TERMINATED, 0, &error, &at, NULL);
		if (!code)
			continue;
		compiled++;
		match = pcre2_match_data_create(1, NULL);
		for (unsigned int t = 0; t < 20; t++) {
			size_t size = (size_t)rand_r(&seed) % sizeof(text);

			for (size_t k = 0; k < size; k++)
				text[k] = "ab1d,2{}x-"[rand_r(&seed) % 10];
			if (pcre2_match(code, (PCRE2_SPTR)text, size, 0, 0, match, NULL) < 0)
				continue;
			matched++;
			if (!memmem(text, size, literal, len))
				fail_msg("'%s' matches '%.*s' but not its '%.*s'", regex, (int)size, text, (int)len, literal);
		}
		pcre2_match_data_free(match);
		pcre2_code_free(code);
	}
	assert_true(compiled > 10000);
	assert_true(matched > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
