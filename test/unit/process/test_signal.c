/* SPDX-License-Identifier: Apache-2.0 */
/* Tests: sending by pidfd, wait statuses. */
#include "../testing.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "process/child.h"
#include "process/signal.h"

/* A child that leads its own group and sleeps. */
static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			(void)pause();
	}
	(void)setpgid(pid, pid);
	return pid;
}

static void test_process_and_group(void **state)
{
	pid_t pid = sleeper();
	AUTO(auto_close) int pidfd = signal_open(pid);
	int status;

	(void)state;
	assert_true(pidfd >= 0);
	assert_int_equal(signal_process(pidfd, pid, 0), 0);
	assert_int_equal(signal_group(pidfd, pid, 0), 0);
	assert_false(signal_has_ended(pidfd));
	assert_int_equal(signal_group(pidfd, pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(signal_has_ended(pidfd));
	assert_int_equal(child_exit_from_status(status).signal, SIGKILL);
	/* the number may be anybody's by now: nothing but the pidfd is asked */
	assert_int_equal(signal_process(pidfd, pid, SIGKILL), -ESRCH);
}

static void test_without_pidfd(void **state)
{
	pid_t pid = sleeper();
	int status;

	(void)state;
	assert_int_equal(signal_process(-1, pid, 0), 0);
	assert_int_equal(signal_group(-1, pid, SIGTERM), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(child_exit_from_status(status).signal, SIGTERM);
	assert_int_equal(signal_process(-1, 0, SIGKILL), -ESRCH);
	assert_int_equal(signal_group(-1, 1, SIGKILL), -ESRCH);
	assert_int_equal(signal_group(-1, 0, SIGKILL), -ESRCH);
}

static void test_exit_text(void **state)
{
	struct child_exit e = child_exit_from_status(3 << 8);
	char text[CHILD_TEXT_SIZE];

	(void)state;
	child_exit_text(&e, text);
	assert_string_equal(text, "exited with code 3");
	e = child_exit_from_status(SIGKILL);
	child_exit_text(&e, text);
	assert_string_equal(text, "killed by SIGKILL (9)");
	e = child_exit_from_status(SIGSEGV | 0x80);
	child_exit_text(&e, text);
	assert_string_equal(text, "killed by SIGSEGV (11), core dumped");
	e = child_exit_from_siginfo(CLD_DUMPED, SIGABRT);
	assert_true(e.core_dumped);
	assert_int_equal(e.code, -1);
	e = child_exit_from_siginfo(CLD_EXITED, 7);
	assert_int_equal(e.code, 7);
	e = child_exit_from_siginfo(CLD_KILLED, SIGRTMAX);
	child_exit_text(&e, text);
	assert_string_equal(text, "killed by SIGRTMIN+30 (64)");
}

static void test_shell_error(void **state)
{
	struct child_exit not_found = { .code = 127 };
	struct child_exit not_executable = { .code = 126 };
	struct child_exit other = { .code = 1 };
	struct child_exit killed = { .code = -1, .signal = SIGKILL };
	int error = 0;

	(void)state;
	assert_true(child_is_shell_error(&not_found, true, 0, &error));
	assert_int_equal(error, ENOENT);
	assert_true(child_is_shell_error(&not_executable, true, CHILD_SHELL_ERROR_WITHIN, &error));
	assert_int_equal(error, EACCES);
	assert_false(child_is_shell_error(&not_found, false, 0, &error));
	assert_false(child_is_shell_error(&not_found, true, CHILD_SHELL_ERROR_WITHIN + 1, &error));
	assert_false(child_is_shell_error(&other, true, 0, &error));
	assert_false(child_is_shell_error(&killed, true, 0, &error));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_process_and_group),
		cmocka_unit_test(test_without_pidfd),
		cmocka_unit_test(test_exit_text),
		cmocka_unit_test(test_shell_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
