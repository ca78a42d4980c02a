/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the processes that work for the server: from spawn to reaping. */
#include "supervisor/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/program.h"
#include "process/child.h"
#include "supervisor/internal.h"

#define EXPENDABLE_OOM_SCORE 500

struct worker {
	struct early_exit early; /* first: see launch_on_exited() */
	struct supervisor *sup;
	const struct worker_kind *kind;
	void *data;
	pid_t pid; /* 0: being spawned */
	int fd;
	bool ending; /* is to be killed as soon as it has a pid */
};

static void worker_free(struct worker *w)
{
	auto_close(&w->fd);
	free(w);
}

static void lose(struct worker *w)
{
	w->kind->gone(w, w->data);
	worker_free(w);
}

static void on_exited(pid_t pid, int code, int status, void *data)
{
	struct worker *w = data;
	struct child_exit exit = child_exit_from_siginfo(code, status);
	char text[CHILD_TEXT_SIZE];

	child_exit_text(&exit, text);
	diag(DIAG_WARN, "%s (pid %d) %s; it is started again when it is needed", w->kind->program, (int)pid, text);
	keeper_link_reap(w->sup->keeper, pid);
	lose(w);
}

static void on_spawned(const struct spawn_result *result, void *data)
{
	struct worker *w = data;
	struct supervisor *sup = w->sup;
	struct early_exit early = w->early;
	char text[SPAWN_VALUE_MAX + 128];

	auto_close(&w->fd);
	w->fd = -1;
	if (result->pidfd >= 0)
		(void)close(result->pidfd);
	if (result->stage != SPAWN_OK) {
		spawn_result_text(result, text, sizeof(text));
		diag(DIAG_ERROR, "%s can't be started: %s", w->kind->program, text);
		lose(w);
		early_exit_settle(sup, &early, false);
		return;
	}
	w->pid = result->pid;
	if (w->ending)
		(void)kill(w->pid, SIGKILL);
	if (children_add(&sup->children, w->pid, on_exited, w) < 0) {
		(void)kill(w->pid, SIGKILL); /* its exit will be taken for an orphan's, and reaped */
		lose(w);
	}
	early_exit_settle(sup, &early, true);
}

static int submit(struct worker *w, const char *path)
{
	const char *argv[] = { path, NULL };
	const struct spawn_fd pass = { .source = w->fd, .target = w->kind->fd };
	struct spawn_request request = SPAWN_REQUEST;

	request.argv = argv;
	request.fds = &pass;
	request.n_fds = 1;
	request.stderr_fd = STDERR_FILENO;
	request.rlimits = w->kind->rlimits;
	request.n_rlimits = w->kind->n_rlimits;
	request.no_new_privileges = true;
	request.set_capabilities = w->kind->unprivileged;
	request.set_oom_score_adj = w->kind->expendable;
	request.oom_score_adj = EXPENDABLE_OOM_SCORE;
	request.as_sibling = true;
	return spawner_submit(w->sup->spawner, &request, on_spawned, w);
}

int worker_spawn(struct supervisor *sup, const struct worker_kind *kind, int fd, void *data, struct worker **out)
{
	struct worker *w;
	char path[PATH_MAX];
	int r = program_find(kind->program, "worker", ZINIT_LIBEXEC, path);

	if (r < 0) {
		diag(DIAG_ERROR, "%s: not found beside the server nor in " ZINIT_LIBEXEC, kind->program);
		return r;
	}
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->sup = sup;
	w->kind = kind;
	w->data = data;
	w->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	r = w->fd < 0 ? -errno : submit(w, path);
	if (r < 0) {
		diag(DIAG_ERROR, "%s can't be started: %s", kind->program, strerror(-r));
		worker_free(w);
		return r;
	}
	*out = w;
	return 0;
}

void worker_end(struct worker *w)
{
	if (!w)
		return;
	diag(DIAG_ERROR, "%s (pid %d) does not answer: it is killed", w->kind->program, (int)w->pid);
	w->ending = true;
	if (w->pid)
		(void)kill(w->pid, SIGKILL); /* not reaped yet, so the number is its own */
}

void worker_forget(struct worker *w)
{
	struct child child;

	if (!w)
		return;
	(void)spawner_forget(w->sup->spawner, w);
	if (w->pid)
		(void)children_take(&w->sup->children, w->pid, &child);
	worker_free(w);
}

pid_t worker_pid(const struct worker *w)
{
	return w->pid;
}
