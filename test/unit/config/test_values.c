/* SPDX-License-Identifier: Apache-2.0 */
/* Each key with right and wrong values: what is said, and where. */
#include "helper.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

/* A file whose line 3 (4 in other sections than [service]) is `line` of `section`. */
static const char *file_with(const char *section, const char *line)
{
	static char text[2000];

	if (strcmp(section, "service") == 0)
		(void)snprintf(text, sizeof(text), "[service]\nexec = \"x\"\n%s\n", line);
	else
		(void)snprintf(text, sizeof(text), "[service]\nexec = \"x\"\n[%s]\n%s\n", section,
			       line);
	return text;
}

struct wrong {
	const char *section, *line;
	unsigned int column;
	const char *said; /* "key: text" */
};

static const struct wrong wrongs[] = {
	/* types */
	{ "service", "dir = 1", 7, "dir: expected a string, found 1" },
	{ "service", "dir = 1.5", 7, "dir: expected a string, found 1.5" },
	{ "service", "dir = true", 7, "dir: expected a string, found true" },
	{ "service", "dir = 1979-05-27", 7, "dir: expected a string, found a date or time" },
	{ "service", "dir = []", 7, "dir: expected a string, found an array" },
	{ "service", "oneshot = \"yes\"", 11, "oneshot: expected true or false, found \"yes\"" },
	{ "service", "oneshot = 1", 11, "oneshot: expected true or false, found 1" },
	{ "service", "env_expand = 0", 14, "env_expand: expected true or false, found 0" },
	{ "service", "critical = {}", 12, "critical: expected true or false, found a table" },
	{ "service", "session = []", 11, "session: expected true or false, found an array" },
	{ "service", "no_new_privileges = 1", 21,
	  "no_new_privileges: expected true or false, found 1" },
	{ "service", "kill_others = 1", 15, "kill_others: expected true or false, found 1" },
	{ "service", "description = 1", 15, "description: expected a string, found 1" },
	{ "service", "user = 1000", 8, "user: expected a string, found 1000" },
	{ "service", "group = false", 9, "group: expected a string, found false" },
	/* names */
	{ "service", "name = \"a b\"", 8,
	  "name: expected 1 to 63 ASCII letters, digits, '-', '_' or '.', found \"a b\"" },
	{ "service", "name = \"\"", 8,
	  "name: expected 1 to 63 ASCII letters, digits, '-', '_' or '.', found \"\"" },
	{ "service", "name = \"\xc3\xa4\"", 8,
	  "name: expected 1 to 63 ASCII letters, digits, '-', '_' or '.', found \"\xc3\xa4\"" },
	{ "service", "tags = [\"a\", \".bc\"]", 14,
	  "tags: expected 1 to 63 ASCII letters, digits, '-', '_' or '.', found \".bc\"" },
	{ "dependencies", "requires = \"db\"", 12,
	  "requires: expected a list of strings, found \"db\"" },
	{ "dependencies", "after = [1]", 10, "after: expected a name, found 1" },
	{ "dependencies", "wants = [\"\"]", 10,
	  "wants: expected 1 to 63 ASCII letters, digits, '-', '_' or '.', found \"\"" },
	{ "dependencies", "conflicts = {}", 13,
	  "conflicts: expected a list of strings, found a table" },
	{ "dependencies", "requires = [\"web\"]", 12, "requires: 'web' cannot depend on itself" },
	{ "dependencies", "after = [\"x\", \"web\"]", 9, "after: 'web' cannot depend on itself" },
	/* lists */
	{ "service", "env_file = [\"\"]", 13, "env_file: must not be empty" },
	{ "service", "env_file = [\"x\"]", 12, "env_file: expected an absolute path, found \"x\"" },
	{ "service", "supplementary_groups = \"a\"", 24,
	  "supplementary_groups: expected a list of strings, found \"a\"" },
	{ "service", "process_filters = [2]", 20, "process_filters: expected a string, found 2" },
	{ "service", "watch = [\"x.conf\"]", 9, "watch: expected absolute paths, found \"x.conf\"" },
	{ "service", "watch = 2", 9, "watch: expected a list of strings, found 2" },
	{ "service", "ports = [80, 70000]", 14, "ports: expected 0 to 65535, found 70000" },
	{ "service", "ports = [-1]", 10, "ports: expected 0 to 65535, found -1" },
	{ "service", "ports = [\"80\"]", 10, "ports: expected a whole number, found \"80\"" },
	{ "service", "ports = 80", 9, "ports: expected a list of whole numbers, found 80" },
	/* tables of strings */
	{ "service", "env = [\"A=1\"]", 7, "env: expected a table of strings, found an array" },
	{ "service", "env = { A = [] }", 13, "env.A: expected a string, found an array" },
	{ "service", "env = { A = 1.5 }", 13, "env.A: expected a string, found 1.5" },
	{ "service", "env = { \"A=B\" = \"1\" }", 9,
	  "env.A=B: expected a name without '=', found \"A=B\"" },
	/* numbers */
	{ "service", "nice = 20", 8, "nice: expected -20 to 19, found 20" },
	{ "service", "nice = -21", 8, "nice: expected -20 to 19, found -21" },
	{ "service", "nice = 1.0", 8, "nice: expected a whole number from -20 to 19, found 1" },
	{ "service", "oom_score_adj = 1001", 17,
	  "oom_score_adj: expected -1000 to 1000, found 1001" },
	{ "service", "umask = 27", 9, "umask: expected octal text such as \"0027\", found 27" },
	{ "service", "umask = \"0888\"", 9,
	  "umask: expected octal text such as \"0027\", found \"0888\"" },
	{ "service", "umask = \"1777\"", 9,
	  "umask: expected octal text such as \"0027\", found \"1777\"" },
	/* choices */
	{ "service", "status = \"strat\"", 10,
	  "status: expected \"start\", \"stop\" or \"ignore\", found \"strat\" (did you mean "
	  "\"start\"?)" },
	{ "service", "status = 1", 10,
	  "status: expected \"start\", \"stop\" or \"ignore\", found 1" },
	{ "service", "class = \"root\"", 9,
	  "class: expected \"user\" or \"system\", found \"root\"" },
	{ "service", "watch_action = \"\"", 16,
	  "watch_action: expected \"restart\" or \"reload\", found \"\"" },
	{ "service", "stdin = \"nul\"", 9,
	  "stdin: expected \"null\" or an absolute path, found \"nul\"" },
	/* resource limits, capabilities */
	{ "service", "rlimits = 1", 11,
	  "rlimits: expected a table such as { nofile = 65536 }, found 1" },
	{ "service", "rlimits = { nofiles = 1 }", 13,
	  "rlimits.nofiles: unknown resource limit (did you mean \"nofile\"?)" },
	{ "service", "rlimits = { nofile = -1 }", 22,
	  "rlimits.nofile: expected a number, \"infinity\", or [soft, hard], found -1" },
	{ "service", "rlimits = { core = [1] }", 20,
	  "rlimits.core: expected [soft, hard], found 1 items" },
	{ "service", "rlimits = { core = [2, 1] }", 20,
	  "rlimits.core: the soft limit is above the hard one" },
	{ "service", "rlimits = { core = [\"infinity\", 1] }", 20,
	  "rlimits.core: the soft limit is above the hard one" },
	{ "service", "capabilities = [\"CAP_NET_RAV\"]", 17,
	  "capabilities: unknown capability \"CAP_NET_RAV\" (did you mean \"CAP_NET_RAW\"?)" },
	{ "service", "capabilities = \"all\"", 16,
	  "capabilities: expected a list of strings, found \"all\"" },
	/* lifecycle */
	{ "lifecycle", "restart = \"allways\"", 11,
	  "restart: expected \"always\", \"on-failure\" or \"never\", found \"allways\" (did you "
	  "mean \"always\"?)" },
	{ "lifecycle", "on_dependency_crash = \"die\"", 23,
	  "on_dependency_crash: expected \"keep\", \"stop\" or \"restart\", found \"die\"" },
	{ "lifecycle", "restart_delay_ms = -1", 20,
	  "restart_delay_ms: expected 0 to 86400000, found -1" },
	{ "lifecycle", "restart_delay_ms = \"10s\"", 20,
	  "restart_delay_ms: expected a number of milliseconds from 0 to 86400000, found \"10s\" "
	  "(did you mean 10000?)" },
	{ "lifecycle", "restart_delay_ms = \"fast\"", 20,
	  "restart_delay_ms: expected a number of milliseconds from 0 to 86400000, found "
	  "\"fast\"" },
	{ "lifecycle", "restart_delay_max_ms = 999", 24,
	  "restart_delay_max_ms: must be at least restart_delay_ms (1000)" },
	{ "lifecycle", "restart_jitter = 1.5", 18,
	  "restart_jitter: expected a number from 0 to 1, found 1.5" },
	{ "lifecycle", "restart_jitter = nan", 18,
	  "restart_jitter: expected a number from 0 to 1, found nan" },
	{ "lifecycle", "max_restarts = -1", 16, "max_restarts: expected 0 to 1000000, found -1" },
	{ "lifecycle", "stability_period_ms = true", 23,
	  "stability_period_ms: expected a number of milliseconds from 0 to 604800000, found "
	  "true" },
	{ "lifecycle", "start_timeout_ms = 0", 20,
	  "start_timeout_ms: expected 1 to 86400000, found 0" },
	{ "lifecycle", "stop_timeout_ms = 99999999999", 19,
	  "stop_timeout_ms: expected 1 to 86400000, found 99999999999" },
	{ "lifecycle", "stop_signal = \"SIGTREM\"", 15,
	  "stop_signal: expected a signal by name or number, found \"SIGTREM\" (did you mean "
	  "\"SIGTERM\"?)" },
	{ "lifecycle", "stop_signal = 99", 15,
	  "stop_signal: expected a signal by name or number, found 99" },
	{ "lifecycle", "reload_signal = \"\"", 17,
	  "reload_signal: expected a signal by name or number, found \"\"" },
	{ "lifecycle", "kill_mode = \"all\"", 13,
	  "kill_mode: expected \"group\", \"cgroup\" or \"process\", found \"all\"" },
	{ "lifecycle", "success_exit_codes = [256]", 23,
	  "success_exit_codes: expected 0 to 255, found 256" },
	{ "lifecycle", "stop_command = 1", 16,
	  "stop_command: expected a string, or a list of strings, found 1" },
	{ "lifecycle", "reload_command = []", 18,
	  "reload_command: the list must begin with a program" },
	{ "lifecycle", "pre_start = \"x\"", 13,
	  "pre_start: expected a list of strings, found \"x\"" },
	{ "lifecycle", "post_stop = [\"\"]", 14, "post_stop: must not be empty" },
	{ "lifecycle", "schedule = \"* * * * *\"", 12,
	  "schedule: only a oneshot can have a schedule: set oneshot = true" },
	/* limits */
	{ "limits", "memory_max = \"512X\"", 14,
	  "memory_max: expected a number of bytes, or a size such as \"512M\", found \"512X\"" },
	{ "limits", "memory_max = -1", 14,
	  "memory_max: expected 0 to 9223372036854775807, found -1" },
	{ "limits", "pids_max = 9999999", 12, "pids_max: expected 0 to 4194304, found 9999999" },
	{ "limits", "cpu_max = \"150\"", 11,
	  "cpu_max: expected a percentage such as \"150%\", found \"150\"" },
	{ "limits", "cpu_max = \"%\"", 11,
	  "cpu_max: expected a percentage such as \"150%\", found \"%\"" },
	/* logging */
	{ "logging", "buffer_lines = 0", 16, "buffer_lines: expected 1 to 10000000, found 0" },
	{ "logging", "buffer_bytes = 1", 16,
	  "buffer_bytes: expected 4096 to 1099511627776, found 1" },
	{ "logging", "max_line = \"1G\"", 12,
	  "max_line: expected 80 to 67108864, found 1073741824" },
	{ "logging", "max_size = {}", 12,
	  "max_size: expected a number of bytes, or a size such as \"512M\", found a table" },
	{ "logging", "max_files = 0", 13, "max_files: expected 1 to 100000, found 0" },
	{ "logging", "max_age = \"7q\"", 11,
	  "max_age: expected a number of seconds, or a span such as \"7d\", found \"7q\"" },
	{ "logging", "store = 1", 9, "store: expected true or false, found 1" },
	{ "logging", "ship = 1", 8, "ship: expected true or false, found 1" },
	{ "logging", "priority_prefix = 1", 19,
	  "priority_prefix: expected true or false, found 1" },
	{ "logging", "compress = \"gzip\"", 12,
	  "compress: expected \"none\" or \"zstd\", found \"gzip\"" },
	{ "logging", "on_full = \"wait\"", 11,
	  "on_full: expected \"drop\" or \"block\", found \"wait\"" },
	{ "logging", "rate_limit = -1", 14, "rate_limit: expected 0 to 4294967295, found -1" },
	{ "logging", "file = 1", 8, "file: expected a string, found 1" },
	{ "logging", "stdout = \"stdout\"", 10,
	  "stdout: expected \"log\", \"null\", \"inherit\" or \"file:/path\", found \"stdout\"" },
	{ "logging", "stderr = \"file:x\"", 10,
	  "stderr: expected \"log\", \"null\", \"inherit\", \"stdout\" or \"file:/path\", found "
	  "\"file:x\"" },
	{ "logging", "stderr = \"nul\"", 10,
	  "stderr: expected \"log\", \"null\", \"inherit\", \"stdout\" or \"file:/path\", found "
	  "\"nul\" (did you mean "
	  "\"null\"?)" },
	/* health */
	{ "health", "type = \"htp\"\ntarget = \"x\"", 8,
	  "type: expected \"tcp\", \"http\", \"exec\", \"notify\" or \"log\", found \"htp\" (did "
	  "you mean \"http\"?)" },
	{ "health", "type = \"tcp\"", 1, "target: expected host:port, [v6]:port or unix:/path" },
	{ "health", "type = \"notify\"\ntarget = \"fd:64\"", 10,
	  "target: expected \"fd:N\" with N from 3 to 63, or nothing (sd_notify)" },
	{ "health", "type = \"notify\"\ntarget = \"fd:2\"", 10,
	  "target: expected \"fd:N\" with N from 3 to 63, or nothing (sd_notify)" },
	{ "health", "type = \"log\"\nretries = -1", 11,
	  "retries: expected 1 to 1000000, found -1" },
	{ "health", "type = \"log\"\ntimeout_ms = 0", 14,
	  "timeout_ms: expected 1 to 86400000, found 0" },
	{ "health", "type = \"log\"\ninterval_ms = 0", 15,
	  "interval_ms: expected 1 to 86400000, found 0" },
	{ "health", "type = \"log\"\nstart_period_ms = -1", 19,
	  "start_period_ms: expected 0 to 86400000, found -1" },
	{ "health", "type = \"log\"\non_failure = \"x\"", 14,
	  "on_failure: expected \"restart\", \"mark\" or \"stop\", found \"x\"" },
	{ "health", "type = \"log\"\nexpect_status = 99", 17,
	  "expect_status: expected a status from 100 to 599, a class such as \"2xx\", or a list of "
	  "these, found 99" },
	{ "health", "type = \"log\"\nexpect_status = []", 17, "expect_status: must not be empty" },
	{ "health", "type = \"log\"\nexpect_status = \"6xx\"", 17,
	  "expect_status: expected a status from 100 to 599, a class such as \"2xx\", or a list of "
	  "these, found \"6xx\"" },
	{ "health", "type = \"log\"\nmethod = \"\"", 10, "method: must not be empty" },
	{ "health", "type = \"log\"\nheaders = 1", 11,
	  "headers: expected a table of strings, found 1" },
	{ "health", "type = \"log\"\nbody = 1", 8, "body: expected a string, found 1" },
	{ "health", "type = \"log\"\nunix_socket = \"x\"", 15,
	  "unix_socket: expected an absolute path, found \"x\"" },
	{ "health", "type = \"log\"\ntls_verify = 1", 14,
	  "tls_verify: expected true or false, found 1" },
	{ "health", "type = \"log\"\nfollow_redirects = 1", 20,
	  "follow_redirects: expected true or false, found 1" },
};

