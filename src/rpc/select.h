/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing services by names, patterns ("web*") and tags ("@web"): parameters "name" and "names" of several methods. */
#ifndef RPC_SELECT_H
#define RPC_SELECT_H

#include <jansson.h>

#include "rpc/method.h"

/** Does service `id` match one of `names` (a string, a list of strings; NULL: every service)? */
bool select_matches(const struct supervisor *sup, const json_t *names, uint32_t id);
/** What the call names: its "name" or "names"; borrowed; NULL: nothing, so all. */
const json_t *select_names(const struct rpc_call *call);
/**
 * The services that the call names and its caller may read, in the order of ids. Returns how many, with the ids in
 * *out_ids (free(3) it), or RPC_FAILED with `err`: a plain name that does not exist, or no memory.
 */
int select_services(const struct rpc_call *call, uint32_t **out_ids, struct rpc_error *err);
/**
 * The same for logs: the server's own log (SUPERVISOR_OWN_LOG) may be named too, by those who may read everything; its id is
 * CORE_NONE, and it comes last.
 */
int select_logs(const struct rpc_call *call, uint32_t **out_ids, struct rpc_error *err);
/** The name of the log of an id that select_logs() gave. */
const char *select_log_name(const struct supervisor *sup, uint32_t id);

#endif
