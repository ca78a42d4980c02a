/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader is killed again and again at random instants while a writer prints numbered lines to both streams in
 * chunks of any size. Each successor goes on with the ring and the pipes. No line may be lost, doubled or changed.
 */
#include "../testing.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/time.h"
#include "log/ring.h"

#define KILLS 400
#define SYSTEM_CALLS 300
#define CHUNK 20000
#define LINE_BUF (1U << 20)

struct rig {
	int ring_fd;
	int pipes[LOG_STREAM_N][2];
	_Atomic uint64_t *hold; /* shared: what the verifier has seen */
	struct ring *view;
	uint64_t next_seq;
	uint64_t next_number[LOG_STREAM_N];
	char *buf;
	unsigned int seed;
};

static const struct ring_opts opts = { .max_bytes = 256U << 10 };

#define LINE_SIZE 256

static size_t make_line(char out[LINE_SIZE], enum log_stream stream, uint64_t number)
{
	int n = snprintf(out, LINE_SIZE, "%c %llu ", stream == LOG_STDERR ? 'e' : 'o', (unsigned long long)number);
	size_t len = (size_t)n + number * 7919 % 200;

	memset(out + n, 'a' + (int)(number % 26), len - (size_t)n);
	out[len] = '\n';
	return len + 1;
}

/* Print for ever: a chunk of one stream, then one of the other, torn wherever the chunk ends. */
static void writer(const struct rig *rig)
{
	static char data[LOG_STREAM_N][CHUNK + 512];
	size_t len[LOG_STREAM_N] = { 0 };
	uint64_t number[LOG_STREAM_N] = { 0 };
	unsigned int seed = rig->seed;

	for (;;) {
		enum log_stream s = rand_r(&seed) & 1 ? LOG_STDERR : LOG_STDOUT;
		size_t want = (size_t)rand_r(&seed) % (rand_r(&seed) & 1 ? 12 : CHUNK) + 1;

		while (len[s] < want)
			len[s] += make_line(data[s] + len[s], s, number[s]++);
		if (fd_write_all(rig->pipes[s][1], data[s], want) < 0)
			_exit(1);
		len[s] -= want;
		memmove(data[s], data[s] + want, len[s]);
	}
}

static void reader(const struct rig *rig)
{
	struct ring *r;

	if (ring_open(rig->ring_fd, &opts, &r) < 0)
		_exit(1);
	for (;;) {
		ring_hold(r, atomic_load(rig->hold));
		for (int s = 0; s < LOG_STREAM_N; s++) {
			struct ring_source src = { .run = 1, .stream = (enum log_stream)s };
			ssize_t n = ring_pull(r, rig->pipes[s][0], &src, 0, time_realtime(), 0);

			if (n < 0 && n != -EAGAIN)
				_exit(1);
		}
	}
}

static pid_t start(const struct rig *rig, void (*fn)(const struct rig *))
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		fn(rig);
	}
	assert_true(pid > 0);
	return pid;
}

static void verify(struct rig *rig)
{
	char expected[512];
	struct log_line line;

	if (!rig->view && ring_open_readonly(rig->ring_fd, &rig->view) < 0)
		return;
	for (;; rig->next_seq++) {
		int code = ring_read(rig->view, rig->next_seq, rig->buf, LINE_BUF, &line);
		size_t len;

		if (code == -EAGAIN)
			break;
		assert_int_equal(code, 0);
		len = make_line(expected, line.stream, rig->next_number[line.stream]++) - 1;
		assert_int_equal(line.len, len);
		assert_memory_equal(line.text, expected, len);
		assert_int_equal(line.flags & ~(LINE_RUN_START), 0);
	}
	atomic_store(rig->hold, rig->next_seq);
}

static struct rig rig_start(void)
{
	struct rig rig = { .ring_fd = ring_create("kill", &opts), .buf = malloc(LINE_BUF) };

	rig.seed = (unsigned int)time_realtime();
	print_message("seed %u\n", rig.seed);
	rig.hold = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int s = 0; s < LOG_STREAM_N; s++)
		assert_int_equal(pipe2(rig.pipes[s], O_CLOEXEC), 0);
	return rig;
}

static void rig_stop(struct rig *rig)
{
	for (int s = 0; s < LOG_STREAM_N; s++) {
		close(rig->pipes[s][0]);
		close(rig->pipes[s][1]);
	}
	(void)munmap((void *)rig->hold, 4096);
	free(rig->buf);
	ring_unref(rig->view);
	close(rig->ring_fd);
}

static void traced_reader(const struct rig *rig)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(1);
	(void)raise(SIGSTOP);
	reader(rig);
}

/* Let the child run to its `n`-th entry into or return from a system call. Returns false if it ended before. */
static bool run_to_stop(pid_t pid, unsigned int n)
{
	int status;

	for (; n; n--) {
		if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) < 0 || waitpid(pid, &status, 0) != pid ||
		    !WIFSTOPPED(status))
			return false;
	}
	return true;
}

/* Killed at each entry into a system call and each return from one: between announcement and read, read and commit. */
static void test_killed_at_every_system_call(void **state)
{
	struct rig rig = rig_start();
	pid_t writing = start(&rig, writer);
	int status;

	(void)state;
	for (unsigned int stops = 1; stops <= SYSTEM_CALLS; stops++) {
		pid_t reading = start(&rig, traced_reader);

		assert_int_equal(waitpid(reading, &status, 0), reading);
		if (WIFEXITED(status))
			skip(); /* may not trace here */
		assert_true(run_to_stop(reading, stops));
		assert_int_equal(kill(reading, SIGKILL), 0);
		assert_int_equal(waitpid(reading, &status, 0), reading);
		verify(&rig);
	}
	(void)kill(writing, SIGKILL);
	(void)waitpid(writing, NULL, 0);
	print_message("%d system calls, %llu lines\n", SYSTEM_CALLS, (unsigned long long)rig.next_seq);
	assert_true(rig.next_seq > 100);
	rig_stop(&rig);
}

static void test_killed_reader_loses_and_doubles_nothing(void **state)
{
	struct rig rig = rig_start();
	pid_t writing;

	(void)state;
	writing = start(&rig, writer);
	for (int i = 0; i < KILLS; i++) {
		pid_t reading = start(&rig, reader);
		usec_t end = time_boottime() + (usec_t)rand_r(&rig.seed) % 3000;
		int status;

		while (time_boottime() < end)
			verify(&rig);
		assert_int_equal(kill(reading, SIGKILL), 0);
		assert_int_equal(waitpid(reading, &status, 0), reading);
		assert_true(WIFSIGNALED(status));
		verify(&rig);
	}
	(void)kill(writing, SIGKILL);
	(void)waitpid(writing, NULL, 0);
	print_message("%d kills, %llu lines\n", KILLS, (unsigned long long)rig.next_seq);
	assert_true(rig.next_number[0] > 1000);
	assert_true(rig.next_number[1] > 1000);
	rig_stop(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed_at_every_system_call),
		cmocka_unit_test(test_killed_reader_loses_and_doubles_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
