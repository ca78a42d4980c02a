/* SPDX-License-Identifier: Apache-2.0 */
/* Tests: a process is started exactly as asked, or the step that failed is told. */
#include "../testing.h"

#include "helpers.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

#define OUT_MAX 65536
#define NOBODY "nobody"

static struct strbuf out = STRBUF(OUT_MAX);
static struct spawn_result result;

static int run(const struct spawn_request *request)
{
	strbuf_reset(&out);
	return run_and_read(request, &result, &out);
}

static int run_argv(struct spawn_request request, const char *const *argv)
{
	request.argv = argv;
	return run(&request);
}

static const char *const cat_status[] = { "/bin/cat", "/proc/self/status", NULL };

static bool as_root(void)
{
	return geteuid() == 0;
}

static void assert_failed(enum spawn_stage stage, int error, const char *value)
{
	char text[512];

	if (result.stage != stage || result.error != error) {
		spawn_result_text(&result, text, sizeof(text));
		print_message("got: stage %s: %s\n", spawn_stage_name(result.stage), text);
	}
	assert_int_equal(result.stage, stage);
	assert_int_equal(result.error, error);
	assert_int_equal(result.pidfd, -1);
	if (value)
		assert_string_equal(result.value, value);
}

static void test_argv_and_shell(void **state)
{
	struct spawn_request r = SPAWN_REQUEST;

	(void)state;
	assert_int_equal(run_argv(r, (const char *const[]){ "/bin/echo", "a b", "$HOME", NULL }), 0);
	assert_string_equal(strbuf_str(&out), "a b $HOME\n");
	assert_false(result.by_shell);

	r.command = "x=3; echo $x; exit 5";
	assert_int_equal(WEXITSTATUS(run(&r)), 5);
	assert_string_equal(strbuf_str(&out), "3\n");
	assert_true(result.by_shell);
}

static void test_simple_command_needs_no_shell(void **state)
{
	struct spawn_request r = SPAWN_REQUEST;

	(void)state;
	r.command = "cat '/proc/self/stat'\"us\"";
	assert_int_equal(run(&r), 0);
	assert_false(result.by_shell);
	assert_string_equal(line_of(&out, "Name:"), "cat");

	r.always_shell = true;
	assert_int_equal(run(&r), 0);
	assert_true(result.by_shell);

	r.always_shell = false;
	r.command = "nope-not-there --x";
	assert_int_equal(run(&r), -1);
	assert_failed(SPAWN_EXEC, ENOENT, "nope-not-there");
}

static void test_script_without_interpreter_line(void **state)
{
	struct spawn_request r = SPAWN_REQUEST;
	const char *path = temp_file("script", "echo from script $1\n", 20);
	char command[200];

	(void)state;
	assert_int_equal(chmod(path, 0755), 0);
	(void)snprintf(command, sizeof(command), "%s one", path);
	r.command = command;
	assert_int_equal(run(&r), 0);
	assert_string_equal(strbuf_str(&out), "from script one\n");
	assert_true(result.by_shell);
	/* without a shell in the configuration there is none at run time */
	assert_int_equal(run_argv((struct spawn_request)SPAWN_REQUEST, (const char *const[]){ path, NULL }), -1);
	assert_failed(SPAWN_EXEC, ENOEXEC, path);
}

