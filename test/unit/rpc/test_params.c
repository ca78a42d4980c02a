/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc/params.h"

#include <string.h>

#include "../testing.h"
#include "base/mem.h"

static const struct rpc_param rows[] = {
	{ "name", PARAM_NAME, true, 0, 0, "" },	     { "wait", PARAM_BOOL, false, 0, 0, "" },
	{ "timeout_ms", PARAM_INT, false, 0, 100, "" }, { "names", PARAM_STRINGS, false, 0, 0, "" },
	{ "signal", PARAM_SCALAR, false, 0, 0, "" }, { "config", PARAM_OBJECT, false, 0, 0, "" },
	{ "text", PARAM_STRING, false, 0, 0, "" },   { "any", PARAM_ANY, false, 0, 0, "" },
};

/* Code of the error, 0 if it is fine; `says` must be in the message. */
static int check(const char *given, const char *says)
{
	json_t *in = given ? json_loads(given, JSON_DECODE_ANY, NULL) : NULL;
	json_t *out = NULL;
	struct rpc_error err = { 0 };
	int r = params_check(rows, ARRAY_LEN(rows), in, &out, &err);

	assert_true(!given || in);
	if (r < 0 && !strstr(err.message, says))
		fail_msg("'%s' is not in: %s", says, err.message);
	json_decref(in);
	json_decref(out);
	return r < 0 ? (int)err.code : 0;
}

static void test_what_is_right_passes(void **state)
{
	static const char *const right[] = {
		"{\"name\":\"web\"}",
		"[\"web\"]",
		"[\"web\",true,5]",
		"[\"web\",null,5]",
		"{\"name\":\"web\",\"wait\":null}",
		"{\"name\":\"web\",\"timeout_ms\":0}",
		"{\"name\":\"web\",\"timeout_ms\":100,\"names\":\"x\"}",
		"{\"name\":\"web\",\"names\":[\"x\",\"@y\"]}",
		"{\"name\":\"web\",\"signal\":9,\"config\":{},\"text\":\"\",\"any\":[1]}",
		"{\"name\":\"web\",\"signal\":\"HUP\"}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(right); i++)
		assert_int_equal(check(right[i], ""), 0);
}

static void test_what_is_wrong_is_named(void **state)
{
	static const struct {
		const char *given, *says;
		int code;
	} wrong[] = {
		{ NULL, "missing 'name' parameter", RPC_INVALID_PARAMS },
		{ "{}", "missing 'name' parameter", RPC_INVALID_PARAMS },
		{ "[]", "missing 'name' parameter", RPC_INVALID_PARAMS },
		{ "null", "missing 'name' parameter", RPC_INVALID_PARAMS },
		{ "{\"name\":null}", "missing 'name' parameter", RPC_INVALID_PARAMS },
		{ "{\"name\":7}", "'name': expected the name of a service", RPC_INVALID_PARAMS },
		{ "{\"name\":\"\"}", "'name'", RPC_INVALID_PARAMS },
		{ "{\"name\":\"../x\"}", "'name'", RPC_INVALID_PARAMS },
		{ "{\"name\":\"web\",\"nmae\":1}", "'nmae': unknown", RPC_INVALID_PARAMS },
		{ "{\"name\":\"web\",\"wait\":1}", "'wait': expected true or false, got 1", RPC_INVALID_PARAMS },
		{ "{\"name\":\"web\",\"timeout_ms\":101}", "from 0 to 100, got 101", RPC_INVALID_PARAMS },
		{ "{\"name\":\"web\",\"timeout_ms\":-1}", "from 0 to 100", RPC_INVALID_PARAMS },
		{ "{\"name\":\"web\",\"timeout_ms\":1.5}", "'timeout_ms': expected an integer", RPC_INVALID_PARAMS },
		{ "{\"name\":\"web\",\"names\":[1]}", "'names': expected a string or a list", RPC_INVALID_PARAMS },
		{ "{\"name\":\"web\",\"signal\":true}", "'signal': expected a string or a number", RPC_INVALID_PARAMS },
		{ "{\"name\":\"web\",\"config\":[]}", "'config': expected an object", RPC_INVALID_PARAMS },
		{ "[\"web\",true,5,\"x\",\"y\",{},\"z\",1,2]", "9 parameters given, at most 8", RPC_INVALID_PARAMS },
		{ "\"web\"", "'params': expected an object or an array", RPC_INVALID_PARAMS },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_int_equal(check(wrong[i].given, wrong[i].says), wrong[i].code);
}

static void test_a_slip_gets_a_hint(void **state)
{
	json_t *in = json_loads("{\"nmae\":\"web\"}", 0, NULL);
	json_t *out = NULL;
	struct rpc_error err = { 0 };

	(void)state;
	assert_int_equal(params_check(rows, ARRAY_LEN(rows), in, &out, &err), -1);
	assert_string_equal(err.hint, "did you mean 'name'?");
	json_decref(in);
}

static void test_values_and_defaults(void **state)
{
	json_t *in = json_loads("{\"name\":\"web\",\"wait\":true,\"timeout_ms\":7,\"names\":[\"a\",\"b\"]}", 0, NULL);
	json_t *p = NULL;
	struct rpc_error err;

	(void)state;
	assert_int_equal(params_check(rows, ARRAY_LEN(rows), in, &p, &err), 0);
	assert_string_equal(param_str(p, "name", ""), "web");
	assert_string_equal(param_str(p, "text", "default"), "default");
	assert_true(param_bool(p, "wait", false));
	assert_int_equal(param_int(p, "timeout_ms", 1), 7);
	assert_int_equal(param_int(p, "none", 3), 3);
	assert_int_equal(param_strings_n(p, "names"), 2);
	assert_string_equal(param_string_at(p, "names", 1), "b");
	assert_int_equal(param_strings_n(p, "name"), 1);
	assert_string_equal(param_string_at(p, "name", 0), "web");
	json_decref(p);
	json_decref(in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_right_passes),
		cmocka_unit_test(test_what_is_wrong_is_named),
		cmocka_unit_test(test_a_slip_gets_a_hint),
		cmocka_unit_test(test_values_and_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
