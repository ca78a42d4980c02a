/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: debug.*: text for people. */
#include <stdlib.h>

#include "base/mem.h"
#include "rpc/conn.h"
#include "rpc/proc_info.h"
#include "rpc/service_out.h"
#include "service/core.h"
#include "service/why.h"

#define TEXT_MAX (4U << 20)

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

static int depth_of(const struct proc_info *all, size_t n, const struct proc_info *one)
{
	int depth = 1;
	pid_t parent = one->parent;

	for (size_t i = n; i-- > 0;) {
		if (all[i].pid == parent) {
			parent = all[i].parent;
			depth++;
		}
	}
	return depth;
}

static void add_process(const struct proc_info *p, int depth, struct strbuf *text)
{
	(void)strbuf_addf(text, "%*s%d %s  %.1f%%  %llu KiB\n", depth * 2, "", p->pid, p->name, p->cpu_percent,
			  (unsigned long long)(p->memory_bytes >> 10));
}

static void add_tree(const char *name, pid_t pid, struct proc_info *buffer, struct strbuf *text)
{
	struct proc_info self;
	size_t n;

	(void)strbuf_addf(text, "%s\n", name);
	if (pid <= 0 || proc_info_read(pid, &self) < 0)
		return;
	add_process(&self, 1, text);
	n = proc_info_descendants(pid, buffer, PROC_CHILDREN_MAX);
	for (size_t i = 0; i < n; i++)
		add_process(&buffer[i], 1 + depth_of(buffer, i, &buffer[i]), text);
}

RPC_HANDLER(rpc_debug_process_tree)
{
	const struct supervisor *sup = rpc_call_supervisor(call);
	const struct core *core = supervisor_core(sup);
	AUTO(strbuf_fini) struct strbuf text = STRBUF(TEXT_MAX);
	AUTO(auto_free) struct proc_info *buffer = calloc(PROC_CHILDREN_MAX, sizeof(*buffer));
	uint32_t only = CORE_NONE;

	if (!buffer)
		return rpc_error_set(err, RPC_INTERNAL_ERROR, "out of memory");
	if (json_object_get(call->params, "name")) {
		only = rpc_call_service(call, err);
		if (only == CORE_NONE)
			return RPC_FAILED;
	}
	for (uint32_t id = core_next(core, CORE_NONE); id != CORE_NONE; id = core_next(core, id)) {
		if ((only == CORE_NONE || only == id) && rpc_call_sees(call, id))
			add_tree(core_name(core, id), service_pid(sup, id), buffer, &text);
	}
	write_text(&text, out);
	return RPC_DONE;
}
