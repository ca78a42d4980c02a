/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the table of states and events, and what happens in each of its cells. docs/states.svg is drawn from the table.
 *
 * A step function looks at one service only, changes its record, adds effects, and returns the next state. It notes for
 * the queue (drive.c) what neighbours have to learn. It never looks at a clock and never allocates.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "service/core_internal.h"
#include "service/restart.h"

#define TO(state) (1U << SERVICE_##state)

/* --- small parts ------------------------------------------------------------------------------------ */

static enum service_state here(const struct step *st)
{
	return (enum service_state)st->s->rec.state;
}

static bool has(const struct step *st, enum record_flag flag)
{
	return st->s->rec.flags & flag;
}

static void set_flag(struct step *st, enum record_flag flag, bool on)
{
	if (on)
		st->s->rec.flags = (uint16_t)(st->s->rec.flags | flag);
	else
		st->s->rec.flags = (uint16_t)(st->s->rec.flags & ~flag);
	core_mark_dirty(st->core, st->s);
}

static void effect(struct step *st, enum effect_kind kind)
{
	(void)effects_add(st->out, kind, st->s);
}

static void announce(struct step *st, enum service_state from)
{
	struct effect *e = effects_add(st->out, EFFECT_ANNOUNCE, st->s);

	e->from = (uint8_t)from;
	e->to = st->s->rec.state;
	e->cause = st->cause;
}

static void arm(struct step *st, enum timer_kind kind, usec_t deadline)
{
	struct effect *e;

	st->s->rec.timer = (uint8_t)kind;
	st->s->rec.deadline = deadline;
	e = effects_add(st->out, EFFECT_ARM_TIMER, st->s);
	e->timer = (uint8_t)kind;
	e->deadline = deadline;
}

static void disarm(struct step *st)
{
	if (st->s->rec.timer == TIMER_NONE)
		return;
	st->s->rec.timer = TIMER_NONE;
	st->s->rec.deadline = 0;
	effect(st, EFFECT_DISARM);
}

static void arm_stop(struct step *st)
{
	if (st->s->policy.stop_timeout)
		arm(st, TIMER_STOP, time_add(st->now, st->s->policy.stop_timeout));
	else
		disarm(st);
}

static void because(struct step *st, enum rule rule, uint32_t other)
{
	st->cause.rule = (uint8_t)rule;
	st->cause.other = other;
	st->cause.uid = UINT32_MAX;
}

/* The transition follows from the wish: whoever wished is its cause. */
static void because_of_wish(struct step *st)
{
	uint8_t event = st->cause.event;

	st->cause = st->s->rec.wish_cause;
	st->cause.at = st->now;
	st->cause.event = event;
}

static void set_wish(struct step *st, enum service_wish wish)
{
	st->s->rec.wish = (uint8_t)wish;
	st->s->rec.wish_cause = st->cause;
	set_flag(st, RECORD_BY_HAND, st->cause.rule == RULE_ASKED);
}

static bool refused(struct step *st)
{
	if (!st->core->shutting_down)
		return false;
	st->result = -ESHUTDOWN;
	return true;
}

static enum service_state already(struct step *st)
{
	st->result = -EALREADY;
	return here(st);
}

static enum service_state too_late(struct step *st)
{
	st->result = -ESTALE;
	return here(st);
}

static enum service_state stay(struct step *st)
{
	return here(st);
}

static bool automatic(const struct step *st)
{
	return st->ev->rule != RULE_ASKED;
}

/* Somebody wants it up: count from zero, and see to what it requires. */
static void come_up(struct step *st)
{
	bool retry = st->ev->rule == RULE_ASKED || st->ev->rule == RULE_PULLED;

	set_wish(st, WISH_UP);
	restart_reset(&st->s->rec);
	set_flag(st, RECORD_GAVE_UP, false);
	core_queue(st->core, st->s,
		   TODO_PULL | (retry ? TODO_PULL_RETRY : 0) | (st->ev->tree ? TODO_PULL_TREE : 0));
}

/* --- ends ------------------------------------------------------------------------------------------- */

static void note_exit(struct step *st)
{
	struct service_record *rec = &st->s->rec;

	rec->pid = 0;
	rec->ended_at = st->now;
	rec->exit_code = (int16_t)(st->ev->signal ? -1 : st->ev->code);
	rec->exit_signal = (uint8_t)st->ev->signal;
	set_flag(st, RECORD_HAS_EXITED, true);
	set_flag(st, RECORD_CORE_DUMPED, st->ev->core_dumped);
	if (rec->kill_signal) {
		st->cause.signal = rec->kill_signal;
		st->cause.uid = rec->kill_uid;
	}
}

static enum failure exit_failure(const struct step *st)
{
	const struct service_record *rec = &st->s->rec;

	if (restart_is_success(&st->s->policy, rec->exit_code, rec->exit_signal))
		return FAILURE_NONE;
	return rec->exit_signal ? FAILURE_SIGNAL : FAILURE_EXIT_CODE;
}

static void restart_at(struct step *st, usec_t at)
{
	if (at > st->now) {
		arm(st, TIMER_RESTART, at);
		return;
	}
	/* no delay: its own next turn does it, without a round through the shell's timers */
	disarm(st);
	st->s->rec.timer = TIMER_RESTART;
	st->s->rec.deadline = st->now;
	core_queue(st->core, st->s, TODO_CHECK);
}

