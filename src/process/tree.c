/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: reading processes and their kinship from /proc. */
#include "process/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "process/signal.h"
#include "process/tree_internal.h"

#define STAT_MAX 1024
#define LIMITS_MAX 4096
#define CMDLINE_MAX 4096
/* A list of pids: 5 to 8 bytes each. */
#define PIDS_MAX ((size_t)TREE_MEMBERS_MAX * 8)
#define PIDS_CHUNK 4096
#define PID_TEXT_MAX 16 /* a number and a blank */
#define CGROUP_DEPTH_MAX 16
/* Looks in a row at someone who multiplies and dies faster than we look; the caller looks again later. */
#define LOOKS_MAX 32

/* The upper bits of every tag: it is told from limits that somebody set by hand. */
#define TAG_MARK 0x2a5d000000000000ULL
#define TAG_MARK_BITS 0xffff000000000000ULL

/* ---- one process ---- */

/* Reads a small file of /proc whole. Returns its length or negative errno. */
static ssize_t read_small(const char *path, char *out, size_t size)
{
	AUTO(auto_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, out, size - 1);
	if (n < 0)
		return -errno;
	out[n] = '\0';
	return n;
}

bool tree_is_shortage(int r)
{
	return r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == -EIO;
}

int tree_read(pid_t pid, struct tree_proc *out)
{
	struct tree_proc p = { .pid = pid };
	char text[STAT_MAX];
	char path[40];
	unsigned long long start;
	const char *open_paren;
	char *close_paren;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	n = read_small(path, text, sizeof(text));
	if (n <= 0)
		return tree_is_shortage((int)n) ? (int)n : -ESRCH;
	/* the name may hold anything, blanks and parentheses too: its end is the last one */
	open_paren = strchr(text, '(');
	close_paren = strrchr(text, ')');
	if (!open_paren || !close_paren)
		return -ESRCH;
	*close_paren = '\0';
	(void)str_copy(p.comm, sizeof(p.comm), open_paren + 1);
	if (sscanf(close_paren + 1,
		   " %c %d %d %d %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %u %*s %llu",
		   &p.state, &p.ppid, &p.pgid, &p.sid, &p.threads, &start) != 6)
		return -ESRCH;
	p.start = start;
	*out = p;
	return 0;
}

bool tree_is_dead(const struct tree_proc *p)
{
	/* a leader that has left its threads behind looks like a zombie too */
	return (p->state == 'Z' || p->state == 'X' || p->state == 'x') && p->threads <= 1;
}

/* World-readable, for those that prlimit(2) does not let us look at. */
static uint64_t tag_from_limits(pid_t pid)
{
	char text[LIMITS_MAX];
	char path[40];
	unsigned long long soft = 0;
	const char *line;

	(void)snprintf(path, sizeof(path), "/proc/%d/limits", pid);
	if (read_small(path, text, sizeof(text)) <= 0)
		return 0;
	line = strstr(text, "\nMax file locks");
	if (!line || sscanf(line, "\nMax file locks %llu", &soft) != 1)
		return 0;
	return soft;
}

uint64_t tree_read_tag(pid_t pid)
{
	struct { uint64_t soft, hard; } limit = { 0, 0 };
	uint64_t tag;

	if (syscall(SYS_prlimit64, pid, RLIMIT_LOCKS, NULL, &limit) == 0)
		tag = limit.soft;
	else
		tag = errno == EPERM ? tag_from_limits(pid) : 0;
	return (tag & TAG_MARK_BITS) == TAG_MARK ? tag : 0;
}

uint64_t tree_tag(uint64_t instance, const char *service)
{
	uint64_t hash = 0xcbf29ce484222325ULL ^ instance;

	/* FNV-1a, then the finish of splitmix64: neighbours must not look alike */
	for (const unsigned char *p = (const unsigned char *)service; *p; p++)
		hash = (hash ^ *p) * 0x100000001b3ULL;
	hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9ULL;
	hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebULL;
	hash ^= hash >> 31;
	return TAG_MARK | (hash & ~TAG_MARK_BITS);
}

