/* SPDX-License-Identifier: Apache-2.0 */
/* Tests: reading processes, finding members, figures, cgroups. */
#include "../testing.h"

#include "helpers.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "process/cgroup.h"
#include "process/signal.h"
#include "process/stats.h"
#include "process/tree.h"

static void test_read(void **state)
{
	struct tree_proc p;

	(void)state;
	assert_int_equal(tree_read(getpid(), &p), 0);
	assert_int_equal(p.pid, getpid());
	assert_int_equal(p.ppid, getppid());
	assert_int_equal(p.pgid, getpgrp());
	assert_int_equal(p.sid, getsid(0));
	assert_int_equal(p.threads, 1);
	assert_int_equal(p.state, 'R');
	assert_true(p.start > 0 && p.start <= time_boottime() / 1000 * (usec_t)sysconf(_SC_CLK_TCK) / 1000);
	assert_string_equal(p.comm, "test_process_tr");
	assert_false(tree_is_dead(&p));
	assert_int_equal(tree_read(0x7ffffff0, &p), -ESRCH);
}

static void test_hostile_name(void **state)
{
	struct tree_proc p;

	(void)state;
	assert_int_equal(prctl(PR_SET_NAME, ") Z 1 2 3 (\n"), 0);
	assert_int_equal(tree_read(getpid(), &p), 0);
	assert_int_equal(p.ppid, getppid());
	assert_string_equal(p.comm, ") Z 1 2 3 (\n");
	(void)prctl(PR_SET_NAME, "test_process_tr");
}

static void test_tag(void **state)
{
	uint64_t a = tree_tag(1, "web");

	(void)state;
	assert_true(a != 0 && a != UINT64_MAX);
	assert_true(a == tree_tag(1, "web"));
	assert_true(a != tree_tag(2, "web"));
	assert_true(a != tree_tag(1, "wec"));
	assert_true(a != tree_tag(1, ""));
}

