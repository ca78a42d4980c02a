/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: probes by command. Its processes carry a tag of their own, by which all of them are found and ended, however they
 * hide; they are not the service's. The answer comes when nothing is left of the probe, or, if someone can't be
 * killed, a grace after its time-out; a probe that is asked while the one before is still there waits for it.
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
#include "process/child.h"
#include "process/signal.h"
#include "supervisor/probes.h"

#define RLIMITS_MAX 16
/* Output that is kept: its end. */
#define OUTPUT_MAX 4096
/* Reads in a row; what a flood leaves comes in the next round. */
#define READS_MAX 16
/* Between SIGKILL and the answer that it did not help. */
#define KILL_GRACE USEC_PER_SEC
#define LINE_MAX_SHOWN 80

/* Freed when it is answered (or cancelled) and nothing of it is left. */
struct exec_probe {
	struct early_exit early; /* first: see launch_on_exited() */
	struct probe base;
	struct list node; /* of all, oldest first */
	struct supervisor *sup;
	struct probes *owner; /* NULL: cancelled */
	const struct config_command *command; /* of the owner's configuration */
	size_t check;
	uint64_t tag;
	struct loop_timer *timer;
	struct stop *stop;
	pid_t pid; /* 0: none yet, or reaped */
	bool begun; /* it was spawned */
	int pidfd;
	bool sweeping; /* not begun: what an earlier server left of such a probe is being ended */
	bool spawning;
	bool exited;
	bool timed_out;
	bool answered; /* or cancelled */
	struct child_exit exit;
	int out_fd;   /* read end */
	int write_fd; /* for the spawner, until it has answered */
	struct loop_io *out_io;
	char *output; /* NULL until there is some */
	size_t output_len;
};

static void begin(struct exec_probe *p);
static void on_gone(struct stop *stop, void *data);

/* --- output ----------------------------------------------------------------------------------- */

static void keep_output(struct exec_probe *p, const char *data, size_t n)
{
	if (!p->output)
		p->output = malloc(OUTPUT_MAX + 1);
	if (!p->output)
		return;
	if (n >= OUTPUT_MAX) {
		data += n - OUTPUT_MAX;
		n = OUTPUT_MAX;
		p->output_len = 0;
	} else if (p->output_len + n > OUTPUT_MAX) {
		size_t drop = p->output_len + n - OUTPUT_MAX;

		memmove(p->output, p->output + drop, p->output_len - drop);
		p->output_len -= drop;
	}
	memcpy(p->output + p->output_len, data, n);
	p->output_len += n;
	p->output[p->output_len] = '\0';
}

static void close_output(struct exec_probe *p)
{
	loop_io_free(p->out_io);
	p->out_io = NULL;
	auto_close(&p->out_fd);
	p->out_fd = -1;
}

static void read_output(struct exec_probe *p)
{
	char data[OUTPUT_MAX];

	for (int i = 0; i < READS_MAX && p->out_fd >= 0; i++) {
		ssize_t n = read(p->out_fd, data, sizeof(data));

		if (n > 0)
			keep_output(p, data, (size_t)n);
		else if (n == 0)
			close_output(p);
		else
			return;
	}
}

static void on_output(struct loop_io *io, uint32_t events, void *data)
{
	(void)io;
	(void)events;
	read_output(data);
}

/* The last line with something in it, without control characters. */
static void last_line(const struct exec_probe *p, char out[LINE_MAX_SHOWN])
{
	size_t end = p->output ? p->output_len : 0;
	size_t start;
	size_t n = 0;

	while (end > 0 && (unsigned char)p->output[end - 1] <= ' ')
		end--;
	for (start = end; start > 0 && p->output[start - 1] != '\n'; start--)
		;
	for (; start < end && n < LINE_MAX_SHOWN - 1; start++)
		out[n++] = (unsigned char)p->output[start] < ' ' ? ' ' : p->output[start];
	out[n] = '\0';
}

/* --- the end ---------------------------------------------------------------------------------- */

static void exec_free(struct exec_probe *p)
{
	struct supervisor *sup = p->sup;
	uint64_t tag = p->tag;
	struct exec_probe *next;

	list_remove(&p->node);
	stop_free(p->stop);
	loop_timer_free(p->timer);
	close_output(p);
	auto_close(&p->write_fd);
	auto_close(&p->pidfd);
	free(p->output);
	free(p);
	LIST_FOREACH (next, &sup->exec_probes, node) {
		if (next->tag == tag) {
			begin(next);
			return;
		}
	}
}

/* Is it the one whose turn it is? Others of the same check wait. */
static bool is_first(const struct exec_probe *p)
{
	const struct exec_probe *other;

	LIST_FOREACH (other, &p->sup->exec_probes, node) {
		if (other->tag == p->tag)
			return other == p;
	}
	return false;
}

