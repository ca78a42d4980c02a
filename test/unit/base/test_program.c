/* SPDX-License-Identifier: Apache-2.0 */
#include "../testing_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/program.h"

static void test_self(void **state)
{
	char path[PATH_MAX];

	(void)state;
	assert_int_equal(program_self(path), 0);
	assert_string_equal(strrchr(path, '/'), "/test_base_program");
}

static void test_find(void **state)
{
	char dir[TESTING_DIR_SIZE];
	char file[64];
	char path[PATH_MAX];
	struct stat here;
	struct stat found;
	int fd;

	(void)state;
	assert_int_equal(program_find("test_base_program", "no-folder", "/nowhere", path), 0);
	assert_int_equal(stat("/proc/self/exe", &here), 0);
	assert_int_equal(stat(path, &found), 0);
	assert_int_equal(found.st_ino, here.st_ino);
	assert_int_equal(program_find("test_base_program", "base", "/nowhere", path), 0);
	assert_int_equal(program_find("no-such-program", "base", "/nowhere", path), -ENOENT);

	testing_dir_make(dir);
	(void)snprintf(file, sizeof(file), "%s/no-such-program", dir);
	fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0700), 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(program_find("no-such-program", "base", dir, path), 0);
	assert_int_equal(access(path, X_OK), 0);
	testing_dir_remove(dir);
	assert_int_equal(program_find("no-such-program", "base", dir, path), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_self), cmocka_unit_test(test_find) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
