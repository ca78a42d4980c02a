/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "../testing.h"

struct trace {
	struct loop *loop;
	char text[64];
	size_t len;
	struct loop_io *victim;
};

static void mark(struct trace *t, char c)
{
	assert_true(t->len < sizeof(t->text) - 1);
	t->text[t->len++] = c;
	t->text[t->len] = '\0';
}

static void on_timer(struct loop_timer *timer, void *data)
{
	(void)timer;
	mark(data, 't');
}

static void on_deferred(void *data)
{
	mark(data, 'd');
}

static void on_io(struct loop_io *io, uint32_t events, void *data)
{
	char c;

	(void)events;
	assert_int_equal(read(loop_io_fd(io), &c, 1), 1);
	mark(data, 'i');
}

static void on_deferred_undefers(void *data)
{
	struct trace *t = data;

	mark(t, 'u');
	loop_undefer(t->loop, on_deferred, t);
}

/* Before the round, and from within it. */
static void test_deferred_calls_are_taken_back(void **state)
{
	struct trace t = { .loop = loop_new() };
	struct trace other = { .loop = t.loop };

	(void)state;
	assert_int_equal(loop_defer(t.loop, on_deferred, &t), 0);
	assert_int_equal(loop_defer(t.loop, on_deferred, &other), 0);
	loop_undefer(t.loop, on_deferred, &t);
	assert_int_equal(loop_once(t.loop, 0), 0);
	assert_string_equal(t.text, "");
	assert_string_equal(other.text, "d");
	assert_int_equal(loop_defer(t.loop, on_deferred_undefers, &t), 0);
	assert_int_equal(loop_defer(t.loop, on_deferred, &t), 0);
	assert_int_equal(loop_once(t.loop, 0), 0);
	assert_string_equal(t.text, "u");
	loop_free(t.loop);
}

static void test_order_of_a_round_is_io_timers_deferred(void **state)
{
	struct trace t = { .loop = loop_new() };
	struct loop_timer *timer = loop_timer_new(t.loop, on_timer, &t);
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_non_null(loop_io_new(t.loop, fds[0], EPOLLIN, on_io, &t));
	loop_timer_arm(timer, loop_now(t.loop));
	assert_int_equal(loop_defer(t.loop, on_deferred, &t), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(loop_once(t.loop, 0), 0);
	assert_string_equal(t.text, "itd");
	assert_int_equal(loop_once(t.loop, 0), 0);
	assert_string_equal(t.text, "itd");
	loop_free(t.loop);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void free_victim(struct loop_io *io, uint32_t events, void *data)
{
	struct trace *t = data;

	on_io(io, events, data);
	loop_io_free(t->victim == io ? NULL : t->victim);
	t->victim = NULL;
}

static void test_event_of_a_freed_source_is_dropped(void **state)
{
	struct trace t = { .loop = loop_new() };
	struct loop_io *first;
	int a[2];
	int b[2];

	(void)state;
	assert_int_equal(pipe2(a, O_CLOEXEC), 0);
	assert_int_equal(pipe2(b, O_CLOEXEC), 0);
	first = loop_io_new(t.loop, a[0], EPOLLIN, free_victim, &t);
	assert_non_null(first);
	t.victim = loop_io_new(t.loop, b[0], EPOLLIN, on_io, &t);
	assert_int_equal(write(a[1], "x", 1), 1);
	assert_int_equal(write(b[1], "x", 1), 1);
	assert_int_equal(loop_once(t.loop, 0), 0);
	assert_string_equal(t.text, "i");
	loop_free(t.loop);
	(void)close(a[0]), (void)close(a[1]), (void)close(b[0]), (void)close(b[1]);
}

static usec_t last_deadline;

static void check_order(struct loop_timer *timer, void *data)
{
	usec_t *deadline = data;

	(void)timer;
	assert_true(*deadline >= last_deadline);
	last_deadline = *deadline;
	*deadline = 0;
}

static void test_timers_fire_in_order_and_can_be_disarmed(void **state)
{
	enum { N = 500 };
	static usec_t deadlines[N];
	struct loop_timer *timers[N];
	struct loop *loop = loop_new();

	(void)state;
	srand(1);
	for (int i = 0; i < N; i++) {
		deadlines[i] = 1 + (usec_t)rand() % 1000;
		timers[i] = loop_timer_new(loop, check_order, &deadlines[i]);
		loop_timer_arm(timers[i], deadlines[i]);
	}
	for (int i = 0; i < N; i += 5)
		loop_timer_disarm(timers[i]);
	for (int i = 1; i < N; i += 5)
		loop_timer_free(timers[i]);
	assert_int_equal(loop_once(loop, 0), 0);
	for (int i = 0; i < N; i++) {
		if (i % 5 < 2)
			assert_int_not_equal(deadlines[i], 0);
		else
			assert_int_equal(deadlines[i], 0);
	}
	loop_free(loop);
}

static void quit_now(struct loop_timer *timer, void *data)
{
	struct trace *t = data;

	(void)timer;
	loop_quit(t->loop, 7);
}

static void test_sleeps_until_the_deadline_and_quits(void **state)
{
	struct trace t = { .loop = loop_new() };
	struct loop_timer *timer = loop_timer_new(t.loop, quit_now, &t);
	usec_t begin = time_boottime();

	(void)state;
	loop_timer_arm(timer, begin + 5000);
	assert_int_equal(loop_run(t.loop), 7);
	assert_true(time_boottime() - begin >= 5000);
	loop_free(t.loop);
}

static void test_a_quit_before_the_run_counts(void **state)
{
	struct loop *loop = loop_new();

	(void)state;
	loop_quit(loop, 9);
	assert_int_equal(loop_run(loop), 9);
	loop_free(loop);
}

static void on_signal(const struct signalfd_siginfo *info, void *data)
{
	assert_int_equal(info->ssi_signo, SIGUSR1);
	mark(data, 's');
}

static void test_signals_arrive(void **state)
{
	struct trace t = { .loop = loop_new() };
	sigset_t set;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	assert_int_equal(loop_signals(t.loop, &set, on_signal, &t), 0);
	assert_int_equal(kill(getpid(), SIGUSR1), 0);
	assert_int_equal(loop_once(t.loop, 0), 0);
	assert_string_equal(t.text, "s");
	loop_free(t.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_of_a_round_is_io_timers_deferred),
		cmocka_unit_test(test_deferred_calls_are_taken_back),
		cmocka_unit_test(test_event_of_a_freed_source_is_dropped),
		cmocka_unit_test(test_timers_fire_in_order_and_can_be_disarmed),
		cmocka_unit_test(test_sleeps_until_the_deadline_and_quits),
		cmocka_unit_test(test_a_quit_before_the_run_counts),
		cmocka_unit_test(test_signals_arrive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
