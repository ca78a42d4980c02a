/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: names and listing of segments, the CRI line, the repair of a torn tail. */
#include "log/segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

#define REPAIR_WINDOW (64U << 10)
#define LIST_TRIES 5
#define STAMP_LEN 26 /* 20261122T230405.123456789Z */

static bool digits(const char *s, unsigned int n, int64_t *out)
{
	int64_t value = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		value = value * 10 + (s[i] - '0');
	}
	*out = value;
	return true;
}

/* Days since 1970 of a date of the Gregorian calendar. */
static int64_t days_of(int64_t y, int64_t m, int64_t d)
{
	int64_t era;
	int64_t yoe;
	int64_t doy;

	y -= m <= 2;
	era = y / 400;
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

/* Where the fields of a time stand in its text: year, month, day, hour, minute, second, fraction. */
static bool parse_stamp(const char *s, const unsigned int at[7], ts_ns *out)
{
	static const unsigned int width[7] = { 4, 2, 2, 2, 2, 2, 9 };
	int64_t f[7];

	for (unsigned int i = 0; i < 7; i++) {
		if (!digits(s + at[i], width[i], &f[i]))
			return false;
	}
	if (f[0] < 1970 || f[0] > 2261 || f[1] < 1 || f[1] > 12 || f[2] < 1 || f[2] > 31 || f[3] > 23 || f[4] > 59 ||
	    f[5] > 60)
		return false;
	*out = (days_of(f[0], f[1], f[2]) * 86400 + f[3] * 3600 + f[4] * 60 + f[5]) * NSEC_PER_SEC + f[6];
	return true;
}

void segment_name(const struct segment *s, char out[SEGMENT_NAME_SIZE])
{
	char t[TIME_RFC3339_SIZE];

	time_rfc3339(s->ts, t);
	(void)snprintf(out, SEGMENT_NAME_SIZE, "%.4s%.2s%.2sT%.2s%.2s%.2s%.11s-%06llu.log%s", t, t + 5, t + 8, t + 11,
		       t + 14, t + 17, t + 19, (unsigned long long)s->no, s->zipped ? ".zst" : "");
}

bool segment_parse_name(const char *name, struct segment *out)
{
	static const unsigned int at[7] = { 0, 4, 6, 9, 11, 13, 16 };
	struct segment s = { 0 };
	const char *p = name + STAMP_LEN;
	unsigned int n = 0;

	if (strlen(name) < STAMP_LEN + 8 || name[8] != 'T' || name[15] != '.' || name[25] != 'Z' || *p++ != '-' ||
	    !parse_stamp(name, at, &s.ts))
		return false;
	for (; *p >= '0' && *p <= '9' && n < 18; p++, n++)
		s.no = s.no * 10 + (uint64_t)(*p - '0');
	s.zipped = strcmp(p, ".log.zst") == 0;
	if (n < 6 || (!s.zipped && strcmp(p, ".log") != 0))
		return false;
	*out = s;
	return true;
}

static int by_number(const void *a, const void *b)
{
	const struct segment *x = a;
	const struct segment *y = b;

	if (x->no != y->no)
		return x->no < y->no ? -1 : 1;
	/* the compressed twin first: it stays */
	return y->zipped - x->zipped;
}

static void drop_twins(struct segments *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (kept && s->list[kept - 1].no == s->list[i].no && s->list[kept - 1].ts == s->list[i].ts)
			continue;
		s->list[kept++] = s->list[i];
	}
	s->n = kept;
}

