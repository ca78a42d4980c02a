/* SPDX-License-Identifier: Apache-2.0 */
/* Those that multiply, or slip away from their parents and groups. */
#include "zoo.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Each hop may leave a zombie to a slow reaper: all of them must stay far below what the machine has. */
#define HOPS 8000

static time_t end_of_life;
static unsigned int hops;

static int tired(void)
{
	if (!end_of_life)
		end_of_life = time(NULL) + LIFE;
	return ++hops > HOPS || time(NULL) >= end_of_life;
}

/* Becomes a daemon below a parent that goes on; returns in the daemon only. */
static void slip_away(void)
{
	if (sure_fork() == 0) {
		(void)setsid();
		if (sure_fork() > 0)
			_exit(0);
		return;
	}
	(void)wait(NULL);
	linger();
	_exit(0);
}

static int double_fork(int argc, char **argv)
{
	(void)argc, (void)argv;
	slip_away();
	ignore_term();
	ready();
	linger();
	return 0;
}

/* The whole service daemonises: its main process ends. */
static int daemonised(int argc, char **argv)
{
	(void)argc, (void)argv;
	if (sure_fork() > 0)
		_exit(0);
	(void)setsid();
	if (sure_fork() > 0)
		_exit(0);
	ignore_term();
	ready();
	linger();
	return 0;
}

static int setsid_child(int argc, char **argv)
{
	(void)argc, (void)argv;
	if (sure_fork() == 0) {
		(void)setsid();
		ignore_term();
		ready();
	}
	linger();
	return 0;
}

static int group_left(int argc, char **argv)
{
	(void)argc, (void)argv;
	if (sure_fork() == 0) {
		(void)setpgid(0, 0);
		ignore_term();
		ready();
	}
	linger();
	return 0;
}

/* Moves its child into the group of whoever started it. */
static int group_joined(int argc, char **argv)
{
	(void)argc, (void)argv;
	if (sure_fork() == 0) {
		(void)setpgid(0, getpgid(getppid() == 1 ? 0 : getppid()));
		ignore_term();
		if (sure_fork() == 0)
			(void)setpgid(0, 0);
		else
			ready();
	}
	linger();
	return 0;
}

static int chain(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (int i = 0; i < 6; i++) {
		if (sure_fork() == 0) {
			(void)setsid();
			ignore_term();
			continue;
		}
		linger();
		_exit(0);
	}
	ready();
	linger();
	return 0;
}

static int storm(int argc, char **argv)
{
	(void)argc, (void)argv;
	/* two to the seventh, all in sessions of their own, none with a living parent but the first */
	for (int i = 0; i < 7; i++) {
		if (sure_fork() == 0)
			(void)setsid();
	}
	ignore_term();
	ready();
	linger();
	return 0;
}

/* Says "ready" when it has been running for a while. */
static void sprint(void (*hop)(void))
{
	ignore_term();
	while (!tired()) {
		if (hops == 20)
			ready();
		if (sure_fork() > 0)
			_exit(0);
		hop();
	}
}

static void stay_in_group(void)
{
}

static void leave_session(void)
{
	(void)setsid();
}

static int sprinter(int argc, char **argv)
{
	(void)argc, (void)argv;
	sprint(stay_in_group);
	return 0;
}

static int sprinter_setsid(int argc, char **argv)
{
	(void)argc, (void)argv;
	sprint(leave_session);
	return 0;
}

static int many(int argc, char **argv)
{
	int n = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 500;

	for (int i = 0; i < n; i++) {
		if (sure_fork() == 0) {
			ignore_term();
			linger();
			_exit(0);
		}
	}
	ready();
	linger();
	return 0;
}

static int many_orphans(int argc, char **argv)
{
	int n = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 200;

	for (int i = 0; i < n; i++) {
		if (sure_fork() == 0) {
			(void)setsid();
			ignore_term();
			linger();
			_exit(0);
		}
	}
	ready();
	return 0;
}

static int stdout_held(int argc, char **argv)
{
	(void)argc, (void)argv;
	if (sure_fork() > 0)
		return 0;
	ignore_term();
	ready();
	linger();
	return 0;
}

