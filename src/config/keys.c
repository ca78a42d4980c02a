/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the rows of a service file. Those of zinit.toml are in keys_settings.c. */
#include "config/keys.h"

#include "base/limits.h"
#include "base/mem.h"
#include "config/service_config.h"

#define AT(field) offsetof(struct service_config, field)
#define TABLE(rows, type, path)                                                                    \
	{                                                                                          \
		rows, ARRAY_LEN(rows), sizeof(type), path                                          \
	}
#define DAY_MS (24LL * 3600 * 1000)

static const struct cfg_choice statuses[] = {
	{ "start", CONFIG_STATUS_START },
	{ "stop", CONFIG_STATUS_STOP },
	{ "ignore", CONFIG_STATUS_IGNORE },
	{ NULL, 0 },
};

static const struct cfg_choice classes[] = {
	{ "user", CONFIG_CLASS_USER },
	{ "system", CONFIG_CLASS_SYSTEM },
	{ NULL, 0 },
};

static const struct cfg_choice watch_actions[] = {
	{ "restart", CONFIG_WATCH_RESTART },
	{ "reload", CONFIG_WATCH_RELOAD },
	{ NULL, 0 },
};

static const struct cfg_choice inputs[] = { { "null", 0 }, { NULL, 0 } };

static const struct cfg_choice restarts[] = {
	{ "always", CONFIG_RESTART_ALWAYS },
	{ "on-failure", CONFIG_RESTART_ON_FAILURE },
	{ "never", CONFIG_RESTART_NEVER },
	{ NULL, 0 },
};

static const struct cfg_choice kill_modes[] = {
	{ "group", CONFIG_KILL_GROUP },
	{ "cgroup", CONFIG_KILL_CGROUP },
	{ "process", CONFIG_KILL_PROCESS },
	{ NULL, 0 },
};

static const struct cfg_choice health_types[] = {
	{ "tcp", CONFIG_HEALTH_TCP },	{ "http", CONFIG_HEALTH_HTTP },
	{ "exec", CONFIG_HEALTH_EXEC }, { "notify", CONFIG_HEALTH_NOTIFY },
	{ "log", CONFIG_HEALTH_LOG },	{ NULL, 0 },
};

const char *config_health_type_name(enum config_health_type type)
{
	const struct cfg_choice *choice = health_types;

	while (choice->name && choice->value != (int)type)
		choice++;
	return choice->name;
}

static const struct cfg_choice overlaps[] = {
	{ "skip", CONFIG_OVERLAP_SKIP },
	{ "queue", CONFIG_OVERLAP_QUEUE },
	{ "restart", CONFIG_OVERLAP_RESTART },
	{ NULL, 0 },
};

static const struct cfg_choice misseds[] = {
	{ "skip", CONFIG_MISSED_SKIP },
	{ "run", CONFIG_MISSED_RUN },
	{ NULL, 0 },
};

static const struct cfg_choice health_actions[] = {
	{ "restart", CONFIG_HEALTH_RESTART },
	{ "mark", CONFIG_HEALTH_MARK },
	{ "stop", CONFIG_HEALTH_STOP },
	{ NULL, 0 },
};

static const struct cfg_choice on_crashes[] = {
	{ "keep", CONFIG_CRASH_KEEP },
	{ "stop", CONFIG_CRASH_STOP },
	{ "restart", CONFIG_CRASH_RESTART },
	{ NULL, 0 },
};

static const struct cfg_choice compressions[] = {
	{ "none", CONFIG_COMPRESS_NONE },
	{ "zstd", CONFIG_COMPRESS_ZSTD },
	{ NULL, 0 },
};

static const struct cfg_choice on_fulls[] = {
	{ "drop", CONFIG_ON_FULL_DROP },
	{ "block", CONFIG_ON_FULL_BLOCK },
	{ NULL, 0 },
};

static const struct cfg_choice stdouts[] = {
	{ "log", CONFIG_OUTPUT_LOG },
	{ "null", CONFIG_OUTPUT_NULL },
	{ "inherit", CONFIG_OUTPUT_INHERIT },
	{ NULL, 0 },
};

static const struct cfg_choice stderrs[] = {
	{ "log", CONFIG_OUTPUT_LOG },
	{ "null", CONFIG_OUTPUT_NULL },
	{ "inherit", CONFIG_OUTPUT_INHERIT },
	{ "stdout", CONFIG_OUTPUT_STDOUT },
	{ NULL, 0 },
};

