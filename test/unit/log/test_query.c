/* SPDX-License-Identifier: Apache-2.0 */
/* Questions over segments and ring: one history, nothing twice, whatever moves meanwhile. */
#include "rig.h"

#include <signal.h>
#include <sys/wait.h>

#include "log/segment.h"

#define LINES 30000

static struct query_opts everything = QUERY_OPTS_INIT;

struct asker {
	struct rig *rig;
	struct rig_numbers numbers;
	struct log_cursor cursor;
	unsigned int batches;
	bool pause;
	bool ended;
	int result;
};

static void on_lines(struct log_query *q, const struct log_line *lines, size_t n, int result, void *data)
{
	struct asker *a = data;

	for (size_t i = 0; i < n; i++)
		(void)rig_check_number(&lines[i], &a->numbers);
	a->batches += n > 0;
	if (n == 0) {
		a->ended = true;
		a->result = result;
		if (log_query_cursors(q))
			a->cursor = log_query_cursors(q)[0];
	} else if (a->pause) {
		log_query_pause(q, true);
	}
}

static void write_numbers(int fd, uint64_t from, uint64_t to)
{
	char text[256];

	for (uint64_t i = from; i < to; i++)
		assert_int_equal(fd_write_all(fd, text, rig_number_line(text, i)), 0);
}

/* A service with more lines than its ring holds: most are in segments alone. */
static struct log_service *make_history(struct rig *rig, const char *name, int *out_fd)
{
	struct log_service_opts opts = { .store = true, .compress = true, .on_full = LOG_FULL_BLOCK, .max_files = 1000,
					 .max_size = 100000, .ring = { .max_bytes = RING_BYTES_MIN } };
	struct log_service *svc = rig_service(rig, name, &opts);
	int out = rig_pipe(svc, 1, LOG_STDOUT);

	write_numbers(out, 0, LINES);
	RIG_WAIT(rig, rig_lines_in_ring(svc) == LINES);
	*out_fd = out;
	return svc;
}

static void test_ring_and_segments_are_one(void **state)
{
	struct rig rig = { 0 };
	struct asker a = { .rig = &rig };
	struct log_service *svc;
	struct log_query *q;
	struct error err;
	char dir[32];
	int out;

	(void)state;
	testing_dir_make(dir);
	rig_start(&rig, dir);
	svc = make_history(&rig, "web", &out);
	/* at any moment: before all is stored, and after */
	for (int i = 0; i < 5; i++) {
		a = (struct asker){ .rig = &rig };
		assert_int_equal(log_query_start(rig.engine, &svc, 1, &everything, on_lines, &a, &q, &err), 0);
		RIG_WAIT(&rig, a.ended);
		assert_int_equal(a.result, 0);
		assert_int_equal(a.numbers.lines, LINES);
		assert_int_equal(a.numbers.wrong, 0);
		assert_int_equal(a.cursor.seq, LINES);
	}
	rig_wait_stored(&rig, svc);
	/* the last n, from the ring alone and from both */
	for (uint64_t n = 1; n <= LINES; n *= 7) {
		struct query_opts last = { .last = n, .level = -1 };

		a = (struct asker){ .numbers.next = LINES - n };
		assert_int_equal(log_query_start(rig.engine, &svc, 1, &last, on_lines, &a, &q, &err), 0);
		RIG_WAIT(&rig, a.ended);
		assert_int_equal(a.numbers.lines, n);
		assert_int_equal(a.numbers.wrong, 0);
	}
	close(out);
	rig_stop(&rig);
	testing_dir_remove(dir);
}

