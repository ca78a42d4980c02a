/* SPDX-License-Identifier: Apache-2.0 */
#include "../testing.h"

#include "helpers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

int run_and_read(const struct spawn_request *request, struct spawn_result *result, struct strbuf *out)
{
	struct spawn_stack *stack = spawn_stack_new();
	struct spawn_request r = *request;
	int status = -1;
	int ends[2];

	assert_non_null(stack);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	r.stdout_fd = ends[1];
	(void)spawn_run(stack, &r, result);
	(void)close(ends[1]);
	for (;;) {
		char *at = strbuf_reserve(out, 1024);
		ssize_t n;

		assert_non_null(at);
		n = read(ends[0], at, 1024);
		if (n <= 0)
			break;
		strbuf_commit(out, (size_t)n);
	}
	(void)close(ends[0]);
	if (result->stage == SPAWN_OK) {
		assert_int_equal(waitpid(result->pid, &status, 0), result->pid);
		if (result->pidfd >= 0)
			(void)close(result->pidfd);
	}
	spawn_stack_free(stack);
	return status;
}

const char *line_of(const struct strbuf *text, const char *key)
{
	static char value[4096];
	const char *p = strbuf_str(text);
	size_t len = strlen(key);

	while (*p) {
		size_t line = strcspn(p, "\n");

		if (strncmp(p, key, len) == 0) {
			size_t skip = len + strspn(p + len, " \t");

			(void)snprintf(value, sizeof(value), "%.*s", (int)(line - skip), p + skip);
			return value;
		}
		p += line + (p[line] == '\n');
	}
	return "";
}

bool wait_until(bool (*fn)(void *data), void *data)
{
	for (int ms = 0; ms < PATIENCE_MS; ms += 2) {
		if (fn(data))
			return true;
		(void)poll(NULL, 0, 2);
	}
	return false;
}

size_t count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	(void)closedir(dir);
	return n;
}

static char dir_path[64];

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static pid_t dir_owner;

static void remove_dir(void)
{
	if (getpid() == dir_owner)
		(void)nftw(dir_path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

const char *temp_dir(void)
{
	if (!dir_path[0]) {
		(void)str_copy(dir_path, sizeof(dir_path), "/tmp/zinit-process-XXXXXX");
		assert_non_null(mkdtemp(dir_path));
		(void)chmod(dir_path, 0755);
		dir_owner = getpid();
		(void)atexit(remove_dir);
	}
	return dir_path;
}

const char *temp_file(const char *name, const void *data, size_t len)
{
	static char path[160];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", temp_dir(), name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, data, len), 0);
	(void)close(fd);
	return path;
}
