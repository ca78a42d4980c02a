/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a service file says, checked and with every default filled in: plain values, read-only for
 * all but this folder.
 *
 * Ownership: a `struct service_config` and all that it points to is ONE allocation. config_free()
 * (= free(3)) releases it whole; copies of the struct's pointers must not outlive it. Nothing in it
 * is changed after it was made, so it may be shared as long as somebody keeps it. The size is a
 * few hundred bytes plus the strings: lists are exact arrays that end with NULL.
 *
 * Conventions: a string or list that was not set is NULL (an empty list too, except `capabilities`,
 * where an empty list says "none at all"); a number that was not set is CONFIG_UNSET; `_ms` fields
 * are milliseconds; sizes are bytes, 0 = no limit.
 */
#ifndef CONFIG_SERVICE_CONFIG_H
#define CONFIG_SERVICE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>

#include "base/mem.h"

/* one byte each, so that the struct stays small and switches stay checked */
#define CONFIG_ENUM enum __attribute__((packed))

#define CONFIG_UNSET INT32_MIN        /* an int32_t that the file does not set: leave it as it is */
#define CONFIG_MODE_UNSET UINT16_MAX  /* the same for octal modes */
#define CONFIG_INFINITY UINT64_MAX    /* an rlimit of "infinity" */

CONFIG_ENUM config_class { CONFIG_CLASS_USER, CONFIG_CLASS_SYSTEM };
/** What the service should be when nobody asked otherwise: kept up, kept down, left alone. */
CONFIG_ENUM config_status { CONFIG_STATUS_START, CONFIG_STATUS_STOP, CONFIG_STATUS_IGNORE };
CONFIG_ENUM config_overlap { CONFIG_OVERLAP_SKIP, CONFIG_OVERLAP_QUEUE, CONFIG_OVERLAP_RESTART };
CONFIG_ENUM config_missed { CONFIG_MISSED_SKIP, CONFIG_MISSED_RUN };
CONFIG_ENUM config_restart { CONFIG_RESTART_ALWAYS, CONFIG_RESTART_ON_FAILURE, CONFIG_RESTART_NEVER };
/** What happens to a service when one that it requires crashes. */
CONFIG_ENUM config_on_crash { CONFIG_CRASH_KEEP, CONFIG_CRASH_STOP, CONFIG_CRASH_RESTART };
CONFIG_ENUM config_kill_mode { CONFIG_KILL_GROUP, CONFIG_KILL_CGROUP, CONFIG_KILL_PROCESS };
CONFIG_ENUM config_watch_action { CONFIG_WATCH_RESTART, CONFIG_WATCH_RELOAD };
CONFIG_ENUM config_health_type {
	CONFIG_HEALTH_TCP,
	CONFIG_HEALTH_HTTP,
	CONFIG_HEALTH_EXEC,
	CONFIG_HEALTH_NOTIFY,
	CONFIG_HEALTH_LOG,
};
CONFIG_ENUM config_health_action { CONFIG_HEALTH_RESTART, CONFIG_HEALTH_MARK, CONFIG_HEALTH_STOP };
CONFIG_ENUM config_compress { CONFIG_COMPRESS_NONE, CONFIG_COMPRESS_ZSTD };
CONFIG_ENUM config_on_full { CONFIG_ON_FULL_DROP, CONFIG_ON_FULL_BLOCK };
/** Where output goes. STDOUT is for stderr only: one pipe for both, exact order. FILE: see `path`. */
CONFIG_ENUM config_output_kind {
	CONFIG_OUTPUT_LOG,
	CONFIG_OUTPUT_NULL,
	CONFIG_OUTPUT_INHERIT,
	CONFIG_OUTPUT_STDOUT,
	CONFIG_OUTPUT_FILE,
};

/** A command: `text` runs by `sh -c`, or `argv` (ends with NULL) runs as it is; both NULL: none. */
struct config_command {
	const char *text;
	const char *const *argv;
};

struct config_output {
	const char *path; /* CONFIG_OUTPUT_FILE: absolute; else NULL */
	enum config_output_kind kind;
};

struct config_ints {
	const int32_t *items;
	uint32_t n;
};

/** HTTP status codes from `low` to `high`, both included. */
struct config_range {
	uint16_t low, high;
};

struct config_ranges {
	const struct config_range *items;
	uint32_t n;
};

struct config_rlimit {
	uint64_t soft, hard; /* CONFIG_INFINITY = none */
	int resource;        /* RLIMIT_* */
};

struct config_rlimits {
	const struct config_rlimit *items;
	uint32_t n;
};

