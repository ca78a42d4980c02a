/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the set of services: loading the directories, reloading, adding, replacing, removing. */
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/fd.h"
#include "config/diff.h"
#include "config/encode.h"
#include "supervisor/internal.h"

#define PATH_SIZE 4096
#define CHAIN_SIZE 512

/* --- files that could not be loaded ------------------------------------------------------------- */

static void invalid_free(struct invalid *invalid)
{
	list_remove(&invalid->node);
	free(invalid->path);
	free(invalid->name);
	free(invalid->message);
	free(invalid);
}

static void invalid_clear(struct supervisor *sup)
{
	struct invalid *invalid;

	LIST_FOREACH (invalid, &sup->invalid, node)
		invalid_free(invalid);
}

static void invalid_add(struct supervisor *sup, const char *path, const char *name, const char *message)
{
	struct invalid *invalid = calloc(1, sizeof(*invalid));

	if (!invalid)
		return;
	list_append(&sup->invalid, &invalid->node);
	invalid->path = strdup(path ? path : "");
	invalid->name = strdup(name);
	invalid->message = strdup(message);
	if (!invalid->path || !invalid->name || !invalid->message)
		invalid_free(invalid);
}

static void report(const struct problems *problems, const char *path)
{
	for (size_t i = 0; i < problems->n; i++) {
		AUTO(strbuf_fini) struct strbuf line = STRBUF(DIAG_LINE_MAX);
		struct problem plain = problems->items[i];

		plain.level = PROBLEM_ERROR; /* which has no word of its own: diag() says the level */
		problem_format(&plain, path, &line);
		diag(problems->items[i].level == PROBLEM_ERROR ? DIAG_ERROR : DIAG_WARN, "%s", strbuf_str(&line));
	}
}

static void format_level(const struct loaded *item, enum problem_level level, struct strbuf *out)
{
	for (size_t i = 0; i < item->problems.n; i++) {
		if (item->problems.items[i].level != level)
			continue;
		if (out->len)
			(void)strbuf_puts(out, "\n");
		problem_format(&item->problems.items[i], item->path, out);
	}
}

static void note_invalid(struct supervisor *sup, const struct loaded *item, bool quiet)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(4096);

	/* a list shows the first line: it has to be one of those that made the file invalid */
	format_level(item, PROBLEM_ERROR, &text);
	format_level(item, PROBLEM_WARNING, &text);
	invalid_add(sup, item->path, item->name, strbuf_str(&text));
	if (!quiet)
		report(&item->problems, item->path);
}

/* --- reading the directories ------------------------------------------------------------------ */

static int read_dirs(struct supervisor *sup, struct loaded_dir *out, bool quiet, struct error *err)
{
	invalid_clear(sup);
	for (size_t i = 0; i < sup->dirs_n; i++) {
		int r = load_dir(sup->dirs[i].path, sup->dirs[i].system ? LOAD_SYSTEM : 0, out, err);

		if (r < 0)
			return r;
		if (r == 0 && !quiet)
			diag(DIAG_WARN, "no service files (*.toml) in '%s'", sup->dirs[i].path);
	}
	for (size_t i = 0; i < out->n; i++) {
		if (!out->items[i].config)
			note_invalid(sup, &out->items[i], quiet);
		else if (!quiet)
			report(&out->items[i].problems, out->items[i].path);
	}
	return 0;
}

static void drop_cycles(struct supervisor *sup)
{
	char chain[CHAIN_SIZE];
	uint32_t id;

	while ((id = core_find_cycle(sup->core, chain, sizeof(chain))) != CORE_NONE) {
		struct unit *unit = unit_at(sup, id);
		char message[CHAIN_SIZE + 64];

		(void)snprintf(message, sizeof(message), "cyclic dependency detected: %s", chain);
		diag(DIAG_ERROR, "%s: %s", unit_path(unit) ? unit_path(unit) : unit->config->name, message);
		invalid_add(sup, unit_path(unit), unit->config->name, message);
		unit_forget(unit);
	}
}

/* Parsing leaves many times the memory that the result needs: back to the system with it (malloc_trim(3), glibc only). */
static void give_memory_back(void)
{
#ifdef __GLIBC__
	(void)malloc_trim(0);
#endif
}

