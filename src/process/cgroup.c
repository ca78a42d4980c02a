/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: finding the cgroup v2 tree, and the cgroup of each service. */
#include "process/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "process/signal.h"

#define FILE_MAX_BYTES 65536U
#define DEPTH_MAX 16
/* cpu.max: share of this many microseconds */
#define CPU_PERIOD 100000U
/* Where we are ourselves in a tree that was given to us. */
#define LEAF "zinit-server"

#ifndef CGROUP2_SUPER_MAGIC
#define CGROUP2_SUPER_MAGIC 0x63677270
#endif

struct cgroup_root {
	char *path;
	int lock_fd; /* of the directory, with a shared lock: it is in use; -1: it could not be had */
	bool has[CGROUP_CONTROLLER_N];
};

struct cgroup {
	char *path;
	bool removed;
	bool worn; /* cgroup.kill was written, or may have been by an earlier server */
	const struct cgroup_root *root;
};

static const char *const controllers[CGROUP_CONTROLLER_N] = {
	[CGROUP_CPU] = "cpu",
	[CGROUP_MEMORY] = "memory",
	[CGROUP_PIDS] = "pids",
	[CGROUP_IO] = "io",
};

const char *cgroup_controller_name(enum cgroup_controller controller)
{
	return (unsigned int)controller < CGROUP_CONTROLLER_N ? controllers[controller] : NULL;
}

/* ---- files ---- */

static int write_text(const char *dir, const char *file, const char *text)
{
	char path[PATH_MAX];
	AUTO(auto_close) int fd = -1;

	if (snprintf(path, sizeof(path), "%s/%s", dir, file) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return fd_write_all(fd, text, strlen(text));
}

/* Reads a file of the cgroup. 0 or negative errno. */
static int read_text(const char *dir, const char *file, struct strbuf *out)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", dir, file) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	strbuf_reset(out);
	return fd_read_file(path, out);
}

/* The number after `key ` at the start of a line, or after "key=" anywhere (io.stat: summed up); 0 if there is none. */
static uint64_t number_of(const struct strbuf *text, const char *key, bool everywhere)
{
	uint64_t sum = 0;
	size_t len = strlen(key);
	const char *p = strbuf_str(text);

	while ((p = strstr(p, key))) {
		bool starts = p == strbuf_str(text) || p[-1] == '\n' || (everywhere && p[-1] == ' ');

		if (starts && (p[len] == ' ' || p[len] == '=')) {
			sum += strtoull(p + len + 1, NULL, 10);
			if (!everywhere)
				break;
		}
		p += len;
	}
	return sum;
}

static uint64_t single_number(const char *dir, const char *file)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(FILE_MAX_BYTES);

	return read_text(dir, file, &text) == 0 ? strtoull(strbuf_str(&text), NULL, 10) : 0;
}

static bool has_word(const struct strbuf *text, const char *word)
{
	size_t len = strlen(word);
	const char *p = strbuf_str(text);

	while ((p = strstr(p, word))) {
		bool starts = p == strbuf_str(text) || p[-1] == ' ';

		if (starts && (p[len] == ' ' || p[len] == '\n' || p[len] == '\0'))
			return true;
		p += len;
	}
	return false;
}

/* ---- the root ---- */

static bool is_cgroup2(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

/* Our own cgroup v2 below `mount`, by the line "0::/path" of /proc/self/cgroup. */
static int own_cgroup(const char *mount, char *out, size_t size)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(FILE_MAX_BYTES);
	const char *line;
	size_t len;
	int r = fd_read_file("/proc/self/cgroup", &text);

	if (r < 0)
		return r;
	line = strbuf_str(&text);
	if (!str_starts(line, "0::")) {
		line = strstr(line, "\n0::");
		if (!line)
			return -ENOENT;
		line++;
	}
	line += 3;
	len = strcspn(line, "\n");
	while (len > 0 && line[len - 1] == '/')
		len--;
	if (snprintf(out, size, "%s%.*s", mount, (int)len, line) >= (int)size)
		return -ENAMETOOLONG;
	return 0;
}

/* A later server of the same keeper begins in the leaf: its base is above. */
static void strip_leaf(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash && strcmp(slash + 1, LEAF) == 0)
		*slash = '\0';
}

/* The directory under which ours is made. */
static int find_base(char *out, size_t size, struct error *err)
{
	static const char *const mounts[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };

	for (size_t i = 0; i < ARRAY_LEN(mounts); i++) {
		if (!is_cgroup2(mounts[i]))
			continue;
		if (own_cgroup(mounts[i], out, size) < 0 || access(out, F_OK) < 0)
			(void)str_copy(out, size, mounts[i]); /* a container that sees its own tree under another name */
		strip_leaf(out);
		return 0;
	}
	return error_set(err, ENOENT, "cgroups are not used: no cgroup v2 at /sys/fs/cgroup or /sys/fs/cgroup/unified");
}

