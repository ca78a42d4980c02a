/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the table of states and events, and the only door to it. docs/states.svg is drawn from the table.
 */
#include "service/steps.h"

#include <errno.h>
#include <stdio.h>

#define TO(state) (1U << SERVICE_##state)
#define STAY(state) { step_stay, TO(state) }
#define LATE(state) { step_too_late, TO(state) }

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
		[EV_CHECK] = { rest_check, TO(INACTIVE) | TO(BLOCKED) | TO(STOPPING) },
	},
	[SERVICE_BLOCKED] = {
		REST_CELLS(BLOCKED),
		[EV_LOADED] = STAY(BLOCKED),
		[EV_START] = { blocked_start, TO(BLOCKED) },
		[EV_STOP] = { blocked_stop, TO(INACTIVE) },
		[EV_RESTART] = { blocked_start, TO(BLOCKED) },
		[EV_FILTERS] = { blocked_filters, TO(BLOCKED) | TO(STARTING) },
		[EV_TIMER] = { blocked_timer, TO(BLOCKED) },
		[EV_CHECK] = { blocked_check, TO(BLOCKED) | TO(STARTING) | TO(RUNNING) | TO(FAILED) },
	},
	[SERVICE_STARTING] = {
		[EV_LOADED] = STAY(STARTING),
		[EV_START] = { active_start, TO(STARTING) },
		[EV_STOP] = { active_stop, TO(STARTING) },
		[EV_RESTART] = { active_restart, TO(STARTING) },
		[EV_KILL_ASKED] = { step_kill_asked, TO(STARTING) },
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
		[EV_KILL_ASKED] = { step_kill_asked, TO(RUNNING) },
		[EV_FILTERS] = LATE(RUNNING),
		[EV_READY] = STAY(RUNNING),
		[EV_HEALTH] = { running_health, TO(RUNNING) | TO(STOPPING) },
		[EV_EXITED] = { active_exited, TO(STOPPING) | TO(EXITED) | TO(FAILED) },
		[EV_TIMER] = { active_timer, TO(STOPPING) | TO(INACTIVE) },
		[EV_CHECK] = { active_check, TO(RUNNING) | TO(STOPPING) | TO(INACTIVE) | TO(BLOCKED) | TO(FAILED) },
	},
	[SERVICE_STOPPING] = {
		[EV_LOADED] = STAY(STOPPING),
		[EV_START] = { stopping_start, TO(STOPPING) },
		[EV_STOP] = { stopping_stop, TO(STOPPING) },
		[EV_RESTART] = { stopping_start, TO(STOPPING) },
		[EV_KILL_ASKED] = { step_kill_asked, TO(STOPPING) },
		[EV_FILTERS] = LATE(STOPPING),
		[EV_PRE_START_DONE] = LATE(STOPPING),
		[EV_PRE_START_FAILED] = LATE(STOPPING),
		[EV_SPAWNED] = { stopping_spawned, TO(STOPPING) },
		[EV_SPAWN_FAILED] = { stopping_spawn_failed, TO(STOPPING) | TO(EXITED) | TO(FAILED) },
		[EV_READY] = LATE(STOPPING),
		[EV_HEALTH] = LATE(STOPPING),
		[EV_EXITED] = { stopping_exited, TO(STOPPING) },
		[EV_GONE] = { stopping_gone, TO(STOPPING) | TO(EXITED) | TO(FAILED) | TO(INACTIVE) },
		[EV_SURVIVORS] = { stopping_survivors, TO(STOPPING) | TO(FAILED) },
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
	enum service_state from = step_here(st);
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
	step_announce(st, from);
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
	if (ev->kind == EV_LOADED) {
		s->rec.status = (uint8_t)(s->policy.status + 1);
		core_mark_dirty(core, s);
	}
	to = cell->fn(&st);
	if (!(cell->to & 1U << to))
		machine_bug(core, s, ev->kind, "led to a state that the table does not allow");
	if (to != from)
		enter(&st, to);
	return st.result;
}