static void test_exec_failures(void **state)
{
	struct spawn_request r = SPAWN_REQUEST;
	const char *path;
	char text[300];

	(void)state;
	assert_int_equal(run_argv(r, (const char *const[]){ "/no/such/program", NULL }), -1);
	assert_failed(SPAWN_EXEC, ENOENT, "/no/such/program");
	spawn_result_text(&result, text, sizeof(text));
	assert_string_equal(text, "cannot execute '/no/such/program': No such file or directory");

	path = temp_file("plain", "x", 1);
	assert_int_equal(run_argv(r, (const char *const[]){ path, NULL }), -1);
	assert_failed(SPAWN_EXEC, EACCES, path);
	assert_int_equal(run_argv(r, (const char *const[]){ "/tmp", NULL }), -1);
	assert_failed(SPAWN_EXEC, EACCES, "/tmp");
	assert_int_equal(run_argv(r, (const char *const[]){ "/etc/passwd/x", NULL }), -1);
	assert_failed(SPAWN_EXEC, ENOTDIR, "/etc/passwd/x");
	assert_int_equal(run_argv(r, (const char *const[]){ "", NULL }), -1);
	assert_failed(SPAWN_COMMAND, EINVAL, "");
	assert_int_equal(run(&r), -1);
	assert_failed(SPAWN_COMMAND, EINVAL, "");
	r.command = " \t\n";
	assert_int_equal(run(&r), -1);
	assert_failed(SPAWN_COMMAND, EINVAL, " \t\n");
}

static void test_path_of_the_service_is_searched(void **state)
{
	struct spawn_request r = SPAWN_REQUEST;
	const char *path = temp_file("only-here", "#!/bin/sh\necho found\n", 21);
	char path_var[200];

	(void)state;
	assert_int_equal(chmod(path, 0755), 0);
	(void)snprintf(path_var, sizeof(path_var), "PATH=/nonexistent:%s", temp_dir());
	r.env = (const char *const[]){ path_var, NULL };
	assert_int_equal(run_argv(r, (const char *const[]){ "only-here", NULL }), 0);
	assert_string_equal(strbuf_str(&out), "found\n");
	/* something of the name is there but may not be executed: that is what is said */
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(run_argv(r, (const char *const[]){ "only-here", NULL }), -1);
	assert_failed(SPAWN_EXEC, EACCES, "only-here");
}

static void test_dir(void **state)
{
	struct spawn_request r = SPAWN_REQUEST;

	(void)state;
	r.dir = "/usr/lib";
	assert_int_equal(run_argv(r, (const char *const[]){ "/bin/pwd", NULL }), 0);
	assert_string_equal(strbuf_str(&out), "/usr/lib\n");
	r.dir = "/no/such/dir";
	assert_int_equal(run_argv(r, cat_status), -1);
	assert_failed(SPAWN_DIR, ENOENT, "/no/such/dir");
	r.dir = "/etc/passwd";
	assert_int_equal(run_argv(r, cat_status), -1);
	assert_failed(SPAWN_DIR, ENOTDIR, "/etc/passwd");
}

static void test_environment(void **state)
{
	struct spawn_request r = SPAWN_REQUEST;
	const char *file = temp_file("env", "FROM_FILE=file\nBOTH=file\n", 25);
	char missing[200];

	(void)state;
	(void)snprintf(missing, sizeof(missing), "-%s/none", temp_dir());
	r.base_env = (const char *const[]){ "BASE=base", "BOTH=base", NULL };
	r.env_files = (const char *const[]){ missing, file, NULL };
	r.env = (const char *const[]){ "BOTH=env", "X=${BASE}-${FROM_FILE}-${NONE}", NULL };
	assert_int_equal(run_argv(r, (const char *const[]){ "/usr/bin/env", NULL }), 0);
	assert_string_equal(strbuf_str(&out), "BASE=base\nFROM_FILE=file\nBOTH=env\nX=${BASE}-${FROM_FILE}-${NONE}\n");
	r.env_expand = true;
	assert_int_equal(run_argv(r, (const char *const[]){ "/usr/bin/env", NULL }), 0);
	assert_string_equal(line_of(&out, "X="), "base-file-");

	r.env_files = (const char *const[]){ missing + 1, NULL };
	assert_int_equal(run_argv(r, cat_status), -1);
	assert_failed(SPAWN_ENV_FILE, ENOENT, NULL);
	assert_non_null(strstr(result.value, "/none: No such file"));
}

static void on_signal(int signo)
{
	(void)signo;
}

