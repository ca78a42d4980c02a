/* SPDX-License-Identifier: Apache-2.0 */
/* How plans are shown: the changes that files ask for, and the steps that follow. */
#ifndef CLI_PLAN_H
#define CLI_PLAN_H

#include <jansson.h>

#include "cli/cli.h"

/** Print the changes of a plan (config.plan) with their keys and places; bad files on stderr. */
void plan_print_changes(const struct cli *cli, const json_t *plan);
/** Print `steps` ([{action, name, reason}]), numbered and aligned; one sentence if there is none. */
void plan_print_steps(const struct cli *cli, const json_t *steps);
/** Does the plan name a bad file? */
bool plan_has_invalid(const json_t *plan);

#endif
