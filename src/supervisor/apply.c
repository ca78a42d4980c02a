/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the carrying out of changes. First the definitions, in order: what is live takes effect, what needs the end of a
 * process waits for it. Then the wishes that follow, in the same order. That is what the dry run of a plan does, too.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/fd.h"
#include "config/encode.h"
#include "supervisor/internal.h"

#define PATH_SIZE 4096
#define PROBLEMS_SIZE 4096

/* --- definitions ------------------------------------------------------------------------------ */

static int write_file(struct supervisor *sup, const struct service_config *config, struct error *err)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_CONFIG_FILE);
	char path[PATH_SIZE];

	if (!sup->dirs_n)
		return error_set(err, ENOENT, "there is no service directory to write '%s' to", config->name);
	if (config_to_toml(config, &text) < 0)
		return error_set(err, ENOMEM, "service '%s': no memory to write it", config->name);
	(void)snprintf(path, sizeof(path), "%s/%s.toml", sup->dirs[sup->dirs_n - 1].path, config->name);
	return fd_write_file_atomic(path, strbuf_str(&text), text.len, 0644, err);
}

static void set_path(struct unit *unit)
{
	char path[PATH_SIZE];
	struct supervisor *sup = unit->sup;

	(void)snprintf(path, sizeof(path), "%s/%s.toml", sup->dirs[sup->dirs_n - 1].path, unit->config->name);
	free(unit->path);
	unit->path = strdup(path);
}

/* A definition that was read from a record does not know its file, but the change does. */
static bool keep_path(struct unit *unit, const struct change *c, bool has_path)
{
	if (!c->path || has_path)
		return false;
	free(unit->path);
	unit->path = strdup(c->path);
	return true;
}

static int define_new(struct supervisor *sup, struct change *c, const struct actor *by, struct error *err)
{
	bool has_path = c->config->path;
	struct unit *unit;
	int r;

	supervisor_prepare(sup, EVENT_ADDED, c->name, by->via);
	r = unit_add(sup, c->config, &unit, err);
	if (r < 0) {
		events_take_back(&sup->events);
		return r;
	}
	events_publish(&sup->events);
	c->config = NULL;
	if (c->write_file)
		set_path(unit);
	if (c->write_file || keep_path(unit, c, has_path))
		(void)unit_put_definition(unit, unit->config, DEFINITION_NOW);
	return 0;
}

static void remove_begin(struct unit *unit, bool remove_file)
{
	/* on record before it is begun: whichever server sees it down finishes it */
	unit->intent.removing = true;
	unit->intent.remove_file = unit->intent.remove_file || remove_file;
	unit_save(unit);
}

/* The process of the run that is under way goes on by the old definition until it is gone. */
static bool is_for_later(const struct unit *unit, const struct change *c)
{
	return core_is_active(unit->sup->core, unit->id) && (c->kind == CHANGE_RESTART || unit->next);
}

static int redefine(struct unit *unit, struct change *c, struct error *err)
{
	int r;

	trial_forget_undone(unit); /* what became of an earlier one is of no interest any more */
	if (is_for_later(unit, c)) {
		unit_set_next(unit, STEAL(&c->config));
		return 0;
	}
	r = unit_set_config(unit, c->config, err);
	if (r < 0)
		return r;
	c->config = NULL;
	unit_set_next(unit, NULL);
	supervisor_continue(unit->sup);
	return 0;
}

static int define(struct supervisor *sup, struct change *c, const struct actor *by, struct error *err)
{
	struct unit *unit = unit_find(sup, c->name);
	int r = 0;

	if (c->kind == CHANGE_INVALID)
		return 0;
	if (c->kind == CHANGE_REMOVE) {
		if (unit)
			remove_begin(unit, c->remove_file);
		return 0;
	}
	/* checked when the set was made; others of the set may have changed the graph since */
	if (c->config)
		r = change_check_cycle(sup, c->config, err);
	if (r == 0 && c->write_file)
		r = write_file(sup, c->config, err);
	if (r < 0)
		return r;
	if (!unit)
		return c->config ? define_new(sup, c, by, err) : 0;
	if (c->write_file)
		set_path(unit);
	else if (c->config)
		(void)keep_path(unit, c, c->config->path);
	return c->kind == CHANGE_KEEP || !c->config ? 0 : redefine(unit, c, err);
}