static const struct cfg_key service_rows[] = {
	{ "name", CFG_NAME, AT(name), .min = 1, .apply = APPLY_RESTART, .since = "0.1",
	  .doc = "Unique name: ASCII letters, digits, '-', '_', '.' (not first); at most 63. "
		 "Without it the file's "
		 "stem is taken." },
	{ "description", CFG_STRING, AT(description), .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "A line for people." },
	{ "exec", CFG_COMMAND, AT(exec), .required = true, .apply = APPLY_RESTART, .since = "0.1",
	  .doc = "Command: a string runs by sh -c; an array of strings runs as it is, without a "
		 "shell." },
	{ "dir", CFG_STRING, AT(dir), .apply = APPLY_RESTART, .since = "0.1",
	  .doc = "Working directory; unset: the server's." },
	{ "env", CFG_PAIRS, AT(env), .apply = APPLY_RESTART, .since = "0.1",
	  .doc = "Variables that are added to the server's environment." },
	{ "env_file", CFG_STRINGS, AT(env_file), .apply = APPLY_RESTART, .since = "0.4",
	  .doc = "Files of KEY=value lines, read at each start, before env; a leading '-' allows a "
		 "missing file." },
	{ "env_expand", CFG_BOOL, AT(env_expand), .dflt = "false", .apply = APPLY_RESTART,
	  .since = "0.4",
	  .doc = "Whether ${NAME} in the values of env stands for another variable." },
	{ "oneshot", CFG_BOOL, AT(oneshot), .dflt = "false", .apply = APPLY_RESTART, .since = "0.1",
	  .doc = "Runs to its end and is not kept running; exit 0 satisfies those that require "
		 "it." },
	{ "status", CFG_ENUM, AT(status), .dflt = "start", .choices = statuses, .apply = APPLY_LIVE,
	  .since = "0.1", .doc = "Wanted state: kept running, kept stopped, or left alone." },
	{ "class", CFG_ENUM, AT(class), .dflt = "user", .choices = classes, .apply = APPLY_LIVE,
	  .since = "0.1", .doc = "Bulk operations leave system services alone." },
	{ "critical", CFG_BOOL, AT(critical), .dflt = "false", .apply = APPLY_LIVE, .since = "0.1",
	  .doc = "Container or PID 1: its final failure ends the container with its exit code, or "
		 "halts the boot." },
	{ "user", CFG_STRING, AT(user), .apply = APPLY_RESTART, .since = "0.4",
	  .doc = "User, by name or number, that the process runs as; unset: the server's." },
	{ "group", CFG_STRING, AT(group), .apply = APPLY_RESTART, .since = "0.4",
	  .doc = "Group, by name or number; unset: the user's own." },
	{ "supplementary_groups", CFG_STRINGS, AT(supplementary_groups), .apply = APPLY_RESTART,
	  .since = "0.4", .doc = "Further groups; unset: those of the user." },
	{ "umask", CFG_MODE, AT(umask), .max = 0777, .apply = APPLY_RESTART, .since = "0.4",
	  .doc = "File mode creation mask as octal text, such as \"0027\"; unset: the server's." },
	{ "nice", CFG_INT, AT(nice), .min = -20, .max = 19, .apply = APPLY_RESTART, .since = "0.4",
	  .doc = "Scheduling priority; unset: the server's." },
	{ "oom_score_adj", CFG_INT, AT(oom_score_adj), .min = -1000, .max = 1000,
	  .apply = APPLY_RESTART, .since = "0.4",
	  .doc = "How gladly the kernel kills it when memory is short; unset: the server's." },
	{ "rlimits", CFG_RLIMITS, AT(rlimits), .apply = APPLY_RESTART, .since = "0.4",
	  .doc = "Resource limits by name (nofile, core …): a number, \"infinity\", or [soft, "
		 "hard]. Leave out locks, which Linux does not enforce: it holds the mark by which the "
		 "service's processes are found, and a value set here replaces the mark." },
	{ "no_new_privileges", CFG_BOOL, AT(no_new_privileges), .dflt = "false",
	  .apply = APPLY_RESTART, .since = "0.4",
	  .doc = "Whether the process can gain privileges by execve(2) (set-user-ID files) no "
		 "more." },
	{ "capabilities", CFG_CAPS, AT(capabilities), .apply = APPLY_RESTART, .since = "0.4",
	  .doc = "The whole bounding and ambient set; [] means none; unset: left alone." },
	{ "stdin", CFG_PATH, AT(input), .dflt = "null", .choices = inputs, .apply = APPLY_RESTART,
	  .since = "0.4", .doc = "Standard input: \"null\", or the path of a file." },
	{ "session", CFG_BOOL, AT(session), .dflt = "false", .apply = APPLY_RESTART, .since = "0.4",
	  .doc = "Whether the process gets a session of its own, not only a process group." },
	{ "tags", CFG_NAMES, AT(tags), .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "Selectable as @tag wherever a name is." },
	{ "ports", CFG_INTS, AT(ports), .max = 65535, .apply = APPLY_LIVE, .since = "0.3.9",
	  .doc = "TCP ports it uses: the start waits while another running service declares one of "
		 "them." },
	{ "process_filters", CFG_STRINGS, AT(process_filters), .apply = APPLY_LIVE,
	  .since = "0.3.9",
	  .doc = "The start waits while a foreign process has one of these texts in its name or "
		 "command line." },
	{ "kill_others", CFG_BOOL, AT(kill_others), .dflt = "false", .apply = APPLY_LIVE,
	  .since = "0.3.9",
	  .doc = "Whether those foreign processes are killed rather than waited for." },
	{ "watch", CFG_STRINGS, AT(watch), .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "Files (absolute paths; they may come later) whose change restarts or reloads the service." },
	{ "watch_action", CFG_ENUM, AT(watch_action), .dflt = "restart", .choices = watch_actions,
	  .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "What a change of a watched file does while the service is wanted up: restart it, or reload it "
		 "as `zinit reload NAME` does." },
	{ "process_filter", CFG_TOMBSTONE, CFG_NO_FIELD, .doc = "use process_filters, a list" },
	{ "test", CFG_TOMBSTONE, CFG_NO_FIELD,
	  .doc = "use [health] with type = \"exec\" and target" },
	{ "log", CFG_TOMBSTONE, CFG_NO_FIELD, .doc = "use [logging] stdout and stderr" },
	{ "shutdown_timeout", CFG_TOMBSTONE, CFG_NO_FIELD,
	  .doc = "use [lifecycle] stop_timeout_ms" },
	{ "signal", CFG_TOMBSTONE, CFG_NO_FIELD, .doc = "use [lifecycle] stop_signal" },
};

