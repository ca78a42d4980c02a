/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the way from EFFECT_SPAWN to a running main process, and from its exit to EV_EXITED. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/kernel_names.h"
#include "process/child.h"
#include "supervisor/internal.h"

#define RLIMITS_MAX 16
/* Spawns that are prepared at a time: a boot of thousands must not hold memory and pipes for all of them at once. */
#define LAUNCHES_MAX 32
/* How long the end of a run waits for its last lines: they are in the pipe, and read within microseconds if the reader runs. */
#define DRAIN_PATIENCE (2 * USEC_PER_SEC)

/* A spawn under way. */
struct launch {
	struct early_exit early; /* first: see launch_on_exited() */
	struct supervisor *sup;
	uint32_t id; /* not a pointer: the unit may be gone when the answer comes, */
	uint64_t serial; /* and another one have its id */
	uint64_t run;
	struct run_pipes *pipes;
	int file_fds[LOG_STREAM_N]; /* stdout and stderr that go to files; -1: none */
	int ready_fd;               /* write end for its readiness; -1: none */
	int cgroup_fd;              /* -1: none */
};

/* --- the request ------------------------------------------------------------------------------ */

static uint64_t capability_set(const char *const *names)
{
	uint64_t set = 0;

	for (; names && *names; names++) {
		int n = capability_from_name(*names, NULL);

		if (n >= 0)
			set |= 1ULL << n;
	}
	return set;
}

static size_t fill_rlimits(const struct service_config *c, struct spawn_rlimit *out, size_t max)
{
	size_t n = 0;

	for (uint32_t i = 0; i < c->rlimits.n && n < max; i++) {
		const struct config_rlimit *limit = &c->rlimits.items[i];

		out[n++] = (struct spawn_rlimit){ limit->resource, limit->soft, limit->hard };
	}
	return n;
}

void launch_request(struct unit *unit, struct spawn_request *out, struct spawn_rlimit *rlimits, size_t rlimits_max)
{
	const struct service_config *c = unit->config;

	*out = SPAWN_REQUEST;
	out->dir = c->dir;
	out->env = c->env;
	out->env_files = c->env_file;
	out->env_expand = c->env_expand;
	out->user = c->user;
	out->group = c->group;
	out->groups = c->supplementary_groups;
	if (c->umask != CONFIG_MODE_UNSET)
		out->umask = c->umask;
	out->set_nice = c->nice != CONFIG_UNSET;
	out->nice = c->nice;
	out->set_oom_score_adj = c->oom_score_adj != CONFIG_UNSET;
	out->oom_score_adj = c->oom_score_adj;
	out->rlimits = rlimits;
	out->n_rlimits = fill_rlimits(c, rlimits, rlimits_max);
	out->no_new_privileges = c->no_new_privileges;
	out->set_capabilities = c->capabilities != NULL;
	out->capabilities = capability_set(c->capabilities);
	out->session = c->session ? SPAWN_NEW_SESSION : SPAWN_NEW_GROUP;
	out->as_sibling = true;
	out->tag = tree_tag(unit->sup->tag_instance, unit->config->name);
}

