/* SPDX-License-Identifier: Apache-2.0 */
#include "helper.h"

#include "config/keys.h"
#include "config/tree.h"
#include "config/validate.h"

static void test_names(void **state)
{
	char name[65] = "";

	(void)state;
	assert_true(config_name_valid("a"));
	assert_true(config_name_valid("Web-1_x.y"));
	assert_false(config_name_valid(""));
	assert_false(config_name_valid(".a"));
	assert_false(config_name_valid("a b"));
	assert_false(config_name_valid("a/b"));
	assert_false(config_name_valid("\xc3\xa4"));
	memset(name, 'a', 63);
	assert_true(config_name_valid(name));
	name[63] = 'a';
	assert_false(config_name_valid(name));
}

static void test_addresses(void **state)
{
	static const char *const good[] = { "h:1", "127.0.0.1:65535", "[::1]:80", "unix:/run/x",
					    "a-b.c:80" };
	static const char *const bad[] = { "",	      ":1",   "h",	"h:",	 "h:0",
					   "h:65536", "h:1x", "::1:80", "[::1]", "unix:x",
					   "unix:",   "[]:1", "h /:1",	"h: 1" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(validate_address(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(validate_address(bad[i]));
}

static void test_schedules(void **state)
{
	static const char *const good[] = {
		"* * * * *",	 "0 3 * * *",	 "*/5 0-6,12 1,15 jan-mar MON",
		"59 23 31 12 7", "@every 10m",	 "@every 1s",
		"@daily",	 " 0\t0 1 1 0 ", "1-5/2 * * * *"
	};
	static const char *const bad[] = { "",
					   "* * * *",
					   "* * * * * *",
					   "60 * * * *",
					   "* 24 * * *",
					   "* * 0 * *",
					   "* * * 13 *",
					   "* * * * 8",
					   "a * * * *",
					   "5-1 * * * *",
					   "1,, * * * *",
					   "1, * * * *",
					   "*/0 * * * *",
					   "5/2 * * * *",
					   "@every 0s",
					   "@every",
					   "@every x",
					   "@never",
					   "1-2-3 * * * *",
					   "-1 * * * *" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		if (!validate_schedule(good[i]))
			fail_msg("%s", good[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (validate_schedule(bad[i]))
			fail_msg("%s", bad[i]);
	}
}

/* --- the table itself ------------------------------------------------------------------------- */

static void check_row(void *ctx, const char *path, bool record, const struct cfg_key *key)
{
	size_t *n = ctx;

	(void)record;
	++*n;
	if (!key->doc || (key->type != CFG_TOMBSTONE && (!key->since || key->apply == APPLY_NONE)))
		fail_msg("%s: incomplete row", path);
	if (key->type == CFG_SECTION || key->type == CFG_RECORDS)
		assert_non_null(key->sub);
	else
		assert_null(key->sub);
	if ((key->type == CFG_ENUM || key->type == CFG_ENUM_INT || key->type == CFG_FLAGS) &&
	    !key->choices)
		fail_msg("%s: no choices", path);
	if (key->required)
		assert_null(key->dflt);
}

static void test_rows_are_complete(void **state)
{
	AUTO(arena_fini) struct arena arena = { 0 };
	struct service_config c = { 0 };
	struct server_settings s = { 0 };
	size_t n = 0;

	(void)state;
	cfg_visit(&cfg_service_table, check_row, &n);
	cfg_visit(&cfg_settings_table, check_row, &n);
	assert_true(n > 130);
	/* every default can be read */
	assert_int_equal(tree_preset(&cfg_service_table, &arena, &c), 0);
	assert_int_equal(tree_preset(&cfg_settings_table, &arena, &s), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_schedules),
		cmocka_unit_test(test_rows_are_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
