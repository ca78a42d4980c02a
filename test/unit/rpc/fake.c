/* SPDX-License-Identifier: Apache-2.0 */
#include "fake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "config/service_config.h"
#include "log/log.h"
#include "process/stats.h"
#include "supervisor/ship.h"
#include "supervisor/change.h"

#define FAKE_PID 0x7ffffff0 /* above any pid_max: /proc has nothing of it */
#define QUEUE_MAX 64

int fake_init(struct supervisor *sup, struct loop *loop)
{
	const struct log_options options = { 0 };

	memset(sup, 0, sizeof(*sup));
	list_init(&sup->listeners);
	sup->core = core_new(1);
	if (!sup->core)
		return -ENOMEM;
	return log_engine_new(loop, &options, &sup->log, NULL);
}

void fake_fini(struct supervisor *sup)
{
	log_engine_free(sup->log, 10 * USEC_PER_SEC);
	core_free(sup->core);
	for (size_t i = 0; i < FAKE_SERVICES; i++)
		free(sup->configs[i]);
}

/* --- services --------------------------------------------------------------------------------------- */

static int fill(int ring_fd, const struct ring_opts *opts, const char *text)
{
	const struct ring_source source = { .run = 1, .stream = LOG_STDOUT };
	struct ring *ring;
	int ends[2];
	int r = ring_open(ring_fd, opts, &ring);

	if (r < 0)
		return r;
	if (pipe(ends) == 0) {
		if (write(ends[1], text, strlen(text)) > 0)
			(void)ring_pull(ring, ends[0], &source, 0, 1000000000, 0);
		(void)close(ends[0]);
		(void)close(ends[1]);
	}
	ring_unref(ring);
	return 0;
}

static void add_log(struct supervisor *sup, const char *name, const char *text)
{
	const struct log_service_opts opts = { .ring = { .max_lines = 100, .max_bytes = 65536 } };
	struct log_service *svc;
	int fd = ring_create(name, &opts.ring);

	if (fd >= 0 && (fill(fd, &opts.ring, text) < 0 || log_service_add(sup->log, name, &opts, fd, &svc) < 0))
		(void)close(fd);
}

uint32_t fake_add(struct supervisor *sup, const char *name, const char *requires, const char *text)
{
	const struct policy_dep dep = { .kind = DEP_REQUIRES, .name = requires };
	const struct service_policy policy = { .restart = RESTART_NEVER,
					       .stop_timeout = USEC_PER_SEC,
					       .deps = &dep,
					       .deps_n = requires ? 1 : 0 };
	uint32_t id = CORE_NONE;

	if (core_count(sup->core) >= FAKE_SERVICES || core_add(sup->core, name, &policy, &id, NULL) < 0)
		return CORE_NONE;
	free(sup->configs[id]);
	sup->configs[id] = calloc(1, sizeof(*sup->configs[id]));
	if (sup->configs[id])
		sup->configs[id]->name = core_name(sup->core, id);
	if (text)
		add_log(sup, name, text);
	return id;
}

/* --- what happens ----------------------------------------------------------------------------------- */

static void announce(struct supervisor *sup, const struct effect *e)
{
	struct supervisor_event *event = &sup->events[++sup->last_event % FAKE_EVENTS];
	struct supervisor_listener *listener;

	memset(event, 0, sizeof(*event));
	event->cursor = sup->last_event;
	event->kind = EVENT_STATE;
	(void)str_copy(event->name, sizeof(event->name), core_name(sup->core, e->id));
	(void)str_copy(event->from, sizeof(event->from), service_state_name((enum service_state)e->from));
	(void)str_copy(event->to, sizeof(event->to), service_state_name((enum service_state)e->to));
	LIST_FOREACH (listener, &sup->listeners, node)
		listener->fn(listener);
}

static void come_true(struct supervisor *sup, const struct effects *fx, struct core_event *queue, size_t *n)
{
	for (uint32_t i = 0; i < fx->n; i++) {
		const struct effect *e = &fx->v[i];

		if (e->kind == EFFECT_ANNOUNCE)
			announce(sup, e);
		if (sup->hold || *n + 2 > QUEUE_MAX)
			continue;
		if (e->kind == EFFECT_SPAWN) {
			queue[(*n)++] = (struct core_event){ .kind = EV_SPAWNED, .id = e->id, .run = e->run, .pid = FAKE_PID };
		} else if (e->kind == EFFECT_STOP_BEGIN) {
			queue[(*n)++] =
				(struct core_event){ .kind = EV_EXITED, .id = e->id, .run = e->run, .code = -1, .signal = 15 };
			queue[(*n)++] = (struct core_event){ .kind = EV_GONE, .id = e->id, .run = e->run };
		}
	}
}

