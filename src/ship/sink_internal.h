/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the two files of a sink: what goes in (sink.c), and what comes of it (sink_answer.c). */
#ifndef SHIP_SINK_INTERNAL_H
#define SHIP_SINK_INTERNAL_H

#include "ship/sink.h"

/** The lines of the flight. */
struct ship_batch sink_batch(const struct ship_run *run);
/** Make run->keep hold at least `n`. Returns 0 or -ENOMEM. */
int sink_keep_room(struct ship_run *run, size_t n);
/** Do with the flight what the outcome and the policy say. */
void sink_judge(struct ship_run *run, const struct ship_outcome *outcome, bool cut, usec_t now, ts_ns wall);

#endif
