/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: letting another program take the server's place. It is opened once, and that descriptor is what is verified, asked
 * and executed: whatever happens to its name meanwhile. Asked means: started with "--check-takeover" and with the state
 * and the definitions, it says whether it can read them. Then we wait, within bounds, until no spawn and no helper
 * command is under way, since those have to be begun anew by the next server; and then the owner hands over.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/fd.h"
#include "base/program.h"
#include "process/child.h"
#include "supervisor/internal.h"

#define CHECK_TIME (10 * USEC_PER_SEC)
/* Helper commands of services are waited for so long. */
#define QUIET_TIME (5 * USEC_PER_SEC)
#define QUIET_STEP (2 * USEC_PER_MSEC)
/* How long the new server may take to get ready: far above what taking over 10,000 services takes. */
#define TRIAL_MS 20000
#define OUTPUT_MAX 512
/* What the checked program finds under which number. */
#define CHECK_STATE_FD 3
#define CHECK_DEFINITIONS_FD 4
#define CHECK_PROGRAM_FD 5
#define PROGRAM_TEXT "/proc/self/fd/5"

struct upgrade {
	struct early_exit early; /* first: see launch_on_exited() */
	struct supervisor *sup;
	int program;
	char *path; /* for messages */
	supervisor_upgrade_fn fn;
	void *data;
	struct loop_timer *timer;
	usec_t until; /* of the wait for quiet; 0: not there yet */
	volatile pid_t pid_slot;
	pid_t pid; /* of the check; 0: none */
	bool late;
	int out_fd; /* what the check says */
	int write_fd;
	char output[OUTPUT_MAX];
	char version[20]; /* of the new program */
};

static void upgrade_free(struct upgrade *u)
{
	u->sup->upgrade = NULL;
	loop_timer_free(u->timer);
	auto_close(&u->program);
	auto_close(&u->out_fd);
	auto_close(&u->write_fd);
	free(u->path);
	free(u);
}

static void fail(struct upgrade *u, const struct error *err)
{
	struct supervisor *sup = u->sup;
	struct error whole;

	(void)error_set(&whole, err->code, "'%s' does not take over: %s", u->path, err->msg);
	diag(DIAG_ERROR, "upgrade: %s", whole.msg);
	supervisor_announce(sup, EVENT_UPGRADE, "", whole.msg);
	if (u->fn)
		u->fn(&whole, u->data);
	upgrade_free(u);
	events_tell(&sup->events);
}

static void fail_text(struct upgrade *u, int code, const char *text)
{
	struct error err;

	(void)error_set(&err, code, "%s", text);
	fail(u, &err);
}

/* --- quiet ------------------------------------------------------------------------------------ */

static bool is_quiet(const struct supervisor *sup)
{
	if (sup->launches || !list_empty(&sup->waiting) || spawner_pending(sup->spawner))
		return false;
	for (size_t i = 0; i < sup->units_n; i++) {
		if (sup->units[i] && sup->units[i]->task)
			return false;
	}
	return true;
}

static void hand_over_when_quiet(struct upgrade *u)
{
	struct supervisor *sup = u->sup;
	usec_t now = loop_now(sup->loop);

	if (core_is_shutting_down(sup->core)) {
		fail_text(u, ESHUTDOWN, "the server is shutting down");
		return;
	}
	loop_timer_arm(u->timer, now + QUIET_STEP);
	if (is_quiet(sup) || now >= u->until)
		sup->on_hand_over(now >= u->until, sup->data);
}

int supervisor_hand_over(struct supervisor *sup, struct error *err)
{
	struct upgrade *u = sup->upgrade;
	char note[LIMIT_KEEPER_KEY];
	int r;

	(void)snprintf(note, sizeof(note), "%.19s %.19s", ZINIT_VERSION, u->version);
	r = keeper_link_upgrade(sup->keeper, u->program, TRIAL_MS, note);
	if (r == 0)
		return 0;
	(void)error_set(err, -r, "telling the keeper: %s", strerror(-r));
	fail(u, err);
	return r;
}

/* --- the check -------------------------------------------------------------------------------- */