static int step(struct supervisor *sup, const struct core_event *event)
{
	static struct effects fx;
	struct core_event queue[QUEUE_MAX];
	size_t n = 0;
	int first = 0;

	queue[n++] = *event;
	for (size_t i = 0; i < n; i++) {
		int r = core_step(sup->core, &queue[i], time_boottime(), &fx);

		if (i == 0)
			first = r;
		come_true(sup, &fx, queue, &n);
		while (core_pending(sup->core)) {
			core_continue(sup->core, time_boottime(), &fx);
			come_true(sup, &fx, queue, &n);
		}
	}
	return first;
}

void fake_exit(struct supervisor *sup, const char *name, int code)
{
	uint32_t id = core_find(sup->core, name);
	uint64_t run = core_record(sup->core, id)->run;
	const struct core_event exited = { .kind = EV_EXITED, .id = id, .run = run, .code = code };
	const struct core_event gone = { .kind = EV_GONE, .id = id, .run = run };

	(void)step(sup, &exited);
	(void)step(sup, &gone);
}

void fake_spawned(struct supervisor *sup, const char *name)
{
	uint32_t id = core_find(sup->core, name);
	const struct core_event event = {
		.kind = EV_SPAWNED, .id = id, .run = core_record(sup->core, id)->run, .pid = FAKE_PID
	};

	(void)step(sup, &event);
}

/* --- what the control server calls -------------------------------------------------------------------- */

const struct core *supervisor_core(const struct supervisor *sup)
{
	return sup->core;
}

struct log_engine *supervisor_log(const struct supervisor *sup)
{
	return sup->log;
}

int supervisor_info(const struct supervisor *sup, uint32_t id, struct supervisor_info *out)
{
	const struct service_record *record = core_record(sup->core, id);

	if (!record)
		return -ENOENT;
	*out = (struct supervisor_info){
		.name = core_name(sup->core, id),
		.config = id < FAKE_SERVICES ? sup->configs[id] : NULL,
		.pid = core_is_active(sup->core, id) ? record->pid : 0,
		.run = record->run,
		.uptime = core_is_active(sup->core, id) ? USEC_PER_SEC : 0,
		.exit_code = record->exit_code,
		.exit_signal = record->exit_signal,
		.has_exited = record->flags & RECORD_HAS_EXITED,
		.health = "none",
		.health_error = "",
	};
	return 0;
}

bool supervisor_invalid_next(const struct supervisor *sup, size_t *pos, const char **out_path, const char **out_name,
			     const char **out_message)
{
	(void)sup;
	*out_path = "/etc/zinit/services/bad.toml";
	*out_name = "bad";
	*out_message = "bad.toml:1:1: broken";
	return (*pos)++ == 0;
}

int supervisor_check(const struct supervisor *sup, uint32_t id, size_t check, struct supervisor_check *out)
{
	(void)sup;
	(void)id;
	(void)check;
	(void)out;
	return -ENOENT;
}

pid_t supervisor_prober_pid(const struct supervisor *sup)
{
	(void)sup;
	return 0;
}

ts_ns supervisor_booted_at(const struct supervisor *sup)
{
	(void)sup;
	return 1;
}

bool supervisor_is_shutting_down(const struct supervisor *sup)
{
	return sup->shut_down;
}

static int wish(struct supervisor *sup, const char *name, enum event_kind kind, const struct actor *by, struct error *err)
{
	const struct core_event event = {
		.kind = kind, .id = core_find(sup->core, name), .rule = RULE_ASKED, .uid = by->uid
	};
	int r = step(sup, &event);

	sup->calls++;
	return r < 0 ? error_set(err, -r, "'%s': refused", name) : 0;
}

int supervisor_start(struct supervisor *sup, const char *name, bool tree, const struct actor *by, struct error *err)
{
	(void)tree;
	return wish(sup, name, EV_START, by, err);
}

int supervisor_stop(struct supervisor *sup, const char *name, const struct actor *by, struct error *err)
{
	return wish(sup, name, EV_STOP, by, err);
}

int supervisor_restart(struct supervisor *sup, const char *name, const struct actor *by, struct error *err)
{
	return wish(sup, name, EV_RESTART, by, err);
}

int supervisor_kill(struct supervisor *sup, const char *name, int signo, bool leader_only, const struct actor *by,
		    struct error *err)
{
	(void)signo;
	(void)leader_only;
	(void)by;
	sup->calls++;
	if (!core_is_active(sup->core, core_find(sup->core, name)))
		return error_set(err, ESRCH, "service not running: %s", name);
	return 0;
}