void tree_cmdline(pid_t pid, char *out, size_t size)
{
	char text[CMDLINE_MAX];
	char path[40];
	struct tree_proc p;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	n = read_small(path, text, sizeof(text));
	while (n > 0 && text[n - 1] == '\0')
		n--;
	if (n <= 0) {
		(void)snprintf(out, size, "[%s]", tree_read(pid, &p) == 0 ? p.comm : "?");
		return;
	}
	for (ssize_t i = 0; i < n; i++) {
		if (text[i] == '\0')
			text[i] = ' ';
	}
	text[n] = '\0';
	(void)str_copy(out, size, text);
}

/* ---- lists ---- */

void tree_list_fini(struct tree_list *list)
{
	free(list->procs);
	*list = (struct tree_list){ 0 };
}

const struct tree_proc *tree_list_find(const struct tree_list *list, pid_t pid)
{
	for (size_t i = 0; i < list->n; i++) {
		if (list->procs[i].pid == pid)
			return &list->procs[i];
	}
	return NULL;
}

bool tree_list_has(const struct tree_list *list, const struct tree_proc *proc)
{
	const struct tree_proc *found = tree_list_find(list, proc->pid);

	return found && found->start == proc->start;
}

int tree_list_add(struct tree_list *list, const struct tree_proc *proc)
{
	if (list->n == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 8;
		struct tree_proc *grown;

		if (cap > TREE_MEMBERS_MAX)
			return -ENOMEM;
		grown = reallocarray(list->procs, cap, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		list->procs = grown;
		list->cap = cap;
	}
	list->procs[list->n++] = *proc;
	return 0;
}

/* ---- sets of pids: open addressing, 0 is free ---- */

struct pid_set {
	pid_t *slots;
	size_t n;
	size_t cap; /* 0 or a power of two */
};

static size_t slot_of(const struct pid_set *set, pid_t pid)
{
	size_t at = ((uint32_t)pid * 2654435761U) & (set->cap - 1);

	while (set->slots[at] != 0 && set->slots[at] != pid)
		at = (at + 1) & (set->cap - 1);
	return at;
}

static bool pid_set_has(const struct pid_set *set, pid_t pid)
{
	return set->cap > 0 && set->slots[slot_of(set, pid)] == pid;
}

static int pid_set_add(struct pid_set *set, pid_t pid)
{
	if (set->n * 2 >= set->cap) {
		struct pid_set bigger = { .cap = set->cap ? set->cap * 2 : 32 };

		bigger.slots = calloc(bigger.cap, sizeof(pid_t));
		if (!bigger.slots)
			return -ENOMEM;
		for (size_t i = 0; i < set->cap; i++) {
			if (set->slots[i] != 0)
				bigger.slots[slot_of(&bigger, set->slots[i])] = set->slots[i];
		}
		bigger.n = set->n;
		free(set->slots);
		*set = bigger;
	}
	if (!pid_set_has(set, pid)) {
		set->slots[slot_of(set, pid)] = pid;
		set->n++;
	}
	return 0;
}

static void pid_set_fini(struct pid_set *set)
{
	free(set->slots);
	*set = (struct pid_set){ 0 };
}

/* ---- children ---- */

typedef int (*pid_fn)(pid_t pid, void *data);

/* Calls `fn` for each number of a text. Stops at its first negative answer. */
static int each_pid(const char *text, pid_fn fn, void *data)
{
	while (*text) {
		char *end;
		long pid = strtol(text, &end, 10);
		int r;

		if (end == text)
			break;
		r = fn((pid_t)pid, data);
		if (r < 0)
			return r;
		text = end + strspn(end, " \n");
	}
	return 0;
}

/* Reads a list of pids of any length, then hands them out. */
static int each_pid_of_file(int dir, const char *path, pid_fn fn, void *data)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(PIDS_MAX);
	AUTO(auto_close) int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	char small[PIDS_CHUNK];
	ssize_t n;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, small, sizeof(small))) > 0) {
		if (strbuf_add(&text, small, (size_t)n) < 0)
			return -ENOMEM;
		if ((size_t)n < sizeof(small) - PID_TEXT_MAX)
			break; /* the kernel fills the buffer as far as whole numbers go: that was the end */
	}
	if (n < 0)
		return -errno;
	return each_pid(strbuf_str(&text), fn, data);
}

/* Calls `fn` for all directories of /proc that are processes. */
static int each_process(pid_fn fn, void *data)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int r = 0;

	if (!proc)
		return -errno;
	while (r >= 0 && (entry = readdir(proc))) {
		char *end;
		long pid = strtol(entry->d_name, &end, 10);

		if (pid > 0 && *end == '\0')
			r = fn((pid_t)pid, data);
	}
	(void)closedir(proc);
	return MIN(r, 0);
}

