/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: debug.*: text for people. */
#include "base/mem.h"
#include "process/stats.h"
#include "rpc/conn.h"
#include "rpc/service_out.h"
#include "service/core.h"
#include "service/why.h"

#define TEXT_MAX (4U << 20)
#define COMMAND_SIZE 200

static void write_text(struct strbuf *text, struct json_out *out)
{
	json_out_open_object(out);
	json_out_member_str(out, "output", strbuf_str(text));
	json_out_close_object(out);
}

RPC_HANDLER(rpc_debug_state)
{
	const struct core *core = supervisor_core(rpc_call_supervisor(call));
	AUTO(strbuf_fini) struct strbuf text = STRBUF(TEXT_MAX);

	(void)err;
	for (uint32_t id = core_next(core, CORE_NONE); id != CORE_NONE; id = core_next(core, id)) {
		const struct service_record *r = core_record(core, id);
		char cause[WHY_TEXT_MAX];

		if (!rpc_call_sees(call, id))
			continue;
		core_cause_text(core, &r->cause, cause, sizeof(cause));
		(void)strbuf_addf(&text, "%s: id=%u state=%s wish=%s phase=%s run=%llu pid=%d restarts=%u tries=%u flags=0x%x cause=%s\n",
				  core_name(core, id), id, service_state_name((enum service_state)r->state),
				  service_wish_name((enum service_wish)r->wish), service_phase_name((enum service_phase)r->phase),
				  (unsigned long long)r->run, r->pid, r->restarts, r->tries, r->flags, cause);
	}
	write_text(&text, out);
	return RPC_DONE;
}

static void add_process(const struct stats_process *p, unsigned int depth, void *data)
{
	struct strbuf *text = data;
	char command[COMMAND_SIZE];

	tree_cmdline(p->proc.pid, command, sizeof(command));
	for (char *c = command; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?'; /* a command line may hold anything */
	}
	(void)strbuf_addf(text, "%*s%d %s  %c  %.1f%%  %llu KiB  %u fds  %u threads  %s\n", (int)(depth + 1) * 2, "",
			  p->proc.pid, p->proc.comm, p->proc.state, stats_process_percent(p, time_boottime()),
			  (unsigned long long)(p->rss_bytes >> 10), p->fds, p->proc.threads, command);
}

RPC_HANDLER(rpc_debug_process_tree)
{
	struct supervisor *sup = rpc_call_supervisor(call);
	const struct core *core = supervisor_core(sup);
	AUTO(strbuf_fini) struct strbuf text = STRBUF(TEXT_MAX);
	uint32_t only = CORE_NONE;

	if (json_object_get(call->params, "name")) {
		only = rpc_call_service(call, err);
		if (only == CORE_NONE)
			return RPC_FAILED;
	}
	for (uint32_t id = core_next(core, CORE_NONE); id != CORE_NONE; id = core_next(core, id)) {
		if ((only != CORE_NONE && only != id) || !rpc_call_sees(call, id))
			continue;
		if (service_pid(sup, id) > 0)
			(void)strbuf_addf(&text, "%s (pid=%d)\n", core_name(core, id), service_pid(sup, id));
		else
			(void)strbuf_addf(&text, "%s is not running\n", core_name(core, id));
		(void)supervisor_processes(sup, id, add_process, &text);
	}
	write_text(&text, out);
	return RPC_DONE;
}
