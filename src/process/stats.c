/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: figures of processes and services from /proc and cgroups. */
#include "process/stats.h"

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
#include "base/str.h"

#define FILE_MAX_BYTES 8192U

/* Reads /proc/PID/NAME whole. 0 or negative errno. */
static int read_proc(pid_t pid, const char *name, struct strbuf *out)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	strbuf_reset(out);
	return fd_read_file(path, out);
}

/* The number after `key` at the start of a line; 0 if there is none. */
static uint64_t number_after(const struct strbuf *text, const char *key)
{
	const char *p = strbuf_str(text);
	size_t len = strlen(key);

	while (p && *p) {
		if (strncmp(p, key, len) == 0)
			return strtoull(p + len, NULL, 10);
		p = strchr(p, '\n');
		p += p != NULL;
	}
	return 0;
}

static unsigned int count_fds(pid_t pid)
{
	char path[64];
	struct stat st;
	struct dirent *entry;
	unsigned int n = 0;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	if (stat(path, &st) == 0 && st.st_size > 0) /* Linux 6.2 tells the number as size */
		return (unsigned int)st.st_size;
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	if (dir)
		(void)closedir(dir);
	return n;
}

/* Times and resident pages of /proc/PID/stat; fields by proc(5). Children that were waited for are counted with their parent. */
static int read_times(pid_t pid, struct strbuf *text, struct stats_process *out)
{
	unsigned long long utime;
	unsigned long long stime;
	long long cutime;
	long long cstime;
	long long pages;
	uint64_t ticks = (uint64_t)MAX(sysconf(_SC_CLK_TCK), 1);
	const char *after;

	if (read_proc(pid, "stat", text) < 0)
		return -ESRCH;
	after = strrchr(strbuf_str(text), ')');
	if (!after || sscanf(after + 1,
			     " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %lld %lld %*d %*d %*d %*d %*u %*u %lld",
			     &utime, &stime, &cutime, &cstime, &pages) != 5)
		return -ESRCH;
	out->cpu_usec = (utime + stime + (uint64_t)MAX(cutime, 0) + (uint64_t)MAX(cstime, 0)) * (USEC_PER_SEC / ticks);
	out->rss_bytes = (uint64_t)MAX(pages, 0) * (uint64_t)sysconf(_SC_PAGESIZE);
	return 0;
}

int stats_process(pid_t pid, bool with_pss, struct stats_process *out)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(FILE_MAX_BYTES);
	struct stats_process p = { 0 };

	if (tree_read(pid, &p.proc) < 0 || read_times(pid, &text, &p) < 0)
		return -ESRCH;
	if (with_pss && read_proc(pid, "smaps_rollup", &text) == 0)
		p.pss_bytes = number_after(&text, "Pss:") * 1024U;
	if (read_proc(pid, "io", &text) == 0) {
		p.read_bytes = number_after(&text, "read_bytes:");
		p.write_bytes = number_after(&text, "write_bytes:");
	}
	p.fds = count_fds(pid);
	*out = p;
	return 0;
}

static void add_up(struct stats *sum, const struct stats_process *p)
{
	sum->cpu_usec += p->cpu_usec;
	sum->rss_bytes += p->rss_bytes;
	sum->pss_bytes += p->pss_bytes;
	sum->read_bytes += p->read_bytes;
	sum->write_bytes += p->write_bytes;
	sum->threads += p->proc.threads;
	sum->fds += p->fds;
	sum->processes++;
}

/* When the oldest of them was started, CLOCK_BOOTTIME. */
static usec_t oldest_start(const struct tree_list *members)
{
	uint64_t ticks = (uint64_t)MAX(sysconf(_SC_CLK_TCK), 1);
	uint64_t oldest = UINT64_MAX;

	for (size_t i = 0; i < members->n; i++)
		oldest = MIN(oldest, members->procs[i].start);
	return oldest == UINT64_MAX ? 0 : oldest * (USEC_PER_SEC / ticks);
}

static double percent(const struct stats *sum, usec_t now, const struct stats_sample *before)
{
	uint64_t used;

	/* less than before: processes ended that nobody waited for, or it is another run */
	if (now <= before->when || sum->cpu_usec < before->cpu_usec)
		return 0;
	used = sum->cpu_usec - before->cpu_usec;
	return (double)used * 100.0 / (double)(now - before->when);
}