/* Nothing (that we wait for) is left of the run. */
static enum service_state finish(struct step *st, enum failure failure)
{
	struct service_record *rec = &st->s->rec;
	enum restart_verdict verdict;
	usec_t at;

	rec->pid = 0;
	rec->failure = (uint8_t)failure;
	set_flag(st, RECORD_CRASHED, false);
	if (rec->wish == WISH_DOWN || has(st, RECORD_AGAIN)) {
		disarm(st);
		core_queue(st->core, st->s, TODO_CHECK);
		return failure ? SERVICE_FAILED : SERVICE_EXITED;
	}
	verdict = restart_decide(&st->s->policy, rec, !failure, st->core->seed ^ st->s->id, st->now, &at);
	if (verdict == RESTART_LATER)
		restart_at(st, at);
	else
		disarm(st);
	if (verdict == RESTART_GIVE_UP) {
		set_flag(st, RECORD_GAVE_UP, true);
		st->cause.rule = RULE_LIMIT;
		if (!failure)
			rec->failure = rec->exit_signal ? FAILURE_SIGNAL : FAILURE_EXIT_CODE;
	}
	if (rec->failure || verdict == RESTART_LATER)
		core_queue(st->core, st->s, TODO_CRASH);
	return rec->failure ? SERVICE_FAILED : SERVICE_EXITED;
}

/* Judged by what was begun: the configuration may have changed since. */
static void stop_probes(struct step *st)
{
	if (!has(st, RECORD_PROBES))
		return;
	set_flag(st, RECORD_PROBES, false);
	effect(st, EFFECT_PROBE_STOP);
}

static enum service_state begin_stop(struct step *st, enum failure failure)
{
	struct service_record *rec = &st->s->rec;

	if (st->s->policy.target) {
		core_queue(st->core, st->s, TODO_CHECK);
		if (!has(st, RECORD_AGAIN))
			return SERVICE_INACTIVE;
		set_flag(st, RECORD_AGAIN, false);
		return SERVICE_BLOCKED;
	}
	rec->failure = (uint8_t)failure;
	stop_probes(st);
	if (rec->phase == PHASE_SPAWN) {
		rec->phase = PHASE_STOP_SPAWN;
	} else {
		rec->phase = PHASE_STOP_ASKED;
		effect(st, EFFECT_STOP_BEGIN);
	}
	arm_stop(st);
	return SERVICE_STOPPING;
}

static void kill_all(struct step *st)
{
	st->s->rec.phase = PHASE_STOP_KILL;
	effect(st, EFFECT_KILL_ALL);
	arm(st, TIMER_STOP, time_add(st->now, KILL_GRACE));
	core_mark_dirty(st->core, st->s);
}

static enum service_state begin_kill(struct step *st)
{
	if (st->s->policy.target)
		return SERVICE_INACTIVE;
	stop_probes(st);
	st->s->rec.failure = FAILURE_STOP_TIMEOUT;
	kill_all(st);
	return SERVICE_STOPPING;
}

static enum service_state begin_post_stop(struct step *st)
{
	st->s->rec.phase = PHASE_POST_STOP;
	set_flag(st, RECORD_POST_RAN, true);
	effect(st, EFFECT_RUN_POST_STOP);
	arm_stop(st);
	return SERVICE_STOPPING;
}

/* The main process is gone already, and others of the service live on: they go now. */
static enum service_state stop_leftovers(struct step *st)
{
	st->s->rec.phase = PHASE_STOP_ASKED;
	set_flag(st, RECORD_POST_RAN, true);
	set_flag(st, RECORD_CLEAN_UP, false);
	effect(st, EFFECT_STOP_BEGIN);
	arm_stop(st);
	return SERVICE_STOPPING;
}

/* Taken back where no main process runs. */
static void wish_down_at_rest(struct step *st)
{
	disarm(st);
	set_flag(st, RECORD_AGAIN, false);
	set_wish(st, WISH_DOWN);
	if (has(st, RECORD_LEFTOVERS | RECORD_SURVIVORS))
		set_flag(st, RECORD_CLEAN_UP, true);
	core_queue(st->core, st->s, TODO_CASCADE | TODO_NOTIFY | TODO_CHECK);
}

/* --- inactive, exited, failed: at rest -------------------------------------------------------------- */

static enum service_state rest_start(struct step *st)
{
	struct service *s = st->s;

	if (refused(st))
		return here(st);
	/* what pulled it may have been overtaken: it came up meanwhile, or comes up by itself */
	if (st->ev->rule == RULE_PULLED && s->rec.wish == WISH_UP && !need_failed_for_good(s))
		return here(st);
	disarm(st);
	set_flag(st, RECORD_AGAIN | RECORD_CLEAN_UP, false);
	come_up(st);
	return SERVICE_BLOCKED;
}

static enum service_state rest_loaded(struct step *st)
{
	return st->s->policy.status == STATUS_START ? rest_start(st) : here(st);
}

static enum service_state rest_stop(struct step *st)
{
	struct service_record *rec = &st->s->rec;
	bool pending = rec->timer == TIMER_RESTART || has(st, RECORD_AGAIN);

	if (rec->wish == WISH_DOWN && !has(st, RECORD_LEFTOVERS | RECORD_SURVIVORS))
		return already(st);
	wish_down_at_rest(st);
	return pending && !has(st, RECORD_CLEAN_UP) ? SERVICE_INACTIVE : here(st);
}

static enum service_state restart_now(struct step *st)
{
	disarm(st);
	st->s->rec.restarts++;
	because(st, RULE_RESTART, CORE_NONE);
	return SERVICE_BLOCKED;
}

