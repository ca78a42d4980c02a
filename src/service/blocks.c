/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the answers to "what does it wait for" and "is anything under way". */
#include "service/core_internal.h"

struct list_out {
	struct block *v;
	size_t max, n;
};

static void add(struct list_out *out, struct block block)
{
	if (out->n < out->max)
		out->v[out->n] = block;
	out->n++;
}

static void add_dependencies(const struct core *core, const struct service *s, struct list_out *out)
{
	for (size_t i = 0; i < s->policy.deps_n; i++) {
		const struct policy_dep *dep = &s->policy.deps[i];
		const struct service *other = graph_dep(core, s, i);
		bool waits = false;

		if (dep->kind == DEP_REQUIRES)
			waits = !other || !need_satisfied(other);
		else if (dep->kind == DEP_AFTER)
			waits = other && (other->rec.state == SERVICE_INACTIVE || other->rec.state == SERVICE_BLOCKED);
		if (waits)
			add(out, (struct block){ .kind = BLOCK_WAITING_ON, .name = dep->name,
						 .id = other ? other->id : CORE_NONE, .dep = dep->kind });
	}
}

static void add_conflicts(const struct core *core, const struct service *s, struct list_out *out)
{
	size_t in_n = graph_in_count(core, s);

	for (size_t i = 0; i < s->policy.deps_n + in_n; i++) {
		enum dep_kind kind = i < s->policy.deps_n ? s->policy.deps[i].kind : DEP_KIND_N;
		const struct service *other;

		if (i < s->policy.deps_n)
			other = graph_dep(core, s, i);
		else
			other = graph_in(core, s, i - s->policy.deps_n, &kind);
		if (kind == DEP_CONFLICTS && other && other != s && need_active(other))
			add(out, (struct block){ .kind = BLOCK_CONFLICTS_WITH, .name = core_name(core, other->id),
						 .id = other->id, .dep = DEP_CONFLICTS });
	}
}

static void add_ports(const struct core *core, const struct service *s, struct list_out *out)
{
	for (size_t i = 0; i < s->policy.ports_n; i++) {
		uint32_t owner = core->port_owner[s->policy.ports[i]];

		if (owner && owner != s->id + 1)
			add(out, (struct block){ .kind = BLOCK_PORT, .name = core_name(core, owner - 1),
						 .id = owner - 1, .port = s->policy.ports[i] });
	}
}

size_t core_blocks(const struct core *core, uint32_t id, struct block *blocks, size_t max)
{
	const struct service *s = core_get(core, id);
	struct list_out out = { .v = blocks, .max = max };

	if (!s)
		return 0;
	if (core_next_start(core, id))
		add(&out, (struct block){ .kind = BLOCK_RESTART_DELAY, .id = CORE_NONE });
	if (s->rec.state != SERVICE_BLOCKED)
		return out.n;
	/* in the order of the checks: who waits for a dependency has not been held up by a port yet */
	if (s->rec.blocked & 1U << BLOCK_WAITING_ON)
		add_dependencies(core, s, &out);
	if (s->rec.blocked & 1U << BLOCK_CONFLICTS_WITH)
		add_conflicts(core, s, &out);
	if (s->rec.blocked & 1U << BLOCK_PORT)
		add_ports(core, s, &out);
	if (s->rec.blocked & 1U << BLOCK_PROCESS)
		add(&out, (struct block){ .kind = BLOCK_PROCESS, .id = CORE_NONE });
	return out.n;
}

/* Without regard to what it waits for. */
static bool moves(const struct service *s)
{
	switch ((enum service_state)s->rec.state) {
	case SERVICE_STARTING:
	case SERVICE_STOPPING:
		return true;
	case SERVICE_RUNNING:
		return need_going_down(s);
	case SERVICE_BLOCKED:
		return s->rec.phase == PHASE_FILTERS;
	case SERVICE_EXITED:
	case SERVICE_FAILED:
		return s->rec.timer == TIMER_RESTART || s->rec.flags & (RECORD_AGAIN | RECORD_CLEAN_UP);
	case SERVICE_INACTIVE:
		return s->rec.flags & RECORD_CLEAN_UP;
	case SERVICE_STATE_N:
		break;
	}
	return false;
}

bool core_is_settled(const struct core *core, uint32_t id)
{
	const struct service *s = core_get(core, id);

	if (core_pending(core))
		return false;
	/* one waits for one that waits … down to somebody who moves, or does not; no way is longer than all services */
	for (uint32_t left = core->count; s && left; left--) {
		if (moves(s))
			return false;
		if (s->rec.state != SERVICE_BLOCKED || !(s->rec.blocked & 1U << BLOCK_WAITING_ON) ||
		    s->watch_dep >= s->policy.deps_n)
			return true;
		s = graph_dep(core, s, s->watch_dep);
	}
	return true;
}