static const struct cfg_key target_rows[] = {
	{ "name", CFG_NAME, AT(name), .min = 1, .apply = APPLY_RESTART, .since = "0.1",
	  .doc = "As of a service: targets and services share their names." },
	{ "description", CFG_STRING, AT(description), .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "A line for people." },
	{ "status", CFG_ENUM, AT(status), .dflt = "start", .choices = statuses, .apply = APPLY_LIVE,
	  .since = "0.4", .doc = "As of a service." },
	{ "class", CFG_ENUM, AT(class), .dflt = "user", .choices = classes, .apply = APPLY_LIVE,
	  .since = "0.4", .doc = "As of a service." },
	{ "tags", CFG_NAMES, AT(tags), .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "As of a service." },
};

static const struct cfg_key dependency_rows[] = {
	{ "requires", CFG_NAMES, AT(requires), .apply = APPLY_LIVE, .since = "0.1",
	  .doc = "Must be running (a oneshot: ended with 0) before this starts; a missing or "
		 "failed one fails this." },
	{ "after", CFG_NAMES, AT(after), .apply = APPLY_LIVE, .since = "0.1",
	  .doc = "Order only: these must have been tried first." },
	{ "wants", CFG_NAMES, AT(wants), .apply = APPLY_LIVE, .since = "0.1",
	  .doc = "Nice to have: never blocks, never fails this." },
	{ "conflicts", CFG_NAMES, AT(conflicts), .apply = APPLY_LIVE, .since = "0.1",
	  .doc = "Never active at the same time, in either direction." },
};