/* The store and the writer go on while the question is answered, slowly. */
static void test_ask_while_it_moves(void **state)
{
	struct rig rig = { 0 };
	struct asker a = { .pause = true };
	struct log_service *svc;
	struct log_query *q;
	struct error err;
	uint64_t seen = 0;
	char dir[32];
	pid_t pid;
	int out;

	(void)state;
	testing_dir_make(dir);
	rig_start(&rig, dir);
	svc = make_history(&rig, "web", &out);
	pid = fork();
	if (pid == 0) {
		write_numbers(out, LINES, 5 * LINES);
		_exit(0);
	}
	close(out);
	assert_int_equal(log_query_start(rig.engine, &svc, 1, &everything, on_lines, &a, &q, &err), 0);
	while (!a.ended) {
		RIG_WAIT(&rig, a.ended || a.batches > seen);
		seen = a.batches;
		assert_int_equal(loop_once(rig.loop, 2 * USEC_PER_MSEC), 0);
		if (!a.ended)
			log_query_pause(q, false);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(a.numbers.lines >= LINES);
	assert_int_equal(a.numbers.wrong, 0);
	assert_int_equal(a.numbers.lost, 0);
	assert_int_equal(a.cursor.seq, a.numbers.next);
	RIG_WAIT(&rig, rig_lines_in_ring(svc) == 5 * LINES);
	rig_stop(&rig);
	testing_dir_remove(dir);
}

static void test_cancel(void **state)
{
	struct rig rig = { 0 };
	struct asker a = { .pause = true };
	struct asker b = { .pause = true };
	struct log_service *svc;
	struct log_query *q;
	struct error err;
	char dir[32];
	int out;

	(void)state;
	testing_dir_make(dir);
	rig_start(&rig, dir);
	svc = make_history(&rig, "web", &out);
	assert_int_equal(log_query_start(rig.engine, &svc, 1, &everything, on_lines, &a, &q, &err), 0);
	log_query_cancel(q);
	assert_int_equal(log_query_start(rig.engine, &svc, 1, &everything, on_lines, &a, &q, &err), 0);
	RIG_WAIT(&rig, a.batches == 1);
	assert_int_equal(loop_once(rig.loop, 20 * USEC_PER_MSEC), 0);
	log_query_cancel(q);
	/* one is under way when the engine ends */
	assert_int_equal(log_query_start(rig.engine, &svc, 1, &everything, on_lines, &b, &q, &err), 0);
	close(out);
	rig_stop(&rig);
	assert_false(a.ended);
	assert_int_equal(a.batches, 1);
	testing_dir_remove(dir);
}

static int count(const struct log_line *line, void *data)
{
	(void)line;
	(*(unsigned int *)data)++;
	return 0;
}

static unsigned int matches(const char *dir, const struct query_opts *opts)
{
	char path[96];
	struct query_source from = { .service = "web", .dir = path };
	struct error err = { 0 };
	unsigned int n = 0;

	(void)snprintf(path, sizeof(path), "%s/web", dir);
	assert_int_equal(query_run(&from, 1, opts, count, &n, NULL, &err), 0);
	return n;
}

static void test_filters(void **state)
{
	struct rig rig = { 0 };
	struct query_opts q = QUERY_OPTS_INIT;
	struct query_filter *f;
	struct log_service *svc;
	struct error err;
	char dir[32];
	int out;

	(void)state;
	testing_dir_make(dir);
	rig_start(&rig, dir);
	svc = make_history(&rig, "web", &out);
	rig_wait_stored(&rig, svc);
	q.substring = "n 12345 ";
	assert_int_equal(matches(dir, &q), 1);
	q.substring = "N 12345 ";
	assert_int_equal(matches(dir, &q), 0);
	q.ignore_case = true;
	assert_int_equal(matches(dir, &q), 1);
	q = everything;
	q.regex = "^n \\d{2} ";
	assert_int_equal(matches(dir, &q), 90);
	q.limit = 10;
	assert_int_equal(matches(dir, &q), 10);
	q = everything;
	q.regex = "n 777";
	assert_int_equal(matches(dir, &q), 1 + 10);
	q = everything;
	q.streams = 1U << LOG_STDERR;
	assert_int_equal(matches(dir, &q), 0);
	q = everything;
	q.until = 1;
	assert_int_equal(matches(dir, &q), 0);
	q = everything;
	q.since = time_realtime();
	assert_int_equal(matches(dir, &q), 0);
	q = everything;
	q.regex = "(unbalanced";
	assert_int_equal(query_filter_new(&q, &f, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "the pattern is wrong at byte"));
	/* would take for ever without limits */
	q.regex = "^(\\.+)+$";
	(void)matches(dir, &q);
	close(out);
	rig_stop(&rig);
	testing_dir_remove(dir);
}

/* Each run writes more than the ring holds: all but the newest are in segments alone. */
static void test_runs(void **state)
{
	struct rig rig = { 0 };
	struct log_service_opts opts = { .store = true, .on_full = LOG_FULL_BLOCK, .max_files = 1000, .max_size = 100000,
					 .ring = { .max_bytes = RING_BYTES_MIN } };
	static const struct {
		int64_t asked;
		uint64_t first;
		uint64_t lines;
	} cases[] = { { 0, 20000, 10000 }, { -1, 10000, 10000 }, { -2, 0, 10000 }, { -3, 0, 0 },
		      { 2, 10000, 10000 }, { 3, 20000, 10000 },	 { 9, 0, 0 } };
	struct log_service *svc;
	struct log_query *q;
	struct error err;
	char dir[32];

	(void)state;
	testing_dir_make(dir);
	rig_start(&rig, dir);
	svc = rig_service(&rig, "web", &opts);
	for (uint64_t run = 1; run <= 3; run++) {
		int out = rig_pipe(svc, run, LOG_STDOUT);

		write_numbers(out, (run - 1) * 10000, run * 10000);
		close(out);
		RIG_WAIT(&rig, rig_lines_in_ring(svc) == run * 10000);
	}
	for (int stored = 0; stored < 2; stored++) {
		for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
			struct query_opts by_run = { .last = QUERY_ALL, .level = -1, .by_run = true, .run = cases[i].asked };
			struct asker a = { .numbers.next = cases[i].first };

			assert_int_equal(log_query_start(rig.engine, &svc, 1, &by_run, on_lines, &a, &q, &err), 0);
			RIG_WAIT(&rig, a.ended);
			assert_int_equal(a.numbers.lines, cases[i].lines);
			assert_int_equal(a.numbers.wrong, 0);
		}
		rig_wait_stored(&rig, svc);
	}
	rig_stop(&rig);
	testing_dir_remove(dir);
}

