/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/view.h"

#include "../testing.h"

static void assert_why(const char *json, const char *state, const char *expected)
{
	json_t *answer = json_loads(json, 0, NULL);
	struct strbuf why = STRBUF(1000);
	struct view v;

	assert_non_null(answer);
	view_read(answer, &v);
	view_why(&v, &why);
	assert_string_equal(v.state, state);
	assert_string_equal(strbuf_str(&why), expected);
	strbuf_fini(&why);
	json_decref(answer);
}

static void test_reasons_in_words(void **state)
{
	(void)state;
	assert_why("{\"name\":\"a\",\"state\":\"running\",\"pid\":5}", "running", "");
	assert_why("{\"state\":{\"state\":\"failed\",\"reason\":{\"type\":\"exit_code\",\"code\":3}}}", "failed",
		   "exited with code 3");
	assert_why("{\"state\":\"failed\",\"reason\":{\"type\":\"signal\",\"signal\":11,\"text\":\"killed by SIGSEGV (11)\"}}",
		   "failed", "killed by SIGSEGV (11)");
	assert_why("{\"state\":\"failed\",\"reason\":{\"type\":\"dependency_failed\",\"service\":\"db\"}}", "failed",
		   "dependency 'db' failed");
	assert_why("{\"state\":\"failed\",\"reason\":{\"type\":\"new_one\"}}", "failed", "new_one");
	assert_why("{\"state\":\"blocked\",\"blocked_by\":[\"db\",\"net\"]}", "blocked", "waiting for db, net");
	assert_why("{\"state\":{\"state\":\"blocked\",\"waiting_on\":[\"db\"]}}", "blocked", "waiting for db");
	assert_why("{\"state\":\"exited\",\"exit_code\":2}", "exited", "exited with code 2");
	assert_why("{}", "unknown", "");
	assert_why("[]", "unknown", "");
}

static void test_up_and_down(void **state)
{
	struct view v = { .state = "exited", .exit_code = 0 };

	(void)state;
	assert_true(view_is_up(&v));
	assert_true(view_is_down(&v));
	v.exit_code = 1;
	assert_false(view_is_up(&v));
	v.state = "starting";
	assert_false(view_is_up(&v));
	assert_false(view_is_down(&v));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reasons_in_words),
		cmocka_unit_test(test_up_and_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
