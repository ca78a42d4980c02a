/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: zinit-states, which prints the table of states and events as JSON, for tools/gen_states.py. Not installed. */
#include <stdio.h>

#include "service/core_internal.h"

static void print_targets(const struct cell *cell)
{
	const char *comma = "";

	for (int to = 0; to < SERVICE_STATE_N; to++) {
		if (!(cell->to & 1U << to))
			continue;
		(void)printf("%s\"%s\"", comma, service_state_name((enum service_state)to));
		comma = ", ";
	}
}

int main(void)
{
	const char *comma = "";

	(void)puts("[");
	for (int state = 0; state < SERVICE_STATE_N; state++) {
		for (int event = 0; event < EV_KIND_N; event++) {
			const struct cell *cell = &machine_steps[state][event];

			if (!cell->fn)
				continue;
			(void)printf("%s {\"state\": \"%s\", \"event\": \"%s\", \"to\": [", comma,
				     service_state_name((enum service_state)state),
				     event_kind_name((enum event_kind)event));
			print_targets(cell);
			(void)printf("]}");
			comma = ",\n";
		}
	}
	(void)puts("\n]");
	return 0;
}
