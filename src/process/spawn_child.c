/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what happens between clone and exec.
 *
 * The child lives in the memory of the server: no allocation, no lock, no buffered output, nothing that libc keeps for
 * threads (setuid(3) of glibc would change all threads of the server: the system calls are made directly).
 * All signals are blocked until the last moment, so no handler of the server runs here.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "process/spawn_internal.h"

/* Instrumentation would poison the stack and the memory of the server. */
#define IN_CHILD __attribute__((no_sanitize("address", "undefined"), noinline))

/* 32-bit machines have older calls with 16-bit ids under the plain names. */
#ifdef SYS_setresuid32
#define NR_SETRESUID SYS_setresuid32
#define NR_SETRESGID SYS_setresgid32
#define NR_SETGROUPS SYS_setgroups32
#else
#define NR_SETRESUID SYS_setresuid
#define NR_SETRESGID SYS_setresgid
#define NR_SETGROUPS SYS_setgroups
#endif

#define SIGNALS 64

/* Each step returns 0 or -1 with errno. */

IN_CHILD static int enter_cgroup(struct spawn_plan *p)
{
	int dir = p->request->cgroup_fd;
	int fd;
	ssize_t n;

	if (dir < 0 || p->born_in_cgroup)
		return 0;
	fd = openat(dir, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = write(fd, "0", 1);
	return n == 1 ? close(fd) : -1;
}

IN_CHILD static int enter_session(struct spawn_plan *p)
{
	switch (p->request->session) {
	case SPAWN_NEW_GROUP:
		return setpgid(0, 0);
	case SPAWN_NEW_SESSION:
		return setsid() < 0 ? -1 : 0;
	case SPAWN_SAME_GROUP:
		return 0;
	}
	return 0;
}

IN_CHILD static void default_signals(void)
{
	struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		unsigned long mask[2];
	} action;

	/* The kernel's struct differs per machine, but all zero means "default" in each. glibc refuses its own two signals, hence raw. */
	memset(&action, 0, sizeof(action));
	for (int signo = 1; signo <= SIGNALS; signo++)
		(void)syscall(SYS_rt_sigaction, signo, &action, NULL, SIGNALS / 8);
}

IN_CHILD static int open_null(const struct spawn_plan *p)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	int high;

	if (fd < 0 || fd > p->max_target)
		return fd;
	high = fcntl(fd, F_DUPFD_CLOEXEC, p->max_target + 1);
	(void)close(fd);
	return high;
}

/* First everything above the targets, then into place: so no source is overwritten before it was used. */
IN_CHILD static int arrange_fds(struct spawn_plan *p)
{
	int null = -1;

	for (size_t i = 0; i < p->n_moves; i++) {
		struct spawn_move *m = &p->moves[i];

		if (m->source < 0) {
			if (null < 0)
				null = open_null(p);
			m->source = null;
		} else if (m->source <= p->max_target) {
			m->source = fcntl(m->source, F_DUPFD_CLOEXEC, p->max_target + 1);
		}
		if (m->source < 0) {
			p->index = i;
			return -1;
		}
	}
	for (size_t i = 0; i < p->n_moves; i++) {
		if (dup2(p->moves[i].source, p->moves[i].target) < 0) {
			p->index = i;
			return -1;
		}
	}
	return 0;
}

/* Everything but the targets. Without close_range(2) the close-on-exec flags do it. */
IN_CHILD static void close_others(const struct spawn_plan *p)
{
	for (int fd = 3; fd <= p->max_target; fd++) {
		bool wanted = false;

		for (size_t i = 0; i < p->n_moves; i++)
			wanted |= p->moves[i].target == fd;
		if (!wanted)
			(void)close(fd);
	}
	(void)syscall(SYS_close_range, (unsigned int)p->max_target + 1, ~0U, 0U);
}

IN_CHILD static int open_stdin(struct spawn_plan *p)
{
	int fd;

	if (!p->request->stdin_path)
		return 0;
	fd = open(p->request->stdin_path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || dup2(fd, 0) < 0)
		return -1;
	return close(fd);
}

IN_CHILD static int set_oom_score(struct spawn_plan *p)
{
	int fd;
	ssize_t n;

	if (!p->request->set_oom_score_adj)
		return 0;
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = write(fd, p->oom_text, p->oom_len);
	return n == (ssize_t)p->oom_len ? close(fd) : -1;
}

IN_CHILD static int set_nice(struct spawn_plan *p)
{
	return p->request->set_nice ? setpriority(PRIO_PROCESS, 0, p->request->nice) : 0;
}

IN_CHILD static int set_rlimits(struct spawn_plan *p)
{
	const struct spawn_request *r = p->request;

	if (r->tag) {
		struct { uint64_t soft, hard; } tag = { r->tag, UINT64_MAX };

		/* where the hard limit is not infinite the mark can't be set, and the other means must do */
		(void)syscall(SYS_prlimit64, 0, RLIMIT_LOCKS, &tag, NULL);
	}
	for (size_t i = 0; i < r->n_rlimits; i++) {
		struct { uint64_t soft, hard; } limit = { r->rlimits[i].soft, r->rlimits[i].hard };

		p->index = i;
		if (syscall(SYS_prlimit64, 0, r->rlimits[i].resource, &limit, NULL) < 0)
			return -1;
	}
	return 0;
}