/* Descriptor for an output that is not a pipe of ours: -1 stands for /dev/null. */
static int open_output(const struct config_output *output, int inherited, int *out_fd)
{
	*out_fd = -1;
	if (output->kind == CONFIG_OUTPUT_INHERIT)
		*out_fd = fcntl(inherited, F_DUPFD_CLOEXEC, 3);
	else if (output->kind == CONFIG_OUTPUT_FILE)
		*out_fd = open(output->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
	else
		return 0;
	return *out_fd < 0 ? -errno : 0;
}

static int open_outputs(struct unit *unit, struct launch *l, struct spawn_request *request, const char **out_value)
{
	const struct service_config *c = unit->config;
	int r;

	l->pipes = pipes_open(unit, l->run, &r);
	*out_value = "log pipe";
	if (!l->pipes)
		return r;
	*out_value = c->output.path ? c->output.path : "stdout";
	r = open_output(&c->output, STDOUT_FILENO, &l->file_fds[LOG_STDOUT]);
	if (r < 0)
		return r;
	*out_value = c->errors.path ? c->errors.path : "stderr";
	r = open_output(&c->errors, STDERR_FILENO, &l->file_fds[LOG_STDERR]);
	if (r < 0)
		return r;
	request->stdout_fd = c->output.kind == CONFIG_OUTPUT_LOG ? l->pipes->write_fds[LOG_STDOUT] :
								   l->file_fds[LOG_STDOUT];
	request->stderr_fd = c->errors.kind == CONFIG_OUTPUT_LOG    ? l->pipes->write_fds[LOG_STDERR] :
			     c->errors.kind == CONFIG_OUTPUT_STDOUT ? request->stdout_fd :
								      l->file_fds[LOG_STDERR];
	return 0;
}

static void launch_waiting(struct supervisor *sup);

/* --- the answer ------------------------------------------------------------------------------- */

static void launch_free(struct launch *l)
{
	l->sup->launches--;
	if (l->pipes)
		pipes_release(l->sup, l->pipes);
	auto_close(&l->file_fds[LOG_STDOUT]);
	auto_close(&l->file_fds[LOG_STDERR]);
	auto_close(&l->ready_fd);
	auto_close(&l->cgroup_fd);
	free(l);
}

static bool is_transient(const struct spawn_result *result)
{
	switch (result->error) {
	case EAGAIN:
	case ENOMEM:
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOSPC:
		return true;
	default:
		return false;
	}
}

static void failed(struct unit *unit, uint64_t run, const struct spawn_result *result)
{
	const struct core_event event = {
		.kind = EV_SPAWN_FAILED,
		.id = unit->id,
		.run = run,
		.stage = (int)result->stage,
		.error = result->error,
		.transient = is_transient(result),
	};
	char text[SPAWN_VALUE_MAX + 128];

	spawn_result_text(result, text, sizeof(text));
	core_set_spawn_text(unit->sup->core, unit->id, text);
	unit_apply_next(unit);
	(void)supervisor_feed(unit->sup, &event);
}

static void main_exited(pid_t pid, int code, int status, void *data)
{
	struct unit *unit = data;

	/* on record first: then the zombie, which was the record so far, may go */
	unit->last.exit = (struct saved_exit){ .pid = pid, .code = code, .status = status };
	unit->last.ended_at = time_realtime();
	unit_save(unit);
	keeper_link_reap(unit->sup->keeper, pid);
	if (unit->stop)
		stop_main_reaped(unit->stop);
	launch_finish_exit(unit);
}

int launch_adopt(struct unit *unit, pid_t pid)
{
	return children_add(&unit->sup->children, pid, main_exited, unit);
}

static void started(struct unit *unit, uint64_t run, const struct spawn_result *result)
{
	const struct core_event event = { .kind = EV_SPAWNED, .id = unit->id, .run = run, .pid = result->pid };
	bool current = core_record(unit->sup->core, unit->id)->run == run;

	unit->last.started_at = time_realtime();
	unit->last.by_shell = result->by_shell;
	if (launch_adopt(unit, result->pid) < 0) {
		/* without a place in the table its exit would be taken for a stranger's: don't let it run */
		diag(DIAG_ERROR, "%s: no memory to watch it: killed", unit->config->name);
		(void)kill(result->pid, SIGKILL);
		failed(unit, run, &(struct spawn_result){ .stage = SPAWN_PREPARE, .error = ENOMEM });
		return;
	}
	diag(DIAG_DEBUG, "%s: started, pid %d", unit->config->name, (int)result->pid);
	(void)supervisor_feed(unit->sup, &event);
	if (current)
		*state_spawn_pid(unit->sup->state, unit->id) = 0; /* it is in the record now */
}

void early_exit_settle(struct supervisor *sup, const struct early_exit *early, bool started)
{
	if (early->pid && started)
		launch_on_exited(sup, early->pid, early->code, early->status);
	else if (early->pid)
		keeper_link_reap(sup->keeper, early->pid);
}

static void on_spawned(const struct spawn_result *result, void *data)
{
	struct launch *l = data;
	struct supervisor *sup = l->sup;
	struct unit *unit = unit_at(sup, l->id);
	struct early_exit early = l->early;
	uint64_t run = l->run;

	if (unit && unit->serial != l->serial)
		unit = NULL;
	if (result->pidfd >= 0)
		(void)close(result->pidfd); /* the pid is ours until we have it reaped: no need for one more descriptor */
	launch_free(l);
	if (result->stage != SPAWN_OK) {
		if (unit) {
			/* killed after this, the next server tries again: it must not find what is left of this try */
			if (core_record(sup->core, unit->id)->run == run)
				*state_spawn_pid(sup->state, unit->id) = 0;
			failed(unit, run, result);
		}
		early_exit_settle(sup, &early, false);
		launch_waiting(sup);
		return;
	}
	if (unit)
		started(unit, run, result);
	else
		(void)kill(-result->pid, SIGKILL);
	early_exit_settle(sup, &early, true);
	launch_waiting(sup);
}

/* --- in --------------------------------------------------------------------------------------- */

static void refuse(struct unit *unit, struct launch *l, uint64_t run, int error, const char *value)
{
	struct spawn_result result = { .stage = SPAWN_FDS, .error = error };

	(void)str_copy(result.value, sizeof(result.value), value);
	if (l)
		launch_free(l);
	failed(unit, run, &result);
}

static void begin(struct unit *unit, uint64_t run)
{
	struct supervisor *sup = unit->sup;
	const struct service_config *c = unit->config;
	struct spawn_rlimit rlimits[RLIMITS_MAX];
	struct launch *l = calloc(1, sizeof(*l));
	struct spawn_request request;
	struct probes_spawn readiness;
	const char *value;
	int r;

	if (!l) {
		refuse(unit, NULL, run, ENOMEM, "memory");
		return;
	}
	sup->launches++;
	*l = (struct launch){
		.sup = sup, .id = unit->id, .serial = unit->serial, .run = run, .file_fds = { -1, -1 }, .ready_fd = -1, .cgroup_fd = -1,
	};
	launch_request(unit, &request, rlimits, RLIMITS_MAX);
	r = open_outputs(unit, l, &request, &value);
	if (r < 0) {
		refuse(unit, l, run, -r, value);
		return;
	}
	request.command = c->exec.text;
	request.argv = c->exec.argv;
	request.stdin_path = c->input;
	request.cgroup_fd = l->cgroup_fd = unit_cgroup_fd(unit, &request.join_cgroup);
	request.pid_slot = state_spawn_pid(sup->state, unit->id);
	*request.pid_slot = 0;
	request.failure_slot = state_spawn_failure(sup->state, unit->id);
	*request.failure_slot = 0;
	value = "readiness socket or descriptor";
	r = probes_spawn_prepare(unit, run, &request, &readiness);
	l->ready_fd = MAX(readiness.fd.source, -1);
	if (r == 0) {
		value = "the spawner's queue";
		r = spawner_submit(sup->spawner, &request, on_spawned, l);
	}
	probes_spawn_fini(&readiness);
	if (r < 0)
		refuse(unit, l, run, -r, value);
}

void launch(struct unit *unit, uint64_t run)
{
	struct supervisor *sup = unit->sup;

	if (sup->launches < LAUNCHES_MAX && list_empty(&sup->waiting)) {
		begin(unit, run);
		return;
	}
	list_remove(&unit->waiting);
	list_append(&sup->waiting, &unit->waiting);
}

static void launch_waiting(struct supervisor *sup)
{
	while (sup->launches < LAUNCHES_MAX && !list_empty(&sup->waiting)) {
		struct unit *unit = LIST_ENTRY(sup->waiting.next, struct unit, waiting);

		list_remove(&unit->waiting);
		begin(unit, core_record(sup->core, unit->id)->run);
	}
}

/* --- out -------------------------------------------------------------------------------------- */

void launch_on_exited(struct supervisor *sup, pid_t pid, int code, int status)
{
	struct child child;
	struct early_exit *early;

	if (children_take(&sup->children, pid, &child)) {
		child.fn(pid, code, status, child.data);
		return;
	}
	early = spawner_find(sup->spawner, pid);
	if (early) {
		/* the answer of its spawn is on the way: the zombie waits for it */
		*early = (struct early_exit){ .pid = pid, .code = code, .status = status };
		return;
	}
	diag(DIAG_DEBUG, "orphan %d ended", (int)pid);
	keeper_link_reap(sup->keeper, pid);
}

/* After the leader was reaped, its group's number is taken only as long as someone is in it. Daemons elsewhere are looked for when it is stopped. */
static bool has_leftovers(const struct unit *unit, pid_t pgid)
{
	return kill(-pgid, 0) == 0 || errno == EPERM || (!unit->stop && unit->cgroup && cgroup_populated(unit->cgroup) > 0);
}

/* The server that began the spawn died before it could be told that it failed; the child has left word. */
static bool spawn_had_failed(const struct unit *unit, const struct child_exit *exit)
{
	return exit->code == SPAWN_EXIT_CODE && *state_spawn_failure(unit->sup->state, unit->id);
}

static void note_late_failure(struct unit *unit, struct core_event *event)
{
	uint32_t word = *state_spawn_failure(unit->sup->state, unit->id);
	const struct spawn_result result = { .stage = (enum spawn_stage)(word >> 16), .error = (int)(word & 0xffff) };
	char text[SPAWN_VALUE_MAX + 128];

	if (is_transient(&result))
		return; /* an end like others: it may be restarted */
	event->stage = (int)result.stage;
	event->error = result.error;
	spawn_result_text(&result, text, sizeof(text));
	core_set_spawn_text(unit->sup->core, unit->id, text);
}

static void tell_core(struct unit *unit)
{
	const struct saved_exit *saved = &unit->last.exit;
	struct child_exit exit = child_exit_from_siginfo(saved->code, saved->status);
	const struct service_record *record = core_record(unit->sup->core, unit->id);
	struct core_event event = {
		.kind = EV_EXITED,
		.id = unit->id,
		.run = record->run,
		.code = exit.code,
		.signal = exit.signal,
		.core_dumped = exit.core_dumped,
		.leftovers = has_leftovers(unit, saved->pid),
	};
	usec_t ran = loop_now(unit->sup->loop) - MIN(loop_now(unit->sup->loop), record->started_at);
	char text[CHILD_TEXT_SIZE];

	child_exit_text(&exit, text);
	(void)child_is_shell_error(&exit, unit->last.by_shell, ran, &event.error);
	if (spawn_had_failed(unit, &exit))
		note_late_failure(unit, &event);
	diag(DIAG_DEBUG, "%s: %s", unit->config->name, text);
	unit->oom = (uint32_t)unit_oom_kills(unit);
	if (unit->oom)
		diag(DIAG_WARN, "%s: out of memory: the kernel killed %u of its processes", unit->config->name, unit->oom);
	if (!event.error)
		incident_crash(unit, &exit, saved->pid);
	unit->last.exit.pid = 0;
	unit_apply_next(unit);
	(void)supervisor_feed(unit->sup, &event);
	if (unit->gone) {
		const struct core_event gone = { .kind = EV_GONE, .id = unit->id, .run = event.run };

		unit->gone = false;
		gone_in_shutdown(unit);
		(void)supervisor_feed(unit->sup, &gone);
	}
}

static void on_drained(struct log_service *svc, uint64_t run, bool ended, void *data)
{
	struct unit *unit = data;

	(void)svc;
	(void)ended;
	if (list_empty(&unit->draining) || run != core_record(unit->sup->core, unit->id)->run)
		return; /* told already, when patience was at its end */
	list_remove(&unit->draining);
	tell_core(unit);
}

/* The reader stands still: no stop, restart or exit code waits for it. What it reads later is that run's all the same. */
static void on_drain_late(struct loop_timer *timer, void *data)
{
	struct supervisor *sup = data;
	struct unit *unit = NULL;
	unsigned int n = 0;

	while (!list_empty(&sup->draining)) {
		unit = LIST_ENTRY(sup->draining.next, struct unit, draining);
		if (unit->drain_due > loop_now(sup->loop))
			break;
		list_remove(&unit->draining);
		n++;
		tell_core(unit);
	}
	if (n)
		diag(DIAG_WARN, "the last lines of %u runs are not read yet after %d s: their ends are told without them", n,
		     (int)(DRAIN_PATIENCE / USEC_PER_SEC));
	if (!list_empty(&sup->draining))
		loop_timer_arm(timer, unit->drain_due);
}

static void wait_for_drain(struct unit *unit)
{
	struct supervisor *sup = unit->sup;

	unit->drain_due = time_add(loop_now(sup->loop), DRAIN_PATIENCE);
	if (!sup->drain_timer)
		sup->drain_timer = loop_timer_new(sup->loop, on_drain_late, sup); /* without memory: patience without end */
	if (sup->drain_timer && list_empty(&sup->draining))
		loop_timer_arm(sup->drain_timer, unit->drain_due);
	list_append(&sup->draining, &unit->draining);
}

void launch_finish_exit(struct unit *unit)
{
	uint64_t run = core_record(unit->sup->core, unit->id)->run;

	if (unit->log && pipes_any(unit, run) && log_drain(unit->log, run, on_drained, unit) == 0)
		wait_for_drain(unit);
	else
		tell_core(unit);
}
