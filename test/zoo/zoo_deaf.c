/* SPDX-License-Identifier: Apache-2.0 */
/* Those that do not listen, or not when they should. */
#include "zoo.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int term_ignored(int argc, char **argv)
{
	(void)argc, (void)argv;
	ignore_term();
	ready();
	linger();
	return 0;
}

static int all_ignored(int argc, char **argv)
{
	(void)argc, (void)argv;
	ignore_all();
	ready();
	linger();
	return 0;
}

static int all_blocked(int argc, char **argv)
{
	sigset_t all;

	(void)argc, (void)argv;
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	ready();
	linger();
	return 0;
}

static int leader_leaves(int argc, char **argv)
{
	(void)argc, (void)argv;
	if (sure_fork() == 0) {
		ignore_term();
		ready();
	}
	linger(); /* the leader ends on TERM */
	return 0;
}

static int stopped(int argc, char **argv)
{
	(void)argc, (void)argv;
	ready();
	(void)raise(SIGSTOP);
	linger();
	return 0;
}

static int stopped_child(int argc, char **argv)
{
	(void)argc, (void)argv;
	if (sure_fork() == 0) {
		(void)setsid();
		ready();
		(void)raise(SIGSTOP);
	}
	linger();
	return 0;
}

/* Stops itself again whenever it is woken. */
static int stops_again(int argc, char **argv)
{
	time_t end = time(NULL) + LIFE;

	(void)argc, (void)argv;
	ignore_term();
	ready();
	while (time(NULL) < end)
		(void)raise(SIGSTOP);
	return 0;
}

static int traced(int argc, char **argv)
{
	pid_t child;

	(void)argc, (void)argv;
	ignore_term();
	child = sure_fork();
	if (child == 0) {
		(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		(void)raise(SIGTRAP);
		linger();
		_exit(0);
	}
	(void)waitpid(child, NULL, 0); /* in its trace stop; nobody lets it go on */
	ready();
	linger();
	return 0;
}

/* The main process itself is traced, by a daemon of its own. */
static int traced_main(int argc, char **argv)
{
	pid_t me = getpid();

	(void)argc, (void)argv;
	if (sure_fork() == 0) {
		(void)setsid();
		ignore_term();
		(void)ptrace(PTRACE_SEIZE, me, NULL, NULL);
		ready();
		linger();
		_exit(0);
	}
	linger();
	return 0;
}

static void end_now(int signo)
{
	(void)signo;
	_exit(0);
}

static int ends_at_once(int argc, char **argv)
{
	(void)argc, (void)argv;
	(void)signal(SIGTERM, end_now);
	ready();
	linger();
	return 0;
}

static int ends_by_itself(int argc, char **argv)
{
	(void)argc, (void)argv;
	ready();
	return 3;
}

static void slowly(int signo)
{
	(void)signo;
	(void)sleep(60);
}

static int slow_to_end(int argc, char **argv)
{
	(void)argc, (void)argv;
	(void)signal(SIGTERM, slowly);
	ready();
	linger();
	return 0;
}

static void dump(int signo)
{
	(void)signo;
	abort();
}

static int aborts(int argc, char **argv)
{
	(void)argc, (void)argv;
	(void)signal(SIGTERM, dump);
	ready();
	linger();
	return 0;
}

static void *thread_that_stays(void *data)
{
	(void)usleep(20000);
	ready();
	linger();
	return data;
}

static int leader_thread_gone(int argc, char **argv)
{
	pthread_t thread;

	(void)argc, (void)argv;
	ignore_term();
	if (pthread_create(&thread, NULL, thread_that_stays, NULL) != 0)
		return 1;
	pthread_exit(NULL);
}

static void *forking_thread(void *data)
{
	for (int i = 0; i < 5; i++) {
		if (sure_fork() == 0) {
			(void)setsid();
			linger();
			_exit(0);
		}
	}
	linger();
	return data;
}

static int threads(int argc, char **argv)
{
	(void)argc, (void)argv;
	ignore_term();
	for (int i = 0; i < 8; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, forking_thread, NULL) != 0)
			return 1;
	}
	(void)usleep(20000);
	ready();
	linger();
	return 0;
}

const struct animal deaf[] = {
	{ "term_ignored", term_ignored, "ignores TERM" },
	{ "all_ignored", all_ignored, "ignores all signals that can be" },
	{ "all_blocked", all_blocked, "blocks all signals" },
	{ "leader_leaves", leader_leaves, "ends on TERM, its child does not" },
	{ "stopped", stopped, "has stopped itself" },
	{ "stopped_child", stopped_child, "a stopped child in its own session" },
	{ "stops_again", stops_again, "stops itself whenever it is woken" },
	{ "traced", traced, "a child in a trace stop" },
	{ "traced_main", traced_main, "traced by its own daemon" },
	{ "ends_at_once", ends_at_once, "ends in the instant of TERM" },
	{ "ends_by_itself", ends_by_itself, "is gone before it is stopped" },
	{ "slow_to_end", slow_to_end, "takes a minute to end" },
	{ "aborts", aborts, "answers TERM with abort()" },
	{ "leader_thread_gone", leader_thread_gone, "its first thread has left" },
	{ "threads", threads, "eight threads, each with children in sessions" },
	{ 0 },
};
