/* SPDX-License-Identifier: Apache-2.0 */
/* What text must be in whatever a regular expression matches: it is searched first, much faster than the expression. */
#ifndef LOG_LITERAL_H
#define LOG_LITERAL_H

#include <stddef.h>

/**
 * Copy to `out` (`size` bytes) the longest piece of plain text that every match of `regex` (PCRE2 syntax, letter case
 * matters) contains. Returns its length; 0: none is known. Not understanding a part of the syntax is no error: such
 * parts contribute nothing.
 */
size_t literal_of_regex(const char *regex, char *out, size_t size);

#endif