int manage_load(struct supervisor *sup, struct error *err)
{
	struct loaded_dir dir = { 0 };
	int r = read_dirs(sup, &dir, false, err);

	for (size_t i = 0; r == 0 && i < dir.n; i++) {
		struct unit *unit;
		struct error why;

		if (!dir.items[i].config)
			continue;
		if (unit_add(sup, dir.items[i].config, &unit, &why) < 0) {
			diag(DIAG_ERROR, "%s: %s", dir.items[i].path, why.msg);
			invalid_add(sup, dir.items[i].path, dir.items[i].name, why.msg);
			continue;
		}
		dir.items[i].config = NULL;
	}
	loaded_dir_fini(&dir);
	give_memory_back();
	if (r == 0)
		drop_cycles(sup);
	return r;
}

/* What a request asked for and the earlier server had only begun: asked again, which is harmless if it was done. */
static void go_on(struct unit *unit)
{
	struct core *core = unit->sup->core;
	const struct service_record *record = core_record(core, unit->id);
	struct core_event event = { .kind = EV_STOP, .id = unit->id, .rule = RULE_CONFIG };

	if (!unit->intent.loaded)
		unit_loaded(unit, RULE_BOOT, 0);
	if (unit->intent.removing) {
		(void)supervisor_feed(unit->sup, &event);
	} else if (unit->next && !core_is_active(core, unit->id)) {
		unit_apply_next(unit);
		supervisor_continue(unit->sup);
	} else if (unit->next && record->wish == WISH_UP && !(record->flags & RECORD_AGAIN)) {
		event.kind = EV_RESTART;
		(void)supervisor_feed(unit->sup, &event);
	}
}

void manage_begin(struct supervisor *sup)
{
	for (size_t i = 0; i < sup->units_n; i++) {
		if (sup->units[i])
			go_on(sup->units[i]);
	}
	manage_forget_removed(sup);
}

void manage_forget_removed(void *data)
{
	struct supervisor *sup = data;

	for (size_t i = 0; i < sup->units_n; i++) {
		struct unit *unit = sup->units[i];

		if (unit && unit->intent.removing && !core_is_active(sup->core, unit->id) && !unit->last.exit.pid)
			unit_forget(unit);
	}
}

void manage_scan_invalid(struct supervisor *sup)
{
	struct loaded_dir dir = { 0 };

	(void)read_dirs(sup, &dir, true, NULL);
	loaded_dir_fini(&dir);
}

void manage_fini(struct supervisor *sup)
{
	invalid_clear(sup);
}

/* --- changing one ----------------------------------------------------------------------------- */

static int check_cycle(struct supervisor *sup, const struct service_config *config, struct error *err)
{
	char chain[CHAIN_SIZE];
	int r = policy_from_config(config, &sup->policy_box);

	if (r < 0)
		return error_set(err, -r, "service '%s': more dependencies or ports than a service may have", config->name);
	if (core_would_cycle(sup->core, config->name, &sup->policy_box.policy, chain, sizeof(chain)))
		return error_set(err, ELOOP, "cyclic dependency detected: %s", chain);
	return 0;
}

/* The definition that waited for the old run's end takes effect; called before the core hears that it is gone. */
void unit_apply_next(struct unit *unit)
{
	struct service_config *next = unit->next;
	struct error err;

	if (!next)
		return;
	unit->next = NULL;
	if (unit_set_config(unit, next, &err) < 0) {
		diag(DIAG_ERROR, "%s: the new definition can't be applied: %s", unit->config->name, err.msg);
		config_free(next);
	}
	(void)definitions_put(unit->sup->definitions, unit_definition_slot(unit->id, true), "", 0);
}

/* Takes `config` over on success. *out_restarted: the service is stopped for it and comes back with it. */
static int change(struct unit *unit, struct service_config *config, bool restart, const struct actor *by,
		  bool *out_restarted, struct error *err)
{
	struct supervisor *sup = unit->sup;
	struct core_event event = { .kind = EV_RESTART, .id = unit->id, .rule = RULE_CONFIG, .uid = by->uid };
	int r = check_cycle(sup, config, err);

	*out_restarted = false;
	if (r < 0)
		return r;
	if (!core_is_active(sup->core, unit->id) || (!restart && !unit->next)) {
		r = unit_set_config(unit, config, err);
		if (r < 0)
			return r;
		unit_set_next(unit, NULL);
		supervisor_continue(sup);
		return 0;
	}
	/* what waits for the end of this run is replaced as a whole, also by what needs no restart of its own */
	*out_restarted = restart;
	unit_set_next(unit, config);
	if (!restart)
		return 0;
	if (core_record(sup->core, unit->id)->wish == WISH_DOWN)
		return 0; /* it is being stopped already, and stays down */
	(void)supervisor_feed(sup, &event);
	return 0;
}

