/* SPDX-License-Identifier: Apache-2.0 */
/* The look at a service's processes: who they are, what they wait for, what they have open; never more than its bounds. */
#include "../testing.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process/snapshot.h"

#define CHILDREN 40
#define FILES 200
#define THREADS 20

static void *wait_for_ever(void *data)
{
	(void)data;
	for (;;)
		(void)pause();
	return NULL;
}

/* A process that says that it is in place, then does nothing. */
static pid_t make(void (*prepare)(void))
{
	int p[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		prepare();
		_exit(write(p[1], "", 1) == 1 && wait_for_ever(NULL) ? 0 : 1);
	}
	close(p[1]);
	assert_int_equal(read(p[0], &byte, 1), 1);
	close(p[0]);
	return pid;
}

static void end(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static struct snapshot *look_at(pid_t pid)
{
	const struct tree_query query = { .main = pid, .cgroup_fd = -1 };
	struct snapshot *s;

	assert_int_equal(snapshot_take(&query, &s), 0);
	return s;
}

/* It says that it is in place before it goes to sleep. */
static struct snapshot *look_when_asleep(pid_t pid)
{
	for (;;) {
		struct snapshot *s = look_at(pid);

		if (s->threads_n != 1 || s->threads[0].state != 'R')
			return s;
		snapshot_free(s);
		(void)sched_yield();
	}
}

static void open_null(void)
{
	if (open("/dev/null", O_RDWR) < 0)
		_exit(1);
}

static void test_one(void **state)
{
	pid_t pid = make(open_null);
	struct snapshot *s = look_when_asleep(pid);
	bool found = false;

	(void)state;
	assert_int_equal(s->n, 1);
	assert_int_equal(s->found, 1);
	assert_int_equal(s->processes[0].stats.proc.pid, pid);
	assert_non_null(strstr(s->processes[0].command, "snapshot"));
	assert_int_equal(s->processes[0].threads_n, 1);
	assert_int_equal(s->threads[0].tid, pid);
	assert_int_equal(s->threads[0].state, 'S');
	for (size_t i = 0; i < s->processes[0].fds_n; i++)
		found = found || strcmp(s->fds[i].target, "/dev/null") == 0;
	assert_true(found);
	snapshot_free(s);
	end(pid);
}

/* Where it may be known (root), it is said what a sleeping thread waits for. */
static void test_what_it_waits_for(void **state)
{
	pid_t pid;
	struct snapshot *s;

	(void)state;
	if (geteuid() != 0)
		skip();
	pid = make(open_null);
	s = look_when_asleep(pid);
	assert_true(strlen(s->threads[0].wait) > 2);
	snapshot_free(s);
	end(pid);
}

static void be_many(void)
{
	pid_t parent = getpid();

	for (int i = 0; i < CHILDREN; i++) {
		if (fork() == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != parent) /* it was killed before we could say so */
				_exit(0);
			(void)wait_for_ever(NULL);
		}
	}
}

static void test_too_many_processes(void **state)
{
	pid_t pid = make(be_many);
	struct snapshot *s = look_at(pid);

	(void)state;
	assert_int_equal(s->found, CHILDREN + 1);
	assert_int_equal(s->n, SNAPSHOT_PROCESSES_MAX);
	assert_int_equal(s->processes[0].stats.proc.pid, pid);
	for (size_t i = 1; i < s->n; i++)
		assert_int_equal(s->processes[i].stats.proc.ppid, pid);
	snapshot_free(s);
	end(pid);
}

static void open_many(void)
{
	pthread_t thread;

	for (int i = 0; i < FILES; i++)
		open_null();
	for (int i = 0; i < THREADS; i++)
		(void)pthread_create(&thread, NULL, wait_for_ever, NULL);
}

static void test_too_many_files_and_threads(void **state)
{
	pid_t pid = make(open_many);
	struct snapshot *s = look_at(pid);
	const struct snapshot_process *p = &s->processes[0];

	(void)state;
	assert_int_equal(p->fds_n, SNAPSHOT_FDS_EACH);
	assert_true(p->stats.fds > FILES);
	assert_int_equal(p->threads_n, SNAPSHOT_THREADS_EACH);
	assert_int_equal(p->stats.proc.threads, THREADS + 1);
	snapshot_free(s);
	end(pid);
}

static void test_nobody(void **state)
{
	pid_t pid = make(open_null);
	struct snapshot *s;

	(void)state;
	end(pid);
	s = look_at(pid);
	assert_int_equal(s->n, 0);
	assert_int_equal(s->found, 0);
	snapshot_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_what_it_waits_for),
		cmocka_unit_test(test_too_many_processes),
		cmocka_unit_test(test_too_many_files_and_threads),
		cmocka_unit_test(test_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
