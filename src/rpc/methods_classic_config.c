/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the names of the classic zinit that change what services there are, and its service definitions, which are
 * translated to ours: {exec, test, oneshot, shutdown_timeout, after, signal: {stop}, log, env, dir}.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "config/load.h"
#include "process/stats.h"
#include "rpc/conn.h"
#include "rpc/proc_info.h"
#include "rpc/service_out.h"
#include "service/core.h"

/* The classic server tries again after two seconds, for ever, both the service and its test. */
#define CLASSIC_PAUSE_MS 2000
#define CLASSIC_TRIES 1000000

/* --- definitions -------------------------------------------------------------------------------------- */

/* Where a classic key stands in ours, when its value is taken as it is. */
static const struct {
	const char *classic, *section, *key;
} same_values[] = {
	{ "exec", "service", "exec" },	 { "oneshot", "service", "oneshot" }, { "env", "service", "env" },
	{ "after", "dependencies", "requires" },
};

static int put(json_t *config, const char *section, const char *key, json_t *value)
{
	json_t *table = json_object_get(config, section);

	if (!table && json_object_set_new(config, section, table = json_object()) < 0) {
		json_decref(value);
		return -1;
	}
	return json_object_set_new(table, key, value);
}

static int put_lifecycle(json_t *config, const json_t *content)
{
	const json_t *stop = json_object_get(json_object_get(content, "signal"), "stop");
	const json_t *timeout = json_object_get(content, "shutdown_timeout");
	int r = 0;

	if (json_is_string(stop))
		r |= put(config, "lifecycle", "stop_signal", json_incref((json_t *)stop));
	if (json_is_integer(timeout) && json_integer_value(timeout) > 0 && json_integer_value(timeout) <= 86400)
		r |= put(config, "lifecycle", "stop_timeout_ms", json_integer(json_integer_value(timeout) * 1000));
	if (json_is_true(json_object_get(content, "oneshot")))
		return r | put(config, "lifecycle", "restart", json_string("never"));
	r |= put(config, "lifecycle", "restart", json_string("always"));
	r |= put(config, "lifecycle", "restart_delay_ms", json_integer(CLASSIC_PAUSE_MS));
	r |= put(config, "lifecycle", "restart_delay_max_ms", json_integer(CLASSIC_PAUSE_MS));
	return r | put(config, "lifecycle", "max_restarts", json_integer(0));
}

static int put_test(json_t *config, const char *test)
{
	if (!test || !*test)
		return 0;
	return put(config, "health", "type", json_string("exec")) | put(config, "health", "target", json_string(test)) |
	       put(config, "health", "interval_ms", json_integer(CLASSIC_PAUSE_MS)) |
	       put(config, "health", "retries", json_integer(CLASSIC_TRIES));
}

/* Returns a new object, or NULL: no memory. */
static json_t *translate(const char *name, const json_t *content)
{
	const char *dir = json_string_value(json_object_get(content, "dir"));
	const char *log = json_string_value(json_object_get(content, "log"));
	json_t *config = json_object();
	int r = put(config, "service", "name", json_string(name));

	for (size_t i = 0; i < ARRAY_LEN(same_values); i++) {
		json_t *value = json_object_get(content, same_values[i].classic);

		if (value && !json_is_null(value))
			r |= put(config, same_values[i].section, same_values[i].key, json_incref(value));
	}
	r |= put(config, "service", "dir", json_string(dir && *dir ? dir : "/"));
	if (log && strcmp(log, "none") == 0)
		r |= put(config, "logging", "stdout", json_string("null")) | put(config, "logging", "stderr", json_string("null"));
	r |= put_lifecycle(config, content);
	r |= put_test(config, json_string_value(json_object_get(content, "test")));
	if (r == 0)
		return config;
	json_decref(config);
	return NULL;
}

static enum rpc_outcome add(struct rpc_call *call, const json_t *json, struct problems *problems, struct rpc_error *err)
{
	struct service_config *config = NULL;
	const char *name = param_str(call->params, "name", "");
	struct actor by = rpc_call_actor(call);
	struct error error;

