/* SPDX-License-Identifier: Apache-2.0 */
/* Tests: spawning from a loop: order, descriptors, hanging requests, forgetting, giving up. */
#include "../testing.h"

#include "helpers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "process/signal.h"
#include "process/spawner.h"

struct world {
	struct loop *loop;
	struct spawner *spawner;
};

struct answer {
	unsigned int n;
	struct spawn_result result;
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->loop = loop_new();
	assert_non_null(w->loop);
	w->spawner = spawner_new(w->loop, NULL);
	assert_non_null(w->spawner);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	spawner_free(w->spawner);
	loop_free(w->loop);
	free(w);
	return 0;
}

static void on_done(const struct spawn_result *result, void *data)
{
	struct answer *a = data;

	a->n++;
	a->result = *result;
}

static void run_until(struct world *w, const unsigned int *n, unsigned int wanted)
{
	usec_t end = time_boottime() + PATIENCE_MS * USEC_PER_MSEC;

	while (*n < wanted && time_boottime() < end)
		assert_int_equal(loop_once(w->loop, 50 * USEC_PER_MSEC), 0);
	assert_int_equal(*n, wanted);
}

static int reap(const struct answer *a)
{
	int status;

	assert_int_equal(a->result.stage, SPAWN_OK);
	assert_true(a->result.pidfd >= 0);
	assert_int_equal(waitpid(a->result.pid, &status, 0), a->result.pid);
	assert_true(signal_has_ended(a->result.pidfd));
	(void)close(a->result.pidfd);
	return status;
}

static void test_one(void **state)
{
	struct world *w = *state;
	struct spawn_request r = SPAWN_REQUEST;
	struct answer a = { 0 };
	char buffer[64];
	size_t got = 0;
	ssize_t n;
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	{
		char command[] = "echo hello; echo $$ >&2; exit 4";

		r.command = command;
		r.stdout_fd = ends[1];
		r.stderr_fd = ends[1];
		assert_int_equal(spawner_submit(w->spawner, &r, on_done, &a), 0);
		memset(command, 'x', sizeof(command) - 1); /* it was copied */
	}
	assert_int_equal(a.n, 0);
	assert_int_equal(spawner_pending(w->spawner), 1);
	run_until(w, &a.n, 1);
	assert_int_equal(spawner_pending(w->spawner), 0);
	assert_int_equal(WEXITSTATUS(reap(&a)), 4);
	(void)close(ends[1]);
	/* the thread keeps no end of the pipe: it ends */
	while ((n = read(ends[0], buffer + got, sizeof(buffer) - got)) > 0)
		got += (size_t)n;
	assert_int_equal(n, 0);
	assert_memory_equal(buffer, "hello\n", 6);
	assert_true(got > 7);
	(void)close(ends[0]);
}

static void test_failure(void **state)
{
	struct world *w = *state;
	struct spawn_request r = SPAWN_REQUEST;
	struct answer a = { 0 };

	r.command = "/no/such/program with args";
	assert_int_equal(spawner_submit(w->spawner, &r, on_done, &a), 0);
	run_until(w, &a.n, 1);
	assert_int_equal(a.result.stage, SPAWN_EXEC);
	assert_int_equal(a.result.error, ENOENT);
	assert_int_equal(a.result.pidfd, -1);
	assert_string_equal(a.result.value, "/no/such/program");

	r.stdout_fd = 999; /* not open: the socket refuses it */
	assert_int_equal(spawner_submit(w->spawner, &r, on_done, &a), 0);
	run_until(w, &a.n, 2);
	assert_int_equal(a.result.stage, SPAWN_PREPARE);
	assert_int_equal(a.result.error, EBADF);
}

static void test_many(void **state)
{
	struct world *w = *state;
	struct spawn_request r = SPAWN_REQUEST;
	struct answer answers[300] = { 0 };
	struct answer warm_up = { 0 };
	size_t fds;

	r.command = "true-is-a-builtin || exit 3";
	assert_int_equal(spawner_submit(w->spawner, &r, on_done, &warm_up), 0);
	run_until(w, &warm_up.n, 1);
	(void)reap(&warm_up);
	fds = count_fds();
	r.command = "/bin/true";
	for (size_t i = 0; i < ARRAY_LEN(answers); i++)
		assert_int_equal(spawner_submit(w->spawner, &r, on_done, &answers[i]), 0);
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		run_until(w, &answers[i].n, 1);
		assert_int_equal(reap(&answers[i]), 0);
	}
	assert_int_equal(spawner_pending(w->spawner), 0);
	/* a second thread may have come: one socket */
	assert_in_range(count_fds(), fds, fds + 3);
}

/* A FIFO as stdin that nobody writes to: open(2) hangs in the child, as on a dead mount. */
static const char *make_fifo(void)
{
	static char path[200];
	static int count;

	(void)snprintf(path, sizeof(path), "%s/fifo%d", temp_dir(), count++);
	assert_int_equal(mkfifo(path, 0600), 0);
	return path;
}

static bool slot_is_set(void *data)
{
	return *(volatile pid_t *)data > 0;
}

