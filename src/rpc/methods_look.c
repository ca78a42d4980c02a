/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the methods that look at services. */
#include <stdlib.h>

#include "base/mem.h"
#include "config/encode.h"
#include "config/service_config.h"
#include "process/stats.h"
#include "rpc/conn.h"
#include "rpc/proc_info.h"
#include "rpc/select.h"
#include "rpc/service_out.h"
#include "rpc/tree.h"
#include "service/core.h"

RPC_HANDLER(rpc_service_list)
{
	const struct core *core = supervisor_core(rpc_call_supervisor(call));

	(void)err;
	json_out_open_array(out);
	for (uint32_t id = core_next(core, CORE_NONE); id != CORE_NONE; id = core_next(core, id)) {
		if (rpc_call_sees(call, id))
			json_out_str(out, core_name(core, id));
	}
	json_out_close_array(out);
	return RPC_DONE;
}

/* Files that are no services, so that nobody looks for one in vain. */
static void write_invalid(struct rpc_call *call, struct json_out *out)
{
	const struct supervisor *sup = rpc_call_supervisor(call);
	const char *path;
	const char *name;
	const char *message;
	size_t pos = 0;

	while (supervisor_invalid_next(sup, &pos, &path, &name, &message)) {
		if (!conn_may(call->conn, ACCESS_READ, name, CORE_NONE))
			continue;
		json_out_open_object(out);
		json_out_member_str(out, "name", name);
		json_out_key(out, "state");
		json_out_raw(out, "{\"state\":\"invalid\"}");
		json_out_member_bool(out, "is_target", false);
		json_out_member_int(out, "pid", 0);
		json_out_member_str(out, "path", path);
		json_out_member_str(out, "error", message);
		json_out_close_object(out);
	}
}

RPC_HANDLER(rpc_service_list_full)
{
	const struct supervisor *sup = rpc_call_supervisor(call);
	bool usage = param_bool(call->params, "usage", false);
	AUTO(auto_free) uint32_t *ids = NULL;
	int n = select_services(call, &ids, err);

	if (n < 0)
		return RPC_FAILED;
	json_out_open_array(out);
	for (int i = 0; i < n; i++)
		service_write_row(sup, ids[i], usage, out);
	if (param_bool(call->params, "invalid", false))
		write_invalid(call, out);
	json_out_close_array(out);
	return RPC_DONE;
}

RPC_HANDLER(rpc_service_status)
{
	uint32_t id = rpc_call_service(call, err);

	if (id == CORE_NONE)
		return RPC_FAILED;
	service_write_status(rpc_call_supervisor(call), id, out);
	return RPC_DONE;
}

RPC_HANDLER(rpc_service_status_full)
{
	uint32_t id = rpc_call_service(call, err);

	if (id == CORE_NONE)
		return RPC_FAILED;
	service_write_full(rpc_call_supervisor(call), id, out);
	return RPC_DONE;
}

/* The members beside those of the reference are of the service with all its descendants. */
static void write_total(const struct stats *s, struct json_out *out)
{
	json_out_key(out, "total");
	json_out_open_object(out);
	json_out_key(out, "cpu_percent");
	json_out_real(out, s->cpu_pct);
	json_out_member_uint(out, "cpu_ms", s->cpu_usec / USEC_PER_MSEC);
	json_out_member_uint(out, "rss_bytes", s->rss_bytes);
	json_out_member_uint(out, "pss_bytes", s->pss_bytes);
	json_out_member_uint(out, "read_bytes", s->read_bytes);
	json_out_member_uint(out, "write_bytes", s->write_bytes);
	json_out_member_uint(out, "processes", s->processes);
	json_out_member_uint(out, "threads", s->threads);
	json_out_member_uint(out, "fds", s->fds);
	json_out_member_bool(out, "cgroup", s->from_cgroup);
	json_out_close_object(out);
}

