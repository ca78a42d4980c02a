/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: carrying out the core's effects, one function for each. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "service/why.h"
#include "supervisor/internal.h"

/* --- timers ----------------------------------------------------------------------------------- */

static void on_timer(struct loop_timer *timer, void *data)
{
	struct unit *unit = data;
	const struct core_event event = {
		.kind = EV_TIMER,
		.id = unit->id,
		.timer = (enum timer_kind)core_record(unit->sup->core, unit->id)->timer,
	};

	if (loop_now(unit->sup->loop) < unit->extended_until && event.timer != TIMER_RESTART) {
		loop_timer_arm(timer, unit->extended_until);
		return;
	}
	(void)supervisor_feed(unit->sup, &event);
}

static void arm_timer(struct supervisor *sup, struct unit *unit, const struct effect *e)
{
	if (!unit) {
		loop_timer_arm(sup->shutdown_timer, e->deadline);
		return;
	}
	if (!unit->timer)
		unit->timer = loop_timer_new(sup->loop, on_timer, unit);
	if (unit->timer)
		loop_timer_arm(unit->timer, e->deadline);
	else
		diag(DIAG_ERROR, "%s: no memory for a timer: its %s time-out is not watched", unit->config->name,
		     e->timer == TIMER_STOP ? "stop" : "start");
}

static void disarm(struct supervisor *sup, struct unit *unit, const struct effect *e)
{
	(void)e;
	if (!unit)
		loop_timer_disarm(sup->shutdown_timer);
	else if (unit->timer)
		loop_timer_disarm(unit->timer);
}

/* --- stopping --------------------------------------------------------------------------------- */

/* With the keeper gone, that a process is gone is all that we can know of its end. */
static void end_unknown(struct unit *unit)
{
	const struct core_event event = {
		.kind = EV_EXITED,
		.id = unit->id,
		.run = core_record(unit->sup->core, unit->id)->run,
		.code = -1,
		.signal = SIGKILL,
	};

	(void)supervisor_feed(unit->sup, &event);
}

/* While others still end there is time for it; at the end of all, a thousand removals would be waited for. */
void gone_in_shutdown(struct unit *unit)
{
	if (unit->cgroup && core_is_shutting_down(unit->sup->core))
		(void)cgroup_remove(unit->cgroup);
}

static void on_gone(struct stop *stop, void *data)
{
	struct unit *unit = data;
	struct core_event event = { .kind = EV_GONE, .id = unit->id };

	stop_free(stop);
	unit->stop = NULL;
	if (unit->sup->keeper_lost && core_record(unit->sup->core, unit->id)->pid)
		end_unknown(unit);
	event.run = core_record(unit->sup->core, unit->id)->run;
	if (unit->last.exit.pid || core_record(unit->sup->core, unit->id)->pid) {
		unit->gone = true; /* told after the exit, whose last lines are being read, or which the keeper is about to tell */
		return;
	}
	unit_apply_next(unit);
	gone_in_shutdown(unit);
	(void)supervisor_feed(unit->sup, &event);
}

static void watch_stop(struct unit *unit)
{
	struct stop_target target;

	if (unit->stop)
		return;
	unit_target(unit, &target);
	unit->stop = stop_new(unit->sup->stopper, &target, on_gone, unit);
	if (!unit->stop)
		diag(DIAG_ERROR, "%s: its end can't be watched: %s", unit->config->name, strerror(errno));
}

static bool has_command(const struct config_command *command)
{
	return command->text || command->argv;
}

static void stop_begin(struct supervisor *sup, struct unit *unit, const struct effect *e)
{
	(void)sup;
	unit->gone = false;
	incident_stop_begins(unit);
	task_cancel(unit);
	watch_stop(unit);
	if (has_command(&unit->config->stop_command))
		task_start(unit, TASK_STOP_COMMAND, e->run);
	else if (unit->stop)
		(void)stop_signal(unit->stop, unit->config->stop_signal); /* nobody there: on_gone() tells */
}

