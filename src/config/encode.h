/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration as JSON (for RPC) and as TOML (for services that RPC persists). */
#ifndef CONFIG_ENCODE_H
#define CONFIG_ENCODE_H

#include <jansson.h>

#include "base/str.h"
#include "config/service_config.h"

/**
 * The complete canonical tree: every key with its effective value, by section. load_service_json() of it gives an
 * equal config. Returns a new reference, or NULL: out of memory.
 */
json_t *config_to_json(const struct service_config *c);

/** Append the TOML text: only what differs from the defaults. Loading it gives an equal config. Returns 0 or negative errno. */
int config_to_toml(const struct service_config *c, struct strbuf *out);

#endif