/* Failed because of a dependency: does that still hold? */
static enum service_state recheck_dependencies(struct step *st)
{
	struct service_record *rec = &st->s->rec;
	uint32_t dep = 0;
	unsigned int blocked;
	const struct service *other;
	enum need need = need_to_start(st->core, st->s, true, &dep, &blocked);

	because(st, RULE_DEPENDENCY, rec->failure_other);
	if (need != NEED_FAILED && need != NEED_MISSING)
		return SERVICE_BLOCKED;
	other = graph_dep(st->core, st->s, dep);
	rec->failure = need == NEED_FAILED ? FAILURE_DEPENDENCY : FAILURE_MISSING;
	rec->failure_other = other ? other->id : CORE_NONE;
	rec->cause.other = rec->failure_other;
	rec->cause.line = st->s->policy.deps[dep].line;
	core_mark_dirty(st->core, st->s);
	return here(st);
}

static enum service_state rest_check(struct step *st)
{
	struct service_record *rec = &st->s->rec;

	if (has(st, RECORD_CLEAN_UP)) {
		if (need_dependents_gone(st->core, st->s))
			return here(st);
		because_of_wish(st);
		return stop_leftovers(st);
	}
	if (has(st, RECORD_AGAIN) && rec->wish == WISH_UP) {
		set_flag(st, RECORD_AGAIN, false);
		because_of_wish(st);
		core_queue(st->core, st->s, TODO_PULL);
		return SERVICE_BLOCKED;
	}
	if (rec->timer == TIMER_RESTART)
		return st->now >= rec->deadline ? restart_now(st) : here(st);
	if (rec->wish == WISH_UP && here(st) == SERVICE_FAILED &&
	    (rec->failure == FAILURE_DEPENDENCY || rec->failure == FAILURE_MISSING))
		return recheck_dependencies(st);
	return here(st);
}

static enum service_state rest_timer(struct step *st)
{
	return st->ev->timer == TIMER_RESTART ? restart_now(st) : too_late(st);
}

/* --- what comes late, of a run that is over --------------------------------------------------------- */

static enum service_state rest_gone(struct step *st)
{
	set_flag(st, RECORD_CLEAN_UP, false);
	set_flag(st, RECORD_LEFTOVERS, false);
	set_flag(st, RECORD_SURVIVORS, false);
	return here(st);
}

/* A spawn that hung so long that we gave it up succeeded after all. */
static enum service_state rest_spawned(struct step *st)
{
	set_flag(st, RECORD_LEFTOVERS, true);
	effect(st, EFFECT_KILL_ALL);
	return here(st);
}

static enum service_state kill_asked(struct step *st)
{
	st->s->rec.kill_signal = (uint8_t)st->ev->signal;
	st->s->rec.kill_uid = st->ev->uid;
	core_mark_dirty(st->core, st->s);
	return here(st);
}

/* --- blocked ---------------------------------------------------------------------------------------- */

static enum service_state start_run(struct step *st)
{
	struct service_record *rec = &st->s->rec;
	const struct service_policy *policy = &st->s->policy;

	disarm(st);
	need_take_ports(st->core, st->s);
	rec->run++;
	rec->ready_at = 0;
	rec->pid = 0;
	rec->kill_signal = 0;
	rec->attempts = 0;
	set_flag(st, RECORD_HAS_EXITED | RECORD_CORE_DUMPED | RECORD_POST_RAN | RECORD_UNHEALTHY | RECORD_CRASHED, false);
	if (policy->start_timeout && (!policy->oneshot || policy->has_readiness))
		arm(st, TIMER_START, time_add(st->now, policy->start_timeout));
	rec->phase = policy->has_pre_start ? PHASE_PRE_START : PHASE_SPAWN;
	effect(st, policy->has_pre_start ? EFFECT_RUN_PRE_START : EFFECT_SPAWN);
	return SERVICE_STARTING;
}

static enum service_state fail_for_dependency(struct step *st, enum need need, uint32_t dep)
{
	const struct service *other = graph_dep(st->core, st->s, dep);

	disarm(st);
	st->s->rec.failure = need == NEED_FAILED ? FAILURE_DEPENDENCY : FAILURE_MISSING;
	st->s->rec.failure_other = other ? other->id : CORE_NONE;
	because(st, RULE_DEPENDENCY, st->s->rec.failure_other);
	st->cause.line = st->s->policy.deps[dep].line;
	return SERVICE_FAILED;
}

/* Why it may start now: what it waited for last, or else what made it want to. */
static void because_unblocked(struct step *st)
{
	struct service *s = st->s;
	const struct service *dep = NULL;
	uint8_t event = st->cause.event;

	if (s->rec.blocked & 1U << BLOCK_WAITING_ON && s->watch_dep < s->policy.deps_n)
		dep = graph_dep(st->core, s, s->watch_dep);
	if (dep) {
		because(st, RULE_DEPENDENCY, dep->id);
	} else if (s->rec.blocked & (1U << BLOCK_CONFLICTS_WITH | 1U << BLOCK_PORT | 1U << BLOCK_PROCESS)) {
		because(st, RULE_CONFLICT, CORE_NONE);
	} else {
		st->cause = s->rec.cause;
		st->cause.at = st->now;
		st->cause.event = event;
	}
}

