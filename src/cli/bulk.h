/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs that the server applies to many services at once. */
#ifndef CLI_BULK_H
#define CLI_BULK_H

#include "cli/cli.h"

struct change;

/**
 * Call `method`, wait by `wait` for those that it changed, and report: `done` is what happened to them ("started"), and the
 * member of the answer that names them. Returns an exit code.
 */
int bulk_call(struct cli *cli, const char *method, const char *done, const struct change *wait);

#endif
