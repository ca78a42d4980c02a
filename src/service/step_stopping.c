/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the steps of stopping. */
#include "service/steps.h"

enum service_state stopping_start(struct step *st)
{
	if (step_refused(st))
		return step_here(st);
	if (step_automatic(st) && (st->s->rec.wish == WISH_UP || st->ev->kind == EV_RESTART))
		return step_here(st);
	if (st->s->rec.wish == WISH_UP && step_has(st, RECORD_AGAIN))
		return step_already(st);
	step_set_flag(st, RECORD_AGAIN, true);
	step_come_up(st);
	return step_here(st);
}

enum service_state stopping_stop(struct step *st)
{
	if (st->s->rec.wish == WISH_DOWN)
		return step_already(st);
	step_set_flag(st, RECORD_AGAIN, false);
	step_set_wish(st, WISH_DOWN);
	core_queue(st->core, st->s, TODO_CASCADE);
	return step_here(st);
}

enum service_state stopping_spawned(struct step *st)
{
	struct service_record *rec = &st->s->rec;

	rec->pid = st->ev->pid;
	rec->started_at = st->now;
	core_mark_dirty(st->core, st->s);
	if (rec->phase == PHASE_STOP_SPAWN) {
		rec->phase = PHASE_STOP_ASKED;
		step_effect(st, EFFECT_STOP_BEGIN);
		step_arm_stop(st);
	} else {
		step_effect(st, EFFECT_KILL_ALL);
	}
	return step_here(st);
}

enum service_state stopping_spawn_failed(struct step *st)
{
	if (st->s->rec.phase != PHASE_STOP_SPAWN && st->s->rec.phase != PHASE_STOP_KILL)
		return step_too_late(st);
	return step_finish(st, (enum failure)st->s->rec.failure);
}

enum service_state stopping_exited(struct step *st)
{
	step_note_exit(st);
	if (st->s->rec.phase == PHASE_STOP_SPAWN)
		st->s->rec.phase = PHASE_STOP_ASKED;
	step_effect(st, EFFECT_CLEANUP_CHECK);
	return step_here(st);
}

enum service_state stopping_gone(struct step *st)
{
	struct service_record *rec = &st->s->rec;

	if (rec->phase == PHASE_STOP_SPAWN || rec->phase == PHASE_POST_STOP)
		return step_too_late(st);
	step_set_flag(st, RECORD_LEFTOVERS, false);
	step_set_flag(st, RECORD_SURVIVORS, false);
	if (st->s->policy.has_post_stop && !step_has(st, RECORD_POST_RAN))
		return step_begin_post_stop(st);
	if (step_has(st, RECORD_WAS_FAILED) && rec->wish == WISH_DOWN && !rec->failure) {
		step_disarm(st);
		return SERVICE_INACTIVE;
	}
	return step_finish(st, (enum failure)rec->failure);
}

enum service_state stopping_survivors(struct step *st)
{
	if (st->s->rec.phase != PHASE_STOP_KILL)
		return step_too_late(st);
	step_set_flag(st, RECORD_SURVIVORS, true);
	return step_finish(st, (enum failure)(st->s->rec.failure ? st->s->rec.failure : FAILURE_STOP_TIMEOUT));
}

enum service_state stopping_post_stop_done(struct step *st)
{
	struct service_record *rec = &st->s->rec;

	if (rec->phase != PHASE_POST_STOP && !(rec->phase == PHASE_STOP_KILL && step_has(st, RECORD_POST_RAN)))
		return step_too_late(st);
	/* it had ended by itself, and was asked to stop while post_stop ran: now what it left behind goes too */
	if (rec->wish == WISH_DOWN && step_has(st, RECORD_LEFTOVERS))
		return step_stop_leftovers(st);
	return step_finish(st, (enum failure)rec->failure);
}

enum service_state stopping_timer(struct step *st)
{
	struct service_record *rec = &st->s->rec;

	if (rec->phase == PHASE_STOP_KILL) {
		if (st->ev->timer == TIMER_SHUTDOWN)
			return step_here(st);
		step_set_flag(st, RECORD_SURVIVORS, true);
		step_because(st, RULE_TIMEOUT, CORE_NONE);
		return step_finish(st, (enum failure)(rec->failure ? rec->failure : FAILURE_STOP_TIMEOUT));
	}
	if (!rec->failure && rec->phase != PHASE_POST_STOP)
		rec->failure = FAILURE_STOP_TIMEOUT;
	step_kill_all(st);
	return step_here(st);
}