struct order {
	ts_ns last;
	unsigned int wrong;
	unsigned int lines[2];
};

static int check_order(const struct log_line *line, void *data)
{
	struct order *o = data;

	o->wrong += line->ts < o->last;
	o->last = line->ts;
	o->lines[strcmp(line->service, "two") == 0]++;
	return 0;
}

static void test_services_are_merged_by_time(void **state)
{
	struct rig rig = { 0 };
	struct log_service_opts opts = { .store = true };
	struct query_opts last = { .last = 10, .level = -1 };
	struct query_source from[2];
	struct order o = { 0 };
	struct error err;
	struct ring *rings[2];
	char paths[2][96];
	char dir[32];

	(void)state;
	testing_dir_make(dir);
	rig_start(&rig, dir);
	for (int i = 0; i < 2; i++) {
		struct log_service *svc = rig_service(&rig, i ? "two" : "one", &opts);
		int out = rig_pipe(svc, 1, LOG_STDOUT);

		for (uint64_t n = 0; n < 50; n++) {
			write_numbers(out, n, n + 1);
			RIG_WAIT(&rig, rig_lines_in_ring(svc) == n + 1);
		}
		close(out);
		assert_int_equal(ring_open_readonly(log_service_ring_fd(svc), &rings[i]), 0);
		(void)snprintf(paths[i], sizeof(paths[i]), "%s/%s", dir, i ? "two" : "one");
		from[i] = (struct query_source){ .service = i ? "two" : "one", .ring = rings[i], .dir = paths[i] };
	}
	assert_int_equal(query_run(from, 2, &everything, check_order, &o, NULL, &err), 0);
	assert_int_equal(o.wrong, 0);
	assert_int_equal(o.lines[0], 50);
	assert_int_equal(o.lines[1], 50);
	/* the second wrote last */
	o = (struct order){ 0 };
	assert_int_equal(query_run(from, 2, &last, check_order, &o, NULL, &err), 0);
	assert_int_equal(o.lines[0], 0);
	assert_int_equal(o.lines[1], 10);
	ring_unref(rings[0]);
	ring_unref(rings[1]);
	rig_stop(&rig);
	testing_dir_remove(dir);
}

