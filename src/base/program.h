/* SPDX-License-Identifier: Apache-2.0 */
/* The programs that belong together: which one this is, and where the others are. */
#ifndef BASE_PROGRAM_H
#define BASE_PROGRAM_H

#include <limits.h>

/** Path of the program that runs (proc(5), exe). Returns 0 or negative errno; -ENAMETOOLONG where it does not fit. */
int program_self(char out[PATH_MAX]);
/**
 * Path of another of our programs: beside the one that runs, in `folder` next to its folder (so it is in a build
 * directory), in ../libexec/zinit, or in `installed`, in this order. Returns 0, or -ENOENT if none of these can be executed.
 */
int program_find(const char *name, const char *folder, const char *installed, char out[PATH_MAX]);

#endif
