/* SPDX-License-Identifier: Apache-2.0 */
/* The store: lines on disk once and in order, through rotation, restarts, and kills. */
#include "rig_store.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "log/segment.h"

#define KILLS 300

static struct segments list_segments(const char *dir, const char *service)
{
	struct segments list;
	char path[96];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, service);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(segments_list(fd, &list), 0);
	close(fd);
	return list;
}

static void test_lines_on_disk(void **state)
{
	struct rig rig = { 0 };
	struct log_service_opts opts = { .store = true, .ring = { .max_line = 16 } };
	struct strbuf text = STRBUF(4096);
	struct log_service *svc;
	struct segments list;
	char name[SEGMENT_NAME_SIZE];
	char file[160];
	char dir[32];
	int out;

	(void)state;
	testing_dir_make(dir);
	rig_start(&rig, dir);
	svc = rig_service(&rig, "web", &opts);
	out = rig_pipe(svc, 1, LOG_STDOUT);
	assert_int_equal(fd_write_all(out, "hello\n\n0123456789abcdefXY\n", 26), 0);
	close(out);
	RIG_WAIT(&rig, rig_lines_in_ring(svc) == 4);
	rig_wait_stored(&rig, svc);
	list = list_segments(dir, "web");
	assert_int_equal(list.n, 1);
	segment_name(&list.list[0], name);
	(void)snprintf(file, sizeof(file), "%s/web/%s", dir, name);
	assert_int_equal(fd_read_file(file, &text), 0);
	assert_non_null(strstr(text.data, "Z stdout F hello\n"));
	assert_non_null(strstr(text.data, "Z stdout F \n"));
	assert_non_null(strstr(text.data, "Z stdout P 0123456789abcdef\n"));
	assert_non_null(strstr(text.data, "Z stdout F XY\n"));
	assert_int_equal(text.len, 4 * (CRI_PREFIX + 1) + 5 + 0 + 16 + 2);
	segments_fini(&list);
	strbuf_fini(&text);
	rig_stop(&rig);
	testing_dir_remove(dir);
}

static void test_rotation_loses_nothing(void **state)
{
	struct rig rig = { 0 };
	struct log_service_opts opts = { .store = true, .compress = true, .on_full = LOG_FULL_BLOCK,
					 .max_size = 200000, .max_files = 1000 };
	struct log_service *svc;
	struct rig_numbers n;
	struct segments list;
	struct log_stats st;
	char dir[32];
	pid_t pid;
	int out;

	(void)state;
	testing_dir_make(dir);
	rig_start(&rig, dir);
	svc = rig_service(&rig, "flood", &opts);
	out = rig_pipe(svc, 1, LOG_STDOUT);
	pid = fork();
	if (pid == 0) {
		write_numbers(out, 0, 100000);
		_exit(0);
	}
	close(out);
	RIG_WAIT(&rig, rig_lines_in_ring(svc) == 100000);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	rig_wait_stored(&rig, svc);
	log_service_stats(svc, &st);
	assert_int_equal(st.stored_lines, 100000);
	assert_int_equal(st.store_dropped, 0);
	assert_int_equal(st.stored_bytes + 100000, st.ring.bytes_read);
	rig_stop(&rig);
	n = stored_numbers(dir, "flood", 0);
	assert_int_equal(n.lines, 100000);
	assert_int_equal(n.wrong, 0);
	list = list_segments(dir, "flood");
	assert_true(list.n > 30);
	for (size_t i = 0; i < list.n; i++) {
		assert_int_equal(list.list[i].no, i + 1);
		assert_int_equal(list.list[i].zipped, i < list.n - 1);
	}
	segments_fini(&list);
	testing_dir_remove(dir);
}

static void test_bounds(void **state)
{
	struct rig rig = { 0 };
	struct log_options eopts = { .max_total = 600000 };
	struct log_service_opts opts = { .store = true, .on_full = LOG_FULL_BLOCK, .max_size = 100000, .max_files = 3 };
	struct log_service *svc[2];
	struct segments list[2];
	struct error err;
	uint64_t bytes = 0;
	char dir[32];

	(void)state;
	testing_dir_make(dir);
	rig.loop = loop_new();
	eopts.dir = dir;
	assert_int_equal(log_engine_new(rig.loop, &eopts, &rig.engine, &err), 0);
	for (int i = 0; i < 2; i++) {
		int out;

		opts.max_files = i ? 100 : 3;
		svc[i] = rig_service(&rig, i ? "many" : "few", &opts);
		out = rig_pipe(svc[i], 1, LOG_STDOUT);
		write_numbers(out, 0, 20000);
		close(out);
		RIG_WAIT(&rig, rig_lines_in_ring(svc[i]) == 20000);
		rig_wait_stored(&rig, svc[i]);
	}
	log_engine_free(rig.engine, RIG_PATIENCE);
	loop_free(rig.loop);
	list[0] = list_segments(dir, "few");
	list[1] = list_segments(dir, "many");
	assert_true(list[0].n <= 4);
	for (int i = 0; i < 2; i++) {
		for (size_t k = 0; k < list[i].n; k++) {
			bytes += list[i].list[k].bytes;
			assert_true(list[i].list[k].bytes <= 100000 + 200);
		}
		segments_fini(&list[i]);
	}
	/* what was not yet rotated when it was last looked at may be over it by a segment */
	assert_true(bytes <= 600000 + 100000);
	testing_dir_remove(dir);
}

