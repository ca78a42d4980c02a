/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the steps of starting and running. */
#include "service/steps.h"

#include "service/restart.h"

static bool requires_one_to_restart(const struct step *st)
{
	const struct service *s = st->s;

	for (size_t i = 0; i < s->policy.deps_n; i++) {
		const struct service *dep = graph_dep(st->core, s, i);

		if (s->policy.deps[i].kind == DEP_REQUIRES && dep && dep != s && need_active(dep) &&
		    dep->rec.flags & RECORD_AGAIN)
			return true;
	}
	return false;
}

enum service_state active_start(struct step *st)
{
	if (step_refused(st))
		return step_here(st);
	if (st->s->rec.wish == WISH_UP) {
		if (st->ev->tree)
			core_queue(st->core, st->s, TODO_PULL | TODO_PULL_TREE);
		return step_has(st, RECORD_AGAIN) ? step_here(st) : step_already(st);
	}
	/* its stop waited for dependents to go: taken back */
	st->s->rec.failure = FAILURE_NONE;
	step_come_up(st);
	/* what it requires is to restart: it goes along, or it would run on without */
	if (requires_one_to_restart(st))
		step_set_flag(st, RECORD_AGAIN, true);
	core_queue(st->core, st->s, TODO_CASCADE | TODO_NOTIFY | TODO_CHECK | TODO_FULL);
	step_announce(st, step_here(st));
	return step_here(st);
}

enum service_state active_stop(struct step *st)
{
	if (st->s->rec.wish == WISH_DOWN)
		return step_already(st);
	step_set_flag(st, RECORD_AGAIN, false);
	step_set_wish(st, WISH_DOWN);
	core_queue(st->core, st->s, TODO_CASCADE | TODO_NOTIFY | TODO_CHECK);
	step_announce(st, step_here(st));
	return step_here(st);
}

enum service_state active_restart(struct step *st)
{
	if (step_refused(st))
		return step_here(st);
	if (step_automatic(st) && st->s->rec.wish == WISH_DOWN)
		return step_here(st);
	if (step_has(st, RECORD_AGAIN))
		return step_already(st);
	st->s->rec.failure = FAILURE_NONE;
	step_set_flag(st, RECORD_AGAIN, true);
	step_come_up(st);
	core_queue(st->core, st->s, TODO_CASCADE | TODO_NOTIFY | TODO_CHECK);
	step_announce(st, step_here(st));
	return step_here(st);
}

/* A target is up as long as its members are. */
static enum service_state target_check(struct step *st)
{
	uint32_t dep = 0;
	unsigned int blocked;
	enum need need = need_to_start(st->core, st->s, true, &dep, &blocked);

	if (need == NEED_NOTHING || !(need != NEED_WAIT || blocked & 1U << BLOCK_WAITING_ON))
		return step_here(st);
	core_queue(st->core, st->s, TODO_CRASH);
	if (need != NEED_WAIT)
		return fail_for_dependency(st, need, dep);
	step_because(st, RULE_DEPENDENCY, CORE_NONE);
	if (graph_dep(st->core, st->s, st->s->watch_dep))
		st->cause.other = graph_dep(st->core, st->s, st->s->watch_dep)->id;
	return SERVICE_BLOCKED;
}

enum service_state active_check(struct step *st)
{
	if (!need_going_down(st->s))
		return st->s->policy.target ? target_check(st) : step_here(st);
	if (need_dependents_gone(st->core, st->s))
		return step_here(st);
	step_because_of_wish(st);
	return step_begin_stop(st, (enum failure)st->s->rec.failure);
}

/* The process was only the shell, which could not start the command: no restart would help, and none is counted. */
static enum service_state spawn_error(struct step *st)
{
	step_disarm(st);
	st->s->rec.failure = FAILURE_SPAWN;
	st->s->rec.spawn_stage = (uint8_t)st->ev->stage;
	st->s->rec.spawn_errno = st->ev->error;
	core_queue(st->core, st->s, TODO_CRASH);
	return SERVICE_FAILED;
}

enum service_state active_exited(struct step *st)
{
	struct service_record *rec = &st->s->rec;
	enum failure failure;

	if (rec->phase == PHASE_PRE_START)
		return step_too_late(st);
	if (rec->phase == PHASE_SPAWN)
		rec->started_at = st->now;
	step_stop_probes(st);
	step_note_exit(st);
	step_set_flag(st, RECORD_LEFTOVERS, st->ev->leftovers);
	restart_note_end(&st->s->policy, rec, st->now);
	failure = step_exit_failure(st);
	if (failure && st->ev->error && !need_going_down(st->s))
		return spawn_error(st);
	if (need_going_down(st->s)) {
		rec->phase = PHASE_STOP_ASKED;
		step_effect(st, EFFECT_STOP_BEGIN);
		step_arm_stop(st);
		return SERVICE_STOPPING;
	}
	if (!st->s->policy.has_post_stop)
		return step_finish(st, failure);
	rec->failure = (uint8_t)failure;
	step_set_flag(st, RECORD_CRASHED, true);
	return step_begin_post_stop(st);
}

