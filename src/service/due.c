/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what a schedule that is due means for a service in its state. */
#include "service/core_internal.h"

bool core_schedule_on(const struct core *core, uint32_t id)
{
	const struct service *s = core_get(core, id);

	if (!s || !s->policy.scheduled || core->shutting_down)
		return false;
	/* stopped with what it requires: its next run waits for that */
	return s->rec.wish == WISH_UP || s->rec.wish_cause.rule == RULE_CASCADE || s->rec.wish_cause.rule == RULE_DEP_CRASHED;
}

static enum due overlap(const struct service *s)
{
	static const enum due answers[OVERLAP_N] = {
		[OVERLAP_SKIP] = DUE_SKIP, [OVERLAP_QUEUE] = DUE_QUEUE, [OVERLAP_RESTART] = DUE_RESTART,
	};

	/* it goes down with others, or is about to begin anew: nothing is to come between */
	return need_going_down(s) ? DUE_SKIP : answers[s->policy.overlap];
}

enum due core_due(const struct core *core, uint32_t id)
{
	const struct service *s = core_get(core, id);

	if (!core_schedule_on(core, id))
		return DUE_OFF;
	switch ((enum service_state)s->rec.state) {
	case SERVICE_INACTIVE:
	case SERVICE_EXITED:
	case SERVICE_FAILED:
		return DUE_START;
	case SERVICE_BLOCKED:
		return DUE_WAITING;
	case SERVICE_STARTING:
	case SERVICE_RUNNING:
	case SERVICE_STOPPING:
		return overlap(s);
	case SERVICE_STATE_N:
		break;
	}
	return DUE_OFF;
}
