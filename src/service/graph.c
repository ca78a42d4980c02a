/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: names, the edges between services, and the search for cycles. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "service/core_internal.h"

#define IN_FIRST 2
#define NAMES_FIRST 16

static uint32_t name_slot(struct core *core)
{
	uint32_t i;

	if (core->names_free != CORE_NONE) {
		i = core->names_free;
		core->names_free = core->names[i].next_free;
		return i;
	}
	if (core->names_n == core->names_cap) {
		uint32_t cap = core->names_cap ? core->names_cap * 2 : NAMES_FIRST;
		struct name *bigger = realloc(core->names, cap * sizeof(*bigger));

		if (!bigger)
			return CORE_NONE;
		core->names = bigger;
		core->names_cap = cap;
	}
	return core->names_n++;
}

static void name_slot_free(struct core *core, uint32_t i)
{
	memset(&core->names[i], 0, sizeof(core->names[i]));
	core->names[i].next_free = core->names_free;
	core->names_free = i;
}

uint32_t graph_name(struct core *core, const char *text)
{
	uintptr_t known = (uintptr_t)map_get(&core->by_name, text);
	uint32_t i;

	if (known)
		return (uint32_t)(known - 1);
	i = name_slot(core);
	if (i == CORE_NONE)
		return CORE_NONE;
	memset(&core->names[i], 0, sizeof(core->names[i]));
	core->names[i].id = CORE_NONE;
	core->names[i].text = strdup(text);
	if (!core->names[i].text || map_put(&core->by_name, core->names[i].text, (void *)((uintptr_t)i + 1)) < 0) {
		free(core->names[i].text);
		name_slot_free(core, i);
		return CORE_NONE;
	}
	return i;
}

void graph_release(struct core *core, uint32_t name)
{
	struct name *n = &core->names[name];

	if (!n->text || n->id != CORE_NONE || n->in_n)
		return;
	(void)map_take(&core->by_name, n->text);
	free(n->text);
	free(n->in);
	name_slot_free(core, name);
}

