/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <stdio.h>

#include "../testing.h"

#define MANY 1000

static void test_put_get_take_of_many(void **state)
{
	static char keys[MANY][8];
	struct map m;
	size_t seen = 0;

	(void)state;
	map_init(&m);
	assert_null(map_get(&m, "none"));
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(keys[i], sizeof(keys[i]), "k%d", i);
		assert_int_equal(map_put(&m, keys[i], keys[i]), 0);
	}
	for (int i = 0; i < MANY; i += 2)
		assert_ptr_equal(map_take(&m, keys[i]), keys[i]);
	for (int i = 0; i < MANY; i++)
		assert_ptr_equal(map_get(&m, keys[i]), i % 2 ? keys[i] : NULL);
	MAP_FOREACH(slot, &m)
		seen++;
	assert_int_equal(seen, MANY / 2);
	assert_int_equal(m.n, MANY / 2);
	assert_null(map_take(&m, keys[0]));
	map_fini(&m);
}

static void test_put_replaces(void **state)
{
	struct map m;
	int a;
	int b;

	(void)state;
	map_init(&m);
	assert_int_equal(map_put(&m, "x", &a), 0);
	assert_int_equal(map_put(&m, "x", &b), 0);
	assert_int_equal(m.n, 1);
	assert_ptr_equal(map_get(&m, "x"), &b);
	map_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put_get_take_of_many),
		cmocka_unit_test(test_put_replaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
