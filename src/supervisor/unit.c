/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the life of a unit: made with its place in core, state and definitions; changed; forgotten. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"
#include "config/encode.h"
#include "config/server_settings.h"
#include "supervisor/internal.h"

#define UNITS_FIRST 64

static int room_for(struct supervisor *sup, uint32_t id)
{
	size_t n = sup->units_n ? sup->units_n : UNITS_FIRST;
	struct unit **units;

	if (id < sup->units_n)
		return 0;
	while (n <= id)
		n *= 2;
	units = realloc(sup->units, n * sizeof(struct unit *));
	if (!units)
		return -ENOMEM;
	memset(units + sup->units_n, 0, (n - sup->units_n) * sizeof(struct unit *));
	sup->units = units;
	sup->units_n = n;
	return 0;
}

static const enum kill_mode kill_modes[] = {
	[CONFIG_KILL_GROUP] = KILL_GROUP,
	[CONFIG_KILL_CGROUP] = KILL_CGROUP,
	[CONFIG_KILL_PROCESS] = KILL_PROCESS,
};

void unit_target(const struct unit *unit, struct stop_target *out)
{
	const struct service_record *record = core_record(unit->sup->core, unit->id);

	*out = (struct stop_target){
		.main = record->pid,
		.pidfd = -1,
		.tag = tree_tag(unit->sup->tag_instance, unit->config->name),
		.cgroup = unit->cgroup,
		.mode = kill_modes[unit->config->kill_mode],
	};
	if (!record->pid && (record->phase == PHASE_STOP_SPAWN || record->phase == PHASE_STOP_KILL))
		out->main = *state_spawn_pid(unit->sup->state, unit->id); /* still on its way to exec: as the child itself says */
	if (unit->last.exit.pid)
		out->main = 0; /* reaped already, the core is about to hear of it */
}

const char *unit_path(const struct unit *unit)
{
	return unit->config->path ? unit->config->path : unit->path;
}

/* The first two of all services come first, since these two most services have: the others are rare. */
uint32_t unit_definition_slot(uint32_t id, enum definition which)
{
	uint32_t rare = which == DEFINITION_OLD || which == DEFINITION_UNDONE ? DEFINITIONS_RARE : 0;

	return rare + 2 * id + (which == DEFINITION_NEXT || which == DEFINITION_UNDONE);
}

static int put_text(struct supervisor *sup, uint32_t slot, const char *text, size_t len)
{
	int r = definitions_put(sup->definitions, slot, text, len);

	if (r == 0 && definitions_compact(sup->definitions) == 1) {
		int fd = definitions_fd(sup->definitions);

		r = keeper_link_keep(sup->keeper, &sup->definitions_slot, "definitions", &fd, 1);
	}
	return r;
}

/* The first line is the path of the file (or empty), the rest the configuration as JSON. */
int unit_put_definition(struct unit *unit, const struct service_config *config, enum definition which)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_CONFIG_FILE);
	uint32_t slot = unit_definition_slot(unit->id, which);
	AUTO(auto_free) char *encoded = NULL;
	const char *path;
	json_t *json;

	if (!config)
		return put_text(unit->sup, slot, "", 0);
	path = config->path ? config->path : unit_path(unit);
	json = config_to_json(config);
	encoded = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	if (!encoded)
		return -ENOMEM;
	(void)strbuf_addf(&text, "%s\n%s", path ? path : "", encoded);
	return text.failed ? -ENOMEM : put_text(unit->sup, slot, text.data, text.len);
}

void unit_set_next(struct unit *unit, struct service_config *next)
{
	int r;

	if (!next && !unit->next)
		return;
	config_free(unit->next);
	unit->next = next;
	r = unit_put_definition(unit, next, DEFINITION_NEXT);
	if (r < 0)
		diag(DIAG_WARN, "%s: its next definition could not be put on record: %s", unit->config->name, strerror(-r));
}

void unit_loaded(struct unit *unit, enum rule rule, uid_t uid)
{
	const struct core_event event = { .kind = EV_LOADED, .id = unit->id, .rule = rule, .uid = uid };

	/* one commit puts it on record together with what came of it */
	unit->intent.loaded = true;
	(void)supervisor_feed(unit->sup, &event);
	unit_save(unit);
}

int unit_new(struct supervisor *sup, uint32_t id, struct service_config *config, struct unit **out)
{
	struct unit *unit;

	if (room_for(sup, id) < 0)
		return -ENOMEM;
	unit = calloc(1, sizeof(*unit));
	if (!unit)
		return -ENOMEM;
	unit->sup = sup;
	unit->id = id;
	unit->serial = ++sup->serials;
	unit->config = config;
	unit->ring_slot = KEEPER_NO_SLOT;
	list_init(&unit->pipes);
	list_init(&unit->waiting);
	list_init(&unit->draining);
	list_init(&unit->trial);
	sup->units[id] = unit;
	*out = unit;
	return 0;
}

