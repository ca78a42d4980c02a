/* SPDX-License-Identifier: Apache-2.0 */
/* What goes out as JSON or TOML comes back equal; what changed is told key by key. */
#include "helper.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/limits.h"
#include "config/diff.h"
#include "config/encode.h"

/* --- there and back --------------------------------------------------------------------------- */

static struct service_config *from_json(const json_t *json)
{
	struct service_config *c = NULL;
	struct strbuf said = STRBUF(1 << 16);
	struct problems problems;

	problems_init(&problems);
	(void)load_service_json(json, LOAD_STRICT, &problems, &c);
	problems_format(&problems, NULL, &said);
	assert_string_equal(strbuf_str(&said), "");
	assert_non_null(c);
	strbuf_fini(&said);
	problems_fini(&problems);
	return c;
}

static void assert_comes_back(const struct service_config *c)
{
	struct strbuf text = STRBUF(1 << 20);
	json_t *json = config_to_json(c);
	struct service_config *again = from_json(json);

	assert_true(config_equal(c, again));
	assert_null(again->path);
	config_free(again);
	json_decref(json);

	assert_int_equal(config_to_toml(c, &text), 0);
	again = load_ok(strbuf_str(&text));
	assert_true(config_equal(c, again));
	config_free(again);
	strbuf_fini(&text);
}

static void test_full_file_comes_back(void **state)
{
	struct strbuf text = STRBUF(LIMIT_CONFIG_FILE);
	struct service_config *c = NULL;
	struct problems problems;

	(void)state;
	assert_int_equal(fd_read_file(FULL_FILE, &text), 0);
	problems_init(&problems);
	assert_int_equal(
		load_service_text(text.data, text.len, NULL, NULL, LOAD_STRICT, &problems, &c), 0);
	assert_int_equal(problems.n, 1); /* one double item, a warning */
	problems_fini(&problems);
	strbuf_fini(&text);

	assert_int_equal(c->health.n, 5);
	/* load_ok() wants the stem "web" */
	json_t *json = config_to_json(c);
	assert_int_equal(json_object_set_new(json_object_get(json, "service"), "name",
					     json_string("web")),
			 0);
	config_free(c);
	c = from_json(json);
	assert_comes_back(c);
	config_free(c);
	json_decref(json);
}

static const char *pick(unsigned int *seed, const char *const *from, size_t n)
{
	*seed = *seed * 1103515245U + 12345U;
	return from[(*seed >> 16) % n];
}