static void read_output(struct upgrade *u)
{
	ssize_t n = read(u->out_fd, u->output, sizeof(u->output) - 1);

	u->output[MAX(n, 0)] = '\0';
	u->output[strcspn(u->output, "\n")] = '\0';
}

/* It passed if it says so: any other program may well end with 0 too. */
static void checked(struct upgrade *u, int code, int status)
{
	struct child_exit exit = child_exit_from_siginfo(code, status);
	char text[CHILD_TEXT_SIZE];
	char why[OUTPUT_MAX + 2 * CHILD_TEXT_SIZE];

	read_output(u);
	if (exit.code == 0 && sscanf(u->output, "zinit-takeover 1 %19s", u->version) == 1) {
		u->until = loop_now(u->sup->loop) + QUIET_TIME;
		hand_over_when_quiet(u);
		return;
	}
	child_exit_text(&exit, text);
	if (u->late)
		(void)snprintf(why, sizeof(why), "its check did not end within %d s", (int)(CHECK_TIME / USEC_PER_SEC));
	else if (exit.code == 1 && u->output[0])
		(void)snprintf(why, sizeof(why), "%s", u->output);
	else
		(void)snprintf(why, sizeof(why), "it does not answer as a zinit-server that can (its check %s%s%s)", text,
			       u->output[0] ? ": " : "", u->output);
	fail_text(u, EPROTO, why);
}

static void on_exited(pid_t pid, int code, int status, void *data)
{
	struct upgrade *u = data;

	keeper_link_reap(u->sup->keeper, pid);
	u->pid = 0;
	checked(u, code, status);
}

static void on_spawned(const struct spawn_result *result, void *data)
{
	struct upgrade *u = data;
	struct supervisor *sup = u->sup;
	struct early_exit early = u->early;
	char text[SPAWN_VALUE_MAX + 128];

	auto_close(&u->write_fd);
	u->write_fd = -1;
	if (result->pidfd >= 0)
		(void)close(result->pidfd);
	if (result->stage != SPAWN_OK) {
		spawn_result_text(result, text, sizeof(text));
		fail_text(u, result->error, text);
		early_exit_settle(sup, &early, false);
		return;
	}
	u->pid = result->pid;
	if (children_add(&sup->children, u->pid, on_exited, u) < 0) {
		(void)kill(u->pid, SIGKILL); /* its exit will be taken for an orphan's, and reaped */
		fail_text(u, ENOMEM, strerror(ENOMEM));
	}
	early_exit_settle(sup, &early, true);
}

static void on_timer(struct loop_timer *timer, void *data)
{
	struct upgrade *u = data;

	(void)timer;
	if (u->until) {
		hand_over_when_quiet(u);
		return;
	}
	u->late = true;
	if (u->pid)
		(void)kill(u->pid, SIGKILL); /* not reaped yet, so the number is its own */
	else
		loop_timer_arm(u->timer, loop_now(u->sup->loop) + CHECK_TIME);
}

static int submit(struct upgrade *u)
{
	static const char *const argv[] = { PROGRAM_TEXT, "--check-takeover", NULL };
	const struct spawn_fd fds[] = {
		{ state_fd(u->sup->state), CHECK_STATE_FD },
		{ definitions_fd(u->sup->definitions), CHECK_DEFINITIONS_FD },
		{ u->program, CHECK_PROGRAM_FD },
	};
	struct spawn_request request = SPAWN_REQUEST;
	int pipe_fds[2];

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -errno;
	u->out_fd = pipe_fds[0];
	u->write_fd = pipe_fds[1];
	(void)fd_set_nonblock(u->out_fd, true);
	request.argv = argv;
	request.fds = fds;
	request.n_fds = ARRAY_LEN(fds);
	request.stdout_fd = u->write_fd;
	request.as_sibling = true;
	request.pid_slot = &u->pid_slot;
	return spawner_submit(u->sup->spawner, &request, on_spawned, u);
}

/* --- beginning -------------------------------------------------------------------------------- */