int unit_add(struct supervisor *sup, struct service_config *config, struct unit **out, struct error *err)
{
	struct unit *unit;
	uint32_t id;
	uint32_t slot;
	int r = policy_from_config(config, &sup->policy_box);

	if (strcmp(config->name, SUPERVISOR_OWN_LOG) == 0)
		return error_set(err, EINVAL, "the name '%s' is taken: the server's own log has it", config->name);
	if (r < 0)
		return error_set(err, -r, "service '%s': more dependencies or ports than a service may have", config->name);
	r = state_alloc(sup->state, &slot);
	if (r < 0)
		return error_set(err, -r, "service '%s': no room for its state", config->name);
	id = slot;
	r = core_add_at(sup->core, id, config->name, &sup->policy_box.policy, err);
	if (r < 0) {
		state_release(sup->state, slot);
		return r;
	}
	r = unit_new(sup, id, config, &unit);
	if (r == 0)
		r = unit_put_definition(unit, unit->config, DEFINITION_NOW);
	if (r < 0) {
		if (unit_at(sup, id))
			unit_at(sup, id)->config = NULL;
		unit_free(unit_at(sup, id));
		(void)core_remove(sup->core, id, loop_now(sup->loop));
		state_release(sup->state, slot);
		return error_set(err, -r, "service '%s': %s", config->name, strerror(-r));
	}
	unit_check_limits(unit);
	unit_save(unit);
	*out = unit;
	return 0;
}

int unit_set_config(struct unit *unit, struct service_config *config, struct error *err)
{
	struct supervisor *sup = unit->sup;
	struct service_config *old = unit->config;
	int r = policy_from_config(config, &sup->policy_box);

	if (r < 0)
		return error_set(err, -r, "service '%s': more dependencies or ports than a service may have", config->name);
	r = core_update(sup->core, unit->id, &sup->policy_box.policy, loop_now(sup->loop), err);
	if (r < 0)
		return r;
	unit->config = config;
	probes_config_changed(unit);
	ship_changed(sup);
	schedule_config_changed(unit, old);
	watches_close(unit);
	watches_open(unit);
	unit_check_limits(unit);
	unit_apply_limits(unit);
	unit_set_log_options(unit);
	r = unit_put_definition(unit, config, DEFINITION_NOW);
	if (r < 0)
		diag(DIAG_WARN, "%s: its new definition could not be put on record (%s): a restart of the server would bring back the old one",
		     config->name, strerror(-r));
	config_free(old);
	return 0;
}

void unit_free(struct unit *unit)
{
	if (!unit)
		return;
	unit->sup->units[unit->id] = NULL;
	list_remove(&unit->waiting);
	list_remove(&unit->draining);
	task_cancel(unit);
	schedule_close(unit);
	watches_close(unit);
	probes_free(unit, core_is_shutting_down(unit->sup->core));
	stop_free(unit->stop);
	loop_timer_free(unit->timer);
	log_drops_close(unit);
	pipes_fini(unit);
	unit_close_cgroup(unit, core_is_shutting_down(unit->sup->core));
	config_free(unit->config);
	config_free(unit->next);
	config_free(unit->old);
	free(unit->undone);
	list_remove(&unit->trial);
	free(unit->path);
	free(unit);
}

void unit_forget(struct unit *unit)
{
	struct supervisor *sup = unit->sup;
	char name[LIMIT_NAME + 1];
	pid_t pid = core_record(sup->core, unit->id)->pid;
	struct child child;

	(void)str_copy(name, sizeof(name), unit->config->name);
	if (core_remove(sup->core, unit->id, loop_now(sup->loop)) < 0)
		return; /* active again: it stays */
	if (unit->intent.remove_file && unit_path(unit) && unlink(unit_path(unit)) < 0 && errno != ENOENT)
		diag(DIAG_ERROR, "%s: removing its file '%s': %s", name, unit_path(unit), strerror(errno));
	if (pid)
		(void)children_take(&sup->children, pid, &child); /* what even SIGKILL did not end is a stranger now */
	if (unit->log)
		log_service_remove(unit->log);
	probes_free(unit, true);
	pipes_forget(unit);
	keeper_link_forget(sup->keeper, &unit->ring_slot);
	unit_close_cgroup(unit, true);
	supervisor_prepare(sup, EVENT_REMOVED, name, "");
	state_release(sup->state, unit->id);
	events_publish(&sup->events);
	trial_forget(unit);
	(void)unit_put_definition(unit, NULL, DEFINITION_NOW);
	unit_set_next(unit, NULL);
	unit_free(unit);
	ship_changed(sup);
	supervisor_continue(sup);
}
