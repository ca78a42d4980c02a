/* SPDX-License-Identifier: Apache-2.0 */
/* One cursor over ring and segments: a line that has a number has the same one wherever it was read. */
#include "rig.h"

#include "log/replay.h"
#include "log/segment.h"

#define FIRST_LINES 4000U
#define ALL_LINES 8000U
#define CHUNK_LINES 200U
#define BUFFER 4096

/* A ring and the segment of its lines; all lines of a half have one time. */
struct half_store {
	struct ring *ring;
	uint64_t offset;
	int segment;
	int pipe[2];
};

static ts_ns time_of(uint64_t number)
{
	return number < FIRST_LINES ? NSEC_PER_SEC : 2 * NSEC_PER_SEC;
}

static void store_line(struct half_store *s, uint64_t number)
{
	char line[CRI_PREFIX + RIG_LINE_SIZE];
	size_t len = rig_number_line(line + CRI_PREFIX, number);

	cri_prefix(line, time_of(number), LOG_STDOUT, false);
	assert_int_equal(fd_write_all(s->segment, line, CRI_PREFIX + len), 0);
	s->offset += CRI_PREFIX + len;
}

/* Lines [from, to) are written, read into the ring, and stored. */
static void make_lines(struct half_store *s, uint64_t from, uint64_t to)
{
	const struct ring_source source = { .run = 1, .stream = LOG_STDOUT };
	char line[RIG_LINE_SIZE];

	for (uint64_t i = from; i < to; i++) {
		struct ring_store at = { .segment_ts = NSEC_PER_SEC, .segment_no = 1, .seq = i + 1 };

		assert_int_equal(fd_write_all(s->pipe[1], line, rig_number_line(line, i)), 0);
		store_line(s, i);
		if ((i + 1) % CHUNK_LINES)
			continue;
		assert_true(ring_pull(s->ring, s->pipe[0], &source, 0, time_of(i), 0) > 0);
		at.offset = s->offset;
		ring_store_set(s->ring, &at);
	}
	assert_int_equal(ring_head(s->ring), to);
}

static void begin_store(struct half_store *s, const char *dir, int ring_fd, const struct ring_opts *opts)
{
	const struct segment segment = { .ts = NSEC_PER_SEC, .no = 1 };
	char name[SEGMENT_NAME_SIZE];
	char path[128];

	segment_name(&segment, name);
	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	s->segment = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(s->segment >= 0);
	assert_int_equal(ring_open(ring_fd, opts, &s->ring), 0);
	assert_int_equal(pipe2(s->pipe, O_CLOEXEC), 0);
}

/* The number in a line's text. */
static uint64_t number_of(const struct log_line *line)
{
	return strtoull(line->text + 2, NULL, 10);
}

/*
 * Reading begins where the ring has overwritten lines of the same time as the first one, and falls behind: how many lines
 * of that time come before its place on disk is not known. Then they have no number, rather than another line's.
 */
static void test_numbers_on_disk_are_those_of_the_ring(void **state)
{
	const struct ring_opts opts = { .max_bytes = RING_BYTES_MIN };
	const struct log_cursor beginning = { 0 };
	struct half_store s = { 0 };
	struct log_replay *replay;
	struct log_line line;
	char buf[BUFFER];
	char dir[32];
	uint64_t tail;
	uint64_t last = 0;
	size_t need;
	int fd = ring_create("web", &opts);

	(void)state;
	testing_dir_make(dir);
	begin_store(&s, dir, fd, &opts);
	make_lines(&s, 0, FIRST_LINES);
	tail = ring_tail(s.ring);
	assert_true(tail > 0);
	replay = log_replay_new("web", dir, s.ring, &beginning);
	assert_non_null(replay);
	assert_int_equal(log_replay_next(replay, buf, sizeof(buf), &line, &need), 1);
	assert_int_equal(line.seq, tail);
	assert_int_equal(number_of(&line), tail);
	make_lines(&s, FIRST_LINES, ALL_LINES);
	assert_true(ring_tail(s.ring) > FIRST_LINES);
	while (log_replay_next(replay, buf, sizeof(buf), &line, &need) == 1) {
		assert_false(line.flags & LINE_LOST);
		last = number_of(&line);
		if (line.seq != LINE_SEQ_NONE)
			assert_int_equal(line.seq, last);
	}
	assert_int_equal(last, ALL_LINES - 1);
	log_replay_free(replay);
	ring_unref(s.ring);
	close(s.segment);
	close(s.pipe[0]);
	close(s.pipe[1]);
	close(fd);
	testing_dir_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_on_disk_are_those_of_the_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