int supervisor_reload_service(struct supervisor *sup, const char *name, const struct actor *by, struct error *err)
{
	return supervisor_kill(sup, name, 1, true, by, err);
}

int supervisor_stats(struct supervisor *sup, uint32_t id, bool with_pss, struct stats *out)
{
	(void)sup;
	(void)id;
	(void)with_pss;
	*out = (struct stats){ .processes = 2, .rss_bytes = 8192, .pss_bytes = 4096, .fds = 6, .threads = 3 };
	return 0;
}

int supervisor_processes(struct supervisor *sup, uint32_t id, stats_tree_fn fn, void *data)
{
	const struct stats_process main = { .proc = { .pid = FAKE_PID, .comm = "main", .state = 'S' } };
	const struct stats_process child = { .proc = { .pid = FAKE_PID - 1, .ppid = FAKE_PID, .comm = "child", .state = 'R' } };

	if (!core_is_active(sup->core, id))
		return 0;
	fn(&main, 0, data);
	fn(&child, 1, data);
	return 0;
}

int supervisor_survivors(struct supervisor *sup, uint32_t id, struct tree_list *out)
{
	(void)sup;
	(void)id;
	(void)out;
	return 0;
}

static int put(struct supervisor *sup, struct service_config *config, struct error *err)
{
	int r = 0;

	sup->calls++;
	if (core_find(sup->core, config->name) != CORE_NONE)
		r = error_set(err, EEXIST, "'%s' exists", config->name);
	else if (fake_add(sup, config->name, NULL, NULL) == CORE_NONE)
		r = error_set(err, ENOMEM, "no room");
	config_free(config);
	return r;
}

int supervisor_add(struct supervisor *sup, struct service_config *config, bool persist, const struct actor *by,
		   struct error *err)
{
	(void)persist;
	(void)by;
	return put(sup, config, err);
}

int supervisor_set(struct supervisor *sup, struct service_config *config, bool persist, const struct actor *by,
		   struct error *err)
{
	(void)persist;
	(void)by;
	return put(sup, config, err);
}

int supervisor_remove(struct supervisor *sup, const char *name, const struct actor *by, struct error *err)
{
	uint32_t id = core_find(sup->core, name);

	(void)by;
	sup->calls++;
	if (core_remove(sup->core, id, time_boottime()) < 0)
		return error_set(err, EBUSY, "'%s' is active", name);
	free(sup->configs[id]);
	sup->configs[id] = NULL;
	return 0;
}

int supervisor_forget(struct supervisor *sup, const char *name, const struct actor *by, struct error *err)
{
	if (core_find(sup->core, name) == CORE_NONE)
		return error_set(err, ENOENT, "service not found: %s", name);
	return supervisor_remove(sup, name, by, err);
}

int supervisor_monitor(struct supervisor *sup, const char *name, const struct actor *by, struct error *err)
{
	if (core_find(sup->core, name) == CORE_NONE)
		return error_set(err, ENOENT, "service not found: %s", name);
	return supervisor_start(sup, name, false, by, err);
}

/* One service that would be restarted, and a bad file. */
int changes_read(struct supervisor *sup, bool quiet, struct change_set *out, struct error *err)
{
	static char broken[] = "bad.toml:1:1: broken\n";
	static struct change v[] = {
		{ .kind = CHANGE_RESTART, .name = "web" },
		{ .kind = CHANGE_INVALID, .name = "bad", .text = broken },
	};

	(void)sup;
	(void)quiet;
	(void)err;
	*out = (struct change_set){ .v = v, .n = ARRAY_LEN(v), .digest = "0123456789abcdef" };
	return 0;
}

int changes_preview(struct supervisor *sup, const struct change_set *set, struct plan *out, struct error *err)
{
	const struct plan_change change = { .kind = PLAN_SHUTDOWN };

	(void)set;
	return plan_make(sup->core, &change, 1, time_boottime(), out, err);
}

void changes_fini(struct change_set *set)
{
	(void)set;
}

const char *change_kind_name(enum change_kind kind)
{
	return kind == CHANGE_RESTART ? "restart" : "invalid";
}

int supervisor_reload(struct supervisor *sup, const struct actor *by, struct change_set *out, struct error *err)
{
	int r = changes_read(sup, false, out, err);

	return r < 0 ? r : supervisor_reload_set(sup, by, out, err);
}

int supervisor_reload_set(struct supervisor *sup, const struct actor *by, struct change_set *set, struct error *err)
{
	(void)set;
	(void)by;
	(void)err;
	sup->calls++;
	return 0;
}

