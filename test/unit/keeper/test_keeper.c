/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper with scripted servers: this program runs itself as the server ("--brain FD SCENARIO"), and each server
 * process plays the part that its number (WIRE_BEGIN) has in the scenario. The keeper's exit code is the verdict.
 */
#include "keeper/keeper.h"

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/time.h"
#include "keeper/wire.h"

#include "../testing.h"

#define RIGHT 77
#define WRONG 78

/* --- the server's side ------------------------------------------------------------------------ */

struct server {
	int sock;
	int number; /* how many servers there were before */
	int kept_fd;
	char kept_key[LIMIT_KEEPER_KEY];
	uint32_t kept_slot;
	int kept_n;
	struct wire_message begun; /* WIRE_BEGIN */
};

static struct wire_message receive(const struct server *s, int *fds)
{
	struct wire_message m = { 0 };

	if (fd_receive_message(s->sock, &m, sizeof(m), 0, fds) != (ssize_t)sizeof(m))
		_exit(WRONG);
	return m;
}

static struct wire_message expect(const struct server *s, enum wire_type type)
{
	int fds[FD_MESSAGE_MAX];
	struct wire_message m = receive(s, fds);

	if (m.type != type)
		_exit(WRONG);
	return m;
}

static void say(const struct server *s, struct wire_message m, const int *fds, size_t n)
{
	if (fd_send_message(s->sock, &m, sizeof(m), 0, fds, n) < 0)
		_exit(WRONG);
}

static void ready(const struct server *s)
{
	say(s, (struct wire_message){ .type = WIRE_READY, .value = WIRE_VERSION }, NULL, 0);
}

static void begin(struct server *s)
{
	int fds[FD_MESSAGE_MAX];
	struct wire_message m;

	s->kept_fd = -1;
	while ((m = receive(s, fds)).type == WIRE_KEPT) {
		s->kept_n++;
		s->kept_fd = fds[0];
		s->kept_slot = m.slot;
		memcpy(s->kept_key, m.key, sizeof(m.key));
	}
	if (m.type != WIRE_BEGIN)
		_exit(WRONG);
	s->number = m.value;
	s->begun = m;
}

static void done(const struct server *s, int code)
{
	say(s, (struct wire_message){ .type = WIRE_DONE, .value = code }, NULL, 0);
	_exit(0);
}

/* A child of the keeper, our sibling. */
static pid_t sibling(int exit_code)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(exit_code);
	return pid;
}

static void play_descriptors(struct server *s)
{
	int fd = memfd_create("kept", 0);
	char text[8] = "";

	if (s->number == 0) {
		(void)!write(fd, "hello", 5);
		say(s, (struct wire_message){ .type = WIRE_KEEP, .slot = 9, .key = "other" }, &fd, 1);
		say(s, (struct wire_message){ .type = WIRE_KEEP, .slot = 5, .key = "mine" }, &fd, 1);
		say(s, (struct wire_message){ .type = WIRE_FORGET, .slot = 9 }, NULL, 0);
		(void)raise(SIGKILL); /* the last words are in the socket */
	}
	if (s->kept_n != 1 || s->kept_slot != 5 || strcmp(s->kept_key, "mine") != 0)
		done(s, WRONG);
	(void)!pread(s->kept_fd, text, 5, 0);
	done(s, strcmp(text, "hello") == 0 ? RIGHT : WRONG);
}

static void play_exits(struct server *s)
{
	struct wire_message m;
	siginfo_t info;

	if (s->number == 0) {
		pid_t pid = sibling(3);

		m = expect(s, WIRE_EXITED);
		if (m.pid != pid || m.code != CLD_EXITED || m.value != 3 || kill(pid, 0) < 0)
			_exit(WRONG);
		(void)raise(SIGKILL); /* told, not acknowledged */
	}
	m = expect(s, WIRE_EXITED);
	if (m.value != 3 || kill(m.pid, 0) < 0 || waitid(P_PID, (id_t)m.pid, &info, WEXITED | WNOHANG) == 0)
		done(s, WRONG);
	done(s, RIGHT);
}

static void play_second_exit(struct server *s)
{
	pid_t a = sibling(1);
	pid_t b = sibling(2);
	struct wire_message m = expect(s, WIRE_EXITED);
	pid_t first = m.pid;

	if (first != a && first != b)
		done(s, WRONG);
	say(s, (struct wire_message){ .type = WIRE_REAP, .pid = first }, NULL, 0);
	m = expect(s, WIRE_EXITED);
	if (m.pid != (first == a ? b : a) || kill(first, 0) == 0)
		done(s, WRONG);
	done(s, RIGHT);
}

static void play_signal(struct server *s)
{
	(void)kill(getppid(), SIGTERM);
	done(s, expect(s, WIRE_SIGNAL).value == SIGTERM ? RIGHT : WRONG);
}