/* --- wishes ----------------------------------------------------------------------------------- */

/* Its definition is back before it was down: it stays after all, and what asked it to stop is taken back. */
static void keep_after_all(struct unit *unit, const struct actor *by)
{
	const struct core_event event = { .kind = EV_START, .id = unit->id, .rule = RULE_CONFIG, .uid = by->uid };
	const struct service_config *config = unit->next ? unit->next : unit->config;

	if (!unit->intent.removing)
		return;
	unit->intent.removing = unit->intent.remove_file = false;
	unit_save(unit);
	if (config->status == CONFIG_STATUS_START)
		(void)supervisor_feed(unit->sup, &event);
}

static void begin(struct supervisor *sup, const struct change *c, const struct actor *by)
{
	struct unit *unit = unit_find(sup, c->name);
	struct core_event event = { .rule = RULE_CONFIG, .uid = by->uid };

	if (!unit || c->kind == CHANGE_INVALID)
		return;
	event.id = unit->id;
	if (c->kind == CHANGE_REMOVE) {
		event.kind = EV_STOP;
		event.rule = c->remove_file ? RULE_ASKED : RULE_CONFIG;
		(void)supervisor_feed(sup, &event);
		if (!core_is_active(sup->core, unit->id) && !unit->last.exit.pid)
			unit_forget(unit);
		return;
	}
	if (!unit->intent.loaded) {
		unit_loaded(unit, RULE_CONFIG, by->uid);
		schedule_open(unit);
		watches_open(unit);
		return;
	}
	/* one that is being stopped stays down, unless it was about to be removed */
	event.kind = c->kind == CHANGE_RESTART ? EV_RESTART : c->kind == CHANGE_START ? EV_START : EV_NONE;
	if (event.kind != EV_NONE && core_record(sup->core, unit->id)->wish == WISH_UP)
		(void)supervisor_feed(sup, &event);
	keep_after_all(unit, by);
}

/* --- the set ---------------------------------------------------------------------------------- */

static void refuse(struct supervisor *sup, struct change *c, const struct error *err)
{
	change_refuse(c, err);
	manage_note_invalid(sup, c->path, c->name, err->msg);
	diag(DIAG_ERROR, "%s: %s", c->path ? c->path : c->name, err->msg);
}

static void carry_out(struct supervisor *sup, struct change_set *set, const struct actor *by)
{
	struct error err;

	for (size_t i = 0; i < set->n; i++) {
		if (define(sup, &set->v[i], by, &err) < 0)
			refuse(sup, &set->v[i], &err);
	}
	for (size_t i = 0; i < set->n; i++)
		begin(sup, &set->v[i], by);
}

int changes_apply(struct supervisor *sup, struct change_set *set, const struct actor *by, struct error *err)
{
	int r;

	if (core_is_shutting_down(sup->core))
		return error_set(err, ESHUTDOWN, "the server is shutting down");
	r = journal_begin(sup, set);
	if (r < 0)
		return error_set(err, -r, "the changes can't be put on record: %s", strerror(-r));
	carry_out(sup, set, by);
	journal_end(sup);
	return 0;
}

/* Compared anew: what was done already is no change any more, but for wishes, which may be given twice. */
void apply_again(struct supervisor *sup, struct change_set *set)
{
	const struct actor by = { .uid = 0, .via = "config" };

	for (size_t i = 0; i < set->n; i++) {
		struct change *c = &set->v[i];
		struct unit *unit = unit_find(sup, c->name);

		if (unit && c->config && config_equal(unit->next ? unit->next : unit->config, c->config)) {
			config_free(c->config);
			c->config = NULL;
			c->kind = c->kind == CHANGE_START ? CHANGE_START : CHANGE_KEEP;
		} else if (!unit && c->config) {
			c->kind = CHANGE_ADD;
		}
	}
	carry_out(sup, set, &by);
}

/* --- what others ask for ------------------------------------------------------------------------ */