/** One check. `target.text` is an address, URL, command or regex by `type`; `target.argv` only for exec. */
struct health_config {
	struct config_command target;
	struct config_ranges expect_status; /* http */
	const char *method;                 /* http */
	const char *const *headers;         /* http: "Name=value", sorted */
	const char *body;                   /* http: regex that the answer must match, NULL = any */
	const char *unix_socket;            /* http: connect here instead of the URL's host */
	uint32_t timeout_ms;
	uint32_t interval_ms;
	uint32_t start_period_ms; /* failures in this time after the spawn do not count */
	uint32_t retries;
	enum config_health_type type;
	enum config_health_action on_failure;
	bool tls_verify;
	bool follow_redirects;
};

/** "tcp", "http", … */
const char *config_health_type_name(enum config_health_type type);

struct health_configs {
	const struct health_config *items;
	uint32_t n;
};

struct service_config {
	const char *name;
	const char *description;
	const char *path; /* the file it came from; NULL: over RPC. Not part of config_equal() */
	struct config_command exec;
	const char *dir;
	const char *const *env;      /* "KEY=value", sorted by key */
	const char *const *env_file; /* a leading '-' allows a missing file */
	const char *user;
	const char *group;
	const char *const *supplementary_groups;
	const char *const *capabilities; /* "CAP_…"; NULL = leave alone, empty = none */
	const char *input;               /* key "stdin": a path; NULL = /dev/null */
	const char *const *tags;
	const char *const *process_filters;
	const char *const *watch;
	struct config_ints ports;
	struct config_rlimits rlimits;
	int32_t nice;          /* CONFIG_UNSET = inherit */
	int32_t oom_score_adj; /* CONFIG_UNSET = inherit */
	uint16_t umask;        /* CONFIG_MODE_UNSET = inherit */
	enum config_status status;
	enum config_class class;
	enum config_watch_action watch_action;
	bool is_target; /* [target]: no process; of the fields only name, description, tags, status, class and dependencies count */
	bool env_expand;
	bool oneshot;
	bool critical;
	bool no_new_privileges;
	bool kill_others;
	bool session; /* a session of its own (setsid) rather than only a process group */

	/* [dependencies] */
	const char *const *requires;
	const char *const *after;
	const char *const *wants;
	const char *const *conflicts;

	/* [lifecycle] */
	enum config_restart restart;
	enum config_kill_mode kill_mode;
	enum config_on_crash on_dependency_crash;
	uint8_t stop_signal; /* signal number */
	uint8_t reload_signal;
	uint32_t restart_delay_ms;
	uint32_t restart_delay_max_ms;
	uint32_t max_restarts; /* 0 = no limit */
	double restart_jitter; /* 0..1: share of the delay that is random */
	uint32_t stability_period_ms;
	uint32_t start_timeout_ms;
	uint32_t stop_timeout_ms;
	struct config_command stop_command;
	struct config_command reload_command;
	struct config_ints success_exit_codes;
	const char *const *pre_start; /* each runs by sh -c */
	const char *const *post_stop;
	const char *schedule;
	enum config_overlap schedule_overlap;
	enum config_missed schedule_missed;

	/* [health], [[health]] */
	struct health_configs health;

	/* [limits] */
	uint64_t memory_max; /* bytes, 0 = none */
	uint32_t pids_max;   /* 0 = none */
	uint32_t cpu_max;    /* per cent of one CPU, 0 = none */

	/* [logging] */
	uint32_t buffer_lines;
	uint32_t max_line;
	uint64_t buffer_bytes;
	uint64_t max_size;
	uint32_t max_files;
	uint32_t max_age_s; /* 0 = none */
	uint32_t rate_limit; /* lines a second, 0 = none */
	const char *log_file;        /* key "file": plain copy of the lines, NULL = none */
	struct config_output output; /* key "stdout" */
	struct config_output errors; /* key "stderr" */
	enum config_compress compress;
	enum config_on_full on_full;
	bool store;
	bool ship;
	bool priority_prefix; /* a leading "<N>" of a line is its syslog priority */
};

/** Release a config and all that it points to; NULL is fine. */
static inline void config_free(struct service_config *c)
{
	free(c);
}
DEFINE_AUTO(struct service_config, auto_service_config, config_free)

/** True if both say the same, wherever they came from. */
bool config_equal(const struct service_config *a, const struct service_config *b);
/** A copy in an allocation of its own. NULL: out of memory. */
struct service_config *config_dup(const struct service_config *c);
/** True for what may be a service's name: ASCII letters, digits, '-', '_', '.' (not first), 1 to LIMIT_NAME of them. */
bool config_name_valid(const char *name);

#endif
