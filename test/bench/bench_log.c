/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log capture beside its limit: lines of 100 bytes from a child, in blocks of 64 KiB or one per write(2), read by
 *   naive      read(2) and memchr(3), nothing kept: the least that any capture must do
 *   write      the same, and write(2) what was read to a file: the least that a store must do
 *   ring       the engine, lines in the ring
 *   store      the engine, lines in the ring and in segments under DIR
 *   zstd       the same with compressed segments
 * interleaved, ROUNDS times; prints the medians of CPU seconds per GB of the reading process and of MB/s.
 *
 *   bench_log [-m MB] [-r ROUNDS] [-w WRITERS] [-d DIR] [-k blocks|lines] [MODE...]
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/time.h"
#include "log/log.h"
#include "loop/loop.h"

#define LINE 100
#define BLOCK (64U << 10)
#define ROUNDS_MAX 15
#define WRITERS_MAX 64

enum mode { NAIVE, WRITE, RING, STORE, ZSTD, MODE_N };
static const char *const mode_names[MODE_N] = { "naive", "write", "ring", "store", "zstd" };

struct config {
	size_t bytes;
	unsigned int rounds;
	unsigned int writers;
	const char *dir;
	const char *kind;
	bool modes[MODE_N];
};

struct result {
	double cpu[ROUNDS_MAX];  /* seconds per GB, the reading side */
	double wcpu[ROUNDS_MAX]; /* seconds per GB, the writers */
	double rate[ROUNDS_MAX]; /* MB/s */
};

static void write_lines(int fd, size_t bytes, size_t per_write)
{
	static char block[BLOCK];
	size_t len = per_write / LINE * LINE;

	for (size_t i = 0; i < len; i++)
		block[i] = i % LINE == LINE - 1 ? '\n' : (char)('a' + i % 23);
	for (size_t done = 0; done < bytes; done += len) {
		if (fd_write_all(fd, block, len) < 0)
			_exit(1);
	}
	_exit(0);
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void start_writers(const struct config *c, size_t per_write, int *read_fds)
{
	for (unsigned int i = 0; i < c->writers; i++) {
		int p[2];

		if (pipe2(p, O_CLOEXEC) < 0)
			die("pipe");
		if (fork() == 0)
			write_lines(p[1], c->bytes / c->writers, per_write);
		close(p[1]);
		read_fds[i] = p[0];
	}
}

/* Some bytes to a file that is begun anew every 16 MiB. */
static void keep(const char *dir, const char *data, size_t len)
{
	static int fd = -1;
	static size_t size;
	char path[4096];

	if (fd < 0 || size > 16U << 20) {
		auto_close(&fd);
		(void)mkdir(dir, 0755);
		(void)snprintf(path, sizeof(path), "%s/limit", dir);
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		size = 0;
	}
	if (fd < 0 || fd_write_all(fd, data, len) < 0)
		die("limit");
	size += len;
}

/* The limit: as many bytes as there are, lines counted, nothing kept or just written as it is. */
static void read_naively(const struct config *c, const int *fds, bool write_too)
{
	static char buf[BLOCK];
	struct epoll_event events[WRITERS_MAX];
	int ep = epoll_create1(EPOLL_CLOEXEC);
	unsigned int open_fds = c->writers;
	volatile size_t lines = 0;

	for (unsigned int i = 0; i < c->writers; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.fd = fds[i] };

		(void)epoll_ctl(ep, EPOLL_CTL_ADD, fds[i], &event);
	}
	while (open_fds) {
		int n = c->writers == 1 ? 1 : epoll_wait(ep, events, WRITERS_MAX, -1);

		for (int i = 0; i < n; i++) {
			int fd = c->writers == 1 ? fds[0] : events[i].data.fd;
			ssize_t got = read(fd, buf, sizeof(buf));
			const char *p = buf;

			if (got <= 0) {
				open_fds--;
				/* the writers inherited it: closing alone would leave it in the set */
				(void)epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL);
				close(fd);
				continue;
			}
			while ((p = memchr(p, '\n', (size_t)(buf + got - p)))) {
				lines++;
				p++;
			}
			if (write_too)
				keep(c->dir, buf, (size_t)got);
		}
	}
	close(ep);
}

static void on_ended(struct log_service *svc, enum log_stream stream, uint32_t tag, void *data)
{
	(void)svc;
	(void)tag;
	(void)stream;
	(*(unsigned int *)data)++;
}

static bool all_stored(struct log_service *const *svcs, unsigned int n)
{
	struct log_stats st;

	for (unsigned int i = 0; i < n; i++) {
		log_service_stats(svcs[i], &st);
		if (st.store_behind)
			return false;
	}
	return true;
}

