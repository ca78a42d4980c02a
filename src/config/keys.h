/* SPDX-License-Identifier: Apache-2.0 */
/*
 * THE table of keys: every key of a service file and of zinit.toml, one row each. The row drives
 * parsing, limits, defaults, JSON, TOML, comparison, reload classes and the documents (zinit-keys
 * prints it). Nothing else in the project knows a key's name.
 */
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The C type at `cfg_key.at` stands beside each. */
enum cfg_type {
	CFG_STRING,    /* const char * */
	CFG_NAME,      /* const char *: a service name */
	CFG_PATH,      /* const char *: absolute; one of `choices` stands for NULL */
	CFG_BOOL,      /* bool */
	CFG_INT,       /* int32_t, CONFIG_UNSET allowed where there is no default */
	CFG_COUNT,     /* uint32_t */
	CFG_MS,        /* uint32_t milliseconds */
	CFG_SPAN,      /* uint32_t seconds; text "7d" or a number of seconds */
	CFG_FLOAT,     /* double; min and max are thousandths */
	CFG_SIZE,      /* uint64_t bytes; text "512M" or a number */
	CFG_SIZE32,    /* uint32_t bytes */
	CFG_PERCENT,   /* uint32_t; text "150%" or a number */
	CFG_MODE,      /* uint16_t; octal text */
	CFG_ENUM,      /* one byte, one of `choices` */
	CFG_ENUM_INT,  /* int-sized enum, one of `choices` */
	CFG_FLAGS,     /* uint8_t bits, list of `choices` */
	CFG_ID,        /* int64_t uid or gid, -1 = none */
	CFG_SIGNAL,    /* uint8_t */
	CFG_COMMAND,   /* struct config_command */
	CFG_OUTPUT,    /* struct config_output */
	CFG_STRINGS,   /* const char *const *, NULL at the end */
	CFG_NAMES,     /* the same, service names */
	CFG_PAIRS,     /* the same, "key=value", from a table of strings */
	CFG_CAPS,      /* the same, capability names; the empty list differs from none */
	CFG_INTS,      /* struct config_ints */
	CFG_STATUSES,  /* struct config_ranges */
	CFG_RLIMITS,   /* struct config_rlimits */
	CFG_SECTION,   /* a table; `sub` rows count from the same base; at = bool "is there" or CFG_NO_FIELD */
	CFG_RECORDS,   /* an array of tables, or one table: { const void *items; uint32_t n; } */
	CFG_TOMBSTONE, /* a removed name; `doc` says what to use */
	CFG_TYPE_N,
};

/** What it costs to bring a changed key into force. Ordered: the dearest of several is the greatest. */
enum cfg_apply { APPLY_NONE, APPLY_LIVE, APPLY_RESTART };

struct cfg_choice {
	const char *name;
	int value;
};

struct cfg_table;

struct cfg_key {
	const char *name;
	enum cfg_type type;
	size_t at;
	bool required;
	const char *dflt; /* as text; NULL = unset */
	int64_t min, max; /* of numbers; both 0 = no limit but the C type's */
	const struct cfg_choice *choices; /* ends with a NULL name */
	const struct cfg_table *sub;
	enum cfg_apply apply;
	bool in_target; /* a section that the file of a target may have too */
	bool alias; /* a section whose rows are fields of another one; a file has one of the two */
	const char *since;
	const char *doc;
};

struct cfg_table {
	const struct cfg_key *keys; /* in the order of documents and output */
	size_t n;
	size_t size;    /* of the C struct */
	size_t path_at; /* const char *: the file it came from, no key; or CFG_NO_FIELD */
};

#define CFG_NO_FIELD SIZE_MAX

extern const struct cfg_table cfg_service_table;  /* struct service_config */
extern const struct cfg_table cfg_settings_table; /* struct server_settings */

/** Text of a type for documents ("milliseconds", "list of strings"). */
const char *cfg_type_name(enum cfg_type type);
const char *cfg_apply_name(enum cfg_apply apply);

/** Gets one row; `path` is its full name ("lifecycle.restart"), `record` tells that it may come several times. */
typedef void (*cfg_visit_fn)(void *ctx, const char *path, bool record, const struct cfg_key *key);
/** Walk all rows of a table, sections before their keys. */
void cfg_visit(const struct cfg_table *table, cfg_visit_fn fn, void *ctx);

#endif
