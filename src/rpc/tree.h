/* SPDX-License-Identifier: Apache-2.0 */
/* service.tree: dependencies as data and as text. */
#ifndef RPC_TREE_H
#define RPC_TREE_H

#include "rpc/method.h"

/** Write {nodes: […], text}: all services that the caller may see, or `root` and what it depends on (CORE_NONE: all). */
void tree_write(struct rpc_call *call, uint32_t root, struct json_out *out);

#endif
