/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what a service says about itself: by sd_notify on a socket of its own, or by a newline on a descriptor (the way of
 * s6). The keeper holds our ends: what is said while the server restarts is heard by the next one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/parse.h"
#include "supervisor/probes.h"

/* Messages in a row; what a flood leaves comes in the next round. */
#define MESSAGES_MAX 64
/* One request for more time adds at most this much. */
#define EXTEND_MAX (3600 * USEC_PER_SEC)
#define BASE_DIR_SIZE 64

int probes_notify_number(const struct health_config *config)
{
	int64_t n;

	if (config->type != CONFIG_HEALTH_NOTIFY || !config->target.text || !str_starts(config->target.text, "fd:") ||
	    parse_int(config->target.text + 3, 3, LIMIT_SERVICE_FD, &n) < 0)
		return 0;
	return (int)n;
}

/* --- places ----------------------------------------------------------------------------------- */

/* Of root everybody's /run; of others their own run-time directory. */
static void base_dir(char out[BASE_DIR_SIZE])
{
	const char *own = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0)
		(void)str_copy(out, BASE_DIR_SIZE, "/run/zinit-notify");
	else if (own && snprintf(out, BASE_DIR_SIZE, "%s/zinit-notify", own) < BASE_DIR_SIZE)
		return;
	else
		(void)snprintf(out, BASE_DIR_SIZE, "/tmp/zinit-notify-%u", (unsigned int)geteuid());
}