static void test_restart_goes_on_and_repairs(void **state)
{
	struct log_service_opts opts = { .store = true };
	struct log_service *svc;
	struct segments list;
	struct rig_numbers n;
	struct log_stats st;
	char name[SEGMENT_NAME_SIZE];
	char file[160];
	char dir[32];
	int out;
	int fd;

	(void)state;
	testing_dir_make(dir);
	for (uint64_t life = 0; life < 3; life++) {
		struct rig rig = { 0 };

		rig_start(&rig, dir);
		/* a new ring each time, as after a restart of the machine */
		svc = rig_service(&rig, "web", &opts);
		out = rig_pipe(svc, 1, LOG_STDOUT);
		write_numbers(out, life * 10, life * 10 + 10);
		close(out);
		RIG_WAIT(&rig, rig_lines_in_ring(svc) == 10);
		rig_wait_stored(&rig, svc);
		log_service_stats(svc, &st);
		assert_int_equal(st.repaired_bytes, life ? 9 : 0);
		rig_stop(&rig);
		list = list_segments(dir, "web");
		assert_int_equal(list.n, 1);
		segment_name(&list.list[0], name);
		segments_fini(&list);
		(void)snprintf(file, sizeof(file), "%s/web/%s", dir, name);
		fd = open(file, O_WRONLY | O_APPEND | O_CLOEXEC);
		assert_int_equal(fd_write_all(fd, "2026-11-2", 9), 0);
		close(fd);
	}
	n = stored_numbers(dir, "web", 0);
	assert_int_equal(n.lines, 30);
	assert_int_equal(n.wrong, 0);
	testing_dir_remove(dir);
}

static void test_one_server_per_directory(void **state)
{
	struct rig rig = { 0 };
	struct log_options opts = { 0 };
	struct log_engine *second;
	struct error err = { 0 };
	char dir[32];

	(void)state;
	testing_dir_make(dir);
	rig_start(&rig, dir);
	opts.dir = dir;
	assert_int_equal(log_engine_new(rig.loop, &opts, &second, &err), -EBUSY);
	assert_non_null(strstr(err.msg, "in use by another server"));
	rig_stop(&rig);
	testing_dir_remove(dir);
}

/* A server in a child: the engine on the ring and the pipe that the parent holds. */
static void serve(const char *dir, int ring_fd, int pipe_fd)
{
	struct log_service_opts opts = { .store = true, .compress = true, .on_full = LOG_FULL_BLOCK,
					 .max_size = 1U << 20, .max_files = 100000,
					 .ring = { .max_bytes = 256U << 10 } };
	struct log_options eopts = { .dir = dir };
	struct loop *loop = loop_new();
	struct log_engine *e;
	struct log_service *svc;
	struct error err;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (log_engine_new(loop, &eopts, &e, &err) < 0 || log_service_add(e, "web", &opts, ring_fd, &svc) < 0 ||
	    log_attach(svc, 1, LOG_STDOUT, pipe_fd, 0) < 0)
		_exit(1);
	(void)loop_run(loop);
	_exit(2);
}

static void test_killed_store_loses_and_doubles_nothing(void **state)
{
	struct ring_opts ropts = { .max_bytes = 256U << 10 };
	int ring_fd = ring_create("web", &ropts);
	unsigned int seed = (unsigned int)time_realtime();
	struct rig rig = { 0 };
	struct log_service_opts opts = { .store = true, .on_full = LOG_FULL_BLOCK, .max_size = 1U << 20, .max_files = 100000 };
	struct log_service *svc;
	struct rig_numbers n;
	struct log_stats st;
	uint64_t written;
	char dir[32];
	pid_t writer;
	int p[2];

	(void)state;
	print_message("seed %u\n", seed);
	testing_dir_make(dir);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	writer = fork();
	if (writer == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (uint64_t i = 0;; i += 97)
			write_numbers(p[1], i, i + 97);
	}
	close(p[1]);
	for (int i = 0; i < KILLS; i++) {
		pid_t pid = fork();
		struct timespec ts = { .tv_nsec = (long)(rand_r(&seed) % 9000) * 1000 };
		int status;

		if (pid == 0)
			serve(dir, ring_fd, p[0]);
		(void)nanosleep(&ts, NULL);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
	}
	(void)kill(writer, SIGKILL);
	(void)waitpid(writer, NULL, 0);
	/* the last server reads the rest and ends in order */
	rig_start(&rig, dir);
	assert_int_equal(log_service_add(rig.engine, "web", &opts, ring_fd, &svc), 0);
	assert_int_equal(log_attach(svc, 1, LOG_STDOUT, p[0], 0), 0);
	RIG_WAIT(&rig, rig.ended == 1);
	rig_wait_stored(&rig, svc);
	log_service_stats(svc, &st);
	/* the writer's last line may be torn: it was killed too */
	written = st.ring.lines;
	assert_int_equal(st.store_dropped, 0);
	assert_int_equal(st.stored_lines, written);
	rig_stop(&rig);
	n = stored_numbers(dir, "web", 0);
	print_message("%d kills, %llu lines\n", KILLS, (unsigned long long)n.lines);
	assert_int_equal(n.lines, written);
	assert_true(n.wrong <= 1);
	assert_true(n.lines > 100);
	testing_dir_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_on_disk),
		cmocka_unit_test(test_rotation_loses_nothing),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_restart_goes_on_and_repairs),
		cmocka_unit_test(test_one_server_per_directory),
		cmocka_unit_test(test_killed_store_loses_and_doubles_nothing),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
