/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the supervisor's object, the step from event to effects, looking and asking. */
#include "supervisor/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/kernel_names.h"
#include "config/server_settings.h"
#include "process/prober.h"
#include "process/signal.h"
#include "service/why.h"
#include "supervisor/internal.h"

#define QUEUE_FIRST 64

struct unit *unit_at(const struct supervisor *sup, uint32_t id)
{
	return id < sup->units_n ? sup->units[id] : NULL;
}

struct unit *unit_find(const struct supervisor *sup, const char *name)
{
	uint32_t id = core_find(sup->core, name);

	return id == CORE_NONE ? NULL : unit_at(sup, id);
}

void unit_save(struct unit *unit)
{
	const struct saved saved = {
		.core = *core_record(unit->sup->core, unit->id),
		.last = unit->last,
		.intent = unit->intent,
		.unhealthy = unit->unhealthy,
		.event = unit->event,
		.timetable = unit->timetable,
	};
	unsigned char record[SAVED_ROOM]; /* saved_format.size of it is used */

	saved_encode(&saved, record);
	state_commit(unit->sup->state, unit->id, record);
}

/* --- the step --------------------------------------------------------------------------------- */

static void save_dirty(struct supervisor *sup)
{
	uint32_t id;

	while ((id = core_take_dirty(sup->core)) != CORE_NONE) {
		struct unit *unit = unit_at(sup, id);

		if (unit)
			unit_save(unit);
	}
}

/* Records first, effects after: what we are about to do is on record before it is done. */
static void carry_out(struct supervisor *sup)
{
	for (;;) {
		for (uint32_t i = 0; i < sup->effects.n; i++)
			announce_prepare(sup, &sup->effects.v[i]);
		save_dirty(sup);
		events_publish(&sup->events);
		for (uint32_t i = 0; i < sup->effects.n; i++)
			perform(sup, &sup->effects.v[i]);
		if (!core_pending(sup->core))
			return;
		core_continue(sup->core, loop_now(sup->loop), &sup->effects);
	}
}

static int enqueue(struct supervisor *sup, const struct core_event *event)
{
	if (sup->queue_n == sup->queue_cap) {
		size_t cap = sup->queue_cap ? sup->queue_cap * 2 : QUEUE_FIRST;
		struct core_event *queue = realloc(sup->queue, cap * sizeof(*queue));

		if (!queue) {
			diag(DIAG_ERROR, "no memory for event %s: it is lost", event_kind_name(event->kind));
			return -ENOMEM;
		}
		sup->queue = queue;
		sup->queue_cap = cap;
	}
	sup->queue[sup->queue_n++] = *event;
	return 0;
}

static int step(struct supervisor *sup, const struct core_event *event)
{
	int r = core_step(sup->core, event, loop_now(sup->loop), &sup->effects);

	if (r == -EPROTO) {
		const char *text;

		(void)core_bugs(sup->core, &text);
		diag(DIAG_ERROR, "bug in zinit: %s; nothing was changed by it", text);
	}
	carry_out(sup);
	return r;
}

static void drain_queue(struct supervisor *sup)
{
	for (size_t i = 0; i < sup->queue_n; i++) {
		struct core_event event = sup->queue[i]; /* the queue may move while it is handled */

		(void)step(sup, &event);
	}
	sup->queue_n = 0;
}

int supervisor_feed(struct supervisor *sup, const struct core_event *event)
{
	int r;

	if (sup->stepping)
		return enqueue(sup, event);
	sup->stepping = true;
	r = step(sup, event);
	drain_queue(sup);
	sup->stepping = false;
	events_tell(&sup->events);
	return r;
}

void supervisor_continue(struct supervisor *sup)
{
	if (sup->stepping)
		return; /* whoever steps continues anyway */
	sup->stepping = true;
	core_continue(sup->core, loop_now(sup->loop), &sup->effects);
	carry_out(sup);
	drain_queue(sup);
	sup->stepping = false;
	events_tell(&sup->events);
}