static void test_wrong_values(void **state)
{
	char expected[1000];

	(void)state;
	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		const struct wrong *w = &wrongs[i];
		unsigned int line = strcmp(w->section, "service") == 0 ? 3 : 4;

		if (strchr(w->line, '\n') && strncmp(w->said, "type", 4) != 0)
			line++;
		if (strcmp(w->line, "type = \"tcp\"") == 0)
			line = 3; /* missing: the table's own place */
		(void)snprintf(expected, sizeof(expected), "web.toml:%u:%u: %s.%s\n", line,
			       w->column, w->section, w->said);
		assert_said(file_with(w->section, w->line), expected);
	}
}

static void test_exec(void **state)
{
	struct service_config *c;

	(void)state;
	assert_said("[service]\nexec = \"\"\n", "web.toml:2:8: service.exec: must not be empty\n");
	assert_said("[service]\nexec = \" \\t\"\n",
		    "web.toml:2:8: service.exec: must not be empty\n");
	assert_said("[service]\nexec = []\n",
		    "web.toml:2:8: service.exec: the list must begin with a program\n");
	assert_said("[service]\nexec = [\"\"]\n",
		    "web.toml:2:8: service.exec: the list must begin with a program\n");
	assert_said("[service]\nexec = [\"a\", 1]\n",
		    "web.toml:2:14: service.exec: expected a string, found 1\n");
	c = load_ok("[service]\nexec = [\"a\", \"a\"]\n");
	assert_string_equal(c->exec.argv[1], "a");
	assert_null(c->exec.text);
	config_free(c);
}

