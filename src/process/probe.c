/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what all kinds of probe share. */
#include "process/probe.h"

void probe_cancel(struct probe *probe)
{
	if (probe)
		probe->cancel(probe);
}
