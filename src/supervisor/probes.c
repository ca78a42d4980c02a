/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the health checks of a unit: from its configuration to process/health, from its verdicts to the core's events. */
#include "supervisor/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/diag.h"
#include "process/child.h"
#include "process/health.h"
#include "process/prober_wire.h"

#define RLIMITS_MAX 16
#define CHECKS_MAX 16
#define PROBER_PROGRAM "zinit-prober"

/* --- the worker ------------------------------------------------------------------------------- */

struct worker_spawn {
	struct early_exit early; /* first: see launch_on_exited() */
	struct supervisor *sup;
	volatile pid_t pid;
	int fd;
};

static void on_prober_exited(pid_t pid, int code, int status, void *data)
{
	struct supervisor *sup = data;
	struct child_exit exit = child_exit_from_siginfo(code, status);
	char text[CHILD_TEXT_SIZE];

	child_exit_text(&exit, text);
	diag(DIAG_WARN, PROBER_PROGRAM " (pid %d) %s; it is started again when it is needed", (int)pid, text);
	keeper_link_reap(sup->keeper, pid);
	prober_exited(sup->prober);
}

static void on_prober_spawned(const struct spawn_result *result, void *data)
{
	struct worker_spawn *spawn = data;
	struct supervisor *sup = spawn->sup;
	struct early_exit early = spawn->early;
	char text[SPAWN_VALUE_MAX + 128];

	auto_close(&spawn->fd);
	free(spawn);
	if (result->pidfd >= 0)
		(void)close(result->pidfd);
	if (result->stage != SPAWN_OK) {
		spawn_result_text(result, text, sizeof(text));
		diag(DIAG_ERROR, PROBER_PROGRAM " can't be started: %s", text);
		prober_exited(sup->prober);
		if (early.pid)
			keeper_link_reap(sup->keeper, early.pid);
		return;
	}
	(void)children_add(&sup->children, result->pid, on_prober_exited, sup);
	if (early.pid)
		launch_on_exited(sup, early.pid, early.code, early.status);
}

/* Beside the server (a build directory has it next door), else where it was installed. */
static int find_prober(char out[PATH_MAX])
{
	static const char *const places[] = { "", "../worker/", "../libexec/zinit/" };
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return -errno;
	self[n] = '\0';
	*(strrchr(self, '/') + 1) = '\0';
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		if (snprintf(out, PATH_MAX, "%s%s" PROBER_PROGRAM, self, places[i]) < PATH_MAX && access(out, X_OK) == 0)
			return 0;
	}
	(void)str_copy(out, PATH_MAX, ZINIT_LIBEXEC "/" PROBER_PROGRAM);
	return access(out, X_OK) == 0 ? 0 : -ENOENT;
}

int probes_spawn_worker(int fd, void *data)
{
	struct supervisor *sup = data;
	struct spawn_request request = SPAWN_REQUEST;
	struct worker_spawn *spawn;
	char path[PATH_MAX];
	const char *argv[] = { path, NULL };
	struct spawn_fd pass;
	int r = find_prober(path);

	if (r < 0) {
		diag(DIAG_ERROR, PROBER_PROGRAM ": not found beside the server nor in " ZINIT_LIBEXEC);
		return r;
	}
	spawn = calloc(1, sizeof(*spawn));
	if (!spawn)
		return -ENOMEM;
	spawn->sup = sup;
	spawn->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	pass = (struct spawn_fd){ .source = spawn->fd, .target = PROBER_FD };
	request.argv = argv;
	request.fds = &pass;
	request.n_fds = 1;
	request.stderr_fd = STDERR_FILENO;
	request.as_sibling = true;
	request.pid_slot = &spawn->pid;
	r = spawn->fd < 0 ? -errno : spawner_submit(sup->spawner, &request, on_prober_spawned, spawn);
	if (r < 0) {
		auto_close(&spawn->fd);
		free(spawn);
	}
	return r;
}

/* --- exec probes ------------------------------------------------------------------------------ */

