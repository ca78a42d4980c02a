/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: whether a text is a schedule. */
#include "base/schedule.h"

#include "config/validate.h"

bool validate_schedule(const char *s)
{
	struct schedule parsed;

	return schedule_parse(s, &parsed) == 0;
}