/* A place that memory does not hold any more: what follows it comes from the segments, then from the ring, each line once. */
static void test_goes_on_after_a_place_in_the_segments(void **state)
{
	struct log_service_opts opts = { .store = true, .compress = true, .on_full = LOG_FULL_BLOCK, .max_files = 1000,
					 .max_size = 100000, .ring = { .max_bytes = RING_BYTES_MIN } };
	const uint64_t places[] = { 1, 777, 5000, 19000, 19999, 20000 };
	const char *const pages[] = { NULL, "n " };
	struct query_opts question = QUERY_OPTS_INIT;
	struct query_source from = { .service = "web" };
	struct log_cursor cursors[ARRAY_LEN(places)];
	struct log_cursor end;
	struct rig rig = { 0 };
	struct log_service *svc;
	struct ring *ring;
	struct error err;
	char dir[32];
	char path[64];
	uint64_t written = 0;
	int out;

	(void)state;
	testing_dir_make(dir);
	rig_start(&rig, dir);
	svc = rig_service(&rig, "web", &opts);
	out = rig_pipe(svc, 1, LOG_STDOUT);
	(void)snprintf(path, sizeof(path), "%s/web", dir);
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		struct query_opts all = QUERY_OPTS_INIT;
		struct rig_numbers n = { .next = places[i] - 1 };
		char line[RIG_LINE_SIZE];

		/* many lines have one time; places are in the middle of them, too */
		for (; written < places[i]; written++)
			assert_int_equal(fd_write_all(out, line, rig_number_line(line, written)), 0);
		RIG_WAIT(&rig, rig_lines_in_ring(svc) == written);
		all.last = 1;
		assert_int_equal(log_memory(svc, &all, rig_check_number, &n, &cursors[i], &err), 0);
		assert_int_equal(cursors[i].seq, places[i]);
	}
	rig_wait_stored(&rig, svc);
	assert_int_equal(ring_open_readonly(log_service_ring_fd(svc), &ring), 0);
	assert_true(ring_tail(ring) > 5000);
	from.ring = ring;
	from.dir = path;
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		struct rig_numbers n = { .next = places[i] };

		question.after = &cursors[i];
		assert_int_equal(log_follow_reaches(svc, &cursors[i]), places[i] >= ring_tail(ring));
		assert_int_equal(query_run(&from, 1, &question, rig_check_number, &n, &end, &err), 0);
		assert_int_equal(n.wrong, 0);
		assert_int_equal(n.lost, 0);
		assert_int_equal(n.lines, 20000 - places[i]);
		assert_int_equal(end.seq, 20000);
		/* after a restart of the machine there is another ring, or none: the time alone says where */
		n = (struct rig_numbers){ .next = places[i] };
		from.ring = NULL;
		assert_int_equal(query_run(&from, 1, &question, rig_check_number, &n, &end, &err), 0);
		assert_int_equal(n.wrong, 0);
		assert_int_equal(n.lines, 20000 - places[i]);
		from.ring = ring;
	}
	/* page by page, which end in the middle of lines of one time: each line once, whatever was asked for */
	for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
		struct rig_numbers n = { 0 };
		uint64_t before;

		question = everything;
		question.limit = 77;
		question.substring = pages[i];
		end = (struct log_cursor){ 0 };
		question.after = &end;
		do {
			struct log_cursor next;

			before = n.lines;
			assert_int_equal(query_run(&from, 1, &question, rig_check_number, &n, &next, &err), 0);
			end = next;
		} while (n.lines > before && n.lines <= 20000);
		assert_int_equal(n.wrong, 0);
		assert_int_equal(n.lines, 20000);
	}
	ring_unref(ring);
	close(out);
	rig_stop(&rig);
	testing_dir_remove(dir);
}

/* The segments don't reach back to the place: what is missing is told with its count. */
static void test_place_before_the_oldest_segment(void **state)
{
	struct log_service_opts opts = { .store = true, .on_full = LOG_FULL_BLOCK, .max_files = 2, .max_size = 50000,
					 .ring = { .max_bytes = RING_BYTES_MIN } };
	struct query_opts question = QUERY_OPTS_INIT;
	struct query_source from = { .service = "web" };
	struct rig_numbers n = { .next = 100 };
	struct log_cursor place;
	struct rig rig = { 0 };
	struct log_service *svc;
	struct ring *ring;
	struct error err;
	char dir[32];
	char path[64];
	char line[RIG_LINE_SIZE];
	uint64_t written = 0;
	int out;

	(void)state;
	testing_dir_make(dir);
	rig_start(&rig, dir);
	svc = rig_service(&rig, "web", &opts);
	out = rig_pipe(svc, 1, LOG_STDOUT);
	for (; written < 100; written++)
		assert_int_equal(fd_write_all(out, line, rig_number_line(line, written)), 0);
	RIG_WAIT(&rig, rig_lines_in_ring(svc) == 100);
	assert_int_equal(ring_open_readonly(log_service_ring_fd(svc), &ring), 0);
	ring_cursor(ring, 100, &place);
	for (; written < 20000; written++)
		assert_int_equal(fd_write_all(out, line, rig_number_line(line, written)), 0);
	RIG_WAIT(&rig, rig_lines_in_ring(svc) == 20000);
	rig_wait_stored(&rig, svc);
	(void)snprintf(path, sizeof(path), "%s/web", dir);
	from.ring = ring;
	from.dir = path;
	question.after = &place;
	assert_int_equal(query_run(&from, 1, &question, rig_check_number, &n, NULL, &err), 0);
	assert_true(n.lost > 0);
	assert_int_equal(n.wrong, 0);
	assert_int_equal(n.lines + n.lost, 20000 - 100);
	ring_unref(ring);
	close(out);
	rig_stop(&rig);
	testing_dir_remove(dir);
}

#define ROTATED_LINES 200U
#define ROTATED_AT 100U /* first line of the second segment */
#define ROTATED_SEEN 50U /* lines that count when the question comes */