/*
 * A cgroup that has processes of its own can't give all controllers to its children, and those that it can give make it one of
 * threads, whose children nobody can enter. So we and the keeper move into a leaf. The root of all is exempt.
 */
static void leave(const char *dir, pid_t keeper)
{
	char path[PATH_MAX];
	char text[24];

	if (snprintf(path, sizeof(path), "%s/cgroup.type", dir) >= (int)sizeof(path) || access(path, F_OK) < 0 ||
	    snprintf(path, sizeof(path), "%s/" LEAF, dir) >= (int)sizeof(path))
		return;
	(void)mkdir(path, 0755);
	(void)write_text(path, "cgroup.procs", "0");
	(void)snprintf(text, sizeof(text), "%d", (int)keeper);
	if (keeper > 0)
		(void)write_text(path, "cgroup.procs", text);
}

static bool has_processes(const char *dir)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(FILE_MAX_BYTES);
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/cgroup.type", dir) >= (int)sizeof(path) || access(path, F_OK) < 0)
		return false; /* the root of all, where they do no harm */
	return read_text(dir, "cgroup.procs", &text) < 0 || text.len > 0;
}

/* Enable what there is for the children of `dir`; with strangers in it, nothing: its children can then be entered, at least. */
static void enable_controllers(const char *dir)
{
	if (has_processes(dir))
		return;
	for (size_t i = 0; i < CGROUP_CONTROLLER_N; i++) {
		char text[16];

		(void)snprintf(text, sizeof(text), "+%s", controllers[i]);
		(void)write_text(dir, "cgroup.subtree_control", text);
	}
}

static void root_free(struct cgroup_root *root)
{
	if (root) {
		auto_close(&root->lock_fd);
		free(root->path);
	}
	free(root);
}

static int lock_directory(const char *path, int how)
{
	AUTO(auto_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && flock(fd, how | LOCK_NB) == 0 ? fd_steal(&fd) : -1;
}

struct cgroup_root *cgroup_root_open(const char *base, const char *name, pid_t keeper, struct error *err)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(FILE_MAX_BYTES);
	struct cgroup_root *root;
	char path[PATH_MAX];

	if (base)
		(void)str_copy(path, sizeof(path), base);
	else if (find_base(path, sizeof(path), err) < 0)
		return NULL;
	root = calloc(1, sizeof(*root));
	if (root)
		root->lock_fd = -1;
	if (!root || asprintf(&root->path, "%s/%s", path, name) < 0) {
		free(root);
		(void)error_set(err, ENOMEM, "cgroups are not used: out of memory");
		return NULL;
	}
	if (!base)
		leave(path, keeper);
	enable_controllers(path);
	if (mkdir(root->path, 0755) < 0 && errno != EEXIST) {
		(void)error_set(err, errno, "cgroups are not used: cannot make '%s': %s", root->path, strerror(errno));
		root_free(root);
		return NULL;
	}
	enable_controllers(root->path);
	if (read_text(root->path, "cgroup.subtree_control", &text) < 0 || access(root->path, W_OK) < 0) {
		(void)error_set(err, EACCES, "cgroups are not used: '%s' is not ours to manage", root->path);
		root_free(root);
		return NULL;
	}
	for (size_t i = 0; i < CGROUP_CONTROLLER_N; i++)
		root->has[i] = has_word(&text, controllers[i]);
	root->lock_fd = lock_directory(root->path, LOCK_SH);
	return root;
}

void cgroup_root_close(struct cgroup_root *root, bool remove)
{
	if (root && remove)
		(void)rmdir(root->path);
	root_free(root);
}

const char *cgroup_root_path(const struct cgroup_root *root)
{
	return root->path;
}

bool cgroup_root_has(const struct cgroup_root *root, enum cgroup_controller controller)
{
	return (unsigned int)controller < CGROUP_CONTROLLER_N && root->has[controller];
}

/* ---- one service ---- */

struct cgroup *cgroup_open(struct cgroup_root *root, const char *service, struct error *err)
{
	struct cgroup *cg = calloc(1, sizeof(*cg));

	if (!cg || asprintf(&cg->path, "%s/%s", root->path, service) < 0) {
		free(cg);
		(void)error_set(err, ENOMEM, "cgroup of '%s': out of memory", service);
		return NULL;
	}
	cg->root = root;
	cg->worn = mkdir(cg->path, 0755) < 0;
	if (cg->worn && errno != EEXIST) {
		(void)error_set(err, errno, "cannot make the cgroup '%s': %s", cg->path, strerror(errno));
		cgroup_close(cg);
		return NULL;
	}
	return cg;
}

