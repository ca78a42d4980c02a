/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc/jsonrpc.h"

#include <errno.h>
#include <string.h>

#include "../testing.h"
#include "base/mem.h"

static int request_code(const char *text)
{
	struct jsonrpc_request request;
	struct rpc_error err = { 0 };
	json_t *id;
	json_t *value = NULL;
	int r = jsonrpc_parse(text, strlen(text), &value, &id, &err);

	if (r == 0)
		r = jsonrpc_request(value, &request, &err);
	json_decref(value);
	json_decref(id);
	return r < 0 ? (int)err.code : 0;
}

static void test_envelopes(void **state)
{
	(void)state;
	assert_int_equal(request_code("{\"jsonrpc\":\"2.0\",\"method\":\"m\"}"), 0);
	assert_int_equal(request_code("{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":{\"a\":[1]},\"params\":7,\"more\":1}"), 0);
	assert_int_equal(request_code("{\"jsonrpc\":\"1.0\",\"method\":\"m\"}"), RPC_INVALID_REQUEST);
	assert_int_equal(request_code("{\"method\":\"m\"}"), RPC_INVALID_REQUEST);
	assert_int_equal(request_code("{\"jsonrpc\":\"2.0\"}"), RPC_INVALID_REQUEST);
	assert_int_equal(request_code("{\"jsonrpc\":\"2.0\",\"method\":5}"), RPC_INVALID_REQUEST);
	assert_int_equal(request_code("{\"jsonrpc\":\"2.0\",\"method\":\"m\",}"), RPC_PARSE_ERROR);
	assert_int_equal(request_code("{\"jsonrpc\":\"2.0\",\"method\":\"\\u0000\"}"), RPC_PARSE_ERROR);
	assert_int_equal(request_code("{\"jsonrpc\":\"2.0\",\"method\":\"\xff\"}"), RPC_PARSE_ERROR);
}

static void test_a_key_twice_is_refused_and_answered_to_its_id(void **state)
{
	const char *text = "{\"jsonrpc\":\"2.0\",\"id\":\"me\",\"method\":\"m\",\"params\":{\"name\":\"a\",\"name\":\"b\"}}";
	struct rpc_error err;
	json_t *value;
	json_t *id;

	(void)state;
	assert_int_equal(jsonrpc_parse(text, strlen(text), &value, &id, &err), -1);
	assert_int_equal(err.code, RPC_INVALID_PARAMS);
	assert_non_null(strstr(err.message, "name"));
	assert_string_equal(json_string_value(id), "me");
	json_decref(id);
}

static void test_answers(void **state)
{
	struct strbuf b = STRBUF(4096);
	struct json_out out = json_out_on(&b);
	json_t *id = json_pack("[i,s]", 1, "x");
	struct rpc_error err;

	(void)state;
	jsonrpc_begin_result(&out, id);
	json_out_bool(&out, true);
	jsonrpc_end(&out);
	assert_string_equal(strbuf_str(&b), "{\"jsonrpc\":\"2.0\",\"id\":[1,\"x\"],\"result\":true}");
	strbuf_reset(&b);
	out = json_out_on(&b);
	(void)rpc_error_set(&err, RPC_SERVICE_NOT_FOUND, "no service '%s'", "w\"b");
	rpc_error_service(&err, "w\"b");
	rpc_error_cause(&err, "because");
	rpc_error_hint(&err, "look");
	jsonrpc_error(&out, NULL, &err);
	assert_string_equal(strbuf_str(&b),
			    "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32000,\"message\":\"no service 'w\\\"b'\","
			    "\"data\":{\"code_name\":\"ServiceNotFound\",\"service\":\"w\\\"b\",\"cause_chain\":[\"because\"],"
			    "\"hint\":\"look\",\"retryable\":false}}}");
	json_decref(id);
	strbuf_fini(&b);
}

static void test_internal_codes(void **state)
{
	static const struct {
		int error;
		enum rpc_code code;
	} rows[] = {
		{ ENOENT, RPC_SERVICE_NOT_FOUND }, { ESHUTDOWN, RPC_SHUTTING_DOWN }, { EEXIST, RPC_SERVICE_ALREADY_EXISTS },
		{ ELOOP, RPC_DEPENDENCY_ERROR },   { ESRCH, RPC_SERVICE_IS_DOWN },   { ENOMEM, RPC_INTERNAL_ERROR },
		{ EROFS, RPC_SERVICE_FILE_ERROR }, { EINVAL, RPC_INVALID_PARAMS },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct error from = { .code = rows[i].error, .msg = "text" };
		struct rpc_error err;

		(void)rpc_error_from(&err, &from, "web");
		assert_int_equal(err.code, rows[i].code);
		assert_string_equal(err.message, "text");
		assert_string_equal(err.service, "web");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_envelopes),
		cmocka_unit_test(test_a_key_twice_is_refused_and_answered_to_its_id),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_internal_codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
