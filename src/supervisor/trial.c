/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: new definitions on trial. A service that was up gets its new definition when its process is gone; until the new
 * one is up, the old definition is kept, on record too. If the new one does not come up, the old one comes back and is
 * started, and why is told. Services on trial are looked at after each of their transitions, one by one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "supervisor/internal.h"

/* A service without a health check runs as soon as it is spawned: one that lives for so long is taken to have come up. */
#define TRIAL_GRACE USEC_PER_SEC
#define REASON_SIZE 256

enum verdict {
	VERDICT_OPEN,
	VERDICT_GOOD,
	VERDICT_BAD,
};

/* --- judging ---------------------------------------------------------------------------------- */

/* Others are on trial too: who waits for them is judged when they are. */
static bool has_company(const struct unit *unit)
{
	const struct supervisor *sup = unit->sup;

	return sup->trials.next != sup->trials.prev;
}

static enum verdict judge_running(const struct unit *unit, usec_t now, usec_t *look_at)
{
	const struct core *core = unit->sup->core;
	usec_t grown = time_add(core_record(core, unit->id)->started_at, TRIAL_GRACE);

	if (core_policy(core, unit->id)->has_readiness || now >= grown)
		return VERDICT_GOOD;
	*look_at = MIN(*look_at, grown);
	return VERDICT_OPEN;
}

static enum verdict judge_blocked(const struct unit *unit, usec_t now, usec_t *look_at)
{
	if (has_company(unit))
		return VERDICT_OPEN;
	if (now >= unit->trial_until || core_is_settled(unit->sup->core, unit->id))
		return VERDICT_BAD;
	*look_at = MIN(*look_at, unit->trial_until);
	return VERDICT_OPEN;
}

static enum verdict judge(const struct unit *unit, usec_t now, usec_t *look_at)
{
	const struct service_record *record = core_record(unit->sup->core, unit->id);

	/* somebody wants it down: whether it would have come up is nobody's concern any more */
	if (record->wish == WISH_DOWN)
		return VERDICT_GOOD;
	if (record->flags & RECORD_AGAIN)
		return VERDICT_OPEN;
	switch ((enum service_state)record->state) {
	case SERVICE_RUNNING:
		return judge_running(unit, now, look_at);
	case SERVICE_BLOCKED:
		return judge_blocked(unit, now, look_at);
	case SERVICE_FAILED:
		return record->failure == FAILURE_DEPENDENCY && has_company(unit) ? VERDICT_OPEN : VERDICT_BAD;
	case SERVICE_EXITED:
	case SERVICE_INACTIVE:
		return VERDICT_BAD;
	case SERVICE_STARTING:
	case SERVICE_STOPPING:
	case SERVICE_STATE_N:
		break;
	}
	return VERDICT_OPEN;
}

/* --- what follows ----------------------------------------------------------------------------- */

static void let_go(struct unit *unit)
{
	list_remove(&unit->trial);
	config_free(unit->old);
	unit->old = NULL;
	(void)unit_put_definition(unit, NULL, DEFINITION_OLD);
}

void trial_forget_undone(struct unit *unit)
{
	if (!unit->undone)
		return;
	free(unit->undone);
	unit->undone = NULL;
	(void)definitions_put(unit->sup->definitions, unit_definition_slot(unit->id, DEFINITION_UNDONE), "", 0);
}

void trial_forget(struct unit *unit)
{
	trial_forget_undone(unit);
	if (unit->old)
		let_go(unit);
}

static void note_undone(struct unit *unit, const char *reason)
{
	trial_forget_undone(unit);
	unit->undone = strdup(reason);
	(void)definitions_put(unit->sup->definitions, unit_definition_slot(unit->id, DEFINITION_UNDONE), reason,
			      strlen(reason));
}

static void tell_undone(struct unit *unit)
{
	const char *reason = unit->undone ? unit->undone : "";

	unit_announce(unit, EVENT_UNDONE, reason);
	diag(DIAG_WARN, "%s: its new definition did not come up, the old one is back: %s", unit->config->name, reason);
}

/* "exited with code 3"; or what it waits for. */
static void reason_of(const struct unit *unit, char *out, size_t size)
{
	const struct core *core = unit->sup->core;
	const struct service_record *record = core_record(core, unit->id);
	struct why_step step;
	const char *text = step.text;

	if (record->state == SERVICE_FAILED) {
		core_failure_text(core, unit->id, out, size);
		return;
	}
	if (!core_why(core, unit->id, loop_now(unit->sup->loop), &step, 1))
		step.text[0] = '\0';
	if (str_starts(text, unit->config->name) && text[strlen(unit->config->name)] == ' ')
		text += strlen(unit->config->name) + 1;
	(void)str_copy(out, size, text);
}

