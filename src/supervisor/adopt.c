/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the beginning. With nothing left by an earlier server: new memfds, given to the keeper, and the service
 * directories. Otherwise: the same services, processes, pipes and rings as before, and what was under way goes on. The
 * files on disk are then not read: they may have changed, and nobody asked for a reload.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/fd.h"
#include "supervisor/internal.h"

#define KEY_STATE "state"
#define KEY_DEFINITIONS "definitions"
#define KEY_EVENTS "events"
/* A child between clone(2) and its first instructions needs microseconds; on a machine that swaps, more. */
#define HALF_SPAWNED_TRIES 5000
#define HALF_SPAWNED_PAUSE_NS 1000000L

/* --- beginning -------------------------------------------------------------------------------- */

static int begin_new(struct supervisor *sup, struct error *err)
{
	int fd;
	int r = state_new(SAVED_VERSION, sizeof(struct saved), &sup->state, err);

	if (r == 0)
		r = definitions_new(&sup->definitions, err);
	if (r < 0)
		return r;
	r = events_init(&sup->events, -1, &state_globals(sup->state)->event_cursor);
	fd = state_fd(sup->state);
	if (r == 0)
		r = keeper_link_keep(sup->keeper, &sup->state_slot, KEY_STATE, &fd, 1);
	fd = definitions_fd(sup->definitions);
	if (r == 0)
		r = keeper_link_keep(sup->keeper, &sup->definitions_slot, KEY_DEFINITIONS, &fd, 1);
	if (r == 0)
		r = keeper_link_keep(sup->keeper, &sup->events_slot, KEY_EVENTS, &sup->events.fd, 1);
	if (r < 0)
		return error_set(err, -r, "giving the keeper what it is to hold: %s", strerror(-r));
	r = own_log_open(sup, err);
	return r < 0 ? r : manage_load(sup, err);
}

/* --- taking over ------------------------------------------------------------------------------ */

static struct service_config *parse_definition(const char *text)
{
	const char *json_text = strchr(text, '\n');
	struct service_config *config = NULL;
	struct problems problems;
	json_error_t error;
	json_t *json = json_text ? json_loads(json_text + 1, 0, &error) : NULL;

	problems_init(&problems);
	if (!json || load_service_json(json, 0, &problems, &config) < 0) {
		AUTO(strbuf_fini) struct strbuf why = STRBUF(DIAG_LINE_MAX);

		problems_format(&problems, "definition", &why);
		diag(DIAG_ERROR, "the definition that a service runs by can't be read: %s", strbuf_str(&why));
	}
	problems_fini(&problems);
	json_decref(json);
	return config;
}

static char *parse_path(const char *text)
{
	size_t n = strcspn(text, "\n");

	return n ? strndup(text, n) : NULL;
}

static int adopt_unit(struct supervisor *sup, uint32_t id, const struct saved *saved)
{
	AUTO(auto_free) char *text = definitions_get(sup->definitions, id);
	struct service_config *config = text ? parse_definition(text) : NULL;
	struct unit *unit;
	int r;

	if (!config)
		return -EINVAL;
	r = policy_from_config(config, &sup->policy_box);
	if (r == 0)
		r = core_add_at(sup->core, id, config->name, &sup->policy_box.policy, NULL);
	if (r == 0)
		r = unit_new(sup, id, config, &unit);
	if (r < 0) {
		config_free(config);
		return r;
	}
	unit->last = saved->last;
	unit->path = parse_path(text);
	return core_restore(sup->core, id, &saved->core);
}

static int adopt_units(struct supervisor *sup, struct error *err)
{
	for (uint32_t id = 0; id < state_end(sup->state); id++) {
		const struct saved *saved = state_read(sup->state, id);
		int r = saved ? adopt_unit(sup, id, saved) : 0;

		if (r == -ENOMEM)
			return error_set(err, ENOMEM, "no memory to take over service %u", id);
		if (r < 0)
			diag(DIAG_ERROR, "service %u can't be taken over: %s", id, strerror(-r));
	}
	return 0;
}

/* Rings before pipes: a pipe is read into the ring of its service. */
static void adopt_rings(struct supervisor *sup)
{
	struct kept *kept;
	unsigned int id;

	for (size_t i = 0; (kept = keeper_link_kept(sup->keeper, i)); i++) {
		struct unit *unit;
		int r;

		if (sscanf(kept->key, "ring:%u", &id) != 1)
			continue;
		unit = unit_at(sup, id);
		r = unit ? unit_open_log(unit, fd_steal(&kept->fds[0]), kept->slot) : -ENOENT;
		if (r < 0)
			diag(DIAG_ERROR, "%s: its log can't be taken over: %s", unit ? unit->config->name : kept->key,
			     strerror(-r));
	}
}

static void adopt_pipes(struct supervisor *sup)
{
	struct kept *kept;
	unsigned long long run;
	unsigned int id;
	unsigned int streams;

	for (size_t i = 0; (kept = keeper_link_kept(sup->keeper, i)); i++) {
		struct unit *unit;

		if (sscanf(kept->key, "pipe:%u:%llu:%u", &id, &run, &streams) != 3)
			continue;
		unit = unit_at(sup, id);
		if (unit && unit->log && pipes_adopt(unit, run, kept, streams) < 0)
			diag(DIAG_ERROR, "%s: a pipe of run %llu can't be taken over", unit->config->name, run);
	}
}

