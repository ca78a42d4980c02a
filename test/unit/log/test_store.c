/* SPDX-License-Identifier: Apache-2.0 */
/* The store: lines on disk once and in order, through rotation, restarts, a full disk, and kills. */
#include "rig.h"

#include <linux/fs.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "log/segment.h"

#define KILLS 300

static struct query_opts everything = QUERY_OPTS_INIT;

/* All that is in the directory, by the query without a ring. */
static struct rig_numbers stored_numbers(const char *dir, const char *service, uint64_t first)
{
	struct rig_numbers n = { .next = first };
	char path[96];
	struct query_source from = { .service = service, .dir = path };
	struct error err = { 0 };

	(void)snprintf(path, sizeof(path), "%s/%s", dir, service);
	assert_int_equal(query_run(&from, 1, &everything, rig_check_number, &n, NULL, &err), 0);
	return n;
}

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

static void write_numbers(int fd, uint64_t from, uint64_t to)
{
	static char block[65536];
	size_t len = 0;

	for (uint64_t i = from; i < to; i++) {
		len += rig_number_line(block + len, i);
		if (len > sizeof(block) - 200 || i == to - 1) {
			assert_int_equal(fd_write_all(fd, block, len), 0);
			len = 0;
		}
	}
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

static uint64_t count_lost(const char *dir, const char *service, uint64_t *out_lines)
{
	char command[256];
	unsigned long long lost = 0;
	unsigned long long lines = 0;
	unsigned long long one;
	char text[256];
	FILE *f;

	(void)snprintf(command, sizeof(command), "cat %s/%s/*.log", dir, service);
	f = popen(command, "r");
	assert_non_null(f);
	while (fgets(text, sizeof(text), f)) {
		if (sscanf(text + CRI_PREFIX, "[zinit: %llu lines lost: ", &one) == 1)
			lost += one;
		else
			lines++;
	}
	assert_int_equal(pclose(f), 0);
	*out_lines = lines;
	return lost;
}

static void fill_disk(const char *dir, size_t bytes)
{
	AUTO(auto_free) char *zeros = calloc(1, bytes);
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/ballast", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, zeros, bytes), 0);
	close(fd);
}

/* Acceptance 24: the service goes on while the disk is full; what is lost is counted and told; then it goes on. */
static void test_full_disk(void **state)
{
	struct rig rig = { 0 };
	struct log_service_opts opts = { .store = true, .ring = { .max_bytes = RING_BYTES_MIN } };
	struct log_service *svc;
	struct log_stats st;
	char dir[32];
	char ballast[64];
	char logs[64];
	uint64_t lines;
	uint64_t lost;
	int out;

	(void)state;
	testing_dir_make(dir);
	if (mount("tmpfs", dir, "tmpfs", 0, "size=1m") < 0) {
		testing_dir_remove(dir);
		skip();
	}
	fill_disk(dir, (size_t)232 << 12);
	(void)snprintf(logs, sizeof(logs), "%s/logs", dir);
	rig_start(&rig, logs);
	svc = rig_service(&rig, "web", &opts);
	out = rig_pipe(svc, 1, LOG_STDOUT);
	/* blocks only if the reader stops reading */
	write_numbers(out, 0, 20000);
	RIG_WAIT(&rig, rig_lines_in_ring(svc) == 20000);
	RIG_WAIT(&rig, (log_service_stats(svc, &st), st.store_error == ENOSPC));
	(void)snprintf(ballast, sizeof(ballast), "%s/ballast", dir);
	assert_int_equal(unlink(ballast), 0);
	write_numbers(out, 20000, 20010);
	RIG_WAIT(&rig, rig_lines_in_ring(svc) == 20010);
	rig_wait_stored(&rig, svc);
	log_service_stats(svc, &st);
	assert_int_equal(st.store_error, 0);
	assert_true(st.store_dropped > 0);
	assert_int_equal(st.stored_lines + st.store_dropped, 20010);
	lost = count_lost(logs, "web", &lines);
	assert_int_equal(lost, st.store_dropped);
	assert_int_equal(lines, st.stored_lines);
	close(out);
	rig_stop(&rig);
	assert_int_equal(umount(dir), 0);
	testing_dir_remove(dir);
}

/* A file system that can be frozen: every write to it hangs. Returns false if this machine can't make one. */
static bool frozen_disk_make(const char *dir)
{
	char command[256];

	(void)snprintf(command, sizeof(command),
		       "truncate -s 32M %s.img && mkfs.ext4 -q -F %s.img 2>/dev/null && mount -o loop %s.img %s 2>/dev/null",
		       dir, dir, dir, dir);
	return system(command) == 0;
}

static void frozen_disk_remove(const char *dir)
{
	char image[64];

	(void)umount(dir);
	(void)snprintf(image, sizeof(image), "%s.img", dir);
	(void)unlink(image);
	testing_dir_remove(dir);
}

static void freeze(const char *dir, bool on)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, on ? FIFREEZE : FITHAW, 0), 0);
	close(fd);
}

