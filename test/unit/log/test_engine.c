/* SPDX-License-Identifier: Apache-2.0 */
/* The reader's thread: lines arrive, runs are drained, pipes end, followers are told, nothing is busy for nothing. */
#include "rig.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static const struct log_service_opts defaults = { 0 };

static void test_lines_arrive(void **state)
{
	struct rig rig = { 0 };
	struct query_opts all = QUERY_OPTS_INIT;
	struct query_opts last = { .last = 1, .level = -1 };
	struct query_opts only_err = { .last = QUERY_ALL, .level = -1, .streams = 1U << LOG_STDERR };
	struct log_service *svc;
	int out;
	int err;

	(void)state;
	rig_start(&rig, NULL);
	svc = rig_service(&rig, "web", &defaults);
	assert_ptr_equal(log_service_find(rig.engine, "web"), svc);
	assert_string_equal(rig_memory(&rig, svc, &all), "");
	out = rig_pipe(svc, 1, LOG_STDOUT);
	err = rig_pipe(svc, 1, LOG_STDERR);
	assert_int_equal(fd_write_all(out, "hello\n", 6), 0);
	RIG_WAIT(&rig, rig_lines_in_ring(svc) == 1);
	assert_int_equal(fd_write_all(err, "world\nhalf", 10), 0);
	RIG_WAIT(&rig, rig_lines_in_ring(svc) == 2);
	assert_string_equal(rig_memory(&rig, svc, &all), "o|hello\ne|world\n");
	assert_string_equal(rig_memory(&rig, svc, &last), "e|world\n");
	assert_string_equal(rig_memory(&rig, svc, &only_err), "e|world\n");
	close(out);
	close(err);
	RIG_WAIT(&rig, rig.ended == 2);
	assert_string_equal(rig_memory(&rig, svc, &last), "e|half\n");
	rig_stop(&rig);
}

/* Acceptance 20: a large output without a newline at its end, then exit at once. */
static void test_drain_keeps_every_byte(void **state)
{
	struct rig rig = { 0 };
	struct log_service_opts opts = { .ring = { .max_bytes = 4U << 20, .max_line = 1U << 20 } };
	struct log_service *svc;
	struct log_stats st;
	size_t len = 1U << 20;
	char *data = malloc(len);

	(void)state;
	for (size_t i = 0; i < len; i++)
		data[i] = (char)('a' + i % 26);
	rig_start(&rig, NULL);
	svc = rig_service(&rig, "burst", &opts);
	for (uint64_t run = 1; run <= 20; run++) {
		int out = rig_pipe(svc, run, LOG_STDOUT);
		pid_t pid = fork();

		if (pid == 0)
			_exit(fd_write_all(out, data, len) != 0);
		close(out);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_int_equal(log_drain(svc, run, rig_on_drained, &rig), 0);
		RIG_WAIT(&rig, rig.drained == run);
		assert_true(rig.run_ended);
		log_service_stats(svc, &st);
		assert_int_equal(st.ring.bytes_read, run * len);
		assert_int_equal(st.ring.pending, 0);
		assert_int_equal(st.ring.lines, run);
	}
	assert_int_equal(rig.ended, 20);
	(void)rig_memory(&rig, svc, &(struct query_opts){ .last = 1, .level = -1 });
	assert_int_equal(rig.text.len, len + 3);
	assert_memory_equal(rig.text.data + 2, data, len);
	free(data);
	rig_stop(&rig);
}

/* Acceptance 21: a grandchild holds the pipe; the drain ends all the same, and its later lines belong to its run. */
static void test_drain_does_not_wait_for_strangers(void **state)
{
	struct rig rig = { 0 };
	struct query_opts run1 = { .last = QUERY_ALL, .level = -1, .by_run = true, .run = 1 };
	struct query_opts newest = { .last = QUERY_ALL, .level = -1, .by_run = true, .run = 0 };
	struct query_opts before = { .last = QUERY_ALL, .level = -1, .by_run = true, .run = -1 };
	struct query_opts missing = { .last = QUERY_ALL, .level = -1, .by_run = true, .run = -2 };
	struct log_service *svc;
	int grandchild;
	int out2;

	(void)state;
	rig_start(&rig, NULL);
	svc = rig_service(&rig, "forks", &defaults);
	grandchild = rig_pipe(svc, 1, LOG_STDOUT);
	assert_int_equal(fd_write_all(grandchild, "leader\nlast words", 17), 0);
	assert_int_equal(log_drain(svc, 1, rig_on_drained, &rig), 0);
	RIG_WAIT(&rig, rig.drained == 1);
	assert_false(rig.run_ended);
	assert_string_equal(rig_memory(&rig, svc, &run1), "o|leader\no|last words\n");
	out2 = rig_pipe(svc, 2, LOG_STDOUT);
	assert_int_equal(fd_write_all(out2, "second ", 7), 0);
	RIG_WAIT(&rig, rig_bytes_read(svc) == 24);
	assert_int_equal(fd_write_all(grandchild, "child\n", 6), 0);
	RIG_WAIT(&rig, rig_lines_in_ring(svc) == 3);
	assert_int_equal(fd_write_all(out2, "run\n", 4), 0);
	RIG_WAIT(&rig, rig_lines_in_ring(svc) == 4);
	assert_string_equal(rig_memory(&rig, svc, &run1), "o|leader\no|last words\no|child\n");
	assert_string_equal(rig_memory(&rig, svc, &newest), "o|second run\n");
	assert_string_equal(rig_memory(&rig, svc, &before), "o|leader\no|last words\no|child\n");
	assert_string_equal(rig_memory(&rig, svc, &missing), "");
	close(grandchild);
	RIG_WAIT(&rig, rig.ended == 1);
	close(out2);
	RIG_WAIT(&rig, rig.ended == 2);
	rig_stop(&rig);
}

