/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: logs.stats: what became of every line: read, in memory, stored, dropped for whom and why. */
#include <string.h>

#include "base/mem.h"
#include "log/log.h"
#include "rpc/conn.h"
#include "rpc/select.h"
#include "service/core.h"

static void write_dropped(const char *consumer, uint64_t lines, const char *why, struct json_out *out)
{
	json_out_open_object(out);
	json_out_member_str(out, "consumer", consumer);
	json_out_member_uint(out, "lines", lines);
	json_out_member_str(out, "why", lines ? why : NULL);
	json_out_close_object(out);
}

static void write_one(const char *name, const struct log_stats *s, struct json_out *out)
{
	const char *overwritten = log_lost_reason(LINE_LOST_OVERWRITTEN);

	json_out_open_object(out);
	json_out_member_str(out, "service", name);
	json_out_member_uint(out, "bytes_read", s->ring.bytes_read);
	json_out_member_uint(out, "lines_read", s->ring.lines);
	json_out_member_uint(out, "pending_bytes", s->ring.pending);
	json_out_member_uint(out, "lines_in_memory", s->ring.lines - s->ring.overwritten);
	json_out_member_uint(out, "lines_overwritten", s->ring.overwritten);
	json_out_member_uint(out, "stored_lines", s->stored_lines);
	json_out_member_uint(out, "stored_bytes", s->stored_bytes);
	json_out_member_uint(out, "store_behind", s->store_behind);
	json_out_member_str(out, "store_error", s->store_error ? strerror(s->store_error) : NULL);
	json_out_member_uint(out, "repaired_bytes", s->repaired_bytes);
	json_out_member_uint(out, "followers", s->followers);
	json_out_member_uint(out, "rate_limit_bytes", s->ring.rate_bytes);
	json_out_key(out, "dropped");
	json_out_open_array(out);
	write_dropped("rate_limit", s->ring.rate_lines, log_lost_reason(LINE_LOST_RATE), out);
	write_dropped("store", s->store_dropped, s->store_lost_error ? strerror(s->store_lost_error) : overwritten, out);
	write_dropped("followers", s->followers_lost, overwritten, out);
	json_out_close_array(out);
	json_out_close_object(out);
}

static void write_of(const struct supervisor *sup, const char *name, struct json_out *out)
{
	struct log_service *svc = log_service_find(supervisor_log(sup), name);
	struct log_stats stats;

	if (!svc)
		return;
	log_service_stats(svc, &stats);
	write_one(name, &stats, out);
}

RPC_HANDLER(rpc_logs_stats)
{
	struct supervisor *sup = rpc_call_supervisor(call);
	AUTO(auto_free) uint32_t *ids = NULL;
	int n = select_logs(call, &ids, err);

	if (n < 0)
		return RPC_FAILED;
	json_out_open_array(out);
	for (int i = 0; i < n; i++)
		write_of(sup, select_log_name(sup, ids[i]), out);
	if (!select_names(call) && rpc_call_sees(call, CORE_NONE))
		write_of(sup, SUPERVISOR_OWN_LOG, out);
	json_out_close_array(out);
	return RPC_DONE;
}