/* One that was compressed since its name was read is there by its other name. */
static int stat_segment(int dir_fd, struct segment *s, struct stat *out)
{
	char name[SEGMENT_NAME_SIZE];

	segment_name(s, name);
	if (fstatat(dir_fd, name, out, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	if (errno != ENOENT || s->zipped)
		return -errno;
	s->zipped = true;
	segment_name(s, name);
	return fstatat(dir_fd, name, out, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int add_entry(struct segments *s, size_t *cap, int dir_fd, const char *name)
{
	struct segment found;
	struct stat st;

	if (!segment_parse_name(name, &found) || stat_segment(dir_fd, &found, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	if (s->n == *cap) {
		size_t more = *cap ? *cap * 2 : 16;
		struct segment *list = realloc(s->list, more * sizeof(*list));

		if (!list)
			return -ENOMEM;
		s->list = list;
		*cap = more;
	}
	found.bytes = (uint64_t)st.st_size;
	found.changed = (ts_ns)st.st_mtim.tv_sec * NSEC_PER_SEC + st.st_mtim.tv_nsec;
	s->list[s->n++] = found;
	return 0;
}

static int list_once(int dir_fd, struct segments *out)
{
	struct segments s = { 0 };
	size_t cap = 0;
	struct dirent *entry;
	int code = 0;
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		code = -errno;
		auto_close(&fd);
		return code;
	}
	while (code == 0 && (entry = readdir(dir)))
		code = add_entry(&s, &cap, dir_fd, entry->d_name);
	(void)closedir(dir);
	if (code < 0) {
		segments_fini(&s);
		return code;
	}
	if (s.n)
		qsort(s.list, s.n, sizeof(*s.list), by_number);
	drop_twins(&s);
	*out = s;
	return 0;
}

/* Are there numbers missing? */
static bool has_holes(const struct segments *s)
{
	return s->n && s->list[s->n - 1].no - s->list[0].no + 1 != s->n;
}

/*
 * readdir(3) may miss both names of a segment that is renamed behind it and unlinked before it. Then there is a hole in
 * the numbers. A hole may also be real.
 */
int segments_list(int dir_fd, struct segments *out)
{
	int code = list_once(dir_fd, out);

	for (unsigned int i = 0; i < LIST_TRIES && code == 0 && has_holes(out); i++) {
		segments_fini(out);
		code = list_once(dir_fd, out);
	}
	return code;
}

void segments_fini(struct segments *s)
{
	free(s->list);
	*s = (struct segments){ 0 };
}

void cri_prefix(char *out, ts_ns ts, enum log_stream stream, bool partial)
{
	char t[TIME_RFC3339_SIZE];

	time_rfc3339(ts, t);
	memcpy(out, t, TIME_RFC3339_SIZE - 1);
	memcpy(out + 30, stream == LOG_STDERR ? " stderr F " : " stdout F ", 10);
	if (partial)
		out[38] = 'P';
}

bool cri_time(const char *line, size_t len, ts_ns *out)
{
	static const unsigned int at[7] = { 0, 5, 8, 11, 14, 17, 20 };

	return len >= TIME_RFC3339_SIZE - 1 && line[4] == '-' && line[7] == '-' && line[10] == 'T' && line[13] == ':' &&
	       line[16] == ':' && line[19] == '.' && line[29] == 'Z' && parse_stamp(line, at, out);
}

bool cri_parse(const char *line, size_t len, struct log_line *out)
{
	bool err;
	ts_ns ts;

	if (len < CRI_PREFIX || !cri_time(line, len, &ts))
		return false;
	err = memcmp(line + 30, " stderr ", 8) == 0;
	if ((!err && memcmp(line + 30, " stdout ", 8) != 0) || (line[38] != 'F' && line[38] != 'P') || line[39] != ' ')
		return false;
	*out = (struct log_line){
		.ts = ts,
		.seq = LINE_SEQ_NONE,
		.text = line + CRI_PREFIX,
		.len = (uint32_t)(len - CRI_PREFIX),
		.stream = err ? LOG_STDERR : LOG_STDOUT,
		.flags = line[38] == 'P' ? LINE_PARTIAL : 0,
	};
	return true;
}

/* The offset behind the last newline below `size`; 0: there is none. */
static int64_t last_line_end(int fd, uint64_t size)
{
	char buf[REPAIR_WINDOW];

	while (size) {
		size_t n = (size_t)MIN(size, (uint64_t)sizeof(buf));
		const char *nl;

		if (pread(fd, buf, n, (off_t)(size - n)) != (ssize_t)n)
			return -EIO;
		nl = memrchr(buf, '\n', n);
		size -= n;
		if (nl)
			return (int64_t)(size + (uint64_t)(nl - buf) + 1);
	}
	return 0;
}

int64_t segment_repair(int fd, uint64_t *out_size)
{
	struct stat st;
	int64_t end;

	if (fstat(fd, &st) < 0)
		return -errno;
	end = last_line_end(fd, (uint64_t)st.st_size);
	if (end < 0)
		return end;
	if (end < st.st_size && ftruncate(fd, end) < 0)
		return -errno;
	*out_size = (uint64_t)end;
	return st.st_size - end;
}
