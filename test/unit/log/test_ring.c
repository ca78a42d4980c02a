/* SPDX-License-Identifier: Apache-2.0 */
/* The ring alone: lines in and out, wrap, splitting, interleaved streams, holds, rate limit, overwritten readers. */
#include "../testing.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/time.h"
#include "log/ring.h"

#define T0 1700000000000000000LL
#define LINE_BUF (1U << 20)

struct fixture {
	struct ring *ring;
	int fd;
	int out[2]; /* pipes: [0] read, [1] write */
	int err[2];
	char *buf;
};

static const struct ring_source out1 = { .run = 1, .stream = LOG_STDOUT };
static const struct ring_source err1 = { .run = 1, .stream = LOG_STDERR };

static struct fixture setup(const struct ring_opts *opts)
{
	struct fixture f = { .buf = malloc(LINE_BUF) };

	f.fd = ring_create("test", opts);
	assert_true(f.fd >= 0);
	assert_int_equal(ring_open(f.fd, opts, &f.ring), 0);
	assert_int_equal(pipe2(f.out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(f.err, O_CLOEXEC), 0);
	return f;
}

static void teardown(struct fixture *f)
{
	ring_unref(f->ring);
	close(f->fd);
	close(f->out[0]);
	close(f->out[1]);
	close(f->err[0]);
	close(f->err[1]);
	free(f->buf);
}

static void feed(struct fixture *f, const struct ring_source *src, const void *data, size_t len)
{
	int *p = src->stream == LOG_STDERR ? f->err : f->out;

	assert_int_equal(fd_write_all(p[1], data, len), 0);
	assert_int_equal(ring_pull(f->ring, p[0], src, 0, T0, 0), (ssize_t)len);
}

static void feeds(struct fixture *f, const struct ring_source *src, const char *s)
{
	feed(f, src, s, strlen(s));
}

static void expect(struct fixture *f, uint64_t seq, const char *text, enum log_stream stream, unsigned int flags)
{
	struct log_line line;

	assert_int_equal(ring_read(f->ring, seq, f->buf, LINE_BUF, &line), 0);
	assert_int_equal(line.len, strlen(text));
	assert_memory_equal(line.text, text, line.len);
	assert_int_equal(line.stream, stream);
	assert_int_equal(line.flags & ~LINE_RUN_START, flags);
	assert_int_equal(line.seq, seq);
}

static void test_silent_ring_costs_nothing(void **state)
{
	struct ring_opts opts = { 0 };
	int fd = ring_create("silent", &opts);
	struct ring *r = NULL;
	struct stat st;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_blocks, 0);
	assert_int_equal(ring_open_readonly(fd, &r), -ENODATA);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_blocks, 0);
	close(fd);
}

static void test_lines_of_two_streams(void **state)
{
	struct ring_opts opts = { 0 };
	struct fixture f = setup(&opts);
	struct log_line line;
	struct ring_counts c;

	(void)state;
	feeds(&f, &out1, "one\ntwo\n\n");
	feeds(&f, &err1, "oops\n");
	expect(&f, 0, "one", LOG_STDOUT, 0);
	expect(&f, 1, "two", LOG_STDOUT, 0);
	expect(&f, 2, "", LOG_STDOUT, 0);
	expect(&f, 3, "oops", LOG_STDERR, 0);
	assert_int_equal(ring_read(f.ring, 4, f.buf, LINE_BUF, &line), -EAGAIN);
	assert_int_equal(ring_read(f.ring, 0, f.buf, LINE_BUF, &line), 0);
	assert_int_equal(line.run, 1);
	assert_true(line.ts == T0);
	assert_true(line.flags & LINE_RUN_START);
	ring_counts(f.ring, &c);
	assert_int_equal(c.bytes_read, 14);
	assert_int_equal(c.lines, 4);
	assert_int_equal(c.pending, 0);
	assert_int_equal(ring_pull(f.ring, f.out[0], &out1, 0, T0, 0), 0);
	teardown(&f);
}