static void answer(struct exec_probe *p, const struct probe_result *result)
{
	struct probes *owner = p->owner;

	if (p->answered)
		return;
	p->answered = true;
	p->owner = NULL;
	loop_timer_disarm(p->timer);
	if (result->error != PROBE_OK) {
		free(owner->output);
		owner->output = STEAL(&p->output);
		owner->output_check = p->check;
	}
	p->base.fn(result, p->base.data);
}

static void answer_end(struct exec_probe *p)
{
	struct probe_result result = { .error = PROBE_OK };
	char text[CHILD_TEXT_SIZE];
	char line[LINE_MAX_SHOWN];

	read_output(p);
	last_line(p, line);
	if (p->timed_out) {
		probe_result_set(&result, PROBE_TIMEOUT, 0, "the command did not end within the time-out%s%s",
				 *line ? ": " : "", line);
	} else if (p->exit.code != 0) {
		child_exit_text(&p->exit, text);
		probe_result_set(&result, PROBE_EXIT_CODE, p->exit.signal ? -p->exit.signal : p->exit.code,
				 "the command %s%s%s", text, *line ? ": " : "", line);
	}
	answer(p, &result);
}

/* Nothing is left and its exit is known. */
static void finish(struct exec_probe *p)
{
	answer_end(p);
	exec_free(p);
}

static void end_tree(struct exec_probe *p)
{
	const struct stop_target target = { .main = p->pid, .pidfd = p->pidfd, .tag = p->tag, .mode = KILL_GROUP };

	if (!p->stop)
		p->stop = stop_new(p->sup->stopper, &target, on_gone, p);
	if (p->stop) {
		(void)stop_kill(p->stop);
		return;
	}
	diag(DIAG_ERROR, "no memory to watch the end of a health check: only its group is killed");
	(void)kill(-p->pid, SIGKILL);
}

static void on_gone(struct stop *stop, void *data)
{
	struct exec_probe *p = data;

	stop_free(stop);
	p->stop = NULL;
	if (p->sweeping) {
		p->sweeping = false;
		begin(p);
	} else if (p->exited) {
		finish(p);
	} /* else the keeper is about to tell the exit */
}

static void on_exited(pid_t pid, int code, int status, void *data)
{
	struct exec_probe *p = data;

	p->exited = true;
	p->exit = child_exit_from_siginfo(code, status);
	end_tree(p); /* not reaped yet: so its number, and its group's, are ours */
	keeper_link_reap(p->sup->keeper, pid);
	p->pid = 0;
	if (p->stop)
		stop_main_reaped(p->stop);
	else
		finish(p);
}

static void exec_cancel(struct probe *probe)
{
	struct exec_probe *p = CONTAINER_OF(probe, struct exec_probe, base);

	p->answered = true;
	p->owner = NULL;
	loop_timer_disarm(p->timer);
	if (p->pid)
		end_tree(p);
	else if (!p->begun && !p->spawning && !p->sweeping)
		exec_free(p); /* waited for its turn */
}

static void on_timer(struct loop_timer *timer, void *data)
{
	struct exec_probe *p = data;
	struct tree_list left = { 0 };
	struct probe_result result;
	char names[PROBE_TEXT_SIZE / 2] = "";

	(void)timer;
	if (p->begun && !p->timed_out) {
		p->timed_out = true;
		loop_timer_arm(p->timer, time_add(loop_now(p->sup->loop), KILL_GRACE));
		if (p->pid)
			end_tree(p);
		return;
	}
	if (p->stop && stop_survivors(p->stop, &left) == 0)
		stop_survivors_text(&left, names, sizeof(names));
	tree_list_fini(&left);
	probe_result_set(&result, PROBE_TIMEOUT, 0, "%s%s",
			 p->begun ? "the command can't be killed: " : "the command could not be begun within the time-out", names);
	answer(p, &result);
	if (!p->begun && !p->spawning && !p->sweeping)
		exec_free(p);
}

/* --- the beginning ---------------------------------------------------------------------------- */

static void fail(struct exec_probe *p, enum probe_error error, int value, const char *text)
{
	struct probe_result result;

	probe_result_set(&result, error, value, "%s", text);
	answer(p, &result);
	exec_free(p);
}