static void test_double_items_warn(void **state)
{
	(void)state;
	assert_said_flags(
		"[service]\nexec = \"x\"\n[dependencies]\nafter = [\"a\", \"a\"]\n", LOAD_STRICT,
		true, "web.toml:4:15: warning: dependencies.after: \"a\" is in the list twice\n");
	assert_said_flags("[service]\nexec = \"x\"\n[dependencies]\nconflicts = [\"web\"]\n",
			  LOAD_STRICT, true,
			  "web.toml:4:13: warning: dependencies.conflicts: 'web' conflicts with "
			  "itself: that has no effect\n");
	assert_said_flags("[service]\nexec = \"x\"\n[dependencies]\nconflicts = [\"a\"]\nrequires "
			  "= [\"a\"]\n",
			  0, true,
			  "web.toml:4:13: warning: dependencies.conflicts: 'a' is required too: "
			  "this never starts\n");
}

static void test_service_values(void **state)
{
	struct service_config *c = load_ok(
		"[service]\nexec = \"x\"\numask = \"0027\"\nnice = -20\noom_score_adj = -1000\n"
		"rlimits = { nofile = 9, core = \"infinity\", cpu = [1, \"infinity\"] "
		"}\ncapabilities = []\n"
		"stdin = \"/dev/zero\"\nports = [1, 65535]\nenv = { I = -7, T = true, S = \"\", E "
		"= \"a=b\" }\n"
		"class = \"system\"\nstatus = \"stop\"\nwatch_action = \"reload\"\ndescription = "
		"\"\"\n");

	(void)state;
	assert_int_equal(c->umask, 027);
	assert_int_equal(c->nice, -20);
	assert_int_equal(c->oom_score_adj, -1000);
	assert_int_equal(c->rlimits.n, 3);
	assert_int_equal(c->rlimits.items[0].resource, RLIMIT_CPU);
	assert_int_equal(c->rlimits.items[0].soft, 1);
	assert_true(c->rlimits.items[0].hard == CONFIG_INFINITY);
	assert_int_equal(c->rlimits.items[1].resource, RLIMIT_CORE);
	assert_int_equal(c->rlimits.items[2].hard, 9);
	assert_non_null(c->capabilities);
	assert_null(c->capabilities[0]);
	assert_string_equal(c->input, "/dev/zero");
	assert_int_equal(c->ports.n, 2);
	assert_int_equal(c->ports.items[1], 65535);
	assert_string_equal(c->env[0], "E=a=b");
	assert_string_equal(c->env[1], "I=-7");
	assert_string_equal(c->env[2], "S=");
	assert_string_equal(c->env[3], "T=true");
	assert_int_equal(c->class, CONFIG_CLASS_SYSTEM);
	assert_int_equal(c->status, CONFIG_STATUS_STOP);
	assert_int_equal(c->watch_action, CONFIG_WATCH_RELOAD);
	assert_null(c->description);
	config_free(c);
}

