/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the process zinit-prober: started when first needed, ended when it hangs. */
#include <sys/resource.h>

#include "base/mem.h"
#include "base/probe_wire.h"
#include "process/prober.h"
#include "supervisor/internal.h"

/* A thread of the C library's resolver needs little, and a look-up that hangs keeps one. */
#define PROBER_STACK (256U << 10)

static void on_gone(struct worker *worker, void *data)
{
	struct supervisor *sup = data;

	if (sup->prober_process != worker)
		return; /* an older one, of which nothing is expected */
	sup->prober_process = NULL;
	prober_exited(sup->prober, sup->prober_number);
}

static const struct spawn_rlimit limits[] = { { RLIMIT_STACK, PROBER_STACK, PROBER_STACK } };
static const struct worker_kind kind = {
	.program = "zinit-prober",
	.fd = PROBER_FD,
	.rlimits = limits,
	.n_rlimits = ARRAY_LEN(limits),
	.gone = on_gone,
};

int probes_worker_spawn(int fd, uint32_t number, void *data)
{
	struct supervisor *sup = data;
	int r = worker_spawn(sup, &kind, fd, sup, &sup->prober_process);

	if (r == 0)
		sup->prober_number = number;
	return r;
}

pid_t supervisor_prober_pid(const struct supervisor *sup)
{
	return sup->prober_process ? worker_pid(sup->prober_process) : 0;
}

void probes_worker_fini(struct supervisor *sup)
{
	worker_forget(sup->prober_process);
}

void probes_worker_end(uint32_t number, void *data)
{
	struct supervisor *sup = data;

	if (number == sup->prober_number)
		worker_end(sup->prober_process);
}
