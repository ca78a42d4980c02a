/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the connection of this run, and the wording of errors. */
#include "cli/ask.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/color.h"
#include "cli/command.h"
#include "cli/text.h"

#define METHOD_NOT_FOUND (-32601)
/* A server that crashes on the question must not be asked for ever. */
#define TRIES 3

/* --- saying ----------------------------------------------------------------------------------- */

static void vsay(const struct cli *cli, const char *head, enum color color, const char *fmt, va_list ap)
	__attribute__((format(printf, 4, 0)));

static void vsay(const struct cli *cli, const char *head, enum color color, const char *fmt, va_list ap)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(1U << 16);
	AUTO(strbuf_fini) struct strbuf clean = STRBUF(1U << 16);

	(void)strbuf_vaddf(&text, fmt, ap);
	text_add(&clean, strbuf_str(&text), text.len, TEXT_STRIP);
	(void)fprintf(stderr, "%s%s%s%s\n", color_begin(color, cli->color_err), head, color_end(cli->color_err),
		      strbuf_str(&clean));
}

void say(const struct cli *cli, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsay(cli, "zinit: ", COLOR_BAD, fmt, ap);
	va_end(ap);
}

void say_next(const struct cli *cli, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsay(cli, "  next: ", COLOR_FAINT, fmt, ap);
	va_end(ap);
}

void say_hint(const struct cli *cli, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsay(cli, "  hint: ", COLOR_FAINT, fmt, ap);
	va_end(ap);
}

int say_usage(const struct cli *cli, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsay(cli, "zinit: ", COLOR_BAD, fmt, ap);
	va_end(ap);
	if (cli->command)
		(void)fprintf(stderr, "usage: zinit %s %s\n", cli->command->name, cli->command->args);
	say_next(cli, "zinit help%s%s", cli->command ? " " : "", cli->command ? cli->command->name : "");
	return EXIT_USAGE;
}

void print_json(const json_t *value, bool one_line)
{
	(void)json_dumpf(value, stdout, JSON_ENCODE_ANY | (one_line ? JSON_COMPACT : JSON_INDENT(2)));
	(void)putc('\n', stdout);
}

/* --- errors ----------------------------------------------------------------------------------- */

/* What the server's code names mean for a script. Codes that are not here: EXIT_FAILED. */
static const struct {
	const char *name;
	int code; /* servers of 0.3.9 have codes without names; 0: it has no such code */
	enum exit_code exit_code;
} exit_codes[] = {
	{ "AccessDenied", 0, EXIT_REFUSED },
	{ "InvalidParams", -32602, EXIT_USAGE },
	{ "InvalidSignal", 0, EXIT_USAGE },
	{ "Timeout", 0, EXIT_TIMEOUT },
};

static int code_of_answer(const struct cli *cli, const struct zinit_error *err)
{
	const char *name = json_str(zinit_error_data(cli->client), "code_name", NULL);

	for (size_t i = 0; i < ARRAY_LEN(exit_codes); i++)
		if (name ? str_equal(name, exit_codes[i].name) : err->rpc_code == exit_codes[i].code)
			return (int)exit_codes[i].exit_code;
	return EXIT_FAILED;
}

void ask_add_names(json_t *params, int n, char **names)
{
	json_t *list;

	if (n == 0)
		return;
	list = json_array();
	for (int i = 0; i < n; i++)
		(void)json_array_append_new(list, json_string(names[i]));
	(void)json_object_set_new(params, "names", list);
}

int ask_exit_code(const struct cli *cli, const struct zinit_error *err)
{
	switch (err->status) {
	case ZINIT_OK:
		return EXIT_DONE;
	case ZINIT_NO_SERVER:
	case ZINIT_LOST:
		return EXIT_NO_SERVER;
	case ZINIT_DENIED:
		return EXIT_REFUSED;
	case ZINIT_TIMEOUT:
		return EXIT_TIMEOUT;
	case ZINIT_ANSWER:
		return code_of_answer(cli, err);
	case ZINIT_PROTOCOL:
	case ZINIT_SYSTEM:
		return EXIT_FAILED;
	}
	return EXIT_FAILED;
}

bool ask_is_unknown_method(const struct zinit_error *err)
{
	return err->status == ZINIT_ANSWER && err->rpc_code == METHOD_NOT_FOUND;
}

static void print_error_json(const struct cli *cli, const char *subject, const struct zinit_error *err)
{
	const json_t *data = err->status == ZINIT_ANSWER ? zinit_error_data(cli->client) : NULL;
	json_t *all = json_pack("{s:{s:s, s:s, s:i, s:s?, s:O?}}", "error", "message", err->message, "hint", err->hint,
				"code", err->rpc_code, "subject", subject, "data", data);

	(void)json_dumpf(all, stderr, JSON_INDENT(2));
	(void)putc('\n', stderr);
	json_decref(all);
}

int ask_explain(const struct cli *cli, const char *subject, const struct zinit_error *err)
{
	if (cli->opt.json) {
		print_error_json(cli, subject, err);
		return ask_exit_code(cli, err);
	}
	if (subject && !strstr(err->message, subject))
		say(cli, "%s: %s", subject, err->message);
	else
		say(cli, "%s", err->message);
	if (err->hint[0])
		say_hint(cli, "%s", err->hint);
	return ask_exit_code(cli, err);
}

/* --- asking ----------------------------------------------------------------------------------- */

int ask_connect(struct cli *cli)
{
	struct zinit_error err;

	if (cli->client || zinit_open(cli->opt.socket, CONNECT_MS, &cli->client, &err) == 0)
		return EXIT_DONE;
	return ask_explain(cli, NULL, &err);
}

int ask_reconnect(struct cli *cli)
{
	struct zinit_error err;

	if (zinit_reconnect(cli->client, CONNECT_MS, &err) == 0)
		return EXIT_DONE;
	return ask_explain(cli, NULL, &err);
}

int ask_quietly(struct cli *cli, const char *method, json_t *params, enum ask_again again, json_t **out_result,
		struct zinit_error *err)
{
	int timeout_ms = cli->opt.timeout_ms >= 0 ? cli->opt.timeout_ms : ANSWER_MS;
	int r = cli->client ? 0 : zinit_open(cli->opt.socket, CONNECT_MS, &cli->client, err);

	for (int i = 0; r == 0; i++) {
		r = zinit_call(cli->client, method, json_incref(params), timeout_ms, out_result, err);
		if (r != -ZINIT_LOST || again == ASK_ONCE || i + 1 == TRIES)
			break;
		r = zinit_reconnect(cli->client, CONNECT_MS, err);
	}
	json_decref(params);
	return r;
}

int ask(struct cli *cli, const char *method, json_t *params, enum ask_again again, json_t **out_result)
{
	struct zinit_error err;

	if (ask_quietly(cli, method, params, again, out_result, &err) == 0)
		return EXIT_DONE;
	return ask_explain(cli, NULL, &err);
}
