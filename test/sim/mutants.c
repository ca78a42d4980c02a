/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mutation testing of the table of states and events: mutants [--steps N]
 *
 * Each cell in turn is removed, made to do nothing, given the step of each other state for the same event, and deprived of
 * each state that it may lead to. A child lives with that one fault: it goes through every event in every situation
 * (test/unit/service/cells.txt), then it runs the simulator. The mutant is killed when a line differs, or something is violated.
 * Prints the mutants that live, and the figures; ends with 1 if there are any. With --sim-only the simulator judges alone.
 */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "cells.h"
#include "service/core_internal.h"
#include "sim.h"

#define CHILD_SECONDS 10
#define CELLS_MAX (4U << 20)

struct figures {
	unsigned int made, killed;
};

static struct cell (*table)[EV_KIND_N];
static uint64_t steps_max = 100000;
static bool sim_only;
static struct strbuf expected = STRBUF(CELLS_MAX);

/* The table is constant for the program; here its pages are made writable. */
static bool open_table(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uintptr_t from = (uintptr_t)machine_steps / page * page;
	uintptr_t to = (uintptr_t)machine_steps + sizeof(machine_steps);

	table = (struct cell(*)[EV_KIND_N])(uintptr_t)machine_steps;
	return mprotect((void *)from, to - from, PROT_READ | PROT_WRITE) == 0;
}

static void child(void)
{
	struct strbuf cells = STRBUF(CELLS_MAX);
	struct sim_totals totals = { 0 };
	uint64_t seed = 1;

	(void)alarm(CHILD_SECONDS); /* a mutant may go round in a circle: that counts as noticed */
	if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
		_exit(2);
	if (!sim_only && (cells_write(&cells) < 0 || strcmp(strbuf_str(&cells), strbuf_str(&expected)) != 0))
		_exit(1);
	while (totals.steps < steps_max) {
		if (!sim_run(seed++, false, &totals))
			_exit(1);
	}
	_exit(0);
}

static bool survives(void)
{
	int status = 0;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid == 0)
		child();
	if (pid < 0 || waitpid(pid, &status, 0) < 0) {
		perror("mutants");
		exit(2);
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void try_cell(int state, int event, struct cell mutant, const char *what, const char *which, struct figures *f)
{
	struct cell *cell = &table[state][event];
	struct cell saved = *cell;

	*cell = mutant;
	f->made++;
	if (survives())
		printf("lives: %s %s %s%s\n", service_state_name((enum service_state)state),
		       event_kind_name((enum event_kind)event), what, which);
	else
		f->killed++;
	*cell = saved;
}

/* The step of EV_LOADED in a running service does nothing. */
static step_fn nothing(void)
{
	return table[SERVICE_RUNNING][EV_LOADED].fn;
}

static bool too_late(int state, int event)
{
	return table[state][event].fn == table[SERVICE_INACTIVE][EV_EXITED].fn;
}

static void mutate(int state, int event, struct figures *f)
{
	struct cell cell = table[state][event];

	try_cell(state, event, (struct cell){ 0 }, "removed", "", f);
	if (cell.fn == nothing())
		return;
	try_cell(state, event, (struct cell){ nothing(), 1U << state }, "does nothing", "", f);
	if (too_late(state, event))
		return;
	for (int other = 0; other < SERVICE_STATE_N; other++) {
		struct cell theirs = table[other][event];
		bool known = !theirs.fn || theirs.fn == cell.fn || theirs.fn == nothing() || too_late(other, event);

		for (int before = 0; before < other; before++)
			known = known || table[before][event].fn == theirs.fn;
		if (!known)
			try_cell(state, event, (struct cell){ theirs.fn, cell.to | theirs.to }, "does as ",
				 service_state_name((enum service_state)other), f);
	}
	for (int to = 0; to < SERVICE_STATE_N; to++) {
		if (to != state && cell.to & 1U << to)
			try_cell(state, event, (struct cell){ cell.fn, cell.to & ~(1U << to) }, "never leads to ",
				 service_state_name((enum service_state)to), f);
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "steps", required_argument, NULL, 'n' },
						{ "sim-only", no_argument, NULL, 's' }, { 0 } };
	struct figures f = { 0 };
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'n')
			steps_max = strtoull(optarg, NULL, 10);
		else if (c == 's')
			sim_only = true;
		else
			return 2;
	}
	if (cells_write(&expected) < 0 || !open_table()) {
		perror("mutants: the table can't be made writable");
		return 2;
	}
	for (int state = 0; state < SERVICE_STATE_N; state++) {
		for (int event = 0; event < EV_KIND_N; event++) {
			if (table[state][event].fn)
				mutate(state, event, &f);
		}
	}
	strbuf_fini(&expected);
	printf("%u mutants, %u killed, %u live\n", f.made, f.killed, f.made - f.killed);
	return f.made != f.killed;
}
