/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the steps of inactive, exited, failed and blocked: its main process does not run. */
#include "service/steps.h"

enum service_state rest_start(struct step *st)
{
	struct service *s = st->s;

	if (step_refused(st))
		return step_here(st);
	/* what pulled it may have been overtaken: it came up meanwhile, or comes up by itself */
	if (st->ev->rule == RULE_PULLED && s->rec.wish == WISH_UP && !need_failed_for_good(s))
		return step_here(st);
	/* the configuration wants its schedule in force, no run yet */
	if (s->policy.scheduled && (st->ev->kind == EV_LOADED || st->ev->rule == RULE_CONFIG)) {
		if (s->rec.wish == WISH_DOWN)
			step_set_wish(st, WISH_UP);
		step_set_flag(st, RECORD_CLEAN_UP, false);
		step_announce(st, step_here(st));
		return step_here(st);
	}
	step_disarm(st);
	step_set_flag(st, RECORD_AGAIN | RECORD_CLEAN_UP, false);
	step_come_up(st);
	return SERVICE_BLOCKED;
}

enum service_state rest_loaded(struct step *st)
{
	return st->s->policy.status == STATUS_START ? rest_start(st) : step_here(st);
}

enum service_state rest_stop(struct step *st)
{
	struct service_record *rec = &st->s->rec;
	/* what failed is down and no more than that, once somebody wants it down; so it is in zinit 0.3.9 */
	bool pending = rec->timer == TIMER_RESTART || step_has(st, RECORD_AGAIN) || step_here(st) == SERVICE_FAILED;

	if (rec->wish == WISH_DOWN && !step_has(st, RECORD_LEFTOVERS | RECORD_SURVIVORS))
		return step_already(st);
	step_wish_down_at_rest(st);
	return pending && !step_has(st, RECORD_CLEAN_UP) ? SERVICE_INACTIVE : step_here(st);
}

static enum service_state restart_now(struct step *st)
{
	step_disarm(st);
	st->s->rec.restarts++;
	step_because(st, RULE_RESTART, CORE_NONE);
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

	step_because(st, RULE_DEPENDENCY, rec->failure_other);
	if (need != NEED_FAILED && need != NEED_MISSING)
		return SERVICE_BLOCKED;
	other = graph_dep(st->core, st->s, dep);
	rec->failure = need == NEED_FAILED ? FAILURE_DEPENDENCY : FAILURE_MISSING;
	rec->failure_other = other ? other->id : CORE_NONE;
	rec->cause.other = rec->failure_other;
	rec->cause.line = st->s->policy.deps[dep].line;
	core_mark_dirty(st->core, st->s);
	return step_here(st);
}

enum service_state rest_check(struct step *st)
{
	struct service_record *rec = &st->s->rec;

	if (step_has(st, RECORD_CLEAN_UP)) {
		if (need_dependents_gone(st->core, st->s))
			return step_here(st);
		step_because_of_wish(st);
		return step_stop_leftovers(st);
	}
	/* restarted; or it waited for its schedule, which is no more */
	if (rec->wish == WISH_UP &&
	    (step_has(st, RECORD_AGAIN) || (step_here(st) == SERVICE_INACTIVE && !st->s->policy.scheduled))) {
		step_set_flag(st, RECORD_AGAIN, false);
		step_because_of_wish(st);
		core_queue(st->core, st->s, TODO_PULL);
		return SERVICE_BLOCKED;
	}
	if (rec->timer == TIMER_RESTART)
		return st->now >= rec->deadline ? restart_now(st) : step_here(st);
	if (rec->wish == WISH_UP && step_here(st) == SERVICE_FAILED &&
	    (rec->failure == FAILURE_DEPENDENCY || rec->failure == FAILURE_MISSING))
		return recheck_dependencies(st);
	return step_here(st);
}

enum service_state rest_timer(struct step *st)
{
	return st->ev->timer == TIMER_RESTART ? restart_now(st) : step_too_late(st);
}

enum service_state rest_gone(struct step *st)
{
	step_set_flag(st, RECORD_CLEAN_UP, false);
	step_set_flag(st, RECORD_LEFTOVERS, false);
	step_set_flag(st, RECORD_SURVIVORS, false);
	return step_here(st);
}

