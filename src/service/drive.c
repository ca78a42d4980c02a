/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the queues through which changes spread over the graph, and core_step(). Each service in a queue gets a turn, in
 * which what was noted for it (enum todo) is done; a turn may note things for neighbours but never visits them itself.
 */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "service/core_internal.h"

struct effect *effects_add(struct effects *out, enum effect_kind kind, const struct service *s)
{
	struct effect *e = &out->v[out->n];

	/* core_continue() leaves room for a whole turn, so the last place is never needed twice */
	if (out->n + 1 < EFFECTS_MAX)
		out->n++;
	memset(e, 0, sizeof(*e));
	e->kind = kind;
	e->id = s ? s->id : CORE_NONE;
	e->run = s ? s->rec.run : 0;
	return e;
}

static void fifo_push(struct core *core, enum fifo_name which, struct service *s)
{
	struct fifo *fifo = &core->fifos[which];

	if (s->links[which].in)
		return;
	s->links[which] = (struct link){ .next = CORE_NONE, .in = true };
	if (fifo->head == CORE_NONE)
		fifo->head = s->id;
	else
		core_get(core, fifo->tail)->links[which].next = s->id;
	fifo->tail = s->id;
}

static struct service *fifo_pop(struct core *core, enum fifo_name which)
{
	struct service *s = core_get(core, core->fifos[which].head);

	if (!s)
		return NULL;
	core->fifos[which].head = s->links[which].next;
	s->links[which].in = false;
	return s;
}

static void fifo_remove(struct core *core, enum fifo_name which, struct service *s)
{
	struct fifo *fifo = &core->fifos[which];
	struct service *prev = NULL;
	struct service *at = core_get(core, fifo->head);

	if (!s->links[which].in)
		return;
	for (; at != s; at = core_get(core, at->links[which].next))
		prev = at;
	if (prev)
		prev->links[which].next = s->links[which].next;
	else
		fifo->head = s->links[which].next;
	if (fifo->tail == s->id)
		fifo->tail = prev ? prev->id : CORE_NONE;
	s->links[which].in = false;
}

void core_mark_dirty(struct core *core, struct service *s)
{
	fifo_push(core, FIFO_DIRTY, s);
}

uint32_t core_take_dirty(struct core *core)
{
	struct service *s = fifo_pop(core, FIFO_DIRTY);

	return s ? s->id : CORE_NONE;
}

static bool may_start(const struct service *s)
{
	return s->rec.state == SERVICE_BLOCKED && !s->policy.target;
}

void core_queue(struct core *core, struct service *s, unsigned int todo)
{
	s->todo = (uint16_t)(s->todo | todo);
	if (todo & ~TODO_LOOK)
		fifo_push(core, FIFO_WISHES, s);
	if (todo & TODO_CHECK)
		fifo_push(core, may_start(s) ? FIFO_STARTS : FIFO_STATES, s);
}

void core_queue_via(struct core *core, struct service *s, unsigned int todo, enum rule rule, uint32_t other)
{
	/* in a shutdown nothing that is queued may come between a service and its stop */
	if (core->shutting_down && !(todo & TODO_STOP))
		return;
	/* the last wish wins, as it would if each were handled at once */
	s->todo &= (uint16_t)~(TODO_STOP | TODO_AGAIN | TODO_START | TODO_TREE);
	s->via_rule = (uint8_t)rule;
	s->via_other = other;
	core_queue(core, s, todo);
}

void core_unqueue(struct core *core, struct service *s)
{
	for (int i = 0; i < FIFO_N; i++)
		fifo_remove(core, (enum fifo_name)i, s);
}

static bool work_left(const struct core *core)
{
	return core->fifos[FIFO_WISHES].head != CORE_NONE || core->fifos[FIFO_STATES].head != CORE_NONE ||
	       core->fifos[FIFO_STARTS].head != CORE_NONE;
}

static bool shutdown_to_tell(const struct core *core)
{
	return core->shutting_down && !core->shutdown_done && !core->active;
}

bool core_pending(const struct core *core)
{
	if (core->held)
		return false;
	return work_left(core) || shutdown_to_tell(core);
}

/* Start what `s` requires, and on demand what it wants. */
static void pull(struct core *core, struct service *s, unsigned int todo)
{
	for (size_t i = 0; i < s->policy.deps_n; i++) {
		enum dep_kind kind = s->policy.deps[i].kind;
		struct service *dep = graph_dep(core, s, i);
		bool tree = todo & TODO_PULL_TREE;
		bool by_hand = todo & (TODO_PULL_RETRY | TODO_PULL_TREE);

		if (!dep || dep == s || (kind != DEP_REQUIRES && (kind != DEP_WANTS || !by_hand)))
			continue;
		if (!tree && dep->policy.status != STATUS_START)
			continue;
		if (dep->rec.wish == WISH_UP && !(by_hand && need_failed_for_good(dep)))
			continue;
		core_queue_via(core, dep, TODO_START | (tree ? TODO_TREE : 0), RULE_PULLED, s->id);
	}
}

