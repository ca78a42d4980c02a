/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the parts that steps of several states are made of. */
#include "service/steps.h"

#include <errno.h>

#include "service/restart.h"

enum service_state step_here(const struct step *st)
{
	return (enum service_state)st->s->rec.state;
}

bool step_has(const struct step *st, enum record_flag flag)
{
	return st->s->rec.flags & flag;
}

void step_set_flag(struct step *st, enum record_flag flag, bool on)
{
	if (on)
		st->s->rec.flags = (uint16_t)(st->s->rec.flags | flag);
	else
		st->s->rec.flags = (uint16_t)(st->s->rec.flags & ~flag);
	core_mark_dirty(st->core, st->s);
}

void step_effect(struct step *st, enum effect_kind kind)
{
	(void)effects_add(st->out, kind, st->s);
}

void step_announce(struct step *st, enum service_state from)
{
	struct effect *e = effects_add(st->out, EFFECT_ANNOUNCE, st->s);

	e->from = (uint8_t)from;
	e->to = st->s->rec.state;
	e->cause = st->cause;
}

void step_arm(struct step *st, enum timer_kind kind, usec_t deadline)
{
	struct effect *e;

	st->s->rec.timer = (uint8_t)kind;
	st->s->rec.deadline = deadline;
	e = effects_add(st->out, EFFECT_ARM_TIMER, st->s);
	e->timer = (uint8_t)kind;
	e->deadline = deadline;
}

void step_disarm(struct step *st)
{
	if (st->s->rec.timer == TIMER_NONE)
		return;
	st->s->rec.timer = TIMER_NONE;
	st->s->rec.deadline = 0;
	step_effect(st, EFFECT_DISARM);
}

void step_arm_stop(struct step *st)
{
	if (st->s->policy.stop_timeout)
		step_arm(st, TIMER_STOP, time_add(st->now, st->s->policy.stop_timeout));
	else
		step_disarm(st);
}

void step_because(struct step *st, enum rule rule, uint32_t other)
{
	st->cause.rule = (uint8_t)rule;
	st->cause.other = other;
	st->cause.uid = UINT32_MAX;
}

void step_because_of_wish(struct step *st)
{
	uint8_t event = st->cause.event;

	st->cause = st->s->rec.wish_cause;
	st->cause.at = st->now;
	st->cause.event = event;
}

void step_set_wish(struct step *st, enum service_wish wish)
{
	st->s->rec.wish = (uint8_t)wish;
	st->s->rec.wish_cause = st->cause;
	step_set_flag(st, RECORD_BY_HAND, st->cause.rule == RULE_ASKED);
}

bool step_refused(struct step *st)
{
	if (!st->core->shutting_down)
		return false;
	st->result = -ESHUTDOWN;
	return true;
}

enum service_state step_already(struct step *st)
{
	st->result = -EALREADY;
	return step_here(st);
}

enum service_state step_too_late(struct step *st)
{
	st->result = -ESTALE;
	return step_here(st);
}

enum service_state step_stay(struct step *st)
{
	return step_here(st);
}

bool step_automatic(const struct step *st)
{
	return st->ev->rule != RULE_ASKED;
}

void step_come_up(struct step *st)
{
	bool retry = st->ev->rule == RULE_ASKED || st->ev->rule == RULE_PULLED;

	step_set_wish(st, WISH_UP);
	restart_reset(&st->s->rec);
	step_set_flag(st, RECORD_GAVE_UP, false);
	if (st->ev->rule == RULE_SCHEDULE)
		return; /* what somebody stopped is waited for, not started by the clock */
	core_queue(st->core, st->s,
		   TODO_PULL | (retry ? TODO_PULL_RETRY : 0) | (st->ev->tree ? TODO_PULL_TREE : 0));
}

void step_note_exit(struct step *st)
{
	struct service_record *rec = &st->s->rec;

	rec->pid = 0;
	rec->ended_at = st->now;
	rec->exit_code = (int16_t)(st->ev->signal ? -1 : st->ev->code);
	rec->exit_signal = (uint8_t)st->ev->signal;
	step_set_flag(st, RECORD_HAS_EXITED, true);
	step_set_flag(st, RECORD_CORE_DUMPED, st->ev->core_dumped);
	if (rec->kill_signal) {
		st->cause.signal = rec->kill_signal;
		st->cause.uid = rec->kill_uid;
	}
}

enum failure step_exit_failure(const struct step *st)
{
	const struct service_record *rec = &st->s->rec;

	if (restart_is_success(&st->s->policy, rec->exit_code, rec->exit_signal))
		return FAILURE_NONE;
	return rec->exit_signal ? FAILURE_SIGNAL : FAILURE_EXIT_CODE;
}

