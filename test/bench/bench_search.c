/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Search in the segments of one service, to be set beside zstdgrep and the like over the same files.
 *
 *   bench_search -d DIR -m MB           make compressed segments of MB megabytes of web server lines, a line a millisecond
 *   bench_search -d DIR -g REGEX        count matches in all of them
 *   bench_search -d DIR -t MINUTE       count lines of one minute, so many minutes from the beginning
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "log/query.h"
#include "log/segment.h"

#define BEGIN (1790000000 * NSEC_PER_SEC)
#define STEP 1000000 /* a millisecond */
#define SEGMENT_BYTES (10U << 20)

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void write_segment(int dir, const struct segment *s, const struct strbuf *text)
{
	char name[SEGMENT_NAME_SIZE];
	int64_t saved;
	int fd;

	segment_name(s, name);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || fd_write_all(fd, text->data, text->len) < 0)
		die(name);
	(void)close(fd);
	if (segment_zip(dir, s, &saved) < 0)
		die("compression");
}

static void generate(int dir, uint64_t bytes)
{
	struct strbuf text = STRBUF(SEGMENT_BYTES + 4096);
	struct segment s = { .ts = BEGIN, .no = 1 };
	char prefix[CRI_PREFIX];
	unsigned int seed = 7;
	ts_ns ts = BEGIN;

	for (uint64_t done = 0; done < bytes; done += text.len, s.no++) {
		strbuf_reset(&text);
		for (s.ts = ts; text.len < SEGMENT_BYTES; ts += STEP) {
			cri_prefix(prefix, ts, LOG_STDOUT, false);
			(void)strbuf_add(&text, prefix, sizeof(prefix));
			(void)strbuf_addf(&text, "10.%d.%d.%d \"GET /item/%d HTTP/1.1\" %d %d \"agent/%d.%d\" %dms\n",
					  rand_r(&seed) % 256, rand_r(&seed) % 256, rand_r(&seed) % 256,
					  rand_r(&seed), rand_r(&seed) % 1000 ? 200 : 503, rand_r(&seed) % 90000,
					  rand_r(&seed) % 9, rand_r(&seed) % 99, rand_r(&seed) % 800);
		}
		write_segment(dir, &s, &text);
	}
	strbuf_fini(&text);
}

static int count(const struct log_line *line, void *data)
{
	(void)line;
	(*(uint64_t *)data)++;
	return 0;
}

static void search(const char *dir, const struct query_opts *opts)
{
	struct query_source from = { .service = "bench", .dir = dir };
	usec_t begin = time_boottime();
	struct error err = { 0 };
	struct rusage u;
	uint64_t n = 0;

	if (query_run(&from, 1, opts, count, &n, NULL, &err) < 0) {
		(void)fprintf(stderr, "%s\n", err.msg);
		exit(1);
	}
	(void)getrusage(RUSAGE_SELF, &u);
	printf("%llu lines, %.3f s, CPU %.3f s\n", (unsigned long long)n, (double)(time_boottime() - begin) / 1e6,
	       (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6);
}

int main(int argc, char **argv)
{
	struct query_opts opts = QUERY_OPTS_INIT;
	const char *dir = "/dev/shm/bench_search";
	uint64_t bytes = 0;
	int opt;
	int fd;

	while ((opt = getopt(argc, argv, "d:m:g:t:")) != -1) {
		if (opt == 'd') {
			dir = optarg;
		} else if (opt == 'm') {
			bytes = strtoul(optarg, NULL, 10) * 1000000;
		} else if (opt == 'g') {
			opts.regex = optarg;
		} else if (opt == 't') {
			opts.since = BEGIN + strtol(optarg, NULL, 10) * 60 * NSEC_PER_SEC;
			opts.until = opts.since + 60 * NSEC_PER_SEC;
		} else {
			return 2;
		}
	}
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		die(dir);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		die(dir);
	if (bytes)
		generate(fd, bytes);
	else
		search(dir, &opts);
	return 0;
}