static void on_spawned(const struct spawn_result *spawned, void *data)
{
	struct exec_probe *p = data;
	struct supervisor *sup = p->sup;
	struct early_exit early = p->early;
	char text[SPAWN_VALUE_MAX + 128];

	p->spawning = false;
	p->pidfd = spawned->pidfd;
	auto_close(&p->write_fd);
	p->write_fd = -1;
	if (spawned->stage != SPAWN_OK) {
		spawn_result_text(spawned, text, sizeof(text));
		fail(p, PROBE_EXEC, spawned->error, text);
		early_exit_settle(sup, &early, false);
		return;
	}
	p->begun = true;
	p->pid = spawned->pid;
	if (children_add(&sup->children, p->pid, on_exited, p) < 0) {
		(void)kill(-p->pid, SIGKILL); /* its exit will be taken for an orphan's, and reaped */
		p->pid = 0;
		fail(p, PROBE_UNAVAILABLE, ENOMEM, strerror(ENOMEM));
		return;
	}
	if (p->answered)
		end_tree(p);
	early_exit_settle(sup, &early, true);
}

static int submit(struct exec_probe *p)
{
	struct spawn_rlimit rlimits[RLIMITS_MAX];
	struct spawn_request request;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	p->out_fd = fds[0];
	p->write_fd = fds[1];
	(void)fd_set_nonblock(p->out_fd, true);
	p->out_io = loop_io_new(p->sup->loop, p->out_fd, EPOLLIN, on_output, p);
	if (!p->out_io)
		return -errno;
	launch_request(p->owner->unit, &request, rlimits, RLIMITS_MAX);
	request.command = p->command->text;
	request.argv = p->command->argv;
	request.stdout_fd = request.stderr_fd = p->write_fd;
	request.cgroup_fd = -1; /* its limits and its end are not the service's */
	request.tag = p->tag;
	return spawner_submit(p->sup->spawner, &request, on_spawned, p);
}

/* End what an earlier server may have left of such a probe. */
static bool sweep(struct exec_probe *p)
{
	const struct stop_target target = { .pidfd = -1, .tag = p->tag, .mode = KILL_GROUP };
	uint32_t bit = 1U << (p->check % 32);

	if (p->owner->swept & bit || keeper_link_generation(p->sup->keeper) == 0)
		return false;
	p->owner->swept |= bit;
	p->stop = stop_new(p->sup->stopper, &target, on_gone, p);
	if (!p->stop)
		return false;
	p->sweeping = true;
	(void)stop_kill(p->stop);
	return true;
}

static int spawn_or_sweep(struct exec_probe *p)
{
	int r;

	if (sweep(p))
		return 0;
	r = submit(p);
	p->spawning = r == 0;
	return r;
}

/* Its turn has come, later than it was asked. */
static void begin(struct exec_probe *p)
{
	int r;

	if (p->answered) {
		exec_free(p);
		return;
	}
	r = spawn_or_sweep(p);
	if (r < 0)
		fail(p, PROBE_UNAVAILABLE, -r, strerror(-r));
}

static void set_tag(struct exec_probe *p, const struct unit *unit)
{
	const struct health_config *config = CONTAINER_OF(p->command, struct health_config, target);
	char name[LIMIT_NAME + 32];

	p->check = (size_t)(config - unit->config->health.items);
	(void)snprintf(name, sizeof(name), "%s/health/%zu", unit->config->name, p->check);
	p->tag = tree_tag(unit->sup->tag_instance, name);
}

struct probe *probes_exec(const void *command, usec_t timeout, probe_fn fn, void *fn_data, void *data)
{
	struct probes *owner = data;
	struct supervisor *sup = owner->unit->sup;
	struct exec_probe *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return NULL;
	*p = (struct exec_probe){
		.base = { .cancel = exec_cancel, .fn = fn, .data = fn_data },
		.sup = sup,
		.owner = owner,
		.command = command,
		.pidfd = -1,
		.out_fd = -1,
		.write_fd = -1,
		.timer = loop_timer_new(sup->loop, on_timer, p),
	};
	set_tag(p, owner->unit);
	list_append(&sup->exec_probes, &p->node);
	r = !p->timer ? -ENOMEM : is_first(p) ? spawn_or_sweep(p) : 0;
	if (r < 0) {
		exec_free(p);
		errno = -r;
		return NULL;
	}
	loop_timer_arm(p->timer, time_add(loop_now(sup->loop), timeout));
	return &p->base;
}

void probes_exec_fini(struct supervisor *sup)
{
	struct exec_probe *p;

	/* first of all: the end of one begins the next of its check, if that one is still to be answered */
	LIST_FOREACH (p, &sup->exec_probes, node) {
		p->answered = true;
		p->owner = NULL;
	}
	while (!list_empty(&sup->exec_probes)) {
		p = LIST_ENTRY(sup->exec_probes.next, struct exec_probe, node);
		if (p->pid)
			(void)kill(-p->pid, SIGKILL); /* not reaped yet, so the group is ours */
		(void)spawner_forget(sup->spawner, p);
		exec_free(p);
	}
}