int supervisor_shutdown(struct supervisor *sup, const struct actor *by, struct error *err)
{
	(void)by;
	(void)err;
	sup->calls++;
	sup->shut_down = true;
	return 0;
}

bool supervisor_settled(const struct supervisor *sup, uint32_t id)
{
	return core_is_settled(sup->core, id);
}

const char *supervisor_event_kind_name(enum supervisor_event_kind kind)
{
	(void)kind;
	return "state";
}

int supervisor_event_after(const struct supervisor *sup, uint64_t cursor, struct supervisor_event *out, uint64_t *out_lost)
{
	uint64_t oldest = sup->last_event > FAKE_EVENTS ? sup->last_event - FAKE_EVENTS + 1 : 1;
	uint64_t next = MAX(cursor + 1, oldest);

	if (cursor >= sup->last_event)
		return 0;
	*out_lost = next - cursor - 1;
	*out = sup->events[next % FAKE_EVENTS];
	return 1;
}

uint64_t supervisor_event_last(const struct supervisor *sup)
{
	return sup->last_event;
}

void supervisor_listen(struct supervisor *sup, struct supervisor_listener *listener)
{
	list_append(&sup->listeners, &listener->node);
}

void supervisor_unlisten(struct supervisor_listener *listener)
{
	list_remove(&listener->node);
}

/* --- another server: what a keeper would hold ------------------------------------------------------- */

int supervisor_upgrade(struct supervisor *sup, const char *path, const struct actor *by, supervisor_upgrade_fn fn, void *data,
		       struct error *err)
{
	(void)path;
	(void)by;
	(void)err;
	sup->calls++;
	sup->upgrade_fn = fn;
	sup->upgrade_data = data;
	return 0;
}

void supervisor_upgrade_forget(struct supervisor *sup, const void *data)
{
	if (sup->upgrade_data == data)
		sup->upgrade_fn = NULL;
}

const struct supervisor_upgraded *supervisor_upgraded(const struct supervisor *sup)
{
	return &sup->upgraded;
}

int supervisor_keep_fd(struct supervisor *sup, const char *key, int fd)
{
	struct fake_kept *kept = &sup->kept[sup->kept_n];

	if (sup->kept_n == FAKE_KEPT)
		return -ENOSPC;
	kept->fd = dup(fd);
	(void)str_copy(kept->key, sizeof(kept->key), key);
	sup->kept_n++;
	return 0;
}

int supervisor_take_kept_fd(struct supervisor *sup, const char *key)
{
	for (size_t i = 0; i < sup->kept_n; i++) {
		if (str_equal(sup->kept[i].key, key))
			return dup(sup->kept[i].fd);
	}
	return -1;
}

void supervisor_take_kept(struct supervisor *sup, const char *prefix, void (*fn)(const char *key, int fd, void *data),
			  void *data)
{
	for (size_t i = 0; i < sup->kept_n; i++) {
		if (str_starts(sup->kept[i].key, prefix))
			fn(sup->kept[i].key, dup(sup->kept[i].fd), data);
	}
}

void supervisor_forget_kept(struct supervisor *sup, const char *prefix)
{
	size_t n = 0;

	for (size_t i = 0; i < sup->kept_n; i++) {
		if (str_starts(sup->kept[i].key, prefix))
			(void)close(sup->kept[i].fd);
		else
			sup->kept[n++] = sup->kept[i];
	}
	sup->kept_n = n;
}

/* --- shipping: there is none -------------------------------------------------------------------- */

int ship_status(const struct supervisor *sup, size_t i, struct ship_sink_status *out)
{
	(void)sup;
	(void)i;
	(void)out;
	return -ENOENT;
}

pid_t ship_pid(const struct supervisor *sup, unsigned int *out_starts)
{
	(void)sup;
	*out_starts = 0;
	return 0;
}

const char *ship_phase_name(enum ship_sink_phase phase)
{
	(void)phase;
	return "idle";
}

int ship_probe_start(struct supervisor *sup, const struct ship_settings *settings, ship_probe_fn fn, void *data,
		     struct ship_probe **out)
{
	(void)sup;
	(void)settings;
	(void)fn;
	(void)data;
	(void)out;
	return -EAGAIN;
}

void ship_probe_cancel(struct ship_probe *p)
{
	(void)p;
}

/* --- the installation --------------------------------------------------------------------------- */

const char *supervisor_service_dir(const struct supervisor *sup, size_t i)
{
	(void)sup;
	return i == 0 ? "/etc/zinit/services" : NULL;
}

const char *supervisor_log_dir(const struct supervisor *sup)
{
	(void)sup;
	return NULL;
}

const char *supervisor_no_cgroups(const struct supervisor *sup)
{
	(void)sup;
	return "there are none here";
}