void supervisor_resume(struct supervisor *sup, uint32_t id, const struct core_facts *facts)
{
	sup->stepping = true;
	(void)core_resume(sup->core, id, facts, loop_now(sup->loop), &sup->effects);
	carry_out(sup);
	drain_queue(sup);
	sup->stepping = false;
}

void supervisor_prepare(struct supervisor *sup, enum supervisor_event_kind kind, const char *name, const char *cause)
{
	struct supervisor_event event = { .kind = kind };

	(void)str_copy(event.name, sizeof(event.name), name);
	(void)str_copy(event.cause, sizeof(event.cause), cause);
	(void)events_prepare(&sup->events, &event);
}

/* Within a step the end of the step tells. */
static void publish(struct supervisor *sup)
{
	events_publish(&sup->events);
	if (!sup->stepping)
		events_tell(&sup->events);
}

void supervisor_announce(struct supervisor *sup, enum supervisor_event_kind kind, const char *name, const char *cause)
{
	supervisor_prepare(sup, kind, name, cause);
	publish(sup);
}

void unit_announce(struct unit *unit, enum supervisor_event_kind kind, const char *cause)
{
	supervisor_prepare(unit->sup, kind, unit->config->name, cause);
	unit->event = unit->sup->events.prepared;
	unit_save(unit);
	publish(unit->sup);
}

/* --- the keeper's news ------------------------------------------------------------------------ */

static void on_exited(pid_t pid, int code, int status, void *data)
{
	launch_on_exited(data, pid, code, status);
}

static void reload_by_signal(struct supervisor *sup, const struct actor *by)
{
	struct change_set set;
	struct error err;

	if (supervisor_reload(sup, by, &set, &err) < 0)
		diag(DIAG_ERROR, "reload: %s", err.msg);
	else
		changes_fini(&set);
}

static void on_signal(int signo, void *data)
{
	struct supervisor *sup = data;
	const struct actor by = { .uid = 0, .via = "signal" };
	char name[SIGNAL_NAME_SIZE];
	struct error err;

	signal_name(signo, name);
	switch (signo) {
	case SIGTERM:
	case SIGINT:
	case SIGQUIT:
	case SIGPWR:
		diag(DIAG_INFO, "%s: shutting down", name);
		(void)supervisor_shutdown(sup, &by, NULL);
		break;
	case SIGUSR1:
		diag(DIAG_INFO, "%s: upgrading to what is at %s", name, sup->program);
		if (supervisor_upgrade(sup, "", &by, NULL, NULL, &err) < 0)
			diag(DIAG_ERROR, "%s: %s", name, err.msg);
		break;
	case SIGHUP:
		diag(DIAG_INFO, "%s: reloading", name);
		reload_by_signal(sup, &by);
		break;
	default:
		diag(DIAG_INFO, "%s: ignored", name);
	}
}

void supervisor_finish(struct supervisor *sup)
{
	keeper_link_done(sup->keeper, sup->exit_code);
	sup->on_done(sup->exit_code, sup->data);
}

static void on_lost(void *data)
{
	struct supervisor *sup = data;
	const struct actor by = { .uid = 0, .via = "keeper" };

	/* without it nobody tells exits, and services can't be adopted by a next server: end in good order while we can */
	diag(DIAG_ERROR, "the keeper is gone: stopping all services");
	sup->exit_code = 1;
	sup->keeper_lost = true;
	(void)supervisor_shutdown(sup, &by, NULL);
}

/* --- making ----------------------------------------------------------------------------------- */

static void on_shutdown_deadline(struct loop_timer *timer, void *data)
{
	const struct core_event event = { .kind = EV_TIMER, .id = CORE_NONE, .timer = TIMER_SHUTDOWN };

	(void)timer;
	diag(DIAG_WARN, "shutdown took too long: killing what is left");
	(void)supervisor_feed(data, &event);
}