/* Random subsets of good lines: each makes a config that must come back. */
static void test_random_files_come_back(void **state)
{
	static const char *const service[] = {
		"",
		"oneshot = true\n",
		"env = { \"a b\" = \"\\u0001\\\"\\\\\", Z = 1 }\n",
		"umask = \"0\"\n",
		"nice = 0\n",
		"capabilities = []\n",
		"capabilities = [\"CAP_KILL\"]\n",
		"rlimits = { cpu = [1, 2], core = 0 }\n",
		"stdin = \"/x\"\n",
		"tags = [\"a.b\", \"c\"]\n",
		"ports = [0, 1]\n",
		"description = \"\xc3\xa4\\n\\t\"\n",
		"status = \"ignore\"\n",
		"class = \"system\"\n",
		"dir = \"\"\n",
		"watch = [\"/\\u007f\"]\n",
	};
	static const char *const lifecycle[] = {
		"",
		"restart = \"always\"\n",
		"restart_jitter = 0.1\n",
		"restart_jitter = 1e-3\n",
		"stop_signal = \"RTMAX\"\n",
		"success_exit_codes = []\n",
		"success_exit_codes = [1, 2]\n",
		"stop_command = [\"a\", \"\"]\n",
		"stop_command = \"a\"\n",
		"restart_delay_ms = 900000\n",
		"max_restarts = 0\n",
	};
	static const char *const health[] = {
		"",
		"[health]\ntype = \"notify\"\n",
		"[health]\ntype = \"tcp\"\ntarget = \"unix:/x\"\n",
		("[[health]]\ntype = \"exec\"\ntarget = [\"a\"]\n[[health]]\ntype = "
		 "\"http\"\ntarget = \"http://x\"\n"
		 "expect_status = [\"2xx\", 301]\n"),
		"[health]\ntype = \"http\"\ntarget = \"h:1\"\nexpect_status = \"4xx\"\nheaders = { "
		"A = \"b\" }\n",
		"[[health]]\ntype = \"log\"\ntarget = \"x\"\nretries = 1\n",
	};
	static const char *const logging[] = {
		"",
		"stdout = \"null\"\n",
		"stderr = \"file:/a b\"\n",
		"max_age = 0\n",
		"buffer_bytes = 1099511627776\n",
		"compress = \"none\"\n",
		"rate_limit = 4294967295\n",
		"store = false\n",
		"file = \"/x\"\n",
	};
	unsigned int seed = 1;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		struct strbuf text = STRBUF(1 << 16);
		struct service_config *c;

		strbuf_addf(&text, "[service]\nexec = \"x\"\n%s",
			    pick(&seed, service, ARRAY_LEN(service)));
		strbuf_addf(&text, "[lifecycle]\n%s", pick(&seed, lifecycle, ARRAY_LEN(lifecycle)));
		strbuf_addf(&text, "%s", pick(&seed, health, ARRAY_LEN(health)));
		strbuf_addf(&text, "[logging]\n%s", pick(&seed, logging, ARRAY_LEN(logging)));
		c = load_ok(strbuf_str(&text));
		assert_comes_back(c);
		config_free(c);
		strbuf_fini(&text);
	}
}

static void test_json_is_complete_and_null_is_unset(void **state)
{
	struct service_config *c = load_ok("[service]\nexec = \"x\"\n");
	json_t *json = config_to_json(c);
	const json_t *service = json_object_get(json, "service");

	(void)state;
	assert_int_equal(json_object_size(json), 6);
	assert_true(json_is_null(json_object_get(json, "health")));
	assert_true(json_is_null(json_object_get(service, "dir")));
	assert_true(json_is_null(json_object_get(json_object_get(json, "logging"), "file")));
	assert_int_equal(json_array_size(json_object_get(service, "ports")), 0);
	assert_true(json_is_object(json_object_get(service, "env")));
	assert_string_equal(json_string_value(json_object_get(json_object_get(json, "lifecycle"),
							      "stop_signal")),
			    "SIGTERM");
	assert_comes_back(c);
	json_decref(json);
	config_free(c);
}

static void test_toml_holds_only_what_differs(void **state)
{
	struct strbuf text = STRBUF(1 << 16);
	struct service_config *c =
		load_ok("[service]\nexec = \"x\"\noneshot = false\n[lifecycle]\nmax_restarts = 3\n"
			"restart = \"on-failure\"\n[logging]\n");

	(void)state;
	assert_int_equal(config_to_toml(c, &text), 0);
	assert_string_equal(
		strbuf_str(&text),
		"[service]\nname = \"web\"\nexec = \"x\"\n\n[lifecycle]\nmax_restarts = 3\n");
	strbuf_fini(&text);
	text = STRBUF(10);
	assert_int_equal(config_to_toml(c, &text), -ENOMEM);
	strbuf_fini(&text);
	config_free(c);
}

static void test_target_comes_back(void **state)
{
	struct service_config *c =
		load_ok("[target]\ntags = [\"t\"]\n[dependencies]\nwants = [\"a\"]\n");
	json_t *json = config_to_json(c);

	(void)state;
	assert_comes_back(c);
	assert_int_equal(json_object_size(json), 2);
	json_decref(json);
	config_free(c);
}