static void play_signal_twice(struct server *s)
{
	if (s->number == 0) {
		(void)kill(getppid(), SIGTERM);
		(void)expect(s, WIRE_SIGNAL);
		(void)raise(SIGKILL); /* told, not dealt with */
	}
	if (s->number == 1) {
		if (expect(s, WIRE_SIGNAL).value != SIGTERM)
			_exit(WRONG);
		say(s, (struct wire_message){ .type = WIRE_SIGNALLED, .value = SIGTERM }, NULL, 0);
		(void)raise(SIGKILL);
	}
	(void)kill(getppid(), SIGHUP);
	done(s, expect(s, WIRE_SIGNAL).value == SIGHUP ? RIGHT : WRONG);
}

/* --- upgrades: the next program is this one again, by its number it knows which one it is meant to be --- */

#define NOTE "1.0 2.0"

static void upgrade(const struct server *s, int ms)
{
	int fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);

	say(s, (struct wire_message){ .type = WIRE_UPGRADE, .value = ms, .key = NOTE }, &fd, 1);
	_exit(0);
}

static bool was_told(const struct server *s, enum wire_outcome outcome, int detail)
{
	return s->begun.slot == outcome && s->begun.pid == detail && s->begun.code == WIRE_VERSION &&
	       (outcome == WIRE_NO_UPGRADE || strcmp(s->begun.key, NOTE) == 0);
}

static void play_upgrade(struct server *s)
{
	if (s->number == 0)
		upgrade(s, 5000);
	if (s->number == 1) {
		if (!was_told(s, WIRE_TRIED, 0))
			done(s, WRONG);
		(void)raise(SIGKILL); /* somebody else's doing: not put back */
	}
	done(s, was_told(s, WIRE_NO_UPGRADE, 0) ? RIGHT : WRONG);
}

static void play_upgrade_fails(struct server *s)
{
	static const enum wire_outcome outcomes[] = { WIRE_NO_UPGRADE, WIRE_TRIED, WIRE_EXIT, WIRE_TRIED, WIRE_KILLED };
	static const int details[] = { 0, 0, 9, 0, SIGABRT };

	if (!was_told(s, outcomes[s->number], details[s->number]))
		done(s, WRONG);
	if (s->number == 1)
		_exit(9); /* on probation */
	if (s->number == 3)
		(void)raise(SIGABRT);
	if (s->number == 4)
		done(s, RIGHT);
	upgrade(s, 5000);
}

static void play_upgrade_at_once(struct server *s)
{
	if (s->number < 5)
		upgrade(s, 5000); /* each within the probation of the one before */
	done(s, was_told(s, WIRE_TRIED, 0) ? RIGHT : WRONG);
}

/* A program that can't be executed. */
static void play_upgrade_to_nothing(struct server *s)
{
	int fd = memfd_create("empty", MFD_CLOEXEC);

	if (s->number == 0) {
		say(s, (struct wire_message){ .type = WIRE_UPGRADE, .value = 5000, .key = NOTE }, &fd, 1);
		say(s, (struct wire_message){ .type = WIRE_UPGRADE, .value = 5000 }, NULL, 0); /* without one: no effect */
		_exit(0);
	}
	done(s, was_told(s, WIRE_EXIT, 127) ? RIGHT : WRONG);
}

/* Before it is ready: it ends, is killed, or hangs. */
static void play_unready(struct server *s, const char *scenario)
{
	bool ends = strcmp(scenario, "upgrade-exits") == 0;
	bool killed = strcmp(scenario, "upgrade-killed") == 0;

	if (s->number == 1 && ends)
		_exit(3);
	if (s->number == 1 && killed)
		(void)raise(SIGKILL);
	if (s->number == 1) {
		for (;;)
			(void)pause();
	}
	ready(s);
	if (s->number == 0)
		upgrade(s, ends || killed ? 20000 : 100);
	if (ends)
		done(s, was_told(s, WIRE_EXIT, 3) ? RIGHT : WRONG);
	done(s, was_told(s, killed ? WIRE_KILLED : WIRE_TOO_LATE, SIGKILL) ? RIGHT : WRONG);
}

#define SHORT_LIVES 12

static void play_short_lives(struct server *s)
{
	if (s->number < SHORT_LIVES)
		(void)raise(SIGKILL);
	done(s, RIGHT);
}

static void play_garbage(struct server *s)
{
	if (s->number == 0) {
		(void)fd_send_message(s->sock, "short", 5, 0, NULL, 0);
		say(s, (struct wire_message){ .type = 9999 }, NULL, 0);
		say(s, (struct wire_message){ .type = WIRE_KEEP, .slot = UINT32_MAX }, NULL, 0);
		say(s, (struct wire_message){ .type = WIRE_REAP, .pid = getpid() }, NULL, 0);
		say(s, (struct wire_message){ .type = WIRE_REAP, .pid = 1 }, NULL, 0);
		(void)raise(SIGKILL);
	}
	done(s, s->kept_n == 0 ? RIGHT : WRONG);
}

static void play_closed_socket(struct server *s)
{
	if (s->number == 0) {
		(void)close(s->sock);
		for (;;)
			(void)pause(); /* useless without the keeper: it must be killed */
	}
	done(s, RIGHT);
}

