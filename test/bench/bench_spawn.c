/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Latency of one start, from the call until exec has happened: bare vfork(2)+exec as the floor, spawn_run(), and the
 * spawner over the loop; each in a small server and in one with many descriptors and much memory. Runs interleaved,
 * medians and p99 in microseconds. Usage: bench_spawn [ROUNDS [DESCRIPTORS [MIB]]]
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "process/spawn.h"
#include "process/spawner.h"

#define ROUNDS_MAX 100000

static const char *const argv_true[] = { "/bin/true", NULL };

static double now_usec(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double by_vfork(void)
{
	double start = now_usec();
	pid_t pid = vfork();
	double took;

	if (pid == 0) {
		(void)execv(argv_true[0], (char *const *)argv_true);
		_exit(127);
	}
	took = now_usec() - start;
	(void)waitpid(pid, NULL, 0);
	return took;
}

static double by_posix_spawn(void)
{
	double start = now_usec();
	double took;
	pid_t pid;

	if (posix_spawn(&pid, argv_true[0], NULL, NULL, (char *const *)argv_true, environ) != 0)
		return 0;
	took = now_usec() - start;
	(void)waitpid(pid, NULL, 0);
	return took;
}

static struct spawn_stack *stack;
static struct loop *loop;
static struct spawner *spawner;

static double by_spawn_run(void)
{
	struct spawn_request r = SPAWN_REQUEST;
	struct spawn_result result;
	double start = now_usec();
	double took;

	r.argv = argv_true;
	if (spawn_run(stack, &r, &result) < 0) {
		char text[256];

		spawn_result_text(&result, text, sizeof(text));
		(void)fprintf(stderr, "bench_spawn: %s\n", text);
		exit(1);
	}
	took = now_usec() - start;
	(void)waitpid(result.pid, NULL, 0);
	(void)close(result.pidfd);
	return took;
}

static void on_done(const struct spawn_result *result, void *data)
{
	*(struct spawn_result *)data = *result;
}

static double by_spawner(void)
{
	struct spawn_request r = SPAWN_REQUEST;
	struct spawn_result result = { 0 };
	double start = now_usec();
	double took;

	r.argv = argv_true;
	if (spawner_submit(spawner, &r, on_done, &result) < 0)
		return 0;
	while (result.pid == 0)
		(void)loop_once(loop, USEC_NEVER);
	took = now_usec() - start;
	(void)waitpid(result.pid, NULL, 0);
	(void)close(result.pidfd);
	return took;
}

static const struct {
	const char *name;
	double (*run)(void);
} ways[] = {
	{ "vfork+exec", by_vfork },
	{ "posix_spawn", by_posix_spawn },
	{ "spawn_run", by_spawn_run },
	{ "spawner", by_spawner },
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void measure(const char *where, size_t rounds)
{
	static double took[ARRAY_LEN(ways)][ROUNDS_MAX];

	for (size_t i = 0; i < rounds; i++) {
		for (size_t w = 0; w < ARRAY_LEN(ways); w++)
			took[w][i] = ways[w].run();
	}
	for (size_t w = 0; w < ARRAY_LEN(ways); w++) {
		qsort(took[w], rounds, sizeof(double), compare);
		(void)printf("%-28s %-12s median %8.1f  p99 %8.1f usec\n", where, ways[w].name, took[w][rounds / 2],
			     took[w][rounds * 99 / 100]);
	}
}

int main(int argc, char **argv)
{
	size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
	int fds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 20000;
	size_t mib = argc > 3 ? strtoul(argv[3], NULL, 10) : 256;
	struct rlimit limit;
	char where[64];
	char *memory;

	rounds = MIN(MAX(rounds, 1U), (size_t)ROUNDS_MAX);
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 1;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	fds = (int)MIN((rlim_t)MAX(fds, 0), limit.rlim_max - 100);
	stack = spawn_stack_new();
	loop = loop_new();
	spawner = loop ? spawner_new(loop, NULL) : NULL;
	if (!stack || !spawner)
		return 1;
	measure("small server", rounds);

	for (int i = 0; i < fds; i++) {
		if (open("/dev/null", O_RDONLY | O_CLOEXEC) < 0)
			break;
	}
	memory = mmap(NULL, mib << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory != MAP_FAILED)
		memset(memory, 1, mib << 20);
	(void)snprintf(where, sizeof(where), "%d descriptors, %zu MiB", fds, mib);
	measure(where, rounds);
	spawner_free(spawner);
	loop_free(loop);
	spawn_stack_free(stack);
	return 0;
}