void cgroup_close(struct cgroup *cg)
{
	if (!cg)
		return;
	free(cg->path);
	free(cg);
}

/* Calls `fn` for each cgroup directly below. */
static void each_below(const char *path, void (*fn)(const char *path, unsigned int depth, void *data), unsigned int depth,
		       void *data)
{
	DIR *dir = depth < DEPTH_MAX ? opendir(path) : NULL;
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char below[PATH_MAX];

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		if (snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) < (int)sizeof(below))
			fn(below, depth + 1, data);
	}
	if (dir)
		(void)closedir(dir);
}

static void remove_below(const char *path, unsigned int depth, void *data)
{
	each_below(path, remove_below, depth, data);
	(void)rmdir(path);
}

static int remove_tree(const struct cgroup *cg)
{
	if (rmdir(cg->path) == 0 || errno == ENOENT)
		return 0;
	if (errno != EBUSY && errno != ENOTEMPTY)
		return -errno;
	if (cgroup_populated(cg) > 0)
		return -EBUSY;
	each_below(cg->path, remove_below, 0, NULL);
	return rmdir(cg->path) < 0 && errno != ENOENT ? -errno : 0;
}

struct sweep {
	const struct cgroup_root *root;
	bool (*is_stale)(const char *name, void *data);
	void *data;
	unsigned int removed;
};

static void sweep_one(const char *path, unsigned int depth, void *data)
{
	struct sweep *sweep = data;
	const struct cgroup stale = { .path = (char *)(uintptr_t)path, .root = sweep->root };
	AUTO(auto_close) int lock = -1;

	(void)depth;
	if (str_equal(path, sweep->root->path) || !sweep->is_stale(strrchr(path, '/') + 1, sweep->data))
		return;
	lock = lock_directory(path, LOCK_EX);
	if (lock >= 0 && cgroup_populated(&stale) == 0 && remove_tree(&stale) == 0)
		sweep->removed++;
}

unsigned int cgroup_root_sweep(const struct cgroup_root *root, bool (*is_stale)(const char *name, void *data), void *data)
{
	struct sweep sweep = { .root = root, .is_stale = is_stale, .data = data };
	char base[PATH_MAX];

	(void)str_copy(base, sizeof(base), root->path);
	*strrchr(base, '/') = '\0';
	each_below(base, sweep_one, 0, &sweep);
	return sweep.removed;
}

int cgroup_remove(struct cgroup *cg)
{
	int r = cg->removed ? 0 : remove_tree(cg);

	cg->removed = r == 0;
	return r;
}

int cgroup_renew(struct cgroup *cg)
{
	int r;

	if (!cg->worn && access(cg->path, F_OK) == 0)
		return 0;
	r = cgroup_remove(cg);
	if (r < 0)
		return r;
	if (mkdir(cg->path, 0755) < 0)
		return -errno;
	cg->worn = cg->removed = false;
	return 1;
}