static int in_reserve(struct name *n)
{
	uint32_t cap = n->in_cap ? n->in_cap * 2 : IN_FIRST;
	uint32_t *bigger;

	if (n->in_n < n->in_cap)
		return 0;
	bigger = realloc(n->in, cap * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	n->in = bigger;
	n->in_cap = cap;
	return 0;
}

static void in_remove(struct name *n, uint32_t value)
{
	for (uint32_t i = 0; i < n->in_n; i++) {
		if (n->in[i] == value) {
			memmove(&n->in[i], &n->in[i + 1], (n->in_n - i - 1) * sizeof(*n->in));
			n->in_n--;
			return;
		}
	}
}

static uint32_t in_value(const struct service *s, size_t i)
{
	return s->id << 2 | (uint32_t)s->policy.deps[i].kind;
}

int graph_link(struct core *core, struct service *s)
{
	for (size_t i = 0; i < s->policy.deps_n; i++) {
		struct name *n = &core->names[s->dep_names[i]];

		if (in_reserve(n) < 0) {
			while (i-- > 0)
				core->names[s->dep_names[i]].in_n--;
			return -ENOMEM;
		}
		n->in[n->in_n++] = in_value(s, i);
	}
	return 0;
}

void graph_unlink(struct core *core, struct service *s)
{
	for (size_t i = 0; i < s->policy.deps_n; i++)
		in_remove(&core->names[s->dep_names[i]], in_value(s, i));
}

struct service *graph_dep(const struct core *core, const struct service *s, size_t i)
{
	return core_get(core, core->names[s->dep_names[i]].id);
}

struct service *graph_in(const struct core *core, const struct service *s, size_t i, enum dep_kind *kind)
{
	uint32_t value = core->names[s->name].in[i];

	*kind = (enum dep_kind)(value & 3);
	return core_get(core, value >> 2);
}

size_t graph_in_count(const struct core *core, const struct service *s)
{
	return core->names[s->name].in_n;
}

/* --- cycles ------------------------------------------------------------------------------------- */

/* A walk in depth that keeps its own stack: a chain of 100,000 services must not need the C stack. */
struct walk {
	const struct core *core;
	uint8_t *mark;   /* by id: 0 new, 1 on the stack, 2 done */
	uint32_t *stack; /* ids */
	uint32_t *at;    /* by depth: the next dependency to look at */
	uint32_t depth;
};

static bool orders(enum dep_kind kind)
{
	return kind == DEP_REQUIRES || kind == DEP_AFTER;
}

static void chain_write(const struct walk *w, uint32_t again, char *chain, size_t size)
{
	struct strbuf b = STRBUF(1 << 20);
	uint32_t from = 0;

	while (w->stack[from] != again)
		from++;
	for (uint32_t i = from; i < w->depth; i++)
		(void)strbuf_addf(&b, "%s -> ", core_name(w->core, w->stack[i]));
	(void)strbuf_puts(&b, core_name(w->core, again));
	(void)str_copy(chain, size, strbuf_str(&b));
	strbuf_fini(&b);
}

static void walk_push(struct walk *w, uint32_t id)
{
	w->mark[id] = 1;
	w->stack[w->depth] = id;
	w->at[w->depth++] = 0;
}

/* Walk from `start`; returns a member of a cycle, whose chain is then written, or CORE_NONE. */
static uint32_t walk_from(struct walk *w, uint32_t start, char *chain, size_t size)
{
	w->depth = 0;
	walk_push(w, start);
	while (w->depth) {
		const struct service *s = core_get(w->core, w->stack[w->depth - 1]);
		uint32_t i = w->at[w->depth - 1]++;
		const struct service *dep;

		if (i >= s->policy.deps_n) {
			w->mark[s->id] = 2;
			w->depth--;
			continue;
		}
		dep = graph_dep(w->core, s, i);
		if (!orders(s->policy.deps[i].kind) || !dep || w->mark[dep->id] == 2)
			continue;
		if (w->mark[dep->id] == 1) {
			chain_write(w, dep->id, chain, size);
			return dep->id;
		}
		walk_push(w, dep->id);
	}
	return CORE_NONE;
}

static bool walk_init(struct walk *w, const struct core *core)
{
	size_t n = core->services_cap + 1;

	memset(w, 0, sizeof(*w));
	w->core = core;
	w->mark = calloc(n, sizeof(*w->mark));
	w->stack = calloc(n, sizeof(*w->stack));
	w->at = calloc(n, sizeof(*w->at));
	return w->mark && w->stack && w->at;
}

static void walk_fini(struct walk *w)
{
	free(w->mark);
	free(w->stack);
	free(w->at);
}

uint32_t core_find_cycle(const struct core *core, char *chain, size_t size)
{
	struct walk w;
	uint32_t found = CORE_NONE;

	if (walk_init(&w, core)) {
		for (uint32_t id = 0; id < core->services_cap && found == CORE_NONE; id++) {
			if (core->services[id] && !w.mark[id])
				found = walk_from(&w, id, chain, size);
		}
	}
	walk_fini(&w);
	return found;
}

/* Is `name` reached from `start`? Then w->stack holds the way. */
static bool walk_reaches(struct walk *w, uint32_t start, const char *name)
{
	w->depth = 0;
	walk_push(w, start);
	while (w->depth) {
		const struct service *s = core_get(w->core, w->stack[w->depth - 1]);
		uint32_t i = w->at[w->depth - 1]++;
		const struct service *dep;

		if (i >= s->policy.deps_n) {
			w->depth--;
			continue;
		}
		if (!orders(s->policy.deps[i].kind))
			continue;
		if (strcmp(s->policy.deps[i].name, name) == 0)
			return true;
		dep = graph_dep(w->core, s, i);
		if (!dep || w->mark[dep->id])
			continue;
		walk_push(w, dep->id);
	}
	return false;
}

static void chain_through(const struct walk *w, const char *name, char *chain, size_t size)
{
	struct strbuf b = STRBUF(1 << 20);

	(void)strbuf_addf(&b, "%s -> ", name);
	for (uint32_t i = 0; i < w->depth; i++)
		(void)strbuf_addf(&b, "%s -> ", core_name(w->core, w->stack[i]));
	(void)strbuf_puts(&b, name);
	(void)str_copy(chain, size, strbuf_str(&b));
	strbuf_fini(&b);
}

bool core_would_cycle(const struct core *core, const char *name, const struct service_policy *policy, char *chain,
		      size_t size)
{
	struct walk w;
	bool found = false;

	if (walk_init(&w, core)) {
		for (size_t i = 0; i < policy->deps_n && !found; i++) {
			uint32_t id = core_find(core, policy->deps[i].name);

			if (!orders(policy->deps[i].kind))
				continue;
			if (strcmp(policy->deps[i].name, name) == 0) {
				w.depth = 0;
				found = true;
			} else if (id != CORE_NONE && !w.mark[id]) {
				found = walk_reaches(&w, id, name);
			}
		}
	}
	if (found)
		chain_through(&w, name, chain, size);
	walk_fini(&w);
	return found;
}
