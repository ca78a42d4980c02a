/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the set of services, their policies, and the questions that can be asked about them. */
#include "service/core.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "service/core_internal.h"
#include "service/restart.h"

#define SERVICES_FIRST 16
#define PORTS 65536

struct core *core_new(uint64_t seed)
{
	struct core *core = calloc(1, sizeof(*core));

	if (!core)
		return NULL;
	core->seed = seed;
	core->names_free = CORE_NONE;
	for (int i = 0; i < FIFO_N; i++)
		core->fifos[i].head = core->fifos[i].tail = CORE_NONE;
	core->shutdown_deadline = USEC_NEVER;
	map_init(&core->by_name);
	return core;
}

/* Free what a policy copy owns, and let go of the names that it used. */
static void policy_fini(struct core *core, struct service_policy *policy, uint32_t *dep_names)
{
	for (size_t i = 0; dep_names && i < policy->deps_n; i++)
		graph_release(core, dep_names[i]);
	free(dep_names);
	free((void *)(uintptr_t)policy->deps);
	free((void *)(uintptr_t)policy->ports);
	policy->deps = NULL;
	policy->ports = NULL;
	policy->deps_n = policy->ports_n = 0;
}

void core_free(struct core *core)
{
	if (!core)
		return;
	for (uint32_t id = 0; id < core->services_cap; id++) {
		struct service *s = core->services[id];

		if (!s)
			continue;
		free(s->dep_names);
		free((void *)(uintptr_t)s->policy.deps);
		free((void *)(uintptr_t)s->policy.ports);
		free(s->spawn_text);
		free(s);
	}
	for (uint32_t i = 0; i < core->names_n; i++) {
		free(core->names[i].text);
		free(core->names[i].in);
	}
	free(core->names);
	free(core->services);
	free(core->port_owner);
	map_fini(&core->by_name);
	free(core);
}

