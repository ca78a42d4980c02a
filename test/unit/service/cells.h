/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every event does in every situation that a service can be in, as text: a line for each. cells.txt is that text as it
 * should be, so that each change of behaviour shows as a difference; mutants of the table are told by it, too.
 */
#ifndef UNIT_SERVICE_CELLS_H
#define UNIT_SERVICE_CELLS_H

#include "base/str.h"

/** Append all lines. Returns 0 or -ENOMEM. */
int cells_write(struct strbuf *out);

#endif