static void set_blocked(struct step *st, unsigned int blocked)
{
	if (st->s->rec.blocked == blocked)
		return;
	need_set_blocked(st->core, st->s, blocked);
	core_mark_dirty(st->core, st->s);
}

static enum service_state try_start(struct step *st, bool full, bool filters_clear)
{
	struct service *s = st->s;
	uint32_t dep = 0;
	unsigned int blocked;
	enum need need = need_to_start(st->core, s, full, &dep, &blocked);

	if (need == NEED_FAILED || need == NEED_MISSING)
		return fail_for_dependency(st, need, dep);
	if (need == NEED_WAIT) {
		s->rec.phase = PHASE_NONE;
		disarm(st);
		set_blocked(st, blocked);
		return here(st);
	}
	if (s->policy.has_filters && !s->policy.target && !filters_clear) {
		if (s->rec.phase == PHASE_FILTERS || s->rec.timer == TIMER_RESTART)
			return here(st);
		s->rec.phase = PHASE_FILTERS;
		core_mark_dirty(st->core, s);
		effect(st, EFFECT_CHECK_FILTERS);
		return here(st);
	}
	because_unblocked(st);
	if (s->policy.target) {
		s->rec.ready_at = st->now;
		return SERVICE_RUNNING;
	}
	return start_run(st);
}

static enum service_state blocked_check(struct step *st)
{
	return try_start(st, st->ev->ok, false);
}

static enum service_state blocked_filters(struct step *st)
{
	if (st->s->rec.phase != PHASE_FILTERS)
		return too_late(st);
	st->s->rec.phase = PHASE_NONE;
	/* meanwhile another may have taken a port, or a dependency may have gone */
	if (st->ev->ok)
		return try_start(st, true, true);
	set_blocked(st, 1U << BLOCK_PROCESS);
	arm(st, TIMER_RESTART, time_add(st->now, FILTERS_PAUSE));
	return here(st);
}

static enum service_state blocked_timer(struct step *st)
{
	st->s->rec.timer = TIMER_NONE;
	st->s->rec.deadline = 0;
	core_mark_dirty(st->core, st->s);
	return try_start(st, true, false);
}

static enum service_state blocked_start(struct step *st)
{
	if (refused(st) || st->ev->rule == RULE_PULLED)
		return here(st);
	disarm(st);
	come_up(st);
	core_queue(st->core, st->s, TODO_CHECK | TODO_FULL);
	return here(st);
}

static enum service_state blocked_stop(struct step *st)
{
	wish_down_at_rest(st);
	return SERVICE_INACTIVE;
}

/* --- starting and running --------------------------------------------------------------------------- */

static enum service_state active_start(struct step *st)
{
	if (refused(st))
		return here(st);
	if (st->s->rec.wish == WISH_UP) {
		if (st->ev->tree)
			core_queue(st->core, st->s, TODO_PULL | TODO_PULL_TREE);
		return has(st, RECORD_AGAIN) ? here(st) : already(st);
	}
	/* its stop waited for dependents to go: taken back */
	st->s->rec.failure = FAILURE_NONE;
	come_up(st);
	core_queue(st->core, st->s, TODO_NOTIFY);
	announce(st, here(st));
	return here(st);
}

static enum service_state active_stop(struct step *st)
{
	if (st->s->rec.wish == WISH_DOWN)
		return already(st);
	set_flag(st, RECORD_AGAIN, false);
	set_wish(st, WISH_DOWN);
	core_queue(st->core, st->s, TODO_CASCADE | TODO_NOTIFY | TODO_CHECK);
	announce(st, here(st));
	return here(st);
}

static enum service_state active_restart(struct step *st)
{
	if (refused(st))
		return here(st);
	if (automatic(st) && st->s->rec.wish == WISH_DOWN)
		return here(st);
	if (has(st, RECORD_AGAIN))
		return already(st);
	st->s->rec.failure = FAILURE_NONE;
	set_flag(st, RECORD_AGAIN, true);
	come_up(st);
	core_queue(st->core, st->s, TODO_CASCADE | TODO_NOTIFY | TODO_CHECK);
	announce(st, here(st));
	return here(st);
}

static enum service_state active_check(struct step *st)
{
	if (!need_going_down(st->s) || need_dependents_gone(st->core, st->s))
		return here(st);
	because_of_wish(st);
	return begin_stop(st, (enum failure)st->s->rec.failure);
}

static enum service_state running_check(struct step *st)
{
	uint32_t dep = 0;
	unsigned int blocked;
	enum need need;

	if (!st->s->policy.target || need_going_down(st->s))
		return active_check(st);
	need = need_to_start(st->core, st->s, true, &dep, &blocked);
	if (need == NEED_NOTHING || !(need != NEED_WAIT || blocked & 1U << BLOCK_WAITING_ON))
		return here(st);
	core_queue(st->core, st->s, TODO_CRASH);
	if (need != NEED_WAIT)
		return fail_for_dependency(st, need, dep);
	because(st, RULE_DEPENDENCY, CORE_NONE);
	if (graph_dep(st->core, st->s, st->s->watch_dep))
		st->cause.other = graph_dep(st->core, st->s, st->s->watch_dep)->id;
	return SERVICE_BLOCKED;
}

/* The process was only the shell, which could not start the command: no restart would help, and none is counted. */
static enum service_state spawn_error(struct step *st)
{
	disarm(st);
	st->s->rec.failure = FAILURE_SPAWN;
	st->s->rec.spawn_stage = (uint8_t)st->ev->stage;
	st->s->rec.spawn_errno = st->ev->error;
	core_queue(st->core, st->s, TODO_CRASH);
	return SERVICE_FAILED;
}

