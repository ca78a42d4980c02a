/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what becomes of closed segments: flushed and compressed in the work thread, deleted by the bounds. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "log/runs.h"
#include "log/store_internal.h"

struct zip_job {
	struct store_job job;
	struct segment segment;
	int dir_fd;
	bool compress;
};

static void run_zip(struct store *s, struct store_job *work)
{
	struct zip_job *job = CONTAINER_OF(work, struct zip_job, job);
	char name[SEGMENT_NAME_SIZE];
	int64_t saved = 0;
	int fd;

	segment_name(&job->segment, name);
	fd = openat(job->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0) {
		(void)fdatasync(fd);
		(void)close(fd);
	}
	/* What can't be compressed stays as it is: readers take both. */
	if (job->compress && segment_zip(job->dir_fd, &job->segment, &saved) == 0)
		atomic_fetch_sub(&s->total, saved);
	auto_close(&job->dir_fd);
	free(job);
}

void store_zip_later(struct store_log *l, const struct segment *s, bool compress)
{
	struct zip_job *job = malloc(sizeof(*job));

	/* Without memory or a thread the segment stays plain. */
	if (!job)
		return;
	*job = (struct zip_job){ .job.run = run_zip, .segment = *s, .compress = compress,
				 .dir_fd = fcntl(l->dir_fd, F_DUPFD_CLOEXEC, 3) };
	if (job->dir_fd < 0) {
		free(job);
		return;
	}
	store_work(l->store, &job->job);
}

static void drop_segment(struct store *s, int dir_fd, const struct segment *seg)
{
	struct segment twin = *seg;
	char name[SEGMENT_NAME_SIZE];

	segment_name(seg, name);
	if (unlinkat(dir_fd, name, 0) == 0)
		atomic_fetch_sub(&s->total, (int64_t)seg->bytes);
	/* the original of a compression that was killed, or the result of one that has just ended */
	twin.zipped = !seg->zipped;
	segment_name(&twin, name);
	(void)unlinkat(dir_fd, name, 0);
}

/* The directories of all services, one after the other. */
static void each_service(struct store *s, void (*fn)(int dir_fd, const struct segments *list, void *data), void *data)
{
	DIR *dir = opendir(s->dir);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		struct segments list;
		int fd;

		if (entry->d_name[0] == '.')
			continue;
		fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0)
			continue;
		if (segments_list(fd, &list) == 0) {
			fn(fd, &list, data);
			segments_fini(&list);
		}
		(void)close(fd);
	}
	if (dir)
		(void)closedir(dir);
}

static void add_bytes(int dir_fd, const struct segments *list, void *data)
{
	int64_t *total = data;

	(void)dir_fd;
	for (size_t i = 0; i < list->n; i++)
		*total += (int64_t)list->list[i].bytes;
}

void store_count_total(struct store *s)
{
	int64_t total = 0;

	if (s->counted || !atomic_load(&s->max_total))
		return;
	s->counted = true;
	each_service(s, add_bytes, &total);
	atomic_store(&s->total, total);
}

struct oldest {
	struct segment segment;
	int dir_fd; /* -1: none found */
};

/* The newest segment of a service may be open: it stays. */
static void find_oldest(int dir_fd, const struct segments *list, void *data)
{
	struct oldest *o = data;

	if (list->n < 2 || (o->dir_fd >= 0 && list->list[0].ts >= o->segment.ts))
		return;
	auto_close(&o->dir_fd);
	o->segment = list->list[0];
	o->dir_fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 3);
}

static void keep_total(struct store *s)
{
	while (atomic_load(&s->max_total) && atomic_load(&s->total) > (int64_t)atomic_load(&s->max_total)) {
		struct oldest o = { .dir_fd = -1 };

		each_service(s, find_oldest, &o);
		if (o.dir_fd < 0)
			return;
		drop_segment(s, o.dir_fd, &o.segment);
		(void)close(o.dir_fd);
	}
}

void store_keep_bounds(struct store_log *l, const struct store_opts *opts, uint64_t current)
{
	struct segments list;
	ts_ns now = time_realtime();
	size_t closed = 0;

	if (segments_list(l->dir_fd, &list) < 0)
		return;
	for (size_t i = 0; i < list.n; i++)
		closed += list.list[i].no < current;
	for (size_t i = 0; i < list.n && list.list[i].no < current; i++) {
		const struct segment *seg = &list.list[i];
		bool old = opts->max_age && now - seg->changed > (ts_ns)opts->max_age * 1000;

		if (closed <= opts->max_files && !old)
			continue;
		drop_segment(l->store, l->dir_fd, seg);
		closed--;
	}
	if (list.n)
		runs_trim(l->dir_fd, list.list[0].ts);
	segments_fini(&list);
	keep_total(l->store);
}