static void test_other_values(void **state)
{
	struct service_config *c =
		load_ok("[service]\nexec = \"x\"\noneshot = true\n[lifecycle]\nrestart_delay_ms = "
			"400000\nrestart_jitter = 1\n"
			"stop_signal = \"usr1\"\nreload_signal = 12\nstop_command = \"\"\nschedule "
			"= \"@every 10m\"\n"
			"success_exit_codes = []\n"
			"[limits]\nmemory_max = \"512MiB\"\npids_max = 3\ncpu_max = \"150%\"\n"
			"[logging]\nbuffer_bytes = 8192\nmax_line = \"1k\"\nmax_age = 90\nstdout = "
			"\"file:/tmp/x\"\nstderr = \"stdout\"\n");

	(void)state;
	assert_int_equal(c->restart_delay_ms, 400000);
	assert_int_equal(c->restart_delay_max_ms, 400000); /* follows: the file sets no cap */
	assert_true(c->restart_jitter > 0.999);
	assert_int_equal(c->stop_signal, SIGUSR1);
	assert_int_equal(c->reload_signal, SIGUSR2);
	assert_null(c->stop_command.text);
	assert_string_equal(c->schedule, "@every 10m");
	assert_int_equal(c->success_exit_codes.n, 0);
	assert_int_equal(c->memory_max, 512 << 20);
	assert_int_equal(c->cpu_max, 150);
	assert_int_equal(c->buffer_bytes, 8192);
	assert_int_equal(c->max_line, 1024);
	assert_int_equal(c->max_age_s, 90);
	assert_int_equal(c->output.kind, CONFIG_OUTPUT_FILE);
	assert_string_equal(c->output.path, "/tmp/x");
	assert_int_equal(c->errors.kind, CONFIG_OUTPUT_STDOUT);
	config_free(c);
}