/* What requires `s` goes down before it does: for good if `s` does, to come again if `s` comes again. */
static void cascade(struct core *core, struct service *s)
{
	size_t n = graph_in_count(core, s);
	bool again = s->rec.wish == WISH_UP && s->rec.flags & RECORD_AGAIN;

	if (s->rec.wish == WISH_UP && !again)
		return;
	for (size_t i = 0; i < n; i++) {
		enum dep_kind kind;
		struct service *other = graph_in(core, s, i, &kind);

		if (kind != DEP_REQUIRES || other == s || other->rec.wish == WISH_DOWN)
			continue;
		if (other->policy.status == STATUS_IGNORE && !core->shutting_down)
			continue;
		if (!again)
			core_queue_via(core, other, TODO_STOP, RULE_CASCADE, s->id);
		else if (other->rec.state == SERVICE_STARTING || other->rec.state == SERVICE_RUNNING)
			core_queue_via(core, other, TODO_AGAIN, RULE_CASCADE, s->id);
	}
}

static void spread_crash(struct core *core, struct service *s)
{
	size_t n = graph_in_count(core, s);

	for (size_t i = 0; i < n; i++) {
		enum dep_kind kind;
		struct service *other = graph_in(core, s, i, &kind);

		if (kind != DEP_REQUIRES || other == s || other->policy.target || need_going_down(other) ||
		    !need_active(other) || other->policy.on_dependency_crash == CRASH_KEEP)
			continue;
		core_queue_via(core, other,
			       other->policy.on_dependency_crash == CRASH_STOP ? TODO_STOP : TODO_AGAIN,
			       RULE_DEP_CRASHED, s->id);
	}
}

static bool wants_to_know(const struct service *s)
{
	switch ((enum service_state)s->rec.state) {
	case SERVICE_BLOCKED:
		return true;
	case SERVICE_FAILED:
		return s->rec.failure == FAILURE_DEPENDENCY || s->rec.failure == FAILURE_MISSING;
	case SERVICE_RUNNING:
		return s->policy.target;
	case SERVICE_INACTIVE:
	case SERVICE_STARTING:
	case SERVICE_STOPPING:
	case SERVICE_EXITED:
	case SERVICE_STATE_N:
		break;
	}
	return false;
}

void core_queue_dependencies(struct core *core, struct service *s)
{
	for (size_t i = 0; i < s->policy.deps_n; i++) {
		struct service *dep = graph_dep(core, s, i);

		if (!dep || dep == s)
			continue;
		if (s->policy.deps[i].kind == DEP_CONFLICTS ? dep->rec.state == SERVICE_BLOCKED
							    : need_going_down(dep))
			core_queue(core, dep, TODO_CHECK);
	}
}

/* The state of `s` changed: whoever may wait for that looks again. */
static void notify(struct core *core, struct service *s)
{
	unsigned int todo = TODO_CHECK | (need_satisfied(s) ? 0 : TODO_FULL);
	size_t n = graph_in_count(core, s);

	for (size_t i = 0; i < n; i++) {
		enum dep_kind kind;
		struct service *other = graph_in(core, s, i, &kind);

		if (other != s && wants_to_know(other))
			core_queue(core, other, kind == DEP_REQUIRES ? todo : TODO_CHECK);
	}
	core_queue_dependencies(core, s);
}

void core_queue_dependents(struct core *core, struct service *s)
{
	size_t n = graph_in_count(core, s);

	for (size_t i = 0; i < n; i++) {
		enum dep_kind kind;
		struct service *other = graph_in(core, s, i, &kind);

		if (other != s && wants_to_know(other))
			core_queue(core, other, TODO_CHECK | TODO_FULL);
	}
}

static void send_via(struct core *core, struct service *s, enum event_kind kind, unsigned int todo, usec_t now,
		     struct effects *out)
{
	const struct core_event ev = {
		.kind = kind, .id = s->id, .rule = (enum rule)s->via_rule, .uid = UINT32_MAX,
		.tree = todo & TODO_TREE,
	};

	(void)machine_step(core, s, &ev, now, out);
}

/* What others, or its own last event, want of it; then what neighbours have to learn. */
static void spread_turn(struct core *core, struct service *s, usec_t now, struct effects *out)
{
	unsigned int todo = s->todo & ~TODO_LOOK;
	uint8_t status = (uint8_t)(s->policy.status + 1);

	s->todo &= TODO_LOOK;
	if (s->rec.status != status) {
		s->rec.status = status;
		core_mark_dirty(core, s);
	}
	if (todo & TODO_STOP)
		send_via(core, s, EV_STOP, todo, now, out);
	if (todo & TODO_AGAIN)
		send_via(core, s, EV_RESTART, todo, now, out);
	if (todo & TODO_START)
		send_via(core, s, EV_START, todo, now, out);
	if (todo & TODO_KILL && need_active(s)) {
		const struct core_event ev = { .kind = EV_TIMER, .id = s->id, .timer = TIMER_SHUTDOWN };

		(void)machine_step(core, s, &ev, now, out);
	}
	todo &= ~(unsigned int)(TODO_STOP | TODO_AGAIN | TODO_START | TODO_TREE | TODO_KILL);
	if (s->todo & ~TODO_LOOK) {
		/* what the events above noted comes in a turn of its own, behind what is queued already */
		core_queue(core, s, todo);
		return;
	}
	if (todo & TODO_PULL)
		pull(core, s, todo);
	if (todo & TODO_CASCADE)
		cascade(core, s);
	if (todo & TODO_CRASH)
		spread_crash(core, s);
	if (todo & TODO_NOTIFY)
		notify(core, s);
}