static void kill_all(struct supervisor *sup, struct unit *unit, const struct effect *e)
{
	const struct core_event survivors = { .kind = EV_SURVIVORS, .id = unit->id, .run = e->run };

	(void)sup;
	incident_kill(unit);
	task_cancel(unit);
	watch_stop(unit);
	if (unit->stop && stop_kill(unit->stop) == -EPERM)
		(void)supervisor_feed(unit->sup, &survivors);
}

static void cleanup_check(struct supervisor *sup, struct unit *unit, const struct effect *e)
{
	(void)sup;
	(void)e;
	watch_stop(unit);
	if (unit->stop)
		stop_check(unit->stop);
}

/* --- helper commands, probes, filters --------------------------------------------------------- */

static void spawn(struct supervisor *sup, struct unit *unit, const struct effect *e)
{
	(void)sup;
	/* whatever is left of an earlier run is not ours to watch any more: this run's stop finds it by its tag */
	stop_free(unit->stop);
	unit->stop = NULL;
	unit->gone = false;
	launch(unit, e->run);
}

static void pre_start(struct supervisor *sup, struct unit *unit, const struct effect *e)
{
	(void)sup;
	task_start(unit, TASK_PRE_START, e->run);
}

static void post_stop(struct supervisor *sup, struct unit *unit, const struct effect *e)
{
	(void)sup;
	task_start(unit, TASK_POST_STOP, e->run);
}

static void probe_start(struct supervisor *sup, struct unit *unit, const struct effect *e)
{
	(void)sup;
	probes_start(unit, e->run);
}

static void probe_stop(struct supervisor *sup, struct unit *unit, const struct effect *e)
{
	(void)sup;
	(void)e;
	probes_stop(unit);
}

static void check_filters(struct supervisor *sup, struct unit *unit, const struct effect *e)
{
	const struct core_event event = {
		.kind = EV_FILTERS,
		.id = unit->id,
		.run = e->run,
		.ok = filters_clear(unit),
	};

	(void)supervisor_feed(sup, &event);
}

/* --- telling ---------------------------------------------------------------------------------- */

static bool is_down(enum service_state state)
{
	return state == SERVICE_INACTIVE || state == SERVICE_EXITED || state == SERVICE_FAILED;
}

/* A spawn that a shortage fails is tried again and again: that is told the first, second, fourth, eighth … time. */
static bool is_told_again(const struct service_record *record)
{
	return record->spawn_tries & (record->spawn_tries - 1);
}

static enum diag_level level_of(const struct unit *unit, enum service_state from, enum service_state to)
{
	if (to == SERVICE_FAILED && from != SERVICE_FAILED && !is_told_again(core_record(unit->sup->core, unit->id)))
		return DIAG_WARN;
	return DIAG_DEBUG;
}

static void add_tries(const struct unit *unit, char *cause, size_t size)
{
	uint32_t tries = core_record(unit->sup->core, unit->id)->spawn_tries;
	size_t len = strlen(cause);

	if (tries > 1)
		(void)snprintf(cause + len, size - len, " (try %u)", tries);
}

/* What the core does not know of an end. */
static void add_end(struct unit *unit, char *cause, size_t size)
{
	char text[96];
	size_t len = strlen(cause);

	if (unit->oom)
		(void)snprintf(cause + len, size - len, "; out of memory: the kernel killed %u of its processes", unit->oom);
	unit_survivors_text(unit, text, sizeof(text));
	len = strlen(cause);
	if (text[0])
		(void)snprintf(cause + len, size - len, "; still there: %s", text);
	if (text[0])
		diag(DIAG_WARN, "%s: its stop left processes: %s", unit->config->name, text);
}