	if (load_service_json(json, LOAD_ANY_NAME, problems, &config) < 0)
		return config_problems(problems, err);
	if (supervisor_add(rpc_call_supervisor(call), config, true, &by, &error) < 0)
		return rpc_error_from(err, &error, name);
	return RPC_DONE;
}

RPC_HANDLER(rpc_classic_create)
{
	const char *name = param_str(call->params, "name", "");
	json_t *json = translate(name, json_object_get(call->params, "content"));
	struct problems problems;
	enum rpc_outcome outcome;
	char text[LIMIT_NAME + 64];

	if (!json)
		return rpc_error_set(err, RPC_INTERNAL_ERROR, "out of memory");
	problems_init(&problems);
	outcome = add(call, json, &problems, err);
	problems_fini(&problems);
	json_decref(json);
	if (outcome != RPC_DONE)
		return outcome;
	(void)snprintf(text, sizeof(text), "Service '%s' created successfully", name);
	json_out_str(out, text);
	return RPC_DONE;
}

/* --- by name --------------------------------------------------------------------------------------------- */

typedef int (*named_fn)(struct supervisor *sup, const char *name, const struct actor *by, struct error *err);

static enum rpc_outcome by_name(struct rpc_call *call, named_fn fn, struct json_out *out, struct rpc_error *err)
{
	const char *name = param_str(call->params, "name", "");
	struct actor by = rpc_call_actor(call);
	struct error error = { 0 };
	int r = fn(rpc_call_supervisor(call), name, &by, &error);

	if (r < 0 && r != -EALREADY)
		return rpc_error_from(err, &error, name);
	json_out_null(out);
	return RPC_DONE;
}

RPC_HANDLER(rpc_classic_monitor)
{
	return by_name(call, supervisor_monitor, out, err);
}

RPC_HANDLER(rpc_classic_forget)
{
	return by_name(call, supervisor_forget, out, err);
}

RPC_HANDLER(rpc_classic_delete)
{
	const char *name = param_str(call->params, "name", "");
	struct actor by = rpc_call_actor(call);
	char text[LIMIT_NAME + 64];
	struct error error;

	if (rpc_call_service(call, err) == CORE_NONE)
		return RPC_FAILED;
	if (supervisor_remove(rpc_call_supervisor(call), name, &by, &error) < 0)
		return rpc_error_from(err, &error, name);
	(void)snprintf(text, sizeof(text), "Service '%s' deleted successfully", name);
	json_out_str(out, text);
	return RPC_DONE;
}

/* --- usage ------------------------------------------------------------------------------------------------ */

struct children {
	struct json_out *out;
	pid_t main;
};

static void write_usage(struct json_out *out, pid_t pid, uint64_t memory, double cpu)
{
	json_out_member_int(out, "pid", pid);
	json_out_member_uint(out, "memory_usage", memory);
	json_out_key(out, "cpu_usage");
	json_out_real(out, cpu);
}

static void write_child(const struct stats_process *p, unsigned int depth, void *data)
{
	const struct children *children = data;

	(void)depth;
	if (p->proc.pid == children->main)
		return;
	json_out_open_object(children->out);
	write_usage(children->out, p->proc.pid, p->rss_bytes, stats_process_percent(p, time_boottime()));
	json_out_close_object(children->out);
}

RPC_HANDLER(rpc_classic_stats)
{
	struct supervisor *sup = rpc_call_supervisor(call);
	uint32_t id = rpc_call_service(call, err);
	struct children children = { .out = out };
	struct proc_info self = { 0 };

	if (id == CORE_NONE)
		return RPC_FAILED;
	children.main = self.pid = service_pid(sup, id);
	if (self.pid <= 0)
		return rpc_error_set(err, RPC_SERVICE_IS_DOWN, "service not running: %s", core_name(supervisor_core(sup), id));
	(void)proc_info_read(self.pid, &self);
	json_out_open_object(out);
	json_out_member_str(out, "name", core_name(supervisor_core(sup), id));
	write_usage(out, self.pid, self.memory_bytes, self.cpu_percent);
	json_out_key(out, "children");
	json_out_open_array(out);
	(void)supervisor_processes(sup, id, write_child, &children);
	json_out_close_array(out);
	json_out_close_object(out);
	return RPC_DONE;
}
