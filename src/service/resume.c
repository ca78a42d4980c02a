/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: going on from saved records after the server ended, on purpose or not. */
#include <errno.h>
#include <string.h>

#include "service/core_internal.h"

int core_restore(struct core *core, uint32_t id, const struct service_record *record)
{
	struct service *s = core_get(core, id);

	if (!s)
		return -ENOENT;
	if (record->state >= SERVICE_STATE_N || record->wish >= WISH_N || record->phase >= PHASE_N ||
	    record->failure >= FAILURE_N || record->timer >= TIMER_SHUTDOWN)
		return -EINVAL;
	if (need_active(s))
		core->active--;
	need_release_ports(core, s);
	need_set_blocked(core, s, 0);
	s->rec = *record;
	s->rec.blocked = 0;
	need_set_blocked(core, s, record->blocked);
	if (need_active(s))
		core->active++;
	if (s->rec.flags & RECORD_PORTS)
		need_take_ports(core, s);
	if (!s->held) {
		s->held = true;
		core->held++;
	}
	return 0;
}

static void send(struct core *core, struct service *s, enum event_kind kind, int32_t pid, usec_t now, struct effects *out)
{
	const struct core_event ev = { .kind = kind, .id = s->id, .run = s->rec.run, .pid = pid, .code = -1 };

	(void)machine_step(core, s, &ev, now, out);
}

static void rearm(struct service *s, struct effects *out)
{
	struct effect *e;

	if (s->rec.timer == TIMER_NONE)
		return;
	e = effects_add(out, EFFECT_ARM_TIMER, s);
	e->timer = s->rec.timer;
	e->deadline = s->rec.deadline;
}

/* Its process should live. If it does not, and nobody knows how it ended, that is a bad end with code -1. */
static void resume_process(struct core *core, struct service *s, const struct core_facts *facts, usec_t now,
			   struct effects *out)
{
	if (facts->kind == FACT_NOTHING) {
		send(core, s, EV_EXITED, 0, now, out);
		return;
	}
	if (s->rec.flags & RECORD_PROBES)
		(void)effects_add(out, EFFECT_PROBE_START, s);
}

static void resume_starting(struct core *core, struct service *s, const struct core_facts *facts, usec_t now,
			    struct effects *out)
{
	rearm(s, out);
	if (s->rec.phase == PHASE_PRE_START && facts->kind == FACT_NOTHING)
		(void)effects_add(out, EFFECT_RUN_PRE_START, s);
	else if (s->rec.phase == PHASE_SPAWN && facts->kind == FACT_NOTHING)
		(void)effects_add(out, EFFECT_SPAWN, s);
	else if (s->rec.phase == PHASE_SPAWN && facts->kind == FACT_PROCESS)
		send(core, s, EV_SPAWNED, facts->pid, now, out);
	else if (s->rec.phase == PHASE_READY)
		resume_process(core, s, facts, now, out);
}

/* The grace begins anew: it may have passed while nobody was there to hear what came of the SIGKILL. */
static void kill_again(struct core *core, struct service *s, usec_t now, struct effects *out)
{
	(void)effects_add(out, EFFECT_KILL_ALL, s);
	s->rec.timer = TIMER_STOP;
	s->rec.deadline = time_add(now, KILL_GRACE);
	core_mark_dirty(core, s);
	rearm(s, out);
}

static void resume_stopping(struct core *core, struct service *s, const struct core_facts *facts, usec_t now,
			    struct effects *out)
{
	rearm(s, out);
	if (s->rec.phase == PHASE_STOP_SPAWN && facts->kind == FACT_NOTHING)
		send(core, s, EV_SPAWN_FAILED, 0, now, out);
	else if (s->rec.phase == PHASE_STOP_SPAWN && facts->kind == FACT_PROCESS)
		send(core, s, EV_SPAWNED, facts->pid, now, out);
	else if (s->rec.phase == PHASE_STOP_ASKED)
		(void)effects_add(out, EFFECT_STOP_BEGIN, s);
	else if (s->rec.phase == PHASE_STOP_KILL)
		kill_again(core, s, now, out);
	else if (s->rec.phase == PHASE_POST_STOP && facts->kind == FACT_NOTHING)
		(void)effects_add(out, EFFECT_RUN_POST_STOP, s);
}

static void resume_rest(struct core *core, struct service *s, const struct core_facts *facts, usec_t now,
			struct effects *out)
{
	/* a spawn that hung was given up, and got there while nobody watched */
	if (facts->kind == FACT_PROCESS && !(s->rec.flags & RECORD_HAS_EXITED))
		send(core, s, EV_SPAWNED, facts->pid, now, out);
	rearm(s, out);
	if (s->rec.flags & RECORD_LEFTOVERS)
		(void)effects_add(out, EFFECT_CLEANUP_CHECK, s);
	core_queue(core, s, TODO_CHECK | TODO_FULL);
	machine_tell_critical(core, s, out);
}

int core_resume(struct core *core, uint32_t id, const struct core_facts *facts, usec_t now, struct effects *out)
{
	struct service *s = core_get(core, id);

	out->n = 0;
	if (!s)
		return -ENOENT;
	if (s->held) {
		s->held = false;
		core->held--;
	}
	switch ((enum service_state)s->rec.state) {
	case SERVICE_BLOCKED:
		s->rec.phase = PHASE_NONE;
		resume_rest(core, s, facts, now, out);
		core_queue(core, s, TODO_PULL);
		break;
	case SERVICE_STARTING:
		resume_starting(core, s, facts, now, out);
		break;
	case SERVICE_RUNNING:
		if (!s->policy.target)
			resume_process(core, s, facts, now, out);
		break;
	case SERVICE_STOPPING:
		resume_stopping(core, s, facts, now, out);
		break;
	case SERVICE_INACTIVE:
	case SERVICE_EXITED:
	case SERVICE_FAILED:
		resume_rest(core, s, facts, now, out);
		break;
	case SERVICE_STATE_N:
		break;
	}
	if (!s->rec.status) {
		/* the server died while it was loaded: from here on a change of its status is noticed */
		s->rec.status = (uint8_t)(s->policy.status + 1);
		core_mark_dirty(core, s);
	} else if (s->rec.status != s->policy.status + 1) {
		/* the configuration changed, and the wish that follows was not on record yet */
		core_status_changed(core, s);
	}
	/* what had begun to spread when the server ended may not be on record everywhere: begin again */
	if (need_active(s))
		core_queue(core, s, (need_going_down(s) ? TODO_CASCADE : 0) | TODO_CHECK);
	core_continue_into(core, now, out);
	return 0;
}
