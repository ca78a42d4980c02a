/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: sets of changes: made from files or a definition, compared with what runs, digested, tried in a dry run. */
#include "supervisor/change.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/str.h"
#include "config/encode.h"
#include "supervisor/internal.h"

#define CHAIN_SIZE 512
#define CHANGES_FIRST 16
#define TEXT_MAX 4096

const char *change_kind_name(enum change_kind kind)
{
	static const char *const names[CHANGE_KIND_N] = {
		[CHANGE_ADD] = "add",	[CHANGE_LIVE] = "live",	    [CHANGE_RESTART] = "restart", [CHANGE_START] = "start",
		[CHANGE_KEEP] = "keep", [CHANGE_REMOVE] = "remove", [CHANGE_INVALID] = "invalid",
	};

	return names[kind];
}

/* --- the set ---------------------------------------------------------------------------------- */

static void change_fini(struct change *c)
{
	free(c->path);
	config_free(c->config);
	free(c->keys);
	free(c->text);
}

void changes_fini(struct change_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		change_fini(&set->v[i]);
	free(set->v);
	memset(set, 0, sizeof(*set));
}

struct change *changes_add(struct change_set *set, enum change_kind kind, const char *name, const char *path)
{
	struct change *c;

	if (set->n == set->cap) {
		size_t cap = set->cap ? set->cap * 2 : CHANGES_FIRST;
		struct change *bigger = realloc(set->v, cap * sizeof(*bigger));

		if (!bigger)
			return NULL;
		set->v = bigger;
		set->cap = cap;
	}
	c = &set->v[set->n];
	memset(c, 0, sizeof(*c));
	c->kind = kind;
	(void)str_copy(c->name, sizeof(c->name), name);
	c->path = path ? strdup(path) : NULL;
	if (path && !c->path)
		return NULL;
	set->n++;
	return c;
}

void change_refuse(struct change *c, const struct error *err)
{
	c->kind = CHANGE_INVALID;
	c->error = err->code;
	free(c->text);
	c->text = strdup(err->msg);
}

/* --- comparing -------------------------------------------------------------------------------- */

int change_check_cycle(struct supervisor *sup, const struct service_config *config, struct error *err)
{
	char chain[CHAIN_SIZE];
	int r = policy_from_config(config, &sup->policy_box);

	if (r < 0)
		return error_set(err, -r, "service '%s': more dependencies or ports than a service may have", config->name);
	if (core_would_cycle(sup->core, config->name, &sup->policy_box.policy, chain, sizeof(chain)))
		return error_set(err, ELOOP, "cyclic dependency detected: %s", chain);
	return 0;
}

/* It should run, and can't: a new definition is a new chance. */
static bool is_stuck(const struct unit *unit)
{
	const struct core *core = unit->sup->core;
	const struct service_record *record = core_record(core, unit->id);

	return record->wish == WISH_UP && !core_is_active(core, unit->id) &&
	       (record->state == SERVICE_FAILED || record->timer == TIMER_RESTART);
}

static enum change_kind kind_of(const struct unit *unit, const struct config_diff *diff)
{
	if (diff->apply == APPLY_NONE)
		return CHANGE_KEEP;
	if (is_stuck(unit))
		return CHANGE_START;
	return diff->apply == APPLY_RESTART && core_is_active(unit->sup->core, unit->id) ? CHANGE_RESTART : CHANGE_LIVE;
}

/* Compares, and adds what differs. Takes `*config` over if it adds it. */
static int compare(struct supervisor *sup, struct service_config **config, struct change_set *set, struct change **out)
{
	struct unit *unit = unit_find(sup, (*config)->name);
	struct config_diff diff = { 0 };
	enum change_kind kind = CHANGE_ADD;
	struct change *c;

	*out = NULL;
	if (unit) {
		config_diff(unit->next ? unit->next : unit->config, *config, &diff);
		kind = kind_of(unit, &diff);
		if (kind == CHANGE_KEEP && !unit->intent.removing) {
			set->unchanged++;
			return 0;
		}
	}
	c = changes_add(set, kind, (*config)->name, (*config)->path);
	if (!c)
		return -ENOMEM;
	c->keys = diff.n ? calloc(diff.n, sizeof(*c->keys)) : NULL;
	if (diff.n && !c->keys)
		return -ENOMEM;
	if (diff.n)
		memcpy(c->keys, diff.changes, diff.n * sizeof(*c->keys));
	c->keys_n = diff.n;
	c->config = STEAL(config);
	*out = c;
	return 0;
}

