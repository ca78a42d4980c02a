/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the helper commands of a service: pre_start, post_stop, stop_command, reload_command. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/diag.h"
#include "process/child.h"
#include "supervisor/internal.h"

#define RLIMITS_MAX 16

struct task {
	struct early_exit early; /* first: see launch_on_exited() */
	struct unit *unit;       /* NULL: cancelled, and only waits for its spawn's answer or its exit */
	struct supervisor *sup;
	enum task_kind kind;
	uint64_t run;
	size_t at;               /* which of the commands runs; the configuration may be replaced meanwhile */
	struct run_pipes *pipes;
	int cgroup_fd; /* while it is being spawned; -1: none */
	pid_t pid; /* 0: being spawned */
	volatile pid_t *pid_slot;
	volatile pid_t own_slot;
};

static const char *const kind_names[] = {
	[TASK_PRE_START] = "pre_start",
	[TASK_POST_STOP] = "post_stop",
	[TASK_STOP_COMMAND] = "stop_command",
	[TASK_RELOAD_COMMAND] = "reload_command",
};

static void run_command(struct task *t, const struct config_command *command);

/* The `at`-th command of a kind that has several, or NULL past the last. */
static const char *command_at(const struct unit *unit, enum task_kind kind, size_t at)
{
	const struct service_config *c = unit->config;
	const char *const *commands = kind == TASK_PRE_START ? c->pre_start : kind == TASK_POST_STOP ? c->post_stop : NULL;

	for (size_t i = 0; commands && commands[i]; i++) {
		if (i == at)
			return commands[i];
	}
	return NULL;
}


static void release(struct task *t)
{
	if (t->pipes)
		pipes_release(t->sup, t->pipes);
	t->pipes = NULL;
	auto_close(&t->cgroup_fd);
}

static void answer(struct unit *unit, enum task_kind kind, uint64_t run, const struct child_exit *exit)
{
	struct core_event event = { .id = unit->id, .run = run };

	if (kind == TASK_PRE_START) {
		event.kind = exit->code == 0 ? EV_PRE_START_DONE : EV_PRE_START_FAILED;
		if (exit->code != 0)
			unit_apply_next(unit);
		event.code = exit->code;
		event.signal = exit->signal;
	} else if (kind == TASK_POST_STOP) {
		event.kind = EV_POST_STOP_DONE;
	} else {
		return;
	}
	(void)supervisor_feed(unit->sup, &event);
}

static void finish(struct task *t, const struct child_exit *exit)
{
	struct unit *unit = t->unit;
	enum task_kind kind = t->kind;
	uint64_t run = t->run;

	release(t);
	free(t);
	if (!unit)
		return;
	unit->task = NULL;
	answer(unit, kind, run, exit);
}

static void ended(struct task *t, const struct child_exit *exit)
{
	struct config_command next = { 0 };
	char text[CHILD_TEXT_SIZE];

	if (t->unit && exit->code != 0) {
		child_exit_text(exit, text);
		diag(DIAG_WARN, "%s: %s %s", t->unit->config->name, kind_names[t->kind], text);
	}
	/* a failed preparation must not start the service; cleaning up goes on with the next command */
	if (t->unit && (exit->code == 0 || t->kind == TASK_POST_STOP))
		next.text = command_at(t->unit, t->kind, ++t->at);
	if (next.text)
		run_command(t, &next);
	else
		finish(t, exit);
}

static void on_exited(pid_t pid, int code, int status, void *data)
{
	struct task *t = data;
	struct child_exit exit = child_exit_from_siginfo(code, status);

	*t->pid_slot = 0; /* before the number is free for others */
	keeper_link_reap(t->sup->keeper, pid);
	t->pid = 0;
	ended(t, &exit);
}