/* A command under way. Its answer may come before its processes are all gone; it is freed with the last of them. */
struct exec_probe {
	struct early_exit early; /* first: see launch_on_exited() */
	struct probe base;
	struct supervisor *sup;
	struct loop_timer *timer;
	volatile pid_t pid_slot;
	pid_t pid;        /* 0: being spawned, or reaped */
	bool answered;    /* or cancelled */
	bool spawned;     /* the spawner has answered */
};

static void exec_free_if_done(struct exec_probe *p)
{
	if (!p->spawned || p->pid || !p->answered)
		return;
	loop_timer_free(p->timer);
	free(p);
}

static void exec_kill(struct exec_probe *p)
{
	if (p->pid)
		(void)kill(-p->pid, SIGKILL); /* not reaped yet, so the group is ours */
}

static void exec_answer(struct exec_probe *p, const struct probe_result *result)
{
	if (p->answered)
		return;
	p->answered = true;
	loop_timer_disarm(p->timer);
	p->base.fn(result, p->base.data);
}

static void exec_cancel(struct probe *probe)
{
	struct exec_probe *p = CONTAINER_OF(probe, struct exec_probe, base);

	p->answered = true;
	loop_timer_disarm(p->timer);
	exec_kill(p);
	exec_free_if_done(p);
}

static void on_exec_timeout(struct loop_timer *timer, void *data)
{
	struct exec_probe *p = data;
	struct probe_result result;

	(void)timer;
	exec_kill(p);
	probe_result_set(&result, PROBE_TIMEOUT, 0, "the command did not end within the time-out");
	exec_answer(p, &result);
	exec_free_if_done(p);
}

static void on_exec_exited(pid_t pid, int code, int status, void *data)
{
	struct exec_probe *p = data;
	struct child_exit exit = child_exit_from_siginfo(code, status);
	struct probe_result result = { .error = PROBE_OK };
	char text[CHILD_TEXT_SIZE];

	(void)kill(-pid, SIGKILL); /* what it left in its group; the zombie still holds the number */
	keeper_link_reap(p->sup->keeper, pid);
	p->pid = 0;
	if (exit.code != 0) {
		child_exit_text(&exit, text);
		probe_result_set(&result, PROBE_EXIT_CODE, exit.signal ? -exit.signal : exit.code, "the command %s", text);
	}
	exec_answer(p, &result);
	exec_free_if_done(p);
}

static void on_exec_spawned(const struct spawn_result *spawned, void *data)
{
	struct exec_probe *p = data;
	struct supervisor *sup = p->sup;
	struct early_exit early = p->early;
	struct probe_result result;
	char text[SPAWN_VALUE_MAX + 128];

	p->spawned = true;
	if (spawned->pidfd >= 0)
		(void)close(spawned->pidfd);
	if (spawned->stage != SPAWN_OK) {
		spawn_result_text(spawned, text, sizeof(text));
		probe_result_set(&result, PROBE_EXEC, spawned->error, "%s", text);
		exec_answer(p, &result);
		exec_free_if_done(p);
		if (early.pid)
			keeper_link_reap(sup->keeper, early.pid);
		return;
	}
	p->pid = spawned->pid;
	if (p->answered)
		exec_kill(p);
	(void)children_add(&sup->children, p->pid, on_exec_exited, p);
	if (early.pid)
		launch_on_exited(sup, early.pid, early.code, early.status);
}

static struct probe *start_exec(const void *data, usec_t timeout, probe_fn fn, void *fn_data, void *unit_data)
{
	const struct config_command *command = data;
	struct unit *unit = unit_data;
	struct spawn_rlimit rlimits[RLIMITS_MAX];
	struct spawn_request request;
	struct exec_probe *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return NULL;
	p->base = (struct probe){ .cancel = exec_cancel, .fn = fn, .data = fn_data };
	p->sup = unit->sup;
	p->timer = loop_timer_new(unit->sup->loop, on_exec_timeout, p);
	launch_request(unit, &request, rlimits, RLIMITS_MAX);
	request.command = command->text;
	request.argv = command->argv;
	request.pid_slot = &p->pid_slot;
	r = p->timer ? spawner_submit(unit->sup->spawner, &request, on_exec_spawned, p) : -ENOMEM;
	if (r < 0) {
		loop_timer_free(p->timer);
		free(p);
		errno = -r;
		return NULL;
	}
	loop_timer_arm(p->timer, time_add(loop_now(unit->sup->loop), timeout));
	return &p->base;
}

