/* SPDX-License-Identifier: Apache-2.0 */
#include "../testing.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "base/kernel_names.h"
#include "base/mem.h"

static void test_signals(void **state)
{
	const struct {
		const char *name;
		int signo;
	} cases[] = {
		{ "SIGTERM", SIGTERM }, { "term", SIGTERM }, { "SigTerm", SIGTERM }, { "15", 15 }, { "9", SIGKILL },
		{ "HUP", 1 }, { "IOT", SIGABRT }, { "poll", SIGPOLL }, { "SIGIO", SIGIO }, { "CLD", SIGCHLD },
		{ "STKFLT", 16 }, { "SIGPWR", 30 }, { "SYS", 31 }, { "UNUSED", 31 }, { "64", 64 }, { "1", 1 },
		{ "RTMIN", SIGRTMIN }, { "sigrtmin+3", SIGRTMIN + 3 }, { "RTMAX", SIGRTMAX },
		{ "SIGRTMAX-1", SIGRTMAX - 1 }, { "RTMIN+0", SIGRTMIN }, { "RTMIN+30", SIGRTMIN + 30 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(signal_from_name(cases[i].name, NULL), cases[i].signo);
}

static void test_no_signals(void **state)
{
	/* 32 is libc's own */
	static const char *const bad[] = { "", "SIG", "0", "32", "65", "99", "-1", "TERMX", "RTMIN-1", "RTMAX+1", "RTMIN+31",
					   "RTMIN+", "RTMIN+-1", "9 ", " 9", "SIGSIGTERM", "SIG9", "RTMAX--1" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct error err = { 0 };

		assert_int_equal(signal_from_name(bad[i], &err), -EINVAL);
		assert_non_null(strstr(err.msg, "unknown signal"));
	}
}

static void test_near_signals(void **state)
{
	struct error err = { 0 };

	(void)state;
	assert_int_equal(signal_from_name("SIGTREM", &err), -EINVAL);
	assert_non_null(strstr(err.msg, "did you mean SIGTERM?"));
	assert_int_equal(signal_from_name("quti", &err), -EINVAL);
	assert_non_null(strstr(err.msg, "SIGQUIT"));
	assert_string_equal(signal_nearest("SIGTREM"), "SIGTERM");
	assert_string_equal(signal_nearest("trem"), "SIGTERM");
	assert_null(signal_nearest("everything"));
}

static void test_every_signal_has_its_name(void **state)
{
	char name[SIGNAL_NAME_SIZE];

	(void)state;
	for (int signo = 1; signo <= SIGRTMAX; signo++) {
		if (signo >= 32 && signo < SIGRTMIN)
			continue;
		signal_name(signo, name);
		assert_int_equal(signal_from_name(name, NULL), signo);
		assert_memory_equal(name, "SIG", 3);
	}
	signal_name(SIGABRT, name);
	assert_string_equal(name, "SIGABRT");
	signal_name(SIGRTMIN + 2, name);
	assert_string_equal(name, "SIGRTMIN+2");
	signal_name(32, name);
	assert_string_equal(name, "32");
}

static void test_rlimits(void **state)
{
	struct error err = { 0 };

	(void)state;
	assert_int_equal(rlimit_from_name("nofile", NULL), RLIMIT_NOFILE);
	assert_int_equal(rlimit_from_name("RLIMIT_CORE", NULL), RLIMIT_CORE);
	assert_int_equal(rlimit_from_name("nofiel", &err), -EINVAL);
	assert_non_null(strstr(err.msg, "did you mean 'nofile'?"));
	assert_int_equal(rlimit_from_name("RLIMIT_", NULL), -EINVAL);
	assert_string_equal(rlimit_nearest("rlimit_nporc"), "nproc");
	for (int i = 0; i < RLIM_NLIMITS; i++)
		assert_int_equal(rlimit_from_name(rlimit_name(i), NULL), i);
	assert_null(rlimit_name(RLIM_NLIMITS));
}

static void test_capabilities(void **state)
{
	struct error err = { 0 };

	(void)state;
	assert_int_equal(capability_from_name("cap_net_bind_service", NULL), 10);
	assert_int_equal(capability_from_name("CHOWN", NULL), 0);
	assert_int_equal(capability_from_name("CAP_NET_BIND_SERVISE", &err), -EINVAL);
	assert_non_null(strstr(err.msg, "CAP_NET_BIND_SERVICE"));
	assert_int_equal(capability_from_name("CAP_", NULL), -EINVAL);
	assert_int_equal(capability_from_name("everything", NULL), -EINVAL);
	assert_string_equal(capability_name(capability_from_name("net_raw", NULL)), "CAP_NET_RAW");
	assert_string_equal(capability_name(40), "CAP_CHECKPOINT_RESTORE");
	assert_null(capability_name(41));
	assert_null(capability_name(-EINVAL));
	assert_string_equal(capability_nearest("net_rwa"), "CAP_NET_RAW");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_no_signals),
		cmocka_unit_test(test_near_signals),
		cmocka_unit_test(test_every_signal_has_its_name),
		cmocka_unit_test(test_rlimits),
		cmocka_unit_test(test_capabilities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
