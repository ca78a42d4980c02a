/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what a service waits for, before it starts and before it is stopped; who holds which port. */
#include "service/core_internal.h"
#include "service/restart.h"

bool need_active(const struct service *s)
{
	return s->rec.state == SERVICE_STARTING || s->rec.state == SERVICE_RUNNING || s->rec.state == SERVICE_STOPPING;
}

bool need_going_down(const struct service *s)
{
	return s->rec.wish == WISH_DOWN || s->rec.flags & RECORD_AGAIN;
}

bool need_satisfied(const struct service *s)
{
	const struct service_record *rec = &s->rec;

	/* nobody starts on the strength of one that is about to go */
	if (rec->state == SERVICE_RUNNING)
		return !s->policy.oneshot && !need_going_down(s);
	/* ended well by itself; one that was asked to stop is no service to others, whatever its exit code */
	return rec->state == SERVICE_EXITED && rec->wish == WISH_UP && rec->timer != TIMER_RESTART &&
	       !(rec->flags & RECORD_AGAIN) && rec->flags & RECORD_HAS_EXITED &&
	       restart_is_success(&s->policy, rec->exit_code, rec->exit_signal);
}

bool need_failed_for_good(const struct service *s)
{
	return s->rec.state == SERVICE_FAILED && s->rec.timer != TIMER_RESTART && !(s->rec.flags & RECORD_AGAIN);
}

/* Does dependency `i` keep `s` from starting now? */
static bool dep_waits(const struct core *core, const struct service *s, size_t i)
{
	const struct service *dep = graph_dep(core, s, i);

	switch (s->policy.deps[i].kind) {
	case DEP_REQUIRES:
		return !dep || !need_satisfied(dep);
	case DEP_AFTER:
		return dep && dep != s && (dep->rec.state == SERVICE_BLOCKED ||
					   (dep->rec.state == SERVICE_INACTIVE && !dep->policy.scheduled));
	case DEP_WANTS:
	case DEP_CONFLICTS:
	case DEP_KIND_N:
		break;
	}
	return false;
}

static enum need need_dependencies(struct core *core, struct service *s, bool full, uint32_t *out_dep)
{
	enum need need = NEED_NOTHING;

	if (!full && s->watch_dep < s->policy.deps_n && dep_waits(core, s, s->watch_dep))
		return NEED_WAIT;
	for (size_t i = 0; i < s->policy.deps_n; i++) {
		const struct service *dep = graph_dep(core, s, i);

		if (s->policy.deps[i].kind == DEP_REQUIRES && (!dep || need_failed_for_good(dep))) {
			*out_dep = (uint32_t)i;
			return dep ? NEED_FAILED : NEED_MISSING;
		}
		if (need == NEED_NOTHING && dep_waits(core, s, i)) {
			need = NEED_WAIT;
			s->watch_dep = (uint32_t)i;
		}
	}
	return need;
}

static bool conflict_active(const struct core *core, const struct service *s)
{
	size_t in_n = graph_in_count(core, s);

	for (size_t i = 0; i < s->policy.deps_n; i++) {
		const struct service *other = graph_dep(core, s, i);

		if (s->policy.deps[i].kind == DEP_CONFLICTS && other && other != s && need_active(other))
			return true;
	}
	for (size_t i = 0; i < in_n; i++) {
		enum dep_kind kind;
		const struct service *other = graph_in(core, s, i, &kind);

		if (kind == DEP_CONFLICTS && other != s && need_active(other))
			return true;
	}
	return false;
}

static bool port_taken(const struct core *core, const struct service *s)
{
	for (size_t i = 0; i < s->policy.ports_n; i++) {
		uint32_t owner = core->port_owner[s->policy.ports[i]];

		if (owner && owner != s->id + 1)
			return true;
	}
	return false;
}

enum need need_to_start(struct core *core, struct service *s, bool full, uint32_t *out_dep, unsigned int *out_blocked)
{
	enum need need = need_dependencies(core, s, full, out_dep);

	*out_blocked = 0;
	if (need == NEED_WAIT) {
		*out_blocked = 1U << BLOCK_WAITING_ON;
		return need;
	}
	if (need != NEED_NOTHING)
		return need;
	if (conflict_active(core, s))
		*out_blocked = 1U << BLOCK_CONFLICTS_WITH;
	else if (port_taken(core, s))
		*out_blocked = 1U << BLOCK_PORT;
	return *out_blocked ? NEED_WAIT : NEED_NOTHING;
}

static bool in_blocks_stop(const struct core *core, const struct service *s, size_t i)
{
	enum dep_kind kind;
	const struct service *other = graph_in(core, s, i, &kind);

	if ((kind != DEP_REQUIRES && kind != DEP_AFTER) || other == s || !need_active(other))
		return false;
	return other->rec.state == SERVICE_STOPPING || need_going_down(other);
}

bool need_dependents_gone(struct core *core, struct service *s)
{
	size_t n = graph_in_count(core, s);

	/* the one that was waited for last is looked at first: many dependents then cost linear time in all */
	if (s->watch_in < n && in_blocks_stop(core, s, s->watch_in))
		return true;
	for (size_t i = 0; i < n; i++) {
		if (in_blocks_stop(core, s, i)) {
			s->watch_in = (uint32_t)i;
			return true;
		}
	}
	return false;
}

void need_set_blocked(struct core *core, struct service *s, unsigned int blocked)
{
	if (s->rec.blocked & 1U << BLOCK_PORT)
		core->port_waiters--;
	s->rec.blocked = (uint8_t)blocked;
	if (s->rec.blocked & 1U << BLOCK_PORT)
		core->port_waiters++;
}

void need_take_ports(struct core *core, struct service *s)
{
	for (size_t i = 0; i < s->policy.ports_n; i++)
		core->port_owner[s->policy.ports[i]] = s->id + 1;
	s->rec.flags |= RECORD_PORTS;
}

void need_release_ports(struct core *core, struct service *s)
{
	if (!(s->rec.flags & RECORD_PORTS))
		return;
	s->rec.flags &= (uint16_t)~RECORD_PORTS;
	for (size_t i = 0; i < s->policy.ports_n; i++) {
		if (core->port_owner[s->policy.ports[i]] == s->id + 1)
			core->port_owner[s->policy.ports[i]] = 0;
	}
	for (uint32_t id = 0; core->port_waiters && id < core->services_cap; id++) {
		struct service *other = core->services[id];

		if (other && other->rec.state == SERVICE_BLOCKED && other->rec.blocked & 1U << BLOCK_PORT)
			core_queue(core, other, TODO_CHECK | TODO_FULL);
	}
}