static bool same_program(pid_t pid)
{
	char path[32];
	char theirs[256];
	char ours[256];
	ssize_t n;
	ssize_t m;

	(void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	n = readlink(path, theirs, sizeof(theirs));
	m = readlink("/proc/self/exe", ours, sizeof(ours));
	return n > 0 && n == m && memcmp(theirs, ours, (size_t)n) == 0;
}

/* A child of the keeper that still runs the server's program, and is not us: cloned, but not yet on record. */
static bool half_spawned_exists(void)
{
	struct tree_list list = { 0 };
	bool found = false;

	if (tree_descendants(getppid(), &list) == 0) {
		for (size_t i = 0; i < list.n; i++)
			found = found || (list.procs[i].ppid == getppid() && list.procs[i].pid != getpid() &&
					  same_program(list.procs[i].pid));
	}
	tree_list_fini(&list);
	return found;
}

/* The earlier server died while it was spawning: the child puts its own pid on record before anything else. */
static pid_t spawned_pid(struct unit *unit)
{
	volatile pid_t *slot = state_spawn_pid(unit->sup->state, unit->id);

	for (int i = 0; i < HALF_SPAWNED_TRIES && !*slot && half_spawned_exists(); i++)
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ .tv_nsec = HALF_SPAWNED_PAUSE_NS }, NULL);
	return *slot;
}

static struct core_facts find_facts(struct unit *unit)
{
	const struct service_record *record = core_record(unit->sup->core, unit->id);
	struct core_facts facts = { .kind = FACT_NOTHING };

	if (unit->last.exit.pid) {
		facts = (struct core_facts){ .kind = FACT_PENDING };
	} else if (record->pid) {
		facts = (struct core_facts){ .kind = FACT_PROCESS, .pid = record->pid };
	} else if (record->phase == PHASE_SPAWN || record->phase == PHASE_STOP_SPAWN) {
		facts.pid = spawned_pid(unit);
		if (facts.pid) {
			facts.kind = FACT_PROCESS;
			unit->last.started_at = time_realtime();
		}
	}
	if (facts.kind == FACT_PROCESS && launch_adopt(unit, facts.pid) < 0)
		diag(DIAG_ERROR, "%s: no memory to watch it", unit->config->name);
	return facts;
}

/* Helper commands of the earlier server are not waited for by anyone: they are ended, and run again if still wanted. */
static void end_helpers(struct unit *unit)
{
	const struct service_record *record = core_record(unit->sup->core, unit->id);
	struct stop_target target;
	struct stop *stop;

	if (record->phase != PHASE_PRE_START && record->phase != PHASE_POST_STOP)
		return;
	unit_target(unit, &target);
	target.main = 0;
	stop = stop_new(unit->sup->stopper, &target, NULL, NULL);
	if (stop)
		(void)stop_kill(stop);
	stop_free(stop);
}

static void resume(struct supervisor *sup, struct unit *unit)
{
	struct core_facts facts;

	end_helpers(unit);
	facts = find_facts(unit);
	supervisor_resume(sup, unit->id, &facts);
	if (unit->last.exit.pid)
		launch_finish_exit(unit);
}

static int take_over(struct supervisor *sup, struct error *err)
{
	int fd = supervisor_take_kept_fd(sup, KEY_STATE);
	int r = state_adopt(fd, SAVED_VERSION, sizeof(struct saved), &sup->state, err);

	if (r < 0)
		return r;
	r = definitions_adopt(supervisor_take_kept_fd(sup, KEY_DEFINITIONS), &sup->definitions, err);
	if (r == 0)
		r = events_init(&sup->events, supervisor_take_kept_fd(sup, KEY_EVENTS),
				&state_globals(sup->state)->event_cursor);
	if (r == 0)
		r = own_log_open(sup, err);
	if (r == 0)
		r = adopt_units(sup, err);
	if (r < 0)
		return r;
	adopt_rings(sup);
	adopt_pipes(sup);
	if (state_globals(sup->state)->shutdown_at)
		core_restore_shutdown(sup->core, state_globals(sup->state)->shutdown_at);
	for (size_t i = 0; i < sup->units_n; i++) {
		if (sup->units[i])
			resume(sup, sup->units[i]);
	}
	manage_scan_invalid(sup);
	diag(DIAG_WARN, "took over %zu services from an earlier server", core_count(sup->core));
	return 0;
}

/* Slots of our own files, so that a compacted definitions file replaces the old one. */
static bool find_slots(struct supervisor *sup)
{
	const struct {
		const char *key;
		uint32_t *slot;
	} rows[] = {
		{ KEY_STATE, &sup->state_slot },
		{ KEY_DEFINITIONS, &sup->definitions_slot },
		{ KEY_EVENTS, &sup->events_slot },
	};
	struct kept *kept;

	for (size_t i = 0; (kept = keeper_link_kept(sup->keeper, i)); i++) {
		for (size_t j = 0; j < ARRAY_LEN(rows); j++) {
			if (strcmp(kept->key, rows[j].key) == 0)
				*rows[j].slot = kept->slot;
		}
	}
	return sup->state_slot != KEEPER_NO_SLOT && sup->definitions_slot != KEEPER_NO_SLOT;
}

int adopt(struct supervisor *sup, struct error *err)
{
	int r = find_slots(sup) ? take_over(sup, err) : begin_new(sup, err);

	if (r < 0)
		return r;
	r = keeper_link_ready(sup->keeper);
	return r < 0 ? error_set(err, -r, "telling the keeper: %s", strerror(-r)) : 0;
}
