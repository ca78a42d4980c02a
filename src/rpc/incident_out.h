/* SPDX-License-Identifier: Apache-2.0 */
/* An incident as JSON (docs/internals/incident.md), and its way to the disk. */
#ifndef RPC_INCIDENT_OUT_H
#define RPC_INCIDENT_OUT_H

#include "supervisor/supervisor.h"

/** A supervisor_incident_fn: write it down, with the last lines of the service and of what it depends on, and keep it. */
void incident_keep(struct supervisor *sup, const struct incident *incident);

#endif