static void on_spawned(const struct spawn_result *result, void *data)
{
	struct task *t = data;
	const struct child_exit not_run = { .code = 127 };
	struct supervisor *sup = t->sup;
	struct early_exit early = t->early;
	char text[SPAWN_VALUE_MAX + 128];

	if (result->pidfd >= 0)
		(void)close(result->pidfd);
	release(t);
	if (result->stage != SPAWN_OK) {
		spawn_result_text(result, text, sizeof(text));
		*t->pid_slot = 0;
		if (t->unit)
			diag(DIAG_ERROR, "%s: %s: %s", t->unit->config->name, kind_names[t->kind], text);
		finish(t, &not_run);
		early_exit_settle(sup, &early, false);
		return;
	}
	t->pid = result->pid;
	if (!t->unit)
		(void)kill(-t->pid, SIGKILL);
	if (children_add(&t->sup->children, t->pid, on_exited, t) < 0) {
		(void)kill(-t->pid, SIGKILL);
		*t->pid_slot = 0;
		finish(t, &not_run);
	}
	early_exit_settle(sup, &early, true);
}

/* The service's environment and the pid of its main process. Returns a list for free(3); its strings are borrowed. */
static const char **environment(const struct task *t, const char *main_pid)
{
	const char *const *own = t->unit->config->env;
	const char **env;
	size_t n = 0;

	while (own && own[n])
		n++;
	env = calloc(n + 2, sizeof(*env));
	if (!env)
		return NULL;
	env[0] = main_pid;
	for (size_t i = 0; i < n; i++)
		env[i + 1] = own[i];
	return env;
}

static int submit(struct task *t, const struct config_command *command)
{
	struct spawn_rlimit rlimits[RLIMITS_MAX];
	struct spawn_request request;
	char main_pid[32];
	int r = 0;

	(void)snprintf(main_pid, sizeof(main_pid), "MAINPID=%d", (int)core_record(t->sup->core, t->unit->id)->pid);

	AUTO(auto_free) const char **env = environment(t, main_pid);

	t->pipes = env ? pipes_open(t->unit, t->run, &r) : NULL;
	if (!t->pipes)
		return r < 0 ? r : -ENOMEM;
	launch_request(t->unit, &request, rlimits, RLIMITS_MAX);
	request.command = command->text;
	request.argv = command->argv;
	request.env = env;
	request.stdout_fd = t->pipes->write_fds[LOG_STDOUT];
	request.stderr_fd = t->pipes->write_fds[LOG_STDERR];
	request.cgroup_fd = t->cgroup_fd = unit_cgroup_fd(t->unit, &request.join_cgroup);
	t->early.pid = 0;
	t->pid_slot = helper_pid_slot(t->unit, &t->own_slot);
	request.pid_slot = t->pid_slot;
	r = spawner_submit(t->sup->spawner, &request, on_spawned, t);
	if (r < 0)
		*t->pid_slot = 0;
	return r;
}

static void run_command(struct task *t, const struct config_command *command)
{
	const struct child_exit not_run = { .code = 127 };
	int r = submit(t, command);

	if (r < 0) {
		diag(DIAG_ERROR, "%s: %s: %s", t->unit->config->name, kind_names[t->kind], strerror(-r));
		finish(t, &not_run);
	}
}

void task_start(struct unit *unit, enum task_kind kind, uint64_t run)
{
	const struct service_config *c = unit->config;
	const struct config_command *single = kind == TASK_STOP_COMMAND	  ? &c->stop_command :
					      kind == TASK_RELOAD_COMMAND ? &c->reload_command :
									    NULL;
	const struct config_command first = { .text = command_at(unit, kind, 0) };
	const struct child_exit nothing = { .code = 0 };
	struct task *t;

	task_cancel(unit);
	t = calloc(1, sizeof(*t));
	if (!t || (!single && !first.text)) {
		free(t);
		answer(unit, kind, run, &nothing);
		return;
	}
	*t = (struct task){ .unit = unit, .sup = unit->sup, .kind = kind, .run = run, .cgroup_fd = -1 };
	unit->task = t;
	run_command(t, single ? single : &first);
}

void task_cancel(struct unit *unit)
{
	struct task *t = unit->task;

	if (!t)
		return;
	unit->task = NULL;
	t->unit = NULL;
	if (t->pipes)
		pipes_orphan(t->pipes); /* its spawn may still need them */
	if (t->pid)
		(void)kill(-t->pid, SIGKILL); /* not reaped yet, so the group is ours; its exit frees the task */
}
