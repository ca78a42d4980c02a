/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a service is in its state: a walk over the causes down to the root. The first step is the service itself, each
 * further step explains the one before it, the last is the root.
 */
#ifndef SERVICE_WHY_H
#define SERVICE_WHY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "service/core.h"

#define WHY_TEXT_MAX 192

struct why_step {
	uint32_t id;       /* the service that this step speaks of; CORE_NONE: of a name that does not exist */
	enum service_state state;
	enum rule rule;
	struct cause cause;
	bool root;         /* nothing further explains it */
	char text[WHY_TEXT_MAX]; /* one sentence without a full stop, e.g. "db failed: exited with code 3 (gave up after 5 restarts)" */
};

/** Walk from `id` to the root. Fills up to `max` steps; returns how many (0: no such service). Never more than the number
 *  of services plus two; a walk that would come back to a service ends there. */
size_t core_why(const struct core *core, uint32_t id, usec_t now, struct why_step *out, size_t max);

/** One sentence for a cause: "asked by uid 0", "db, which it requires, is being stopped". `name` may be NULL. */
void core_cause_text(const struct core *core, const struct cause *cause, char *out, size_t size);
/** The failure as people read it: "exited with code 3", "killed by SIGSEGV (11)", "dependency 'db' failed". */
void core_failure_text(const struct core *core, uint32_t id, char *out, size_t size);

#endif
