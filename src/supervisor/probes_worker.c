/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the process zinit-prober: found, started when first needed, ended when it hangs. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/probe_wire.h"
#include "base/program.h"
#include "process/child.h"
#include "process/prober.h"
#include "supervisor/internal.h"

#define PROBER_PROGRAM "zinit-prober"
/* A thread of the C library's resolver needs little, and a look-up that hangs keeps one. */
#define PROBER_STACK (256U << 10)

/* A worker, from its spawn until it is reaped. */
struct prober_process {
	struct early_exit early; /* first: see launch_on_exited() */
	struct supervisor *sup;
	pid_t pid; /* 0: being spawned */
	uint32_t number;
	int fd;
	bool ending; /* is to be killed as soon as it has a pid */
};

static void process_free(struct prober_process *w)
{
	if (w->sup->prober_process == w)
		w->sup->prober_process = NULL;
	auto_close(&w->fd);
	free(w);
}

static void on_exited(pid_t pid, int code, int status, void *data)
{
	struct prober_process *w = data;
	struct supervisor *sup = w->sup;
	struct child_exit exit = child_exit_from_siginfo(code, status);
	uint32_t number = w->number;
	char text[CHILD_TEXT_SIZE];

	child_exit_text(&exit, text);
	diag(DIAG_WARN, PROBER_PROGRAM " (pid %d) %s; it is started again when it is needed", (int)pid, text);
	keeper_link_reap(sup->keeper, pid);
	process_free(w);
	prober_exited(sup->prober, number);
}

static void on_spawned(const struct spawn_result *result, void *data)
{
	struct prober_process *w = data;
	struct supervisor *sup = w->sup;
	struct early_exit early = w->early;
	uint32_t number = w->number;
	char text[SPAWN_VALUE_MAX + 128];

	auto_close(&w->fd);
	w->fd = -1;
	if (result->pidfd >= 0)
		(void)close(result->pidfd);
	if (result->stage != SPAWN_OK) {
		spawn_result_text(result, text, sizeof(text));
		diag(DIAG_ERROR, PROBER_PROGRAM " can't be started: %s", text);
		process_free(w);
		prober_exited(sup->prober, number);
		early_exit_settle(sup, &early, false);
		return;
	}
	w->pid = result->pid;
	if (w->ending)
		(void)kill(w->pid, SIGKILL);
	if (children_add(&sup->children, w->pid, on_exited, w) < 0) {
		(void)kill(w->pid, SIGKILL); /* its exit will be taken for an orphan's, and reaped */
		process_free(w);
		prober_exited(sup->prober, number);
	}
	early_exit_settle(sup, &early, true);
}

static int submit(struct prober_process *w, const char *path)
{
	const char *argv[] = { path, NULL };
	const struct spawn_rlimit limits[] = { { RLIMIT_STACK, PROBER_STACK, PROBER_STACK } };
	const struct spawn_fd pass = { .source = w->fd, .target = PROBER_FD };
	struct spawn_request request = SPAWN_REQUEST;

	request.argv = argv;
	request.fds = &pass;
	request.n_fds = 1;
	request.stderr_fd = STDERR_FILENO;
	request.rlimits = limits;
	request.n_rlimits = ARRAY_LEN(limits);
	request.no_new_privileges = true;
	request.as_sibling = true;
	return spawner_submit(w->sup->spawner, &request, on_spawned, w);
}

int probes_worker_spawn(int fd, uint32_t number, void *data)
{
	struct supervisor *sup = data;
	struct prober_process *w;
	char path[PATH_MAX];
	int r = program_find(PROBER_PROGRAM, "worker", ZINIT_LIBEXEC, path);

	if (r < 0) {
		diag(DIAG_ERROR, PROBER_PROGRAM ": not found beside the server nor in " ZINIT_LIBEXEC);
		return r;
	}
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->sup = sup;
	w->number = number;
	w->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	r = w->fd < 0 ? -errno : submit(w, path);
	if (r < 0)
		process_free(w);
	else
		sup->prober_process = w;
	return r;
}

pid_t supervisor_prober_pid(const struct supervisor *sup)
{
	return sup->prober_process ? sup->prober_process->pid : 0;
}

void probes_worker_fini(struct supervisor *sup)
{
	struct prober_process *w = sup->prober_process;

	if (!w)
		return;
	(void)spawner_forget(sup->spawner, w);
	process_free(w); /* it ends when its socket closes */
}

void probes_worker_end(uint32_t number, void *data)
{
	struct supervisor *sup = data;
	struct prober_process *w = sup->prober_process;

	if (!w || w->number != number)
		return;
	diag(DIAG_ERROR, PROBER_PROGRAM " (pid %d) does not answer: it is killed", (int)w->pid);
	w->ending = true;
	if (w->pid)
		(void)kill(w->pid, SIGKILL); /* not reaped yet, so the number is its own */
}
