/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests: every animal of the zoo is stopped, nothing of it is left, and nobody else is hit. Each case runs in a process of its own that
 * is server and reaper at once: as root, as root for a service of another user, as a plain user, and with cgroups.
 */
#include "../testing.h"

#include "helpers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
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
#include "process/spawn.h"
#include "process/stop.h"

#define ANIMALS_MAX 64
#define INSTANCE 4711
#define GRACE (40 * USEC_PER_MSEC)
#define NOBODY_ID 65534

static char zoo_path[200];
static char animals[ANIMALS_MAX][32];
static size_t n_animals;

struct setting {
	bool server_is_plain;
	bool service_is_plain;
	bool cgroup;
};

/* Said in a child: it ends, and the case fails. */
#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			print_error("%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno); \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

struct process {
	pid_t pid;
	int pidfd;
	int in; /* closing it ends a canary */
	int out;
};

/* Starts `zoo name` and waits until it says "ready". */
static struct process start(struct spawn_request r, const char *name)
{
	struct spawn_stack *stack = spawn_stack_new();
	struct spawn_result result;
	struct process p;
	struct pollfd wait;
	int in[2];
	int out[2];
	char text[6];

	MUST(stack && pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
	r.argv = (const char *const[]){ zoo_path, name, NULL };
	r.stdin_fd = in[0];
	r.stdout_fd = out[1];
	r.stderr_fd = STDERR_FILENO;
	MUST(spawn_run(stack, &r, &result) == 0);
	(void)close(in[0]);
	(void)close(out[1]);
	spawn_stack_free(stack);
	p = (struct process){ .pid = result.pid, .pidfd = result.pidfd, .in = in[1], .out = out[0] };
	wait = (struct pollfd){ .fd = p.out, .events = POLLIN };
	MUST(poll(&wait, 1, PATIENCE_MS) == 1);
	MUST(read(p.out, text, sizeof(text)) == sizeof(text) && memcmp(text, "ready\n", 6) == 0);
	return p;
}

/* A canary that is an orphan of ours and bears no mark, as whoever a service left behind without one. */
static struct process start_orphan_canary(void)
{
	struct process p = { 0 };
	int in[2];
	int out[2];
	char text[6];

	MUST(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
	p.pid = fork();
	if (p.pid == 0) {
		if (fork() > 0)
			_exit(0);
		(void)setsid();
		(void)dup2(in[0], 0);
		(void)dup2(out[1], 1);
		(void)execl(zoo_path, "zoo", "canary", (char *)NULL);
		_exit(1);
	}
	(void)waitpid(p.pid, NULL, 0);
	(void)close(in[0]);
	(void)close(out[1]);
	p.in = in[1];
	p.out = out[0];
	MUST(read(p.out, text, sizeof(text)) == sizeof(text));
	return p;
}

/* It has heard nothing, and is alive: it ends when its stdin does. */
static void check_canary(struct process *p)
{
	struct pollfd hit = { .fd = p->out, .events = POLLIN };
	char text[8] = "";

	if (poll(&hit, 1, 0) != 0) {
		ssize_t n = read(p->out, text, sizeof(text) - 1);

		print_error("canary: %s\n", n > 0 ? text : "dead");
		_exit(1);
	}
	(void)close(p->in);
	MUST(poll(&hit, 1, PATIENCE_MS) == 1 && read(p->out, text, sizeof(text)) == 0);
	(void)close(p->out);
}

/* All living processes that execute our copy of the zoo, but for canaries: a check that shares nothing with what it checks. */
static size_t count_animals(bool end_them)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	size_t n = 0;

	MUST(proc);
	while ((entry = readdir(proc))) {
		char path[64];
		char exe[256] = "";
		char cmdline[256] = "";
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		int fd;

		if (pid <= 0)
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%d/exe", pid);
		if (readlink(path, exe, sizeof(exe) - 1) <= 0 || strcmp(exe, zoo_path) != 0)
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || read(fd, cmdline, sizeof(cmdline) - 1) < 0)
			cmdline[0] = '\0';
		(void)close(fd);
		if (strcmp(cmdline + strlen(cmdline) + 1, "canary") == 0)
			continue;
		n++;
		if (end_them)
			(void)kill(pid, SIGKILL);
	}
	(void)closedir(proc);
	return n;
}

static void on_gone(struct stop *stop, void *data)
{
	(void)stop;
	*(unsigned int *)data += 1;
}

