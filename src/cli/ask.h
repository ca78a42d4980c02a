/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking the server, and saying what went wrong: the one place that knows how an error becomes a sentence and an exit
 * code, and that a server may be restarted in the middle of a question.
 */
#ifndef CLI_ASK_H
#define CLI_ASK_H

#include "cli/cli.h"

/** May a question be asked again on a new connection if the old one broke before the answer came? */
enum ask_again {
	ASK_AGAIN, /* it only reads, or doing it twice is the same as once */
	ASK_ONCE,
};

/** Connect unless that is done. Returns EXIT_DONE, or the exit code after it told why not. */
int ask_connect(struct cli *cli);
/** Connect anew after ZINIT_LOST. Returns EXIT_DONE, or the exit code after it told why not. */
int ask_reconnect(struct cli *cli);

/**
 * Ask and wait for the answer (--timeout, else ANSWER_MS). `params` is taken over. Returns EXIT_DONE with *out_result
 * (to json_decref(); may be NULL), or the exit code after it told on stderr what happened.
 */
int ask(struct cli *cli, const char *method, json_t *params, enum ask_again again, json_t **out_result);
/** As ask(), but nothing is printed: `err` tells. Returns 0 or a negative enum zinit_status. */
int ask_quietly(struct cli *cli, const char *method, json_t *params, enum ask_again again, json_t **out_result,
		struct zinit_error *err);

/** Put the names of the command line into `params` as "names"; without any, the server takes all. */
void ask_add_names(json_t *params, int n, char **names);

/** The exit code that stands for `err`. */
int ask_exit_code(const struct cli *cli, const struct zinit_error *err);
/** The server does not know a method of that name (an older one, or the reference). */
bool ask_is_unknown_method(const struct zinit_error *err);
/** Print "zinit: SUBJECT: message" and the hint on stderr (`subject` may be NULL). Returns the exit code. */
int ask_explain(const struct cli *cli, const char *subject, const struct zinit_error *err);

/** Print "zinit: …" on stderr. */
void say(const struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** Print "  next: …" on stderr: what to type now. */
void say_next(const struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** Print "  hint: …" on stderr: advice that is not a command. */
void say_hint(const struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** A usage error with the way to the help. Returns EXIT_USAGE. */
int say_usage(const struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Print JSON on stdout: indented, or on one line for streams. */
void print_json(const json_t *value, bool one_line);

#endif