static void read_by_engine(const struct config *c, const int *fds, enum mode mode)
{
	unsigned int ended = 0;
	struct log_options opts = { .dir = mode == RING ? NULL : c->dir, .on_ended = on_ended, .data = &ended };
	struct log_service_opts sopts = { .on_full = LOG_FULL_BLOCK, .store = mode != RING, .compress = mode == ZSTD,
					  .max_size = 16U << 20, .max_files = 4 };
	struct log_service *svcs[WRITERS_MAX];
	struct loop *loop = loop_new();
	struct log_engine *e;
	struct error err = { 0 };
	char name[32];

	if (!loop || log_engine_new(loop, &opts, &e, &err) < 0)
		die(err.msg);
	for (unsigned int i = 0; i < c->writers; i++) {
		(void)snprintf(name, sizeof(name), "bench%u", i);
		if (log_service_add(e, name, &sopts, ring_create(name, &sopts.ring), &svcs[i]) < 0 ||
		    log_attach(svcs[i], 1, LOG_STDOUT, fds[i], 0) < 0)
			die("engine");
	}
	while (ended < c->writers)
		(void)loop_once(loop, USEC_NEVER);
	while (mode != RING && !all_stored(svcs, c->writers))
		(void)loop_once(loop, USEC_PER_MSEC);
	log_engine_free(e, 10 * USEC_PER_SEC);
	loop_free(loop);
}

static double cpu_of(int who)
{
	struct rusage u;

	(void)getrusage(who, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* One measurement, in a child, so that rusage is its own. */
static void measure(const struct config *c, enum mode mode, size_t per_write, struct result *out, unsigned int round)
{
	double gb = (double)c->bytes / 1e9;
	double got[3];
	int p[2];
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		die("pipe");
	pid = fork();
	if (pid == 0) {
		int fds[WRITERS_MAX];
		usec_t begin = time_boottime();

		start_writers(c, per_write, fds);
		if (mode == NAIVE || mode == WRITE)
			read_naively(c, fds, mode == WRITE);
		else
			read_by_engine(c, fds, mode);
		got[0] = cpu_of(RUSAGE_SELF) / gb;
		got[2] = (double)c->bytes / (double)(time_boottime() - begin);
		while (wait(NULL) > 0)
			continue;
		got[1] = cpu_of(RUSAGE_CHILDREN) / gb;
		_exit(write(p[1], got, sizeof(got)) != (ssize_t)sizeof(got));
	}
	if (read(p[0], got, sizeof(got)) != (ssize_t)sizeof(got))
		die("measurement");
	(void)waitpid(pid, NULL, 0);
	close(p[0]);
	close(p[1]);
	out->cpu[round] = got[0];
	out->wcpu[round] = got[1];
	out->rate[round] = got[2];
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, unsigned int n)
{
	qsort(values, n, sizeof(*values), compare);
	return values[n / 2];
}

static void bench(const struct config *c, const char *title, size_t per_write)
{
	static struct result results[MODE_N];
	double limit = 0;

	for (unsigned int round = 0; round < c->rounds; round++) {
		for (enum mode m = NAIVE; m < MODE_N; m++) {
			if (c->modes[m])
				measure(c, m, per_write, &results[m], round);
		}
	}
	for (enum mode m = NAIVE; m < MODE_N; m++) {
		double cpu;

		if (!c->modes[m])
			continue;
		cpu = median(results[m].cpu, c->rounds);
		if (m == NAIVE || (m == WRITE && limit <= 0))
			limit = cpu;
		printf("%-12s %2u writers  %-6s  CPU %6.3f s/GB  %4.0f ns/line  x limit %5.2f  writers %6.3f s/GB  %6.0f MB/s\n",
		       title, c->writers, mode_names[m], cpu, cpu * LINE, limit > 0 ? cpu / limit : 0,
		       median(results[m].wcpu, c->rounds), median(results[m].rate, c->rounds));
		(void)fflush(stdout);
	}
}

static void want_mode(struct config *c, const char *name)
{
	for (enum mode m = NAIVE; m < MODE_N; m++)
		c->modes[m] = c->modes[m] || strcmp(name, mode_names[m]) == 0;
}

int main(int argc, char **argv)
{
	struct config c = { .bytes = 200000000, .rounds = 5, .writers = 1, .dir = "/dev/shm/bench_log" };
	int opt;

	while ((opt = getopt(argc, argv, "m:r:w:d:k:")) != -1) {
		if (opt == 'm')
			c.bytes = strtoul(optarg, NULL, 10) * 1000000;
		else if (opt == 'r')
			c.rounds = (unsigned int)MIN(strtoul(optarg, NULL, 10), (unsigned long)ROUNDS_MAX);
		else if (opt == 'w')
			c.writers = (unsigned int)MIN(strtoul(optarg, NULL, 10), (unsigned long)WRITERS_MAX);
		else if (opt == 'd')
			c.dir = optarg;
		else if (opt == 'k')
			c.kind = optarg;
		else
			return 2;
	}
	for (int i = optind; i < argc; i++)
		want_mode(&c, argv[i]);
	for (enum mode m = NAIVE; m < MODE_N && optind == argc; m++)
		c.modes[m] = true;
	if (!c.kind || strcmp(c.kind, "blocks") == 0)
		bench(&c, "64KiB blocks", BLOCK);
	if (!c.kind || strcmp(c.kind, "lines") == 0)
		bench(&c, "line/write", LINE);
	return 0;
}