static enum service_state active_exited(struct step *st)
{
	struct service_record *rec = &st->s->rec;
	enum failure failure;

	if (rec->phase == PHASE_PRE_START)
		return too_late(st);
	if (rec->phase == PHASE_SPAWN)
		rec->started_at = st->now;
	stop_probes(st);
	note_exit(st);
	set_flag(st, RECORD_LEFTOVERS, st->ev->leftovers);
	restart_note_end(&st->s->policy, rec, st->now);
	failure = exit_failure(st);
	if (failure && st->ev->error && !need_going_down(st->s))
		return spawn_error(st);
	if (need_going_down(st->s)) {
		rec->phase = PHASE_STOP_ASKED;
		effect(st, EFFECT_STOP_BEGIN);
		arm_stop(st);
		return SERVICE_STOPPING;
	}
	if (!st->s->policy.has_post_stop)
		return finish(st, failure);
	rec->failure = (uint8_t)failure;
	set_flag(st, RECORD_CRASHED, true);
	return begin_post_stop(st);
}

static enum service_state active_timer(struct step *st)
{
	if (st->ev->timer == TIMER_SHUTDOWN)
		return begin_kill(st);
	if (st->ev->timer != TIMER_START)
		return too_late(st);
	return begin_stop(st, FAILURE_START_TIMEOUT);
}

static enum service_state become_ready(struct step *st)
{
	disarm(st);
	st->s->rec.ready_at = st->now;
	return SERVICE_RUNNING;
}

static enum service_state starting_pre_start_done(struct step *st)
{
	if (st->s->rec.phase != PHASE_PRE_START)
		return too_late(st);
	/* its stop waits for dependents to go, and it has no process yet that could serve them */
	if (need_going_down(st->s)) {
		because_of_wish(st);
		return begin_stop(st, (enum failure)st->s->rec.failure);
	}
	st->s->rec.phase = PHASE_SPAWN;
	core_mark_dirty(st->core, st->s);
	effect(st, EFFECT_SPAWN);
	return here(st);
}

static enum service_state starting_pre_start_failed(struct step *st)
{
	if (st->s->rec.phase != PHASE_PRE_START)
		return too_late(st);
	note_exit(st);
	if (need_going_down(st->s))
		return finish(st, FAILURE_NONE);
	return finish(st, st->ev->signal ? FAILURE_SIGNAL : FAILURE_EXIT_CODE);
}

static enum service_state starting_spawned(struct step *st)
{
	struct service_record *rec = &st->s->rec;

	if (rec->phase != PHASE_SPAWN)
		return too_late(st);
	rec->phase = PHASE_READY;
	rec->pid = st->ev->pid;
	rec->started_at = st->now;
	rec->spawn_tries = 0;
	core_mark_dirty(st->core, st->s);
	if (st->s->policy.has_readiness) {
		set_flag(st, RECORD_PROBES, true);
		effect(st, EFFECT_PROBE_START);
		return here(st);
	}
	return st->s->policy.oneshot ? here(st) : become_ready(st);
}

static enum service_state starting_spawn_failed(struct step *st)
{
	struct service_record *rec = &st->s->rec;

	if (rec->phase != PHASE_SPAWN)
		return too_late(st);
	rec->failure = FAILURE_SPAWN;
	rec->spawn_stage = (uint8_t)st->ev->stage;
	rec->spawn_errno = st->ev->error;
	disarm(st);
	if (need_going_down(st->s))
		core_queue(st->core, st->s, TODO_CHECK);
	else if (st->ev->transient)
		restart_at(st, restart_after_spawn_error(&st->s->policy, rec, st->core->seed ^ st->s->id, st->now));
	else
		core_queue(st->core, st->s, TODO_CRASH);
	return SERVICE_FAILED;
}

static enum service_state starting_ready(struct step *st)
{
	if (st->s->rec.phase != PHASE_READY)
		return too_late(st);
	return become_ready(st);
}

static enum service_state starting_health(struct step *st)
{
	if (st->s->rec.phase != PHASE_READY)
		return too_late(st);
	if (st->ev->ok)
		return become_ready(st);
	st->s->rec.attempts = st->ev->attempts;
	because(st, RULE_HEALTH, CORE_NONE);
	return begin_stop(st, FAILURE_HEALTH);
}

static enum service_state running_health(struct step *st)
{
	struct service_record *rec = &st->s->rec;

	if (need_going_down(st->s))
		return too_late(st);
	because(st, RULE_HEALTH, CORE_NONE);
	rec->attempts = st->ev->ok ? 0 : st->ev->attempts;
	if (st->ev->ok || st->s->policy.on_health == HEALTH_MARK) {
		if (has(st, RECORD_UNHEALTHY) == st->ev->ok) {
			set_flag(st, RECORD_UNHEALTHY, !st->ev->ok);
			announce(st, here(st));
		}
		return here(st);
	}
	if (st->s->policy.on_health == HEALTH_STOP) {
		rec->failure = FAILURE_HEALTH;
		set_wish(st, WISH_DOWN);
		core_queue(st->core, st->s, TODO_CASCADE | TODO_NOTIFY | TODO_CHECK);
		return here(st);
	}
	restart_note_end(&st->s->policy, rec, st->now);
	return begin_stop(st, FAILURE_HEALTH);
}

/* --- stopping --------------------------------------------------------------------------------------- */