double stats_process_percent(const struct stats_process *p, usec_t now)
{
	uint64_t ticks = (uint64_t)MAX(sysconf(_SC_CLK_TCK), 1);
	usec_t start = p->proc.start * (USEC_PER_SEC / ticks);

	return now > start ? (double)p->cpu_usec * 100.0 / (double)(now - start) : 0;
}

int stats_read(const struct tree_query *query, struct cgroup *cg, usec_t now, bool with_pss, struct stats_sample *sample,
	       struct stats *out)
{
	struct tree_list members = { 0 };
	struct stats sum = { 0 };
	struct cgroup_stats group;
	struct stats_sample before = { 0 };
	int r = tree_members(query, &members);

	if (r == -ENOMEM) {
		tree_list_fini(&members);
		return r;
	}
	for (size_t i = 0; i < members.n; i++) {
		struct stats_process p;

		if (stats_process(members.procs[i].pid, with_pss, &p) == 0)
			add_up(&sum, &p);
	}
	if (sample && sample->when > 0)
		before = *sample;
	else
		before.when = oldest_start(&members);
	tree_list_fini(&members);
	if (cg && cgroup_stats(cg, &group) == 0) {
		sum.from_cgroup = true;
		sum.cpu_usec = group.cpu_usec;
		sum.read_bytes = MAX(sum.read_bytes, group.io_read_bytes);
		sum.write_bytes = MAX(sum.write_bytes, group.io_write_bytes);
	}
	sum.cpu_pct = percent(&sum, now, &before);
	if (sample)
		*sample = (struct stats_sample){ .when = now, .cpu_usec = sum.cpu_usec };
	*out = sum;
	return 0;
}

/* ---- the tree ---- */

struct stacked {
	size_t index;
	unsigned int depth;
};

static int by_parent(const void *a, const void *b)
{
	const struct tree_proc *x = a;
	const struct tree_proc *y = b;

	if (x->ppid != y->ppid)
		return x->ppid < y->ppid ? -1 : 1;
	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

/* First index whose parent is `ppid` or greater, in a list sorted by_parent. */
static size_t first_child(const struct tree_list *list, pid_t ppid)
{
	size_t low = 0;
	size_t high = list->n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (list->procs[mid].ppid < ppid)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Shows one and all below it. Each is pushed once, so the stack has room. */
static void show_below(const struct tree_list *list, size_t root, struct stacked *stack, bool *shown, stats_tree_fn fn,
		       void *data)
{
	size_t n = 0;

	stack[n++] = (struct stacked){ root, 0 };
	shown[root] = true;
	while (n > 0) {
		struct stacked at = stack[--n];
		pid_t pid = list->procs[at.index].pid;
		struct stats_process p;
		size_t end;

		if (stats_process(pid, false, &p) == 0)
			fn(&p, at.depth, data);
		end = first_child(list, pid + 1);
		/* backwards, so that the lowest pid comes first */
		for (size_t i = end; i-- > first_child(list, pid);) {
			if (!shown[i])
				stack[n++] = (struct stacked){ i, at.depth + 1 };
			shown[i] = true;
		}
	}
}

static bool parent_is_listed(const struct tree_list *list, const struct tree_proc *p)
{
	return tree_list_find(list, p->ppid) != NULL;
}

int stats_tree(const struct tree_query *query, stats_tree_fn fn, void *data)
{
	struct tree_list members = { 0 };
	AUTO(auto_free) struct stacked *stack = NULL;
	AUTO(auto_free) bool *shown = NULL;
	int r = tree_members(query, &members);

	if (r == -ENOMEM)
		goto out;
	r = 0;
	if (members.n == 0)
		goto out;
	qsort(members.procs, members.n, sizeof(*members.procs), by_parent);
	stack = calloc(members.n, sizeof(*stack));
	shown = calloc(members.n, sizeof(*shown));
	if (!stack || !shown) {
		r = -ENOMEM;
		goto out;
	}
	for (size_t i = 0; i < members.n; i++) {
		if (members.procs[i].pid == query->main)
			show_below(&members, i, stack, shown, fn, data);
	}
	for (size_t i = 0; i < members.n; i++) {
		if (!shown[i] && !parent_is_listed(&members, &members.procs[i]))
			show_below(&members, i, stack, shown, fn, data);
	}
out:
	tree_list_fini(&members);
	return r;
}