static void test_health_one_and_many(void **state)
{
	struct service_config *c = load_ok(
		"[service]\nexec = \"x\"\n[health]\ntype = \"http\"\ntarget = \"http://h/\"\n"
		"expect_status = [204, \"3xx\"]\n");

	(void)state;
	assert_int_equal(c->health.n, 1);
	assert_int_equal(c->health.items[0].type, CONFIG_HEALTH_HTTP);
	assert_string_equal(c->health.items[0].target.text, "http://h/");
	assert_int_equal(c->health.items[0].expect_status.n, 2);
	assert_int_equal(c->health.items[0].expect_status.items[1].low, 300);
	assert_int_equal(c->health.items[0].expect_status.items[1].high, 399);
	assert_int_equal(c->health.items[0].timeout_ms, 5000);
	assert_int_equal(c->health.items[0].interval_ms, 10000);
	assert_int_equal(c->health.items[0].retries, 3);
	assert_string_equal(c->health.items[0].method, "GET");
	config_free(c);

	c = load_ok("[service]\nexec = \"x\"\n[[health]]\ntype = \"exec\"\ntarget = [\"a\"]\n"
		    "[[health]]\ntype = \"notify\"\n[[health]]\ntype = \"notify\"\ntarget = "
		    "\"fd:3\"\n");
	assert_int_equal(c->health.n, 3);
	assert_string_equal(c->health.items[0].target.argv[0], "a");
	assert_null(c->health.items[1].target.text);
	config_free(c);

	assert_said(
		"[service]\nexec = \"x\"\n[[health]]\ntype = \"notify\"\n[[health]]\ntype = "
		"\"tcp\"\ntarget = \"h\"\n",
		"web.toml:7:10: health[1].target: expected host:port, [v6]:port or unix:/path\n");
	assert_said("[service]\nexec = \"x\"\n[[health]]\n[[health]]\ntype = 1\n",
		    "web.toml:3:1: health[0].type: missing\n"
		    "web.toml:5:8: health[1].type: expected \"tcp\", \"http\", \"exec\", "
		    "\"notify\" or \"log\", found 1\n");
	assert_said("health = 3\n[service]\nexec = \"x\"\n",
		    "web.toml:1:10: health: expected a table, or an array of tables, found 3\n");
}