static void test_signals_are_clean(void **state)
{
	struct spawn_request r = SPAWN_REQUEST;
	sigset_t set;
	sigset_t before;

	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGRTMAX, SIG_IGN);
	(void)signal(SIGUSR1, on_signal);
	(void)sigfillset(&set);
	(void)sigprocmask(SIG_BLOCK, &set, &before);
	assert_int_equal(run_argv(r, cat_status), 0);
	assert_string_equal(line_of(&out, "SigBlk:"), "0000000000000000");
	assert_string_equal(line_of(&out, "SigIgn:"), "0000000000000000");
	assert_string_equal(line_of(&out, "SigCgt:"), "0000000000000000");
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	/* and ours are as they were */
	assert_ptr_equal(signal(SIGUSR1, SIG_DFL), on_signal);
	assert_ptr_equal(signal(SIGPIPE, SIG_DFL), SIG_IGN);
	(void)signal(SIGHUP, SIG_DFL);
	(void)signal(SIGRTMAX, SIG_DFL);
}

static void test_group_and_session(void **state)
{
	/* fields 5 and 6 of stat: group and session */
	static const char *const argv[] = { "/bin/sh", "-c", "read a b c d pgrp sid rest < /proc/self/stat; echo $a $pgrp $sid", NULL };
	struct spawn_request r = SPAWN_REQUEST;
	char expected[64];

	(void)state;
	assert_int_equal(run_argv(r, argv), 0);
	(void)snprintf(expected, sizeof(expected), "%d %d %d\n", result.pid, result.pid, getsid(0));
	assert_string_equal(strbuf_str(&out), expected);
	r.session = SPAWN_NEW_SESSION;
	assert_int_equal(run_argv(r, argv), 0);
	(void)snprintf(expected, sizeof(expected), "%d %d %d\n", result.pid, result.pid, result.pid);
	assert_string_equal(strbuf_str(&out), expected);
	r.session = SPAWN_SAME_GROUP;
	assert_int_equal(run_argv(r, argv), 0);
	(void)snprintf(expected, sizeof(expected), "%d %d %d\n", result.pid, getpgrp(), getsid(0));
	assert_string_equal(strbuf_str(&out), expected);
}

static void test_no_descriptor_leaks(void **state)
{
	static const char *const argv[] = { "/bin/sh", "-c",
		"i=0; while [ $i -lt 1000 ]; do [ -e /proc/self/fd/$i ] && echo $i; i=$((i+1)); done; exit 1", NULL };
	struct spawn_request r = SPAWN_REQUEST;
	int leaky = open("/etc/passwd", O_RDONLY); /* not close-on-exec, on purpose */
	int high = fcntl(leaky, F_DUPFD, 500);
	size_t before = count_fds();
	struct spawn_fd pass[] = { { .source = high, .target = 3 }, { .source = leaky, .target = 7 } };

	(void)state;
	assert_true(leaky >= 0 && high >= 500);
	assert_int_equal(run_argv(r, argv), 256);
	assert_string_equal(strbuf_str(&out), "0\n1\n2\n");
	r.fds = pass;
	r.n_fds = 2;
	assert_int_equal(run_argv(r, argv), 256);
	assert_string_equal(strbuf_str(&out), "0\n1\n2\n3\n7\n");
	assert_int_equal(count_fds(), before);
	(void)close(leaky);
	(void)close(high);
}