static int reserve_id(struct core *core, uint32_t id)
{
	uint32_t cap = core->services_cap ? core->services_cap : SERVICES_FIRST;
	struct service **bigger;

	if (id < core->services_cap)
		return 0;
	while (cap <= id)
		cap *= 2;
	bigger = realloc(core->services, cap * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	memset(bigger + core->services_cap, 0, (cap - core->services_cap) * sizeof(*bigger));
	core->services = bigger;
	core->services_cap = cap;
	return 0;
}

static int copy_deps(struct core *core, const struct service_policy *from, struct service_policy *to, uint32_t **names)
{
	struct policy_dep *deps = NULL;

	to->deps = NULL;
	to->deps_n = 0;
	*names = NULL;
	if (!from->deps_n)
		return 0;
	deps = calloc(from->deps_n, sizeof(*deps));
	*names = calloc(from->deps_n, sizeof(**names));
	to->deps = deps;
	if (!deps || !*names)
		return -ENOMEM;
	for (size_t i = 0; i < from->deps_n; i++) {
		uint32_t name = graph_name(core, from->deps[i].name);

		if (name == CORE_NONE)
			return -ENOMEM;
		(*names)[i] = name;
		deps[i] = from->deps[i];
		deps[i].name = core->names[name].text;
		to->deps_n = i + 1;
	}
	return 0;
}

static int copy_ports(struct core *core, const struct service_policy *from, struct service_policy *to)
{
	uint16_t *ports;

	to->ports = NULL;
	to->ports_n = 0;
	if (!from->ports_n)
		return 0;
	if (!core->port_owner)
		core->port_owner = calloc(PORTS, sizeof(*core->port_owner));
	ports = calloc(from->ports_n, sizeof(*ports));
	to->ports = ports;
	if (!ports || !core->port_owner)
		return -ENOMEM;
	memcpy(ports, from->ports, from->ports_n * sizeof(*ports));
	to->ports_n = from->ports_n;
	return 0;
}

/* On failure nothing is left behind. */
static int policy_copy(struct core *core, const struct service_policy *from, struct service_policy *to, uint32_t **names)
{
	int r;

	*to = *from;
	to->ports = NULL;
	to->ports_n = 0;
	r = copy_deps(core, from, to, names);
	if (r == 0)
		r = copy_ports(core, from, to);
	if (r < 0) {
		policy_fini(core, to, *names);
		*names = NULL;
	}
	return r;
}

static void service_free(struct core *core, struct service *s)
{
	if (!s)
		return;
	policy_fini(core, &s->policy, s->dep_names);
	if (s->name != CORE_NONE) {
		core->names[s->name].id = CORE_NONE;
		graph_release(core, s->name);
	}
	free(s->spawn_text);
	free(s);
}

static struct service *service_make(struct core *core, uint32_t id, const char *name, const struct service_policy *policy)
{
	struct service *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->id = id;
	s->rec.failure_other = CORE_NONE;
	s->rec.cause.other = s->rec.wish_cause.other = CORE_NONE;
	s->rec.cause.uid = s->rec.wish_cause.uid = UINT32_MAX;
	s->name = graph_name(core, name);
	if (s->name == CORE_NONE) {
		free(s->spawn_text);
		free(s);
		return NULL;
	}
	core->names[s->name].id = id;
	if (policy_copy(core, policy, &s->policy, &s->dep_names) < 0) {
		service_free(core, s);
		return NULL;
	}
	if (graph_link(core, s) < 0) {
		service_free(core, s);
		return NULL;
	}
	return s;
}

int core_add_at(struct core *core, uint32_t id, const char *name, const struct service_policy *policy, struct error *err)
{
	struct service *s;

	if (!name[0] || strlen(name) > LIMIT_NAME)
		return error_set(err, EINVAL, "'%.64s' is no service name: 1 to %d characters", name, LIMIT_NAME);
	if (id >= LIMIT_SERVICES)
		return error_set(err, ENOSPC, "no more than %d services", LIMIT_SERVICES);
	if (core_find(core, name) != CORE_NONE || core_get(core, id))
		return error_set(err, EEXIST, "service '%s' exists already", name);
	if (reserve_id(core, id) < 0)
		return error_set(err, ENOMEM, "service '%s': out of memory", name);
	s = service_make(core, id, name, policy);
	if (!s)
		return error_set(err, ENOMEM, "service '%s': out of memory", name);
	core->services[id] = s;
	core->count++;
	core_mark_dirty(core, s);
	core_queue_dependents(core, s);
	return 0;
}

int core_add(struct core *core, const char *name, const struct service_policy *policy, uint32_t *out_id, struct error *err)
{
	uint32_t id = core->lowest_free;
	int r;

	while (core_get(core, id))
		id++;
	core->lowest_free = id;
	r = core_add_at(core, id, name, policy, err);
	if (r == 0)
		*out_id = id;
	return r;
}

static bool same_order(const struct service_policy *a, const struct service_policy *b)
{
	if (a->deps_n != b->deps_n)
		return false;
	for (size_t i = 0; i < a->deps_n; i++) {
		if (a->deps[i].kind != b->deps[i].kind || strcmp(a->deps[i].name, b->deps[i].name) != 0)
			return false;
	}
	return true;
}

void core_status_changed(struct core *core, struct service *s)
{
	if (s->policy.status == STATUS_START)
		core_queue_via(core, s, TODO_START, RULE_CONFIG, CORE_NONE);
	else if (s->policy.status == STATUS_STOP)
		core_queue_via(core, s, TODO_STOP, RULE_CONFIG, CORE_NONE);
	core_queue(core, s, TODO_NOTIFY); /* its turn puts on record that it was done */
}

int core_update(struct core *core, uint32_t id, const struct service_policy *policy, usec_t now, struct error *err)
{
	struct service *s = core_get(core, id);
	struct service_policy copy;
	struct service_policy old;
	uint32_t *names;
	uint32_t *old_names;
	char chain[256];
	bool held;

	(void)now;
	if (!s)
		return error_set(err, ENOENT, "no such service");
	if (policy->target != s->policy.target && need_active(s))
		return error_set(err, EBUSY, "service '%s' is active and can't become a target, or cease to be one",
				 core_name(core, id));
	if (!same_order(&s->policy, policy) &&
	    core_would_cycle(core, core_name(core, id), policy, chain, sizeof(chain)))
		return error_set(err, ELOOP, "cyclic dependency detected: %s", chain);
	if (policy_copy(core, policy, &copy, &names) < 0)
		return error_set(err, ENOMEM, "service '%s': out of memory", core_name(core, id));

	core_queue_dependencies(core, s);
	held = s->rec.flags & RECORD_PORTS;
	need_release_ports(core, s);
	graph_unlink(core, s);
	old = s->policy;
	old_names = s->dep_names;
	s->policy = copy;
	s->dep_names = names;
	if (graph_link(core, s) < 0) {
		/* the places that the old edges left are still there: this can't fail */
		s->policy = old;
		s->dep_names = old_names;
		(void)graph_link(core, s);
		policy_fini(core, &copy, names);
		if (held)
			need_take_ports(core, s);
		return error_set(err, ENOMEM, "service '%s': out of memory", core_name(core, id));
	}
	if (held)
		need_take_ports(core, s);
	s->watch_dep = 0;
	if (old.status != s->policy.status)
		core_status_changed(core, s);
	core_queue(core, s, TODO_NOTIFY | TODO_CHECK | TODO_FULL);
	policy_fini(core, &old, old_names);
	return 0;
}

static void forget_id(struct core *core, uint32_t id)
{
	for (uint32_t i = 0; i < core->services_cap; i++) {
		struct service *s = core->services[i];

		if (!s)
			continue;
		if (s->rec.failure_other == id)
			s->rec.failure_other = CORE_NONE;
		if (s->rec.cause.other == id)
			s->rec.cause.other = CORE_NONE;
		if (s->rec.wish_cause.other == id)
			s->rec.wish_cause.other = CORE_NONE;
		if (s->via_other == id)
			s->via_other = CORE_NONE;
	}
}

int core_remove(struct core *core, uint32_t id, usec_t now)
{
	struct service *s = core_get(core, id);

	(void)now;
	if (!s)
		return -ENOENT;
	if (need_active(s))
		return -EBUSY;
	core_queue_dependents(core, s);
	core_unqueue(core, s);
	if (s->held)
		core->held--;
	need_set_blocked(core, s, 0);
	graph_unlink(core, s);
	core->services[id] = NULL;
	core->count--;
	service_free(core, s);
	forget_id(core, id);
	if (id < core->lowest_free)
		core->lowest_free = id;
	return 0;
}

/* --- looking ---------------------------------------------------------------------------------------- */

uint32_t core_find(const struct core *core, const char *name)
{
	uintptr_t i = (uintptr_t)map_get(&core->by_name, name);

	return i ? core->names[i - 1].id : CORE_NONE;
}

const char *core_name(const struct core *core, uint32_t id)
{
	const struct service *s = core_get(core, id);

	return s ? core->names[s->name].text : NULL;
}

uint32_t core_next(const struct core *core, uint32_t after)
{
	for (uint32_t id = after == CORE_NONE ? 0 : after + 1; id < core->services_cap; id++) {
		if (core->services[id])
			return id;
	}
	return CORE_NONE;
}

size_t core_count(const struct core *core)
{
	return core->count;
}

const struct service_policy *core_policy(const struct core *core, uint32_t id)
{
	const struct service *s = core_get(core, id);

	return s ? &s->policy : NULL;
}

const struct service_record *core_record(const struct core *core, uint32_t id)
{
	const struct service *s = core_get(core, id);

	return s ? &s->rec : NULL;
}

enum service_state core_state(const struct core *core, uint32_t id)
{
	const struct service *s = core_get(core, id);

	return s ? (enum service_state)s->rec.state : SERVICE_INACTIVE;
}

bool core_is_active(const struct core *core, uint32_t id)
{
	const struct service *s = core_get(core, id);

	return s && need_active(s);
}

bool core_is_satisfied(const struct core *core, uint32_t id)
{
	const struct service *s = core_get(core, id);

	return s && need_satisfied(s);
}

bool core_is_crash(const struct core *core, uint32_t id, int exit_code, int exit_signal)
{
	const struct service *s = core_get(core, id);

	return s && (s->rec.state == SERVICE_STARTING || s->rec.state == SERVICE_RUNNING) && !need_going_down(s) &&
	       !restart_is_success(&s->policy, exit_code, exit_signal);
}

bool core_is_shutting_down(const struct core *core)
{
	return core->shutting_down;
}

usec_t core_next_start(const struct core *core, uint32_t id)
{
	const struct service *s = core_get(core, id);

	if (!s || s->rec.timer != TIMER_RESTART || s->rec.state == SERVICE_BLOCKED)
		return 0;
	return s->rec.deadline;
}

bool core_dependency(const struct core *core, uint32_t id, size_t i, enum dep_kind *out_kind, const char **out_name,
		     uint32_t *out_id)
{
	const struct service *s = core_get(core, id);

	if (!s || i >= s->policy.deps_n)
		return false;
	*out_kind = s->policy.deps[i].kind;
	*out_name = s->policy.deps[i].name;
	*out_id = core->names[s->dep_names[i]].id;
	return true;
}

bool core_dependent(const struct core *core, uint32_t id, size_t i, enum dep_kind *out_kind, uint32_t *out_id)
{
	const struct service *s = core_get(core, id);

	if (!s || i >= graph_in_count(core, s))
		return false;
	*out_id = graph_in(core, s, i, out_kind)->id;
	return true;
}

uint64_t core_bugs(const struct core *core, const char **out_text)
{
	if (out_text)
		*out_text = core->bug_text;
	return core->bugs;
}

struct failure_info core_failure(const struct core *core, uint32_t id)
{
	struct failure_info info = { .kind = FAILURE_NONE };
	const struct service *s = core_get(core, id);

	if (!s || s->rec.state != SERVICE_FAILED)
		return info;
	info.kind = (enum failure)s->rec.failure;
	info.code = s->rec.exit_code;
	info.signal = s->rec.exit_signal;
	info.attempts = s->rec.attempts;
	info.stage = s->rec.spawn_stage;
	info.error = s->rec.spawn_errno;
	info.gave_up = s->rec.flags & RECORD_GAVE_UP;
	if (info.kind == FAILURE_DEPENDENCY)
		info.name = core_name(core, s->rec.failure_other);
	for (size_t i = 0; info.kind == FAILURE_MISSING && i < s->policy.deps_n; i++) {
		if (s->policy.deps[i].kind == DEP_REQUIRES && !graph_dep(core, s, i) && !info.name)
			info.name = s->policy.deps[i].name;
	}
	return info;
}

void core_note_leftovers(struct core *core, uint32_t id)
{
	struct service *s = core_get(core, id);

	if (!s || s->rec.pid || core_is_active(core, id) || s->rec.state == SERVICE_BLOCKED)
		return;
	s->rec.flags |= RECORD_LEFTOVERS;
	core_mark_dirty(core, s);
}

void core_set_spawn_text(struct core *core, uint32_t id, const char *text)
{
	struct service *s = core_get(core, id);

	if (!s)
		return;
	free(s->spawn_text);
	s->spawn_text = strdup(text); /* without memory the errno alone speaks */
}
