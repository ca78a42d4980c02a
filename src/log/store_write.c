/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: lines to blocks, blocks to segments, rotation, and taking over after a kill. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "log/ring_layout.h"
#include "log/runs.h"
#include "log/store_internal.h"

#define MARKER_MAX 200U
#define RUNS_PER_BLOCK 64U

static void commit(struct store_log *l)
{
	ring_store_set(l->ring, &l->at);
	atomic_store_explicit(&l->seq, l->at.seq, memory_order_release);
}

static struct segment current_segment(const struct store_log *l)
{
	return (struct segment){ .ts = l->at.segment_ts, .no = l->at.segment_no };
}

static void close_segment(struct store_log *l)
{
	auto_close(&l->fd);
	l->fd = -1;
}

void store_close_dir(struct store_log *l)
{
	auto_close(&l->dir_fd);
	l->dir_fd = -1;
}

void store_close_files(struct store_log *l)
{
	close_segment(l);
	store_close_dir(l);
}

static int open_dir(struct store_log *l)
{
	char path[STORE_PATH_MAX];
	int code = store_open_dir(l->store);

	if (l->dir_fd >= 0 || code < 0)
		return code;
	if (snprintf(path, sizeof(path), "%s/%s", l->store->dir, l->name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	if (mkdir(path, 0750) < 0 && errno != EEXIST)
		return -errno;
	l->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return l->dir_fd < 0 ? -errno : 0;
}

static int open_segment(struct store_log *l, int flags)
{
	struct segment s = current_segment(l);
	char name[SEGMENT_NAME_SIZE];
	int code = open_dir(l);

	if (code < 0)
		return code;
	segment_name(&s, name);
	l->fd = openat(l->dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0640);
	return l->fd < 0 ? -errno : 0;
}

/* Files of a number above ours were made by a rotation that was killed before it counted. */
static void drop_unborn(struct store_log *l, const struct segments *list)
{
	char name[SEGMENT_NAME_SIZE];

	for (size_t i = 0; i < list->n; i++) {
		if (list->list[i].no <= l->at.segment_no)
			continue;
		segment_name(&list->list[i], name);
		(void)unlinkat(l->dir_fd, name, 0);
	}
}

/* The ring knows the segment: cut what was written but not counted. It may also have been removed, or be shorter. */
static int resume_segment(struct store_log *l)
{
	struct stat st;
	int code = open_segment(l, 0);

	if (code == -ENOENT) {
		l->at.offset = 0;
		return 0;
	}
	if (code < 0)
		return code;
	if (fstat(l->fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size > l->at.offset && ftruncate(l->fd, (off_t)l->at.offset) < 0)
		return -errno;
	l->at.offset = MIN(l->at.offset, (uint64_t)st.st_size);
	return 0;
}

/* A new ring meets segments of an earlier life: go on with the newest if it is a plain one. */
static int continue_newest(struct store_log *l, const struct segments *list)
{
	const struct segment *newest = list->n ? &list->list[list->n - 1] : NULL;
	uint64_t size;
	int64_t cut;
	int code;

	if (!newest)
		return 0;
	l->at.segment_no = newest->no;
	l->at.segment_ts = newest->ts;
	if (newest->zipped)
		return 0;
	code = open_segment(l, 0);
	if (code < 0)
		return code;
	cut = segment_repair(l->fd, &size);
	if (cut < 0)
		return (int)cut;
	atomic_fetch_add(&l->repaired, (uint64_t)cut);
	l->at.offset = size;
	return 0;
}

/* First use of the directory in this process. */
static int recover(struct store_log *l)
{
	struct segments list;
	int code = open_dir(l);

	if (code == 0)
		code = segments_list(l->dir_fd, &list);
	if (code < 0)
		return code;
	close_segment(l);
	if (l->at.segment_no) {
		drop_unborn(l, &list);
		code = resume_segment(l);
	} else {
		code = continue_newest(l, &list);
	}
	segments_fini(&list);
	if (code < 0)
		return code;
	commit(l);
	l->recovered = true;
	return 0;
}

static int rotate(struct store_log *l, const struct store_opts *opts, ts_ns first)
{
	struct segment old = current_segment(l);
	bool had = l->at.offset > 0;
	int code;

	close_segment(l);
	l->at.segment_no++;
	l->at.segment_ts = first;
	l->at.offset = 0;
	code = open_segment(l, O_CREAT | O_TRUNC);
	if (code < 0)
		return code;
	commit(l);
	if (had)
		store_zip_later(l, &old, opts->compress);
	store_keep_bounds(l, opts, l->at.segment_no);
	return 0;
}

static bool too_old(const struct store_log *l, const struct store_opts *opts, ts_ns now)
{
	return opts->rotate_age && now - l->at.segment_ts > (ts_ns)opts->rotate_age * 1000;
}

/* Be ready to append lines of time `first`. */
static int prepare(struct store_log *l, const struct store_opts *opts, ts_ns first)
{
	struct stat st;
	int code = store_open_dir(l->store);

	if (code == 0 && !l->recovered)
		code = recover(l);
	if (code < 0)
		return code;
	store_count_total(l->store);
	if (l->fd < 0 && l->at.offset) {
		/* was closed when it was quiet */
		code = open_segment(l, 0);
		if (code < 0 && code != -ENOENT)
			return code;
	}
	/* Somebody deleted the file that we write to. */
	if (l->fd >= 0 && fstat(l->fd, &st) == 0 && st.st_nlink == 0)
		close_segment(l);
	if (l->fd < 0 || l->at.offset >= opts->max_size || (l->at.offset && too_old(l, opts, first)))
		return rotate(l, opts, first);
	return 0;
}

/* A block under way. The buffer has room for `limit`, a line and a marker. */
struct fill {
	char *buf;
	size_t limit;
	size_t len;
	uint64_t lines;
	uint64_t text; /* bytes of the lines alone */
	ts_ns ts;      /* of the prefix that is at hand */
	enum log_stream stream;
	bool have_prefix;
	char prefix[CRI_PREFIX];
	uint64_t run;  /* the newest run that is on record */
	size_t runs_n; /* runs that begin in this block; of very many only the last ones */
	struct run_begin runs[RUNS_PER_BLOCK];
};

static inline char *put_prefix(struct fill *f, const struct log_line *line)
{
	char *out = f->buf + f->len;

	/* all lines of a gulp have one time */
	if (!f->have_prefix || f->ts != line->ts || f->stream != line->stream) {
		cri_prefix(f->prefix, line->ts, line->stream, false);
		f->ts = line->ts;
		f->stream = line->stream;
		f->have_prefix = true;
	}
	memcpy(out, f->prefix, CRI_PREFIX);
	if (line->flags & LINE_PARTIAL)
		out[38] = 'P';
	return out + CRI_PREFIX;
}

static inline void end_line(struct fill *f, char *text, size_t len)
{
	text[len] = '\n';
	f->len += CRI_PREFIX + len + 1;
}

static void put_marker(struct fill *f, const struct log_line *at, uint64_t lost, const char *why)
{
	char *text = put_prefix(f, at);
	int n = snprintf(text, MARKER_MAX, "[zinit: %llu lines lost: %s]", (unsigned long long)lost, why);

	end_line(f, text, (size_t)n);
}

static void note_run(struct fill *f, const struct log_line *line)
{
	f->run = line->run;
	f->runs[f->runs_n % RUNS_PER_BLOCK] = (struct run_begin){ line->ts, line->run };
	f->runs_n++;
}

/* Put the runs that begin in a block on record, before it counts. A run that is not on record is not found, no more. */
static void record_runs(struct store_log *l, const struct fill *f)
{
	if (f->runs_n && open_dir(l) < 0)
		return;
	for (size_t i = f->runs_n > RUNS_PER_BLOCK ? f->runs_n - RUNS_PER_BLOCK : 0; i < f->runs_n; i++)
		(void)runs_append(l->dir_fd, &f->runs[i % RUNS_PER_BLOCK]);
}

static int fill_line(const struct log_line *line, void *data)
{
	struct fill *f = data;
	char *text;

	if (f->len && f->len + CRI_PREFIX + line->len >= f->limit)
		return 1;
	if (line->flags & LINE_LOST) {
		put_marker(f, line, line->lost, log_lost_reason(line->flags));
		return 0;
	}
	if (line->run > f->run)
		note_run(f, line);
	text = put_prefix(f, line);
	ring_copy_racing(text, line->text, line->len);
	end_line(f, text, line->len);
	f->lines++;
	f->text += line->len;
	return 0;
}

/*
 * Fill a block from line `seq` on; lines that are gone are said to be so in their place. Returns the line behind its
 * last one; `*out_lost` lines of them were gone.
 */
static uint64_t fill_block(struct store_log *l, struct fill *f, ts_ns first, uint64_t *out_lost)
{
	struct log_line at = { .ts = first, .stream = LOG_STDERR };
	uint64_t from;
	uint64_t next;

	do {
		f->len = f->lines = f->text = f->runs_n = 0;
		f->run = l->at.run;
		from = MAX(l->at.seq, MIN(ring_tail(l->ring), ring_head(l->ring)));
		*out_lost = from - l->at.seq;
		if (*out_lost)
			put_marker(f, &at, *out_lost,
				   l->gap_reason ? strerror(l->gap_reason) : log_lost_reason(LINE_LOST_OVERWRITTEN));
		next = ring_walk(l->ring, from, fill_line, f);
		/* What was copied is right if the tail did not come by meanwhile; else again, with a larger gap. */
	} while (ring_tail(l->ring) > from && from < next);
	return next;
}

static int write_at(int fd, const char *data, size_t len, uint64_t at)
{
	while (len) {
		ssize_t n = pwrite(fd, data, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
		data += n;
		len -= (size_t)n;
		at += (uint64_t)n;
	}
	return 0;
}

static int need_block(struct store *s, size_t size)
{
	if (s->block_size >= size)
		return 0;
	free(s->block);
	s->block = malloc(size);
	s->block_size = s->block ? size : 0;
	return s->block ? 0 : -ENOMEM;
}

static int note_time(const struct log_line *line, void *data)
{
	*(ts_ns *)data = line->ts;
	return 1;
}

/* The time of the first line that will be written. */
static ts_ns first_time(const struct store_log *l)
{
	ts_ns first = 0;

	(void)ring_walk(l->ring, MAX(l->at.seq, ring_tail(l->ring)), note_time, &first);
	return first ? first : time_realtime();
}

static int write_block(struct store_log *l, const struct store_opts *opts)
{
	struct fill f = { 0 };
	ts_ns first = first_time(l);
	uint64_t next;
	uint64_t lost;
	int code = prepare(l, opts, first);

	if (code == 0)
		code = need_block(l->store, STORE_BLOCK + ring_max_line(l->ring) + 2 * (CRI_PREFIX + MARKER_MAX));
	if (code < 0)
		return code;
	f.buf = l->store->block;
	f.limit = (size_t)MIN((uint64_t)STORE_BLOCK, opts->max_size - l->at.offset);
	next = fill_block(l, &f, first, &lost);
	code = write_at(l->fd, f.buf, f.len, l->at.offset);
	if (code < 0)
		return code;
	record_runs(l, &f);
	l->at.run = f.run;
	l->at.seq = next;
	l->at.offset += f.len;
	l->at.lines += f.lines;
	l->at.bytes += f.text;
	l->at.dropped += lost;
	if (lost)
		atomic_store(&l->lost_error, l->gap_reason);
	l->gap_reason = 0;
	atomic_fetch_add(&l->store->total, (int64_t)f.len);
	commit(l);
	return next < ring_head(l->ring);
}

int store_write_block(struct store_log *l, const struct store_opts *opts)
{
	int code;

	if (l->at.seq >= ring_head(l->ring))
		return 0;
	code = write_block(l, opts);
	if (code < 0) {
		/* The next try begins where the last commit was, and cuts what this one may have written. */
		ring_store_get(l->ring, &l->at);
		l->recovered = false;
		l->gap_reason = -code;
		store_close_files(l);
	}
	return code;
}
