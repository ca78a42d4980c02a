/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the file that tells where runs begin. */
#include "log/runs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "log/segment.h"

#define FILE_NAME "runs"
#define FILE_TMP "runs.tmp"
#define LINE_SIZE 64
/* Trimmed beyond this: some thousand runs. */
#define TRIM_BYTES (128U << 10)
#define RUNS_MAX 100000

static int write_line(int fd, const struct run_begin *begin)
{
	char time[TIME_RFC3339_SIZE];
	char line[LINE_SIZE];
	int n;

	time_rfc3339(begin->ts, time);
	n = snprintf(line, sizeof(line), "%s %llu\n", time, (unsigned long long)begin->run);
	return fd_write_all(fd, line, (size_t)n);
}

int runs_append(int dir_fd, const struct run_begin *begin)
{
	AUTO(auto_close) int fd = openat(dir_fd, FILE_NAME, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);

	return fd < 0 ? -errno : write_line(fd, begin);
}

static int add(struct runs *r, size_t *cap, const struct run_begin *begin)
{
	if (r->n && r->list[r->n - 1].run == begin->run && r->list[r->n - 1].ts == begin->ts)
		return 0;
	if (r->n == *cap) {
		size_t more = *cap ? *cap * 2 : 16;
		struct run_begin *list = realloc(r->list, more * sizeof(*list));

		if (!list)
			return -ENOMEM;
		r->list = list;
		*cap = more;
	}
	r->list[r->n++] = *begin;
	return 0;
}

int runs_read(int dir_fd, struct runs *out)
{
	struct runs r = { 0 };
	struct run_begin begin;
	char line[LINE_SIZE];
	size_t cap = 0;
	int code = 0;
	int fd = openat(dir_fd, FILE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "re");

	if (!f) {
		code = errno == ENOENT ? 0 : -errno;
		auto_close(&fd);
		*out = r;
		return code;
	}
	while (code == 0 && r.n < RUNS_MAX && fgets(line, sizeof(line), f)) {
		char *end;

		if (!cri_time(line, strlen(line), &begin.ts))
			continue;
		begin.run = strtoull(line + TIME_RFC3339_SIZE, &end, 10);
		if (*end == '\n' && begin.run)
			code = add(&r, &cap, &begin);
	}
	(void)fclose(f);
	if (code < 0)
		runs_fini(&r);
	else
		*out = r;
	return code;
}

void runs_fini(struct runs *r)
{
	free(r->list);
	*r = (struct runs){ 0 };
}

void runs_trim(int dir_fd, ts_ns oldest)
{
	struct runs r;
	struct stat st;
	int fd;
	int code = 0;

	if (fstatat(dir_fd, FILE_NAME, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_size < (off_t)TRIM_BYTES ||
	    runs_read(dir_fd, &r) < 0)
		return;
	fd = openat(dir_fd, FILE_TMP, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	for (size_t i = 0; fd >= 0 && code == 0 && i < r.n; i++) {
		/* the run that the oldest segment begins in the middle of stays */
		if (i + 1 == r.n || r.list[i + 1].ts > oldest)
			code = write_line(fd, &r.list[i]);
	}
	if (fd >= 0 && code == 0)
		(void)renameat(dir_fd, FILE_TMP, dir_fd, FILE_NAME);
	auto_close(&fd);
	runs_fini(&r);
}