struct by_parent {
	pid_t parent;
	pid_fn fn;
	void *data;
};

static int if_child(pid_t pid, void *data)
{
	struct by_parent *b = data;
	struct tree_proc p;

	if (tree_read(pid, &p) < 0 || p.ppid != b->parent)
		return 0;
	return b->fn(pid, b->data);
}

/* Calls `fn` for each child of a process; `threads`: how many it has. */
static int each_child(pid_t pid, unsigned int threads, pid_fn fn, void *data)
{
	char path[64];
	DIR *tasks;
	struct dirent *entry;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	r = each_pid_of_file(AT_FDCWD, path, fn, data);
	if (r == -ENOENT && access("/proc/thread-self/children", F_OK) < 0) {
		struct by_parent b = { pid, fn, data }; /* a kernel without CONFIG_PROC_CHILDREN */

		return each_process(if_child, &b);
	}
	if (threads <= 1 || tree_is_shortage(r))
		return tree_is_shortage(r) ? r : 0;
	/* children belong to the thread that made them */
	(void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	r = 0;
	while (tasks && r >= 0 && (entry = readdir(tasks))) {
		long tid = strtol(entry->d_name, NULL, 10);

		if (tid <= 0 || tid == pid)
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%d/task/%ld/children", pid, tid);
		r = each_pid_of_file(AT_FDCWD, path, fn, data);
		if (!tree_is_shortage(r))
			r = 0; /* that thread is gone */
	}
	if (tasks)
		(void)closedir(tasks);
	return r;
}

/* ---- orphans ---- */

void tree_orphans_fini(struct tree_orphans *orphans)
{
	free(orphans->v);
	*orphans = (struct tree_orphans){ 0 };
}

static int add_orphan(pid_t pid, void *data)
{
	struct tree_orphans *o = data;

	if (o->known.fn && o->known.fn(pid, o->known.data))
		return 0;
	if (o->n == o->cap) {
		size_t cap = o->cap ? o->cap * 2 : 64;
		struct tree_orphan *grown = reallocarray(o->v, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		o->v = grown;
		o->cap = cap;
	}
	o->v[o->n++] = (struct tree_orphan){ pid, 0 };
	return 0;
}

int tree_orphans_read(pid_t reaper, struct tree_orphans *out)
{
	struct tree_proc p;
	int r;

	out->n = 0;
	if (reaper <= 0)
		return 0;
	if (out->threads == 0)
		out->threads = tree_read(reaper, &p) == 0 ? MAX(p.threads, 1U) : 1;
	r = each_child(reaper, out->threads, add_orphan, out);
	/* the youngest come last, and live shortest if someone runs away from us: look at them first */
	for (size_t i = out->n; i-- > 0;)
		out->v[i].tag = tree_read_tag(out->v[i].pid);
	return r;
}

/* ---- members ---- */

struct search {
	const struct tree_query *query;
	struct tree_list *out;
	struct pid_set found; /* those in `out` */
	int error;
	bool main_is_known; /* the caller knew whether main had ended before the list of orphans was read */
	bool saw_dead; /* a candidate had ended: it may have left children to the reaper while we looked */
};

static int add_member(pid_t pid, void *data);

/* Who can't be looked at may be there. */
static void note_shortage(struct search *s, int r)
{
	if (tree_is_shortage(r) && s->error == 0)
		s->error = r;
}

/* Adds the children of the members from `from` on, and theirs. */
static void add_descendants(struct search *s, size_t from)
{
	for (size_t i = from; i < s->out->n && s->error == 0; i++) {
		const struct tree_proc *p = &s->out->procs[i];

		note_shortage(s, each_child(p->pid, p->threads, add_member, s));
	}
}

static void add_proc(struct search *s, const struct tree_proc *p)
{
	if (p->pid == s->query->reaper || p->pid == getpid() || pid_set_has(&s->found, p->pid))
		return;
	if (tree_list_add(s->out, p) < 0 || pid_set_add(&s->found, p->pid) < 0)
		s->error = -ENOMEM;
}

static int add_member(pid_t pid, void *data)
{
	struct search *s = data;
	struct tree_proc p;
	int r;

	if (pid_set_has(&s->found, pid))
		return s->error;
	r = tree_read(pid, &p);
	note_shortage(s, r);
	if (r == 0 && !tree_is_dead(&p))
		add_proc(s, &p);
	else
		s->saw_dead |= pid != s->query->main || !s->main_is_known;
	return s->error;
}

/* Is this number the pid of someone who belongs to the service, or did? */
static bool is_members_id(const struct search *s, pid_t id)
{
	if (id <= 1)
		return false;
	return id == s->query->main || pid_set_has(&s->found, id) ||
	       (s->query->history && tree_list_find(s->query->history, id));
}

static bool in_history(const struct search *s, pid_t pid)
{
	return s->query->history && tree_list_find(s->query->history, pid);
}

/* Orphans without a tag: by group, session and history. Returns whether one was added. */
static bool add_kin(struct search *s, const struct tree_orphans *orphans)
{
	bool added = false;

	for (size_t i = 0; i < orphans->n && s->error == 0; i++) {
		const struct tree_orphan *o = &orphans->v[i];
		struct tree_proc p;
		size_t from = s->out->n;

		if ((o->tag && !in_history(s, o->pid)) || o->pid == s->query->main || pid_set_has(&s->found, o->pid))
			continue;
		if (tree_read(o->pid, &p) < 0 || tree_is_dead(&p)) {
			s->saw_dead = true;
			continue;
		}
		if (p.ppid != s->query->reaper)
			continue;
		if (!is_members_id(s, p.pgid) && !is_members_id(s, p.sid) &&
		    !(s->query->history && tree_list_has(s->query->history, &p)))
			continue;
		add_proc(s, &p);
		add_descendants(s, from);
		added |= s->out->n > from;
	}
	return added;
}

static void add_orphans(struct search *s, const struct tree_orphans *orphans)
{
	size_t from = s->out->n; /* those before were looked below already */

	for (size_t i = orphans->n; i-- > 0 && s->error == 0;) {
		if (s->query->tag && orphans->v[i].tag == s->query->tag)
			(void)add_member(orphans->v[i].pid, s);
	}
	add_descendants(s, from);
	/* each new member may lead a group or session of further ones */
	while (add_kin(s, orphans))
		;
}

static int add_if_tagged(pid_t pid, void *data)
{
	struct search *s = data;

	return tree_read_tag(pid) == s->query->tag ? add_member(pid, s) : 0;
}

/* Everyone in a cgroup and in those below it. */
static void add_cgroup(struct search *s, int dir_fd, unsigned int depth)
{
	struct dirent *entry;
	struct stat st;
	DIR *dir;
	int fd;

	note_shortage(s, each_pid_of_file(dir_fd, "cgroup.procs", add_member, s));
	if (fstat(dir_fd, &st) == 0 && st.st_nlink == 2)
		return; /* none below, as nearly always */
	fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (!dir) {
		note_shortage(s, -errno);
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	while (depth < CGROUP_DEPTH_MAX && (entry = readdir(dir))) {
		int below;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		below = openat(dir_fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (below >= 0) {
			add_cgroup(s, below, depth + 1);
			(void)close(below);
		}
	}
	(void)closedir(dir);
}

static void add_history(struct search *s)
{
	const struct tree_list *h = s->query->history;

	for (size_t i = 0; h && i < h->n && s->error == 0; i++) {
		struct tree_proc p;

		if (h->procs[i].pid == s->query->ended || pid_set_has(&s->found, h->procs[i].pid))
			continue;
		if (tree_read(h->procs[i].pid, &p) == 0 && p.start == h->procs[i].start && !tree_is_dead(&p))
			add_proc(s, &p);
		else
			s->saw_dead |= h->procs[i].pid != s->query->main;
	}
}

/* One look. What is found is added to `out`. */
static void look(struct search *s, const struct tree_orphans *orphans)
{
	const struct tree_query *query = s->query;

	if (query->main > 0)
		(void)add_member(query->main, s);
	if (query->cgroup_fd >= 0)
		add_cgroup(s, query->cgroup_fd, 0);
	add_history(s);
	if (query->tag && query->everywhere)
		(void)each_process(add_if_tagged, s);
	add_descendants(s, 0);
	add_orphans(s, orphans);
}

/* Marks all of a list as seen, and leaves in it those who were not, and may be ours. */
static void keep_newcomers(struct search *s, struct tree_orphans *orphans, struct pid_set *seen)
{
	size_t kept = 0;

	for (size_t i = 0; i < orphans->n; i++) {
		struct tree_orphan o = orphans->v[i];

		if ((o.tag != 0 && o.tag != s->query->tag) || pid_set_has(seen, o.pid))
			continue;
		if (pid_set_add(seen, o.pid) < 0)
			s->error = -ENOMEM;
		orphans->v[kept++] = o;
	}
	orphans->n = kept;
}

/*
 * Nobody was found, but someone ended meanwhile, and its children hang below the reaper since. If all candidates of one list of
 * orphans were dead, and a later list has no new ones, then nobody is left: whoever lives is below one of the later list.
 */
static void look_until_sure(struct search *s, const struct tree_orphans *first)
{
	struct tree_orphans now = { .known = s->query->known };
	struct pid_set seen = { 0 };

	for (size_t i = 0; i < first->n && s->error == 0; i++)
		s->error = pid_set_add(&seen, first->v[i].pid);
	for (int i = 0; s->out->n == 0 && s->error == 0; i++) {
		note_shortage(s, tree_orphans_read(s->query->reaper, &now));
		keep_newcomers(s, &now, &seen);
		if (now.n == 0)
			break;
		if (i == LOOKS_MAX)
			s->error = -EAGAIN;
		add_orphans(s, &now);
	}
	tree_orphans_fini(&now);
	pid_set_fini(&seen);
}

int tree_members_from(const struct tree_query *query, const struct tree_orphans *orphans, struct tree_list *out)
{
	struct search s = { .query = query, .out = out, .main_is_known = orphans != NULL };
	struct tree_orphans own = { .known = query->known };

	out->n = 0;
	if (!orphans) {
		note_shortage(&s, tree_orphans_read(query->reaper, &own));
		orphans = &own;
	}
	look(&s, orphans);
	if (out->n == 0 && s.saw_dead && query->reaper > 0)
		look_until_sure(&s, orphans);
	tree_orphans_fini(&own);
	pid_set_fini(&s.found);
	return s.error;
}

size_t tree_chase(pid_t reaper, uint64_t tag, size_t n)
{
	struct tree_orphans orphans = { 0 };
	struct tree_proc p;
	size_t hit = 0;

	if (tag && reaper > 0)
		(void)each_child(reaper, tree_read(reaper, &p) == 0 ? p.threads : 1, add_orphan, &orphans);
	for (size_t i = orphans.n; i-- > 0 && n > 0; n--) {
		pid_t pid = orphans.v[i].pid;
		AUTO(auto_close) int pidfd = -1;

		if (tree_read_tag(pid) != tag)
			continue;
		pidfd = signal_open(pid);
		/* the tag is read again: the descriptor now pins who bears it */
		if (pidfd >= 0 && tree_read_tag(pid) == tag && signal_process(pidfd, pid, SIGKILL) == 0)
			hit++;
	}
	tree_orphans_fini(&orphans);
	return hit;
}

int tree_members(const struct tree_query *query, struct tree_list *out)
{
	return tree_members_from(query, NULL, out);
}

int tree_descendants(pid_t pid, struct tree_list *out)
{
	struct tree_query query = { .cgroup_fd = -1 };
	struct search s = { .query = &query, .out = out };
	struct tree_proc p;

	out->n = 0;
	if (tree_read(pid, &p) < 0)
		return -ESRCH;
	(void)each_child(pid, p.threads, add_member, &s);
	add_descendants(&s, 0);
	pid_set_fini(&s.found);
	return s.error;
}

int tree_signal(const struct tree_proc *proc, int signo, int *out_pidfd)
{
	AUTO(auto_close) int pidfd = signal_open(proc->pid);
	struct tree_proc now;
	int r;

	if (out_pidfd)
		*out_pidfd = -1;
	if (pidfd < 0 && pidfd != -ENOSYS)
		return pidfd;
	/* the descriptor pins the process: if the pid is still its own here, it was so all the time */
	if (tree_read(proc->pid, &now) < 0 || now.start != proc->start)
		return -ESRCH;
	r = signal_process(pidfd, proc->pid, signo);
	if (r == 0 && out_pidfd)
		*out_pidfd = fd_steal(&pidfd);
	return r;
}