static int copy_dirs(struct supervisor *sup, const struct supervisor_options *options)
{
	sup->dirs = calloc(options->service_dirs_n, sizeof(*sup->dirs));
	if (!sup->dirs && options->service_dirs_n)
		return -ENOMEM;
	for (size_t i = 0; i < options->service_dirs_n; i++) {
		sup->dirs[i].path = strdup(options->service_dirs[i]);
		sup->dirs[i].system = options->service_dirs_system[i];
		if (!sup->dirs[i].path)
			return -ENOMEM;
		sup->dirs_n++;
	}
	return 0;
}

static bool is_known_child(pid_t pid, void *data)
{
	static pid_t own; /* asked for every child of the keeper, and a system call */

	if (!own)
		own = getpid();
	return pid == own || children_has(data, pid);
}

static int build(struct supervisor *sup, const struct supervisor_options *options, struct error *err)
{
	const struct keeper_link_callbacks callbacks = {
		.on_exited = on_exited,
		.on_signal = on_signal,
		.on_lost = on_lost,
		.data = sup,
	};
	uint64_t seed = (uint64_t)time_realtime();
	int r;

	(void)!getrandom(&seed, sizeof(seed), GRND_NONBLOCK);
	r = keeper_link_open(sup->loop, options->keeper_fd, &callbacks, &sup->keeper, err);
	if (r < 0)
		return r;
	sup->tag_instance = server_instance();
	sup->core = core_new(seed);
	sup->spawner = spawner_new(sup->loop, err);
	if (!sup->spawner)
		return error_wrap(err, "the spawner");
	sup->stopper = stopper_new(sup->loop, getppid());
	if (sup->stopper)
		stopper_set_known(sup->stopper, &(struct tree_known){ is_known_child, &sup->children });
	sup->prober = prober_new(sup->loop, &(struct prober_owner){ probes_worker_spawn, probes_worker_end, sup });
	sup->shutdown_timer = loop_timer_new(sup->loop, on_shutdown_deadline, sup);
	sup->program = strdup(options->program ? options->program : "/proc/self/exe");
	if (!sup->core || !sup->stopper || !sup->prober || !sup->shutdown_timer || !sup->program || copy_dirs(sup, options) < 0)
		return error_set(err, ENOMEM, "no memory for the supervisor");
	cgroups_open(sup);
	return 0;
}

int supervisor_begin(struct supervisor *sup, struct log_engine *log, struct error *err)
{
	int r;

	sup->log = log;
	r = adopt(sup, err);
	if (r == 0)
		ship_begin(sup);
	return r;
}

void supervisor_log_ended(struct log_service *svc, enum log_stream stream, uint32_t tag, void *data)
{
	struct unit *unit = unit_find(data, log_service_name(svc));

	if (unit)
		pipes_ended(unit, stream, tag);
}

int supervisor_new(const struct supervisor_options *options, struct supervisor **out, struct error *err)
{
	struct supervisor *sup = calloc(1, sizeof(*sup));
	int r;

	if (!sup)
		return error_set(err, ENOMEM, "no memory for the supervisor");
	sup->loop = options->loop;
	sup->settings = options->settings;
	sup->shutdown_timeout_ms = options->settings->shutdown_timeout_ms;
	sup->log_dir = options->log_dir;
	sup->on_done = options->on_done;
	sup->on_incident = options->on_incident;
	sup->on_hand_over = options->on_hand_over;
	sup->data = options->data;
	sup->state_slot = sup->definitions_slot = sup->events_slot = sup->journal_slot = KEEPER_NO_SLOT;
	sup->events.fd = sup->clock_fd = -1;
	list_init(&sup->events.listeners);
	list_init(&sup->invalid);
	list_init(&sup->waiting);
	list_init(&sup->draining);
	list_init(&sup->exec_probes);
	list_init(&sup->trials);
	r = build(sup, options, err);
	if (r < 0) {
		supervisor_free(sup);
		return r;
	}
	*out = sup;
	return 0;
}