/* A child of our parent: no kin of ours by any list. */
static int clone_parent(int argc, char **argv)
{
	(void)argc, (void)argv;
	if (syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0) == 0) {
		(void)setsid();
		ignore_term();
		ready();
	}
	linger();
	return 0;
}

static int vfork_child(int argc, char **argv)
{
	(void)argc, (void)argv;
	/* the parent sleeps in the kernel until its child ends */
	if (syscall(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0) == 0) {
		ignore_term();
		ready();
		linger();
		_exit(0);
	}
	linger();
	return 0;
}

static int subreaper(int argc, char **argv)
{
	(void)argc, (void)argv;
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (int i = 0; i < 5; i++) {
		if (sure_fork() == 0) {
			(void)setsid();
			if (sure_fork() > 0)
				_exit(0);
			ignore_term();
			if (i == 4)
				ready();
			linger();
			_exit(0);
		}
	}
	linger();
	return 0;
}

/* Two that watch each other and replace the one that dies. */
static int phoenix(int argc, char **argv)
{
	(void)argc, (void)argv;
	ignore_term();
	(void)tired();
	ready();
	while (!tired()) {
		pid_t child = sure_fork();

		if (child == 0) {
			pid_t parent = getppid();

			(void)setsid();
			while (getppid() == parent)
				(void)usleep(500);
			continue; /* it was killed: take its place */
		}
		(void)waitpid(child, NULL, 0);
	}
	return 0;
}

static volatile sig_atomic_t asked;

static void on_term(int signo)
{
	(void)signo;
	asked = 1;
}

static int forks_on_term(int argc, char **argv)
{
	(void)argc, (void)argv;
	(void)signal(SIGTERM, on_term);
	ready();
	for (int i = 0; i < LIFE && !asked; i++)
		(void)sleep(1);
	for (int i = 0; i < 10; i++) {
		if (sure_fork() == 0) {
			(void)setsid();
			if (sure_fork() > 0)
				_exit(0);
			ignore_term();
			linger();
			_exit(0);
		}
	}
	return 0;
}

static int new_pid_namespace(int argc, char **argv)
{
	(void)argc, (void)argv;
	(void)unshare(CLONE_NEWPID); /* plain users may not: then it is a common child */
	if (sure_fork() == 0) {
		(void)setsid();
		ignore_all();
		if (sure_fork() > 0)
			ready();
	}
	linger();
	return 0;
}

static int zombies(int argc, char **argv)
{
	(void)argc, (void)argv;
	ignore_term();
	for (int i = 0; i < 100; i++) {
		if (sure_fork() == 0)
			_exit(0);
	}
	ready();
	linger();
	return 0;
}

const struct animal forkers[] = {
	{ "double_fork", double_fork, "main stays, a daemon of it ignores TERM" },
	{ "daemonised", daemonised, "main ends at once, the daemon ignores TERM" },
	{ "setsid_child", setsid_child, "a child in its own session ignores TERM" },
	{ "group_left", group_left, "a child in its own group ignores TERM" },
	{ "group_joined", group_joined, "a child changes groups, and its child again" },
	{ "chain", chain, "six nested sessions" },
	{ "storm", storm, "128 processes in as many sessions" },
	{ "sprinter", sprinter, "forks and exits for ever, in its group" },
	{ "sprinter_setsid", sprinter_setsid, "forks and exits for ever, each in a new session" },
	{ "many", many, "many children that ignore TERM" },
	{ "many_orphans", many_orphans, "leaves many sessions behind and ends" },
	{ "stdout_held", stdout_held, "ends; its child holds stdout" },
	{ "clone_parent", clone_parent, "makes a child of its own parent, in a new session" },
	{ "vfork_child", vfork_child, "sleeps in vfork under a child that ignores TERM" },
	{ "subreaper", subreaper, "collects daemons of its own" },
	{ "phoenix", phoenix, "two that replace each other" },
	{ "forks_on_term", forks_on_term, "answers TERM with ten daemons" },
	{ "new_pid_namespace", new_pid_namespace, "a child that is pid 1 of its namespace" },
	{ "zombies", zombies, "does not wait for its hundred children" },
	{ 0 },
};
