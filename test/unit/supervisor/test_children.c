/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/children.h"

#include "../testing.h"

#define MANY 1000

static void on_exited(pid_t pid, int code, int status, void *data)
{
	(void)code;
	(void)status;
	*(pid_t *)data = pid;
}

static void test_many_come_and_go(void **state)
{
	struct children c = { 0 };
	struct child child;
	pid_t seen = 0;

	(void)state;
	assert_false(children_has(&c, 1));
	assert_false(children_take(&c, 1, &child));
	for (pid_t pid = 1; pid <= MANY; pid++)
		assert_int_equal(children_add(&c, pid * 7, on_exited, &seen), 0);
	for (pid_t pid = 1; pid <= MANY; pid += 2)
		assert_true(children_take(&c, pid * 7, &child));
	for (pid_t pid = 1; pid <= MANY; pid++)
		assert_int_equal(children_has(&c, pid * 7), pid % 2 == 0);
	assert_true(children_take(&c, 14, &child));
	child.fn(child.pid, 0, 0, child.data);
	assert_int_equal(seen, 14);
	assert_int_equal(c.n, MANY / 2 - 1);
	children_fini(&c);
}

static void test_a_recycled_pid_replaces(void **state)
{
	struct children c = { 0 };
	struct child child;
	int a;
	int b;

	(void)state;
	assert_int_equal(children_add(&c, 5, on_exited, &a), 0);
	assert_int_equal(children_add(&c, 5, on_exited, &b), 0);
	assert_int_equal(c.n, 1);
	assert_true(children_take(&c, 5, &child));
	assert_ptr_equal(child.data, &b);
	children_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many_come_and_go),
		cmocka_unit_test(test_a_recycled_pid_replaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
