/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the meaning of wait statuses. */
#include "process/child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/kernel_names.h"

#define SHELL_NOT_EXECUTABLE 126
#define SHELL_NOT_FOUND 127

struct child_exit child_exit_from_status(int status)
{
	struct child_exit e = { .code = -1 };

	if (WIFEXITED(status)) {
		e.code = WEXITSTATUS(status);
	} else if (WIFSIGNALED(status)) {
		e.signal = WTERMSIG(status);
		e.core_dumped = WCOREDUMP(status);
	}
	return e;
}

struct child_exit child_exit_from_siginfo(int code, int value)
{
	struct child_exit e = { .code = -1 };

	if (code == CLD_EXITED) {
		e.code = value;
	} else {
		e.signal = value;
		e.core_dumped = code == CLD_DUMPED;
	}
	return e;
}

void child_exit_text(const struct child_exit *exit, char out[CHILD_TEXT_SIZE])
{
	char name[SIGNAL_NAME_SIZE];

	if (exit->signal == 0) {
		(void)snprintf(out, CHILD_TEXT_SIZE, "exited with code %d", exit->code);
		return;
	}
	signal_name(exit->signal, name);
	(void)snprintf(out, CHILD_TEXT_SIZE, "killed by %s (%d)%s", name, exit->signal,
		       exit->core_dumped ? ", core dumped" : "");
}

bool child_is_shell_error(const struct child_exit *exit, bool by_shell, usec_t ran, int *out_errno)
{
	if (!by_shell || exit->signal != 0 || ran > CHILD_SHELL_ERROR_WITHIN)
		return false;
	if (exit->code != SHELL_NOT_EXECUTABLE && exit->code != SHELL_NOT_FOUND)
		return false;
	*out_errno = exit->code == SHELL_NOT_FOUND ? ENOENT : EACCES;
	return true;
}
