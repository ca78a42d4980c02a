/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands that need no shell, and where programs are found.
 *
 * `exec = "/usr/bin/api --port 8080"` means `sh -c`; but a shell would do nothing there except start the program. Such
 * commands (words, quotes, no expansion, no redirection, no builtin) are split here as sh would split them: one exec
 * less per start, and a missing program is a spawn error with its errno instead of an exit code 127.
 */
#ifndef PROCESS_COMMAND_H
#define PROCESS_COMMAND_H

#include <stddef.h>

/* What execvp(3) and dash use when PATH is not set. */
#define COMMAND_DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/**
 * Split a command that needs no shell into words. A leading `exec` is dropped.
 *
 * Returns 1 and a NULL-terminated list in one block of memory (free(3) it), 0 if a shell must run it, -EINVAL if it is
 * empty or blank, -ENOMEM.
 */
int command_split(const char *command, char ***out_argv);
/**
 * The paths under which `program` is tried: itself if it holds a '/', else one for each directory of `path` (NULL: the default).
 * NULL-terminated, one block of memory. NULL: no memory.
 */
char **command_candidates(const char *program, const char *path);

#endif
