/* SPDX-License-Identifier: Apache-2.0 */
/*
 * THE table of verbs and the table of flags: parsing, usage errors, help, completions and the manual's lists come from
 * them.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "cli/cli.h"

enum flag_id {
	FLAG_SOCKET,
	FLAG_JSON,
	FLAG_COLOR,
	FLAG_QUIET,
	FLAG_HELP,
	FLAG_VERSION,
	FLAG_TIMEOUT,
	FLAG_NO_WAIT,
	FLAG_TREE,
	FLAG_FOLLOW,
	FLAG_LINES,
	FLAG_SINCE,
	FLAG_UNTIL,
	FLAG_GREP,
	FLAG_STREAM,
	FLAG_OUTPUT,
	FLAG_STATE,
	FLAG_CURSOR,
	FLAG_ALL,
	FLAG_PERSIST,
	FLAG_FORCE,
	FLAG_NAMES,
	FLAG_LEADER,
	FLAG_STATS,
	FLAG_IF,
	FLAG_RUN,
	FLAG_LEVEL,
	FLAG_SHOW_CURSOR,
	FLAG_N
};

enum flag_kind { FLAG_KIND_BOOL, FLAG_KIND_TEXT, FLAG_KIND_COUNT, FLAG_KIND_SPAN_MS, FLAG_KIND_N };

struct flag {
	char letter;         /* 0: long form only */
	const char *name;
	const char *value;   /* name of its value in the help; NULL for FLAG_KIND_BOOL */
	enum flag_kind kind;
	size_t at;           /* its field in struct options */
	const char *choices; /* "a|b|c": nothing else is taken; NULL: anything */
	const char *doc;
};

enum command_group { GROUP_LOOK, GROUP_STEER, GROUP_LOGS, GROUP_CONFIG, GROUP_SERVER, GROUP_N };

struct command {
	const char *name;
	const char *alias; /* or NULL */
	const char *args;  /* as in the usage line */
	enum command_group group;
	int min_args, max_args; /* max_args -1: any number */
	unsigned long flags;    /* bits 1 << enum flag_id; the global ones are taken by every verb */
	const char *doc;        /* one line */
	const char *more;       /* paragraphs for `zinit help VERB`; NULL: none */
	int (*run)(struct cli *cli, int argc, char **argv); /* argv[0] is the first argument; returns an exit code */
};

extern const struct command commands[];
extern const size_t commands_n;
extern const struct flag flags[FLAG_N];

/** The command of that name or alias, or NULL. */
const struct command *command_find(const char *name);
/** Bits of all flags that a verb takes, the global ones too; NULL: those that may stand before the verb. */
unsigned long command_flags(const struct command *command);
/** The verb that was probably meant, or NULL. */
const char *command_nearest(const char *name);
/**
 * Take the flags of `argv` (argv[0] is skipped) that `command` knows (NULL: the global ones, up to the first argument)
 * into cli->opt. Returns the index of the first argument, all arguments being moved behind the flags, or -1 after a usage
 * error was told.
 */
int command_parse(struct cli *cli, const struct command *command, int argc, char **argv);

/** The overview of all verbs. */
void command_help_all(FILE *to, bool color);
/** Everything about one. */
void command_help(FILE *to, bool color, const struct command *command);

/** Both tables as JSON, for completions and manuals: {verbs: […], flags: […]}. The caller's; NULL: out of memory. */
json_t *command_json(void);

/* One function a verb, each in its cmd_<verb>.c. */
int cmd_add(struct cli *cli, int argc, char **argv);
int cmd_apply(struct cli *cli, int argc, char **argv);
int cmd_check(struct cli *cli, int argc, char **argv);
int cmd_completion(struct cli *cli, int argc, char **argv);
int cmd_debug_procs(struct cli *cli, int argc, char **argv);
int cmd_debug_state(struct cli *cli, int argc, char **argv);
int cmd_events(struct cli *cli, int argc, char **argv);
int cmd_help(struct cli *cli, int argc, char **argv);
int cmd_incident(struct cli *cli, int argc, char **argv);
int cmd_kill(struct cli *cli, int argc, char **argv);
int cmd_list(struct cli *cli, int argc, char **argv);
int cmd_logs(struct cli *cli, int argc, char **argv);
int cmd_metrics(struct cli *cli, int argc, char **argv);
/** `zinit logs --stats` */
int cmd_logs_stats(struct cli *cli, int argc, char **argv);
int cmd_ping(struct cli *cli, int argc, char **argv);
int cmd_plan(struct cli *cli, int argc, char **argv);
int cmd_reload(struct cli *cli, int argc, char **argv);
int cmd_upgrade(struct cli *cli, int argc, char **argv);
int cmd_remove(struct cli *cli, int argc, char **argv);
int cmd_restart(struct cli *cli, int argc, char **argv);
int cmd_rpc(struct cli *cli, int argc, char **argv);
int cmd_doctor(struct cli *cli, int argc, char **argv);
int cmd_ship(struct cli *cli, int argc, char **argv);
int cmd_shutdown(struct cli *cli, int argc, char **argv);
int cmd_start(struct cli *cli, int argc, char **argv);
int cmd_start_all(struct cli *cli, int argc, char **argv);
int cmd_stats(struct cli *cli, int argc, char **argv);
int cmd_status(struct cli *cli, int argc, char **argv);
int cmd_stop(struct cli *cli, int argc, char **argv);
int cmd_stop_all(struct cli *cli, int argc, char **argv);
int cmd_tree(struct cli *cli, int argc, char **argv);
int cmd_version(struct cli *cli, int argc, char **argv);
int cmd_wait(struct cli *cli, int argc, char **argv);
int cmd_why(struct cli *cli, int argc, char **argv);

#endif