static void test_hanging_ones_do_not_block_others(void **state)
{
	struct world *w = *state;
	struct spawn_request hanging = SPAWN_REQUEST;
	struct spawn_request quick = SPAWN_REQUEST;
	struct answer stuck[8] = { 0 };
	volatile pid_t slots[8] = { 0 };
	struct answer a = { 0 };

	hanging.command = "/bin/true";
	hanging.stdin_path = make_fifo();
	quick.command = "/bin/true";
	for (size_t i = 0; i < ARRAY_LEN(stuck); i++) {
		hanging.pid_slot = &slots[i];
		assert_int_equal(spawner_submit(w->spawner, &hanging, on_done, &stuck[i]), 0);
	}
	assert_int_equal(spawner_submit(w->spawner, &quick, on_done, &a), 0);
	run_until(w, &a.n, 1);
	assert_int_equal(reap(&a), 0);
	for (size_t i = 0; i < ARRAY_LEN(stuck); i++) {
		assert_int_equal(stuck[i].n, 0);
		assert_true(wait_until(slot_is_set, (void *)&slots[i]));
		/* an exit notice finds its owner, and the operator can end it */
		assert_ptr_equal(spawner_find(w->spawner, slots[i]), &stuck[i]);
		assert_int_equal(kill(slots[i], SIGKILL), 0);
		run_until(w, &stuck[i].n, 1);
		assert_int_equal(stuck[i].result.stage, SPAWN_KILLED);
		assert_string_equal(stuck[i].result.value, "stdin");
		assert_null(spawner_find(w->spawner, slots[i]));
	}
	/* the threads that were added for them are gone or of use */
	assert_int_equal(spawner_submit(w->spawner, &quick, on_done, &a), 0);
	run_until(w, &a.n, 2);
	assert_int_equal(reap(&a), 0);
}

static void test_forget(void **state)
{
	struct world *w = *state;
	struct spawn_request r = SPAWN_REQUEST;
	struct answer forgotten = { 0 };
	struct answer kept = { 0 };
	volatile pid_t slot = 0;
	const char *fifo = make_fifo();
	pid_t pid;
	int status;
	int fd;

	r.command = "sleep 1000";
	r.stdin_path = fifo;
	r.pid_slot = &slot;
	assert_int_equal(spawner_submit(w->spawner, &r, on_done, &forgotten), 0);
	while (slot == 0)
		(void)loop_once(w->loop, USEC_PER_MSEC);
	pid = slot;
	assert_int_equal(spawner_forget(w->spawner, &forgotten), 1);
	fd = open(fifo, O_WRONLY | O_CLOEXEC); /* now it comes up, and is ended at once */
	assert_true(fd >= 0);
	r.stdin_path = NULL;
	r.pid_slot = NULL;
	r.command = "/bin/true";
	assert_int_equal(spawner_submit(w->spawner, &r, on_done, &kept), 0);
	run_until(w, &kept.n, 1);
	(void)reap(&kept);
	while (spawner_pending(w->spawner) > 0)
		(void)loop_once(w->loop, USEC_PER_MSEC);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_int_equal(forgotten.n, 0);
	(void)close(fd);

	/* queued ones never start */
	assert_int_equal(spawner_submit(w->spawner, &r, on_done, &forgotten), 0);
	assert_int_equal(spawner_submit(w->spawner, &r, on_done, &forgotten), 0);
	assert_int_equal(spawner_submit(w->spawner, &r, on_done, &forgotten), 0);
	(void)spawner_forget(w->spawner, &forgotten);
	while (spawner_pending(w->spawner) > 0)
		(void)loop_once(w->loop, USEC_PER_MSEC);
	assert_int_equal(forgotten.n, 0);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

static bool nothing_to_reap(void *data)
{
	(void)data;
	return waitpid(-1, NULL, WNOHANG) < 0;
}

static void test_free_while_one_hangs(void **state)
{
	struct world *w = *state;
	struct spawn_request r = SPAWN_REQUEST;
	static struct answer a; /* no callback may come: nothing on this stack may be needed */
	static volatile pid_t slot;
	size_t fds;

	fds = count_fds();
	r.command = "/bin/true";
	r.stdin_path = make_fifo();
	r.pid_slot = &slot;
	assert_int_equal(spawner_submit(w->spawner, &r, on_done, &a), 0);
	while (slot == 0)
		(void)loop_once(w->loop, USEC_PER_MSEC);
	spawner_free(w->spawner);
	w->spawner = NULL;
	assert_int_equal(kill(slot, SIGKILL), 0);
	assert_true(wait_until(nothing_to_reap, NULL));
	assert_int_equal(a.n, 0);
	assert_int_equal(count_fds(), fds);
}

/* One that was forgotten while a thread spawned it: it does not outlive the spawner, and nothing is leaked. */
static void test_free_ends_the_forgotten(void **state)
{
	struct world *w = *state;
	struct spawn_request r = SPAWN_REQUEST;
	struct answer first = { 0 };
	struct answer forgotten = { 0 };
	int status;

	r.command = "/bin/true";
	assert_int_equal(spawner_submit(w->spawner, &r, on_done, &first), 0);
	run_until(w, &first.n, 1);
	(void)reap(&first);
	r.command = "sleep 1000 & wait";
	assert_int_equal(spawner_submit(w->spawner, &r, on_done, &forgotten), 0); /* to a thread that idles */
	assert_int_equal(spawner_forget(w->spawner, &forgotten), 1);
	spawner_free(w->spawner);
	w->spawner = NULL;
	assert_true(waitpid(-1, &status, 0) > 0);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_int_equal(forgotten.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_failure, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hanging_ones_do_not_block_others, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_forget, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_free_while_one_hangs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_free_ends_the_forgotten, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