/* The services' users must come through; nobody must be able to list or replace. */
static int make_dir(const char *path)
{
	struct stat st;

	if (mkdir(path, 0711) < 0 && errno != EEXIST)
		return -errno;
	if (lstat(path, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid())
		return -EPERM;
	return chmod(path, 0711) < 0 ? -errno : 0;
}

/* One directory for each keeper, so the path is the same for every server under it. */
static int socket_path(const struct unit *unit, bool make, char out[PROBES_PATH_SIZE])
{
	char dir[BASE_DIR_SIZE + 16];
	char base[BASE_DIR_SIZE];
	int r = 0;

	base_dir(base);
	(void)snprintf(dir, sizeof(dir), "%s/%llu", base, (unsigned long long)unit->sup->tag_instance);
	if (make)
		r = make_dir(base);
	if (make && r == 0)
		r = make_dir(dir);
	if (r == 0 && snprintf(out, PROBES_PATH_SIZE, "%s/%s", dir, unit->config->name) >= PROBES_PATH_SIZE)
		r = -ENAMETOOLONG;
	return r;
}

static void remove_socket(const struct unit *unit)
{
	char path[PROBES_PATH_SIZE];

	if (socket_path(unit, false, path) < 0)
		return;
	(void)unlink(path);
	/* the last one out: these fail as long as someone else is in there */
	*strrchr(path, '/') = '\0';
	(void)rmdir(path);
	*strrchr(path, '/') = '\0';
	(void)rmdir(path);
}

/* A descriptor that an earlier server gave to the keeper. */
static int take_kept(struct unit *unit, const char *key, uint32_t *out_slot)
{
	struct kept *kept;

	for (size_t i = 0; (kept = keeper_link_kept(unit->sup->keeper, i)); i++) {
		if (strcmp(kept->key, key) == 0 && kept->fds[0] >= 0) {
			*out_slot = kept->slot;
			return fd_steal(&kept->fds[0]);
		}
	}
	return -1;
}

/* --- the socket ------------------------------------------------------------------------------- */

static uid_t main_uid(pid_t pid)
{
	char path[32];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	return pid && stat(path, &st) == 0 ? st.st_uid : (uid_t)-1;
}

/*
 * Main process, or marked as one of the service's. One that is gone by now (systemd-notify in a script) can't be looked
 * at: then it must have been of the same user.
 */
static bool is_of_service(const struct unit *unit, const struct notify_message *m)
{
	pid_t main_pid = core_record(unit->sup->core, unit->id)->pid;
	struct tree_proc sender;

	if (m->pid <= 0)
		return false;
	if (m->pid == main_pid || tree_read_tag(m->pid) == tree_tag(unit->sup->tag_instance, unit->config->name))
		return true;
	return tree_read(m->pid, &sender) < 0 && (m->uid == 0 || m->uid == main_uid(main_pid));
}

static void refuse(struct probes *p, const char *why, pid_t pid)
{
	if (!p->refused)
		diag(DIAG_WARN, "%s: notify: refused %s (pid %d); further ones are refused in silence", p->unit->config->name, why,
		     (int)pid);
	p->refused = true;
}

static void announce(struct probes *p, const char *text)
{
	diag(DIAG_INFO, "%s: notify: %s", p->unit->config->name, text);
	unit_announce(p->unit, EVENT_HEALTH, text);
}

static void extend(struct probes *p, usec_t by)
{
	struct unit *unit = p->unit;

	unit->extended_until = time_add(loop_now(unit->sup->loop), MIN(by, (usec_t)EXTEND_MAX));
}

static void tell_health(struct probes *p, const struct notify_message *m)
{
	size_t check = probes_find(p->unit, CONFIG_HEALTH_NOTIFY, false);
	struct probe_result result;

	if (!p->health || check == SIZE_MAX)
		return;
	if (m->watchdog_usec)
		health_told_interval(p->health, check, m->watchdog_usec);
	if (m->ready)
		health_told_ready(p->health, check);
	if (m->watchdog && p->health)
		health_told_alive(p->health, check);
	if (m->watchdog_trigger && p->health) {
		probe_result_set(&result, PROBE_UNAVAILABLE, 0, "the service says that it is not well");
		health_told_failed(p->health, check, &result);
	}
}

static void handle(struct probes *p, const struct notify_message *m)
{
	if (!is_of_service(p->unit, m)) {
		refuse(p, "a message of a process that is not the service's", m->pid);
		return;
	}
	if (m->main_pid && m->main_pid != core_record(p->unit->sup->core, p->unit->id)->pid)
		refuse(p, "another MAINPID than the process that we started", m->pid);
	if (m->has_status)
		(void)str_copy(p->status_text, sizeof(p->status_text), m->status);
	if (m->extend_usec)
		extend(p, m->extend_usec);
	if (m->reloading)
		announce(p, "reloading");
	if (m->stopping)
		announce(p, "stopping");
	tell_health(p, m);
}

static void on_message(struct loop_io *io, uint32_t events, void *data)
{
	struct probes *p = data;
	struct notify_message m;

	(void)events;
	for (int i = 0; i < MESSAGES_MAX && p->notify_io == io; i++) {
		int r = notify_receive(loop_io_fd(io), &m);

		if (r > 0)
			handle(p, &m);
		else if (r == -EMSGSIZE)
			refuse(p, "a message of more than 4096 bytes", 0);
		else
			return;
	}
}

static void discard(int fd)
{
	struct notify_message m;
	int r;

	do {
		r = notify_receive(fd, &m);
	} while (r > 0 || r == -EMSGSIZE);
}

static int keep_socket(struct probes *p)
{
	char key[LIMIT_KEEPER_KEY];

	(void)snprintf(key, sizeof(key), "notify:%u", p->unit->id);
	return keeper_link_keep(p->unit->sup->keeper, &p->notify_slot, key, &p->notify_fd, 1);
}

static int open_socket(struct probes *p, bool make)
{
	char path[PROBES_PATH_SIZE];
	char key[LIMIT_KEEPER_KEY];
	int r = 0;

	if (p->notify_fd < 0) {
		(void)snprintf(key, sizeof(key), "notify:%u", p->unit->id);
		p->notify_fd = take_kept(p->unit, key, &p->notify_slot);
	}
	if (p->notify_fd < 0 && make) {
		r = socket_path(p->unit, true, path);
		p->notify_fd = r == 0 ? notify_open(path) : r;
		r = p->notify_fd < 0 ? p->notify_fd : keep_socket(p);
	}
	if (r == 0 && p->notify_fd >= 0 && !p->notify_io) {
		p->notify_io = loop_io_new(p->unit->sup->loop, p->notify_fd, EPOLLIN, on_message, p);
		r = p->notify_io ? 0 : -errno;
	}
	return r;
}

static void close_socket(struct probes *p)
{
	loop_io_free(p->notify_io);
	p->notify_io = NULL;
	auto_close(&p->notify_fd);
	p->notify_fd = -1;
}

/* --- the descriptor --------------------------------------------------------------------------- */

static void close_ready(struct probes *p)
{
	loop_io_free(p->ready_io);
	p->ready_io = NULL;
	auto_close(&p->ready_fd);
	p->ready_fd = -1;
}

static void forget_ready(struct probes *p)
{
	close_ready(p);
	keeper_link_forget(p->unit->sup->keeper, &p->ready_slot);
}

static void on_ready_readable(struct loop_io *io, uint32_t events, void *data)
{
	struct probes *p = data;
	size_t check = probes_find(p->unit, CONFIG_HEALTH_NOTIFY, true);
	struct probe_result result;
	char text[256];
	ssize_t n = read(loop_io_fd(io), text, sizeof(text));

	(void)events;
	if (n < 0)
		return;
	if (n > 0 && !memchr(text, '\n', (size_t)n))
		return;
	forget_ready(p);
	if (!p->health || check == SIZE_MAX)
		return;
	if (n > 0) {
		health_told_ready(p->health, check);
		return;
	}
	probe_result_set(&result, PROBE_MALFORMED, 0, "the descriptor was closed without a newline");
	health_told_trouble(p->health, check, &result);
}

/* Returns the write end, or negative errno. */
static int open_ready(struct probes *p, uint64_t run)
{
	AUTO(auto_close) int write_fd = -1;
	char key[LIMIT_KEEPER_KEY];
	int fds[2];
	int r;

	forget_ready(p);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	p->ready_fd = fds[0];
	write_fd = fds[1];
	p->ready_run = run;
	r = fd_set_nonblock(p->ready_fd, true);
	(void)snprintf(key, sizeof(key), "ready:%u:%llu", p->unit->id, (unsigned long long)run);
	if (r == 0)
		r = keeper_link_keep(p->unit->sup->keeper, &p->ready_slot, key, &p->ready_fd, 1);
	return r < 0 ? r : fd_steal(&write_fd);
}

static void adopt_ready(struct probes *p)
{
	char key[LIMIT_KEEPER_KEY];

	if (p->ready_fd >= 0 && p->ready_run == p->run)
		return;
	(void)snprintf(key, sizeof(key), "ready:%u:%llu", p->unit->id, (unsigned long long)p->run);
	close_ready(p);
	p->ready_fd = take_kept(p->unit, key, &p->ready_slot);
	p->ready_run = p->run;
}

/* --- the spawn -------------------------------------------------------------------------------- */

/* The service's environment and ours. */
static int add_environment(struct unit *unit, struct spawn_request *request, struct probes_spawn *out)
{
	char path[PROBES_PATH_SIZE];
	size_t check = probes_find(unit, CONFIG_HEALTH_NOTIFY, false);
	size_t n = 0;
	int r = socket_path(unit, false, path);

	if (r < 0)
		return r;
	while (request->env && request->env[n])
		n++;
	out->env = calloc(n + 3, sizeof(*out->env));
	if (!out->env)
		return -ENOMEM;
	(void)snprintf(out->socket, sizeof(out->socket), "NOTIFY_SOCKET=%s", path);
	(void)snprintf(out->watchdog, sizeof(out->watchdog), "WATCHDOG_USEC=%llu",
		       (unsigned long long)unit->config->health.items[check].interval_ms * USEC_PER_MSEC);
	for (size_t i = 0; i < n; i++)
		out->env[i] = request->env[i];
	out->env[n] = out->socket;
	out->env[n + 1] = out->watchdog;
	request->env = out->env;
	return 0;
}

int probes_spawn_prepare(struct unit *unit, uint64_t run, struct spawn_request *request, struct probes_spawn *out)
{
	size_t with_fd = probes_find(unit, CONFIG_HEALTH_NOTIFY, true);
	size_t with_socket = probes_find(unit, CONFIG_HEALTH_NOTIFY, false);
	struct probes *p;
	int r = 0;

	*out = (struct probes_spawn){ .fd.source = -1 };
	unit->extended_until = 0;
	if (with_fd == SIZE_MAX && with_socket == SIZE_MAX)
		return 0;
	p = probes_of(unit);
	if (!p)
		return -ENOMEM;
	p->refused = false;
	p->status_text[0] = '\0';
	if (with_socket != SIZE_MAX) {
		r = open_socket(p, true);
		if (r == 0)
			discard(p->notify_fd); /* of an earlier run */
		if (r == 0)
			r = add_environment(unit, request, out);
	}
	if (r == 0 && with_fd != SIZE_MAX) {
		out->fd = (struct spawn_fd){ .source = open_ready(p, run),
					     .target = probes_notify_number(&unit->config->health.items[with_fd]) };
		r = MIN(out->fd.source, 0);
		request->fds = &out->fd;
		request->n_fds = 1;
	}
	return r;
}

void probes_spawn_fini(struct probes_spawn *spawn)
{
	free(spawn->env);
	spawn->env = NULL;
}

/* --- from the glue ---------------------------------------------------------------------------- */

void probes_notify_start(struct probes *p)
{
	size_t with_fd = probes_find(p->unit, CONFIG_HEALTH_NOTIFY, true);
	size_t with_socket = probes_find(p->unit, CONFIG_HEALTH_NOTIFY, false);

	if (with_socket != SIZE_MAX && open_socket(p, false) < 0)
		diag(DIAG_ERROR, "%s: its notify socket can't be watched", p->unit->config->name);
	if (with_fd == SIZE_MAX)
		return;
	adopt_ready(p);
	if (p->ready_fd < 0 || p->ready_io)
		return;
	p->ready_io = loop_io_new(p->unit->sup->loop, p->ready_fd, EPOLLIN, on_ready_readable, p);
	if (!p->ready_io)
		diag(DIAG_ERROR, "%s: its readiness descriptor can't be watched", p->unit->config->name);
}

void probes_notify_stop(struct probes *p)
{
	/* the socket is listened to until the end: a service that stops may ask for more time */
	if (p->ready_run == p->run)
		forget_ready(p);
}

void probes_notify_fini(struct probes *p, bool forget)
{
	bool had_socket = p->notify_fd >= 0;

	close_socket(p);
	close_ready(p);
	if (!forget)
		return;
	keeper_link_forget(p->unit->sup->keeper, &p->notify_slot);
	keeper_link_forget(p->unit->sup->keeper, &p->ready_slot);
	if (had_socket)
		remove_socket(p->unit);
}