/* A spawn that hung so long that we gave it up succeeded after all. */
enum service_state rest_spawned(struct step *st)
{
	step_set_flag(st, RECORD_LEFTOVERS, true);
	step_effect(st, EFFECT_KILL_ALL);
	return step_here(st);
}

static enum service_state start_run(struct step *st)
{
	struct service_record *rec = &st->s->rec;
	const struct service_policy *policy = &st->s->policy;

	step_disarm(st);
	need_take_ports(st->core, st->s);
	rec->run++;
	rec->ready_at = 0;
	rec->pid = 0;
	rec->kill_signal = 0;
	rec->attempts = 0;
	step_set_flag(st, RECORD_HAS_EXITED | RECORD_CORE_DUMPED | RECORD_POST_RAN | RECORD_UNHEALTHY | RECORD_CRASHED |
				  RECORD_WAS_FAILED,
		      false);
	if (policy->start_timeout && (!policy->oneshot || policy->has_readiness))
		step_arm(st, TIMER_START, time_add(st->now, policy->start_timeout));
	rec->phase = policy->has_pre_start ? PHASE_PRE_START : PHASE_SPAWN;
	step_effect(st, policy->has_pre_start ? EFFECT_RUN_PRE_START : EFFECT_SPAWN);
	return SERVICE_STARTING;
}

enum service_state fail_for_dependency(struct step *st, enum need need, uint32_t dep)
{
	const struct service *other = graph_dep(st->core, st->s, dep);

	step_disarm(st);
	st->s->rec.failure = need == NEED_FAILED ? FAILURE_DEPENDENCY : FAILURE_MISSING;
	st->s->rec.failure_other = other ? other->id : CORE_NONE;
	step_because(st, RULE_DEPENDENCY, st->s->rec.failure_other);
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
		step_because(st, RULE_DEPENDENCY, dep->id);
	} else if (s->rec.blocked & (1U << BLOCK_CONFLICTS_WITH | 1U << BLOCK_PORT | 1U << BLOCK_PROCESS)) {
		step_because(st, RULE_CONFLICT, CORE_NONE);
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
		step_disarm(st);
		set_blocked(st, blocked);
		return step_here(st);
	}
	if (s->policy.has_filters && !s->policy.target && !filters_clear) {
		if (s->rec.phase == PHASE_FILTERS || s->rec.timer == TIMER_RESTART)
			return step_here(st);
		s->rec.phase = PHASE_FILTERS;
		core_mark_dirty(st->core, s);
		step_effect(st, EFFECT_CHECK_FILTERS);
		return step_here(st);
	}
	because_unblocked(st);
	if (s->policy.target) {
		s->rec.ready_at = st->now;
		return SERVICE_RUNNING;
	}
	return start_run(st);
}

enum service_state blocked_check(struct step *st)
{
	return try_start(st, st->ev->ok, false);
}

enum service_state blocked_filters(struct step *st)
{
	if (st->s->rec.phase != PHASE_FILTERS)
		return step_too_late(st);
	st->s->rec.phase = PHASE_NONE;
	/* meanwhile another may have taken a port, or a dependency may have gone */
	if (st->ev->ok)
		return try_start(st, true, true);
	set_blocked(st, 1U << BLOCK_PROCESS);
	step_arm(st, TIMER_RESTART, time_add(st->now, FILTERS_PAUSE));
	return step_here(st);
}

enum service_state blocked_timer(struct step *st)
{
	st->s->rec.timer = TIMER_NONE;
	st->s->rec.deadline = 0;
	core_mark_dirty(st->core, st->s);
	return try_start(st, true, false);
}

enum service_state blocked_start(struct step *st)
{
	if (step_refused(st) || st->ev->rule == RULE_PULLED)
		return step_here(st);
	step_disarm(st);
	step_come_up(st);
	core_queue(st->core, st->s, TODO_CHECK | TODO_FULL);
	return step_here(st);
}

enum service_state blocked_stop(struct step *st)
{
	step_wish_down_at_rest(st);
	return SERVICE_INACTIVE;
}
