/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: our own diagnostics as the log of a service "zinit", over the server's death too. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"
#include "supervisor/internal.h"

#define OWN_RING_KEY "own:ring"
#define OWN_PIPE_KEY "own:pipe"

static int ring(struct supervisor *sup, const struct log_service_opts *opts)
{
	int fd = supervisor_take_kept_fd(sup, OWN_RING_KEY);

	if (fd >= 0)
		return fd;
	fd = ring_create(SUPERVISOR_OWN_LOG, &opts->ring);
	if (fd >= 0)
		(void)supervisor_keep_fd(sup, OWN_RING_KEY, fd);
	return fd;
}

/* The write end dies with each server; what it wrote last is still in the pipe that the keeper holds. */
static void attach_old_pipe(struct supervisor *sup, struct log_service *svc, uint64_t run)
{
	int fd = supervisor_take_kept_fd(sup, OWN_PIPE_KEY);

	if (fd >= 0 && log_attach(svc, run - 1, LOG_STDERR, fd, 0) < 0)
		(void)close(fd);
}

/* Into the ring, and, for whoever runs us in a terminal or a container, on stderr: never waiting for its reader. */
static void sink(enum diag_level level, const char *line, size_t len)
{
	struct pollfd out = { .fd = STDERR_FILENO, .events = POLLOUT };
	char text[DIAG_LINE_MAX + 32];
	int n;

	log_write_own(level, line, len);
	/* a pipe that is writable takes PIPE_BUF bytes at once (pipe(7)), which is more than a line has */
	if (poll(&out, 1, 0) != 1 || !(out.revents & POLLOUT))
		return;
	n = snprintf(text, sizeof(text), "zinit: %s: %.*s\n", diag_level_name(level), (int)len, line);
	(void)!write(STDERR_FILENO, text, (size_t)n);
}

int own_log_open(struct supervisor *sup, struct error *err)
{
	const struct log_service_opts opts = { .store = true };
	uint64_t run = (uint64_t)keeper_link_generation(sup->keeper) + 1;
	struct log_service *svc;
	int fds[2];
	int fd = ring(sup, &opts);
	int r = fd < 0 ? fd : log_service_add(sup->log, SUPERVISOR_OWN_LOG, &opts, fd, &svc);

	if (r < 0) {
		auto_close(&fd);
		return error_set(err, -r, "the server's own log: %s", strerror(-r));
	}
	attach_old_pipe(sup, svc, run);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_set(err, errno, "the server's own log: %s", strerror(errno));
	(void)supervisor_keep_fd(sup, OWN_PIPE_KEY, fds[0]);
	r = log_set_own(svc, run, fds[0], fds[1]);
	if (r < 0) {
		(void)close(fds[0]);
		(void)close(fds[1]);
		return error_set(err, -r, "the server's own log: %s", strerror(-r));
	}
	diag_set_sink(sink);
	return 0;
}
