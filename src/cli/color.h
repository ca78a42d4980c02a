/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Colours by meaning, not by number. A code is the empty string where colours are off, so callers print it in any case.
 */
#ifndef CLI_COLOR_H
#define CLI_COLOR_H

#include <stdbool.h>
#include <stdint.h>

enum color {
	COLOR_PLAIN,
	COLOR_GOOD,
	COLOR_BAD,
	COLOR_BUSY,  /* on the way from one state to another */
	COLOR_FAINT,
	COLOR_TITLE,
	COLOR_N
};

/** Should escapes be written to `fd`? `wish`: "always", "never", or else: a terminal, TERM not "dumb", no NO_COLOR. */
bool color_wanted(const char *wish, int fd);
/** The sequence that begins `color`, or "" if `on` is false or it is COLOR_PLAIN. */
const char *color_begin(enum color color, bool on);
/** The sequence that ends every colour, or "". */
const char *color_end(bool on);
/** A colour of a service's name in merged logs: the same name has the same colour in every run. */
const char *color_of_name(const char *name, bool on);
/** The colour of a service's state ("running", "failed" …). */
enum color color_of_state(const char *state);

#endif