static int persist(struct supervisor *sup, struct service_config *config, struct error *err)
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

int supervisor_add(struct supervisor *sup, struct service_config *config, bool persistent, const struct actor *by,
		   struct error *err)
{
	struct unit *unit;
	int r;

	if (core_is_shutting_down(sup->core))
		return error_set(err, ESHUTDOWN, "the server is shutting down");
	if (unit_find(sup, config->name))
		return error_set(err, EEXIST, "service '%s' exists already", config->name);
	r = check_cycle(sup, config, err);
	if (r == 0 && persistent)
		r = persist(sup, config, err);
	if (r < 0)
		return r;
	supervisor_prepare(sup, EVENT_ADDED, config->name, by->via);
	r = unit_add(sup, config, &unit, err);
	if (r < 0) {
		events_take_back(&sup->events);
		return r;
	}
	events_publish(&sup->events);
	if (persistent) {
		set_path(unit);
		(void)unit_store_definition(unit);
	}
	unit_loaded(unit, RULE_CONFIG, by->uid);
	return 0;
}

/* Its definition is back before it was down: it stays after all, and what asked it to stop is taken back. */
static void keep_after_all(struct unit *unit, const struct actor *by)
{
	const struct core_event event = { .kind = EV_START, .id = unit->id, .rule = RULE_CONFIG, .uid = by->uid };

	if (!unit->intent.removing)
		return;
	unit->intent.removing = unit->intent.remove_file = false;
	unit_save(unit);
	if (unit->config->status == CONFIG_STATUS_START)
		(void)supervisor_feed(unit->sup, &event);
}

int supervisor_set(struct supervisor *sup, struct service_config *config, bool persistent, const struct actor *by,
		   struct error *err)
{
	struct unit *unit = unit_find(sup, config->name);
	struct config_diff diff;
	bool restarted;
	int r;

	if (!unit)
		return supervisor_add(sup, config, persistent, by, err);
	if (core_is_shutting_down(sup->core))
		return error_set(err, ESHUTDOWN, "the server is shutting down");
	r = check_cycle(sup, config, err);
	if (r == 0 && persistent)
		r = persist(sup, config, err);
	if (r < 0)
		return r;
	if (persistent)
		set_path(unit);
	config_diff(unit->next ? unit->next : unit->config, config, &diff);
	r = change(unit, config, diff.apply == APPLY_RESTART, by, &restarted, err);
	if (r == 0)
		keep_after_all(unit, by);
	return r;
}

static void remove_unit(struct unit *unit, bool remove_file, const struct actor *by)
{
	struct supervisor *sup = unit->sup;
	const struct core_event event = { .kind = EV_STOP, .id = unit->id, .rule = RULE_ASKED, .uid = by->uid };

	/* on record before it is begun: whichever server sees it down finishes it */
	unit->intent.removing = true;
	unit->intent.remove_file = unit->intent.remove_file || remove_file;
	unit_save(unit);
	(void)supervisor_feed(sup, &event);
	if (!core_is_active(sup->core, unit->id) && !unit->last.exit.pid)
		unit_forget(unit);
}

int supervisor_remove(struct supervisor *sup, const char *name, const struct actor *by, struct error *err)
{
	struct unit *unit = unit_find(sup, name);

	if (!unit)
		return error_set(err, ENOENT, "service not found: %s", name);
	remove_unit(unit, true, by);
	return 0;
}

int supervisor_forget(struct supervisor *sup, const char *name, const struct actor *by, struct error *err)
{
	struct unit *unit = unit_find(sup, name);

	if (!unit)
		return error_set(err, ENOENT, "service not found: %s", name);
	if (core_is_active(sup->core, unit->id) || core_record(sup->core, unit->id)->wish == WISH_UP)
		return error_set(err, EISCONN, "service '%s' is up: stop it first", name);
	remove_unit(unit, false, by);
	return 0;
}