static void test_any_byte_passes(void **state)
{
	struct ring_opts opts = { 0 };
	struct fixture f = setup(&opts);
	static const char raw[] = "a\0b\r\n\xff\xfe\x80\n\x1b[31mred\x1b[0m\n";
	struct log_line line;

	(void)state;
	feed(&f, &out1, raw, sizeof(raw) - 1);
	assert_int_equal(ring_read(f.ring, 0, f.buf, LINE_BUF, &line), 0);
	assert_int_equal(line.len, 4);
	assert_memory_equal(line.text, "a\0b\r", 4);
	expect(&f, 1, "\xff\xfe\x80", LOG_STDOUT, 0);
	expect(&f, 2, "\x1b[31mred\x1b[0m", LOG_STDOUT, 0);
	teardown(&f);
}

static void test_interleaved_parts_are_joined(void **state)
{
	struct ring_opts opts = { 0 };
	struct fixture f = setup(&opts);
	struct ring_counts c;

	(void)state;
	feeds(&f, &out1, "out begins ");
	feeds(&f, &err1, "err begins ");
	feeds(&f, &out1, "goes on ");
	feeds(&f, &err1, "ends\nerr two ");
	ring_counts(f.ring, &c);
	assert_int_equal(c.pending, strlen("out begins goes on err two "));
	feeds(&f, &out1, "ends\n");
	feeds(&f, &err1, "ends\n");
	expect(&f, 0, "err begins ends", LOG_STDERR, 0);
	expect(&f, 1, "out begins goes on ends", LOG_STDOUT, 0);
	expect(&f, 2, "err two ends", LOG_STDERR, 0);
	assert_int_equal(ring_head(f.ring), 3);
	teardown(&f);
}

static void test_pipes_of_one_run_and_stream(void **state)
{
	struct ring_opts opts = { 0 };
	struct fixture f = setup(&opts);
	static const struct ring_source helper = { .run = 1, .stream = LOG_STDOUT, .tag = 7 };

	(void)state;
	feeds(&f, &out1, "main begins ");
	feeds(&f, &helper, "helper begins ");
	feeds(&f, &out1, "main ends\n");
	feeds(&f, &helper, "helper ends\n");
	expect(&f, 0, "main begins main ends", LOG_STDOUT, 0);
	expect(&f, 1, "helper begins helper ends", LOG_STDOUT, 0);
	teardown(&f);
}

static void test_more_unfinished_lines_than_slots(void **state)
{
	struct ring_opts opts = { 0 };
	struct fixture f = setup(&opts);
	struct ring_counts c;
	uint64_t bytes = 0;
	struct log_line line;

	(void)state;
	for (uint64_t run = 1; run <= 40; run++) {
		struct ring_source src = { .run = run, .stream = LOG_STDOUT };

		feeds(&f, &src, "unfinished");
	}
	ring_counts(f.ring, &c);
	for (uint64_t seq = 0; seq < ring_head(f.ring); seq++) {
		assert_int_equal(ring_read(f.ring, seq, f.buf, LINE_BUF, &line), 0);
		assert_true(line.flags & LINE_PARTIAL);
		bytes += line.len;
	}
	assert_int_equal(c.bytes_read, 400);
	assert_int_equal(bytes + c.pending, 400);
	teardown(&f);
}

static void test_flush_keeps_the_unterminated_line(void **state)
{
	struct ring_opts opts = { 0 };
	struct fixture f = setup(&opts);
	static const struct ring_source out2 = { .run = 2, .stream = LOG_STDOUT };
	struct log_line line;

	(void)state;
	feeds(&f, &out1, "no end");
	feeds(&f, &err1, "e\n");
	assert_int_equal(ring_flush(f.ring, &out1, T0), 0);
	assert_int_equal(ring_flush(f.ring, &out1, T0), 0);
	expect(&f, 1, "no end", LOG_STDOUT, LINE_UNTERMINATED);
	assert_int_equal(ring_head(f.ring), 2);
	feeds(&f, &out2, "second run\n");
	assert_int_equal(ring_read(f.ring, 2, f.buf, LINE_BUF, &line), 0);
	assert_int_equal(line.run, 2);
	assert_true(line.flags & LINE_RUN_START);
	feeds(&f, &out1, "a child of run one\n");
	assert_int_equal(ring_read(f.ring, 3, f.buf, LINE_BUF, &line), 0);
	assert_int_equal(line.run, 1);
	assert_false(line.flags & LINE_RUN_START);
	teardown(&f);
}