/* Acceptance 24: the disk hangs. The service that drops goes on, others too; what is lost is counted and told. */
static void test_hanging_disk(void **state)
{
	struct rig rig = { 0 };
	struct log_service_opts opts = { .store = true, .ring = { .max_bytes = RING_BYTES_MIN } };
	struct log_service *loud;
	struct log_service *quiet;
	struct log_stats st;
	char dir[32];
	char logs[64];
	uint64_t lines;
	uint64_t lost;
	int loud_out;
	int quiet_out;

	(void)state;
	testing_dir_make(dir);
	if (!frozen_disk_make(dir)) {
		frozen_disk_remove(dir);
		skip();
	}
	(void)snprintf(logs, sizeof(logs), "%s/logs", dir);
	rig_start(&rig, logs);
	loud = rig_service(&rig, "loud", &opts);
	quiet = rig_service(&rig, "quiet", &opts);
	loud_out = rig_pipe(loud, 1, LOG_STDOUT);
	quiet_out = rig_pipe(quiet, 1, LOG_STDOUT);
	write_numbers(loud_out, 0, 100);
	RIG_WAIT(&rig, rig_lines_in_ring(loud) == 100);
	rig_wait_stored(&rig, loud);
	freeze(dir, true);
	/* far more than ring and pipe hold: would block for ever if the reader waited for the disk */
	write_numbers(loud_out, 100, 30000);
	write_numbers(quiet_out, 0, 10);
	RIG_WAIT(&rig, rig_lines_in_ring(loud) == 30000 && rig_lines_in_ring(quiet) == 10);
	freeze(dir, false);
	rig_wait_stored(&rig, loud);
	rig_wait_stored(&rig, quiet);
	log_service_stats(loud, &st);
	assert_true(st.store_dropped > 0);
	assert_int_equal(st.stored_lines + st.store_dropped, 30000);
	lost = count_lost(logs, "loud", &lines);
	assert_int_equal(lost, st.store_dropped);
	assert_int_equal(lines, st.stored_lines);
	log_service_stats(quiet, &st);
	assert_int_equal(st.stored_lines, 10);
	close(loud_out);
	close(quiet_out);
	rig_stop(&rig);
	frozen_disk_remove(dir);
}

/* Acceptance 24, on_full = "block": the service waits, nothing is lost; its last words do not wait for ever. */
static void test_hanging_disk_blocks(void **state)
{
	struct rig rig = { 0 };
	struct log_service_opts opts = { .store = true, .on_full = LOG_FULL_BLOCK, .ring = { .max_bytes = RING_BYTES_MIN } };
	struct rig_numbers n;
	struct log_service *svc;
	char dir[32];
	char logs[64];
	pid_t pid;
	int out;

	(void)state;
	testing_dir_make(dir);
	if (!frozen_disk_make(dir)) {
		frozen_disk_remove(dir);
		skip();
	}
	(void)snprintf(logs, sizeof(logs), "%s/logs", dir);
	rig_start(&rig, logs);
	svc = rig_service(&rig, "web", &opts);
	out = rig_pipe(svc, 1, LOG_STDOUT);
	write_numbers(out, 0, 100);
	RIG_WAIT(&rig, rig_lines_in_ring(svc) == 100);
	rig_wait_stored(&rig, svc);
	freeze(dir, true);
	pid = fork();
	if (pid == 0) {
		write_numbers(out, 100, 30000);
		_exit(0);
	}
	close(out);
	assert_int_equal(loop_once(rig.loop, 700 * USEC_PER_MSEC), 0);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	freeze(dir, false);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	RIG_WAIT(&rig, rig_lines_in_ring(svc) == 30000);
	rig_wait_stored(&rig, svc);
	rig_stop(&rig);
	n = stored_numbers(logs, "web", 0);
	assert_int_equal(n.lines, 30000);
	assert_int_equal(n.wrong, 0);
	frozen_disk_remove(dir);
}

static void make_full_disk(const char *dir, char logs[64])
{
	if (mount("tmpfs", dir, "tmpfs", 0, "size=4m") < 0) {
		testing_dir_remove(dir);
		skip();
	}
	(void)snprintf(logs, 64, "%s/logs", dir);
	fill_disk(dir, (size_t)4 << 20);
}

static void make_room_on_disk(const char *dir)
{
	char ballast[64];

	(void)snprintf(ballast, sizeof(ballast), "%s/ballast", dir);
	assert_int_equal(unlink(ballast), 0);
}

