/* SPDX-License-Identifier: Apache-2.0 */
/* The programs that belong together: which one this is, and where the others are. */
#ifndef BASE_PROGRAM_H
#define BASE_PROGRAM_H

#include <limits.h>

#include "base/error.h"

/** Path of the program that runs (proc(5), exe). Returns 0 or negative errno; -ENAMETOOLONG where it does not fit. */
int program_self(char out[PATH_MAX]);
/**
 * Path of another of our programs: beside the one that runs, in `folder` next to its folder (so it is in a build
 * directory), in ../libexec/zinit, or in `installed`, in this order. Returns 0, or -ENOENT if none of these can be executed.
 */
int program_find(const char *name, const char *folder, const char *installed, char out[PATH_MAX]);
/**
 * May we turn ourselves into this? `fd` (O_PATH is enough) must be a regular file that can be executed, that belongs to
 * root or to us, and that nobody else can write. Returns 0, or negative errno with `err` filled: -EACCES, -ENOEXEC.
 */
int program_check(int fd, struct error *err);
/** Execute what `fd` is, whatever its name leads to by now. Returns negative errno: it failed. */
int program_exec(int fd, char *const argv[]);

#endif
