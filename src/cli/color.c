/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: which escape sequence means what, and when none is to be written. */
#include "cli/color.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

static const char *const codes[COLOR_N] = {
	[COLOR_PLAIN] = "",
	[COLOR_GOOD] = "\033[32m",
	[COLOR_BAD] = "\033[31m",
	[COLOR_BUSY] = "\033[33m",
	[COLOR_FAINT] = "\033[2m",
	[COLOR_TITLE] = "\033[1m",
};

/* Red is left to errors. */
static const char *const name_codes[] = {
	"\033[36m", "\033[33m", "\033[35m", "\033[32m", "\033[34m", "\033[96m", "\033[93m", "\033[95m", "\033[92m", "\033[94m",
};

static const struct {
	const char *state;
	enum color color;
} state_colors[] = {
	{ "running", COLOR_GOOD },  { "starting", COLOR_BUSY }, { "stopping", COLOR_BUSY }, { "blocked", COLOR_BUSY },
	{ "backoff", COLOR_BUSY },  { "failed", COLOR_BAD },    { "invalid", COLOR_BAD },   { "exited", COLOR_FAINT },
	{ "inactive", COLOR_FAINT },
};

bool color_wanted(const char *wish, int fd)
{
	const char *no = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	if (str_equal(wish, "always"))
		return true;
	if (str_equal(wish, "never") || (no && *no))
		return false;
	return isatty(fd) && !str_equal(term, "dumb");
}

const char *color_begin(enum color color, bool on)
{
	return on ? codes[color] : "";
}

const char *color_end(bool on)
{
	return on ? "\033[0m" : "";
}

const char *color_of_name(const char *name, bool on)
{
	uint32_t hash = 2166136261U; /* FNV-1a: stable from run to run, unlike base/map.h */

	for (const char *p = name; *p; p++)
		hash = (hash ^ (unsigned char)*p) * 16777619U;
	return on ? name_codes[hash % ARRAY_LEN(name_codes)] : "";
}

enum color color_of_state(const char *state)
{
	for (size_t i = 0; i < ARRAY_LEN(state_colors); i++)
		if (str_equal(state, state_colors[i].state))
			return state_colors[i].color;
	return COLOR_PLAIN;
}
