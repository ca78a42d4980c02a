/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: service.table: all services as rows of plain values, for those who show a list again and again. It is a tenth of
 * service.list_full to write, to send and to read, since no row repeats the names of its members.
 */
#include <string.h>

#include "base/mem.h"
#include "config/service_config.h"
#include "rpc/conn.h"
#include "rpc/select.h"
#include "rpc/service_out.h"
#include "service/core.h"
#include "service/why.h"

#define BLOCKS_SHOWN 8

static void write_names(const struct block *blocks, size_t shown, size_t n, struct strbuf *note)
{
	(void)strbuf_puts(note, "waiting for ");
	for (size_t i = 0; i < shown; i++)
		(void)strbuf_addf(note, "%s%s", i > 0 ? ", " : "", blocks[i].name ? blocks[i].name : "a process");
	if (n > shown)
		(void)strbuf_addf(note, " and %zu more", n - shown);
}

/* Why it is not running, in few words; nothing for one that runs. */
static void write_note(const struct supervisor *sup, uint32_t id, const struct supervisor_info *info, struct strbuf *note)
{
	const struct core *core = supervisor_core(sup);
	enum service_state state = core_state(core, id);
	struct block blocks[BLOCKS_SHOWN];
	char text[WHY_TEXT_MAX];
	size_t n;

	if (state == SERVICE_FAILED) {
		core_failure_text(core, id, text, sizeof(text));
		(void)strbuf_puts(note, text);
	} else if (state == SERVICE_BLOCKED && core_next_start(core, id) == 0) {
		n = core_blocks(core, id, blocks, BLOCKS_SHOWN);
		if (n > 0)
			write_names(blocks, MIN(n, (size_t)BLOCKS_SHOWN), n, note);
	} else if (info->config && info->config->is_target) {
		(void)strbuf_puts(note, "target");
	}
	if (info->next_run && !core_is_active(core, id) && core_next_start(core, id) == 0) {
		(void)strbuf_puts(note, note->len ? "; " : "");
		service_add_next_run(info->next_run, note);
	}
}

static void write_row(const struct supervisor *sup, uint32_t id, usec_t now, struct strbuf *note, struct json_out *out)
{
	const struct core *core = supervisor_core(sup);
	const struct service_record *record = core_record(core, id);
	usec_t next = core_next_start(core, id);
	struct supervisor_info info;

	if (supervisor_info(sup, id, &info) < 0)
		return;
	strbuf_reset(note);
	write_note(sup, id, &info, note);
	json_out_open_array(out);
	json_out_str(out, info.name);
	json_out_str(out, service_state_name(core_state(core, id)));
	json_out_int(out, info.pid);
	json_out_uint(out, info.uptime / USEC_PER_MSEC);
	json_out_uint(out, record ? record->restarts : 0);
	json_out_uint(out, next > now ? (next - now) / USEC_PER_MSEC : 0);
	json_out_str(out, strbuf_str(note));
	json_out_close_array(out);
}

/* Files that are no services, with their first problem. */
static void write_invalid(const struct rpc_call *call, struct json_out *out)
{
	const struct supervisor *sup = rpc_call_supervisor(call);
	const char *path;
	const char *name;
	const char *message;
	size_t pos = 0;

	while (supervisor_invalid_next(sup, &pos, &path, &name, &message)) {
		if (!conn_may(call->conn, ACCESS_READ, name, CORE_NONE))
			continue;
		json_out_open_array(out);
		json_out_str(out, name);
		json_out_str(out, "invalid");
		for (int i = 0; i < 4; i++)
			json_out_int(out, 0);
		json_out_strn(out, message, strcspn(message, "\n"));
		json_out_close_array(out);
	}
}

RPC_HANDLER(rpc_service_table)
{
	AUTO(strbuf_fini) struct strbuf note = STRBUF(WHY_TEXT_MAX + BLOCKS_SHOWN * (LIMIT_NAME + 2));
	AUTO(auto_free) uint32_t *ids = NULL;
	usec_t now = time_boottime();
	int n = select_services(call, &ids, err);

	if (n < 0)
		return RPC_FAILED;
	json_out_open_object(out);
	json_out_key(out, "columns");
	json_out_raw(out, "[\"name\",\"state\",\"pid\",\"uptime_ms\",\"restart_count\",\"next_start_ms\",\"note\"]");
	json_out_key(out, "rows");
	json_out_open_array(out);
	for (int i = 0; i < n; i++)
		write_row(rpc_call_supervisor(call), ids[i], now, &note, out);
	if (!select_names(call))
		write_invalid(call, out);
	json_out_close_array(out);
	json_out_close_object(out);
	return RPC_DONE;
}