/* Targets that are each other's sources. */
static void test_descriptors_are_swapped(void **state)
{
	static const char *const argv[] = { "/bin/sh", "-c", "readlink /proc/$$/fd/3 /proc/$$/fd/4 /proc/$$/fd/0", NULL };
	struct spawn_request r = SPAWN_REQUEST;
	int a = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	int b = open("/etc/group", O_RDONLY | O_CLOEXEC);
	int keep3 = fcntl(3, F_DUPFD_CLOEXEC, 10);
	int keep4 = fcntl(4, F_DUPFD_CLOEXEC, 10);
	struct spawn_fd pass[] = { { .source = 4, .target = 3 }, { .source = 3, .target = 4 } };

	(void)state;
	assert_int_equal(dup3(a, 20, O_CLOEXEC), 20);
	assert_int_equal(dup3(b, 21, O_CLOEXEC), 21);
	(void)close(a);
	(void)close(b);
	assert_int_equal(dup3(20, 3, O_CLOEXEC), 3);
	assert_int_equal(dup3(21, 4, O_CLOEXEC), 4);
	r.fds = pass;
	r.n_fds = 2;
	r.stdin_fd = 3;
	assert_int_equal(run_argv(r, argv), 0);
	assert_string_equal(strbuf_str(&out), "/etc/group\n/etc/passwd\n/etc/passwd\n");
	for (int fd = 20; fd <= 21; fd++)
		(void)close(fd);
	(void)close(3);
	(void)close(4);
	if (keep3 >= 0)
		(void)dup3(keep3, 3, O_CLOEXEC);
	if (keep4 >= 0)
		(void)dup3(keep4, 4, O_CLOEXEC);
	(void)close(keep3);
	(void)close(keep4);
}

static void test_bad_descriptors(void **state)
{
	struct spawn_request r = SPAWN_REQUEST;
	struct spawn_fd twice[] = { { .source = 0, .target = 5 }, { .source = 1, .target = 5 } };
	struct spawn_fd low = { .source = 0, .target = 2 };
	struct spawn_fd closed = { .source = 900, .target = 5 };

	(void)state;
	r.fds = twice;
	r.n_fds = 2;
	assert_int_equal(run_argv(r, cat_status), -1);
	assert_failed(SPAWN_FDS, EINVAL, "1 to 5");
	r.fds = &low;
	r.n_fds = 1;
	assert_int_equal(run_argv(r, cat_status), -1);
	assert_failed(SPAWN_FDS, EINVAL, "0 to 2");
	r.fds = &closed;
	assert_int_equal(run_argv(r, cat_status), -1);
	assert_failed(SPAWN_FDS, EBADF, "5");
}

static void test_stdin(void **state)
{
	struct spawn_request r = SPAWN_REQUEST;
	static const char *const cat[] = { "/bin/cat", NULL };

	(void)state;
	assert_int_equal(run_argv(r, cat), 0);
	assert_string_equal(strbuf_str(&out), "");
	r.stdin_path = temp_file("stdin", "hello", 5);
	assert_int_equal(run_argv(r, cat), 0);
	assert_string_equal(strbuf_str(&out), "hello");
	r.stdin_path = "/no/such/file";
	assert_int_equal(run_argv(r, cat), -1);
	assert_failed(SPAWN_STDIN, ENOENT, "/no/such/file");
	r.stdin_path = "relative";
	assert_int_equal(run_argv(r, cat), -1);
	assert_failed(SPAWN_STDIN, EINVAL, "relative");
}

static void test_umask_nice_oom(void **state)
{
	static const char *const argv[] = { "/bin/sh", "-c", "umask; nice; cat /proc/self/oom_score_adj", NULL };
	struct spawn_request r = SPAWN_REQUEST;
	mode_t before = umask(022);
	int nice_before = getpriority(PRIO_PROCESS, 0);

	(void)state;
	r.umask = 0027;
	r.set_nice = true;
	r.nice = 7;
	r.set_oom_score_adj = true;
	r.oom_score_adj = 321;
	assert_int_equal(run_argv(r, argv), 0);
	assert_string_equal(strbuf_str(&out), "0027\n7\n321\n");
	assert_int_equal(umask(before), 022);
	assert_int_equal(getpriority(PRIO_PROCESS, 0), nice_before);
	r.oom_score_adj = 2000;
	assert_int_equal(run_argv(r, argv), -1);
	assert_failed(SPAWN_OOM_SCORE, EINVAL, "2000");
}

