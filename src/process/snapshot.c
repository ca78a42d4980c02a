/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the look at the processes of a service for the record of an incident. */
#include "process/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

#define STACK_SIZE 4096U

void snapshot_free(struct snapshot *s)
{
	free(s);
}

/* A small file of /proc, NUL-terminated. Returns its bytes; 0: it can't be read. */
static size_t read_small(const char *path, char *out, size_t size)
{
	AUTO(auto_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, out, size - 1);

	out[MAX(n, 0)] = '\0';
	return (size_t)MAX(n, 0);
}

/* The number that a name is, or -1: it is none ("."). */
static long number_of(const char *name)
{
	char *end;
	long number = strtol(name, &end, 10);

	return *end || end == name ? -1 : number;
}

/* "[<0>] hrtimer_nanosleep+0x74/0xf0" on the first line. For root only. */
static void innermost(const char *stack, char out[SNAPSHOT_WAIT_SIZE])
{
	const char *name = strstr(stack, "] ");
	size_t len;

	out[0] = '\0';
	if (!name)
		return;
	name += 2;
	len = MIN(strcspn(name, "+\n"), (size_t)SNAPSHOT_WAIT_SIZE - 1);
	memcpy(out, name, len);
	out[len] = '\0';
}

/* Kernels without names of symbols, or that do not tell them to us, say "0". */
static void read_wait(pid_t pid, long tid, char out[SNAPSHOT_WAIT_SIZE])
{
	char path[80];
	char stack[STACK_SIZE];

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%ld/wchan", pid, tid);
	(void)read_small(path, out, SNAPSHOT_WAIT_SIZE);
	if (strcmp(out, "0") != 0 && out[0])
		return;
	(void)snprintf(path, sizeof(path), "/proc/%d/task/%ld/stack", pid, tid);
	(void)read_small(path, stack, sizeof(stack));
	innermost(stack, out);
}

static char read_state(pid_t pid, long tid)
{
	char path[80];
	char text[512];
	const char *after;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%ld/stat", pid, tid);
	(void)read_small(path, text, sizeof(text));
	after = strrchr(text, ')');
	return after && after[1] == ' ' ? after[2] : '?';
}

static bool add_thread(struct snapshot *s, struct snapshot_process *p, long tid)
{
	struct snapshot_thread *t = &s->threads[s->threads_n];

	if (s->threads_n == SNAPSHOT_THREADS_MAX || p->threads_n == SNAPSHOT_THREADS_EACH)
		return false;
	t->tid = (pid_t)tid;
	t->state = read_state(p->stats.proc.pid, tid);
	t->wait[0] = '\0';
	if (t->state != 'R')
		read_wait(p->stats.proc.pid, tid, t->wait);
	s->threads_n++;
	p->threads_n++;
	return true;
}

static bool add_fd(struct snapshot *s, struct snapshot_process *p, long number)
{
	struct snapshot_fd *fd = &s->fds[s->fds_n];
	char path[80];
	ssize_t n;

	if (s->fds_n == SNAPSHOT_FDS_MAX || p->fds_n == SNAPSHOT_FDS_EACH)
		return false;
	(void)snprintf(path, sizeof(path), "/proc/%d/fd/%ld", p->stats.proc.pid, number);
	n = readlink(path, fd->target, sizeof(fd->target) - 1);
	fd->target[MAX(n, 0)] = '\0';
	fd->fd = (int)number;
	s->fds_n++;
	p->fds_n++;
	return true;
}

/* The numbers that name the entries of /proc/PID/WHAT, until `add` has no more room. */
static void each_entry(struct snapshot *s, struct snapshot_process *p, const char *what,
		       bool (*add)(struct snapshot *s, struct snapshot_process *p, long number))
{
	struct dirent *entry;
	char path[64];
	bool room = true;
	long number;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", p->stats.proc.pid, what);
	dir = opendir(path);
	while (dir && room && (entry = readdir(dir))) {
		number = number_of(entry->d_name);
		room = number < 0 || add(s, p, number);
	}
	if (dir)
		(void)closedir(dir);
}

static bool is_stuck(const struct snapshot *s, const struct snapshot_process *p)
{
	for (size_t i = 0; i < p->threads_n; i++) {
		if (s->threads[p->threads_at + i].state == 'D')
			return true;
	}
	return false;
}

static void read_command(const struct snapshot *s, struct snapshot_process *p)
{
	char path[64];
	ssize_t n;

	if (!is_stuck(s, p)) {
		tree_cmdline(p->stats.proc.pid, p->command, sizeof(p->command));
		return;
	}
	(void)snprintf(path, sizeof(path), "/proc/%d/exe", p->stats.proc.pid);
	n = readlink(path, p->command, sizeof(p->command) - 1);
	p->command[MAX(n, 0)] = '\0';
}

static void add_process(struct snapshot *s, pid_t pid)
{
	struct snapshot_process *p = &s->processes[s->n];

	*p = (struct snapshot_process){ .threads_at = s->threads_n, .fds_at = s->fds_n };
	if (stats_process(pid, false, &p->stats) < 0)
		return;
	each_entry(s, p, "task", add_thread);
	each_entry(s, p, "fd", add_fd);
	read_command(s, p);
	s->n++;
}

int snapshot_take(const struct tree_query *query, struct snapshot **out)
{
	struct tree_list members = { 0 };
	struct snapshot *s = malloc(sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->n = s->threads_n = s->fds_n = 0;
	/* of a storm that multiplies while we look, those that were found */
	(void)tree_members(query, &members);
	s->found = members.n;
	if (tree_list_find(&members, query->main))
		add_process(s, query->main);
	for (size_t i = 0; i < members.n && s->n < SNAPSHOT_PROCESSES_MAX; i++) {
		if (members.procs[i].pid != query->main)
			add_process(s, members.procs[i].pid);
	}
	tree_list_fini(&members);
	*out = s;
	return 0;
}
