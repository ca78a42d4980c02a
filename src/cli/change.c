/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: asking for changes of several services at once, waiting for all, and telling how each ended. */
#include "cli/change.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/ask.h"
#include "cli/color.h"
#include "cli/lines.h"
#include "cli/progress.h"
#include "cli/text.h"
#include "cli/view.h"

/* The server answers at its time-out; this much later it is taken for hung. */
#define GRACE_MS 5000
#define RESENDS 5

struct pending {
	const char *name;
	uint64_t id;
	bool done;
	int code;
};

struct run {
	struct cli *cli;
	const struct change *change;
	struct pending *items;
	int n;
	int resends;
	struct progress progress;
};

static int timeout_of(const struct cli *cli)
{
	return cli->opt.timeout_ms >= 0 ? cli->opt.timeout_ms : SETTLE_MS;
}

static int finish(struct pending *p, int code)
{
	p->done = true;
	p->code = code;
	return code;
}

/* --- asking ----------------------------------------------------------------------------------- */

static json_t *params_of(const struct run *run, const struct pending *p)
{
	json_t *params = json_pack("{s:s, s:i}", "name", p->name, "timeout_ms", timeout_of(run->cli));

	if (run->change->state)
		(void)json_object_set_new(params, "state", json_string(run->change->state));
	else
		(void)json_object_set_new(params, "wait", json_boolean(!run->cli->opt.no_wait));
	if (run->cli->opt.tree)
		(void)json_object_set_new(params, "tree", json_true());
	return params;
}

static int send_open(struct run *run, struct zinit_error *err)
{
	for (int i = 0; i < run->n; i++) {
		struct pending *p = &run->items[i];
		int r = p->done ? 0 : zinit_send(run->cli->client, run->change->method, params_of(run, p), &p->id, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* The server went away in the middle: what is open is asked for again; each of these requests may be repeated. */
static int resend(struct run *run, struct zinit_error *err)
{
	int r = -ZINIT_LOST;

	while (r == -ZINIT_LOST && run->resends++ < RESENDS) {
		r = zinit_reconnect(run->cli->client, CONNECT_MS, err);
		if (r == 0)
			r = send_open(run, err);
	}
	return r;
}

static void draw(struct run *run)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(1U << 12);
	int open = 0;

	(void)strbuf_puts(&text, run->change->doing);
	for (int i = 0; i < run->n; i++) {
		if (run->items[i].done)
			continue;
		if (open++ < 3)
			(void)strbuf_addf(&text, "%s %s", open > 1 ? "," : "", run->items[i].name);
	}
	if (open > 3)
		(void)strbuf_addf(&text, " and %d more", open - 3);
	progress_draw(&run->progress, strbuf_str(&text));
}

/* --- telling ---------------------------------------------------------------------------------- */

/* The sentences from the service down to the root cause. */
static void tell_why(const json_t *answer)
{
	const json_t *texts = json_object_get(answer, "why");
	const json_t *text;
	size_t i;

	json_array_foreach(texts, i, text)
	{
		(void)fprintf(stderr, "  %*s", (int)(2 * i), "");
		text_print(json_is_string(text) ? json_string_value(text) : "?", stderr);
	}
}

static int tell_failure(struct cli *cli, const struct change *change, const char *name, const json_t *answer)
{
	AUTO(strbuf_fini) struct strbuf why = STRBUF(1U << 16);
	int code = json_flag(answer, "timed_out") ? EXIT_TIMEOUT : EXIT_FAILED;
	struct view v;

	if (cli->opt.json)
		return code;
	view_read(answer, &v);
	view_why(&v, &why);
	say(cli, "%s: %s%s%s%s", name, json_flag(answer, "timed_out") ? "not done in time, it is " : "", v.state,
	    why.len ? ": " : "", strbuf_str(&why));
	tell_why(answer);
	if (change->up)
		lines_print_last(cli, json_object_get(answer, "log"), stderr);
	say_next(cli, "zinit why %s", name);
	return code;
}

static void tell_success(const struct run *run, const char *name, const json_t *answer)
{
	struct view v;

	view_read(answer, &v);
	if (run->cli->opt.quiet)
		return;
	if (!json_object_get(answer, "state")) /* it was not waited for, or the server cannot */
		(void)printf("%s: asked\n", name);
	else if (v.pid > 0)
		(void)printf("%s: %s%s%s, pid %lld\n", name, color_begin(color_of_state(v.state), run->cli->color_out), v.state,
			     color_end(run->cli->color_out), (long long)v.pid);
	else
		(void)printf("%s: %s%s%s\n", name, color_begin(color_of_state(v.state), run->cli->color_out), v.state,
			     color_end(run->cli->color_out));
}

static void tell(struct run *run, struct pending *p, const json_t *answer)
{
	progress_clear(&run->progress);
	if (run->cli->opt.json)
		print_json(answer, run->n > 1);
	if (json_flag(answer, "ok")) {
		if (!run->cli->opt.json)
			tell_success(run, p->name, answer);
		(void)finish(p, EXIT_DONE);
	} else {
		(void)finish(p, tell_failure(run->cli, run->change, p->name, answer));
	}
}

/* --- waiting ---------------------------------------------------------------------------------- */

static void wait_for(struct run *run, struct pending *p, usec_t deadline)
{
	while (!p->done) {
		struct zinit_error err;
		json_t *answer = NULL;
		int r = zinit_wait(run->cli->client, p->id, PROGRESS_STEP_MS, &answer, &err);

		if (r == -ZINIT_LOST)
			r = resend(run, &err);
		else if (r == 0)
			tell(run, p, answer);
		else if (r == -ZINIT_TIMEOUT && time_boottime() < deadline)
			draw(run);
		if (r < 0 && (r != -ZINIT_TIMEOUT || time_boottime() >= deadline)) {
			progress_clear(&run->progress);
			(void)finish(p, ask_explain(run->cli, p->name, &err));
		}
		json_decref(answer);
	}
}

static int do_change(struct run *run)
{
	struct cli *cli = run->cli;
	struct zinit_error err;
	usec_t deadline = time_add(time_boottime(), ((usec_t)timeout_of(cli) + GRACE_MS) * USEC_PER_MSEC);
	int code = ask_connect(cli);
	int r;

	if (code != EXIT_DONE)
		return code;
	r = send_open(run, &err);
	if (r == -ZINIT_LOST)
		r = resend(run, &err);
	if (r < 0)
		return ask_explain(cli, NULL, &err);
	progress_begin(&run->progress, cli);
	for (int i = 0; i < run->n; i++) {
		wait_for(run, &run->items[i], deadline);
		if (code == EXIT_DONE)
			code = run->items[i].code;
	}
	return code;
}

int change_services(struct cli *cli, const struct change *change, int n, char **names)
{
	struct run run = { .cli = cli, .change = change, .n = n };
	int code;

	run.items = calloc((size_t)n, sizeof(*run.items));
	if (!run.items) {
		say(cli, "out of memory");
		return EXIT_FAILED;
	}
	for (int i = 0; i < n; i++)
		run.items[i].name = names[i];
	code = do_change(&run);
	free(run.items);
	return code;
}
