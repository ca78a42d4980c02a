/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the files of incidents: names, writing, bounds, listing. */
#include "log/incident.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

#define FOLDER ".incidents"
#define SUFFIX ".json"
#define STAMP_LEN 26
#define NAME_SIZE (INCIDENT_ID_SIZE + sizeof(SUFFIX) + 8)
/* The first line of a file: a few members with bounded texts. */
#define HEAD_MAX 4096U

void incident_id(ts_ns at, const char *kind, const char *service, char out[INCIDENT_ID_SIZE])
{
	char t[TIME_RFC3339_SIZE];

	time_rfc3339(at, t);
	(void)snprintf(out, INCIDENT_ID_SIZE, "%.4s%.2s%.2sT%.2s%.2s%.2s%.11s.%.*s.%.*s", t, t + 5, t + 8, t + 11, t + 14,
		       t + 17, t + 19, INCIDENT_KIND_MAX, kind, LIMIT_NAME, service);
}

bool incident_id_parse(const char *id, const char **out_service)
{
	const char *kind = id + STAMP_LEN + 1;
	size_t kind_len;

	if (strlen(id) >= INCIDENT_ID_SIZE || strlen(id) < STAMP_LEN + 4 ||
	    strspn(id, "0123456789T.Z") != STAMP_LEN + 1 || id[8] != 'T' || id[15] != '.' || id[25] != 'Z' ||
	    id[STAMP_LEN] != '.' || strchr(id, '/'))
		return false;
	kind_len = strspn(kind, "abcdefghijklmnopqrstuvwxyz_");
	if (kind_len == 0 || kind[kind_len] != '.' || !kind[kind_len + 1])
		return false;
	*out_service = kind + kind_len + 1;
	return true;
}

/* --- the directory ------------------------------------------------------------------------------ */

struct file {
	char id[INCIDENT_ID_SIZE];
	const char *service; /* in id */
	size_t bytes;
};

struct files {
	struct file *list;
	size_t n, cap;
};

static void files_fini(struct files *f)
{
	free(f->list);
}

static int by_age(const void *a, const void *b)
{
	return strcmp(((const struct file *)b)->id, ((const struct file *)a)->id);
}

static int add_file(struct files *f, const char *id, size_t bytes)
{
	if (f->n == f->cap) {
		size_t cap = f->cap ? f->cap * 2 : 64;
		struct file *list = realloc(f->list, cap * sizeof(*list));

		if (!list)
			return -ENOMEM;
		f->list = list;
		f->cap = cap;
	}
	(void)str_copy(f->list[f->n].id, sizeof(f->list[f->n].id), id);
	f->list[f->n++].bytes = bytes;
	return 0;
}