/* More than the ring has room for, as the whole output of one run; its leader exits. Returns the number behind its last line. */
static uint64_t run_once(struct rig *rig, struct log_service *svc, uint64_t run, uint64_t first)
{
	int out = rig_pipe(svc, run, LOG_STDOUT);
	unsigned int before = rig->drained;
	usec_t begin = time_boottime();

	write_numbers(out, first, first + 1500); /* more than the ring has, less than ring and pipe */
	close(out);
	assert_int_equal(log_drain(svc, run, rig_on_drained, rig), 0);
	RIG_WAIT(rig, rig->drained == before + 1);
	assert_true(time_boottime() - begin < 10 * USEC_PER_SEC);
	return first + 1500;
}

/* on_full = "block": the end of a run is told in time, and its last words wait in the pipe until the store takes them. */
static void test_last_words_wait_for_the_store(void **state)
{
	struct log_service_opts opts = { .store = true, .on_full = LOG_FULL_BLOCK, .ring = { .max_bytes = RING_BYTES_MIN } };
	struct rig rig = { 0 };
	struct log_service *svc;
	struct rig_numbers n;
	struct log_stats st;
	uint64_t end;
	char dir[32];
	char logs[64];

	(void)state;
	testing_dir_make(dir);
	make_full_disk(dir, logs);
	rig_start(&rig, logs);
	svc = rig_service(&rig, "web", &opts);
	end = run_once(&rig, svc, 1, 0);
	assert_false(rig.run_ended);
	assert_true(rig_lines_in_ring(svc) < end);
	make_room_on_disk(dir);
	RIG_WAIT(&rig, rig.ended == 1 && rig_lines_in_ring(svc) == end);
	rig_wait_stored(&rig, svc);
	log_service_stats(svc, &st);
	assert_int_equal(st.store_dropped, 0);
	rig_stop(&rig);
	n = stored_numbers(logs, "web", 0);
	assert_int_equal(n.lines, end);
	assert_int_equal(n.wrong, 0);
	assert_int_equal(umount(dir), 0);
	testing_dir_remove(dir);
}

/* A service that crashes again and again while the disk is full: few pipes wait, what the others cost is counted. */
static void test_runs_that_wait_are_bounded(void **state)
{
	struct log_service_opts opts = { .store = true, .on_full = LOG_FULL_BLOCK, .ring = { .max_bytes = RING_BYTES_MIN } };
	struct rig rig = { 0 };
	struct log_service *svc;
	struct log_stats st;
	uint64_t end = 0;
	char dir[32];
	char logs[64];

	(void)state;
	testing_dir_make(dir);
	make_full_disk(dir, logs);
	rig_start(&rig, logs);
	svc = rig_service(&rig, "web", &opts);
	for (uint64_t run = 1; run <= 6; run++)
		end = run_once(&rig, svc, run, end);
	RIG_WAIT(&rig, rig.ended >= 1);
	make_room_on_disk(dir);
	RIG_WAIT(&rig, rig.ended == 6 && rig_lines_in_ring(svc) == end);
	rig_wait_stored(&rig, svc);
	log_service_stats(svc, &st);
	assert_true(st.store_dropped > 0);
	assert_int_equal(st.stored_lines + st.store_dropped, end);
	rig_stop(&rig);
	assert_int_equal(umount(dir), 0);
	testing_dir_remove(dir);
}

/* What an engine leaves behind when it gives up on a disk; kept in sight of the leak checker. */
static struct log_engine *volatile left_engine;
static struct log_service *volatile left_service;

static void test_end_does_not_wait_for_a_hanging_disk(void **state)
{
	struct rig rig = { 0 };
	struct log_service_opts opts = { .store = true };
	struct timespec pause = { .tv_nsec = 10000000 };
	struct log_service *svc;
	usec_t begin;
	char dir[32];
	char logs[64];
	int out;

	(void)state;
	testing_dir_make(dir);
	if (!frozen_disk_make(dir)) {
		frozen_disk_remove(dir);
		skip();
	}
	(void)snprintf(logs, sizeof(logs), "%s/logs", dir);
	rig_start(&rig, logs);
	svc = rig_service(&rig, "web", &opts);
	out = rig_pipe(svc, 1, LOG_STDOUT);
	freeze(dir, true);
	write_numbers(out, 0, 100);
	RIG_WAIT(&rig, rig_lines_in_ring(svc) == 100);
	left_engine = rig.engine;
	left_service = svc;
	begin = time_boottime();
	log_engine_free(rig.engine, 300 * USEC_PER_MSEC);
	assert_true(time_boottime() - begin < 10 * USEC_PER_SEC);
	freeze(dir, false);
	/* what was left to the store's thread goes to disk after all, then it ends */
	for (int i = 0; i < 1000 && umount(dir) < 0; i++)
		(void)nanosleep(&pause, NULL);
	close(out);
	loop_free(rig.loop);
	strbuf_fini(&rig.text);
	frozen_disk_remove(dir);
}