/* A store that has made its second segment and not said so yet; it goes on at the tenth line that is read. */
struct rotation {
	struct ring *ring;
	struct ring_store after;
	struct rig_numbers numbers;
};

static int rotate_while_read(const struct log_line *line, void *data)
{
	struct rotation *r = data;

	if (r->numbers.lines == 10)
		ring_store_set(r->ring, &r->after);
	return rig_check_number(line, &r->numbers);
}

/* A clock that is put back to the beginning at one line. */
#define PUT_BACK_AT 1000U

static ts_ns time_of(uint64_t line)
{
	return (ts_ns)(line % PUT_BACK_AT + 1) * NSEC_PER_SEC;
}

/* Writes the lines [from, to) as segment `no`. Returns how many bytes the first `n` of them are. */
static uint64_t write_segment(const char *dir, uint64_t no, uint64_t from, uint64_t to, uint64_t n)
{
	const struct segment segment = { .ts = time_of(from), .no = no };
	char line[CRI_PREFIX + RIG_LINE_SIZE];
	char name[SEGMENT_NAME_SIZE];
	char path[128];
	uint64_t bytes = 0;
	int fd;

	segment_name(&segment, name);
	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	for (uint64_t i = from; i < to; i++) {
		size_t len = rig_number_line(line + CRI_PREFIX, i);

		cri_prefix(line, time_of(i), LOG_STDOUT, false);
		assert_int_equal(fd_write_all(fd, line, CRI_PREFIX + len), 0);
		bytes += i - from < n ? CRI_PREFIX + len : 0;
	}
	close(fd);
	return bytes;
}

/* The segment that was being written is read up to where it counted; it is finished before the next one, which is listed. */
static void test_rotation_between_listing_and_reading(void **state)
{
	const struct ring_opts opts = { .max_bytes = RING_BYTES_MIN };
	struct ring_store before = { .seq = ROTATED_SEEN, .segment_ts = NSEC_PER_SEC, .segment_no = 1 };
	struct rotation r = { .after = { .seq = ROTATED_LINES, .segment_no = 2,
					 .segment_ts = (ts_ns)(ROTATED_AT + 1) * NSEC_PER_SEC } };
	struct query_source from = { .service = "web" };
	struct error err;
	char dir[32];
	int fd = ring_create("web", &opts);

	(void)state;
	testing_dir_make(dir);
	assert_int_equal(ring_open(fd, &opts, &r.ring), 0);
	before.offset = write_segment(dir, 1, 0, ROTATED_AT, ROTATED_SEEN);
	r.after.offset = write_segment(dir, 2, ROTATED_AT, ROTATED_LINES, ROTATED_LINES);
	ring_store_set(r.ring, &before);
	from.ring = r.ring;
	from.dir = dir;
	assert_int_equal(query_run(&from, 1, &everything, rotate_while_read, &r, NULL, &err), 0);
	assert_int_equal(r.numbers.wrong, 0);
	assert_int_equal(r.numbers.lost, 0);
	assert_int_equal(r.numbers.lines, ROTATED_LINES);
	ring_unref(r.ring);
	close(fd);
	testing_dir_remove(dir);
}

/* What comes after a place is found though it has an earlier time, in the same segment and in the next. */
static void test_place_before_the_clock_was_put_back(void **state)
{
	const struct log_cursor place = { .ring = CURSOR_NO_RING, .ts = time_of(900), .same = 1 };
	struct query_source from = { .service = "web" };
	struct query_opts question = QUERY_OPTS_INIT;
	struct error err;

	(void)state;
	for (uint64_t second = 950; second <= 1050; second += 50) {
		struct rig_numbers n = { .next = 901 };
		char dir[32];

		testing_dir_make(dir);
		from.dir = dir;
		question.after = &place;
		(void)write_segment(dir, 1, 500, second, 0);
		(void)write_segment(dir, 2, second, 1200, 0);
		assert_int_equal(query_run(&from, 1, &question, rig_check_number, &n, NULL, &err), 0);
		assert_int_equal(n.wrong, 0);
		assert_int_equal(n.lines, 1200 - 901);
		testing_dir_remove(dir);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ring_and_segments_are_one),
		cmocka_unit_test(test_ask_while_it_moves),
		cmocka_unit_test(test_rotation_between_listing_and_reading),
		cmocka_unit_test(test_place_before_the_clock_was_put_back),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_goes_on_after_a_place_in_the_segments),
		cmocka_unit_test(test_place_before_the_oldest_segment),
		cmocka_unit_test(test_services_are_merged_by_time),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