static const struct cfg_key lifecycle_rows[] = {
	{ "restart", CFG_ENUM, AT(restart), .dflt = "on-failure", .choices = restarts,
	  .apply = APPLY_LIVE, .since = "0.1",
	  .doc = "Which ends are followed by a new start. A stop that was asked for never is. Unset for a oneshot: never." },
	{ "restart_delay_ms", CFG_MS, AT(restart_delay_ms), .dflt = "1000", .max = DAY_MS,
	  .apply = APPLY_LIVE, .since = "0.1",
	  .doc = "Pause before the first restart; it doubles with each further one." },
	{ "restart_delay_max_ms", CFG_MS, AT(restart_delay_max_ms), .dflt = "300000", .max = DAY_MS,
	  .apply = APPLY_LIVE, .since = "0.1", .doc = "The longest that the pause becomes." },
	{ "restart_jitter", CFG_FLOAT, AT(restart_jitter), .dflt = "0", .max = 1000,
	  .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "Share of the pause, 0 to 1, that is chosen at random, so that services spread." },
	{ "max_restarts", CFG_COUNT, AT(max_restarts), .dflt = "10", .max = 1000000,
	  .apply = APPLY_LIVE, .since = "0.1",
	  .doc = "Restarts in a row before it is failed; 0 = no limit." },
	{ "stability_period_ms", CFG_MS, AT(stability_period_ms), .dflt = "30000",
	  .max = 7 * DAY_MS, .apply = APPLY_LIVE, .since = "0.1",
	  .doc = "A run this long resets the count and the pause." },
	{ "start_timeout_ms", CFG_MS, AT(start_timeout_ms), .dflt = "30000", .min = 1,
	  .max = DAY_MS, .apply = APPLY_LIVE, .since = "0.1",
	  .doc = "How long it may take to become ready." },
	{ "stop_timeout_ms", CFG_MS, AT(stop_timeout_ms), .dflt = "10000", .min = 1, .max = DAY_MS,
	  .apply = APPLY_LIVE, .since = "0.1", .doc = "Time between the stop signal and SIGKILL." },
	{ "stop_signal", CFG_SIGNAL, AT(stop_signal), .dflt = "SIGTERM", .apply = APPLY_LIVE,
	  .since = "0.1",
	  .doc = "Signal that asks it to stop, by name (any case, SIG optional) or number." },
	{ "stop_command", CFG_COMMAND, AT(stop_command), .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "Command that is run in place of the stop signal." },
	{ "reload_signal", CFG_SIGNAL, AT(reload_signal), .dflt = "SIGHUP", .apply = APPLY_LIVE,
	  .since = "0.4", .doc = "Signal that makes it read its own configuration again." },
	{ "reload_command", CFG_COMMAND, AT(reload_command), .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "Command that is run in place of the reload signal." },
	{ "kill_mode", CFG_ENUM, AT(kill_mode), .dflt = "group", .choices = kill_modes,
	  .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "Whom the stop signal goes to. Whatever it is, a stop ends only when nothing is "
		 "left." },
	{ "on_dependency_crash", CFG_ENUM, AT(on_dependency_crash), .dflt = "keep", .choices = on_crashes,
	  .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "When a service that this one requires ends by itself: it runs on, is stopped, or is restarted "
		 "when the other is back." },
	{ "success_exit_codes", CFG_INTS, AT(success_exit_codes), .dflt = "0", .max = 255,
	  .apply = APPLY_LIVE, .since = "0.4", .doc = "Exit codes that are no failure." },
	{ "pre_start", CFG_STRINGS, AT(pre_start), .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "Commands, each by sh -c, that run in order before each start; a failing one "
		 "fails the start." },
	{ "post_stop", CFG_STRINGS, AT(post_stop), .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "Commands, each by sh -c, that run in order after each end." },
	{ "schedule", CFG_STRING, AT(schedule), .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "When a oneshot runs: a 5-field cron expression in local time, or \"@every 10m\". With it status = "
		 "\"start\" puts the schedule in force and starts nothing by itself; `zinit stop` takes it out of force." },
	{ "schedule_overlap", CFG_ENUM, AT(schedule_overlap), .dflt = "skip", .choices = overlaps, .apply = APPLY_LIVE,
	  .since = "0.4",
	  .doc = "When a run is due while the last one is still there: skip it, queue it (one at most), or restart." },
	{ "schedule_missed", CFG_ENUM, AT(schedule_missed), .dflt = "skip", .choices = misseds, .apply = APPLY_LIVE,
	  .since = "0.4",
	  .doc = "Runs that were due more than a minute ago, because the machine slept, no server ran, or the clock was "
		 "set: skip them, or run once for all of them." },
};

#define HEALTH(field) offsetof(struct health_config, field)

