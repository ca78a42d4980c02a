/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the beginning and the end of services: the directories read, files that can't be loaded, what is to be begun or forgotten. */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "supervisor/internal.h"

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
	sup->invalid_unknown = false;
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

int manage_read_dirs(struct supervisor *sup, struct loaded_dir *out, bool quiet, struct error *err)
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

void manage_note_invalid(struct supervisor *sup, const char *path, const char *name, const char *message)
{
	invalid_add(sup, path, name, message);
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
	int r = manage_read_dirs(sup, &dir, false, err);

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
	schedule_open(unit);
	watches_open(unit);
	if (unit->intent.removing) {
		(void)supervisor_feed(unit->sup, &event);
	} else if (unit->next && !core_is_active(core, unit->id)) {
		unit_apply_next(unit);
		supervisor_continue(unit->sup);
	} else if (unit->next && record->wish == WISH_UP && !(record->flags & RECORD_AGAIN)) {
		event.kind = EV_RESTART;
		(void)supervisor_feed(unit->sup, &event);
	}
	trial_go_on(unit);
}

void manage_begin(struct supervisor *sup)
{
	for (size_t i = 0; i < sup->units_n; i++) {
		if (sup->units[i])
			go_on(sup->units[i]);
	}
	journal_go_on(sup);
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

	(void)manage_read_dirs(sup, &dir, true, NULL);
	loaded_dir_fini(&dir);
}

void manage_fini(struct supervisor *sup)
{
	invalid_clear(sup);
}