static void test_long_line_in_parts(void **state)
{
	struct ring_opts opts = { .max_line = 16 };
	struct fixture f = setup(&opts);

	(void)state;
	feeds(&f, &out1, "0123456789abcdef\n");
	feeds(&f, &out1, "0123456789abcdefX\n");
	feeds(&f, &out1, "0123456789abcdef0123456789");
	feeds(&f, &err1, "between\n");
	feeds(&f, &out1, "abcdef0123456789abcdef\nnext\n");
	expect(&f, 0, "0123456789abcdef", LOG_STDOUT, 0);
	expect(&f, 1, "0123456789abcdef", LOG_STDOUT, LINE_PARTIAL);
	expect(&f, 2, "X", LOG_STDOUT, LINE_CONTINUED);
	expect(&f, 3, "0123456789abcdef", LOG_STDOUT, LINE_PARTIAL);
	expect(&f, 4, "between", LOG_STDERR, 0);
	expect(&f, 5, "0123456789abcdef", LOG_STDOUT, LINE_PARTIAL | LINE_CONTINUED);
	expect(&f, 6, "0123456789abcdef", LOG_STDOUT, LINE_CONTINUED);
	expect(&f, 7, "next", LOG_STDOUT, 0);
	teardown(&f);
}

static void test_wrap_keeps_what_fits(void **state)
{
	struct ring_opts opts = { .max_bytes = RING_BYTES_MIN, .max_lines = 100 };
	struct fixture f = setup(&opts);
	char text[120];
	uint64_t written = 0;
	struct log_line line;
	struct ring_counts c;

	(void)state;
	feeds(&f, &err1, "unfinished ");
	for (unsigned int i = 0; i < 20000; i++) {
		int n = snprintf(text, sizeof(text), "line %u %.*s\n", i, (int)(i % 90),
				 "..........................................................................................");

		feed(&f, &out1, text, (size_t)n);
		written += (size_t)n;
	}
	feeds(&f, &err1, "business\n");
	assert_int_equal(ring_head(f.ring), 20001);
	assert_int_equal(ring_first(f.ring), 20001 - 100);
	for (uint64_t seq = ring_tail(f.ring); seq < 20000; seq++) {
		assert_int_equal(ring_read(f.ring, seq, f.buf, LINE_BUF, &line), 0);
		(void)snprintf(text, sizeof(text), "line %u ", (unsigned int)seq);
		assert_memory_equal(line.text, text, strlen(text));
		assert_int_equal(line.len, strlen(text) + seq % 90);
	}
	expect(&f, 20000, "unfinished business", LOG_STDERR, 0);
	assert_int_equal(ring_read(f.ring, 0, f.buf, LINE_BUF, &line), -ESTALE);
	ring_counts(f.ring, &c);
	assert_int_equal(c.bytes_read, written + strlen("unfinished business\n"));
	assert_true(c.overwritten > 0);
	teardown(&f);
}

static void test_more_empty_lines_than_the_index_holds(void **state)
{
	struct ring_opts opts = { .max_bytes = RING_BYTES_MIN };
	struct fixture f = setup(&opts);
	char block[16384];
	struct log_line line;

	(void)state;
	memset(block, '\n', sizeof(block));
	feed(&f, &out1, block, sizeof(block));
	assert_int_equal(ring_head(f.ring), sizeof(block));
	assert_true(ring_tail(f.ring) > 0);
	for (uint64_t seq = ring_tail(f.ring); seq < sizeof(block); seq++)
		assert_int_equal(ring_read(f.ring, seq, f.buf, LINE_BUF, &line), 0);
	teardown(&f);
}

/* Killed in the middle of making lines, before the store had written any: the next writer's opening drops none of them. */
static void test_lines_wait_over_a_kill_before_the_first_is_stored(void **state)
{
	struct ring_opts opts = { .max_bytes = RING_BYTES_MIN };
	struct fixture f = setup(&opts);
	char block[16384];
	struct ring *next;

	(void)state;
	memset(block, '\n', sizeof(block));
	ring_hold(f.ring, 0);
	assert_int_equal(fd_write_all(f.out[1], block, sizeof(block)), 0);
	while (ring_pull(f.ring, f.out[0], &out1, 0, T0, 0) > 0)
		continue;
	assert_true(ring_head(f.ring) < sizeof(block)); /* the index is full */
	assert_int_equal(ring_open(f.fd, &opts, &next), 0);
	assert_int_equal(ring_tail(next), 0);
	ring_hold(next, UINT64_MAX);
	assert_int_equal(ring_settle(next), 0);
	assert_true(ring_tail(next) > 0);
	ring_unref(next);
	teardown(&f);
}

