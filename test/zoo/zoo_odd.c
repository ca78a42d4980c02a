/* SPDX-License-Identifier: Apache-2.0 */
/* Those that hide their traces, and those that must be left alone. */
#include "zoo.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Into a session of its own below nobody; the main process stays. */
static void detach(void)
{
	if (sure_fork() > 0) {
		linger();
		_exit(0);
	}
	(void)setsid();
	if (sure_fork() > 0)
		_exit(0);
	ignore_term();
}

static int env_wiped(int argc, char **argv)
{
	static char *const none[] = { NULL };
	static char *const again[] = { (char *)"", (char *)"lingerer", NULL };

	(void)argc, (void)argv;
	detach();
	(void)execve("/proc/self/exe", again, none);
	return 1;
}

static int lingerer(int argc, char **argv)
{
	(void)argc, (void)argv;
	ready();
	for (int fd = 0; fd < 3; fd++)
		(void)close(fd);
	if (chdir("/") == 0)
		linger();
	return 0;
}

/* A name that looks like the rest of /proc/PID/stat. */
static int renamed(int argc, char **argv)
{
	(void)argc, (void)argv;
	(void)prctl(PR_SET_NAME, "a) Z 1 1 1 (");
	detach();
	ready();
	linger();
	return 0;
}

static int no_command_line(int argc, char **argv)
{
	for (int i = -1; i < argc; i++)
		memset(argv[i], 0, strlen(argv[i]));
	detach();
	ready();
	linger();
	return 0;
}

static int all_closed(int argc, char **argv)
{
	(void)argc, (void)argv;
	ignore_term();
	ready();
	for (int fd = 0; fd < 256; fd++)
		(void)close(fd);
	linger();
	return 0;
}

static int other_user(int argc, char **argv)
{
	(void)argc, (void)argv;
	if (sure_fork() == 0) {
		if (getuid() == 0 && (setgroups(0, NULL) < 0 || setgid(65534) < 0 || setuid(65534) < 0))
			_exit(1);
		(void)setsid();
		ignore_term();
		ready();
	}
	linger();
	return 0;
}

/* Whose file is set-user-id: a child that its server may not signal. */
static int set_user_id(int argc, char **argv)
{
	(void)argc, (void)argv;
	if (sure_fork() == 0) {
		if (geteuid() != getuid() && setresuid(geteuid(), geteuid(), geteuid()) < 0)
			_exit(1);
		(void)setsid();
		ignore_term();
		ready();
	}
	linger();
	return 0;
}

static int exec_loop(int argc, char **argv)
{
	long born = argc > 1 ? strtol(argv[1], NULL, 10) : (long)time(NULL);
	char text[32];
	char *again[] = { (char *)"zoo", (char *)"exec_loop", text, NULL };

	ignore_term();
	if (argc <= 1)
		ready();
	if (time(NULL) > born + LIFE)
		return 0;
	(void)snprintf(text, sizeof(text), "%ld", born);
	(void)execv("/proc/self/exe", again);
	return argv == NULL;
}

static int burner(int argc, char **argv)
{
	time_t end = time(NULL) + LIFE;

	(void)argc, (void)argv;
	ignore_term();
	ready();
	while (time(NULL) < end)
		;
	return 0;
}

static int poor(int argc, char **argv)
{
	struct rlimit none = { 0, 0 };

	(void)argc, (void)argv;
	detach();
	(void)setrlimit(RLIMIT_NOFILE, &none);
	(void)setrlimit(RLIMIT_NPROC, &none);
	ready();
	linger();
	return 0;
}

/* Takes the mark off itself, in a session that began before: only history, session or cgroup tell. */
static int mark_removed(int argc, char **argv)
{
	struct rlimit plain = { RLIM_INFINITY, RLIM_INFINITY };

	(void)argc, (void)argv;
	if (sure_fork() == 0) {
		(void)setsid();
		ignore_term();
		(void)setrlimit(RLIMIT_LOCKS, &plain);
		if (sure_fork() == 0)
			ready();
	}
	linger();
	return 0;
}

/* The same after it has lost its parents, with no one looking: only a cgroup tells. */
static int mark_removed_alone(int argc, char **argv)
{
	struct rlimit plain = { RLIM_INFINITY, RLIM_INFINITY };

	(void)argc, (void)argv;
	detach();
	(void)setrlimit(RLIMIT_LOCKS, &plain);
	ready();
	linger();
	return 0;
}

static void tell(int signo)
{
	char text[] = "hit 00\n";

	text[4] = (char)('0' + signo / 10);
	text[5] = (char)('0' + signo % 10);
	if (write(STDOUT_FILENO, text, 7) < 0)
		_exit(1);
}

/* Must never get a signal, and tells if it does. Ends when its stdin does. */
static int canary(int argc, char **argv)
{
	char c;

	(void)argc, (void)argv;
	for (int signo = 1; signo < NSIG; signo++) {
		struct sigaction action = { .sa_handler = tell, .sa_flags = SA_RESTART };

		(void)sigaction(signo, &action, NULL);
	}
	ready();
	return read(STDIN_FILENO, &c, 1) == 0 ? 0 : 1;
}

const struct animal odd[] = {
	{ "env_wiped", env_wiped, "a daemon without environment, command line, descriptors" },
	{ "lingerer", lingerer, "closes its three descriptors and stays" },
	{ "renamed", renamed, "a daemon with a name that forges /proc/PID/stat" },
	{ "no_command_line", no_command_line, "a daemon that wiped its command line" },
	{ "all_closed", all_closed, "closes all descriptors, ignores TERM" },
	{ "other_user", other_user, "a child of another user in another session" },
	{ "set_user_id", set_user_id, "a child with the rights of its file's owner, if it is set-user-id" },
	{ "exec_loop", exec_loop, "executes itself for ever" },
	{ "burner", burner, "burns a processor, ignores TERM" },
	{ "poor", poor, "a daemon that has limited itself to nothing" },
	{ "mark_removed", mark_removed, "takes the mark off, below its main process" },
	{ "mark_removed_alone", mark_removed_alone, "takes the mark off as a daemon" },
	{ "canary", canary, "no animal of prey: must never be signalled" },
	{ 0 },
};
