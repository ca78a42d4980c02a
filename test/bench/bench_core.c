/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The core at scale: random graphs of 1,000 to 100,000 services, up to eight dependencies each; CPU milliseconds, the
 * median of ROUNDS, of
 *   load   core_add() of all, and the search for cycles
 *   start  EV_LOADED to all until every one runs, spawns answered at once
 *   plan   a plan for the restart of the service that most others need
 *   why    core_why() from all services that a crash at the root has stopped: the whole, and the dearest one
 *   stop   the ordered shutdown
 *
 *   bench_core [-r ROUNDS] [N...]
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "service/core.h"
#include "service/plan.h"
#include "service/why.h"

#define ROUNDS_MAX 15
#define DEPS 8

enum figure { LOAD, START, PLAN, WHY, WHY_MAX, STOP, FIGURE_N };
static const char *const figure_names[FIGURE_N] = { "load", "start", "plan", "why all", "why max", "stop" };

struct bench {
	struct core *core;
	unsigned int n;
	uint64_t random;
	uint64_t spawns;
};

static double cpu_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static unsigned int draw(struct bench *b, unsigned int below)
{
	b->random = b->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned int)(b->random >> 33) % below;
}

static void load(struct bench *b)
{
	char names[DEPS][16];
	char name[16];
	char chain[256];
	struct policy_dep deps[DEPS];

	for (unsigned int i = 0; i < b->n; i++) {
		struct service_policy p = { .restart = RESTART_NEVER, .deps = deps };
		uint32_t id;

		for (p.deps_n = 0; i && p.deps_n < draw(b, DEPS + 1); p.deps_n++) {
			(void)snprintf(names[p.deps_n], sizeof(names[0]), "s%u", p.deps_n ? draw(b, i) : 0);
			deps[p.deps_n] = (struct policy_dep){ .kind = draw(b, 3) ? DEP_REQUIRES : DEP_AFTER,
							      .name = names[p.deps_n] };
		}
		if (i == 0)
			p.target = false;
		(void)snprintf(name, sizeof(name), "s%u", i);
		if (core_add(b->core, name, &p, &id, NULL) < 0)
			exit(1);
	}
	if (core_find_cycle(b->core, chain, sizeof(chain)) != CORE_NONE)
		exit(1);
}

/* An answer to every effect of one step, and to what follows from the answers; a stack, so that memory stays small. */
static void send(struct bench *b, const struct core_event *first)
{
	static struct core_event stack[1 << 18];
	static struct effects fx;
	size_t n = 0;

	stack[n++] = *first;
	while (n) {
		struct core_event ev = stack[--n];

		(void)core_step(b->core, &ev, 1, &fx);
		for (;;) {
			for (uint32_t i = 0; i < fx.n && n + 2 < ARRAY_LEN(stack); i++) {
				struct core_event answer = { .id = fx.v[i].id, .run = fx.v[i].run, .pid = 1 };

				if (fx.v[i].kind == EFFECT_SPAWN) {
					b->spawns++;
					answer.kind = EV_SPAWNED;
					stack[n++] = answer;
				} else if (fx.v[i].kind == EFFECT_STOP_BEGIN) {
					answer.kind = EV_GONE;
					stack[n++] = answer;
					answer.kind = EV_EXITED;
					stack[n++] = answer;
				}
			}
			if (!core_pending(b->core))
				break;
			core_continue(b->core, 1, &fx);
		}
		while (core_take_dirty(b->core) != CORE_NONE)
			continue;
	}
}

static void start(struct bench *b)
{
	for (uint32_t id = 0; id < b->n; id++)
		send(b, &(struct core_event){ .kind = EV_LOADED, .id = id });
	if (b->spawns != b->n)
		exit(1);
}

static void plan(struct bench *b)
{
	struct plan_change change = { .kind = PLAN_RESTART, .name = "s0" };
	struct plan out;

	if (plan_make(b->core, &change, 1, 1, &out, NULL) < 0 || out.n < 2)
		exit(1);
	plan_fini(&out);
}

static void why(struct bench *b, double *out_all, double *out_max)
{
	struct why_step *steps = calloc(64, sizeof(*steps));
	double began = cpu_ms();

	*out_max = 0;
	for (uint32_t id = 0; steps && id < b->n; id++) {
		double one = cpu_ms();

		if (!core_why(b->core, id, 1, steps, 64))
			exit(1);
		one = cpu_ms() - one;
		*out_max = MAX(*out_max, one);
	}
	*out_all = cpu_ms() - began;
	free(steps);
}

static void one_round(unsigned int n, unsigned int round, double out[FIGURE_N])
{
	struct bench b = { .core = core_new(1), .n = n, .random = round + 1 };
	double at = cpu_ms();

	if (!b.core)
		exit(1);
	load(&b);
	out[LOAD] = cpu_ms() - at;
	at = cpu_ms();
	start(&b);
	out[START] = cpu_ms() - at;
	at = cpu_ms();
	plan(&b);
	out[PLAN] = cpu_ms() - at;
	send(&b, &(struct core_event){ .kind = EV_STOP, .id = 0, .rule = RULE_ASKED });
	why(&b, &out[WHY], &out[WHY_MAX]);
	for (uint32_t id = 0; id < n; id++)
		send(&b, &(struct core_event){ .kind = EV_START, .id = id, .rule = RULE_ASKED });
	at = cpu_ms();
	send(&b, &(struct core_event){ .kind = EV_SHUTDOWN, .id = CORE_NONE, .deadline = USEC_NEVER });
	out[STOP] = cpu_ms() - at;
	for (uint32_t id = 0; id < n; id++) {
		if (core_is_active(b.core, id))
			exit(1);
	}
	core_free(b.core);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static void bench(unsigned int n, unsigned int rounds)
{
	static double all[FIGURE_N][ROUNDS_MAX];

	for (unsigned int r = 0; r < rounds; r++) {
		double one[FIGURE_N];

		one_round(n, r, one);
		for (int f = 0; f < FIGURE_N; f++)
			all[f][r] = one[f];
	}
	printf("%8u", n);
	for (int f = 0; f < FIGURE_N; f++) {
		qsort(all[f], rounds, sizeof(double), by_value);
		printf("  %8.3f", all[f][rounds / 2]);
	}
	printf("\n");
}

int main(int argc, char **argv)
{
	static const unsigned int sizes[] = { 1000, 3000, 10000, 30000, 100000 };
	unsigned int rounds = 5;
	int c;

	while ((c = getopt(argc, argv, "r:")) != -1) {
		if (c != 'r')
			return 2;
		rounds = (unsigned int)strtoul(optarg, NULL, 10);
		rounds = rounds < 1 || rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
	}
	printf("CPU ms  ");
	for (int f = 0; f < FIGURE_N; f++)
		printf("  %8s", figure_names[f]);
	printf("\n");
	for (int i = optind; i < argc; i++)
		bench((unsigned int)strtoul(argv[i], NULL, 10), rounds);
	for (size_t i = 0; optind == argc && i < ARRAY_LEN(sizes); i++)
		bench(sizes[i], rounds);
	return 0;
}