static void reap_all(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

/* As the keeper does: whoever ended is reaped, but not the main process. */
static void reap_but(pid_t main)
{
	char path[64];
	FILE *children;
	int pid;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	children = fopen(path, "re");
	MUST(children);
	while (fscanf(children, "%d", &pid) == 1) {
		if (pid != main)
			(void)waitpid(pid, NULL, WNOHANG);
	}
	(void)fclose(children);
}

static void run_loop(struct loop *loop, pid_t main, const unsigned int *gone, usec_t span)
{
	usec_t end = time_boottime() + span;

	while (*gone == 0 && time_boottime() < end) {
		MUST(loop_once(loop, MIN(end - MIN(end, time_boottime()), 10 * USEC_PER_MSEC)) == 0);
		reap_but(main);
	}
}

/* Whom only a cgroup can find. */
static bool escapes(const char *animal, const struct setting *s)
{
	return !s->cgroup && strcmp(animal, "mark_removed_alone") == 0;
}

static void end_of_case(struct stop *stop, const char *animal, const struct setting *s)
{
	struct tree_list left = { 0 };
	size_t n = count_animals(false);

	MUST(stop_survivors(stop, &left) == 0 && left.n == 0);
	tree_list_fini(&left);
	if (escapes(animal, s)) {
		MUST(n == 1);
		MUST(count_animals(true) == 1);
		return;
	}
	if (n > 0)
		print_error("%s: %zu survivors\n", animal, n);
	MUST(n == 0);
}

static void become_plain(void)
{
	MUST(setgroups(0, NULL) == 0 && setgid(NOBODY_ID) == 0 && setuid(NOBODY_ID) == 0);
}

static struct cgroup *make_cgroup(struct cgroup_root **out_root, const char *animal)
{
	struct error err = { 0 };
	char name[40];
	struct cgroup *cg;

	(void)snprintf(name, sizeof(name), "zinit-test-%d", getpid());
	*out_root = cgroup_root_open(NULL, name, 0, &err);
	MUST(*out_root);
	cg = cgroup_open(*out_root, animal, &err);
	MUST(cg);
	return cg;
}

static void run_case(const char *animal, const struct setting *s)
{
	struct spawn_request r = SPAWN_REQUEST;
	struct spawn_request other = SPAWN_REQUEST;
	struct stop_target target = { .mode = s->cgroup ? KILL_CGROUP : KILL_GROUP };
	struct cgroup_root *root = NULL;
	unsigned int gone = 0;
	struct process canaries[2];
	struct process main;
	struct stopper *stopper;
	struct stop *stop;
	struct loop *loop;

	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (s->server_is_plain)
		become_plain();
	if (s->cgroup) {
		target.cgroup = make_cgroup(&root, animal);
		r.cgroup_fd = cgroup_dir_fd(target.cgroup);
	}
	loop = loop_new();
	stopper = stopper_new(loop, getpid());
	MUST(loop && stopper);
	r.user = s->service_is_plain ? "nobody" : NULL;
	r.tag = target.tag = tree_tag(INSTANCE, animal);
	other.tag = tree_tag(INSTANCE, "canary");
	canaries[0] = start(other, "canary");
	canaries[1] = start_orphan_canary();
	main = start(r, animal);
	target.main = main.pid;
	target.pidfd = main.pidfd;

	stop = stop_new(stopper, &target, on_gone, &gone);
	MUST(stop);
	(void)stop_signal(stop, SIGTERM);
	run_loop(loop, main.pid, &gone, GRACE);
	if (!gone)
		(void)stop_kill(stop);
	run_loop(loop, main.pid, &gone, PATIENCE_MS * USEC_PER_MSEC);
	MUST(gone == 1);
	end_of_case(stop, animal, s);
	check_canary(&canaries[0]);
	check_canary(&canaries[1]);
	stop_free(stop);
	stopper_free(stopper);
	loop_free(loop);
	if (r.cgroup_fd >= 0) {
		(void)close(r.cgroup_fd);
		reap_all();
		MUST(cgroup_populated(target.cgroup) == 0);
		MUST(cgroup_remove(target.cgroup) == 0);
		cgroup_close(target.cgroup);
		cgroup_root_close(root, true);
	}
	_exit(0);
}

static void run_all(const struct setting *s)
{
	unsigned int failed = 0;

	for (size_t i = 0; i < n_animals; i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0)
			run_case(animals[i], s);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (status != 0) {
			print_error("FAILED: %s (status %x)\n", animals[i], (unsigned int)status);
			failed++;
			while (count_animals(true) > 0)
				reap_all();
		}
		reap_all();
	}
	assert_int_equal(failed, 0);
}

static void test_as_root(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	run_all(&(struct setting){ 0 });
}