const char *supervisor_service_dir(const struct supervisor *sup, size_t i)
{
	return i < sup->dirs_n ? sup->dirs[i].path : NULL;
}

const char *supervisor_log_dir(const struct supervisor *sup)
{
	return sup->log_dir;
}

const char *supervisor_no_cgroups(const struct supervisor *sup)
{
	return sup->cgroups ? NULL : sup->no_cgroups.code ? sup->no_cgroups.msg : "not set up";
}

void supervisor_free(struct supervisor *sup)
{
	if (!sup)
		return;
	diag_set_sink(NULL);
	for (size_t i = 0; i < sup->units_n; i++)
		unit_free(sup->units[i]);
	free(sup->units);
	manage_fini(sup);
	probes_exec_fini(sup);
	probes_worker_fini(sup);
	upgrade_fini(sup);
	ship_fini(sup);
	schedules_fini(sup);
	watches_fini(sup);
	stopper_free(sup->stopper);
	prober_free(sup->prober);
	spawner_free(sup->spawner);
	if (sup->core)
		cgroups_close(sup);
	core_free(sup->core);
	events_fini(&sup->events);
	definitions_free(sup->definitions);
	state_free(sup->state);
	keeper_link_free(sup->keeper);
	loop_timer_free(sup->shutdown_timer);
	loop_timer_free(sup->drain_timer);
	loop_timer_free(sup->trial_timer);
	children_fini(&sup->children);
	free(sup->queue);
	for (size_t i = 0; i < sup->dirs_n; i++)
		free(sup->dirs[i].path);
	free(sup->dirs);
	free(sup->program);
	free(sup);
}

/* --- looking ---------------------------------------------------------------------------------- */

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
	const struct unit *unit = unit_at(sup, id);
	const struct service_record *record;

	if (!unit)
		return -ENOENT;
	record = core_record(sup->core, id);
	*out = (struct supervisor_info){
		.name = core_name(sup->core, id),
		.config = unit->config,
		.path = unit_path(unit),
		.pid = record->pid,
		.run = record->run,
		.started_at = unit->last.started_at,
		.ended_at = unit->last.ended_at,
		.uptime = record->pid ? loop_now(sup->loop) - MIN(loop_now(sup->loop), record->started_at) : 0,
		.exit_code = record->flags & RECORD_HAS_EXITED ? record->exit_code : -1,
		.exit_signal = record->exit_signal,
		.has_exited = record->flags & RECORD_HAS_EXITED,
		.oom_kills = unit->oom,
		.undone = unit->undone,
		.on_trial = unit->old != NULL,
	};
	out->next_run = schedule_next_run(unit);
	probes_info(unit, out);
	return 0;
}

bool supervisor_invalid_next(const struct supervisor *sup, size_t *pos, const char **out_path, const char **out_name,
			     const char **out_message)
{
	const struct invalid *invalid;
	size_t i = 0;

	if (sup->invalid_unknown)
		manage_scan_invalid((struct supervisor *)(uintptr_t)sup);
	LIST_FOREACH (invalid, &sup->invalid, node) {
		if (i++ < *pos)
			continue;
		*pos = i;
		*out_path = invalid->path;
		*out_name = invalid->name;
		*out_message = invalid->message;
		return true;
	}
	return false;
}

ts_ns supervisor_booted_at(const struct supervisor *sup)
{
	return state_globals(sup->state)->booted_at;
}

bool supervisor_is_shutting_down(const struct supervisor *sup)
{
	return core_is_shutting_down(sup->core);
}

bool supervisor_settled(const struct supervisor *sup, uint32_t id)
{
	const struct unit *unit = unit_at(sup, id);

	return !unit || (!unit->next && !unit->old && !unit->intent.removing && !unit->last.exit.pid && core_is_settled(sup->core, id));
}