RPC_HANDLER(rpc_service_stats)
{
	uint32_t id = rpc_call_service(call, err);
	struct proc_info self = { 0 };
	struct stats total = { 0 };

	if (id == CORE_NONE)
		return RPC_FAILED;
	self.pid = service_pid(rpc_call_supervisor(call), id);
	if (self.pid > 0)
		(void)proc_info_read(self.pid, &self);
	(void)supervisor_stats(rpc_call_supervisor(call), id, true, &total);
	json_out_open_object(out);
	json_out_member_int(out, "pid", self.pid);
	json_out_key(out, "cpu_percent");
	json_out_real(out, self.cpu_percent);
	json_out_member_uint(out, "memory_bytes", self.memory_bytes);
	write_total(&total, out);
	json_out_close_object(out);
	return RPC_DONE;
}

struct children {
	struct json_out *out;
	pid_t main;
};

static void write_child(const struct stats_process *p, unsigned int depth, void *data)
{
	const struct children *children = data;
	struct json_out *out = children->out;

	(void)depth;
	if (p->proc.pid == children->main)
		return;
	json_out_open_object(out);
	json_out_member_int(out, "pid", p->proc.pid);
	json_out_member_int(out, "ppid", p->proc.ppid);
	json_out_member_str(out, "name", p->proc.comm);
	json_out_member_uint(out, "memory_bytes", p->rss_bytes);
	json_out_key(out, "cpu_percent");
	json_out_real(out, stats_process_percent(p, time_boottime()));
	json_out_close_object(out);
}

RPC_HANDLER(rpc_service_children)
{
	struct supervisor *sup = rpc_call_supervisor(call);
	uint32_t id = rpc_call_service(call, err);
	struct children children = { .out = out };

	if (id == CORE_NONE)
		return RPC_FAILED;
	children.main = service_pid(sup, id);
	json_out_open_object(out);
	json_out_key(out, "children");
	json_out_open_array(out);
	(void)supervisor_processes(sup, id, write_child, &children);
	json_out_close_array(out);
	json_out_close_object(out);
	return RPC_DONE;
}

RPC_HANDLER(rpc_service_is_running)
{
	const struct core *core = supervisor_core(rpc_call_supervisor(call));
	uint32_t id = core_find(core, param_str(call->params, "name", ""));

	(void)err;
	json_out_bool(out, id != CORE_NONE && core_state(core, id) == SERVICE_RUNNING);
	return RPC_DONE;
}

RPC_HANDLER(rpc_service_why)
{
	uint32_t id = rpc_call_service(call, err);

	if (id == CORE_NONE)
		return RPC_FAILED;
	service_write_why(rpc_call_supervisor(call), id, out);
	return RPC_DONE;
}

RPC_HANDLER(rpc_service_tree)
{
	uint32_t id = CORE_NONE;

	if (json_object_get(call->params, "name")) {
		id = rpc_call_service(call, err);
		if (id == CORE_NONE)
			return RPC_FAILED;
	}
	tree_write(call, id, out);
	return RPC_DONE;
}

/* Members that clients of 0.3.9 expect and that mean nothing here. */
static int add_old_members(json_t *config, const struct service_config *from)
{
	json_t *logging = json_object_get(config, "logging");

	if (from->is_target)
		return json_object_set_new(config, "name", json_string(from->name)) < 0 ||
				       json_object_set_new(config, "is_target", json_true()) < 0 ?
			       -1 :
			       0;
	return logging ? json_object_set_new(logging, "forward", json_null()) : 0;
}

RPC_HANDLER(rpc_service_get)
{
	uint32_t id = rpc_call_service(call, err);
	struct supervisor_info info;
	json_t *config;

	if (id == CORE_NONE)
		return RPC_FAILED;
	if (supervisor_info(rpc_call_supervisor(call), id, &info) < 0 || !info.config)
		return rpc_error_set(err, RPC_INTERNAL_ERROR, "the service has no configuration");
	config = config_to_json(info.config);
	if (!config || add_old_members(config, info.config) < 0) {
		json_decref(config);
		return rpc_error_set(err, RPC_INTERNAL_ERROR, "out of memory");
	}
	json_out_tree(out, config);
	json_decref(config);
	return RPC_DONE;
}
