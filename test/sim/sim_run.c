/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the life of one world: some chaos, perhaps a rest, the shutdown, the end. */
#include <inttypes.h>
#include <stdio.h>

#include "sim.h"

#define WORLD_STEPS 400
#define REST_STEPS 20000

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

bool sim_run(uint64_t seed, bool trace, struct sim_totals *totals)
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