static void test_service_of_a_user(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	run_all(&(struct setting){ .service_is_plain = true });
}

static void test_as_a_user(void **state)
{
	(void)state;
	run_all(&(struct setting){ .server_is_plain = geteuid() == 0 });
}

static void test_with_cgroups(void **state)
{
	struct error err = { 0 };
	struct cgroup_root *root = cgroup_root_open(NULL, "zinit-test-probe", 0, &err);

	(void)state;
	if (!root)
		skip();
	cgroup_root_close(root, true);
	run_all(&(struct setting){ .cgroup = true });
}

/* KILL_PROCESS leaves the rest alone and names it. */
static void process_mode(void)
{
	struct spawn_request r = SPAWN_REQUEST;
	struct stop_target target = { .mode = KILL_PROCESS };
	struct tree_list left = { 0 };
	unsigned int gone = 0;
	char text[100];
	struct process main;
	struct stopper *stopper;
	struct stop *stop;
	struct loop *loop;

	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	loop = loop_new();
	stopper = stopper_new(loop, getpid());
	r.tag = target.tag = tree_tag(INSTANCE, "x");
	main = start(r, "leader_leaves");
	target.main = main.pid;
	target.pidfd = main.pidfd;
	stop = stop_new(stopper, &target, on_gone, &gone);
	MUST(stop_signal(stop, SIGTERM) == 0);
	run_loop(loop, main.pid, &gone, PATIENCE_MS * USEC_PER_MSEC);
	MUST(gone == 1);
	MUST(stop_survivors(stop, &left) == 0 && left.n == 1);
	stop_survivors_text(&left, text, sizeof(text));
	MUST(strncmp(text, "zoo(", 4) == 0 && strtol(text + 4, NULL, 10) == left.procs[0].pid);
	tree_list_fini(&left);

	/* leftovers without a main process: found and ended */
	stop_free(stop);
	MUST(waitpid(main.pid, NULL, 0) == main.pid);
	gone = 0;
	target = (struct stop_target){ .pidfd = -1, .tag = target.tag, .mode = KILL_GROUP };
	stop = stop_new(stopper, &target, on_gone, &gone);
	run_loop(loop, main.pid, &gone, 50 * USEC_PER_MSEC);
	MUST(gone == 0 && count_animals(false) == 1);
	MUST(stop_kill(stop) == 0);
	run_loop(loop, main.pid, &gone, PATIENCE_MS * USEC_PER_MSEC);
	MUST(gone == 1 && count_animals(false) == 0);
	stop_free(stop);
	stopper_free(stopper);
	loop_free(loop);
	_exit(0);
}

static void test_process_mode(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		process_mode();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void copy_zoo(void)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(64U << 20);
	const char *original = getenv("ZOO");

	if (!original || fd_read_file(original, &text) < 0) {
		print_error("ZOO must name the zoo binary\n");
		exit(2);
	}
	(void)str_copy(zoo_path, sizeof(zoo_path), temp_file("zoo", text.data, text.len));
	(void)chmod(zoo_path, 0755);
}

/* The binary lists its own animals: none can be forgotten here. */
static void list_animals(void)
{
	char command[300];
	char line[200];
	FILE *list;

	(void)snprintf(command, sizeof(command), "%s", zoo_path);
	list = popen(command, "r");
	while (list && n_animals < ANIMALS_MAX && fgets(line, sizeof(line), list)) {
		line[strcspn(line, " \n")] = '\0';
		if (strcmp(line, "canary") != 0)
			(void)str_copy(animals[n_animals++], sizeof(animals[0]), line);
	}
	if (list)
		(void)pclose(list);
}

static void test_list(void **state)
{
	(void)state;
	assert_true(n_animals >= 40);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_as_root),
		cmocka_unit_test(test_service_of_a_user),
		cmocka_unit_test(test_as_a_user),
		cmocka_unit_test(test_with_cgroups),
		cmocka_unit_test(test_process_mode),
	};

	(void)prctl(PR_SET_CHILD_SUBREAPER, 1); /* whoever outlives a case comes to us */
	copy_zoo();
	list_animals();
	if (argc > 2) { /* one animal by hand: test_zoo NAME root|user|plain|cgroup */
		struct setting s = { .service_is_plain = strcmp(argv[2], "user") == 0,
				     .server_is_plain = strcmp(argv[2], "plain") == 0,
				     .cgroup = strcmp(argv[2], "cgroup") == 0 };
		pid_t pid = fork();
		int status = 1;

		if (pid == 0)
			run_case(argv[1], &s);
		(void)waitpid(pid, &status, 0);
		return status != 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
