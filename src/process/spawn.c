/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: preparing a plan for the child, the clone, and reading what became of it. */
#include "process/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/kernel_names.h"
#include "base/mem.h"
#include "base/str.h"
#include "process/account.h"
#include "process/clone.h"
#include "process/command.h"
#include "process/signal.h"
#include "process/spawn_internal.h"

#define STACK_SIZE (64U << 10)
#define GUARD_SIZE (16U << 10) /* whole pages on every machine but those with 64 KiB pages, where mprotect(2) refuses it */
#define CAPABILITIES_MAX 64

struct spawn_stack {
	char *base; /* guard, then the stack */
};

struct spawn_stack *spawn_stack_new(void)
{
	struct spawn_stack *s = malloc(sizeof(*s));

	if (!s)
		return NULL;
	s->base = mmap(NULL, GUARD_SIZE + STACK_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
	if (s->base == MAP_FAILED) {
		free(s);
		return NULL;
	}
	/* a missing guard is no reason not to start services */
	(void)mprotect(s->base, GUARD_SIZE, PROT_NONE);
	return s;
}

void spawn_stack_free(struct spawn_stack *stack)
{
	if (!stack)
		return;
	(void)munmap(stack->base, GUARD_SIZE + STACK_SIZE);
	free(stack);
}

static int fail(struct spawn_result *result, enum spawn_stage stage, int error, const char *value)
{
	result->stage = stage;
	result->error = error;
	(void)str_copy(result->value, sizeof(result->value), value ? value : "");
	return -error;
}

static int prepare_command(struct spawn_plan *p, struct spawn_result *result)
{
	const struct spawn_request *r = p->request;
	int n;

	if (!r->command) {
		if (!r->argv || !r->argv[0] || !r->argv[0][0])
			return fail(result, SPAWN_COMMAND, EINVAL, "");
		p->argv = (char *const *)r->argv;
		return 0;
	}
	p->shell_argv[0] = "sh";
	p->shell_argv[1] = "-c";
	p->shell_argv[2] = r->command;
	n = command_split(r->command, &p->words);
	if (n < 0)
		return fail(result, SPAWN_COMMAND, -n, r->command);
	p->split = n == 1 && !r->always_shell;
	p->by_shell = !p->split;
	p->argv = p->split ? p->words : (char *const *)p->shell_argv;
	return 0;
}

static int prepare_candidates(struct spawn_plan *p, struct spawn_result *result)
{
	const char *program = p->by_shell ? "/bin/sh" : p->argv[0];

	p->candidates = command_candidates(program, env_get(&p->env, "PATH"));
	return p->candidates ? 0 : fail(result, SPAWN_PREPARE, ENOMEM, "");
}

static int prepare_env(struct spawn_plan *p, const struct account *user, struct spawn_result *result)
{
	const struct spawn_request *r = p->request;
	const char *const *base = r->base_env ? r->base_env : (const char *const *)environ;
	struct error err = { 0 };
	int e = 0;

	for (; e == 0 && *base; base++)
		e = env_add(&p->env, *base);
	if (e == 0 && r->user && user->known) {
		e = env_set(&p->env, "HOME", user->home, strlen(user->home)) < 0 ||
		    env_set(&p->env, "USER", user->name, strlen(user->name)) < 0 ||
		    env_set(&p->env, "LOGNAME", user->name, strlen(user->name)) < 0;
	}
	for (const char *const *file = r->env_files; e == 0 && file && *file; file++) {
		if (env_add_file(&p->env, *file, &err) < 0)
			return fail(result, SPAWN_ENV_FILE, err.code, err.msg);
	}
	for (const char *const *var = r->env; e == 0 && var && *var; var++) {
		if (!r->env_expand)
			e = env_add(&p->env, *var);
		else if (env_add_expanded(&p->env, *var, &err) < 0)
			return fail(result, SPAWN_PREPARE, err.code, err.msg);
	}
	if (e == 0)
		e = env_finish(&p->env);
	return e == 0 ? 0 : fail(result, SPAWN_PREPARE, ENOMEM, "");
}

/* The groups of the user or the group alone, and those of the request. */
static int prepare_groups(struct spawn_plan *p, const struct account *user, struct spawn_result *result)
{
	const struct spawn_request *r = p->request;
	size_t extra = 0;
	gid_t *grown;
	int n;

	while (r->groups && r->groups[extra])
		extra++;
	n = account_groups(user, p->set_group ? p->gid : getegid(), &p->groups);
	if (n < 0)
		return fail(result, SPAWN_GROUPS, -n, r->user ? r->user : "");
	grown = reallocarray(p->groups, (size_t)n + extra, sizeof(gid_t));
	if (!grown)
		return fail(result, SPAWN_PREPARE, ENOMEM, "");
	p->groups = grown;
	for (size_t i = 0; i < extra; i++) {
		int e = account_group(r->groups[i], &p->groups[n]);

		if (e < 0)
			return fail(result, SPAWN_GROUPS, -e, r->groups[i]);
		n++;
	}
	p->n_groups = (size_t)n;
	return 0;
}

static int prepare_credentials(struct spawn_plan *p, struct account *user, struct spawn_result *result)
{
	const struct spawn_request *r = p->request;

	if (r->user) {
		int e = account_user(r->user, user);

		if (e < 0)
			return fail(result, SPAWN_USER, -e, r->user);
		p->set_user = true;
		p->uid = user->uid;
	}
	if (r->group) {
		int e = account_group(r->group, &p->gid);

		if (e < 0)
			return fail(result, SPAWN_GROUP, -e, r->group);
		p->set_group = true;
	} else if (r->user) {
		if (!user->known) /* a bare number tells no group, and 0 would be a bad guess */
			return fail(result, SPAWN_GROUP, ENOENT, r->user);
		p->set_group = true;
		p->gid = user->gid;
	}
	if (!r->user && !r->group && !(r->groups && r->groups[0]))
		return 0;
	/* a server without privileges, asked to be who it is */
	if (geteuid() != 0 && (!p->set_user || p->uid == geteuid()) && (!p->set_group || p->gid == getegid()) &&
	    !(r->groups && r->groups[0])) {
		p->set_user = p->set_group = false;
		return 0;
	}
	return prepare_groups(p, user, result);
}

static int add_move(struct spawn_plan *p, int source, int target)
{
	for (size_t i = 0; i < p->n_moves; i++) {
		if (p->moves[i].target == target)
			return -EINVAL;
	}
	p->moves[p->n_moves++] = (struct spawn_move){ source, target };
	p->max_target = MAX(p->max_target, target);
	return 0;
}

static int prepare_fds(struct spawn_plan *p, struct spawn_result *result)
{
	const struct spawn_request *r = p->request;
	char text[32];

	p->max_target = 2;
	(void)add_move(p, r->stdin_path ? -1 : r->stdin_fd, 0);
	(void)add_move(p, r->stdout_fd, 1);
	(void)add_move(p, r->stderr_fd, 2);
	for (size_t i = 0; i < r->n_fds; i++) {
		const struct spawn_fd *f = &r->fds[i];

		if (f->source < 0 || f->target < 3 || f->target > SPAWN_FD_TARGET_MAX || add_move(p, f->source, f->target) < 0) {
			(void)snprintf(text, sizeof(text), "%d to %d", f->source, f->target);
			return fail(result, SPAWN_FDS, EINVAL, text);
		}
	}
	if (r->stdin_path && r->stdin_path[0] != '/')
		return fail(result, SPAWN_STDIN, EINVAL, r->stdin_path);
	return 0;
}

/* The last capability that this kernel knows. */
static int last_capability(void)
{
	int cap = CAPABILITIES_MAX - 1;

	while (cap > 0 && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) < 0)
		cap--;
	return cap;
}

