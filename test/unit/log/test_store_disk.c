/* SPDX-License-Identifier: Apache-2.0 */
/* The store on a disk that is full, hangs, can't be written or is not there: services go on, and every loss is counted. */
#include "rig_store.h"

#include <linux/fs.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "log/segment.h"

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
	bool unmounted = false;
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
	RIG_WAIT(&rig, unmounted || (unmounted = umount(dir) == 0));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_hanging_disk),
		cmocka_unit_test(test_hanging_disk_blocks),
		cmocka_unit_test(test_last_words_wait_for_the_store),
		cmocka_unit_test(test_runs_that_wait_are_bounded),
		cmocka_unit_test(test_end_does_not_wait_for_a_hanging_disk),
		cmocka_unit_test(test_flood_of_many_drops_nothing),
		cmocka_unit_test(test_read_only_disk),
		cmocka_unit_test(test_directory_that_can_not_be_made),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
