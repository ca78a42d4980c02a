/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: our own diagnostics as the output of a service. They go through a pipe like everyone's: a
 * write of less than PIPE_BUF bytes is atomic, so any thread may write without a lock, and a pipe
 * that the keeper holds too loses nothing in a crash.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "log/log.h"

/* A diag sink has no argument that could carry them. */
static _Atomic int own_fd = -1;
static _Atomic uint64_t own_lost;

int log_set_own(struct log_service *svc, uint64_t run, int read_fd, int write_fd)
{
	int code = fd_set_nonblock(write_fd, true);

	if (code == 0)
		code = log_attach(svc, run, LOG_STDERR, read_fd, 0);
	if (code < 0)
		return code;
	write_fd = atomic_exchange(&own_fd, write_fd);
	auto_close(&write_fd);
	return 0;
}

void log_write_own(enum diag_level level, const char *line, size_t len)
{
	/* syslog's numbers: error, warning, info, debug, debug */
	static const char numbers[DIAG_LEVEL_N] = { '3', '4', '6', '7', '7' };
	char out[DIAG_LINE_MAX + 8] = { '<', numbers[level], '>' };
	int fd = atomic_load(&own_fd);
	static_assert(sizeof(out) <= PIPE_BUF, "a write must be atomic");

	len = MIN(len, sizeof(out) - 4);
	memcpy(out + 3, line, len);
	out[len + 3] = '\n';
	if (write(fd < 0 ? 2 : fd, out, len + 4) < 0)
		atomic_fetch_add(&own_lost, 1);
}

uint64_t log_own_dropped(void)
{
	return atomic_load(&own_lost);
}
