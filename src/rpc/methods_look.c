/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the methods that look at services. */
#include <stdlib.h>

#include "base/mem.h"
#include "config/encode.h"
#include "config/service_config.h"
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

static void write_process(const struct proc_info *p, struct json_out *out)
{
	json_out_open_object(out);
	json_out_member_int(out, "pid", p->pid);
	json_out_member_int(out, "ppid", p->parent);
	json_out_member_str(out, "name", p->name);
	json_out_member_uint(out, "memory_bytes", p->memory_bytes);
	json_out_key(out, "cpu_percent");
	json_out_real(out, p->cpu_percent);
	json_out_close_object(out);
}

RPC_HANDLER(rpc_service_stats)
{
	uint32_t id = rpc_call_service(call, err);
	struct proc_info self = { 0 };

	if (id == CORE_NONE)
		return RPC_FAILED;
	self.pid = service_pid(rpc_call_supervisor(call), id);
	if (self.pid > 0)
		(void)proc_info_read(self.pid, &self);
	json_out_open_object(out);
	json_out_member_int(out, "pid", self.pid);
	json_out_key(out, "cpu_percent");
	json_out_real(out, self.cpu_percent);
	json_out_member_uint(out, "memory_bytes", self.memory_bytes);
	json_out_close_object(out);
	return RPC_DONE;
}

RPC_HANDLER(rpc_service_children)
{
	uint32_t id = rpc_call_service(call, err);
	AUTO(auto_free) struct proc_info *children = NULL;
	pid_t pid;
	size_t n;

	if (id == CORE_NONE)
		return RPC_FAILED;
	pid = service_pid(rpc_call_supervisor(call), id);
	children = calloc(PROC_CHILDREN_MAX, sizeof(*children));
	if (!children)
		return rpc_error_set(err, RPC_INTERNAL_ERROR, "out of memory");
	n = pid > 0 ? proc_info_descendants(pid, children, PROC_CHILDREN_MAX) : 0;
	json_out_open_object(out);
	json_out_key(out, "children");
	json_out_open_array(out);
	for (size_t i = 0; i < n; i++)
		write_process(&children[i], out);
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