static void test_held_lines_stop_the_writer(void **state)
{
	struct ring_opts opts = { .max_bytes = RING_BYTES_MIN };
	struct fixture f = setup(&opts);
	char block[16384];
	uint64_t read_bytes = 0;
	uint64_t hold = 0;
	unsigned int stops = 0;
	struct ring_counts c;

	(void)state;
	/* Empty lines: the index is full before the bytes are, in the middle of a read. */
	memset(block, '\n', sizeof(block));
	ring_hold(f.ring, 0);
	for (unsigned int i = 0; i < 8; i++) {
		assert_int_equal(fd_write_all(f.out[1], block, sizeof(block)), 0);
		for (;;) {
			ssize_t n = ring_pull(f.ring, f.out[0], &out1, 0, T0, 0);

			if (n == 0)
				break;
			if (n == -EAGAIN) {
				stops++;
				/* a consumer that takes 100 lines */
				assert_true(ring_tail(f.ring) <= hold);
				hold = MIN(hold + 100, ring_head(f.ring));
				ring_hold(f.ring, hold);
				continue;
			}
			assert_true(n > 0);
			read_bytes += (uint64_t)n;
		}
	}
	assert_true(stops > 100);
	assert_int_equal(read_bytes, 8 * sizeof(block));
	ring_hold(f.ring, UINT64_MAX);
	assert_int_equal(ring_settle(f.ring), 0);
	assert_int_equal(ring_head(f.ring), 8 * sizeof(block));
	ring_counts(f.ring, &c);
	assert_int_equal(c.pending, 0);
	teardown(&f);
}

static void test_rate_limit_counts_and_tells(void **state)
{
	struct ring_opts opts = { .rate_limit = 3 };
	struct fixture f = setup(&opts);
	struct log_line line;
	struct ring_counts c;

	(void)state;
	feeds(&f, &out1, "1\n2\n3\n4\n55\n");
	assert_int_equal(ring_head(f.ring), 3);
	assert_int_equal(fd_write_all(f.out[1], "6\n", 2), 0);
	assert_int_equal(ring_pull(f.ring, f.out[0], &out1, 0, T0 + NSEC_PER_SEC, 0), 2);
	assert_int_equal(ring_read(f.ring, 3, f.buf, LINE_BUF, &line), 0);
	assert_int_equal(line.flags, LINE_LOST | LINE_LOST_RATE);
	assert_int_equal(line.lost, 2);
	expect(&f, 4, "6", LOG_STDOUT, 0);
	ring_counts(f.ring, &c);
	assert_int_equal(c.rate_lines, 2);
	assert_int_equal(c.rate_bytes, 5);
	teardown(&f);
}

static void test_reopened_ring_goes_on(void **state)
{
	struct ring_opts opts = { 0 };
	struct ring_opts other = { .max_bytes = 4U << 20 };
	struct fixture f = setup(&opts);
	struct ring_store store = { .seq = 1, .segment_ts = T0, .segment_no = 7, .offset = 99 };
	struct ring_store got;
	uint64_t id = ring_id(f.ring);

	(void)state;
	feeds(&f, &out1, "one\ntwo begins ");
	ring_store_set(f.ring, &store);
	ring_unref(f.ring);
	/* The sizes are those of the ring, whatever its new opener would have made. */
	assert_int_equal(ring_open(f.fd, &other, &f.ring), 0);
	assert_true(ring_id(f.ring) == id);
	feeds(&f, &out1, "and ends\n");
	expect(&f, 0, "one", LOG_STDOUT, 0);
	expect(&f, 1, "two begins and ends", LOG_STDOUT, 0);
	ring_store_get(f.ring, &got);
	assert_memory_equal(&got, &store, sizeof(got));
	teardown(&f);
}

static void test_not_a_ring(void **state)
{
	struct ring_opts opts = { 0 };
	struct ring *r;
	int fd = ring_create("bad", &opts);

	(void)state;
	assert_int_equal(pwrite(fd, "garbage!", 8, 0), 8);
	assert_int_equal(ring_open(fd, &opts, &r), -EINVAL);
	assert_int_equal(ring_open_readonly(fd, &r), -EINVAL);
	close(fd);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(ring_open(fd, &opts, &r), -EINVAL);
	close(fd);
}