static void test_rlimits(void **state)
{
	static const char *const argv[] = { "/bin/sh", "-c", "ulimit -Sn; ulimit -Hn; ulimit -Hc", NULL };
	struct spawn_request r = SPAWN_REQUEST;
	struct spawn_rlimit limits[] = { { RLIMIT_CORE, 0, 0 }, { RLIMIT_NOFILE, 100, 200 } };
	struct rlimit ours;

	(void)state;
	r.rlimits = limits;
	r.n_rlimits = 2;
	assert_int_equal(run_argv(r, argv), 0);
	assert_string_equal(strbuf_str(&out), "100\n200\n0\n");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &ours), 0);
	assert_int_not_equal(ours.rlim_cur, 100);
	limits[1].soft = 300;
	assert_int_equal(run_argv(r, argv), -1);
	assert_failed(SPAWN_RLIMIT, EINVAL, "nofile=300:200");
	limits[1] = (struct spawn_rlimit){ 9999, UINT64_MAX, UINT64_MAX };
	assert_int_equal(run_argv(r, argv), -1);
	assert_failed(SPAWN_RLIMIT, EINVAL, "?=infinity:infinity");
	/* no descriptor but the three: the limit must not hit the start itself */
	limits[1] = (struct spawn_rlimit){ RLIMIT_NOFILE, 0, 0 };
	r.command = "exit 0";
	r.stdin_path = "/dev/null";
	r.set_oom_score_adj = true;
	(void)run(&r);
	assert_int_equal(result.stage, SPAWN_OK);
}

static void test_tag(void **state)
{
	static const char *const argv[] = { "/bin/sh", "-c", "sh -c 'grep \"Max file locks\" /proc/self/limits'", NULL };
	struct spawn_request r = SPAWN_REQUEST;

	(void)state;
	r.tag = 123456789012345;
	assert_int_equal(run_argv(r, argv), 0);
	assert_non_null(strstr(strbuf_str(&out), "123456789012345"));
}

static void test_user(void **state)
{
	struct spawn_request r = SPAWN_REQUEST;
	char expected[64];
	char dumpable_before = (char)prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);

	(void)state;
	if (!as_root())
		skip();
	r.user = NOBODY;
	assert_int_equal(run_argv(r, cat_status), 0);
	assert_string_equal(line_of(&out, "Uid:"), "65534\t65534\t65534\t65534");
	assert_string_equal(line_of(&out, "Gid:"), "65534\t65534\t65534\t65534");
	assert_string_equal(line_of(&out, "Groups:"), "65534 ");
	assert_string_equal(line_of(&out, "CapPrm:"), "0000000000000000");
	assert_string_equal(line_of(&out, "CapEff:"), "0000000000000000");
	/* the memory was shared with another user's process for a moment: that mark is gone again */
	assert_int_equal(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), dumpable_before);
	assert_int_equal(geteuid(), 0);

	r.group = "daemon";
	r.groups = (const char *const[]){ "mail", "33", NULL };
	assert_int_equal(run_argv(r, cat_status), 0);
	assert_string_equal(line_of(&out, "Gid:"), "1\t1\t1\t1");
	assert_string_equal(line_of(&out, "Groups:"), "1 8 33 ");

	r = (struct spawn_request)SPAWN_REQUEST;
	r.user = NOBODY;
	r.env = (const char *const[]){ "LOGNAME=other", NULL };
	assert_int_equal(run_argv(r, (const char *const[]){ "/usr/bin/env", NULL }), 0);
	assert_string_equal(line_of(&out, "USER="), "nobody");
	assert_string_equal(line_of(&out, "HOME="), "/nonexistent");
	assert_string_equal(line_of(&out, "LOGNAME="), "other");

	r.user = "12345";
	r.group = "54321";
	assert_int_equal(run_argv(r, cat_status), 0);
	(void)snprintf(expected, sizeof(expected), "12345\t12345\t12345\t12345");
	assert_string_equal(line_of(&out, "Uid:"), expected);
	assert_string_equal(line_of(&out, "Groups:"), "54321 ");
}

