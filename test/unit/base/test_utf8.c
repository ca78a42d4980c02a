/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include "../testing.h"

#define VALID(s) utf8_valid(s, sizeof(s) - 1)

static void test_well_and_ill_formed(void **state)
{
	(void)state;
	assert_true(VALID("plain \0 too"));
	assert_true(VALID("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
	assert_false(VALID("\xc0\xaf"));         /* overlong */
	assert_false(VALID("\xe0\x9f\xbf"));     /* overlong */
	assert_false(VALID("\xed\xa0\x80"));     /* surrogate */
	assert_false(VALID("\xf4\x90\x80\x80")); /* above U+10FFFF */
	assert_false(VALID("\xe2\x82"));         /* cut */
	assert_false(VALID("\x80"));
	assert_false(VALID("\xff"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_well_and_ill_formed) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
