/* SPDX-License-Identifier: Apache-2.0 */
/* The subject "sinks" of the metrics: a row of metric_sources. */
#ifndef RPC_METRICS_SHIP_H
#define RPC_METRICS_SHIP_H

#include "rpc/metrics.h"

#define METRICS_SHIP_ROWS 14
#define METRICS_SHIP_COLUMNS 17

extern const struct metric metrics_ship_rows[METRICS_SHIP_ROWS];
/** Add a sample for each sink. Returns 0 or -ENOMEM. */
int metrics_ship_gather(const struct metric_question *q, struct metric_subject *out);

#endif