void announce_prepare(struct supervisor *sup, const struct effect *e)
{
	enum service_state from = (enum service_state)e->from;
	enum service_state to = (enum service_state)e->to;
	struct supervisor_event event = { .kind = EVENT_STATE };
	struct unit *unit = unit_at(sup, e->id);

	if (e->kind != EFFECT_ANNOUNCE || !unit || from == to)
		return;
	if (e->cause.rule == RULE_SCHEDULE)
		unit->intent.due = false; /* the run that waited begins, in the same commit */
	core_cause_text(sup->core, &e->cause, event.cause, sizeof(event.cause));
	if (to == SERVICE_FAILED)
		core_failure_text(sup->core, unit->id, event.cause, sizeof(event.cause));
	(void)str_copy(event.name, sizeof(event.name), unit->config->name);
	(void)str_copy(event.from, sizeof(event.from), service_state_name(from));
	(void)str_copy(event.to, sizeof(event.to), service_state_name(to));
	if (is_down(to))
		add_end(unit, event.cause, sizeof(event.cause));
	unit->event = events_prepare(&sup->events, &event);
	if (to == SERVICE_FAILED)
		add_tries(unit, event.cause, sizeof(event.cause));
	diag(level_of(unit, from, to), "%s: %s -> %s: %s", event.name, event.from, event.to, event.cause);
}

/* The event itself was published with the record. */
static void announced(struct supervisor *sup, struct unit *unit, const struct effect *e)
{
	trial_look_soon(unit);
	if (unit->intent.removing && is_down((enum service_state)e->to))
		(void)loop_defer(sup->loop, manage_forget_removed, sup);
	if (e->from != e->to && is_down((enum service_state)e->to))
		schedule_settle(unit);
}

static void critical_failed(struct supervisor *sup, struct unit *unit, const struct effect *e)
{
	const struct actor by = { .uid = 0, .via = "critical" };

	if (unit->old)
		return; /* its old definition is about to come back */
	if (sup->exit_code == 0)
		sup->exit_code = e->code ? e->code : 1;
	state_globals(sup->state)->exit_code = sup->exit_code;
	diag(DIAG_ERROR, "%s is critical and failed: stopping all services", unit->config->name);
	(void)supervisor_shutdown(sup, &by, NULL);
}

static void shutdown_done(struct supervisor *sup, struct unit *unit, const struct effect *e)
{
	(void)unit;
	(void)e;
	if (!ship_flush(sup))
		supervisor_finish(sup);
}

/* --- the table -------------------------------------------------------------------------------- */

static const struct {
	void (*fn)(struct supervisor *sup, struct unit *unit, const struct effect *e);
	bool without_unit; /* the effect may be the whole server's */
} performers[EFFECT_KIND_N] = {
	[EFFECT_CHECK_FILTERS] = { check_filters, false },
	[EFFECT_RUN_PRE_START] = { pre_start, false },
	[EFFECT_SPAWN] = { spawn, false },
	[EFFECT_PROBE_START] = { probe_start, false },
	[EFFECT_PROBE_STOP] = { probe_stop, false },
	[EFFECT_STOP_BEGIN] = { stop_begin, false },
	[EFFECT_KILL_ALL] = { kill_all, false },
	[EFFECT_CLEANUP_CHECK] = { cleanup_check, false },
	[EFFECT_RUN_POST_STOP] = { post_stop, false },
	[EFFECT_ARM_TIMER] = { arm_timer, true },
	[EFFECT_DISARM] = { disarm, true },
	[EFFECT_ANNOUNCE] = { announced, false },
	[EFFECT_CRITICAL_FAILED] = { critical_failed, false },
	[EFFECT_SHUTDOWN_DONE] = { shutdown_done, true },
};

void perform(struct supervisor *sup, const struct effect *effect)
{
	struct unit *unit = unit_at(sup, effect->id);

	if (performers[effect->kind].fn && (unit || performers[effect->kind].without_unit))
		performers[effect->kind].fn(sup, unit, effect);
}