static void test_unknown_users(void **state)
{
	struct spawn_request r = SPAWN_REQUEST;
	char text[300];

	(void)state;
	r.user = "no-such-user";
	assert_int_equal(run_argv(r, cat_status), -1);
	assert_failed(SPAWN_USER, ENOENT, "no-such-user");
	spawn_result_text(&result, text, sizeof(text));
	assert_string_equal(text, "cannot look up user 'no-such-user': no such user");
	r.user = "4294967295"; /* "no change" to the kernel */
	assert_int_equal(run_argv(r, cat_status), -1);
	assert_failed(SPAWN_USER, ENOENT, "4294967295");
	r.user = "12345"; /* nobody knows its group */
	assert_int_equal(run_argv(r, cat_status), -1);
	assert_failed(SPAWN_GROUP, ENOENT, "12345");
	r.user = NULL;
	r.group = "no-such-group";
	assert_int_equal(run_argv(r, cat_status), -1);
	assert_failed(SPAWN_GROUP, ENOENT, "no-such-group");
	r.group = NULL;
	r.groups = (const char *const[]){ "daemon", "nix", NULL };
	assert_int_equal(run_argv(r, cat_status), -1);
	assert_failed(SPAWN_GROUPS, ENOENT, "nix");
}

/* Runs `fn` in a child that is nobody, and passes its assertions on. */
static void unprivileged(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (setgroups(0, NULL) < 0 || setgid(65534) < 0 || setuid(65534) < 0)
			_exit(2);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			print_error("%s:%d: %s (stage %s, errno %d, '%s')\n", __FILE__, __LINE__, #condition,      \
				    spawn_stage_name(result.stage), result.error, result.value);   \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static void without_privileges(void)
{
	struct spawn_request r = SPAWN_REQUEST;

	r.user = "root";
	(void)run_argv(r, cat_status);
	MUST(result.stage == SPAWN_SETGROUPS && result.error == EPERM);
	r = (struct spawn_request)SPAWN_REQUEST;
	r.group = "daemon";
	(void)run_argv(r, cat_status);
	MUST(result.stage == SPAWN_SETGROUPS && result.error == EPERM);
	r = (struct spawn_request)SPAWN_REQUEST;
	r.user = NOBODY; /* it is that already */
	MUST(run_argv(r, cat_status) == 0);
	r = (struct spawn_request)SPAWN_REQUEST;
	r.set_nice = true;
	r.nice = -5;
	(void)run_argv(r, cat_status);
	MUST(result.stage == SPAWN_NICE && result.error == EACCES && strcmp(result.value, "-5") == 0);
	r = (struct spawn_request)SPAWN_REQUEST;
	r.set_oom_score_adj = true;
	r.oom_score_adj = -500;
	(void)run_argv(r, cat_status);
	MUST(result.stage == SPAWN_OOM_SCORE && result.error == EACCES);
	r = (struct spawn_request)SPAWN_REQUEST;
	r.set_capabilities = true;
	r.capabilities = 1U << CAP_KILL;
	(void)run_argv(r, cat_status);
	MUST(result.stage == SPAWN_CAPABILITIES && result.error == EPERM && strcmp(result.value, "CAP_CHOWN") == 0);
	r = (struct spawn_request)SPAWN_REQUEST;
	r.dir = "/root";
	(void)run_argv(r, cat_status);
	MUST(result.stage == SPAWN_DIR && result.error == EACCES);
	r = (struct spawn_request)SPAWN_REQUEST;
	r.cgroup_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)run_argv(r, cat_status);
	MUST(result.stage == SPAWN_CGROUP && result.error != 0);
}

static void test_without_privileges(void **state)
{
	(void)state;
	if (!as_root())
		skip();
	unprivileged(without_privileges);
}