static enum service_state stopping_start(struct step *st)
{
	if (refused(st))
		return here(st);
	if (automatic(st) && (st->s->rec.wish == WISH_UP || st->ev->kind == EV_RESTART))
		return here(st);
	if (st->s->rec.wish == WISH_UP && has(st, RECORD_AGAIN))
		return already(st);
	set_flag(st, RECORD_AGAIN, true);
	come_up(st);
	return here(st);
}

static enum service_state stopping_stop(struct step *st)
{
	if (st->s->rec.wish == WISH_DOWN)
		return already(st);
	set_flag(st, RECORD_AGAIN, false);
	set_wish(st, WISH_DOWN);
	core_queue(st->core, st->s, TODO_CASCADE);
	return here(st);
}

static enum service_state stopping_spawned(struct step *st)
{
	struct service_record *rec = &st->s->rec;

	rec->pid = st->ev->pid;
	rec->started_at = st->now;
	core_mark_dirty(st->core, st->s);
	if (rec->phase == PHASE_STOP_SPAWN) {
		rec->phase = PHASE_STOP_ASKED;
		effect(st, EFFECT_STOP_BEGIN);
		arm_stop(st);
	} else {
		effect(st, EFFECT_KILL_ALL);
	}
	return here(st);
}

static enum service_state stopping_spawn_failed(struct step *st)
{
	if (st->s->rec.phase != PHASE_STOP_SPAWN && st->s->rec.phase != PHASE_STOP_KILL)
		return too_late(st);
	return finish(st, (enum failure)st->s->rec.failure);
}

static enum service_state stopping_exited(struct step *st)
{
	note_exit(st);
	if (st->s->rec.phase == PHASE_STOP_SPAWN)
		st->s->rec.phase = PHASE_STOP_ASKED;
	effect(st, EFFECT_CLEANUP_CHECK);
	return here(st);
}

static enum service_state stopping_gone(struct step *st)
{
	struct service_record *rec = &st->s->rec;

	if (rec->phase == PHASE_STOP_SPAWN || rec->phase == PHASE_POST_STOP)
		return too_late(st);
	set_flag(st, RECORD_LEFTOVERS, false);
	set_flag(st, RECORD_SURVIVORS, false);
	if (st->s->policy.has_post_stop && !has(st, RECORD_POST_RAN))
		return begin_post_stop(st);
	return finish(st, (enum failure)rec->failure);
}

static enum service_state stopping_survivors(struct step *st)
{
	if (st->s->rec.phase != PHASE_STOP_KILL)
		return too_late(st);
	set_flag(st, RECORD_SURVIVORS, true);
	return finish(st, (enum failure)(st->s->rec.failure ? st->s->rec.failure : FAILURE_STOP_TIMEOUT));
}

static enum service_state stopping_post_stop_done(struct step *st)
{
	struct service_record *rec = &st->s->rec;

	if (rec->phase != PHASE_POST_STOP && !(rec->phase == PHASE_STOP_KILL && has(st, RECORD_POST_RAN)))
		return too_late(st);
	/* it had ended by itself, and was asked to stop while post_stop ran: now what it left behind goes too */
	if (rec->wish == WISH_DOWN && has(st, RECORD_LEFTOVERS))
		return stop_leftovers(st);
	return finish(st, (enum failure)rec->failure);
}

static enum service_state stopping_timer(struct step *st)
{
	struct service_record *rec = &st->s->rec;

	if (rec->phase == PHASE_STOP_KILL) {
		if (st->ev->timer == TIMER_SHUTDOWN)
			return here(st);
		set_flag(st, RECORD_SURVIVORS, true);
		because(st, RULE_TIMEOUT, CORE_NONE);
		return finish(st, (enum failure)(rec->failure ? rec->failure : FAILURE_STOP_TIMEOUT));
	}
	if (!rec->failure && rec->phase != PHASE_POST_STOP)
		rec->failure = FAILURE_STOP_TIMEOUT;
	kill_all(st);
	return here(st);
}

/* --- the table -------------------------------------------------------------------------------------- */

#define STAY(state) { stay, TO(state) }
#define LATE(state) { too_late, TO(state) }

/* What a state at rest makes of answers to a run that is over. */
#define REST_CELLS(state)                                                                          \
	[EV_KILL_ASKED] = STAY(state), [EV_PRE_START_DONE] = LATE(state),                          \
	[EV_PRE_START_FAILED] = LATE(state), [EV_SPAWNED] = { rest_spawned, TO(state) },           \
	[EV_SPAWN_FAILED] = LATE(state), [EV_READY] = LATE(state), [EV_HEALTH] = LATE(state),      \
	[EV_EXITED] = LATE(state), [EV_GONE] = { rest_gone, TO(state) },                           \
	[EV_SURVIVORS] = LATE(state), [EV_POST_STOP_DONE] = LATE(state)

