/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc/json_out.h"

#include <math.h>
#include <string.h>

#include "../testing.h"

static void test_nesting_and_commas(void **state)
{
	struct strbuf b = STRBUF(4096);
	struct json_out o = json_out_on(&b);

	(void)state;
	json_out_open_object(&o);
	json_out_member_int(&o, "a", -1);
	json_out_key(&o, "b");
	json_out_open_array(&o);
	json_out_str(&o, "x");
	json_out_open_object(&o);
	json_out_close_object(&o);
	json_out_open_array(&o);
	json_out_close_array(&o);
	json_out_null(&o);
	json_out_close_array(&o);
	json_out_member_bool(&o, "c", true);
	json_out_member_uint(&o, "d", UINT64_MAX);
	json_out_member_str(&o, "e", NULL);
	json_out_key(&o, "f");
	json_out_real(&o, 1.5);
	json_out_key(&o, "g");
	json_out_real(&o, (double)NAN);
	json_out_close_object(&o);
	assert_string_equal(strbuf_str(&b), "{\"a\":-1,\"b\":[\"x\",{},[],null],\"c\":true,\"d\":18446744073709551615,"
					    "\"e\":null,\"f\":1.5,\"g\":null}");
	strbuf_fini(&b);
}

static void test_any_bytes_become_valid_json(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 65536; i++) {
		const char text[] = { 'x', (char)(i >> 8), (char)(i & 255), 'y' };
		struct strbuf b = STRBUF(4096);
		struct json_out o = json_out_on(&b);
		json_t *parsed;

		json_out_strn(&o, text, sizeof(text));
		parsed = json_loadb(b.data, b.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		assert_true(json_is_string(parsed));
		if (i >> 8 < 0x80 && (i & 255) < 0x80) {
			assert_int_equal(json_string_length(parsed), sizeof(text));
			assert_memory_equal(json_string_value(parsed), text, sizeof(text));
		}
		json_decref(parsed);
		strbuf_fini(&b);
	}
}

static void test_a_full_buffer_is_told(void **state)
{
	struct strbuf b = STRBUF(8);
	struct json_out o = json_out_on(&b);

	(void)state;
	json_out_str(&o, "0123456789");
	assert_true(b.failed);
	strbuf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nesting_and_commas),
		cmocka_unit_test(test_any_bytes_become_valid_json),
		cmocka_unit_test(test_a_full_buffer_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