static void limited_processes(void)
{
	struct rlimit none = { 0, 0 };
	struct spawn_request r = SPAWN_REQUEST;
	char text[300];

	(void)setrlimit(RLIMIT_NPROC, &none);
	(void)run_argv(r, cat_status);
	MUST(result.stage == SPAWN_CLONE && result.error == EAGAIN && result.pid == 0);
	spawn_result_text(&result, text, sizeof(text));
	MUST(strstr(text, "limit on processes"));
}

static void test_clone_refused(void **state)
{
	(void)state;
	if (!as_root())
		skip();
	unprivileged(limited_processes);
}

static void test_directory_is_entered_as_the_user(void **state)
{
	struct spawn_request r = SPAWN_REQUEST;
	char path[200];

	(void)state;
	if (!as_root())
		skip();
	(void)snprintf(path, sizeof(path), "%s/private", temp_dir());
	assert_int_equal(mkdir(path, 0700), 0);
	r.user = NOBODY;
	r.dir = path;
	assert_int_equal(run_argv(r, cat_status), -1);
	assert_failed(SPAWN_DIR, EACCES, path);
}

static void test_capabilities(void **state)
{
	struct spawn_request r = SPAWN_REQUEST;
	const char *only = "0000000000000400"; /* CAP_NET_BIND_SERVICE */

	(void)state;
	if (!as_root())
		skip();
	r.set_capabilities = true;
	r.capabilities = 1ULL << CAP_NET_BIND_SERVICE;
	r.user = NOBODY;
	r.no_new_privileges = true;
	assert_int_equal(run_argv(r, cat_status), 0);
	assert_string_equal(line_of(&out, "CapInh:"), only);
	assert_string_equal(line_of(&out, "CapPrm:"), only);
	assert_string_equal(line_of(&out, "CapEff:"), only);
	assert_string_equal(line_of(&out, "CapBnd:"), only);
	assert_string_equal(line_of(&out, "CapAmb:"), only);
	assert_string_equal(line_of(&out, "NoNewPrivs:"), "1");
	assert_string_equal(line_of(&out, "Uid:"), "65534\t65534\t65534\t65534");
	r.user = NULL;
	assert_int_equal(run_argv(r, cat_status), 0);
	assert_string_equal(line_of(&out, "CapPrm:"), only);
	assert_string_equal(line_of(&out, "CapBnd:"), only);
	r.capabilities = 0;
	assert_int_equal(run_argv(r, cat_status), 0);
	assert_string_equal(line_of(&out, "CapEff:"), "0000000000000000");
	r.capabilities = 1ULL << 63;
	assert_int_equal(run_argv(r, cat_status), 0); /* this kernel has none of that number: nothing to keep */
	assert_string_equal(line_of(&out, "CapBnd:"), "0000000000000000");
}

struct in_thread {
	struct spawn_stack *stack;
	const struct spawn_request *request;
	int returned;
};

static void *spawn_in_thread(void *data)
{
	struct in_thread *t = data;

	t->returned = spawn_run(t->stack, t->request, &result);
	return NULL;
}

/* A keeper in small: the subreaper starts a server, whose thread starts a process that is the keeper's child. */
static void sibling_world(bool failing)
{
	struct spawn_request r = SPAWN_REQUEST;
	volatile pid_t *slot = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct in_thread t = { .stack = spawn_stack_new(), .request = &r };
	static const char *const argv[] = { "/bin/sh", "-c", "exit 9", NULL };
	pid_t server;
	pthread_t thread;
	int status;

	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	r.as_sibling = true;
	r.pid_slot = slot;
	r.argv = argv;
	r.dir = failing ? "/no/such/dir" : NULL;
	server = fork();
	if (server == 0) {
		if (pthread_create(&thread, NULL, spawn_in_thread, &t) != 0 || pthread_join(thread, NULL) != 0)
			_exit(4);
		if (result.pid <= 0 || result.pid != *slot)
			_exit(5);
		if (failing)
			_exit(t.returned == -ENOENT && result.stage == SPAWN_DIR ? 0 : 6);
		_exit(t.returned == 0 && result.pidfd >= 0 ? 0 : 7);
	}
	if (waitpid(server, &status, 0) != server || status != 0)
		_exit(1);
	if (*slot <= 0 || waitpid(*slot, &status, 0) != *slot)
		_exit(2);
	_exit(WEXITSTATUS(status) == (failing ? 127 : 9) ? 0 : 3);
}

