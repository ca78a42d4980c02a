/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the dependency tree. The text is made from the data here, so that the CLI, curl and the web page show the same.
 * A service that was shown once above is not unfolded again: graphs with many paths stay short.
 */
#include "rpc/tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "rpc/service_out.h"
#include "service/core.h"

#define TEXT_MAX (4U << 20)
#define DEPTH_MAX 64

struct walk {
	struct rpc_call *call;
	const struct core *core;
	unsigned char *shown; /* by id */
	size_t ids_n;
	struct strbuf text;
	char indent[DEPTH_MAX * 8 + 1];
};

static void write_node(struct walk *w, uint32_t id, struct json_out *out)
{
	enum dep_kind kind;
	const char *name;
	uint32_t other;

	json_out_open_object(out);
	json_out_member_str(out, "name", core_name(w->core, id));
	json_out_member_str(out, "state", service_state_name(core_state(w->core, id)));
	for (int k = 0; k < DEP_KIND_N; k++) {
		json_out_key(out, dep_kind_name((enum dep_kind)k));
		json_out_open_array(out);
		for (size_t i = 0; core_dependency(w->core, id, i, &kind, &name, &other); i++) {
			if (kind == (enum dep_kind)k)
				json_out_str(out, name);
		}
		json_out_close_array(out);
	}
	json_out_close_object(out);
}

/* Something else pulls it in: it is shown below that. */
static bool is_root(const struct walk *w, uint32_t id)
{
	enum dep_kind kind;
	uint32_t other;

	for (size_t i = 0; core_dependent(w->core, id, i, &kind, &other); i++) {
		if (kind != DEP_CONFLICTS && rpc_call_sees(w->call, other))
			return false;
	}
	return true;
}

static size_t count_children(const struct walk *w, uint32_t id)
{
	enum dep_kind kind;
	const char *name;
	uint32_t other;
	size_t n = 0;

	for (size_t i = 0; core_dependency(w->core, id, i, &kind, &name, &other); i++)
		n += kind != DEP_CONFLICTS;
	return n;
}

static void add_children(struct walk *w, uint32_t id, int depth);

static const char *state_of(const struct walk *w, uint32_t id)
{
	return id == CORE_NONE ? "missing" : service_state_name(core_state(w->core, id));
}

static void add_child(struct walk *w, const char *name, uint32_t id, enum dep_kind kind, bool last, int depth)
{
	size_t len = strlen(w->indent);
	bool again = id != CORE_NONE && id < w->ids_n && w->shown[id] && count_children(w, id) > 0;

	(void)strbuf_addf(&w->text, "%s%s%s %s (%s)%s\n", w->indent, last ? "└─ " : "├─ ", dep_kind_name(kind), name,
			  state_of(w, id), again ? " (see above)" : "");
	if (id == CORE_NONE || again || depth >= DEPTH_MAX)
		return;
	(void)str_copy(w->indent + len, sizeof(w->indent) - len, last ? "   " : "│  ");
	add_children(w, id, depth);
	w->indent[len] = '\0';
}

/* Depth is bounded, and so is the work: each service is unfolded once. */
static void add_children(struct walk *w, uint32_t id, int depth)
{
	size_t left = count_children(w, id);
	enum dep_kind kind;
	const char *name;
	uint32_t other;

	if (id < w->ids_n)
		w->shown[id] = 1;
	for (size_t i = 0; core_dependency(w->core, id, i, &kind, &name, &other); i++) {
		if (kind != DEP_CONFLICTS)
			add_child(w, name, other, kind, --left == 0, depth + 1);
	}
}

static void add_root(struct walk *w, uint32_t id)
{
	(void)strbuf_addf(&w->text, "[%c] %s (%s)\n", service_symbol(core_state(w->core, id)), core_name(w->core, id),
			  state_of(w, id));
	add_children(w, id, 0);
}

static size_t ids_end(const struct core *core)
{
	size_t end = 0;

	for (uint32_t id = core_next(core, CORE_NONE); id != CORE_NONE; id = core_next(core, id))
		end = (size_t)id + 1;
	return end;
}

static void write_all(struct walk *w, uint32_t root, struct json_out *out)
{
	json_out_open_object(out);
	json_out_key(out, "nodes");
	json_out_open_array(out);
	for (uint32_t id = core_next(w->core, CORE_NONE); id != CORE_NONE; id = core_next(w->core, id)) {
		if (!rpc_call_sees(w->call, id))
			continue;
		if (root == CORE_NONE && is_root(w, id))
			add_root(w, id);
		if (root == CORE_NONE || w->shown[id] || id == root)
			write_node(w, id, out);
	}
	json_out_close_array(out);
	json_out_member_str(out, "ascii", strbuf_str(&w->text));
	json_out_close_object(out);
}

void tree_write(struct rpc_call *call, uint32_t root, struct json_out *out)
{
	struct walk w = { .call = call, .core = supervisor_core(rpc_call_supervisor(call)), .text = STRBUF(TEXT_MAX) };

	w.ids_n = ids_end(w.core);
	w.shown = calloc(w.ids_n + 1, 1);
	if (!w.shown) {
		out->to->failed = true;
		return;
	}
	if (root != CORE_NONE)
		add_root(&w, root);
	write_all(&w, root, out);
	strbuf_fini(&w.text);
	free(w.shown);
}