steps_table machine_steps = {
	[SERVICE_INACTIVE] = {
		REST_CELLS(INACTIVE),
		[EV_FILTERS] = LATE(INACTIVE),
		[EV_LOADED] = { rest_loaded, TO(INACTIVE) | TO(BLOCKED) },
		[EV_START] = { rest_start, TO(INACTIVE) | TO(BLOCKED) },
		[EV_STOP] = { rest_stop, TO(INACTIVE) },
		[EV_RESTART] = { rest_start, TO(INACTIVE) | TO(BLOCKED) },
		[EV_CHECK] = { rest_check, TO(INACTIVE) | TO(STOPPING) },
	},
	[SERVICE_BLOCKED] = {
		REST_CELLS(BLOCKED),
		[EV_LOADED] = STAY(BLOCKED),
		[EV_START] = { blocked_start, TO(BLOCKED) },
		[EV_STOP] = { blocked_stop, TO(INACTIVE) },
		[EV_RESTART] = { blocked_start, TO(BLOCKED) },
		[EV_FILTERS] = { blocked_filters, TO(BLOCKED) | TO(STARTING) | TO(FAILED) },
		[EV_TIMER] = { blocked_timer, TO(BLOCKED) | TO(STARTING) | TO(FAILED) },
		[EV_CHECK] = { blocked_check, TO(BLOCKED) | TO(STARTING) | TO(RUNNING) | TO(FAILED) },
	},
	[SERVICE_STARTING] = {
		[EV_LOADED] = STAY(STARTING),
		[EV_START] = { active_start, TO(STARTING) },
		[EV_STOP] = { active_stop, TO(STARTING) },
		[EV_RESTART] = { active_restart, TO(STARTING) },
		[EV_KILL_ASKED] = { kill_asked, TO(STARTING) },
		[EV_FILTERS] = LATE(STARTING),
		[EV_PRE_START_DONE] = { starting_pre_start_done, TO(STARTING) | TO(STOPPING) },
		[EV_PRE_START_FAILED] = { starting_pre_start_failed, TO(STARTING) | TO(EXITED) | TO(FAILED) },
		[EV_SPAWNED] = { starting_spawned, TO(STARTING) | TO(RUNNING) },
		[EV_SPAWN_FAILED] = { starting_spawn_failed, TO(STARTING) | TO(FAILED) },
		[EV_READY] = { starting_ready, TO(STARTING) | TO(RUNNING) },
		[EV_HEALTH] = { starting_health, TO(STARTING) | TO(RUNNING) | TO(STOPPING) },
		[EV_EXITED] = { active_exited, TO(STARTING) | TO(STOPPING) | TO(EXITED) | TO(FAILED) },
		[EV_TIMER] = { active_timer, TO(STARTING) | TO(STOPPING) },
		[EV_CHECK] = { active_check, TO(STARTING) | TO(STOPPING) },
	},
	[SERVICE_RUNNING] = {
		[EV_LOADED] = STAY(RUNNING),
		[EV_START] = { active_start, TO(RUNNING) },
		[EV_STOP] = { active_stop, TO(RUNNING) },
		[EV_RESTART] = { active_restart, TO(RUNNING) },
		[EV_KILL_ASKED] = { kill_asked, TO(RUNNING) },
		[EV_FILTERS] = LATE(RUNNING),
		[EV_READY] = STAY(RUNNING),
		[EV_HEALTH] = { running_health, TO(RUNNING) | TO(STOPPING) },
		[EV_EXITED] = { active_exited, TO(STOPPING) | TO(EXITED) | TO(FAILED) },
		[EV_TIMER] = { active_timer, TO(STOPPING) | TO(INACTIVE) },
		[EV_CHECK] = { running_check, TO(RUNNING) | TO(STOPPING) | TO(INACTIVE) | TO(BLOCKED) | TO(FAILED) },
	},
	[SERVICE_STOPPING] = {
		[EV_LOADED] = STAY(STOPPING),
		[EV_START] = { stopping_start, TO(STOPPING) },
		[EV_STOP] = { stopping_stop, TO(STOPPING) },
		[EV_RESTART] = { stopping_start, TO(STOPPING) },
		[EV_KILL_ASKED] = { kill_asked, TO(STOPPING) },
		[EV_FILTERS] = LATE(STOPPING),
		[EV_PRE_START_DONE] = LATE(STOPPING),
		[EV_PRE_START_FAILED] = LATE(STOPPING),
		[EV_SPAWNED] = { stopping_spawned, TO(STOPPING) },
		[EV_SPAWN_FAILED] = { stopping_spawn_failed, TO(STOPPING) | TO(EXITED) | TO(FAILED) },
		[EV_READY] = LATE(STOPPING),
		[EV_HEALTH] = LATE(STOPPING),
		[EV_EXITED] = { stopping_exited, TO(STOPPING) },
		[EV_GONE] = { stopping_gone, TO(STOPPING) | TO(EXITED) | TO(FAILED) },
		[EV_SURVIVORS] = { stopping_survivors, TO(STOPPING) | TO(EXITED) | TO(FAILED) },
		[EV_POST_STOP_DONE] = { stopping_post_stop_done, TO(STOPPING) | TO(EXITED) | TO(FAILED) },
		[EV_TIMER] = { stopping_timer, TO(STOPPING) | TO(FAILED) },
		[EV_CHECK] = STAY(STOPPING),
	},
	[SERVICE_EXITED] = {
		REST_CELLS(EXITED),
		[EV_FILTERS] = LATE(EXITED),
		[EV_LOADED] = { rest_loaded, TO(EXITED) | TO(BLOCKED) },
		[EV_START] = { rest_start, TO(EXITED) | TO(BLOCKED) },
		[EV_STOP] = { rest_stop, TO(EXITED) | TO(INACTIVE) },
		[EV_RESTART] = { rest_start, TO(EXITED) | TO(BLOCKED) },
		[EV_TIMER] = { rest_timer, TO(EXITED) | TO(BLOCKED) },
		[EV_CHECK] = { rest_check, TO(EXITED) | TO(BLOCKED) | TO(STOPPING) },
	},
	[SERVICE_FAILED] = {
		REST_CELLS(FAILED),
		[EV_FILTERS] = LATE(FAILED),
		[EV_LOADED] = { rest_loaded, TO(FAILED) | TO(BLOCKED) },
		[EV_START] = { rest_start, TO(FAILED) | TO(BLOCKED) },
		[EV_STOP] = { rest_stop, TO(FAILED) | TO(INACTIVE) },
		[EV_RESTART] = { rest_start, TO(FAILED) | TO(BLOCKED) },
		[EV_TIMER] = { rest_timer, TO(FAILED) | TO(BLOCKED) },
		[EV_CHECK] = { rest_check, TO(FAILED) | TO(BLOCKED) | TO(STOPPING) },
	},
};