static int prepare(struct spawn_plan *p, struct spawn_result *result)
{
	const struct spawn_request *r = p->request;
	struct account user = { 0 };
	int e;

	e = prepare_command(p, result);
	if (e == 0)
		e = prepare_credentials(p, &user, result);
	if (e == 0)
		e = prepare_env(p, &user, result);
	if (e == 0)
		e = prepare_candidates(p, result);
	if (e == 0)
		e = prepare_fds(p, result);
	if (e < 0)
		return e;
	if (r->set_oom_score_adj)
		p->oom_len = (size_t)snprintf(p->oom_text, sizeof(p->oom_text), "%d", r->oom_score_adj);
	if (p->oom_len >= sizeof(p->oom_text))
		return fail(result, SPAWN_OOM_SCORE, ERANGE, "");
	if (r->set_capabilities)
		p->last_capability = last_capability();
	return 0;
}

static void plan_fini(struct spawn_plan *p)
{
	env_fini(&p->env);
	free(p->words);
	free(p->candidates);
	free(p->groups);
}

/*
 * A child that changes its user makes the memory that it shares with us "not dumpable", which keeps that user from
 * tracing it, and us from having core dumps. The flag is given back when no such child is left.
 */
static pthread_mutex_t undumpable_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int undumpable_children;
static bool was_dumpable;