static void test_seek_by_time(void **state)
{
	struct ring_opts opts = { 0 };
	struct fixture f = setup(&opts);

	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_int_equal(fd_write_all(f.out[1], "x\n", 2), 0);
		assert_int_equal(ring_pull(f.ring, f.out[0], &out1, 0, T0 + i * 10, 0), 2);
	}
	assert_int_equal(ring_seek(f.ring, T0), 0);
	assert_int_equal(ring_seek(f.ring, T0 + 55), 6);
	assert_int_equal(ring_seek(f.ring, T0 + 10000), 100);
	teardown(&f);
}

struct reader {
	int fd;
	_Atomic bool stop;
	uint64_t lines;
	uint64_t stale;
	uint64_t bad;
};

/* Each line is its number over and over: a mixture of two lines can't look like one. */
static void *read_all(void *data)
{
	struct reader *rd = data;
	struct ring *r;
	char *buf = malloc(LINE_BUF);
	struct log_line line;
	uint64_t seq = 0;
	char text[32];

	while (ring_open_readonly(rd->fd, &r) < 0)
		sched_yield();
	while (!atomic_load(&rd->stop)) {
		int code = ring_read(r, seq, buf, LINE_BUF, &line);

		if (code == -EAGAIN) {
			sched_yield();
			continue;
		}
		if (code == -ESTALE) {
			rd->stale++;
			seq = MAX(ring_tail(r), seq + 1);
			continue;
		}
		int n = snprintf(text, sizeof(text), "%llu,", (unsigned long long)seq);
		for (uint32_t i = 0; i < line.len; i++)
			rd->bad += line.text[i] != text[i % (uint32_t)n];
		rd->lines++;
		seq++;
	}
	ring_unref(r);
	free(buf);
	return NULL;
}

static void test_reader_is_never_fooled(void **state)
{
	struct ring_opts opts = { .max_bytes = RING_BYTES_MIN };
	struct fixture f = setup(&opts);
	struct reader rd = { .fd = f.fd };
	pthread_t thread;
	char text[1024];
	usec_t end = time_boottime() + 300 * USEC_PER_MSEC;
	uint64_t seq = 0;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, read_all, &rd), 0);
	while (time_boottime() < end) {
		for (unsigned int i = 0; i < 100; i++, seq++) {
			int n = snprintf(text, sizeof(text), "%llu,", (unsigned long long)seq);
			size_t len = (size_t)n * (1 + seq % 60);

			for (size_t at = (size_t)n; at < len; at++)
				text[at] = text[at - (size_t)n];
			text[len] = '\n';
			assert_int_equal(fd_write_all(f.out[1], text, len + 1), 0);
			if (i % 20 == 19)
				assert_true(ring_pull(f.ring, f.out[0], &out1, 0, T0, 0) > 0);
		}
	}
	atomic_store(&rd.stop, true);
	pthread_join(thread, NULL);
	assert_true(rd.lines > 1000);
	assert_int_equal(rd.bad, 0);
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silent_ring_costs_nothing),
		cmocka_unit_test(test_lines_of_two_streams),
		cmocka_unit_test(test_any_byte_passes),
		cmocka_unit_test(test_interleaved_parts_are_joined),
		cmocka_unit_test(test_pipes_of_one_run_and_stream),
		cmocka_unit_test(test_more_unfinished_lines_than_slots),
		cmocka_unit_test(test_flush_keeps_the_unterminated_line),
		cmocka_unit_test(test_long_line_in_parts),
		cmocka_unit_test(test_wrap_keeps_what_fits),
		cmocka_unit_test(test_more_empty_lines_than_the_index_holds),
		cmocka_unit_test(test_held_lines_stop_the_writer),
		cmocka_unit_test(test_lines_wait_over_a_kill_before_the_first_is_stored),
		cmocka_unit_test(test_rate_limit_counts_and_tells),
		cmocka_unit_test(test_reopened_ring_goes_on),
		cmocka_unit_test(test_not_a_ring),
		cmocka_unit_test(test_seek_by_time),
		cmocka_unit_test(test_reader_is_never_fooled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
