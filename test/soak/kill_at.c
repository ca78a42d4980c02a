/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: a process stopped at its system calls, for tests.
 *
 *   kill_at COUNTS N PROGRAM [ARGUMENT...]   becomes PROGRAM, killed at the N-th stop of any of its threads
 *   kill_at hold TID                         holds one thread of another process until our input ends
 *
 * Each system call has two stops: before it begins, and after it is done. So the odd and the even N of a single thread are
 * "before" and "after". COUNTS is a file of one uint64_t, the number of stops so far; N = 0 only counts. The process keeps
 * its pid and its parent: the tracer is a grandchild of it. Only ptrace(2) that all machines have: no registers are read.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define OPTIONS (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACECLONE)
#define HOLD_LOOK_MS 10
#define SYSCALL_STOP (SIGTRAP | 0x80)

static int fail(const char *what)
{
	(void)fprintf(stderr, "kill_at: %s: %s\n", what, strerror(errno));
	return 1;
}

static bool is_thread_of(pid_t tid, pid_t pid)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d", (int)pid, (int)tid);
	return access(path, F_OK) == 0;
}

/* A stop that is no system call: a new thread or process, an exec, a signal on its way. */
static void let_go_on(pid_t tid, pid_t pid, int status)
{
	int event = status >> 16;
	int signo = WSTOPSIG(status);

	if (event == PTRACE_EVENT_STOP && !is_thread_of(tid, pid))
		(void)ptrace(PTRACE_DETACH, tid, 0, 0); /* a service on its way: none of ours */
	else if (event == PTRACE_EVENT_STOP && signo != SIGTRAP)
		(void)ptrace(PTRACE_LISTEN, tid, 0, 0); /* stopped by a signal, as it would be without us */
	else
		(void)ptrace(PTRACE_SYSCALL, tid, 0, event ? 0 : signo);
}

static void follow(pid_t pid, volatile uint64_t *count, uint64_t n)
{
	bool began = false;
	int status;
	pid_t tid;

	while ((tid = waitpid(-1, &status, __WALL)) > 0 || (tid < 0 && errno == EINTR)) {
		if (tid < 0 || !WIFSTOPPED(status))
			continue;
		if (status >> 16 == PTRACE_EVENT_EXEC)
			began = true;
		if (WSTOPSIG(status) == SYSCALL_STOP && began && ++*count == n)
			(void)kill(pid, SIGKILL);
		if (WSTOPSIG(status) == SYSCALL_STOP)
			(void)ptrace(PTRACE_SYSCALL, tid, 0, 0);
		else
			let_go_on(tid, pid, status);
	}
}

/* In the grandchild. The end of `go` tells the process that it is being traced. */
static void trace(pid_t pid, const char *counts, uint64_t n, int go)
{
	int fd = open(counts, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	volatile uint64_t *count;

	if (fd < 0 || ftruncate(fd, sizeof(*count)) < 0)
		_exit(fail(counts));
	count = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (count == MAP_FAILED)
		_exit(fail(counts));
	*count = 0;
	if (ptrace(PTRACE_SEIZE, pid, 0, OPTIONS) < 0 || ptrace(PTRACE_INTERRUPT, pid, 0, 0) < 0)
		_exit(fail("tracing the process"));
	/* what the process was given, the keeper's socket above all, must end with it and not with us */
	for (int i = STDERR_FILENO + 1; i < 64; i++) {
		if (i != go)
			(void)close(i);
	}
	(void)close(go);
	follow(pid, count, n);
	_exit(0);
}

static int begin(char *argv[])
{
	pid_t pid = getpid();
	int go[2];
	pid_t child;
	char byte;

	if (pipe2(go, O_CLOEXEC) < 0)
		return fail("pipe");
	child = fork();
	if (child == 0) {
		if (fork() == 0)
			trace(pid, argv[1], strtoull(argv[2], NULL, 10), go[1]);
		_exit(0);
	}
	(void)close(go[1]);
	(void)waitpid(child, NULL, 0);
	while (read(go[0], &byte, 1) < 0 && errno == EINTR)
		;
	(void)close(go[0]);
	(void)execv(argv[3], argv + 3);
	return fail(argv[3]);
}

static int hold(pid_t tid)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	char byte;

	if (ptrace(PTRACE_SEIZE, tid, 0, 0) < 0 || ptrace(PTRACE_INTERRUPT, tid, 0, 0) < 0 ||
	    waitpid(tid, NULL, __WALL) != tid)
		return fail("holding the thread");
	if (printf("held\n") < 0 || fflush(stdout) != 0)
		return 1;
	/* the thread may end, by a SIGKILL to all of its process; that is complete only when we have seen it */
	while ((poll(&input, 1, HOLD_LOOK_MS) <= 0 || (read(STDIN_FILENO, &byte, 1) < 0 && errno == EINTR)) &&
	       waitpid(tid, NULL, __WALL | WNOHANG) == 0)
		;
	return 0; /* our end lets it go on */
}

int main(int argc, char *argv[])
{
	if (argc == 3 && strcmp(argv[1], "hold") == 0)
		return hold((pid_t)strtol(argv[2], NULL, 10));
	if (argc >= 4)
		return begin(argv);
	(void)fputs("usage: kill_at COUNTS N PROGRAM [ARGUMENT...] | kill_at hold TID\n", stderr);
	return 2;
}