static void undumpable_begin(void)
{
	(void)pthread_mutex_lock(&undumpable_lock);
	if (undumpable_children++ == 0)
		was_dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1;
	(void)pthread_mutex_unlock(&undumpable_lock);
}

static void undumpable_end(void)
{
	(void)pthread_mutex_lock(&undumpable_lock);
	if (--undumpable_children == 0 && was_dumpable)
		(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	(void)pthread_mutex_unlock(&undumpable_lock);
}

static long try_clone3(struct spawn_stack *stack, struct spawn_plan *p, bool into_cgroup, int *pidfd)
{
	const struct spawn_request *r = p->request;
	struct clone_args args = {
		.flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | (r->as_sibling ? CLONE_PARENT : 0),
		.pidfd = (uintptr_t)pidfd,
		/* with CLONE_PARENT it is that of the caller */
		.exit_signal = r->as_sibling ? 0 : SIGCHLD,
		.stack = (uintptr_t)(stack->base + GUARD_SIZE),
		.stack_size = STACK_SIZE,
	};

	if (r->pid_slot) {
		/* even a kill of the server within clone leaves the pid on record */
		args.flags |= CLONE_PARENT_SETTID;
		args.parent_tid = (uintptr_t)r->pid_slot;
	}
	if (into_cgroup) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (unsigned int)r->cgroup_fd;
	}
	p->born_in_cgroup = into_cgroup;
	return clone_with_stack(&args, sizeof(args), spawn_child, p);
}

/* Older kernels, and containers that filter clone3. */
static long try_clone(struct spawn_stack *stack, struct spawn_plan *p, int *pidfd)
{
	int flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD | (p->request->as_sibling ? CLONE_PARENT : 0);
	long pid = clone(spawn_child, stack->base + GUARD_SIZE + STACK_SIZE, flags, p, pidfd);

	return pid < 0 ? -errno : pid;
}

static long clone_child(struct spawn_stack *stack, struct spawn_plan *p, int *pidfd)
{
	bool into_cgroup = p->request->cgroup_fd >= 0 && !p->request->join_cgroup;
	long pid = try_clone3(stack, p, into_cgroup, pidfd);

	if (into_cgroup && (pid == -E2BIG || pid == -EINVAL)) /* Linux before 5.7 */
		pid = try_clone3(stack, p, false, pidfd);
	if (pid == -ENOSYS) {
		p->born_in_cgroup = false;
		pid = try_clone(stack, p, pidfd);
	}
	return pid;
}

static int clone_failed(const struct spawn_plan *p, int error, struct spawn_result *result)
{
	bool cgroup = p->born_in_cgroup &&
		      (error == EACCES || error == EBUSY || error == EOPNOTSUPP || error == ENODEV || error == EBADF);

	return fail(result, cgroup ? SPAWN_CGROUP : SPAWN_CLONE, error, "");
}

static void text_of_limit(const struct spawn_rlimit *limit, char *out, size_t size)
{
	const char *name = rlimit_name(limit->resource);
	char soft[24] = "infinity";
	char hard[24] = "infinity";

	if (limit->soft != UINT64_MAX)
		(void)snprintf(soft, sizeof(soft), "%llu", (unsigned long long)limit->soft);
	if (limit->hard != UINT64_MAX)
		(void)snprintf(hard, sizeof(hard), "%llu", (unsigned long long)limit->hard);
	(void)snprintf(out, size, "%s=%s:%s", name ? name : "?", soft, hard);
}