/* It looks around and goes where its wish leads. */
static void check_turn(struct core *core, struct service *s, usec_t now, struct effects *out)
{
	const struct core_event ev = { .kind = EV_CHECK, .id = s->id, .ok = s->todo & TODO_FULL };

	/* done already if its state changed while it waited, and with it the queue that it waits in */
	if (!(s->todo & TODO_CHECK))
		return;
	s->todo &= (uint16_t)~TODO_LOOK;
	(void)machine_step(core, s, &ev, now, out);
}

void core_continue_into(struct core *core, usec_t now, struct effects *out)
{
	if (core->held)
		return;
	/* wishes have spread everywhere before anybody acts on what it sees: nobody starts beside one that is about to go */
	while (work_left(core) && out->n + EFFECTS_PER_TURN <= EFFECTS_MAX) {
		struct service *s = fifo_pop(core, FIFO_WISHES);

		if (s) {
			spread_turn(core, s, now, out);
			continue;
		}
		s = fifo_pop(core, FIFO_STATES);
		if (s && may_start(s))
			fifo_push(core, FIFO_STARTS, s);
		else
			check_turn(core, s ? s : fifo_pop(core, FIFO_STARTS), now, out);
	}
	if (!work_left(core) && shutdown_to_tell(core)) {
		core->shutdown_done = true;
		(void)effects_add(out, EFFECT_SHUTDOWN_DONE, NULL);
	}
}

void core_continue(struct core *core, usec_t now, struct effects *out)
{
	out->n = 0;
	core_continue_into(core, now, out);
}

static void shutdown_begin(struct core *core, usec_t deadline, struct effects *out)
{
	core->shutting_down = true;
	core->shutdown_done = false;
	core->shutdown_deadline = deadline;
	for (uint32_t id = 0; id < core->services_cap; id++) {
		struct service *s = core->services[id];

		if (s)
			core_queue_via(core, s, TODO_STOP, RULE_SHUTDOWN, CORE_NONE);
	}
	if (deadline != USEC_NEVER) {
		struct effect *e = effects_add(out, EFFECT_ARM_TIMER, NULL);

		e->timer = TIMER_SHUTDOWN;
		e->deadline = deadline;
	}
}

static int step_whole_server(struct core *core, const struct core_event *ev, usec_t now, struct effects *out)
{
	if (ev->kind == EV_SHUTDOWN) {
		if (core->shutting_down)
			return -EALREADY;
		shutdown_begin(core, ev->deadline, out);
		return 0;
	}
	if (ev->kind != EV_TIMER || ev->timer != TIMER_SHUTDOWN)
		return -ENOENT;
	if (!core->shutting_down || now < core->shutdown_deadline)
		return -ESTALE;
	for (uint32_t id = 0; id < core->services_cap; id++) {
		struct service *s = core->services[id];

		if (s && need_active(s))
			core_queue(core, s, TODO_KILL);
	}
	return 0;
}

/* Events that speak of one run of the process; those of an older one come too late. */
static bool of_a_run(enum event_kind kind)
{
	return kind >= EV_PRE_START_DONE && kind <= EV_POST_STOP_DONE;
}

static bool stale(const struct service *s, const struct core_event *ev, usec_t now)
{
	if (of_a_run(ev->kind))
		return ev->run != s->rec.run;
	if (ev->kind == EV_TIMER)
		return ev->timer == TIMER_NONE || ev->timer != s->rec.timer || now < s->rec.deadline;
	return false;
}

int core_step(struct core *core, const struct core_event *ev, usec_t now, struct effects *out)
{
	struct service *s = core_get(core, ev->id);
	int r;

	out->n = 0;
	if (!s && ev->id != CORE_NONE)
		return -ENOENT;
	if (!s) {
		r = step_whole_server(core, ev, now, out);
	} else if (ev->kind <= EV_NONE || ev->kind >= EV_SHUTDOWN) {
		machine_bug(core, s, ev->kind, "is no event of a service");
		return -EPROTO;
	} else if (stale(s, ev, now)) {
		core->stale++;
		return -ESTALE;
	} else {
		r = machine_step(core, s, ev, now, out);
	}
	core_continue_into(core, now, out);
	return r;
}

void core_restore_shutdown(struct core *core, usec_t deadline)
{
	struct effects none;

	none.n = 0;
	shutdown_begin(core, deadline, &none);
}
