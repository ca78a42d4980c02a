/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every verb gets: the options as they were typed, the terminal, and the connection, which is made when the
 * first question is asked. A verb is a function of this and its arguments that returns an exit code.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "client/zinit_client.h"

/* Stable: scripts depend on them (zinit(1), "Exit status"). */
enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_RUNNING = 3, /* or: there is no such service */
	EXIT_TIMEOUT = 4,
	EXIT_NO_SERVER = 5,
	EXIT_REFUSED = 6,
};

/* How long a server that is being restarted is waited for. */
#define CONNECT_MS 2000
/* How long an answer may take that does not wait for services. */
#define ANSWER_MS 10000
/* How long start, stop and restart wait for the service unless --timeout says otherwise. */
#define SETTLE_MS 60000

struct command;

/** What the flags of the command line set; see the flag table in command.c. */
struct options {
	const char *socket;
	const char *color; /* "auto", "always", "never" */
	int timeout_ms;    /* -1: not given */
	int lines;         /* -1: not given */
	const char *what_if; /* --if */
	const char *since, *until, *grep, *stream, *output, *state, *cursor, *run, *level;
	bool json, quiet, help, version;
	bool tree, follow, no_wait, all, persist, force, leader, names, stats, show_cursor;
};

struct cli {
	struct options opt;
	const struct command *command;
	struct zinit_client *client; /* NULL until ask_connect() */
	bool color_out, color_err;   /* escape sequences may be written to stdout, stderr */
	bool progress;               /* stderr is a terminal and nobody asked for quiet or JSON */
	int width;                   /* columns of the terminal on stdout; 0: it is none */
};

#endif