/* The file NAME.toml of a service directory. Returns 0 with *out (the caller's), -ENOENT, or -EINVAL with `err`. */
static int load_named(const struct supervisor *sup, const char *name, struct service_config **out, struct error *err)
{
	for (size_t i = 0; i < sup->dirs_n; i++) {
		AUTO(strbuf_fini) struct strbuf text = STRBUF(4096);
		struct problems problems;
		char path[PATH_MAX];
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
	AUTO(auto_service_config) struct service_config *config = NULL;
	int r;

	if (unit_find(sup, name))
		return supervisor_start(sup, name, false, by, err);
	r = load_named(sup, name, &config, err);
	if (r == 0)
		r = supervisor_add(sup, config, false, by, err);
	if (r == 0)
		config = NULL; /* taken over */
	return r;
}

/* --- reload ----------------------------------------------------------------------------------- */

struct reload {
	struct supervisor *sup;
	const struct actor *by;
	struct reload_result result;
	reload_fn fn;
	void *data;
};

static void tell(struct reload *reload, enum reload_action action, const char *name, const char *text)
{
	unsigned int *const counters[RELOAD_ACTION_N] = {
		[RELOAD_ADDED] = &reload->result.added,		[RELOAD_CHANGED] = &reload->result.changed,
		[RELOAD_RESTARTED] = &reload->result.restarted, [RELOAD_REMOVED] = &reload->result.removed,
		[RELOAD_INVALID] = &reload->result.invalid,
	};

	++*counters[action];
	if (reload->fn)
		reload->fn(action, name, text, reload->data);
}

static void reload_one(struct reload *reload, struct loaded *item)
{
	struct supervisor *sup = reload->sup;
	struct unit *unit = unit_find(sup, item->name);
	struct config_diff diff;
	bool restarted = false;
	struct error err;
	int r;

	if (!unit) {
		r = supervisor_add(sup, item->config, false, reload->by, &err);
		if (r == 0)
			tell(reload, RELOAD_ADDED, item->name, "");
	} else {
		AUTO(strbuf_fini) struct strbuf keys = STRBUF(4096);

		config_diff(unit->next ? unit->next : unit->config, item->config, &diff);
		if (diff.apply == APPLY_NONE) {
			reload->result.unchanged++;
			keep_after_all(unit, reload->by);
			return;
		}
		for (size_t i = 0; i < diff.n; i++)
			(void)strbuf_addf(&keys, "%s%s", i ? ", " : "", diff.changes[i].key);
		r = change(unit, item->config, diff.apply == APPLY_RESTART, reload->by, &restarted, &err);
		if (r == 0)
			keep_after_all(unit, reload->by);
		if (r == 0)
			tell(reload, restarted ? RELOAD_RESTARTED : RELOAD_CHANGED, item->name, strbuf_str(&keys));
	}
	if (r == 0) {
		item->config = NULL;
		return;
	}
	invalid_add(sup, item->path, item->name, err.msg);
	diag(DIAG_ERROR, "%s: %s", item->path, err.msg);
	tell(reload, RELOAD_INVALID, item->name, err.msg);
}

static bool is_listed(const struct loaded_dir *dir, const char *path)
{
	for (size_t i = 0; i < dir->n; i++) {
		if (strcmp(dir->items[i].path, path) == 0)
			return true;
	}
	return false;
}

static void remove_vanished(struct reload *reload, const struct loaded_dir *dir)
{
	struct supervisor *sup = reload->sup;

	for (size_t i = 0; i < sup->units_n; i++) {
		struct unit *unit = sup->units[i];
		char name[LIMIT_NAME + 1];

		if (!unit || unit->intent.removing || !unit_path(unit) || is_listed(dir, unit_path(unit)))
			continue;
		(void)str_copy(name, sizeof(name), unit->config->name);
		remove_unit(unit, false, reload->by);
		tell(reload, RELOAD_REMOVED, name, "its file is gone");
	}
}

int supervisor_reload(struct supervisor *sup, const struct actor *by, struct reload_result *out, reload_fn fn, void *data,
		      struct error *err)
{
	struct reload reload = { .sup = sup, .by = by, .fn = fn, .data = data };
	struct loaded_dir dir = { 0 };
	int r;

	if (core_is_shutting_down(sup->core))
		return error_set(err, ESHUTDOWN, "the server is shutting down");
	r = read_dirs(sup, &dir, false, err);
	for (size_t i = 0; r == 0 && i < dir.n; i++) {
		struct loaded *item = &dir.items[i];

		if (item->config) {
			reload_one(&reload, item);
		} else {
			AUTO(strbuf_fini) struct strbuf text = STRBUF(4096);

			problems_format(&item->problems, item->path, &text);
			tell(&reload, RELOAD_INVALID, item->name, strbuf_str(&text));
		}
	}
	if (r == 0)
		remove_vanished(&reload, &dir);
	loaded_dir_fini(&dir);
	if (r < 0)
		return r;
	supervisor_announce(sup, EVENT_RELOAD, "", by->via);
	events_tell(&sup->events);
	if (out)
		*out = reload.result;
	return 0;
}