static void assert_json_said(const char *text, const char *expected)
{
	struct strbuf said = STRBUF(1 << 16);
	struct service_config *c = NULL;
	struct problems problems;
	json_t *json = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

	assert_non_null(json);
	problems_init(&problems);
	assert_int_equal(load_service_json(json, LOAD_STRICT, &problems, &c), -EINVAL);
	problems_format(&problems, NULL, &said);
	assert_string_equal(strbuf_str(&said), expected);
	assert_null(c);
	problems_fini(&problems);
	strbuf_fini(&said);
	json_decref(json);
}

static void test_wrong_json(void **state)
{
	(void)state;
	assert_json_said("[]", "expected an object with \"service\" or \"target\"\n");
	assert_json_said("{}", "service: missing: the table [service] (or [target])\n");
	assert_json_said("{\"service\":null}",
			 "service: missing: the table [service] (or [target])\n");
	assert_json_said("{\"service\":{\"exec\":\"x\"}}", "service.name: missing\n");
	assert_json_said("{\"service\":{\"name\":\"a\",\"exec\":null}}", "service.exec: missing\n");
	assert_json_said("{\"service\":{\"name\":\"a\",\"exec\":\"x\\u0000\"}}",
			 "service.exec: expected a string, or a list of strings, found a NUL "
			 "character in it\n");
	assert_json_said("{\"service\":{\"name\":\"a\",\"exec\":\"x\",\"nice\":1.5}}",
			 "service.nice: expected a whole number from -20 to 19, found 1.5\n");
}

/* --- differences ------------------------------------------------------------------------------ */

static void assert_diff(const char *from, const char *to, enum cfg_apply apply, const char *keys)
{
	struct service_config *a = load_ok(from);
	struct service_config *b = load_ok(to);
	struct strbuf text = STRBUF(4096);
	struct config_diff diff;

	config_diff(a, b, &diff);
	for (size_t i = 0; i < diff.n; i++)
		strbuf_addf(&text, "%s:%s ", diff.changes[i].key,
			    cfg_apply_name(diff.changes[i].apply));
	assert_string_equal(strbuf_str(&text), keys);
	assert_int_equal(diff.apply, apply);
	assert_int_equal(config_equal(a, b), diff.n == 0);
	strbuf_fini(&text);
	config_free(a);
	config_free(b);
}

#define EXEC "[service]\nexec = \"x\"\n"

static void test_diff(void **state)
{
	(void)state;
	assert_diff(EXEC, EXEC "oneshot = false\n", APPLY_NONE, "");
	assert_diff(EXEC, EXEC "[lifecycle]\nrestart = \"always\"\n", APPLY_LIVE,
		    "lifecycle.restart:live ");
	assert_diff(EXEC, "[service]\nexec = \"y\"\n[lifecycle]\nmax_restarts = 1\n", APPLY_RESTART,
		    "service.exec:restart lifecycle.max_restarts:live ");
	assert_diff("[service]\nexec = \"x\"\n", "[service]\nexec = [\"x\"]\n", APPLY_RESTART,
		    "service.exec:restart ");
	assert_diff(EXEC, EXEC "[health]\ntype = \"notify\"\n", APPLY_LIVE, "health:live ");
	assert_diff(EXEC "[health]\ntype = \"notify\"\n",
		    EXEC "[health]\ntype = \"notify\"\nretries = 9\n", APPLY_LIVE, "health:live ");
	assert_diff(EXEC "env = { A = \"1\" }\n", EXEC "env = { A = \"2\" }\n", APPLY_RESTART,
		    "service.env:restart ");
	assert_diff(EXEC, EXEC "capabilities = []\n", APPLY_RESTART,
		    "service.capabilities:restart ");
	assert_diff(EXEC, "[target]\n", APPLY_RESTART, "service.exec:restart target:restart ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_file_comes_back),
		cmocka_unit_test(test_random_files_come_back),
		cmocka_unit_test(test_json_is_complete_and_null_is_unset),
		cmocka_unit_test(test_toml_holds_only_what_differs),
		cmocka_unit_test(test_target_comes_back),
		cmocka_unit_test(test_wrong_json),
		cmocka_unit_test(test_diff),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
