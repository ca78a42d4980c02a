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
#include "config/json_memory.h"
#include "supervisor/internal.h"

#define KEY_STATE "state"
#define KEY_DEFINITIONS "definitions"
#define KEY_EVENTS "events"

/* --- beginning -------------------------------------------------------------------------------- */

static int begin_new(struct supervisor *sup, struct error *err)
{
	int fd;
	int r = state_new(&saved_format, &sup->state, err);

	if (r == 0)
		r = definitions_new(&sup->definitions, err);
	if (r < 0)
		return r;
	state_begin(sup->state, &sup->earlier_program);
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

int unit_parse_definition(const char *text, struct service_config **out)
{
	const char *json_text = strchr(text, '\n');
	struct problems problems;
	json_error_t error = { 0 };
	json_t *json = json_text ? json_parse(json_text + 1, strlen(json_text + 1), 0, &error) : NULL;
	int r = json ? 0 : -EINVAL;

	if (!json && json_text && json_error_code(&error) == json_error_out_of_memory)
		return -ENOMEM;
	*out = NULL;
	problems_init(&problems);
	if (r == 0)
		r = load_service_json(json, 0, &problems, out);
	if (r < 0 && r != -ENOMEM) {
		AUTO(strbuf_fini) struct strbuf why = STRBUF(DIAG_LINE_MAX);

		problems_format(&problems, "definition", &why);
		diag(DIAG_ERROR, "the definition that a service runs by can't be read: %s", strbuf_str(&why));
	}
	problems_fini(&problems);
	json_decref(json);
	return r == 0 && !*out ? -EINVAL : r;
}

static char *parse_path(const char *text)
{
	size_t n = strcspn(text, "\n");

	return n ? strndup(text, n) : NULL;
}

static int adopt_unit(struct supervisor *sup, uint32_t id, const struct saved *saved)
{
	AUTO(auto_free) char *text = definitions_get(sup->definitions, unit_definition_slot(id, DEFINITION_NOW));
	AUTO(auto_free) char *next = definitions_get(sup->definitions, unit_definition_slot(id, DEFINITION_NEXT));
	AUTO(auto_free) char *old = definitions_get(sup->definitions, unit_definition_slot(id, DEFINITION_OLD));
	struct service_config *config = NULL;
	struct unit *unit;
	int r = text ? unit_parse_definition(text, &config) : -EINVAL;

	if (r < 0)
		return r;
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
	unit->intent = saved->intent;
	unit->unhealthy = saved->unhealthy;
	unit->event = saved->event;
	unit->timetable = saved->timetable;
	unit->path = parse_path(text);
	if ((next && unit_parse_definition(next, &unit->next) == -ENOMEM) || (old && unit_parse_definition(old, &unit->old) == -ENOMEM))
		return -ENOMEM;
	unit->undone = definitions_get(sup->definitions, unit_definition_slot(id, DEFINITION_UNDONE));
	return core_restore(sup->core, id, &saved->core);
}

static int adopt_units(struct supervisor *sup, struct error *err)
{
	for (uint32_t id = 0; id < state_end(sup->state); id++) {
		const unsigned char *record = state_read(sup->state, id);
		struct saved saved;
		struct error why;
		int r = record ? saved_decode(record, &saved, &why) : 0;

		if (r < 0) {
			diag(DIAG_ERROR, "service %u can't be taken over: %s", id, why.msg);
			continue;
		}
		r = record ? adopt_unit(sup, id, &saved) : 0;
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
		if (!unit)
			keeper_link_forget(sup->keeper, &kept->slot);
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
		if (!unit || !unit->log)
			keeper_link_forget(sup->keeper, &kept->slot); /* its service was being forgotten */
		else if (pipes_adopt(unit, run, kept, streams) < 0)
			diag(DIAG_ERROR, "%s: a pipe of run %llu can't be taken over", unit->config->name, run);
	}
}

/* Does the record say what that event of an earlier server tells? */
static bool took_place(const struct supervisor_event *event, void *data)
{
	const struct unit *unit = unit_find(data, event->name);

	switch (event->kind) {
	case EVENT_STATE:
	case EVENT_HEALTH:
	case EVENT_UNDONE:
	case EVENT_SCHEDULE:
	case EVENT_WATCH:
	case EVENT_LOG_DROP:
		return unit && unit->event >= event->cursor;
	case EVENT_ADDED:
		return unit;
	case EVENT_REMOVED:
		return !unit;
	case EVENT_RELOAD:
	case EVENT_SHUTDOWN:
	case EVENT_UPGRADE:
		return true;
	case EVENT_KIND_N:
		break;
	}
	return false;
}

static struct core_facts find_facts(struct unit *unit)
{
	const struct service_record *record = core_record(unit->sup->core, unit->id);
	volatile pid_t *spawning = state_spawn_pid(unit->sup->state, unit->id);
	struct core_facts facts = { .kind = FACT_NOTHING };

	if (unit->last.exit.pid) {
		facts = (struct core_facts){ .kind = FACT_PENDING };
	} else if (record->pid) {
		facts = (struct core_facts){ .kind = FACT_PROCESS, .pid = record->pid };
	} else if (record->phase == PHASE_SPAWN || record->phase == PHASE_STOP_SPAWN) {
		facts.pid = half_spawned_pid(unit->sup, spawning);
		/* one that has failed already is as good as none: it is tried again, and then we hear all about it */
		if (facts.pid && !*state_spawn_failure(unit->sup->state, unit->id)) {
			facts.kind = FACT_PROCESS;
			unit->last.started_at = time_realtime();
		}
	}
	if (facts.kind == FACT_NOTHING)
		half_spawned_end(spawning);
	if (facts.kind == FACT_PROCESS && launch_adopt(unit, facts.pid) < 0)
		diag(DIAG_ERROR, "%s: no memory to watch it", unit->config->name);
	return facts;
}

static void resume(struct supervisor *sup, struct unit *unit)
{
	struct core_facts facts;
	volatile pid_t *spawning = state_spawn_pid(sup->state, unit->id);

	if (core_record(sup->core, unit->id)->run)
		unit_open_cgroup(unit);
	helpers_end(unit);
	facts = find_facts(unit);
	/* the word is of use until the pid is in the record, and may be in use again once a new spawn has begun */
	if (facts.kind != FACT_PROCESS)
		*spawning = 0;
	supervisor_resume(sup, unit->id, &facts);
	if (facts.kind == FACT_PROCESS)
		*spawning = 0;
	if (unit->last.exit.pid)
		launch_finish_exit(unit);
}

static int take_over(struct supervisor *sup, struct error *err)
{
	int fd = supervisor_take_kept_fd(sup, KEY_STATE);
	int r = state_adopt(fd, &saved_format, &sup->state, err);

	if (r < 0)
		return r;
	state_begin(sup->state, &sup->earlier_program);
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
	events_settle(&sup->events, took_place, sup);
	adopt_rings(sup);
	adopt_pipes(sup);
	sup->exit_code = (int)state_globals(sup->state)->exit_code;
	if (state_globals(sup->state)->shutdown_at)
		core_restore_shutdown(sup->core, state_globals(sup->state)->shutdown_at);
	for (size_t i = 0; i < sup->units_n; i++) {
		if (sup->units[i])
			resume(sup, sup->units[i]);
	}
	sup->invalid_unknown = true; /* reading all files is a fifth of the work of taking over */
	diag(keeper_link_news(sup->keeper)->outcome == WIRE_TRIED ? DIAG_INFO : DIAG_WARN,
	     "took over %zu services from an earlier server", core_count(sup->core));
	return 0;
}

static int check_unit(const unsigned char *record, const struct definitions *definitions, uint32_t id, struct error *err)
{
	AUTO(auto_free) char *text = definitions_get(definitions, unit_definition_slot(id, DEFINITION_NOW));
	struct service_config *config = NULL;
	struct saved saved;
	struct error why;

	if (!text || unit_parse_definition(text, &config) < 0)
		return error_set(err, EPROTO, "the definition of service %u can't be read", id);
	config_free(config);
	if (saved_decode(record, &saved, &why) < 0)
		return error_set(err, EPROTO, "the record of service %u can't be read: %s", id, why.msg);
	return 0;
}

int supervisor_can_take_over(int state_fd, int definitions_fd, struct error *err)
{
	struct definitions *definitions = NULL;
	struct state *state = NULL;
	int r = state_adopt(state_fd, &saved_format, &state, err);

	if (r == 0)
		r = definitions_adopt(definitions_fd, &definitions, err);
	for (uint32_t id = 0; r == 0 && id < state_end(state); id++) {
		const unsigned char *record = state_read(state, id);

		/* the server that asks us goes on: what it is about to remove may be gone by now */
		r = record ? check_unit(record, definitions, id, err) : 0;
		if (r < 0 && !state_read(state, id))
			r = 0;
	}
	definitions_free(definitions);
	state_free(state);
	return r;
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
	keeper_link_tidy_kept(sup->keeper);
	r = keeper_link_ready(sup->keeper);
	if (r < 0)
		return error_set(err, -r, "telling the keeper: %s", strerror(-r));
	/* only now: before it is ready, the first server's death is the end of all, and nothing must be left running */
	manage_begin(sup);
	upgrade_tell_outcome(sup);
	supervisor_continue(sup);
	return 0;
}