IN_CHILD static int bound_capabilities(struct spawn_plan *p)
{
	if (!p->request->set_capabilities)
		return 0;
	for (int cap = 0; cap <= p->last_capability; cap++) {
		p->index = (size_t)cap;
		if (!(p->request->capabilities >> cap & 1) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -1;
	}
	/* the permitted set must outlive setuid */
	return prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
}

IN_CHILD static int set_groups(struct spawn_plan *p)
{
	return p->groups ? (int)syscall(NR_SETGROUPS, p->n_groups, p->groups) : 0;
}

IN_CHILD static int set_gid(struct spawn_plan *p)
{
	return p->set_group ? (int)syscall(NR_SETRESGID, p->gid, p->gid, p->gid) : 0;
}

IN_CHILD static int set_uid(struct spawn_plan *p)
{
	return p->set_user ? (int)syscall(NR_SETRESUID, p->uid, p->uid, p->uid) : 0;
}

IN_CHILD static int set_capabilities(struct spawn_plan *p)
{
	uint64_t mask = p->request->capabilities;
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (!p->request->set_capabilities)
		return 0;
	for (int i = 0; i < 2; i++) {
		data[i].effective = (uint32_t)(mask >> (32 * i));
		data[i].permitted = data[i].effective;
		data[i].inheritable = data[i].effective;
	}
	p->index = (size_t)p->last_capability + 1;
	if (syscall(SYS_capset, &header, data) < 0)
		return -1;
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (int cap = 0; cap <= p->last_capability; cap++) {
		p->index = (size_t)cap;
		if ((mask >> cap & 1) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return -1;
	}
	return 0;
}

IN_CHILD static int change_dir(struct spawn_plan *p)
{
	return p->request->dir ? chdir(p->request->dir) : 0;
}

IN_CHILD static int set_no_new_privileges(struct spawn_plan *p)
{
	return p->request->no_new_privileges ? prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) : 0;
}

/* Along PATH as execvp(3): go on where there is nothing, remember what may not be executed. */
IN_CHILD static int exec_program(struct spawn_plan *p)
{
	char *const *env = (char *const *)p->env.vars;
	int error = ENOENT;

	for (size_t i = 0; p->candidates[i]; i++) {
		p->index = i;
		(void)execve(p->candidates[i], p->argv, env);
		if (errno == ENOEXEC && p->split) {
			/* a script without "#!": sh runs it, and says what it thinks of binary files */
			p->by_shell = true;
			(void)execve("/bin/sh", (char *const *)p->shell_argv, env);
		}
		if (errno == EACCES)
			error = EACCES;
		else if (errno != ENOENT && errno != ENOTDIR)
			return -1;
		else if (!p->candidates[1])
			error = errno;
	}
	errno = error;
	return -1;
}

IN_CHILD static int unblock_and_exec(struct spawn_plan *p)
{
	unsigned long none[2] = { 0, 0 };

	(void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, none, NULL, SIGNALS / 8);
	return exec_program(p);
}

/* The order matters: what needs privileges comes before they go, what the service's user must be able to do after. */
static const struct {
	enum spawn_stage stage;
	int (*fn)(struct spawn_plan *p);
} steps[] = {
	{ SPAWN_CGROUP, enter_cgroup },
	{ SPAWN_SESSION, enter_session },
	{ SPAWN_FDS, arrange_fds },
	{ SPAWN_STDIN, open_stdin },
	{ SPAWN_OOM_SCORE, set_oom_score },
	{ SPAWN_NICE, set_nice },
	{ SPAWN_RLIMIT, set_rlimits },
	{ SPAWN_CAPABILITIES, bound_capabilities },
	{ SPAWN_SETGROUPS, set_groups },
	{ SPAWN_SETGID, set_gid },
	{ SPAWN_SETUID, set_uid },
	{ SPAWN_CAPABILITIES, set_capabilities },
	{ SPAWN_DIR, change_dir },
	{ SPAWN_NO_NEW_PRIVILEGES, set_no_new_privileges },
	{ SPAWN_EXEC, unblock_and_exec },
};

IN_CHILD int spawn_child(void *plan)
{
	struct spawn_plan *p = plan;

	if (p->request->pid_slot)
		*p->request->pid_slot = (pid_t)syscall(SYS_getpid);
	default_signals();
	if (p->request->umask >= 0)
		(void)umask((mode_t)p->request->umask);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		p->at = steps[i].stage;
		if (steps[i].fn(p) < 0) {
			p->error = errno;
			if (p->request->failure_slot)
				*p->request->failure_slot = (uint32_t)p->at << 16 | (uint32_t)p->error;
			break;
		}
		if (p->at == SPAWN_FDS)
			close_others(p);
	}
	for (;;)
		(void)syscall(SYS_exit_group, SPAWN_EXIT_CODE);
}
