/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small shell for tests of the core: carries out effects at once where that is harmless (saves, timers on record) and
 * keeps the others in a log that tests look at. Processes do only what a test says.
 */
#ifndef UNIT_SERVICE_WORLD_H
#define UNIT_SERVICE_WORLD_H

#include "../testing.h"

#include "service/core.h"

#define MS USEC_PER_MSEC
#define SEC USEC_PER_SEC
#define WORLD_LOG_MAX 4096

struct world {
	struct core *core;
	usec_t now;
	struct effect log[WORLD_LOG_MAX]; /* all effects since world_forget() */
	size_t log_n;
	size_t answered; /* of the log: up to where SPAWN was answered */
	int result; /* of the last event */
	bool auto_spawn; /* answer SPAWN with SPAWNED at once */
};

void world_init(struct world *w);
void world_fini(struct world *w);
/** A policy with sane values: restart always after 1 s, doubling to 60 s, timeouts 30 s and 10 s. */
struct service_policy world_policy(void);
uint32_t world_add(struct world *w, const char *name, const struct service_policy *policy);
/** `deps`: "requires:a after:b conflicts:c", or NULL. */
uint32_t world_add_deps(struct world *w, const char *name, struct service_policy policy, const char *deps);
/** Log the effects of one step, and of what follows from it. */
void world_carry_out(struct world *w, struct effects *fx);
int world_send(struct world *w, struct core_event ev);
int world_event(struct world *w, enum event_kind kind, const char *name);
int world_exit(struct world *w, const char *name, int code, int signal);
/** Answer the stop of a service: its process ends by the signal, nothing is left. */
void world_stopped(struct world *w, const char *name);
/** Let time pass, with all timers that become due. */
void world_advance(struct world *w, usec_t span);
void world_forget(struct world *w);
/** How many effects of a kind the log holds for `name` (NULL: anybody). */
size_t world_count(const struct world *w, enum effect_kind kind, const char *name);
const struct service_record *world_record(const struct world *w, const char *name);
enum service_state world_state(const struct world *w, const char *name);

#define assert_state(w, name, expected)                                                            \
	assert_string_equal(service_state_name(world_state(w, name)), service_state_name(expected))

#endif
