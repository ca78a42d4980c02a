/* SPDX-License-Identifier: Apache-2.0 */
/* From a service's configuration to what the core needs of it. */
#ifndef SUPERVISOR_POLICY_H
#define SUPERVISOR_POLICY_H

#include "service/policy.h"

struct service_config;

/** Most dependencies and ports that one service may name in all. */
#define POLICY_DEPS_MAX 1024
#define POLICY_PORTS_MAX 256

/** A policy with the lists that it points to; large, so keep it off the stack of deep calls. */
struct policy_box {
	struct service_policy policy;
	struct policy_dep deps[POLICY_DEPS_MAX];
	uint16_t ports[POLICY_PORTS_MAX];
};

/** Fill `box` from `config`, whose strings it borrows. Returns 0, or -E2BIG: more dependencies or ports than it holds. */
int policy_from_config(const struct service_config *config, struct policy_box *box);

#endif
