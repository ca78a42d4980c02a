/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: restart policy, delays, limits. */
#include "service/restart.h"

#include "base/mem.h"
#include "service/core_internal.h"

static uint64_t mix(uint64_t x)
{
	/* splitmix64: any two inputs that differ give unrelated outputs */
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static usec_t with_jitter(usec_t delay, uint16_t permille, usec_t cap, uint64_t draw)
{
	uint64_t spread = permille > 1000 ? 1000 : permille;
	uint64_t factor = 1000000 - spread * 1000 + mix(draw) % (2 * spread * 1000 + 1);
	usec_t out;

	/* divide first where the product would not fit: a delay of years needs no microseconds */
	if (delay > UINT64_MAX / 2000000)
		out = delay / 1000000 * factor;
	else
		out = delay * factor / 1000000;
	return cap && out > cap ? cap : out;
}

bool restart_is_success(const struct service_policy *policy, int exit_code, int exit_signal)
{
	bool any = false;

	if (exit_signal || exit_code < 0 || exit_code > 255)
		return false;
	for (size_t i = 0; i < sizeof(policy->success_codes); i++)
		any = any || policy->success_codes[i];
	if (!any)
		return exit_code == 0;
	return policy->success_codes[exit_code / 8] >> (exit_code % 8) & 1;
}

void restart_note_end(const struct service_policy *policy, struct service_record *rec, usec_t now)
{
	if (!policy->stability || !rec->ready_at || now < rec->ready_at)
		return;
	if (now - rec->ready_at < policy->stability)
		return;
	rec->tries = 0;
	rec->delay = 0;
}

void restart_reset(struct service_record *rec)
{
	rec->restarts = 0;
	rec->tries = 0;
	rec->spawn_tries = 0;
	rec->delay = 0;
}

static bool wanted(const struct service_policy *policy, bool good)
{
	if (policy->status != STATUS_START)
		return false;
	/* a oneshot is not kept running: only an explicit on-failure repeats it, until it ended well */
	if (policy->oneshot)
		return policy->restart == RESTART_ON_FAILURE && !good;
	switch (policy->restart) {
	case RESTART_ALWAYS:
		return true;
	case RESTART_ON_FAILURE:
		return !good;
	case RESTART_NEVER:
	case RESTART_N:
		break;
	}
	return false;
}

enum restart_verdict restart_decide(const struct service_policy *policy, struct service_record *rec, bool good,
				    uint64_t salt, usec_t now, usec_t *out_at)
{
	usec_t delay;

	if (!wanted(policy, good))
		return RESTART_NOT;
	if (policy->max_restarts && rec->tries >= policy->max_restarts)
		return RESTART_GIVE_UP;
	rec->tries++;
	delay = rec->delay > UINT64_MAX / 2 ? rec->delay : rec->delay * 2;
	/* the first time; or the configuration asks for more by now */
	delay = MAX(delay, policy->restart_delay);
	if (policy->restart_delay_max && delay > policy->restart_delay_max)
		delay = policy->restart_delay_max;
	rec->delay = delay;
	*out_at = time_add(now, with_jitter(delay, policy->jitter_permille, policy->restart_delay_max,
					    salt ^ mix(rec->run)));
	return RESTART_LATER;
}

usec_t restart_after_spawn_error(const struct service_policy *policy, struct service_record *rec, uint64_t salt,
				 usec_t now)
{
	usec_t cap = policy->restart_delay_max ? policy->restart_delay_max : SPAWN_PAUSE_MAX;
	usec_t delay = MAX(policy->restart_delay, SPAWN_PAUSE_MIN);

	cap = MAX(cap, SPAWN_PAUSE_MIN);
	for (uint32_t i = 0; i < rec->spawn_tries && delay < cap; i++)
		delay *= 2;
	rec->spawn_tries++;
	return time_add(now, with_jitter(MIN(delay, cap), policy->jitter_permille, cap, salt ^ mix(rec->run)));
}
