/* SPDX-License-Identifier: Apache-2.0 */
/* How a process ended: wait status in, facts and text out. */
#ifndef PROCESS_CHILD_H
#define PROCESS_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/time.h"

/* "killed by SIGRTMIN+30 (64), core dumped" and room */
#define CHILD_TEXT_SIZE 64

struct child_exit {
	int code; /* exit code, or -1 if a signal ended it */
	int signal; /* or 0 */
	bool core_dumped;
};

/** Exit code within this time after the start, by the shell that was to run the command: it is the shell that speaks. */
#define CHILD_SHELL_ERROR_WITHIN (2 * USEC_PER_SEC)

/** From a wait(2) status. */
struct child_exit child_exit_from_status(int status);
/** From si_code and si_status of siginfo_t (waitid). */
struct child_exit child_exit_from_siginfo(int code, int value);
/** "exited with code 3", "killed by SIGKILL (9)", "killed by SIGSEGV (11), core dumped". */
void child_exit_text(const struct child_exit *exit, char out[CHILD_TEXT_SIZE]);
/**
 * Is this end really a failed start? True if the process was started by `sh -c` (spawn_result.by_shell), has ended with 126
 * (found, not executable) or 127 (not found), and that within CHILD_SHELL_ERROR_WITHIN. `out_errno` becomes EACCES or ENOENT.
 * Commands that need no shell never come here: spawn_run() reports their exec failures itself.
 */
bool child_is_shell_error(const struct child_exit *exit, bool by_shell, usec_t ran, int *out_errno);

#endif
