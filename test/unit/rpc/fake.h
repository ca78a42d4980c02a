/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A supervisor without processes, for tests of the control server: the real core, whose effects come true at once (a
 * spawn succeeds, a stop leaves nothing) unless `hold` is set, and a real log engine whose rings hold a few lines.
 */
#ifndef UNIT_RPC_FAKE_H
#define UNIT_RPC_FAKE_H

#include "base/limits.h"
#include "loop/loop.h"
#include "service/core.h"
#include "supervisor/supervisor.h"

#define FAKE_SERVICES 16
#define FAKE_EVENTS 64
#define FAKE_KEPT 16

struct log_engine;
struct service_config;

struct supervisor {
	struct core *core;
	struct log_engine *log;
	struct list listeners;
	bool hold;      /* effects do not come true by themselves */
	bool shut_down;
	struct service_config *configs[FAKE_SERVICES]; /* by id */
	struct supervisor_event events[FAKE_EVENTS];   /* a ring */
	uint64_t last_event;
	unsigned int calls; /* that change something */
	struct fake_kept {
		char key[LIMIT_KEEPER_KEY];
		int fd;
	} kept[FAKE_KEPT]; /* as the keeper has it */
	size_t kept_n;
	supervisor_upgrade_fn upgrade_fn; /* of the upgrade under way */
	void *upgrade_data;
	struct supervisor_upgraded upgraded;
};

/** Without services. Returns 0 or negative errno. */
int fake_init(struct supervisor *sup, struct loop *loop);
void fake_fini(struct supervisor *sup);
/** Add a service that requires `requires` (NULL: nothing), and a log of `text` (NULL: no log). Returns its id or CORE_NONE. */
uint32_t fake_add(struct supervisor *sup, const char *name, const char *requires, const char *text);
/** Its main process ended with `code`, and nothing is left. */
void fake_exit(struct supervisor *sup, const char *name, int code);
/** A spawn that was held succeeds. */
void fake_spawned(struct supervisor *sup, const char *name);

#endif
