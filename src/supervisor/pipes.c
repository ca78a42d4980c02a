/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the pipes between a run of a service and the log engine, and their copies with the keeper. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"
#include "supervisor/internal.h"

/* Descriptors that pipes of services leave free. */
#define RESERVED_FDS 64

static bool logs_stdout(const struct service_config *c)
{
	return c->output.kind == CONFIG_OUTPUT_LOG;
}

/* stderr = "stdout" shares the pipe, for exact order. */
static bool logs_stderr(const struct service_config *c)
{
	return c->errors.kind == CONFIG_OUTPUT_LOG;
}

bool pipes_any(const struct unit *unit, uint64_t run)
{
	const struct run_pipes *pipes;

	LIST_FOREACH (pipes, &unit->pipes, node) {
		if (pipes->run == run && pipes->open)
			return true;
	}
	return false;
}

/* Pipes of this run whose write ends are still here. */
static struct run_pipes *find_writable(const struct unit *unit, uint64_t run)
{
	struct run_pipes *pipes;

	LIST_FOREACH (pipes, &unit->pipes, node) {
		if (pipes->run == run && pipes->users)
			return pipes;
	}
	return NULL;
}

void pipes_orphan(struct run_pipes *pipes)
{
	list_remove(&pipes->node);
	pipes->open = 0;
}

static void drop_if_done(struct supervisor *sup, struct run_pipes *pipes)
{
	if (pipes->open || pipes->users)
		return;
	list_remove(&pipes->node);
	keeper_link_forget(sup->keeper, &pipes->slot);
	for (int i = 0; i < LOG_STREAM_N; i++)
		auto_close(&pipes->write_fds[i]);
	free(pipes);
}

static struct run_pipes *new_pipes(struct unit *unit, uint64_t run)
{
	struct run_pipes *pipes = calloc(1, sizeof(*pipes));

	if (!pipes)
		return NULL;
	pipes->run = run;
	pipes->slot = KEEPER_NO_SLOT;
	pipes->write_fds[LOG_STDOUT] = pipes->write_fds[LOG_STDERR] = -1;
	list_append(&unit->pipes, &pipes->node);
	return pipes;
}

static void log_opts(const struct unit *unit, struct log_service_opts *out)
{
	const struct service_config *c = unit->config;

	*out = (struct log_service_opts){
		.ring = {
			.max_lines = c->buffer_lines,
			.max_bytes = c->buffer_bytes,
			.max_line = c->max_line,
			.rate_limit = c->rate_limit,
		},
		.on_full = c->on_full == CONFIG_ON_FULL_BLOCK ? LOG_FULL_BLOCK : LOG_FULL_DROP,
		.store = c->store,
		.compress = c->compress == CONFIG_COMPRESS_ZSTD,
		.max_size = c->max_size,
		.max_files = c->max_files,
		.max_age = c->max_age_s * USEC_PER_SEC,
	};
}

void unit_set_log_options(struct unit *unit)
{
	struct log_service_opts opts;

	if (!unit->log)
		return;
	log_opts(unit, &opts);
	if (log_service_set(unit->log, &opts) < 0)
		diag(DIAG_WARN, "%s: no memory to change the options of its log: the old ones stay", unit->config->name);
}

/* The last descriptors are for the control socket, files and spawns: services that don't fit must not take the server's voice. */
static bool is_reserved(int fd)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return false;
	return (rlim_t)fd >= limit.rlim_cur - MIN(limit.rlim_cur / 4, (rlim_t)RESERVED_FDS);
}

int unit_open_log(struct unit *unit, int kept_ring_fd, uint32_t kept_slot)
{
	struct supervisor *sup = unit->sup;
	struct log_service_opts opts;
	char key[LIMIT_KEEPER_KEY];
	int fd = kept_ring_fd;
	int r = 0;

	if (unit->log || (fd < 0 && !logs_stdout(unit->config) && !logs_stderr(unit->config)))
		return 0;
	log_opts(unit, &opts);
	unit->ring_slot = kept_slot;
	if (fd < 0) {
		unit->ring_at = time_realtime();
		fd = ring_create(unit->config->name, &opts.ring);
		if (fd < 0)
			return fd;
		if (is_reserved(fd)) {
			(void)close(fd);
			return -EMFILE;
		}
		(void)snprintf(key, sizeof(key), "ring:%u", unit->id);
		r = keeper_link_keep(sup->keeper, &unit->ring_slot, key, &fd, 1);
	}
	if (r == 0)
		r = log_service_add(sup->log, unit->config->name, &opts, fd, &unit->log);
	if (r == 0) {
		log_drops_open(unit);
		ship_changed(sup);
	}
	if (r < 0) {
		(void)close(fd);
		keeper_link_forget(sup->keeper, &unit->ring_slot);
	}
	return r;
}

