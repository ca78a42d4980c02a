/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long from a line written to a follower's callback, in microseconds, and what silent services cost:
 *
 *   bench_follow [-n LINES] [-f]        latency of one quiet service; -f: while another one floods
 *   bench_follow -s SERVICES            private memory per silent service, and wake-ups in 5 s
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "log/log.h"
#include "loop/loop.h"

#define LINES_MAX 100000

struct bench {
	struct loop *loop;
	struct log_engine *engine;
	size_t wanted;
	size_t n;
	double usec[LINES_MAX];
};

static int64_t now_nsec(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

static int on_line(const struct log_line *line, void *data)
{
	struct bench *b = data;
	long long written;

	if (sscanf(line->text, "%lld", &written) == 1 && b->n < b->wanted)
		b->usec[b->n++] = (double)(now_nsec() - written) / 1000;
	if (b->n == b->wanted)
		loop_quit(b->loop, 0);
	return 0;
}

static void on_wake(struct log_follow *f, void *data)
{
	while (log_follow_read(f, 1000, on_line, data) == 1000)
		continue;
}

struct writer {
	int fd;
	size_t lines;
};

/* A line every 2 to 6 ms. */
static void *write_lines(void *data)
{
	struct writer *w = data;
	unsigned int seed = 1;
	char text[64];

	for (size_t i = 0; i < w->lines; i++) {
		struct timespec pause = { .tv_nsec = 2000000 + rand_r(&seed) % 4000000 };

		(void)nanosleep(&pause, NULL);
		if (fd_write_all(w->fd, text, (size_t)sprintf(text, "%lld\n", (long long)now_nsec())) < 0)
			break;
	}
	return NULL;
}

static int service(struct bench *b, const char *name, struct log_service **out)
{
	struct log_service_opts opts = { 0 };
	int p[2];

	if (log_service_add(b->engine, name, &opts, ring_create(name, &opts.ring), out) < 0 || pipe2(p, O_CLOEXEC) < 0 ||
	    log_attach(*out, 1, LOG_STDOUT, p[0], 0) < 0) {
		perror(name);
		exit(1);
	}
	return p[1];
}

static void flood(int fd)
{
	char line[100];

	memset(line, 'x', sizeof(line));
	line[99] = '\n';
	if (fork())
		return;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (fd_write_all(fd, line, sizeof(line)) == 0)
		continue;
	_exit(0);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static void latency(struct bench *b, bool with_flood)
{
	struct log_service *quiet;
	struct log_service *loud;
	struct log_follow *f;
	struct writer w = { service(b, "quiet", &quiet), b->wanted };
	pthread_t thread;

	if (with_flood)
		flood(service(b, "loud", &loud));
	if (log_follow_new(quiet, NULL, NULL, on_wake, b, &f) < 0 || pthread_create(&thread, NULL, write_lines, &w))
		exit(1);
	(void)loop_run(b->loop);
	(void)pthread_join(thread, NULL);
	log_follow_free(f);
	qsort(b->usec, b->n, sizeof(*b->usec), compare);
	printf("latency%s: p50 %.0f us, p99 %.0f us, max %.0f us (%zu lines)\n", with_flood ? " under flood" : "",
	       b->usec[b->n / 2], b->usec[b->n * 99 / 100], b->usec[b->n - 1], b->n);
}

/* Private memory of this process in KiB. */
static long private_kib(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	char line[256];
	long sum = 0;
	long kib;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Private_Clean: %ld", &kib) == 1 || sscanf(line, "Private_Dirty: %ld", &kib) == 1)
			sum += kib;
	}
	if (f)
		(void)fclose(f);
	return sum;
}

static long switches(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return u.ru_nvcsw + u.ru_nivcsw;
}

static void silent(struct bench *b, unsigned int n)
{
	struct rlimit files = { 1000000, 1000000 };
	struct timespec pause = { .tv_sec = 5 };
	struct log_service *svc;
	char name[32];
	long before;
	long memory;

	(void)setrlimit(RLIMIT_NOFILE, &files);
	before = private_kib();
	for (unsigned int i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "silent%u", i);
		(void)service(b, name, &svc);
	}
	(void)loop_once(b->loop, 200000);
	memory = private_kib() - before;
	before = switches();
	(void)nanosleep(&pause, NULL);
	printf("silent: %u services, %.0f bytes each, %ld switches in 5 s (one is the wait's own)\n", n,
	       (double)memory * 1024 / n, switches() - before);
}

int main(int argc, char **argv)
{
	static struct bench b = { .wanted = 1000 };
	struct log_options opts = { 0 };
	struct error err = { 0 };
	unsigned int services = 0;
	bool with_flood = false;
	int opt;

	while ((opt = getopt(argc, argv, "n:s:f")) != -1) {
		if (opt == 'n')
			b.wanted = MIN(strtoul(optarg, NULL, 10), (unsigned long)LINES_MAX);
		else if (opt == 's')
			services = (unsigned int)strtoul(optarg, NULL, 10);
		else if (opt == 'f')
			with_flood = true;
		else
			return 2;
	}
	b.loop = loop_new();
	if (!b.loop || log_engine_new(b.loop, &opts, &b.engine, &err) < 0)
		return 1;
	if (services)
		silent(&b, services);
	else
		latency(&b, with_flood);
	return 0;
}
