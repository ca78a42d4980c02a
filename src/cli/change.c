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

static void finish(struct pending *p, int code)
{
	p->done = true;
	p->code = code;
}

/* --- asking ----------------------------------------------------------------------------------- */

static json_t *change_params(const struct run *run, const struct pending *p)
{
	json_t *params = json_pack("{s:s, s:i}", "name", p->name, "timeout_ms", timeout_of(run->cli));

	if (str_equal(run->change->state, "down")) /* the server's "down" is for one that is being stopped */
		(void)json_object_set_new(params, "state", json_pack("[s,s,s]", "inactive", "exited", "failed"));
	else if (run->change->state)
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
		int r = p->done ? 0 : zinit_send(run->cli->client, run->change->method, change_params(run, p), &p->id, err);

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

/* The sentences from the service down to the root cause. Returns false if there are none. */
static bool tell_why(const struct cli *cli, const char *name, const char *head, const json_t *answer)
{
	const json_t *texts = json_object_get(answer, "why");
	const json_t *text;
	size_t i;

	json_array_foreach(texts, i, text)
	{
		if (i == 0)
			say(cli, "%s%s", head, json_is_string(text) ? json_string_value(text) : name);
		else
			(void)fprintf(stderr, "%*s", (int)(2 * i), "");
		if (i > 0)
			text_print(json_is_string(text) ? json_string_value(text) : "?", stderr);
	}
	return json_array_size(texts) > 0;
}

static int tell_failure(struct cli *cli, const struct change *change, const char *name, const json_t *answer)
{
	AUTO(strbuf_fini) struct strbuf why = STRBUF(1U << 16);
	bool timed_out = json_flag(answer, "timed_out");
	const char *head = timed_out ? "not done in time: " : "";
	struct view v;

	if (cli->opt.json)
		return timed_out ? EXIT_TIMEOUT : EXIT_FAILED;
	view_read(answer, &v);
	view_why(&v, &why);
	if (!tell_why(cli, name, head, answer))
		say(cli, "%s%s is %s%s%s", head, name, v.state, why.len ? ": " : "", strbuf_str(&why));
	if (change->up)
		lines_print_last(cli, json_object_get(answer, "logs"), stderr);
	say_next(cli, "zinit why %s", name);
	return timed_out ? EXIT_TIMEOUT : EXIT_FAILED;
}

/* Whom the stop left; they are told whether it was meant so or not. */
static void tell_survivors(const struct cli *cli, const char *name, const json_t *answer)
{
	const json_t *list = json_object_get(answer, "survivors");
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		say(cli, "%s: still there: pid %lld: %s", name, (long long)json_int(one, "pid", 0),
		    json_str(one, "command", "?"));
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

/* It runs, but not as its file says. Returns whether that is so. */
static bool tell_undone(const struct run *run, const char *name, const json_t *answer)
{
	const char *undone = run->change->undo_fails ? json_str(answer, "undone", NULL) : NULL;

	if (undone && !run->cli->opt.json)
		say(run->cli, "%s: its new definition did not come up, the old one is back: %s", name, undone);
	return undone;
}

static void tell(struct run *run, struct pending *p, const json_t *answer)
{
	bool ok = json_flag(answer, "ok");

	progress_clear(&run->progress);
	if (run->cli->opt.json)
		print_json(answer, run->n > 1);
	else if (ok)
		tell_success(run, p->name, answer);
	if (!run->cli->opt.json)
		tell_survivors(run->cli, p->name, answer);
	if (tell_undone(run, p->name, answer) && ok)
		finish(p, EXIT_FAILED);
	else
		finish(p, ok ? EXIT_DONE : tell_failure(run->cli, run->change, p->name, answer));
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* Take the answers that are there. Returns how many, or a negative status when the connection is of no use any more. */
static int take_answers(struct run *run, struct zinit_error *err)
{
	int taken = 0;

	for (int i = 0; i < run->n; i++) {
		struct pending *p = &run->items[i];
		json_t *answer = NULL;
		int r = p->done ? -ZINIT_TIMEOUT : zinit_wait(run->cli->client, p->id, 0, &answer, err);

		if (r == -ZINIT_TIMEOUT)
			continue;
		taken++;
		if (r == 0) {
			tell(run, p, answer);
			json_decref(answer);
		} else if (r == -ZINIT_ANSWER) {
			progress_clear(&run->progress);
			finish(p, ask_explain(run->cli, p->name, err));
		} else {
			return r;
		}
	}
	return taken;
}

static int count_open(const struct run *run)
{
	int open = 0;

	for (int i = 0; i < run->n; i++)
		open += !run->items[i].done;
	return open;
}

/* Until all are decided. Returns 0 or a negative status. */
static int wait_for_all(struct run *run, struct zinit_error *err)
{
	usec_t deadline = time_add(time_boottime(), ((usec_t)timeout_of(run->cli) + GRACE_MS) * USEC_PER_MSEC);
	int r = 0;

	while (r >= 0 && count_open(run) > 0) {
		r = take_answers(run, err);
		if (r == 0)
			r = zinit_dispatch(run->cli->client, PROGRESS_STEP_MS, err);
		if (r == -ZINIT_LOST)
			r = resend(run, err);
		if (r == 0 && time_boottime() >= deadline) {
			err->status = ZINIT_TIMEOUT;
			err->hint[0] = '\0';
			(void)snprintf(err->message, sizeof(err->message), "no answer from the server in time");
			r = -ZINIT_TIMEOUT;
		}
		draw(run);
	}
	progress_clear(&run->progress);
	return r < 0 ? r : 0;
}

static int do_change(struct run *run)
{
	struct cli *cli = run->cli;
	struct zinit_error err = { 0 };
	int code = ask_connect(cli);
	int r;

	if (code != EXIT_DONE)
		return code;
	progress_begin(&run->progress, cli);
	r = send_open(run, &err);
	if (r == -ZINIT_LOST)
		r = resend(run, &err);
	if (r == 0)
		r = wait_for_all(run, &err);
	if (r < 0)
		return ask_explain(cli, NULL, &err);
	for (int i = 0; i < run->n && code == EXIT_DONE; i++)
		code = run->items[i].code;
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
