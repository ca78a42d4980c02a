/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether and when a service that ended is started again: policy, doubling delay with cap and jitter, limit, and the
 * reset after a stable run. Works on a policy and a record alone.
 */
#ifndef SERVICE_RESTART_H
#define SERVICE_RESTART_H

#include "service/policy.h"
#include "service/record.h"

enum restart_verdict {
	RESTART_NOT,     /* the policy does not want it */
	RESTART_LATER,   /* at *out_at */
	RESTART_GIVE_UP, /* max_restarts is used up */
};

/** Is this exit a good end? */
bool restart_is_success(const struct service_policy *policy, int exit_code, int exit_signal);
/** Reset count and delay if the run that ends now was stable. */
void restart_note_end(const struct service_policy *policy, struct service_record *rec, usec_t now);
/** Forget all that was counted: somebody started it by hand. */
void restart_reset(struct service_record *rec);
/**
 * Decide about a service that ended (`good`: well) and set rec->tries and rec->delay for it. `salt` differs from service to
 * service: with the run number it makes the jitter, so equal seeds give equal delays.
 */
enum restart_verdict restart_decide(const struct service_policy *policy, struct service_record *rec, bool good,
				    uint64_t salt, usec_t now, usec_t *out_at);
/** When to try again after a transient spawn error; counts rec->spawn_tries, not rec->tries. */
usec_t restart_after_spawn_error(const struct service_policy *policy, struct service_record *rec, uint64_t salt,
				 usec_t now);

#endif