/* One change, all or nothing. */
static int apply_one(struct supervisor *sup, struct change_set *set, const struct actor *by, struct error *err)
{
	int r = changes_apply(sup, set, by, err);

	if (r == 0 && set->n && set->v[0].kind == CHANGE_INVALID)
		r = error_set(err, set->v[0].error, "%s", set->v[0].text ? set->v[0].text : "out of memory");
	changes_fini(set);
	return r;
}

int supervisor_set(struct supervisor *sup, struct service_config *config, bool persist, const struct actor *by,
		   struct error *err)
{
	struct change_set set;
	int r;

	r = changes_of(sup, config, persist, &set, err);
	return r < 0 ? r : apply_one(sup, &set, by, err);
}

int supervisor_add(struct supervisor *sup, struct service_config *config, bool persist, const struct actor *by,
		   struct error *err)
{
	if (unit_find(sup, config->name)) {
		(void)error_set(err, EEXIST, "service '%s' exists already", config->name);
		config_free(config);
		return -EEXIST;
	}
	return supervisor_set(sup, config, persist, by, err);
}

static int remove_service(struct supervisor *sup, const char *name, bool remove_file, const struct actor *by,
			  struct error *err)
{
	struct change_set set = { 0 };
	struct change *c = changes_add(&set, CHANGE_REMOVE, name, NULL);

	if (!c)
		return error_set(err, ENOMEM, "out of memory");
	c->remove_file = remove_file;
	return apply_one(sup, &set, by, err);
}

int supervisor_remove(struct supervisor *sup, const char *name, const struct actor *by, struct error *err)
{
	if (!unit_find(sup, name))
		return error_set(err, ENOENT, "service not found: %s", name);
	return remove_service(sup, name, true, by, err);
}

int supervisor_forget(struct supervisor *sup, const char *name, const struct actor *by, struct error *err)
{
	struct unit *unit = unit_find(sup, name);

	if (!unit)
		return error_set(err, ENOENT, "service not found: %s", name);
	if (core_is_active(sup->core, unit->id) || core_record(sup->core, unit->id)->wish == WISH_UP)
		return error_set(err, EISCONN, "service '%s' is up: stop it first", name);
	return remove_service(sup, name, false, by, err);
}

/* The file NAME.toml of a service directory. Returns 0 with *out (the caller's), -ENOENT, or -EINVAL with `err`. */
static int load_named(const struct supervisor *sup, const char *name, struct service_config **out, struct error *err)
{
	for (size_t i = 0; i < sup->dirs_n; i++) {
		AUTO(strbuf_fini) struct strbuf text = STRBUF(PROBLEMS_SIZE);
		struct problems problems;
		char path[PATH_SIZE];
		int r;

		if (snprintf(path, sizeof(path), "%s/%s.toml", sup->dirs[i].path, name) >= (int)sizeof(path) ||
		    access(path, F_OK) < 0)
			continue;
		problems_init(&problems);
		r = load_service_file(path, sup->dirs[i].system ? LOAD_SYSTEM : 0, &problems, out);
		problems_format(&problems, path, &text);
		problems_fini(&problems);
		return r < 0 ? error_set(err, EINVAL, "%s", strbuf_str(&text)) : 0;
	}
	return error_set(err, ENOENT, "service not found: %s, nor a file %s.toml", name, name);
}

int supervisor_monitor(struct supervisor *sup, const char *name, const struct actor *by, struct error *err)
{
	struct service_config *config;
	int r;

	if (unit_find(sup, name))
		return supervisor_start(sup, name, false, by, err);
	r = load_named(sup, name, &config, err);
	return r < 0 ? r : supervisor_add(sup, config, false, by, err);
}

int supervisor_reload(struct supervisor *sup, const struct actor *by, struct change_set *out, struct error *err)
{
	int r;

	if (core_is_shutting_down(sup->core))
		return error_set(err, ESHUTDOWN, "the server is shutting down");
	r = changes_read(sup, false, out, err);
	return r < 0 ? r : supervisor_reload_set(sup, by, out, err);
}

int supervisor_reload_set(struct supervisor *sup, const struct actor *by, struct change_set *set, struct error *err)
{
	int r = changes_apply(sup, set, by, err);

	if (r < 0) {
		changes_fini(set);
		return r;
	}
	supervisor_announce(sup, EVENT_RELOAD, "", by->via);
	events_tell(&sup->events);
	return 0;
}