/* The read ends go to the keeper before anything can be written, and to the log engine, which owns ours. */
static int attach(struct unit *unit, struct run_pipes *pipes, int *read_fds)
{
	char key[LIMIT_KEEPER_KEY];
	int fds[LOG_STREAM_N];
	size_t n = 0;
	int r;

	for (int i = 0; i < LOG_STREAM_N; i++) {
		if (read_fds[i] >= 0) {
			fds[n++] = read_fds[i];
			pipes->open |= 1U << i;
		}
	}
	(void)snprintf(key, sizeof(key), "pipe:%u:%llu:%u", unit->id, (unsigned long long)pipes->run, pipes->open);
	r = keeper_link_keep(unit->sup->keeper, &pipes->slot, key, fds, n);
	for (int i = 0; r == 0 && i < LOG_STREAM_N; i++) {
		if (read_fds[i] < 0)
			continue;
		r = log_attach(unit->log, pipes->run, (enum log_stream)i, read_fds[i], pipes->slot);
		if (r == 0)
			read_fds[i] = -1;
	}
	return r;
}

static int make(struct unit *unit, struct run_pipes *pipes)
{
	const bool wanted[LOG_STREAM_N] = {
		[LOG_STDOUT] = logs_stdout(unit->config),
		[LOG_STDERR] = logs_stderr(unit->config),
	};
	int read_fds[LOG_STREAM_N] = { -1, -1 };
	int r = 0;

	for (int i = 0; r == 0 && i < LOG_STREAM_N; i++) {
		int fds[2];

		if (!wanted[i])
			continue;
		if (pipe2(fds, O_CLOEXEC) < 0) {
			r = -errno;
		} else {
			read_fds[i] = fds[0];
			pipes->write_fds[i] = fds[1];
			r = is_reserved(fds[1]) ? -EMFILE : 0;
		}
	}
	/* after the pipes: a service that finds no room for those must not take a descriptor for its ring from others */
	if (r == 0)
		r = unit_open_log(unit, -1, KEEPER_NO_SLOT);
	if (r == 0)
		r = attach(unit, pipes, read_fds);
	auto_close(&read_fds[0]);
	auto_close(&read_fds[1]);
	return r;
}

struct run_pipes *pipes_open(struct unit *unit, uint64_t run, int *out_error)
{
	struct run_pipes *pipes = find_writable(unit, run);
	int r = 0;

	/* a later command of the same run needs pipes of its own when the first ones' write ends are closed */
	if (!pipes) {
		pipes = new_pipes(unit, run);
		r = pipes ? 0 : -ENOMEM;
		if (r == 0 && (logs_stdout(unit->config) || logs_stderr(unit->config)))
			r = make(unit, pipes);
		if (r < 0 && pipes) {
			pipes->open = 0;
			drop_if_done(unit->sup, pipes);
		}
	}
	if (r < 0) {
		*out_error = r;
		return NULL;
	}
	pipes->users++;
	return pipes;
}

void pipes_release(struct supervisor *sup, struct run_pipes *pipes)
{
	if (--pipes->users > 0)
		return;
	for (int i = 0; i < LOG_STREAM_N; i++) {
		auto_close(&pipes->write_fds[i]);
		pipes->write_fds[i] = -1;
	}
	drop_if_done(sup, pipes);
}

void pipes_ended(struct unit *unit, enum log_stream stream, uint32_t slot)
{
	struct run_pipes *pipes;

	LIST_FOREACH (pipes, &unit->pipes, node) {
		if (pipes->slot == slot) {
			pipes->open &= ~(1U << stream);
			drop_if_done(unit->sup, pipes);
			return;
		}
	}
}

int pipes_adopt(struct unit *unit, uint64_t run, struct kept *kept, unsigned int streams)
{
	struct run_pipes *pipes = new_pipes(unit, run);
	size_t n = 0;

	if (!pipes)
		return -ENOMEM;
	pipes->slot = kept->slot;
	for (int i = 0; i < LOG_STREAM_N; i++) {
		int r;

		if (!(streams & (1U << i)))
			continue;
		r = log_attach(unit->log, run, (enum log_stream)i, kept->fds[n], pipes->slot);
		if (r < 0) {
			drop_if_done(unit->sup, pipes);
			return r;
		}
		kept->fds[n++] = -1;
		pipes->open |= 1U << i;
	}
	return 0;
}

void pipes_forget(struct unit *unit)
{
	struct run_pipes *pipes;

	LIST_FOREACH (pipes, &unit->pipes, node)
		keeper_link_forget(unit->sup->keeper, &pipes->slot);
	pipes_fini(unit);
}

void pipes_fini(struct unit *unit)
{
	struct run_pipes *pipes;

	LIST_FOREACH (pipes, &unit->pipes, node) {
		pipes->slot = KEEPER_NO_SLOT; /* what the keeper holds may serve a next server */
		pipes_orphan(pipes);
		drop_if_done(unit->sup, pipes); /* a spawn under way still needs the write ends */
	}
}
