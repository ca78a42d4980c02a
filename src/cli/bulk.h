/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs that the server applies to many services at once. */
#ifndef CLI_BULK_H
#define CLI_BULK_H

#include "cli/cli.h"

/** Call `method` and report it: `done` is what happened to those named in the answer ("started"). Returns an exit code. */
int bulk_call(struct cli *cli, const char *method, const char *done);

#endif
