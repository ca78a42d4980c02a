/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: which services a sink is for. */
#include <string.h>

#include "base/str.h"
#include "ship/sink.h"

static bool has_tag(const char *const *tags, const char *pattern)
{
	for (; tags && *tags; tags++) {
		if (str_glob(pattern, *tags))
			return true;
	}
	return false;
}

/*
 * The server's own log tells of this very sink's failures: shipped without being asked for, each failure would make a line
 * that fails again. So only a sink that names it has it.
 */
bool ship_wants_service(const struct ship_settings *s, const char *service, const char *const *tags, bool own)
{
	if (!s->services || !*s->services)
		return !own;
	for (const char *const *pattern = s->services; *pattern; pattern++) {
		if (own ? strcmp(*pattern, service) == 0 :
			  (**pattern == '@' ? has_tag(tags, *pattern + 1) : str_glob(*pattern, service)))
			return true;
	}
	return false;
}
