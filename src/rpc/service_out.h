/* SPDX-License-Identifier: Apache-2.0 */
/* A service as JSON: its state, its reason, what explains it. Shapes are those of zinit 0.3.9 plus members of our own. */
#ifndef RPC_SERVICE_OUT_H
#define RPC_SERVICE_OUT_H

#include <stdint.h>
#include <sys/types.h>

#include "rpc/json_out.h"
#include "service/state.h"
#include "supervisor/supervisor.h"

/** Pid of its process, or 0. */
pid_t service_pid(const struct supervisor *sup, uint32_t id);
/** Member "reason": {type, …, text} of a failed service, else null. */
void service_write_reason(const struct supervisor *sup, uint32_t id, struct json_out *out);
/** The sentences from the service down to the root cause, as an array of strings. */
void service_write_why_texts(const struct supervisor *sup, uint32_t id, struct json_out *out);
/** What service.status gives: an object. */
void service_write_status(const struct supervisor *sup, uint32_t id, struct json_out *out);
/** One element of service.list_full. `usage`: with cpu_percent and memory_bytes from /proc, which costs a file each. */
void service_write_row(const struct supervisor *sup, uint32_t id, bool usage, struct json_out *out);
/** What service.status_full gives: an object. */
void service_write_full(const struct supervisor *sup, uint32_t id, struct json_out *out);
/** service.why: an object. */
void service_write_why(const struct supervisor *sup, uint32_t id, struct json_out *out);
/** One character for a state, as trees show it. */
char service_symbol(enum service_state state);

/** Append "next run in 5h 3m", or "no next run" for 0. */
void service_add_next_run(ts_ns next, struct strbuf *out);

#endif