static const struct cfg_key health_rows[] = {
	{ "type", CFG_ENUM, HEALTH(type), .required = true, .choices = health_types,
	  .apply = APPLY_LIVE, .since = "0.1", .doc = "Kind of check." },
	{ "target", CFG_COMMAND, HEALTH(target), .apply = APPLY_LIVE, .since = "0.1",
	  .doc = "tcp: host:port, [v6]:port or unix:/path. http: a URL. exec: a command, as "
		 "service.exec. log: a regular "
		 "expression. notify: nothing (sd_notify) or \"fd:N\" (N from 3 to 63), a "
		 "descriptor that gets a newline." },
	{ "expect_status", CFG_STATUSES, HEALTH(expect_status), .dflt = "200", .min = 100,
	  .max = 599, .apply = APPLY_LIVE, .since = "0.1",
	  .doc = "http: a number, a list, or a class such as \"2xx\"." },
	{ "method", CFG_STRING, HEALTH(method), .dflt = "GET", .min = 1, .apply = APPLY_LIVE,
	  .since = "0.4", .doc = "http: the request's method." },
	{ "headers", CFG_PAIRS, HEALTH(headers), .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "http: further headers." },
	{ "body", CFG_STRING, HEALTH(body), .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "http: regular expression that the answer's body must match." },
	{ "unix_socket", CFG_PATH, HEALTH(unix_socket), .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "http: socket to connect to, whatever host the URL names." },
	{ "tls_verify", CFG_BOOL, HEALTH(tls_verify), .dflt = "true", .apply = APPLY_LIVE,
	  .since = "0.4", .doc = "http: whether the server's certificate must be valid." },
	{ "follow_redirects", CFG_BOOL, HEALTH(follow_redirects), .dflt = "false",
	  .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "http: whether a redirect is followed rather than judged by its status." },
	{ "timeout_ms", CFG_MS, HEALTH(timeout_ms), .dflt = "5000", .min = 1, .max = DAY_MS,
	  .apply = APPLY_LIVE, .since = "0.1", .doc = "How long one check may take." },
	{ "interval_ms", CFG_MS, HEALTH(interval_ms), .dflt = "10000", .min = 1, .max = DAY_MS,
	  .apply = APPLY_LIVE, .since = "0.1", .doc = "From one check to the next." },
	{ "retries", CFG_COUNT, HEALTH(retries), .dflt = "3", .min = 1, .max = 1000000,
	  .apply = APPLY_LIVE, .since = "0.1",
	  .doc = "Failures in a row that count as unhealthy." },
	{ "start_period_ms", CFG_MS, HEALTH(start_period_ms), .dflt = "0", .max = DAY_MS,
	  .apply = APPLY_LIVE, .since = "0.1",
	  .doc = "Time after the spawn in which failures do not count." },
	{ "on_failure", CFG_ENUM, HEALTH(on_failure), .dflt = "restart", .choices = health_actions,
	  .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "What follows when a service is unhealthy, or fails as often before it was ever ready." },
};

static const struct cfg_key limit_rows[] = {
	{ "memory_max", CFG_SIZE, AT(memory_max), .dflt = "0", .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "Memory of the whole service, by cgroup v2; 0 = no limit." },
	{ "pids_max", CFG_COUNT, AT(pids_max), .dflt = "0", .max = 4194304, .apply = APPLY_LIVE,
	  .since = "0.4", .doc = "Processes and threads of the whole service; 0 = no limit." },
	{ "cpu_max", CFG_PERCENT, AT(cpu_max), .dflt = "0", .max = 1000000, .apply = APPLY_LIVE,
	  .since = "0.4",
	  .doc = "CPU time, in per cent of one CPU, such as \"150%\"; 0 = no limit." },
};