/* --- the digest ------------------------------------------------------------------------------- */

/* FNV-1a: tells sets apart that differ by accident or by an edit; nobody gains by forging one. */
static void digest_add(uint64_t *digest, const char *text)
{
	for (const char *p = text ? text : ""; ; p++) {
		*digest = (*digest ^ (unsigned char)*p) * 0x100000001b3ULL;
		if (!*p || !text)
			return;
	}
}

static int digest_config(uint64_t *digest, const struct service_config *config)
{
	json_t *json = config ? config_to_json(config) : NULL;
	AUTO(auto_free) char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	if (config && !text)
		return -ENOMEM;
	digest_add(digest, text);
	return 0;
}

static int make_digest(const struct supervisor *sup, struct change_set *set)
{
	uint64_t digest = 0xcbf29ce484222325ULL;
	int r = 0;

	for (size_t i = 0; i < set->n && r == 0; i++) {
		const struct change *c = &set->v[i];
		const struct unit *unit = unit_find(sup, c->name);

		digest_add(&digest, change_kind_name(c->kind));
		digest_add(&digest, c->name);
		digest_add(&digest, c->path);
		digest_add(&digest, c->text);
		r = digest_config(&digest, unit ? (unit->next ? unit->next : unit->config) : NULL);
		if (r == 0)
			r = digest_config(&digest, c->config);
	}
	(void)snprintf(set->digest, sizeof(set->digest), "%016llx", (unsigned long long)digest);
	return r;
}

/* --- making ----------------------------------------------------------------------------------- */

/* It says what is so already, but perhaps not yet in a file. */
static int add_file_only(struct service_config **config, struct change_set *set)
{
	struct change *c = changes_add(set, CHANGE_LIVE, (*config)->name, NULL);

	if (!c)
		return -ENOMEM;
	c->write_file = true;
	c->config = STEAL(config);
	return 0;
}

int changes_of(struct supervisor *sup, struct service_config *config, bool write_file, struct change_set *out,
	       struct error *err)
{
	AUTO(auto_service_config) struct service_config *owned = config;
	struct change *c;
	int r;

	memset(out, 0, sizeof(*out));
	r = change_check_cycle(sup, owned, err);
	if (r < 0)
		return r;
	r = compare(sup, &owned, out, &c);
	if (r == 0 && c)
		c->write_file = write_file;
	else if (r == 0 && write_file)
		r = add_file_only(&owned, out);
	if (r < 0) {
		changes_fini(out);
		return error_set(err, -r, "out of memory");
	}
	return 0;
}

static int add_file(struct supervisor *sup, struct loaded *item, struct change_set *set)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(TEXT_MAX);
	struct error err;
	struct change *c;
	int r;

	if (item->config) {
		r = change_check_cycle(sup, item->config, &err);
		if (r == 0)
			return compare(sup, &item->config, set, &c);
		(void)strbuf_addf(&text, "%s: %s", item->path, err.msg);
	} else {
		problems_format(&item->problems, item->path, &text);
		err.code = EINVAL;
	}
	c = changes_add(set, CHANGE_INVALID, item->name, item->path);
	if (!c)
		return -ENOMEM;
	c->error = err.code;
	c->text = strdup(strbuf_str(&text));
	return c->text ? 0 : -ENOMEM;
}

static int add_vanished(struct supervisor *sup, const struct loaded_dir *dir, struct change_set *set)
{
	AUTO(map_fini) struct map there;
	int r = 0;

	map_init(&there);
	for (size_t i = 0; i < dir->n && r == 0; i++)
		r = map_put(&there, dir->items[i].path, &dir->items[i]);
	for (size_t i = 0; i < sup->units_n && r == 0; i++) {
		const struct unit *unit = sup->units[i];

		if (!unit || unit->intent.removing || !unit_path(unit) || map_get(&there, unit_path(unit)))
			continue;
		if (!changes_add(set, CHANGE_REMOVE, unit->config->name, unit_path(unit)))
			r = -ENOMEM;
	}
	return r;
}

