/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../testing_dir.h"

static void test_atomic_write_then_read(void **state)
{
	char dir[] = "/tmp/test_fd.XXXXXX";
	char path[64];
	struct strbuf b = STRBUF(100);
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/file", dir);
	assert_int_equal(fd_write_file_atomic(path, "old", 3, 0600, NULL), 0);
	assert_int_equal(fd_write_file_atomic(path, "newer", 5, 0640, NULL), 0);
	assert_int_equal(fd_read_file(path, &b), 0);
	assert_string_equal(strbuf_str(&b), "newer");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	strbuf_fini(&b);

	b = STRBUF(4);
	assert_int_equal(fd_read_file(path, &b), -EFBIG);
	strbuf_fini(&b);
	b = STRBUF(5);
	assert_int_equal(fd_read_file(path, &b), 0);
	strbuf_fini(&b);
	assert_int_equal(fd_read_file(dir, &b), -EISDIR);
	(void)unlink(path);
	assert_int_equal(rmdir(dir), 0); /* no temporary file was left behind */
}

static void test_atomic_write_reports_its_path(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(fd_write_file_atomic("/nonexistent/x", "a", 1, 0600, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "/nonexistent/x"));
}

static void test_descriptors_pass_and_too_long_a_message_leaks_none(void **state)
{
	char data[8];
	char byte;
	int pair[2];
	int pipes[2];
	int got[FD_MESSAGE_MAX];
	int next;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(fd_send_message(pair[0], "hi", 2, 0, pipes, 2), 0);
	assert_int_equal(fd_receive_message(pair[1], data, sizeof(data), 0, got), 2);
	assert_true(got[0] >= 0 && got[1] >= 0);
	assert_int_equal(got[2], -1);
	assert_true(fcntl(got[0], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(got[1], "x", 1), 1);
	assert_int_equal(read(pipes[0], &byte, 1), 1);

	next = dup(0);
	assert_int_equal(fd_send_message(pair[0], "far too long", 12, 0, pipes, 2), 0);
	assert_int_equal(fd_receive_message(pair[1], data, sizeof(data), 0, got), -EMSGSIZE);
	(void)close(next);
	assert_int_equal(dup(0), next); /* the lowest free descriptor is the same: nothing stayed open */
	(void)close(pair[0]);
	assert_int_equal(fd_receive_message(pair[1], data, sizeof(data), 0, got), 0);
}

static void test_make_dirs(void **state)
{
	char root[TESTING_DIR_SIZE];
	char path[64];
	struct stat st;

	(void)state;
	testing_dir_make(root);
	(void)snprintf(path, sizeof(path), "%s/a/b/c", root);
	assert_int_equal(fd_make_dirs(path, 0700), 0);
	assert_int_equal(fd_make_dirs(path, 0755), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(fd_make_dirs("/proc/none/here", 0700), -ENOENT);
	assert_int_equal(fd_make_dirs("", 0700), -ENOENT);
	testing_dir_remove(root);
}

/* A lock is of the open file: a copy of the descriptor keeps it, and each byte is a lock of its own. */
static void test_lock_of_a_byte(void **state)
{
	char root[TESTING_DIR_SIZE];
	char path[64];
	int fds[2];
	int copy;

	(void)state;
	testing_dir_make(root);
	(void)snprintf(path, sizeof(path), "%s/lock", root);
	for (int i = 0; i < 2; i++)
		fds[i] = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(fd_lock_byte(fds[0], 0), 0);
	assert_int_equal(fd_lock_byte(fds[0], 0), 0);
	assert_int_equal(fd_lock_byte(fds[1], 0), -EBUSY);
	assert_int_equal(fd_lock_byte(fds[1], 1), 0);
	assert_int_equal(fd_lock_byte(fds[0], 1), -EBUSY);
	copy = dup(fds[0]);
	close(fds[0]);
	assert_int_equal(fd_lock_byte(fds[1], 0), -EBUSY);
	close(copy);
	assert_int_equal(fd_lock_byte(fds[1], 0), 0);
	close(fds[1]);
	testing_dir_remove(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_atomic_write_then_read),
		cmocka_unit_test(test_atomic_write_reports_its_path),
		cmocka_unit_test(test_make_dirs),
		cmocka_unit_test(test_lock_of_a_byte),
		cmocka_unit_test(test_descriptors_pass_and_too_long_a_message_leaks_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