enum service_state active_timer(struct step *st)
{
	if (st->ev->timer == TIMER_SHUTDOWN)
		return step_begin_kill(st);
	if (st->ev->timer != TIMER_START)
		return step_too_late(st);
	return step_begin_stop(st, FAILURE_START_TIMEOUT);
}

static enum service_state become_ready(struct step *st)
{
	step_disarm(st);
	st->s->rec.ready_at = st->now;
	return SERVICE_RUNNING;
}

enum service_state starting_pre_start_done(struct step *st)
{
	if (st->s->rec.phase != PHASE_PRE_START)
		return step_too_late(st);
	/* its stop waits for dependents to go, and it has no process yet that could serve them */
	if (need_going_down(st->s)) {
		step_because_of_wish(st);
		return step_begin_stop(st, (enum failure)st->s->rec.failure);
	}
	st->s->rec.phase = PHASE_SPAWN;
	core_mark_dirty(st->core, st->s);
	step_effect(st, EFFECT_SPAWN);
	return step_here(st);
}

enum service_state starting_pre_start_failed(struct step *st)
{
	if (st->s->rec.phase != PHASE_PRE_START)
		return step_too_late(st);
	step_note_exit(st);
	if (need_going_down(st->s))
		return step_finish(st, FAILURE_NONE);
	return step_finish(st, st->ev->signal ? FAILURE_SIGNAL : FAILURE_EXIT_CODE);
}

enum service_state starting_spawned(struct step *st)
{
	struct service_record *rec = &st->s->rec;

	if (rec->phase != PHASE_SPAWN)
		return step_too_late(st);
	rec->phase = PHASE_READY;
	rec->pid = st->ev->pid;
	rec->started_at = st->now;
	rec->spawn_tries = 0;
	core_mark_dirty(st->core, st->s);
	if (st->s->policy.has_readiness) {
		step_set_flag(st, RECORD_PROBES, true);
		step_effect(st, EFFECT_PROBE_START);
		return step_here(st);
	}
	return st->s->policy.oneshot ? step_here(st) : become_ready(st);
}

enum service_state starting_spawn_failed(struct step *st)
{
	struct service_record *rec = &st->s->rec;

	if (rec->phase != PHASE_SPAWN)
		return step_too_late(st);
	rec->failure = FAILURE_SPAWN;
	rec->spawn_stage = (uint8_t)st->ev->stage;
	rec->spawn_errno = st->ev->error;
	step_disarm(st);
	if (need_going_down(st->s))
		core_queue(st->core, st->s, TODO_CHECK);
	else if (st->ev->transient)
		step_restart_at(st, restart_after_spawn_error(&st->s->policy, rec, st->core->seed ^ st->s->id, st->now));
	else
		core_queue(st->core, st->s, TODO_CRASH);
	return SERVICE_FAILED;
}

enum service_state starting_ready(struct step *st)
{
	if (st->s->rec.phase != PHASE_READY)
		return step_too_late(st);
	return become_ready(st);
}

enum service_state starting_health(struct step *st)
{
	if (st->s->rec.phase != PHASE_READY)
		return step_too_late(st);
	if (st->ev->ok)
		return become_ready(st);
	st->s->rec.attempts = st->ev->attempts;
	step_because(st, RULE_HEALTH, CORE_NONE);
	if (st->s->policy.on_health == HEALTH_STOP && !need_going_down(st->s)) {
		/* who waits for it learns that it failed, rather than being told to stop; who runs on does as after a crash */
		step_set_wish(st, WISH_DOWN);
		core_queue(st->core, st->s, TODO_CRASH);
	}
	return step_begin_stop(st, FAILURE_HEALTH);
}

enum service_state running_health(struct step *st)
{
	struct service_record *rec = &st->s->rec;

	if (need_going_down(st->s) || st->s->policy.target)
		return step_too_late(st);
	step_because(st, RULE_HEALTH, CORE_NONE);
	rec->attempts = st->ev->ok ? 0 : st->ev->attempts;
	if (st->ev->ok || st->s->policy.on_health == HEALTH_MARK) {
		if (step_has(st, RECORD_UNHEALTHY) == st->ev->ok) {
			step_set_flag(st, RECORD_UNHEALTHY, !st->ev->ok);
			step_announce(st, step_here(st));
		}
		return step_here(st);
	}
	if (st->s->policy.on_health == HEALTH_STOP) {
		rec->failure = FAILURE_HEALTH;
		step_set_wish(st, WISH_DOWN);
		core_queue(st->core, st->s, TODO_CASCADE | TODO_NOTIFY | TODO_CHECK);
		return step_here(st);
	}
	restart_note_end(&st->s->policy, rec, st->now);
	return step_begin_stop(st, FAILURE_HEALTH);
}