static void test_targets(void **state)
{
	struct service_config *c =
		load_ok("[target]\ndescription = \"d\"\n[dependencies]\nrequires = [\"a\"]\n");

	(void)state;
	assert_true(c->is_target);
	assert_string_equal(c->name, "web");
	assert_null(c->exec.text);
	config_free(c);
	assert_said_flags("[target]\n[service]\nexec = \"x\"\n", 0, true,
			  "web.toml:1:1: warning: target: a file has a [service] or a [target]: "
			  "the service counts\n");
	assert_said("[target]\nexec = \"x\"\n",
		    "web.toml:2:1: target.exec: unknown key here (it belongs to [service])\n");
	assert_said("[target]\n[lifecycle]\n[health]\ntype = \"log\"\ntarget = \"x\"\n",
		    "web.toml:2:1: lifecycle: a target has no process: [target] and [dependencies] "
		    "only\n"
		    "web.toml:3:1: health: a target has no process: [target] and [dependencies] "
		    "only\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wrong_values),
		cmocka_unit_test(test_exec),
		cmocka_unit_test(test_double_items_warn),
		cmocka_unit_test(test_service_values),
		cmocka_unit_test(test_other_values),
		cmocka_unit_test(test_health_one_and_many),
		cmocka_unit_test(test_targets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
