/* SPDX-License-Identifier: Apache-2.0 */
/* What changed between two configurations of a service, key by key, and what it costs to apply. */
#ifndef CONFIG_DIFF_H
#define CONFIG_DIFF_H

#include "config/keys.h"
#include "config/service_config.h"

#define DIFF_KEYS_MAX 128

struct config_change {
	char key[40]; /* "lifecycle.restart" */
	enum cfg_apply apply;
};

struct config_diff {
	struct config_change changes[DIFF_KEYS_MAX];
	size_t n;
	enum cfg_apply apply; /* the dearest of all; APPLY_NONE: nothing changed */
};

/** Compare; never fails, never allocates. */
void config_diff(const struct service_config *from, const struct service_config *to,
		 struct config_diff *out_diff);

#endif