static int open_program(struct upgrade *u, const char *path, struct error *err)
{
	struct error why;

	if (*path != '/')
		return error_set(err, EINVAL, "'%s': an absolute path is expected", path);
	u->program = open(path, O_PATH | O_CLOEXEC);
	if (u->program < 0)
		return error_set(err, errno, "'%s': %s", path, strerror(errno));
	if (program_check(u->program, &why) < 0)
		return error_set(err, why.code, "'%s': %s", path, why.msg);
	return 0;
}

static int may_begin(const struct supervisor *sup, struct error *err)
{
	if (sup->upgrade)
		return error_set(err, EALREADY, "an upgrade is under way already");
	if (core_is_shutting_down(sup->core))
		return error_set(err, ESHUTDOWN, "the server is shutting down");
	if (keeper_link_news(sup->keeper)->version < WIRE_VERSION || sup->keeper_lost)
		return error_set(err, EOPNOTSUPP, "the keeper is gone, or too old for that: send it SIGUSR2 first");
	return 0;
}

int supervisor_upgrade(struct supervisor *sup, const char *path, const struct actor *by, supervisor_upgrade_fn fn, void *data,
		       struct error *err)
{
	struct upgrade *u;
	int r = may_begin(sup, err);

	if (r < 0)
		return r;
	path = !path ? "/proc/self/exe" : *path ? path : sup->program;
	u = calloc(1, sizeof(*u));
	if (!u)
		return error_set(err, ENOMEM, "out of memory");
	*u = (struct upgrade){ .sup = sup, .program = -1, .out_fd = -1, .write_fd = -1, .fn = fn, .data = data };
	sup->upgrade = u;
	u->timer = loop_timer_new(sup->loop, on_timer, u);
	u->path = strdup(path);
	r = u->timer && u->path ? open_program(u, path, err) : error_set(err, ENOMEM, "out of memory");
	if (r == 0) {
		r = submit(u);
		if (r < 0)
			(void)error_set(err, -r, "starting '%s': %s", path, strerror(-r));
	}
	if (r < 0) {
		upgrade_free(u);
		return r;
	}
	diag(DIAG_INFO, "upgrade to '%s', asked for by uid %u (%s)", path, by->uid, by->via);
	loop_timer_arm(u->timer, loop_now(sup->loop) + CHECK_TIME);
	return 0;
}

void supervisor_upgrade_forget(struct supervisor *sup, const void *data)
{
	if (sup->upgrade && sup->upgrade->data == data)
		sup->upgrade->fn = NULL;
}

void upgrade_fini(struct supervisor *sup)
{
	if (sup->upgrade && spawner_forget(sup->spawner, sup->upgrade) == 0)
		upgrade_free(sup->upgrade);
}

/* --- the outcome ------------------------------------------------------------------------------ */

static void say_outcome(const struct keeper_news *news, struct supervisor_upgraded *out)
{
	if (news->outcome == WIRE_TRIED)
		(void)snprintf(out->text, sizeof(out->text), "zinit %s took over from zinit %s", out->to, out->from);
	else if (news->outcome == WIRE_TOO_LATE)
		(void)snprintf(out->text, sizeof(out->text), "zinit %s was not ready in time: zinit %s was put back", out->to, out->from);
	else
		(void)snprintf(out->text, sizeof(out->text), "zinit %s failed (%s %d): zinit %s was put back", out->to,
			       news->outcome == WIRE_EXIT ? "exit code" : "signal", news->detail, out->from);
}

void upgrade_tell_outcome(struct supervisor *sup)
{
	const struct keeper_news *news = keeper_link_news(sup->keeper);
	struct supervisor_upgraded *out = &sup->upgraded;

	if (news->outcome == WIRE_NO_UPGRADE)
		return;
	out->tried = true;
	out->ok = news->outcome == WIRE_TRIED;
	(void)sscanf(news->note, "%19s %19s", out->from, out->to);
	say_outcome(news, out);
	diag(out->ok ? DIAG_INFO : DIAG_ERROR, "upgrade: %s", out->text);
	supervisor_announce(sup, EVENT_UPGRADE, "", out->text);
}

const struct supervisor_upgraded *supervisor_upgraded(const struct supervisor *sup)
{
	return &sup->upgraded;
}