/* Harmless if it was done before. */
static void start_old(struct unit *unit)
{
	const struct core_event event = { .kind = EV_START, .id = unit->id, .rule = RULE_UNDO };

	tell_undone(unit);
	(void)supervisor_feed(unit->sup, &event);
	/* this goes from the record last: until then the next server sees what is left to do */
	let_go(unit);
}

static void undo(struct unit *unit)
{
	struct service_config *old = config_dup(unit->old);
	char reason[REASON_SIZE];
	struct error err = { 0 };

	reason_of(unit, reason, sizeof(reason));
	note_undone(unit, reason);
	if (!old || unit_set_config(unit, old, &err) < 0) {
		diag(DIAG_ERROR, "%s: its new definition did not come up (%s), and the old one can't be put back: %s",
		     unit->config->name, reason, old ? err.msg : "out of memory");
		config_free(old);
		let_go(unit);
		return;
	}
	start_old(unit);
}

/* --- looking ---------------------------------------------------------------------------------- */

/* Returns true if somebody was judged: those who wait for each other may be judged by that. */
static bool look_once(struct supervisor *sup, usec_t *look_at)
{
	struct unit *unit;
	usec_t now = loop_now(sup->loop);

	LIST_FOREACH (unit, &sup->trials, trial) {
		enum verdict verdict = judge(unit, now, look_at);

		if (verdict == VERDICT_OPEN)
			continue;
		if (verdict == VERDICT_GOOD)
			let_go(unit);
		else
			undo(unit);
		return true;
	}
	return false;
}

static void look(void *data)
{
	struct supervisor *sup = data;
	usec_t look_at = USEC_NEVER;
	uint64_t cursor = *sup->events.cursor;
	bool judged = false;

	if (core_is_shutting_down(sup->core))
		return;
	while (look_once(sup, &look_at)) {
		look_at = USEC_NEVER;
		judged = true;
	}
	if (sup->trial_timer)
		loop_timer_arm(sup->trial_timer, look_at);
	/* who waits for the end of a trial hears of it, also if it was no transition */
	if (judged && *sup->events.cursor == cursor)
		sup->events.news = true;
	events_tell(&sup->events);
}

static void on_timer(struct loop_timer *timer, void *data)
{
	(void)timer;
	look(data);
}

void trial_look_soon(struct unit *unit)
{
	if (unit->old)
		(void)loop_defer(unit->sup->loop, look, unit->sup);
}

/* --- beginning -------------------------------------------------------------------------------- */

static void begin(struct unit *unit)
{
	struct supervisor *sup = unit->sup;

	if (!sup->trial_timer)
		sup->trial_timer = loop_timer_new(sup->loop, on_timer, sup);
	unit->trial_until = time_add(loop_now(sup->loop), unit->config->start_timeout_ms * USEC_PER_MSEC);
	list_remove(&unit->trial);
	list_append(&sup->trials, &unit->trial);
	trial_look_soon(unit);
}

/* Only a definition that was up is worth going back to. */
static bool is_worth_keeping(const struct unit *unit)
{
	const struct service_record *record = core_record(unit->sup->core, unit->id);

	return !unit->old && record->wish == WISH_UP && record->ready_at && !unit->config->oneshot &&
	       !unit->next->oneshot && !unit->config->is_target && !unit->next->is_target;
}

static void remember(struct unit *unit)
{
	unit->old = config_dup(unit->config);
	if (unit->old && unit_put_definition(unit, unit->old, DEFINITION_OLD) < 0) {
		config_free(unit->old);
		unit->old = NULL;
	}
	if (!unit->old)
		diag(DIAG_WARN, "%s: no memory to keep its old definition: the new one is not undone if it fails",
		     unit->config->name);
}

void unit_apply_next(struct unit *unit)
{
	struct service_config *next = unit->next;
	struct error err;

	if (!next)
		return;
	if (is_worth_keeping(unit) && !config_equal(unit->config, next))
		remember(unit);
	unit->next = NULL;
	if (unit_set_config(unit, next, &err) < 0) {
		note_undone(unit, err.msg);
		tell_undone(unit);
		config_free(next);
		if (unit->old)
			let_go(unit);
	}
	(void)unit_put_definition(unit, NULL, DEFINITION_NEXT);
	if (unit->old)
		begin(unit);
}

void trial_go_on(struct unit *unit)
{
	if (!unit->old || unit->next)
		return;
	if (config_equal(unit->old, unit->config))
		start_old(unit); /* it was being undone */
	else
		begin(unit);
}