/* A child with `n` children of its own; all wait for a signal. */
static pid_t family(int n)
{
	int ends[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < n; i++) {
			if (fork() == 0) {
				(void)alarm(60); /* a failed test leaves nothing */
				for (;;)
					(void)pause();
			}
		}
		(void)alarm(60);
		(void)setpgid(0, 0);
		if (write(ends[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			(void)pause();
	}
	assert_int_equal(read(ends[0], &c, 1), 1);
	(void)close(ends[0]);
	(void)close(ends[1]);
	return pid;
}

static void end_family(pid_t pid, const struct tree_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		(void)kill(list->procs[i].pid, SIGKILL);
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_descendants(void **state)
{
	pid_t pid = family(20);
	struct tree_list list = { 0 };
	struct tree_query query = { .main = pid, .cgroup_fd = -1 };

	(void)state;
	assert_int_equal(tree_descendants(pid, &list), 0);
	assert_int_equal(list.n, 20);
	assert_null(tree_list_find(&list, pid));
	assert_int_equal(tree_members(&query, &list), 0);
	assert_int_equal(list.n, 21);
	assert_non_null(tree_list_find(&list, pid));
	end_family(pid, &list);
	assert_int_equal(tree_descendants(pid, &list), -ESRCH);
	tree_list_fini(&list);
}

static void test_signal_needs_the_very_process(void **state)
{
	pid_t pid = family(0);
	struct tree_proc p;
	struct tree_proc other;
	int pidfd;

	(void)state;
	assert_int_equal(tree_read(pid, &p), 0);
	other = p;
	other.start -= 1; /* the pid was another's before */
	assert_int_equal(tree_signal(&other, SIGKILL, &pidfd), -ESRCH);
	assert_int_equal(pidfd, -1);
	assert_int_equal(kill(pid, 0), 0);
	assert_int_equal(tree_signal(&p, SIGKILL, &pidfd), 0);
	assert_true(pidfd >= 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(signal_has_ended(pidfd));
	(void)close(pidfd);
	assert_int_equal(tree_signal(&p, SIGKILL, NULL), -ESRCH);
}

static void test_cmdline(void **state)
{
	char text[4096];

	(void)state;
	tree_cmdline(getpid(), text, sizeof(text));
	assert_non_null(strstr(text, "test_process_tree"));
	tree_cmdline(getpid(), text, 5);
	assert_int_equal(strlen(text), 4);
	tree_cmdline(0x7ffffff0, text, sizeof(text));
	assert_string_equal(text, "[?]");
	if (readlink("/proc/2/exe", text, sizeof(text)) < 0) { /* a kernel thread, or nobody */
		tree_cmdline(2, text, sizeof(text));
		assert_int_equal(text[0], '[');
	}
}

struct seen {
	unsigned int n;
	unsigned int depth_sum;
	pid_t first;
};

static void see(const struct stats_process *process, unsigned int depth, void *data)
{
	struct seen *s = data;

	if (s->n++ == 0)
		s->first = process->proc.pid;
	s->depth_sum += depth;
}

static void test_stats(void **state)
{
	pid_t pid = family(3);
	struct tree_query query = { .main = pid, .cgroup_fd = -1 };
	struct tree_list list = { 0 };
	struct stats_sample sample = { 0 };
	struct seen seen = { 0 };
	struct stats stats;

	(void)state;
	assert_int_equal(stats_read(&query, NULL, time_boottime(), true, &sample, &stats), 0);
	assert_int_equal(stats.processes, 4);
	assert_int_equal(stats.threads, 4);
	assert_true(stats.rss_bytes > stats.pss_bytes / 2 && stats.rss_bytes > 4096);
	assert_true(stats.pss_bytes > 0);
	assert_true(stats.fds >= 4 * 3);
	assert_true(stats.cpu_pct >= 0 && stats.cpu_pct < 10000);
	assert_false(stats.from_cgroup);
	assert_true(sample.when > 0);
	assert_int_equal(stats_tree(&query, see, &seen), 0);
	assert_int_equal(seen.n, 4);
	assert_int_equal(seen.first, pid);
	assert_int_equal(seen.depth_sum, 3);
	assert_int_equal(tree_members(&query, &list), 0);
	end_family(pid, &list);
	tree_list_fini(&list);
	assert_int_equal(stats_read(&query, NULL, time_boottime(), false, NULL, &stats), 0);
	assert_int_equal(stats.processes, 0);
}

static void test_cpu_percent(void **state)
{
	struct tree_query query = { .main = getppid(), .cgroup_fd = -1 };
	struct stats_sample sample = { 0 };
	struct stats_process mine;
	struct stats stats;
	pid_t burner = fork();

	(void)state;
	if (burner == 0) {
		for (;;)
			;
	}
	query.main = burner;
	do {
		assert_int_equal(stats_process(burner, false, &mine), 0);
	} while (mine.cpu_usec < 50000);
	sample = (struct stats_sample){ .when = time_boottime() - 100000, .cpu_usec = 0 };
	assert_int_equal(stats_read(&query, NULL, time_boottime(), false, &sample, &stats), 0);
	assert_true(stats.cpu_pct > 20 && stats.cpu_pct < 1000);
	(void)kill(burner, SIGKILL);
	(void)waitpid(burner, NULL, 0);
}

/* A directory that looks like a cgroup: what is written can be read. */
static void fake(const char *dir, const char *file, const char *text)
{
	char path[300];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	(void)close(fd);
}

static void assert_file(const char *dir, const char *file, const char *text)
{
	AUTO(strbuf_fini) struct strbuf got = STRBUF(4096);
	char path[300];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, file);
	assert_int_equal(fd_read_file(path, &got), 0);
	got.data[strlen(text)] = '\0'; /* a plain file keeps the end of longer texts before */
	assert_string_equal(got.data, text);
}

static void test_cgroup_files(void **state)
{
	char base[200];
	char root_dir[250];
	char dir[280];
	struct cgroup_limits limits = { .memory_max = 512U << 20, .pids_max = 200, .cpu_max_pct = 150 };
	struct cgroup_stats stats;
	struct cgroup_root *root;
	struct cgroup *cg;
	struct error err = { 0 };

	(void)state;
	(void)snprintf(base, sizeof(base), "%s/cgroup", temp_dir());
	(void)snprintf(root_dir, sizeof(root_dir), "%s/zinit", base);
	(void)snprintf(dir, sizeof(dir), "%s/web", root_dir);
	assert_int_equal(mkdir(base, 0755), 0);
	assert_int_equal(mkdir(root_dir, 0755), 0);
	assert_int_equal(mkdir(dir, 0755), 0);
	/* "+memory" and the like are written over the beginning */
	fake(root_dir, "cgroup.subtree_control", "12345678 cpu memory pids xio");
	root = cgroup_root_open(base, "zinit", 0, &err);
	assert_non_null(root);
	assert_true(cgroup_root_has(root, CGROUP_MEMORY));
	assert_false(cgroup_root_has(root, CGROUP_IO));

	cg = cgroup_open(root, "web", &err);
	assert_non_null(cg);
	fake(dir, "memory.max", "");
	fake(dir, "pids.max", "");
	fake(dir, "cpu.max", "");
	assert_int_equal(cgroup_set_limits(cg, &limits, &err), 0);
	assert_file(dir, "memory.max", "536870912");
	assert_file(dir, "pids.max", "200");
	assert_file(dir, "cpu.max", "150000 100000");
	cgroup_root_close(root, false);
	cgroup_close(cg);
	fake(root_dir, "cgroup.subtree_control", "12345678 cpu");
	root = cgroup_root_open(base, "zinit", 0, &err);
	cg = cgroup_open(root, "web", &err);
	assert_non_null(cg);
	limits.cpu_max_pct = 50;
	assert_int_equal(cgroup_set_limits(cg, &limits, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "memory.max can't be set: the cgroup controller 'memory' is not available"));
	assert_file(dir, "cpu.max", "50000 100000"); /* the rest was set */
	fake(dir, "cgroup.events", "populated 1\nfrozen 0\n");
	assert_int_equal(cgroup_populated(cg), 1);
	fake(dir, "cgroup.events", "populated 0\nfrozen 0\n");
	assert_int_equal(cgroup_populated(cg), 0);
	fake(dir, "cpu.stat", "usage_usec 1234\nuser_usec 1000\n");
	fake(dir, "memory.current", "4096\n");
	fake(dir, "io.stat", "8:0 rbytes=10 wbytes=20 rios=1\n8:16 rbytes=5 wbytes=7\n");
	fake(dir, "memory.events", "low 0\noom 1\noom_kill 2\noom_group_kill 0\n");
	assert_int_equal(cgroup_stats(cg, &stats), 0);
	assert_int_equal(stats.cpu_usec, 1234);
	assert_int_equal(stats.memory_bytes, 4096);
	assert_int_equal(stats.io_read_bytes, 15);
	assert_int_equal(stats.io_write_bytes, 27);
	assert_int_equal(stats.oom_kills, 2);
	cgroup_close(cg);
	cgroup_root_close(root, false);
	assert_null(cgroup_root_open("/proc/nope", "zinit", 0, &err));
	assert_non_null(strstr(err.msg, "cgroups are not used"));
}

static void on_populated(bool populated, void *data)
{
	*(int *)data = populated;
}

/* The real thing, where this machine has it and lets us. */
static void test_cgroup(void **state)
{
	struct error err = { 0 };
	struct cgroup_root *root = cgroup_root_open(NULL, "zinit-test-tree", 0, &err);
	struct cgroup_limits limits = { .memory_max = 64U << 20, .pids_max = 20, .cpu_max_pct = 50 };
	struct spawn_stack *stack;
	struct spawn_request r = SPAWN_REQUEST;
	struct tree_query query = { 0 };
	struct tree_list list = { 0 };
	struct spawn_result result;
	struct cgroup_watch *watch;
	struct cgroup_stats stats;
	struct cgroup *cg;
	struct loop *loop;
	int populated = -1;
	int e;

	(void)state;
	if (!root) {
		assert_non_null(strstr(err.msg, "cgroups are not used"));
		skip();
	}
	stack = spawn_stack_new();
	loop = loop_new();
	cg = cgroup_open(root, "svc", &err);
	assert_non_null(cg);
	assert_int_equal(cgroup_populated(cg), 0);
	e = cgroup_set_limits(cg, &limits, &err);
	if (e < 0)
		assert_int_equal(e, -EOPNOTSUPP);
	watch = cgroup_watch_new(cg, loop, on_populated, &populated);
	assert_non_null(watch);
	r.command = "sleep 1000 & sleep 1000; exit 1";
	r.cgroup_fd = cgroup_dir_fd(cg);
	assert_true(r.cgroup_fd >= 0);
	assert_int_equal(spawn_run(stack, &r, &result), 0);
	while (populated != 1)
		assert_int_equal(loop_once(loop, PATIENCE_MS * USEC_PER_MSEC), 0);
	assert_int_equal(cgroup_remove(cg), -EBUSY);
	query.cgroup_fd = r.cgroup_fd;
	assert_int_equal(tree_members(&query, &list), 0);
	assert_non_null(tree_list_find(&list, result.pid));
	tree_list_fini(&list);
	assert_int_equal(cgroup_stats(cg, &stats), 0);
	assert_int_equal(cgroup_kill(cg), 0);
	while (populated != 0)
		assert_int_equal(loop_once(loop, PATIENCE_MS * USEC_PER_MSEC), 0);
	assert_int_equal(waitpid(result.pid, NULL, 0), result.pid);
	cgroup_watch_free(watch);
	assert_int_equal(cgroup_remove(cg), 0);
	cgroup_close(cg);
	cgroup_root_close(root, true);
	(void)close(result.pidfd);
	(void)close(r.cgroup_fd);
	spawn_stack_free(stack);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_hostile_name),
		cmocka_unit_test(test_tag),
		cmocka_unit_test(test_descendants),
		cmocka_unit_test(test_signal_needs_the_very_process),
		cmocka_unit_test(test_cmdline),
		cmocka_unit_test(test_stats),
		cmocka_unit_test(test_cpu_percent),
		cmocka_unit_test(test_cgroup_files),
		cmocka_unit_test(test_cgroup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