/* --- the only door ---------------------------------------------------------------------------------- */

void machine_bug(struct core *core, const struct service *s, enum event_kind event, const char *what)
{
	core->bugs++;
	(void)snprintf(core->bug_text, sizeof(core->bug_text), "%s: %s in %s %s", core_name(core, s->id),
		       event_kind_name(event), service_state_name((enum service_state)s->rec.state), what);
}

static enum rule rule_of(const struct core_event *ev)
{
	switch (ev->kind) {
	case EV_LOADED:
		return RULE_BOOT;
	case EV_START:
	case EV_STOP:
	case EV_RESTART:
		return ev->rule;
	case EV_TIMER:
		return ev->timer == TIMER_SHUTDOWN ? RULE_SHUTDOWN : RULE_TIMEOUT;
	case EV_HEALTH:
		return RULE_HEALTH;
	case EV_GONE:
	case EV_SURVIVORS:
	case EV_POST_STOP_DONE:
		return RULE_GONE;
	case EV_FILTERS:
		return RULE_CONFLICT;
	case EV_CHECK:
		return RULE_DEPENDENCY;
	case EV_PRE_START_DONE:
	case EV_PRE_START_FAILED:
	case EV_SPAWNED:
	case EV_SPAWN_FAILED:
	case EV_READY:
	case EV_EXITED:
	case EV_KILL_ASKED:
		return RULE_PROCESS;
	case EV_NONE:
	case EV_SHUTDOWN:
	case EV_KIND_N:
		break;
	}
	return RULE_NONE;
}

static int critical_code(const struct service_record *rec)
{
	if (rec->failure == FAILURE_EXIT_CODE && rec->exit_code > 0)
		return rec->exit_code;
	return rec->failure == FAILURE_SIGNAL ? 128 + rec->exit_signal : 1;
}

void machine_tell_critical(struct core *core, struct service *s, struct effects *out)
{
	if (s->rec.state != SERVICE_FAILED || !s->policy.critical || !need_failed_for_good(s) || core->shutting_down)
		return;
	if (s->rec.wish == WISH_UP || s->rec.wish_cause.rule == RULE_HEALTH)
		effects_add(out, EFFECT_CRITICAL_FAILED, s)->code = critical_code(&s->rec);
}

static void enter(struct step *st, enum service_state to)
{
	struct service *s = st->s;
	enum service_state from = here(st);
	bool was_active = need_active(s);

	s->rec.state = (uint8_t)to;
	s->rec.since = st->now;
	s->rec.cause = st->cause;
	if (to != SERVICE_BLOCKED && to != SERVICE_STARTING && to != SERVICE_STOPPING)
		s->rec.phase = PHASE_NONE;
	if (to != SERVICE_FAILED && to != SERVICE_STOPPING)
		s->rec.failure = FAILURE_NONE;
	if (to == SERVICE_BLOCKED)
		core_queue(st->core, s, TODO_CHECK | TODO_FULL);
	if (from == SERVICE_BLOCKED)
		need_set_blocked(st->core, s, 0);
	if (was_active && !need_active(s)) {
		st->core->active--;
		need_release_ports(st->core, s);
	} else if (!was_active && need_active(s)) {
		st->core->active++;
	}
	announce(st, from);
	core_mark_dirty(st->core, s);
	core_queue(st->core, s, TODO_NOTIFY);
	machine_tell_critical(st->core, s, st->out);
}

int machine_step(struct core *core, struct service *s, const struct core_event *ev, usec_t now, struct effects *out)
{
	const struct cell *cell = &machine_steps[s->rec.state][ev->kind];
	struct step st = {
		.core = core, .s = s, .ev = ev, .now = now, .out = out,
		.cause = { .at = now, .other = CORE_NONE, .uid = ev->rule == RULE_ASKED ? ev->uid : UINT32_MAX,
			   .line = ev->line, .event = (uint8_t)ev->kind, .rule = (uint8_t)rule_of(ev) },
	};
	enum service_state from = (enum service_state)s->rec.state;
	enum service_state to;

	if (ev->rule == RULE_PULLED || ev->rule == RULE_CASCADE || ev->rule == RULE_DEP_CRASHED)
		st.cause.other = s->via_other;
	else if (ev->kind == EV_LOADED || ev->rule == RULE_CONFIG)
		st.cause.line = s->policy.line;
	if (!cell->fn) {
		machine_bug(core, s, ev->kind, "is not expected");
		return -EPROTO;
	}
	to = cell->fn(&st);
	if (!(cell->to & 1U << to))
		machine_bug(core, s, ev->kind, "led to a state that the table does not allow");
	if (to != from)
		enter(&st, to);
	return st.result;
}
