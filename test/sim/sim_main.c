/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs worlds one after another: sim [--steps N] [--seed N] [--seconds N] [--trace]
 *
 * --seed N alone replays that one world; with --steps or --seconds it is where the numbers begin. Ends with 1 and the seed
 * of the first world in which something was violated.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "sim.h"

#define WORLD_STEPS 400
#define REST_STEPS 20000

struct totals {
	uint64_t worlds, steps, crashes, spawns, requests;
};

static void run_to_rest(struct sim *sim)
{
	uint64_t most = sim->steps + REST_STEPS;

	while (!sim->violated && sim_step(sim)) {
		if (sim->steps > most)
			sim_violation(sim, "it does not come to rest");
	}
	if (!sim->violated)
		sim_check_rest(sim);
}

static bool run_world(uint64_t seed, bool trace, struct totals *totals)
{
	static struct sim sim;
	uint64_t steps;

	if (trace)
		printf("seed %" PRIu64 "\n", seed);
	if (sim_begin(&sim, seed, trace) < 0)
		return false;
	steps = 50 + sim_draw(&sim, WORLD_STEPS);
	while (!sim.violated && sim.steps < steps && sim_step(&sim))
		continue;
	if (sim_draw(&sim, 2) == 0 && !sim.violated) {
		sim_calm(&sim);
		run_to_rest(&sim);
		sim.calm = sim_draw(&sim, 2);
	}
	if (!sim.violated) {
		sim_shutdown(&sim);
		for (int i = 0; i < 50 && !sim.violated && !sim.calm && sim_step(&sim); i++)
			continue;
		sim_calm(&sim);
		run_to_rest(&sim);
	}
	totals->worlds++;
	totals->steps += sim.steps;
	totals->crashes += sim.crashes;
	totals->spawns += sim.spawns;
	totals->requests += sim.requests;
	if (sim.violated)
		printf("seed %" PRIu64 ", step %" PRIu64 ": %s\n", seed, sim.steps, sim.violation);
	sim_end(&sim);
	return !sim.violated;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "steps", required_argument, NULL, 'n' }, { "seed", required_argument, NULL, 's' },
		{ "seconds", required_argument, NULL, 't' }, { "trace", no_argument, NULL, 'v' }, { 0 },
	};
	struct totals totals = { 0 };
	uint64_t steps = 0;
	uint64_t seed = 1;
	usec_t until = 0;
	bool trace = false;
	bool one = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'n')
			steps = strtoull(optarg, NULL, 10);
		else if (c == 't')
			until = time_boottime() + strtoull(optarg, NULL, 10) * USEC_PER_SEC;
		else if (c == 'v')
			trace = true;
		else if (c == 's')
			seed = strtoull(optarg, NULL, 10);
		else
			return 2;
		one = one || c == 's';
	}
	one = one && !steps && !until;
	if (!steps && !until)
		steps = 1000000;
	do {
		if (!run_world(seed++, trace, &totals))
			return 1;
	} while (!one && (until ? time_boottime() < until : totals.steps < steps));
	printf("%" PRIu64 " worlds, %" PRIu64 " steps, %" PRIu64 " spawns, %" PRIu64 " requests, %" PRIu64
	       " deaths of the server: nothing violated\n",
	       totals.worlds, totals.steps, totals.spawns, totals.requests, totals.crashes);
	return 0;
}