int changes_read(struct supervisor *sup, bool quiet, struct change_set *out, struct error *err)
{
	struct loaded_dir dir = { 0 };
	int r;

	memset(out, 0, sizeof(*out));
	r = manage_read_dirs(sup, &dir, quiet, err);
	if (r < 0) {
		loaded_dir_fini(&dir);
		return r;
	}
	for (size_t i = 0; i < dir.n && r == 0; i++)
		r = add_file(sup, &dir.items[i], out);
	if (r == 0)
		r = add_vanished(sup, &dir, out);
	if (r == 0)
		r = make_digest(sup, out);
	loaded_dir_fini(&dir);
	if (r < 0) {
		changes_fini(out);
		return error_set(err, -r, "reading the service files: %s", strerror(-r));
	}
	return 0;
}

/* --- the dry run ------------------------------------------------------------------------------ */

static const enum plan_change_kind plan_kinds[CHANGE_KIND_N] = {
	[CHANGE_ADD] = PLAN_ADD,      [CHANGE_LIVE] = PLAN_UPDATE, [CHANGE_RESTART] = PLAN_UPDATE,
	[CHANGE_START] = PLAN_UPDATE, [CHANGE_KEEP] = PLAN_UPDATE,  [CHANGE_REMOVE] = PLAN_REMOVE,
	[CHANGE_INVALID] = PLAN_CHANGE_N,
};

/* Policies of their own, since the supervisor's one box holds one at a time. */
struct preview {
	struct plan_change *changes;
	struct service_policy **policies;
	size_t n;
};

static void preview_fini(struct preview *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->policies[i]);
	free(p->policies);
	free(p->changes);
}

/* With its lists behind it, in one piece. */
static struct service_policy *keep_policy(const struct service_config *config, struct policy_box *box)
{
	struct service_policy *policy;
	size_t deps;
	size_t ports;

	if (policy_from_config(config, box) < 0)
		return NULL;
	deps = box->policy.deps_n * sizeof(*box->deps);
	ports = box->policy.ports_n * sizeof(*box->ports);
	policy = malloc(sizeof(*policy) + deps + ports);
	if (!policy)
		return NULL;
	*policy = box->policy;
	policy->deps = memcpy(policy + 1, box->deps, deps);
	policy->ports = memcpy((char *)(policy + 1) + deps, box->ports, ports);
	return policy;
}

static int preview_add(struct preview *p, struct supervisor *sup, const struct change *c)
{
	const struct unit *unit = unit_find(sup, c->name);
	struct plan_change *plan = &p->changes[p->n];
	bool stays = unit && unit->intent.removing && c->config && c->config->status == CONFIG_STATUS_START;

	if (c->kind == CHANGE_INVALID)
		return 0;
	*plan = (struct plan_change){
		.kind = plan_kinds[c->kind],
		.name = c->name,
		.restart = c->kind == CHANGE_RESTART,
		.start = c->kind == CHANGE_START || stays,
		.uid = UINT32_MAX,
	};
	p->policies[p->n] = c->config ? keep_policy(c->config, &sup->policy_box) : NULL;
	plan->policy = p->policies[p->n];
	p->n++;
	return c->config && !plan->policy ? -ENOMEM : 0;
}

int changes_preview(struct supervisor *sup, const struct change_set *set, struct plan *out, struct error *err)
{
	struct preview p = {
		.changes = calloc(set->n + 1, sizeof(*p.changes)),
		.policies = calloc(set->n + 1, sizeof(*p.policies)),
	};
	int r = p.changes && p.policies ? 0 : -ENOMEM;

	for (size_t i = 0; i < set->n && r == 0; i++)
		r = preview_add(&p, sup, &set->v[i]);
	if (r == 0)
		r = plan_make(sup->core, p.changes, p.n, loop_now(sup->loop), out, err);
	else
		r = error_set(err, ENOMEM, "no memory for a plan");
	preview_fini(&p);
	return r;
}