int cgroup_dir_fd(const struct cgroup *cg)
{
	int fd = open(cg->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int cgroup_fd_or_none(const struct cgroup *cg)
{
	int fd = cg ? cgroup_dir_fd(cg) : -1;

	return fd < 0 ? -1 : fd;
}

static void limit_text(uint64_t value, char *out, size_t size)
{
	if (value)
		(void)snprintf(out, size, "%llu", (unsigned long long)value);
	else
		(void)str_copy(out, size, "max");
}

/* Sets one limit; a missing controller matters only if there is something to limit. */
static int set_limit(struct cgroup *cg, enum cgroup_controller controller, const char *file, bool wanted, const char *text,
		     struct error *err)
{
	int r;

	if (!cg->root->has[controller]) {
		if (!wanted)
			return 0;
		return error_set(err, EOPNOTSUPP, "%s can't be set: the cgroup controller '%s' is not available", file,
				 controllers[controller]);
	}
	r = write_text(cg->path, file, text);
	if (r < 0)
		return error_set(err, -r, "cannot write '%s' to %s/%s: %s", text, cg->path, file, strerror(-r));
	return 0;
}

int cgroup_set_limits(struct cgroup *cg, const struct cgroup_limits *limits, struct error *err)
{
	struct error first = { 0 };
	struct error *at = &first;
	char text[48];

	limit_text(limits->memory_max, text, sizeof(text));
	if (set_limit(cg, CGROUP_MEMORY, "memory.max", limits->memory_max > 0, text, at) < 0)
		at = NULL;
	limit_text(limits->pids_max, text, sizeof(text));
	if (set_limit(cg, CGROUP_PIDS, "pids.max", limits->pids_max > 0, text, at) < 0)
		at = NULL;
	if (limits->cpu_max_pct)
		(void)snprintf(text, sizeof(text), "%llu %u",
			       (unsigned long long)limits->cpu_max_pct * CPU_PERIOD / 100U, CPU_PERIOD);
	else
		(void)snprintf(text, sizeof(text), "max %u", CPU_PERIOD);
	(void)set_limit(cg, CGROUP_CPU, "cpu.max", limits->cpu_max_pct > 0, text, at);
	return first.code ? error_set(err, first.code, "%s", first.msg) : 0;
}

static void kill_each(const char *path, unsigned int depth, void *data)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(FILE_MAX_BYTES * 16);
	char *at;

	each_below(path, kill_each, depth, data);
	if (read_text(path, "cgroup.procs", &text) < 0 || text.len == 0)
		return;
	for (at = text.data; *at;) {
		pid_t pid = (pid_t)strtol(at, &at, 10);
		AUTO(auto_close) int pidfd = pid > 0 ? signal_open(pid) : -1;

		if (pid > 0)
			(void)signal_process(pidfd, pid, SIGKILL);
		at += strspn(at, "\n");
	}
}

int cgroup_kill(struct cgroup *cg)
{
	int r = write_text(cg->path, "cgroup.kill", "1");

	cg->worn = true;
	if (r == -ENOENT && access(cg->path, F_OK) == 0) { /* Linux before 5.14 */
		kill_each(cg->path, 0, NULL);
		r = 0;
	}
	return r;
}

static bool says_populated(int events_fd)
{
	char text[256];
	ssize_t n = pread(events_fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return false; /* removed */
	text[n] = '\0';
	return strstr(text, "populated 1") != NULL;
}

int cgroup_populated(const struct cgroup *cg)
{
	char path[PATH_MAX];
	AUTO(auto_close) int fd = -1;

	(void)snprintf(path, sizeof(path), "%s/cgroup.events", cg->path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : says_populated(fd);
}

uint64_t cgroup_oom_kills(const struct cgroup *cg)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(FILE_MAX_BYTES);

	return read_text(cg->path, "memory.events", &text) == 0 ? number_of(&text, "oom_kill", false) : 0;
}

int cgroup_stats(const struct cgroup *cg, struct cgroup_stats *out)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(FILE_MAX_BYTES);
	struct cgroup_stats s = { 0 };
	int r = read_text(cg->path, "cpu.stat", &text);

	if (r < 0)
		return r;
	s.cpu_usec = number_of(&text, "usage_usec", false);
	s.memory_bytes = single_number(cg->path, "memory.current");
	s.memory_peak_bytes = single_number(cg->path, "memory.peak");
	s.pids = single_number(cg->path, "pids.current");
	if (read_text(cg->path, "io.stat", &text) == 0) {
		s.io_read_bytes = number_of(&text, "rbytes", true);
		s.io_write_bytes = number_of(&text, "wbytes", true);
	}
	s.oom_kills = cgroup_oom_kills(cg);
	*out = s;
	return 0;
}

/* ---- watching ---- */

struct cgroup_watch {
	struct loop_io *io;
	int fd; /* of cgroup.events: the kernel reports a change as EPOLLPRI */
	bool populated;
	cgroup_watch_fn fn;
	void *data;
};

static void on_event(struct loop_io *io, uint32_t events, void *data)
{
	struct cgroup_watch *w = data;
	bool populated = says_populated(w->fd);

	(void)io;
	(void)events;
	if (populated == w->populated)
		return;
	w->populated = populated;
	w->fn(populated, w->data);
}

struct cgroup_watch *cgroup_watch_new(struct cgroup *cg, struct loop *loop, cgroup_watch_fn fn, void *data)
{
	struct cgroup_watch *w = calloc(1, sizeof(*w));
	char path[PATH_MAX];

	if (!w)
		return NULL;
	(void)snprintf(path, sizeof(path), "%s/cgroup.events", cg->path);
	w->fd = open(path, O_RDONLY | O_CLOEXEC);
	w->fn = fn;
	w->data = data;
	if (w->fd >= 0) {
		w->populated = says_populated(w->fd);
		w->io = loop_io_new(loop, w->fd, EPOLLPRI, on_event, w);
	}
	if (!w->io) {
		int e = errno;

		cgroup_watch_free(w);
		errno = e;
		return NULL;
	}
	return w;
}

void cgroup_watch_free(struct cgroup_watch *watch)
{
	if (!watch)
		return;
	loop_io_free(watch->io);
	if (watch->fd >= 0)
		(void)close(watch->fd);
	free(watch);
}