/* Many that flood, with the default policy: the processor is the limit, not the disk, so nothing is dropped. */
static void test_flood_of_many_drops_nothing(void **state)
{
	enum { SERVICES = 20, LINES = 20000 };
	struct rig rig = { 0 };
	struct log_service_opts opts = { .store = true, .max_files = 1000, .ring = { .max_bytes = 128U << 10 } };
	struct log_service *svcs[SERVICES];
	struct rig_numbers n;
	struct log_stats st;
	char name[16];
	char dir[32];

	(void)state;
	testing_dir_make(dir);
	rig_start(&rig, dir);
	for (int i = 0; i < SERVICES; i++) {
		int out;

		(void)snprintf(name, sizeof(name), "s%d", i);
		svcs[i] = rig_service(&rig, name, &opts);
		out = rig_pipe(svcs[i], 1, LOG_STDOUT);
		if (fork() == 0) {
			write_numbers(out, 0, LINES);
			_exit(0);
		}
		close(out);
	}
	RIG_WAIT(&rig, rig.ended == SERVICES);
	for (int i = 0; i < SERVICES; i++) {
		rig_wait_stored(&rig, svcs[i]);
		log_service_stats(svcs[i], &st);
		assert_int_equal(st.store_dropped, 0);
		assert_int_equal(st.stored_lines, LINES);
		n = stored_numbers(dir, log_service_name(svcs[i]), 0);
		assert_int_equal(n.lines, LINES);
		assert_int_equal(n.wrong, 0);
	}
	while (wait(NULL) > 0)
		continue;
	rig_stop(&rig);
	testing_dir_remove(dir);
}

/* A file system that is mounted read-only: the service goes on, the error is told, and all is stored when it may be. */
static void test_read_only_disk(void **state)
{
	struct log_service_opts opts = { .store = true };
	struct rig rig = { 0 };
	struct log_service *svc;
	struct rig_numbers n;
	struct log_stats st;
	char dir[32];
	char logs[64];
	int out;

	(void)state;
	testing_dir_make(dir);
	if (mount("tmpfs", dir, "tmpfs", MS_RDONLY, "size=1m") < 0) {
		testing_dir_remove(dir);
		skip();
	}
	(void)snprintf(logs, sizeof(logs), "%s/logs", dir);
	rig_start(&rig, logs);
	svc = rig_service(&rig, "web", &opts);
	out = rig_pipe(svc, 1, LOG_STDOUT);
	write_numbers(out, 0, 100);
	RIG_WAIT(&rig, rig_lines_in_ring(svc) == 100);
	RIG_WAIT(&rig, (log_service_stats(svc, &st), st.store_error == EROFS));
	assert_int_equal(mount(NULL, dir, NULL, MS_REMOUNT, "size=1m"), 0);
	rig_wait_stored(&rig, svc);
	log_service_stats(svc, &st);
	assert_int_equal(st.store_error, 0);
	assert_int_equal(st.store_dropped, 0);
	close(out);
	rig_stop(&rig);
	n = stored_numbers(logs, "web", 0);
	assert_int_equal(n.lines, 100);
	assert_int_equal(n.wrong, 0);
	assert_int_equal(umount(dir), 0);
	testing_dir_remove(dir);
}

static void test_directory_that_can_not_be_made(void **state)
{
	struct rig rig = { 0 };
	struct log_service_opts opts = { .store = true };
	struct log_service *svc;
	struct log_stats st;
	int out;

	(void)state;
	rig_start(&rig, "/proc/no/such/place");
	svc = rig_service(&rig, "web", &opts);
	out = rig_pipe(svc, 1, LOG_STDOUT);
	write_numbers(out, 0, 100);
	RIG_WAIT(&rig, rig_lines_in_ring(svc) == 100);
	RIG_WAIT(&rig, (log_service_stats(svc, &st), st.store_error != 0));
	assert_int_equal(st.store_behind, 100);
	close(out);
	rig_stop(&rig);
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
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_hanging_disk),
		cmocka_unit_test(test_hanging_disk_blocks),
		cmocka_unit_test(test_last_words_wait_for_the_store),
		cmocka_unit_test(test_runs_that_wait_are_bounded),
		cmocka_unit_test(test_end_does_not_wait_for_a_hanging_disk),
		cmocka_unit_test(test_flood_of_many_drops_nothing),
		cmocka_unit_test(test_read_only_disk),
		cmocka_unit_test(test_directory_that_can_not_be_made),
		cmocka_unit_test(test_killed_store_loses_and_doubles_nothing),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