static void run_sibling_world(bool failing)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		sibling_world(failing);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_sibling(void **state)
{
	(void)state;
	run_sibling_world(false);
	run_sibling_world(true);
}

static void test_names(void **state)
{
	(void)state;
	for (int stage = 0; stage < SPAWN_STAGE_N; stage++)
		assert_non_null(spawn_stage_name((enum spawn_stage)stage));
}

static void test_request_copy(void **state)
{
	struct spawn_rlimit limit = { RLIMIT_CORE, 1, 2 };
	struct spawn_fd fd = { 8, 9 };
	struct spawn_request r = SPAWN_REQUEST;
	struct spawn_request *copy;

	(void)state;
	r.argv = (const char *const[]){ "a", "bc", NULL };
	r.env = (const char *const[]){ NULL };
	r.dir = "/x";
	r.rlimits = &limit;
	r.n_rlimits = 1;
	r.fds = &fd;
	r.n_fds = 1;
	copy = spawn_request_copy(&r);
	assert_non_null(copy);
	assert_ptr_not_equal(copy->argv, r.argv);
	assert_string_equal(copy->argv[1], "bc");
	assert_null(copy->argv[2]);
	assert_null(copy->env[0]);
	assert_null(copy->env_files);
	assert_string_equal(copy->dir, "/x");
	assert_int_equal(copy->rlimits[0].hard, 2);
	assert_int_equal(copy->fds[0].target, 9);
	free(copy);
}

static void test_many(void **state)
{
	struct spawn_request r = SPAWN_REQUEST;
	struct spawn_stack *stack = spawn_stack_new();
	size_t before = count_fds();

	(void)state;
	r.argv = (const char *const[]){ "/bin/true", NULL };
	for (int i = 0; i < 1000; i++) {
		int status;

		r.dir = i % 10 == 9 ? "/no/such/dir" : NULL;
		(void)spawn_run(stack, &r, &result);
		assert_int_equal(result.stage, r.dir ? SPAWN_DIR : SPAWN_OK);
		if (r.dir)
			continue;
		assert_int_equal(waitpid(result.pid, &status, 0), result.pid);
		assert_int_equal(status, 0);
		(void)close(result.pidfd);
	}
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	assert_int_equal(count_fds(), before);
	spawn_stack_free(stack);
}

static int teardown(void **state)
{
	(void)state;
	strbuf_fini(&out);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_argv_and_shell),
		cmocka_unit_test(test_simple_command_needs_no_shell),
		cmocka_unit_test(test_script_without_interpreter_line),
		cmocka_unit_test(test_exec_failures),
		cmocka_unit_test(test_path_of_the_service_is_searched),
		cmocka_unit_test(test_dir),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_signals_are_clean),
		cmocka_unit_test(test_group_and_session),
		cmocka_unit_test(test_no_descriptor_leaks),
		cmocka_unit_test(test_descriptors_are_swapped),
		cmocka_unit_test(test_bad_descriptors),
		cmocka_unit_test(test_stdin),
		cmocka_unit_test(test_umask_nice_oom),
		cmocka_unit_test(test_rlimits),
		cmocka_unit_test(test_tag),
		cmocka_unit_test(test_user),
		cmocka_unit_test(test_unknown_users),
		cmocka_unit_test(test_without_privileges),
		cmocka_unit_test(test_clone_refused),
		cmocka_unit_test(test_directory_is_entered_as_the_user),
		cmocka_unit_test(test_capabilities),
		cmocka_unit_test(test_sibling),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_request_copy),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