/* One entry of the directory. `clean`: what a killed writer left is deleted. */
static int look_at(struct files *f, int dir_fd, const char *name, bool clean)
{
	size_t len = strlen(name);
	char id[NAME_SIZE];
	const char *service;
	struct stat st;

	if (name[0] == '.') {
		if (clean && strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
			(void)unlinkat(dir_fd, name, 0);
		return 0;
	}
	if (len >= sizeof(id) || len <= strlen(SUFFIX) || strcmp(name + len - strlen(SUFFIX), SUFFIX) != 0)
		return 0;
	memcpy(id, name, len - strlen(SUFFIX));
	id[len - strlen(SUFFIX)] = '\0';
	if (!incident_id_parse(id, &service) || fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return 0;
	return add_file(f, id, (size_t)st.st_size);
}

/* All of them, newest first. */
static int list_files(int dir_fd, bool clean, struct files *f)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int code = 0;

	if (!dir) {
		code = -errno;
		auto_close(&fd);
		return code;
	}
	while (code == 0 && (entry = readdir(dir)))
		code = look_at(f, dir_fd, entry->d_name, clean);
	(void)closedir(dir);
	if (f->n)
		qsort(f->list, f->n, sizeof(*f->list), by_age);
	for (size_t i = 0; i < f->n; i++)
		(void)incident_id_parse(f->list[i].id, &f->list[i].service);
	return code;
}

static int open_folder(const char *dir, bool make)
{
	char path[4096];
	int fd;

	if (snprintf(path, sizeof(path), "%s/" FOLDER, dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	if (make) {
		int code = fd_make_dirs(path, 0700);

		if (code < 0)
			return code;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

/* --- writing ------------------------------------------------------------------------------------ */

/* How many and how much of the same service there are among the `n` newest. */
static bool is_over(const struct files *f, size_t i, size_t total)
{
	size_t count = 0;
	size_t bytes = 0;

	for (size_t j = 0; j <= i; j++) {
		if (strcmp(f->list[j].service, f->list[i].service) != 0)
			continue;
		count++;
		bytes += f->list[j].bytes;
	}
	return count > LIMIT_INCIDENTS_SERVICE || bytes > LIMIT_INCIDENT_BYTES_SERVICE || i >= LIMIT_INCIDENTS ||
	       total > LIMIT_INCIDENT_BYTES_TOTAL;
}

static void keep_bounds(int dir_fd)
{
	AUTO(files_fini) struct files f = { 0 };
	char name[NAME_SIZE];
	size_t total = 0;

	if (list_files(dir_fd, true, &f) < 0)
		return;
	for (size_t i = 0; i < f.n; i++) {
		total += f.list[i].bytes;
		if (i == 0 || !is_over(&f, i, total))
			continue;
		(void)snprintf(name, sizeof(name), "%s" SUFFIX, f.list[i].id);
		(void)unlinkat(dir_fd, name, 0);
	}
}

static int write_new(int dir_fd, const char *name, const char *text, size_t len)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int code = fd < 0 ? -errno : fd_write_all(fd, text, len);

	if (code == 0 && fdatasync(fd) < 0)
		code = -errno;
	auto_close(&fd);
	return code;
}

int incident_write(const char *dir, const char *id, const char *text, size_t len)
{
	AUTO(auto_close) int dir_fd = open_folder(dir, true);
	char name[NAME_SIZE];
	char making[NAME_SIZE + 8];
	int code;

	if (dir_fd < 0)
		return dir_fd;
	(void)snprintf(name, sizeof(name), "%s" SUFFIX, id);
	(void)snprintf(making, sizeof(making), ".%s.new", name);
	code = write_new(dir_fd, making, text, len);
	if (code == 0 && renameat(dir_fd, making, dir_fd, name) < 0)
		code = -errno;
	if (code < 0)
		(void)unlinkat(dir_fd, making, 0);
	else
		keep_bounds(dir_fd);
	return code;
}

/* --- reading ------------------------------------------------------------------------------------ */

/* The first line, its last comma made a brace. Returns its bytes; 0: it is not as we write it. */
static size_t read_head(int dir_fd, const char *id, char head[HEAD_MAX])
{
	AUTO(auto_close) int fd = -1;
	char name[NAME_SIZE];
	char *end;
	ssize_t n;

	(void)snprintf(name, sizeof(name), "%s" SUFFIX, id);
	fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	n = fd < 0 ? -1 : read(fd, head, HEAD_MAX);
	end = n > 0 ? memchr(head, '\n', (size_t)n) : NULL;
	if (!end || end - head < 2 || end[-1] != ',')
		return 0;
	end[-1] = '}';
	return (size_t)(end - head);
}

int incident_list(const char *dir, const char *service, incident_fn fn, void *data)
{
	AUTO(files_fini) struct files f = { 0 };
	AUTO(auto_close) int dir_fd = open_folder(dir, false);
	int code = dir_fd < 0 ? dir_fd : list_files(dir_fd, false, &f);

	if (code == -ENOENT)
		return 0;
	for (size_t i = 0; code == 0 && i < f.n; i++) {
		char head[HEAD_MAX];
		size_t len;

		if (service && strcmp(f.list[i].service, service) != 0)
			continue;
		len = read_head(dir_fd, f.list[i].id, head);
		if (len)
			fn(f.list[i].id, head, len, f.list[i].bytes, data);
	}
	return code;
}

int incident_read(const char *dir, const char *id, struct strbuf *out)
{
	char path[4096];
	const char *service;

	if (!incident_id_parse(id, &service))
		return -ENOENT;
	if (snprintf(path, sizeof(path), "%s/" FOLDER "/%s" SUFFIX, dir, id) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return fd_read_file(path, out);
}
