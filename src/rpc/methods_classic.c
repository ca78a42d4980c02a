/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the names of the classic zinit (service_list, …) with the answers that its clients expect: null where the newer
 * methods say {ok}, the states in its spelling.
 */
#include <stdio.h>

#include "rpc/conn.h"
#include "rpc/log_lines.h"
#include "rpc/service_out.h"
#include "service/core.h"

static const char *const classic_states[SERVICE_STATE_N] = {
	[SERVICE_INACTIVE] = "Unknown", [SERVICE_BLOCKED] = "Blocked",	[SERVICE_STARTING] = "Spawned",
	[SERVICE_RUNNING] = "Running",	[SERVICE_STOPPING] = "Running", [SERVICE_EXITED] = "Success",
	[SERVICE_FAILED] = "Failure",
};

static void write_state(const struct core *core, uint32_t id, struct json_out *out)
{
	json_out_str(out, classic_states[core_state(core, id)]);
}

RPC_HANDLER(rpc_classic_list)
{
	const struct core *core = supervisor_core(rpc_call_supervisor(call));

	(void)err;
	json_out_open_object(out);
	for (uint32_t id = core_next(core, CORE_NONE); id != CORE_NONE; id = core_next(core, id)) {
		if (!rpc_call_sees(call, id))
			continue;
		json_out_key(out, core_name(core, id));
		write_state(core, id, out);
	}
	json_out_close_object(out);
	return RPC_DONE;
}

RPC_HANDLER(rpc_classic_status)
{
	const struct supervisor *sup = rpc_call_supervisor(call);
	const struct core *core = supervisor_core(sup);
	uint32_t id = rpc_call_service(call, err);
	enum dep_kind kind;
	const char *name;
	uint32_t other;

	if (id == CORE_NONE)
		return RPC_FAILED;
	json_out_open_object(out);
	json_out_member_str(out, "name", core_name(core, id));
	json_out_member_int(out, "pid", service_pid(sup, id));
	json_out_key(out, "state");
	write_state(core, id, out);
	json_out_member_str(out, "target", core_record(core, id)->wish == WISH_UP ? "Up" : "Down");
	json_out_key(out, "after");
	json_out_open_object(out);
	for (size_t i = 0; core_dependency(core, id, i, &kind, &name, &other); i++) {
		if (kind != DEP_AFTER && kind != DEP_REQUIRES)
			continue;
		json_out_key(out, name);
		if (other == CORE_NONE)
			json_out_str(out, "Unknown");
		else
			write_state(core, other, out);
	}
	json_out_close_object(out);
	json_out_close_object(out);
	return RPC_DONE;
}

/* The newer method's answer is dropped; its error stays. */
static enum rpc_outcome null_after(rpc_handler_fn handler, struct rpc_call *call, struct json_out *out,
				   struct rpc_error *err)
{
	struct strbuf dropped = STRBUF(4096);
	struct json_out to = json_out_on(&dropped);
	enum rpc_outcome outcome = handler(call, &to, err);

	strbuf_fini(&dropped);
	if (outcome == RPC_DONE)
		json_out_null(out);
	return outcome;
}

RPC_HANDLER(rpc_classic_start)
{
	return null_after(rpc_service_start, call, out, err);
}

RPC_HANDLER(rpc_classic_stop)
{
	return null_after(rpc_service_stop, call, out, err);
}

RPC_HANDLER(rpc_classic_kill)
{
	return null_after(rpc_service_kill, call, out, err);
}

RPC_HANDLER(rpc_classic_shutdown)
{
	return null_after(rpc_system_shutdown, call, out, err);
}

/* --- lines: "[+] NAME: text" ---------------------------------------------------------------------------- */

static int write_line(const struct log_line *line, void *data)
{
	struct log_lines_out *lines = data;

	log_line_write_classic(line, lines->service, lines->out);
	return 0;
}

static void write_lines(struct rpc_call *call, const char *name, struct json_out *out)
{
	struct log_service *svc = log_service_find(supervisor_log(rpc_call_supervisor(call)), name);
	struct log_lines_out lines = { .out = out, .service = name };
	struct query_opts opts = QUERY_OPTS_INIT;

	opts.memory_only = true;
	if (svc)
		(void)log_memory(svc, &opts, write_line, &lines, NULL, NULL);
}

RPC_HANDLER(rpc_classic_logs)
{
	const struct core *core = supervisor_core(rpc_call_supervisor(call));
	const char *name = param_str(call->params, "name", NULL);

	if (name && rpc_call_service(call, err) == CORE_NONE)
		return RPC_FAILED;
	json_out_open_array(out);
	for (uint32_t id = core_next(core, CORE_NONE); !name && id != CORE_NONE; id = core_next(core, id)) {
		if (rpc_call_sees(call, id))
			write_lines(call, core_name(core, id), out);
	}
	if (name)
		write_lines(call, name, out);
	json_out_close_array(out);
	return RPC_DONE;
}