static const struct cfg_key logging_rows[] = {
	{ "buffer_lines", CFG_COUNT, AT(buffer_lines), .dflt = "1000", .min = 1, .max = 10000000,
	  .apply = APPLY_RESTART, .since = "0.1", .doc = "Lines that are kept in memory." },
	{ "buffer_bytes", CFG_SIZE, AT(buffer_bytes), .dflt = "1M", .min = 4096, .max = 1LL << 40,
	  .apply = APPLY_RESTART, .since = "0.4",
	  .doc = "Bytes of lines that are kept in memory." },
	{ "max_line", CFG_SIZE32, AT(max_line), .dflt = "64K", .min = 80, .max = 64 << 20,
	  .apply = APPLY_RESTART, .since = "0.4",
	  .doc = "A longer line is kept in parts, flagged as such." },
	{ "store", CFG_BOOL, AT(store), .dflt = "true", .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "Whether lines are written to disk." },
	{ "max_size", CFG_SIZE, AT(max_size), .dflt = "10M", .min = 4096, .apply = APPLY_LIVE,
	  .since = "0.4", .doc = "Size at which a file on disk is rotated." },
	{ "max_files", CFG_COUNT, AT(max_files), .dflt = "5", .min = 1, .max = 100000,
	  .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "Files that are kept, the newest one included." },
	{ "max_age", CFG_SPAN, AT(max_age_s), .dflt = "7d", .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "Age at which a file is removed; 0 = never." },
	{ "compress", CFG_ENUM, AT(compress), .dflt = "zstd", .choices = compressions,
	  .apply = APPLY_LIVE, .since = "0.4", .doc = "How rotated files are compressed." },
	{ "on_full", CFG_ENUM, AT(on_full), .dflt = "drop", .choices = on_fulls,
	  .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "When a consumer is too slow: its lines are dropped and counted, or the service "
		 "is made to wait." },
	{ "rate_limit", CFG_COUNT, AT(rate_limit), .dflt = "0", .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "Lines a second; what is over is counted. 0 = no limit." },
	{ "stdout", CFG_OUTPUT, AT(output), .dflt = "log", .choices = stdouts,
	  .apply = APPLY_RESTART, .since = "0.4",
	  .doc = "Where standard output goes: log, null, inherit or file:/path." },
	{ "stderr", CFG_OUTPUT, AT(errors), .dflt = "log", .choices = stderrs,
	  .apply = APPLY_RESTART, .since = "0.4",
	  .doc = "Where standard error goes; stdout = the same pipe, which gives exact order." },
	{ "file", CFG_STRING, AT(log_file), .apply = APPLY_RESTART, .since = "0.1",
	  .doc = "A file that gets a copy of each line." },
	{ "ship", CFG_BOOL, AT(ship), .dflt = "true", .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "Whether lines go to the sinks of zinit.toml." },
	{ "priority_prefix", CFG_BOOL, AT(priority_prefix), .dflt = "false", .apply = APPLY_LIVE,
	  .since = "0.4",
	  .doc = "Whether a leading <N> of a line is taken as its syslog priority." },
	{ "forward", CFG_TOMBSTONE, CFG_NO_FIELD,
	  .doc = "it never had an effect; lines are shipped by [[ship]] of zinit.toml" },
};

static const struct cfg_table service_section =
	TABLE(service_rows, struct service_config, CFG_NO_FIELD);
static const struct cfg_table target_section =
	TABLE(target_rows, struct service_config, CFG_NO_FIELD);
static const struct cfg_table dependency_section =
	TABLE(dependency_rows, struct service_config, CFG_NO_FIELD);
static const struct cfg_table lifecycle_section =
	TABLE(lifecycle_rows, struct service_config, CFG_NO_FIELD);
static const struct cfg_table health_record =
	TABLE(health_rows, struct health_config, CFG_NO_FIELD);
static const struct cfg_table limit_section =
	TABLE(limit_rows, struct service_config, CFG_NO_FIELD);
static const struct cfg_table logging_section =
	TABLE(logging_rows, struct service_config, CFG_NO_FIELD);

static const struct cfg_key sections[] = {
	{ "service", CFG_SECTION, CFG_NO_FIELD, .sub = &service_section, .apply = APPLY_RESTART,
	  .since = "0.1", .doc = "What is run, and as whom." },
	{ "target", CFG_SECTION, AT(is_target), .sub = &target_section, .in_target = true,
	  .alias = true, .apply = APPLY_RESTART, .since = "0.1",
	  .doc = "In place of [service]: a name without a process, running when all it requires "
		 "is." },
	{ "dependencies", CFG_SECTION, CFG_NO_FIELD, .sub = &dependency_section,
	  .apply = APPLY_LIVE, .in_target = true, .since = "0.1",
	  .doc = "What must, should or must not run with it." },
	{ "lifecycle", CFG_SECTION, CFG_NO_FIELD, .sub = &lifecycle_section, .apply = APPLY_LIVE,
	  .since = "0.1", .doc = "Starting, stopping, restarting." },
	{ "health", CFG_RECORDS, AT(health), .sub = &health_record, .apply = APPLY_LIVE,
	  .since = "0.1",
	  .doc = "A check, or [[health]] for several: readiness first, then liveness." },
	{ "limits", CFG_SECTION, CFG_NO_FIELD, .sub = &limit_section, .apply = APPLY_LIVE,
	  .since = "0.4", .doc = "Limits by cgroup v2." },
	{ "logging", CFG_SECTION, CFG_NO_FIELD, .sub = &logging_section, .apply = APPLY_LIVE,
	  .since = "0.1", .doc = "What happens to the lines it prints." },
};

const struct cfg_table cfg_service_table = TABLE(sections, struct service_config, AT(path));