int supervisor_event_after(const struct supervisor *sup, uint64_t cursor, struct supervisor_event *out, uint64_t *out_lost)
{
	return events_after(&sup->events, cursor, out, out_lost);
}

uint64_t supervisor_event_last(const struct supervisor *sup)
{
	return *sup->events.cursor;
}

void supervisor_listen(struct supervisor *sup, struct supervisor_listener *listener)
{
	list_append(&sup->events.listeners, &listener->node);
}

void supervisor_unlisten(struct supervisor_listener *listener)
{
	list_remove(&listener->node);
}

/* --- what the keeper holds for others ----------------------------------------------------------- */

int supervisor_take_kept_fd(struct supervisor *sup, const char *key)
{
	struct kept *kept;

	for (size_t i = 0; (kept = keeper_link_kept(sup->keeper, i)); i++) {
		if (strcmp(kept->key, key) == 0)
			return fd_steal(&kept->fds[0]);
	}
	return -1;
}

int supervisor_keep_fd(struct supervisor *sup, const char *key, int fd)
{
	struct kept *kept;
	uint32_t slot = KEEPER_NO_SLOT;

	for (size_t i = 0; (kept = keeper_link_kept(sup->keeper, i)); i++) {
		if (strcmp(kept->key, key) == 0)
			slot = kept->slot;
	}
	return keeper_link_keep(sup->keeper, &slot, key, &fd, 1);
}

void supervisor_take_kept(struct supervisor *sup, const char *prefix, void (*fn)(const char *key, int fd, void *data),
			  void *data)
{
	struct kept *kept;

	for (size_t i = 0; (kept = keeper_link_kept(sup->keeper, i)); i++) {
		if (str_starts(kept->key, prefix) && kept->fds[0] >= 0)
			fn(kept->key, fd_steal(&kept->fds[0]), data);
	}
}

void supervisor_forget_kept(struct supervisor *sup, const char *prefix)
{
	struct kept *kept;

	for (size_t i = 0; (kept = keeper_link_kept(sup->keeper, i)); i++) {
		if (str_starts(kept->key, prefix))
			keeper_link_forget(sup->keeper, &kept->slot);
	}
	keeper_link_tidy_kept(sup->keeper);
}

/* --- asking ----------------------------------------------------------------------------------- */

static int not_found(const struct supervisor *sup, const char *name, struct error *err)
{
	const char **names;
	const char *near = NULL;
	size_t n = 0;

	names = calloc(core_count(sup->core) + 1, sizeof(*names));
	if (names) {
		for (uint32_t id = core_next(sup->core, CORE_NONE); id != CORE_NONE; id = core_next(sup->core, id))
			names[n++] = core_name(sup->core, id);
		near = str_nearest(name, names, n);
		free(names);
	}
	if (near)
		return error_set(err, ENOENT, "service not found: %s; did you mean '%s'?", name, near);
	return error_set(err, ENOENT, "service not found: %s", name);
}

static int wish(struct supervisor *sup, const char *name, const struct core_event *template, const char *already,
		struct error *err)
{
	struct core_event event = *template;
	struct unit *unit = unit_find(sup, name);
	int r;

	if (!unit)
		return not_found(sup, name, err);
	if (unit->intent.removing && event.kind != EV_STOP)
		return error_set(err, EINVAL, "service '%s' is being removed", name);
	event.id = unit->id;
	r = supervisor_feed(sup, &event);
	if (r == -EALREADY)
		return error_set(err, EALREADY, "service '%s' is already %s", name, already);
	if (r == -ESHUTDOWN)
		return error_set(err, ESHUTDOWN, "the server is shutting down");
	return r < 0 ? error_set(err, -r, "service '%s': %s", name, strerror(-r)) : 0;
}

int supervisor_start(struct supervisor *sup, const char *name, bool tree, const struct actor *by, struct error *err)
{
	const struct core_event event = { .kind = EV_START, .rule = RULE_ASKED, .uid = by->uid, .tree = tree };

	return wish(sup, name, &event, "running, or about to be", err);
}

