/* SPDX-License-Identifier: Apache-2.0 */
#include "helper.h"

#include <signal.h>
#include <sys/resource.h>

static void test_smallest_file_has_the_defaults(void **state)
{
	struct service_config *c = load_ok("[service]\nexec = \"true\"\n");

	(void)state;
	assert_string_equal(c->name, "web");
	assert_string_equal(c->path, "web.toml");
	assert_string_equal(c->exec.text, "true");
	assert_null(c->exec.argv);
	assert_null(c->env);
	assert_null(c->requires);
	assert_null(c->capabilities);
	assert_false(c->oneshot);
	assert_int_equal(c->status, CONFIG_STATUS_START);
	assert_int_equal(c->class, CONFIG_CLASS_USER);
	assert_int_equal(c->restart, CONFIG_RESTART_ON_FAILURE);
	assert_int_equal(c->restart_delay_ms, 1000);
	assert_int_equal(c->restart_delay_max_ms, 300000);
	assert_int_equal(c->max_restarts, 10);
	assert_int_equal(c->stability_period_ms, 30000);
	assert_int_equal(c->start_timeout_ms, 30000);
	assert_int_equal(c->stop_timeout_ms, 10000);
	assert_int_equal(c->stop_signal, SIGTERM);
	assert_int_equal(c->reload_signal, SIGHUP);
	assert_int_equal(c->success_exit_codes.n, 1);
	assert_int_equal(c->success_exit_codes.items[0], 0);
	assert_int_equal(c->nice, CONFIG_UNSET);
	assert_int_equal(c->umask, CONFIG_MODE_UNSET);
	assert_int_equal(c->health.n, 0);
	assert_int_equal(c->buffer_lines, 1000);
	assert_int_equal(c->buffer_bytes, 1 << 20);
	assert_int_equal(c->max_line, 64 << 10);
	assert_int_equal(c->max_age_s, 7 * 86400);
	assert_int_equal(c->output.kind, CONFIG_OUTPUT_LOG);
	assert_true(c->store);
	config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_smallest_file_has_the_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