/* --- verdicts --------------------------------------------------------------------------------- */

static void on_ready(void *data)
{
	struct unit *unit = data;
	const struct core_event event = {
		.kind = EV_READY,
		.id = unit->id,
		.run = core_record(unit->sup->core, unit->id)->run,
	};

	(void)supervisor_feed(unit->sup, &event);
}

static void on_change(bool healthy, unsigned int attempts, const struct probe_result *result, void *data)
{
	struct unit *unit = data;
	const struct core_event event = {
		.kind = EV_HEALTH,
		.id = unit->id,
		.run = core_record(unit->sup->core, unit->id)->run,
		.ok = healthy,
		.attempts = attempts,
	};
	char text[PROBE_TEXT_SIZE + 32];

	(void)snprintf(text, sizeof(text), "%s%s%s", healthy ? "healthy again" : probe_error_name(result->error),
		       result->text[0] ? ": " : "", result->text);
	diag(healthy ? DIAG_INFO : DIAG_WARN, "%s: health check: %s", unit->config->name, text);
	supervisor_announce(unit->sup, EVENT_HEALTH, unit->config->name, text);
	(void)supervisor_feed(unit->sup, &event);
}

/* --- from the configuration ------------------------------------------------------------------- */

/* struct config_range and struct prober_range are alike on purpose: a list of the one is a list of the other. */
_Static_assert(sizeof(struct config_range) == sizeof(struct prober_range), "ranges differ");

static bool check_from_config(const struct health_config *from, struct health_check *to)
{
	*to = (struct health_check){
		.target = from->target.text,
		.command = &from->target,
		.timeout = from->timeout_ms * USEC_PER_MSEC,
		.interval = from->interval_ms * USEC_PER_MSEC,
		.start_period = from->start_period_ms * USEC_PER_MSEC,
		.retries = from->retries,
		.http = {
			.url = from->target.text,
			.method = from->method,
			.headers = from->headers,
			.body = from->body,
			.unix_socket = from->unix_socket,
			.ranges = (const struct prober_range *)(const void *)from->expect_status.items,
			.ranges_n = from->expect_status.n,
			.tls_verify = from->tls_verify,
			.follow = from->follow_redirects,
		},
	};
	switch (from->type) {
	case CONFIG_HEALTH_TCP:
		to->type = HEALTH_TCP;
		return true;
	case CONFIG_HEALTH_HTTP:
		to->type = HEALTH_HTTP;
		return true;
	case CONFIG_HEALTH_EXEC:
		to->type = HEALTH_EXEC;
		return true;
	case CONFIG_HEALTH_NOTIFY:
	case CONFIG_HEALTH_LOG:
		break;
	}
	return false;
}

void probes_start(struct unit *unit, uint64_t run)
{
	const struct health_configs *configs = &unit->config->health;
	struct health_check checks[CHECKS_MAX];
	const struct health_env env = {
		.loop = unit->sup->loop,
		.prober = unit->sup->prober,
		.exec = start_exec,
		.on_ready = on_ready,
		.on_change = on_change,
		.data = unit,
	};
	size_t n = 0;

	(void)run;
	probes_stop(unit);
	for (uint32_t i = 0; i < configs->n && n < CHECKS_MAX; i++) {
		if (check_from_config(&configs->items[i], &checks[n]))
			n++;
		else
			diag(DIAG_WARN, "%s: health checks of type notify and log are not made yet: this one is left out",
			     unit->config->name);
	}
	unit->health = health_new(&env, checks, n);
	if (!unit->health)
		diag(DIAG_ERROR, "%s: no memory for its health checks", unit->config->name);
	else if (n == 0)
		on_ready(unit);
}

void probes_stop(struct unit *unit)
{
	health_free(unit->health);
	unit->health = NULL;
}

const char *probes_state(const struct unit *unit, const char **out_error)
{
	const struct probe_result *failure = unit->health ? health_last_failure(unit->health) : NULL;

	*out_error = failure ? failure->text : "";
	if (unit->health)
		return health_state(unit->health);
	return unit->config->health.n ? "unknown" : "none";
}