int supervisor_stop(struct supervisor *sup, const char *name, const struct actor *by, struct error *err)
{
	const struct core_event event = { .kind = EV_STOP, .rule = RULE_ASKED, .uid = by->uid };
	struct unit *unit = unit_find(sup, name);

	if (unit)
		(void)unit_note_leftovers(unit, true);

	return wish(sup, name, &event, "stopped, or about to be", err);
}

int supervisor_restart(struct supervisor *sup, const char *name, const struct actor *by, struct error *err)
{
	const struct core_event event = { .kind = EV_RESTART, .rule = RULE_ASKED, .uid = by->uid };

	return wish(sup, name, &event, "being restarted", err);
}

int supervisor_kill(struct supervisor *sup, const char *name, int signo, bool leader_only, const struct actor *by,
		    struct error *err)
{
	struct core_event event = { .kind = EV_KILL_ASKED, .rule = RULE_ASKED, .uid = by->uid, .signal = signo };
	struct unit *unit = unit_find(sup, name);
	struct stop_target target;
	char signal_text[SIGNAL_NAME_SIZE];
	int r;

	if (!unit)
		return not_found(sup, name, err);
	if (unit->config->is_target)
		return error_set(err, EINVAL, "'%s' is a target: it has no process to signal", name);
	unit_target(unit, &target);
	if (!target.main)
		return error_set(err, ESRCH, "service not running: %s", name);
	event.id = unit->id;
	(void)supervisor_feed(sup, &event);
	if (leader_only)
		target.mode = KILL_PROCESS;
	r = stop_signal_service(sup->stopper, &target, signo);
	signal_name(signo, signal_text);
	return r < 0 ? error_set(err, -r, "sending %s to '%s': %s", signal_text, name, strerror(-r)) : 0;
}

int supervisor_reload_service(struct supervisor *sup, const char *name, const struct actor *by, struct error *err)
{
	struct unit *unit = unit_find(sup, name);
	const struct config_command *command = unit ? &unit->config->reload_command : NULL;
	const struct service_record *record;

	if (!unit || unit->config->is_target || !(command->text || command->argv))
		return supervisor_kill(sup, name, unit ? unit->config->reload_signal : SIGHUP, true, by, err);
	record = core_record(sup->core, unit->id);
	if (!record->pid)
		return error_set(err, ESRCH, "service not running: %s", name);
	if (unit->task)
		return error_set(err, EBUSY, "service '%s': another of its commands is running", name);
	task_start(unit, TASK_RELOAD_COMMAND, record->run);
	return 0;
}

void supervisor_settings(struct supervisor *sup, const struct server_settings *settings)
{
	sup->shutdown_timeout_ms = settings->shutdown_timeout_ms;
	log_engine_set_total(sup->log, settings->log_max_total);
	ship_settings(sup, settings);
}

int supervisor_shutdown(struct supervisor *sup, const struct actor *by, struct error *err)
{
	struct core_event event = { .kind = EV_SHUTDOWN, .id = CORE_NONE, .rule = RULE_ASKED, .uid = by->uid };
	struct state_globals *globals = state_globals(sup->state);
	bool looked = false;
	int r;

	if (core_is_shutting_down(sup->core))
		return 0;
	event.deadline = sup->shutdown_timeout_ms
				 ? time_add(loop_now(sup->loop), sup->shutdown_timeout_ms * USEC_PER_MSEC)
				 : USEC_NEVER;
	globals->shutdown_at = event.deadline;
	for (size_t i = 0; i < sup->units_n; i++) {
		if (sup->units[i] && unit_note_leftovers(sup->units[i], !looked))
			looked = true;
	}
	supervisor_announce(sup, EVENT_SHUTDOWN, "", by->via);
	r = supervisor_feed(sup, &event);
	return r < 0 ? error_set(err, -r, "shutdown: %s", strerror(-r)) : 0;
}