static void test_drain_of_nothing(void **state)
{
	struct rig rig = { 0 };
	struct log_service *svc;

	(void)state;
	rig_start(&rig, NULL);
	svc = rig_service(&rig, "quiet", &defaults);
	assert_int_equal(log_drain(svc, 7, rig_on_drained, &rig), 0);
	RIG_WAIT(&rig, rig.drained == 1);
	assert_true(rig.run_ended);
	rig_stop(&rig);
}

/* How often the reader's thread went to sleep, as /proc tells. */
static unsigned long reader_sleeps(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	unsigned long sleeps = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		struct strbuf text = STRBUF(8192);
		char path[320];
		const char *count;

		(void)snprintf(path, sizeof(path), "/proc/self/task/%s/status", entry->d_name);
		if (fd_read_file(path, &text) == 0 && strstr(text.data, "log-reader")) {
			count = strstr(text.data, "\nvoluntary_ctxt_switches:");
			assert_non_null(count);
			sleeps = strtoul(strchr(count, '\t') + 1, NULL, 10);
		}
		strbuf_fini(&text);
	}
	(void)closedir(dir);
	assert_true(sleeps > 0);
	return sleeps;
}

static uint64_t cpu_usec(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * USEC_PER_SEC +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* Acceptance 22, and no wake-ups when idle: pipes that have ended and pipes that are silent cost nothing. */
static void test_idle_costs_nothing(void **state)
{
	struct rig rig = { 0 };
	struct log_service *svc;
	unsigned long before_sleeps;
	uint64_t before_cpu;

	(void)state;
	rig_start(&rig, NULL);
	svc = rig_service(&rig, "closer", &defaults);
	close(rig_pipe(svc, 1, LOG_STDOUT));
	close(rig_pipe(svc, 1, LOG_STDERR));
	(void)rig_pipe(svc, 2, LOG_STDOUT);
	RIG_WAIT(&rig, rig.ended == 2);
	assert_int_equal(loop_once(rig.loop, 50 * USEC_PER_MSEC), 0);
	before_sleeps = reader_sleeps();
	before_cpu = cpu_usec();
	assert_int_equal(loop_once(rig.loop, 300 * USEC_PER_MSEC), 0);
	assert_int_equal(reader_sleeps(), before_sleeps);
	assert_true(cpu_usec() - before_cpu < 20 * USEC_PER_MSEC);
	rig_stop(&rig);
}

struct watcher {
	struct rig *rig;
	unsigned int wakes;
	int last_result;
};

static void on_wake(struct log_follow *f, void *data)
{
	struct watcher *w = data;

	w->wakes++;
	do {
		w->last_result = log_follow_read(f, 1000, rig_collect, w->rig);
	} while (w->last_result == 1000);
}

static void test_follow_from_a_snapshot(void **state)
{
	struct rig rig = { 0 };
	struct watcher w = { .rig = &rig };
	struct log_service *svc;
	struct log_follow *f;
	struct log_cursor at;
	struct error err = { 0 };
	struct query_opts all = QUERY_OPTS_INIT;
	int out;

	(void)state;
	rig_start(&rig, NULL);
	svc = rig_service(&rig, "chat", &defaults);
	out = rig_pipe(svc, 1, LOG_STDOUT);
	assert_int_equal(fd_write_all(out, "1\n2\n", 4), 0);
	RIG_WAIT(&rig, rig_lines_in_ring(svc) == 2);
	assert_int_equal(log_memory(svc, &all, rig_collect, &rig, &at, &err), 0);
	/* comes between the snapshot and the follow */
	assert_int_equal(fd_write_all(out, "3\n", 2), 0);
	RIG_WAIT(&rig, rig_lines_in_ring(svc) == 3);
	assert_int_equal(log_follow_new(svc, &at, NULL, on_wake, &w, &f), 0);
	RIG_WAIT(&rig, rig.lines == 3);
	assert_int_equal(fd_write_all(out, "4\n", 2), 0);
	RIG_WAIT(&rig, rig.lines == 4);
	assert_string_equal(strbuf_str(&rig.text), "o|1\no|2\no|3\no|4\n");
	log_follow_cursor(f, &at);
	log_follow_free(f);
	assert_int_equal(fd_write_all(out, "5\n", 2), 0);
	RIG_WAIT(&rig, rig_lines_in_ring(svc) == 5);
	/* resumed by its text form */
	char text[CURSOR_TEXT_SIZE];
	log_cursor_format(&at, text);
	assert_int_equal(log_cursor_parse(text, &at), 0);
	assert_int_equal(log_follow_new(svc, &at, NULL, on_wake, &w, &f), 0);
	RIG_WAIT(&rig, rig.lines == 5);
	/* the service goes: what it wrote is still given, then the end */
	assert_int_equal(fd_write_all(out, "6\n", 2), 0);
	log_service_remove(svc);
	RIG_WAIT(&rig, w.last_result == -ENOENT);
	assert_int_equal(rig.lines, 6);
	log_follow_free(f);
	close(out);
	rig_stop(&rig);
}

static void test_slow_follower_is_told_what_is_gone(void **state)
{
	struct rig rig = { 0 };
	struct watcher w = { .rig = &rig };
	struct log_service_opts opts = { .ring = { .max_bytes = RING_BYTES_MIN } };
	struct log_service *svc;
	struct log_follow *f;
	char line[64];
	int out;

	(void)state;
	rig_start(&rig, NULL);
	svc = rig_service(&rig, "flood", &opts);
	out = rig_pipe(svc, 1, LOG_STDOUT);
	assert_int_equal(log_follow_new(svc, NULL, NULL, on_wake, &w, &f), 0);
	for (unsigned int i = 0; i < 20000; i++) {
		int n = snprintf(line, sizeof(line), "number %u\n", i);

		assert_int_equal(fd_write_all(out, line, (size_t)n), 0);
	}
	RIG_WAIT(&rig, rig.lines + rig.lost == 20000);
	assert_true(rig.lost > 0);
	assert_non_null(strstr(strbuf_str(&rig.text), "number 19999\n"));
	log_follow_free(f);
	close(out);
	rig_stop(&rig);
}

static int count_uncertain(const struct log_line *line, void *data)
{
	*(unsigned int *)data += (line->flags & LINE_UNCERTAIN) != 0;
	return 0;
}

/* What came from both streams in one wake-up has no known order, and says so; one pipe for both has an order. */
static void test_order_of_two_streams(void **state)
{
	struct log_service_opts opts = { 0 };
	struct query_opts all = QUERY_OPTS_INIT;
	struct rig rig = { 0 };
	struct log_service *two;
	struct log_service *one;
	struct error err;
	unsigned int uncertain = 0;
	uint64_t lines = 0;
	int out;
	int errs;
	int both;

	(void)state;
	rig_start(&rig, NULL);
	two = rig_service(&rig, "two", &opts);
	one = rig_service(&rig, "one", &opts);
	out = rig_pipe(two, 1, LOG_STDOUT);
	errs = rig_pipe(two, 1, LOG_STDERR);
	both = rig_pipe(one, 1, LOG_STDOUT);
	/* whether the reader wakes up between the two writes is its own affair: until it did not */
	while (!uncertain && lines < 20000) {
		assert_int_equal(fd_write_all(out, "a\n", 2), 0);
		assert_int_equal(fd_write_all(errs, "b\n", 2), 0);
		assert_int_equal(fd_write_all(both, "a\nb\n", 4), 0);
		lines += 2;
		RIG_WAIT(&rig, rig_lines_in_ring(two) == lines && rig_lines_in_ring(one) == lines);
		all.last = 2;
		assert_int_equal(log_memory(two, &all, count_uncertain, &uncertain, NULL, &err), 0);
	}
	assert_true(uncertain > 0);
	uncertain = 0;
	all.last = QUERY_ALL;
	assert_int_equal(log_memory(one, &all, count_uncertain, &uncertain, NULL, &err), 0);
	assert_int_equal(uncertain, 0);
	close(out);
	close(errs);
	close(both);
	rig_stop(&rig);
}

/* One that writes as fast as it can does not keep the reader from another. */
static void test_flood_does_not_starve(void **state)
{
	struct log_service_opts opts = { 0 };
	struct rig rig = { 0 };
	struct log_service *flood;
	struct log_service *quiet;
	uint64_t before;
	pid_t pid;
	int loud_out;
	int out;

	(void)state;
	rig_start(&rig, NULL);
	flood = rig_service(&rig, "flood", &opts);
	quiet = rig_service(&rig, "quiet", &opts);
	loud_out = rig_pipe(flood, 1, LOG_STDOUT);
	out = rig_pipe(quiet, 1, LOG_STDOUT);
	pid = fork();
	if (pid == 0) {
		static const char block[4096] = { [99] = '\n', [4095] = '\n' };

		while (fd_write_all(loud_out, block, sizeof(block)) == 0)
			continue;
		_exit(0);
	}
	RIG_WAIT(&rig, rig_lines_in_ring(flood) > 1000);
	for (uint64_t i = 1; i <= 20; i++) {
		before = rig_lines_in_ring(flood);
		assert_int_equal(fd_write_all(out, "hello\n", 6), 0);
		RIG_WAIT(&rig, rig_lines_in_ring(quiet) == i);
		RIG_WAIT(&rig, rig_lines_in_ring(flood) > before);
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(loud_out);
	close(out);
	rig_stop(&rig);
}

static void test_own_lines(void **state)
{
	struct rig rig = { 0 };
	struct query_opts all = QUERY_OPTS_INIT;
	struct query_opts grave = { .last = QUERY_ALL, .level = 4 };
	struct log_service *svc;
	int p[2];

	(void)state;
	rig_start(&rig, NULL);
	svc = rig_service(&rig, "zinit", &defaults);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(log_set_own(svc, 1, p[0], p[1]), 0);
	diag_set_sink(log_write_own);
	diag(DIAG_INFO, "started %d services", 3);
	diag(DIAG_ERROR, "one failed");
	diag_set_sink(NULL);
	RIG_WAIT(&rig, rig_lines_in_ring(svc) == 2);
	assert_string_equal(rig_memory(&rig, svc, &all), "e|<6>started 3 services\ne|<3>one failed\n");
	assert_string_equal(rig_memory(&rig, svc, &grave), "e|<3>one failed\n");
	assert_int_equal(log_own_dropped(), 0);
	rig_stop(&rig);
}

static void test_names_are_unique(void **state)
{
	struct rig rig = { 0 };
	struct log_service *svc;
	int fd = ring_create("twin", &defaults.ring);

	(void)state;
	rig_start(&rig, NULL);
	(void)rig_service(&rig, "twin", &defaults);
	assert_int_equal(log_service_add(rig.engine, "twin", &defaults, fd, &svc), -EEXIST);
	close(fd);
	assert_null(log_service_find(rig.engine, "other"));
	rig_stop(&rig);
}

static void test_adopted_ring_has_its_lines(void **state)
{
	struct rig rig = { 0 };
	struct query_opts all = QUERY_OPTS_INIT;
	struct log_service *svc;
	int p[2];
	int keep_ring;
	int keep_pipe;

	(void)state;
	rig_start(&rig, NULL);
	svc = rig_service(&rig, "phoenix", &defaults);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	keep_ring = fcntl(log_service_ring_fd(svc), F_DUPFD_CLOEXEC, 3);
	keep_pipe = fcntl(p[0], F_DUPFD_CLOEXEC, 3);
	assert_int_equal(log_attach(svc, 1, LOG_STDOUT, p[0], 0), 0);
	assert_int_equal(fd_write_all(p[1], "before\nhalf a ", 14), 0);
	RIG_WAIT(&rig, rig_bytes_read(svc) == 14);
	rig_stop(&rig);
	assert_int_equal(fd_write_all(p[1], "line\n", 5), 0);
	memset(&rig, 0, sizeof(rig));
	rig_start(&rig, NULL);
	assert_int_equal(log_service_add(rig.engine, "phoenix", &defaults, keep_ring, &svc), 0);
	assert_string_equal(rig_memory(&rig, svc, &all), "o|before\n");
	assert_int_equal(log_attach(svc, 1, LOG_STDOUT, keep_pipe, 0), 0);
	RIG_WAIT(&rig, rig_lines_in_ring(svc) == 2);
	assert_string_equal(rig_memory(&rig, svc, &all), "o|before\no|half a line\n");
	close(p[1]);
	rig_stop(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_arrive),
		cmocka_unit_test(test_drain_keeps_every_byte),
		cmocka_unit_test(test_drain_does_not_wait_for_strangers),
		cmocka_unit_test(test_drain_of_nothing),
		cmocka_unit_test(test_idle_costs_nothing),
		cmocka_unit_test(test_follow_from_a_snapshot),
		cmocka_unit_test(test_slow_follower_is_told_what_is_gone),
		cmocka_unit_test(test_order_of_two_streams),
		cmocka_unit_test(test_flood_does_not_starve),
		cmocka_unit_test(test_own_lines),
		cmocka_unit_test(test_names_are_unique),
		cmocka_unit_test(test_adopted_ring_has_its_lines),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
