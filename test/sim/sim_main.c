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

#include "base/time.h"
#include "sim.h"

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "steps", required_argument, NULL, 'n' }, { "seed", required_argument, NULL, 's' },
		{ "seconds", required_argument, NULL, 't' }, { "trace", no_argument, NULL, 'v' }, { 0 },
	};
	struct sim_totals totals = { 0 };
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
		if (!sim_run(seed++, trace, &totals))
			return 1;
	} while (!one && (until ? time_boottime() < until : totals.steps < steps));
	printf("%" PRIu64 " worlds, %" PRIu64 " steps, %" PRIu64 " spawns, %" PRIu64 " requests, %" PRIu64
	       " deaths of the server: nothing violated\n",
	       totals.worlds, totals.steps, totals.spawns, totals.requests, totals.crashes);
	return 0;
}
