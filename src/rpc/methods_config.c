/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the methods that change what services there are. */
#include <string.h>

#include "base/mem.h"
#include "config/load.h"
#include "rpc/conn.h"
#include "rpc/service_out.h"
#include "rpc/wait.h"
#include "service/core.h"

typedef int (*put_fn)(struct supervisor *sup, struct service_config *config, bool persist, const struct actor *by,
		      struct error *err);

/* All problems are told, not only the first. */
enum rpc_outcome config_problems(const struct problems *problems, struct rpc_error *err)
{
	struct strbuf text = STRBUF(RPC_MESSAGE_MAX);

	(void)rpc_error_set(err, RPC_CONFIG_ERROR, "Validation failed");
	for (size_t i = 0; i < problems->n; i++) {
		strbuf_reset(&text);
		problem_format(&problems->items[i], NULL, &text);
		if (problems->items[i].level != PROBLEM_ERROR)
			continue;
		if (err->causes_n == 0)
			(void)snprintf(err->message, sizeof(err->message), "Validation failed: %s", strbuf_str(&text));
		rpc_error_cause(err, strbuf_str(&text));
	}
	strbuf_fini(&text);
	return RPC_FAILED;
}

static void write_result(const struct supervisor *sup, const char *name, const struct problems *problems,
			 struct json_out *out)
{
	struct strbuf text = STRBUF(RPC_MESSAGE_MAX);
	struct supervisor_info info = { 0 };

	(void)supervisor_info(sup, core_find(supervisor_core(sup), name), &info);
	json_out_open_object(out);
	json_out_member_str(out, "name", name);
	json_out_member_str(out, "path", info.path);
	json_out_key(out, "warnings");
	json_out_open_array(out);
	for (size_t i = 0; i < problems->n; i++) {
		strbuf_reset(&text);
		problem_format(&problems->items[i], NULL, &text);
		json_out_str(out, strbuf_str(&text));
	}
	json_out_close_array(out);
	json_out_close_object(out);
	strbuf_fini(&text);
}

/* The configuration stands under "config", or its sections are the parameters themselves. */
static const json_t *config_of(const struct rpc_call *call)
{
	json_t *config = json_object_get(call->params, "config");

	if (json_object_get(config, "target")) {
		/* what service.get tells of a target beside its section */
		(void)json_object_del(config, "name");
		(void)json_object_del(config, "is_target");
	}
	if (config)
		return config;
	(void)json_object_del(call->params, "persist");
	return call->params;
}

static enum rpc_outcome put(struct rpc_call *call, put_fn fn, bool persist, struct problems *problems,
			    struct json_out *out, struct rpc_error *err)
{
	struct service_config *config = NULL;
	struct actor by = rpc_call_actor(call);
	char name[LIMIT_NAME + 1];
	struct error error;

	if (load_service_json(config_of(call), LOAD_ANY_NAME, problems, &config) < 0)
		return config_problems(problems, err);
	(void)str_copy(name, sizeof(name), config->name);
	if (fn(rpc_call_supervisor(call), config, persist, &by, &error) < 0)
		return rpc_error_from(err, &error, name);
	write_result(rpc_call_supervisor(call), name, problems, out);
	return RPC_DONE;
}

static enum rpc_outcome put_checked(struct rpc_call *call, put_fn fn, bool persist, struct json_out *out,
				    struct rpc_error *err)
{
	struct problems problems;
	enum rpc_outcome outcome;

	problems_init(&problems);
	outcome = put(call, fn, persist, &problems, out, err);
	problems_fini(&problems);
	return outcome;
}

RPC_HANDLER(rpc_service_add)
{
	return put_checked(call, supervisor_add, param_bool(call->params, "persist", false), out, err);
}

RPC_HANDLER(rpc_service_register)
{
	return put_checked(call, supervisor_add, true, out, err);
}

RPC_HANDLER(rpc_service_monitor)
{
	return put_checked(call, supervisor_add, false, out, err);
}

RPC_HANDLER(rpc_service_set)
{
	return put_checked(call, supervisor_set, param_bool(call->params, "persist", true), out, err);
}

RPC_HANDLER(rpc_service_delete)
{
	uint32_t id = rpc_call_service(call, err);
	struct actor by = rpc_call_actor(call);
	struct error error;

	if (id == CORE_NONE)
		return RPC_FAILED;
	if (supervisor_remove(rpc_call_supervisor(call), param_str(call->params, "name", ""), &by, &error) < 0)
		return rpc_error_from(err, &error, param_str(call->params, "name", ""));
	if (core_find(supervisor_core(rpc_call_supervisor(call)), param_str(call->params, "name", "")) != CORE_NONE)
		return wait_begin(call, id, WAIT_GONE, 0, 0, err); /* it has to stop first */
	json_out_open_object(out);
	json_out_member_bool(out, "ok", true);
	json_out_close_object(out);
	return RPC_DONE;
}