void step_restart_at(struct step *st, usec_t at)
{
	if (at > st->now) {
		step_arm(st, TIMER_RESTART, at);
		return;
	}
	/* no delay: its own next turn does it, without a round through the shell's timers */
	step_disarm(st);
	st->s->rec.timer = TIMER_RESTART;
	st->s->rec.deadline = st->now;
	core_queue(st->core, st->s, TODO_CHECK);
}

enum service_state step_finish(struct step *st, enum failure failure)
{
	struct service_record *rec = &st->s->rec;
	enum restart_verdict verdict;
	usec_t at;

	rec->pid = 0;
	rec->failure = (uint8_t)failure;
	step_set_flag(st, RECORD_CRASHED, false);
	if (rec->wish == WISH_DOWN || step_has(st, RECORD_AGAIN)) {
		step_disarm(st);
		core_queue(st->core, st->s, TODO_CHECK);
		return failure ? SERVICE_FAILED : SERVICE_EXITED;
	}
	verdict = restart_decide(&st->s->policy, rec, !failure, st->core->seed ^ st->s->id, st->now, &at);
	if (verdict == RESTART_LATER)
		step_restart_at(st, at);
	else
		step_disarm(st);
	if (verdict == RESTART_GIVE_UP) {
		step_set_flag(st, RECORD_GAVE_UP, true);
		st->cause.rule = RULE_LIMIT;
		if (!failure)
			rec->failure = rec->exit_signal ? FAILURE_SIGNAL : FAILURE_EXIT_CODE;
	}
	if (rec->failure || verdict == RESTART_LATER)
		core_queue(st->core, st->s, TODO_CRASH);
	return rec->failure ? SERVICE_FAILED : SERVICE_EXITED;
}

/* Judged by what was begun: the configuration may have changed since. */
void step_stop_probes(struct step *st)
{
	if (!step_has(st, RECORD_PROBES))
		return;
	step_set_flag(st, RECORD_PROBES, false);
	step_effect(st, EFFECT_PROBE_STOP);
}

enum service_state step_begin_stop(struct step *st, enum failure failure)
{
	struct service_record *rec = &st->s->rec;

	if (st->s->policy.target) {
		core_queue(st->core, st->s, TODO_CHECK);
		if (!step_has(st, RECORD_AGAIN))
			return SERVICE_INACTIVE;
		step_set_flag(st, RECORD_AGAIN, false);
		return SERVICE_BLOCKED;
	}
	rec->failure = (uint8_t)failure;
	step_stop_probes(st);
	if (rec->phase == PHASE_SPAWN) {
		rec->phase = PHASE_STOP_SPAWN;
	} else {
		rec->phase = PHASE_STOP_ASKED;
		step_effect(st, EFFECT_STOP_BEGIN);
	}
	step_arm_stop(st);
	return SERVICE_STOPPING;
}

void step_kill_all(struct step *st)
{
	st->s->rec.phase = PHASE_STOP_KILL;
	step_effect(st, EFFECT_KILL_ALL);
	step_arm(st, TIMER_STOP, time_add(st->now, KILL_GRACE));
	core_mark_dirty(st->core, st->s);
}

enum service_state step_begin_kill(struct step *st)
{
	if (st->s->policy.target)
		return SERVICE_INACTIVE;
	step_stop_probes(st);
	st->s->rec.failure = FAILURE_STOP_TIMEOUT;
	step_kill_all(st);
	return SERVICE_STOPPING;
}

enum service_state step_begin_post_stop(struct step *st)
{
	st->s->rec.phase = PHASE_POST_STOP;
	step_set_flag(st, RECORD_POST_RAN, true);
	step_effect(st, EFFECT_RUN_POST_STOP);
	step_arm_stop(st);
	return SERVICE_STOPPING;
}

enum service_state step_stop_leftovers(struct step *st)
{
	st->s->rec.phase = PHASE_STOP_ASKED;
	step_set_flag(st, RECORD_WAS_FAILED, step_here(st) == SERVICE_FAILED);
	st->s->rec.failure = FAILURE_NONE; /* how its process ended is history: this is a stop, and may fail as one */
	step_set_flag(st, RECORD_POST_RAN, true);
	step_set_flag(st, RECORD_CLEAN_UP, false);
	step_effect(st, EFFECT_STOP_BEGIN);
	step_arm_stop(st);
	return SERVICE_STOPPING;
}

void step_wish_down_at_rest(struct step *st)
{
	step_disarm(st);
	step_set_flag(st, RECORD_AGAIN, false);
	step_set_wish(st, WISH_DOWN);
	if (step_has(st, RECORD_LEFTOVERS | RECORD_SURVIVORS))
		step_set_flag(st, RECORD_CLEAN_UP, true);
	core_queue(st->core, st->s, TODO_CASCADE | TODO_NOTIFY | TODO_CHECK);
}

enum service_state step_kill_asked(struct step *st)
{
	st->s->rec.kill_signal = (uint8_t)st->ev->signal;
	st->s->rec.kill_uid = st->ev->uid;
	core_mark_dirty(st->core, st->s);
	return step_here(st);
}