/* The value that the child tried when it failed. */
static void text_of_value(const struct spawn_plan *p, char *out, size_t size)
{
	const struct spawn_request *r = p->request;
	size_t index = p->index;

	out[0] = '\0';
	switch (p->at) {
	case SPAWN_SESSION:
		(void)str_copy(out, size, r->session == SPAWN_NEW_SESSION ? "setsid" : "setpgid");
		break;
	case SPAWN_FDS:
		(void)snprintf(out, size, "%d", p->moves[index].target);
		break;
	case SPAWN_STDIN:
		(void)str_copy(out, size, r->stdin_path);
		break;
	case SPAWN_OOM_SCORE:
		(void)str_copy(out, size, p->oom_text);
		break;
	case SPAWN_NICE:
		(void)snprintf(out, size, "%d", r->nice);
		break;
	case SPAWN_RLIMIT:
		text_of_limit(&r->rlimits[index], out, size);
		break;
	case SPAWN_CAPABILITIES: {
		const char *name = capability_name((int)index);

		(void)str_copy(out, size, name ? name : "all");
		break;
	}
	case SPAWN_SETGROUPS:
		(void)snprintf(out, size, "%zu groups", p->n_groups);
		break;
	case SPAWN_SETGID:
		(void)snprintf(out, size, "%u", p->gid);
		break;
	case SPAWN_SETUID:
		(void)snprintf(out, size, "%u", p->uid);
		break;
	case SPAWN_DIR:
		(void)str_copy(out, size, r->dir);
		break;
	case SPAWN_EXEC:
		/* the search along PATH is told by the name that was looked for */
		(void)str_copy(out, size, p->candidates[1] ? p->argv[0] : p->candidates[0]);
		break;
	case SPAWN_OK:
	case SPAWN_PREPARE:
	case SPAWN_COMMAND:
	case SPAWN_ENV_FILE:
	case SPAWN_USER:
	case SPAWN_GROUP:
	case SPAWN_GROUPS:
	case SPAWN_CLONE:
	case SPAWN_CGROUP:
	case SPAWN_NO_NEW_PRIVILEGES:
	case SPAWN_KILLED:
	case SPAWN_STAGE_N:
		break;
	}
}

/* Parent, after the child has called exec or ended. */
static int collect(const struct spawn_plan *p, pid_t pid, int pidfd, struct spawn_result *result)
{
	char value[SPAWN_VALUE_MAX];

	result->by_shell = p->by_shell;
	if (p->error == 0 && p->at == SPAWN_EXEC) {
		result->pid = pid;
		result->pidfd = pidfd;
		return 0;
	}
	if (pidfd >= 0)
		(void)close(pidfd);
	if (p->request->as_sibling)
		result->pid = pid;
	else
		(void)waitpid(pid, NULL, 0);
	if (p->error == 0) {
		(void)snprintf(value, sizeof(value), "%s", spawn_stage_name(p->at));
		return fail(result, SPAWN_KILLED, EINTR, value);
	}
	text_of_value(p, value, sizeof(value));
	return fail(result, p->at, p->error, value);
}

int spawn_run(struct spawn_stack *stack, const struct spawn_request *request, struct spawn_result *result)
{
	struct spawn_plan plan = { .request = request };
	sigset_t all;
	sigset_t before;
	int pidfd = -1;
	long pid;
	int r;

	*result = (struct spawn_result){ .pidfd = -1 };
	r = prepare(&plan, result);
	if (r < 0) {
		plan_fini(&plan);
		return r;
	}
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	if (plan.set_user)
		undumpable_begin();
	pid = clone_child(stack, &plan, &pidfd);
	if (plan.set_user)
		undumpable_end();
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);

	r = pid < 0 ? clone_failed(&plan, (int)-pid, result) : collect(&plan, (pid_t)pid, pidfd, result);
	plan_fini(&plan);
	return r;
}