static const struct {
	const char *name;
	void (*play)(struct server *s);
} scenarios[] = {
	{ "descriptors", play_descriptors }, { "exits", play_exits },
	{ "second-exit", play_second_exit }, { "signal", play_signal },
	{ "garbage", play_garbage },	     { "closed-socket", play_closed_socket },
	{ "signal-twice", play_signal_twice }, { "short-lives", play_short_lives },
	{ "upgrade", play_upgrade },	     { "upgrade-fails", play_upgrade_fails },
	{ "upgrade-at-once", play_upgrade_at_once }, { "upgrade-to-nothing", play_upgrade_to_nothing },
};

static const char *const unready[] = { "upgrade-exits", "upgrade-killed", "upgrade-hangs" };

static int run_server(int sock, const char *scenario)
{
	struct server s = { .sock = sock };

	if (strcmp(scenario, "never-ready") == 0)
		return 5;
	begin(&s);
	for (size_t i = 0; i < sizeof(unready) / sizeof(unready[0]); i++) {
		if (strcmp(unready[i], scenario) == 0)
			play_unready(&s, scenario);
	}
	ready(&s);
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		if (strcmp(scenarios[i].name, scenario) == 0)
			scenarios[i].play(&s);
	}
	return WRONG;
}

/* --- the keeper's side ------------------------------------------------------------------------ */

static int keeper_code(const char *scenario)
{
	char self[] = "/proc/self/exe";
	char name[32];
	char *argv[] = { self, name, NULL };
	int status;
	pid_t pid;

	(void)snprintf(name, sizeof(name), "%s", scenario);
	pid = fork();
	if (pid == 0) {
		struct error err;

		(void)alarm(30); /* a keeper that hangs fails the test */
		_exit(keeper_run("/proc/self/exe", -1, argv, &err));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_descriptors_go_to_the_next_server(void **state)
{
	(void)state;
	assert_int_equal(keeper_code("descriptors"), RIGHT);
}

static void test_an_exit_is_told_until_it_is_acknowledged(void **state)
{
	(void)state;
	assert_int_equal(keeper_code("exits"), RIGHT);
}

static void test_exits_follow_one_another(void **state)
{
	(void)state;
	assert_int_equal(keeper_code("second-exit"), RIGHT);
}

static void test_signals_are_passed_on(void **state)
{
	(void)state;
	assert_int_equal(keeper_code("signal"), RIGHT);
}

static void test_a_signal_is_told_until_it_is_dealt_with(void **state)
{
	(void)state;
	assert_int_equal(keeper_code("signal-twice"), RIGHT);
}

static void test_servers_that_die_at_once_are_not_started_at_full_speed(void **state)
{
	usec_t begun = time_boottime();

	(void)state;
	assert_int_equal(keeper_code("short-lives"), RIGHT);
	assert_true(time_boottime() - begun > (SHORT_LIVES - 4) * 50 * USEC_PER_MSEC);
}

static void test_garbage_does_no_harm(void **state)
{
	(void)state;
	assert_int_equal(keeper_code("garbage"), RIGHT);
}

static void test_a_server_that_closed_its_socket_is_replaced(void **state)
{
	(void)state;
	assert_int_equal(keeper_code("closed-socket"), RIGHT);
}

static void test_another_program_takes_over(void **state)
{
	(void)state;
	assert_int_equal(keeper_code("upgrade"), RIGHT);
	assert_int_equal(keeper_code("upgrade-at-once"), RIGHT);
}

static void test_a_program_that_fails_is_put_back(void **state)
{
	(void)state;
	assert_int_equal(keeper_code("upgrade-fails"), RIGHT);
	assert_int_equal(keeper_code("upgrade-exits"), RIGHT);
	assert_int_equal(keeper_code("upgrade-killed"), RIGHT);
	assert_int_equal(keeper_code("upgrade-hangs"), RIGHT);
	assert_int_equal(keeper_code("upgrade-to-nothing"), RIGHT);
}

static void test_a_server_that_never_worked_ends_the_keeper(void **state)
{
	(void)state;
	assert_int_equal(keeper_code("never-ready"), 5);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_descriptors_go_to_the_next_server),
		cmocka_unit_test(test_an_exit_is_told_until_it_is_acknowledged),
		cmocka_unit_test(test_exits_follow_one_another),
		cmocka_unit_test(test_signals_are_passed_on),
		cmocka_unit_test(test_a_signal_is_told_until_it_is_dealt_with),
		cmocka_unit_test(test_servers_that_die_at_once_are_not_started_at_full_speed),
		cmocka_unit_test(test_garbage_does_no_harm),
		cmocka_unit_test(test_a_server_that_closed_its_socket_is_replaced),
		cmocka_unit_test(test_a_server_that_never_worked_ends_the_keeper),
		cmocka_unit_test(test_another_program_takes_over),
		cmocka_unit_test(test_a_program_that_fails_is_put_back),
	};

	if (argc == 4 && strcmp(argv[1], "--brain") == 0)
		return run_server((int)strtol(argv[2], NULL, 10), argv[3]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
