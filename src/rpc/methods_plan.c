/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the methods that tell what a change would do, and those that make the changes that service files ask for. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "config/load.h"
#include "rpc/conn.h"
#include "service/core.h"
#include "supervisor/change.h"

/* A file is read again for each key: of more keys than this only the names are told. */
#define PLACES_MAX 256
#define EVENT_SIZE (LIMIT_NAME + 64)

/* --- steps ------------------------------------------------------------------------------------ */

static void write_step(const struct plan_step *step, struct json_out *out)
{
	json_out_open_object(out);
	json_out_member_str(out, "action", plan_action_name(step->action));
	json_out_member_str(out, "name", step->name);
	json_out_member_str(out, "reason", step->reason);
	json_out_close_object(out);
}

static void write_steps(const struct rpc_call *call, const struct plan *plan, struct json_out *out)
{
	json_out_key(out, "steps");
	json_out_open_array(out);
	for (size_t i = 0; i < plan->n; i++) {
		/* a service that is only being added has no id that the caller's rights could be asked of */
		if (conn_may(call->conn, call->method->access, plan->steps[i].name,
			     core_find(supervisor_core(rpc_call_supervisor(call)), plan->steps[i].name)))
			write_step(&plan->steps[i], out);
	}
	json_out_close_array(out);
}

RPC_HANDLER(rpc_service_preview)
{
	struct supervisor *sup = rpc_call_supervisor(call);
	const char *name = param_str(call->params, "name", NULL);
	char event[EVENT_SIZE];
	struct plan_change change;
	struct plan plan;
	struct error error;

	if (name && rpc_call_service(call, err) == CORE_NONE)
		return RPC_FAILED;
	(void)snprintf(event, sizeof(event), "%.32s%s%s", param_str(call->params, "event", ""), name ? ":" : "",
		       name ? name : "");
	if (plan_parse(event, &change, &error) < 0)
		return rpc_error_set(err, RPC_INVALID_PARAMS, "parameter 'event': %s", error.msg);
	change.uid = rpc_call_actor(call).uid;
	if (plan_make(supervisor_core(sup), &change, 1, time_boottime(), &plan, &error) < 0)
		return rpc_error_from(err, &error, change.name);
	json_out_open_object(out);
	json_out_member_str(out, "event", event);
	write_steps(call, &plan, out);
	json_out_close_object(out);
	plan_fini(&plan);
	return RPC_DONE;
}

/* --- changes ---------------------------------------------------------------------------------- */

/* Without the newline that ends a list of problems. */
static size_t text_len(const char *text)
{
	size_t len = text ? strlen(text) : 0;

	while (len > 0 && text[len - 1] == '\n')
		len--;
	return len;
}

static void write_text(const char *text, struct json_out *out)
{
	json_out_key(out, "text");
	json_out_strn(out, text ? text : "", text_len(text));
}

static void write_keys(const struct change *c, unsigned int *places, struct json_out *out)
{
	json_out_key(out, "keys");
	json_out_open_array(out);
	for (size_t i = 0; i < c->keys_n; i++) {
		uint32_t line = 0;
		uint32_t column = 0;

		if (c->path && *places < PLACES_MAX) {
			(void)load_locate(c->path, c->keys[i].key, NULL, &line, &column); /* gone from the file: no place */
			++*places;
		}
		json_out_open_object(out);
		json_out_member_str(out, "key", c->keys[i].key);
		json_out_member_str(out, "apply", cfg_apply_name(c->keys[i].apply));
		json_out_member_uint(out, "line", line);
		json_out_member_uint(out, "column", column);
		json_out_close_object(out);
	}
	json_out_close_array(out);
}

static void write_planned(struct supervisor *sup, const struct change *c, unsigned int *places, struct json_out *out)
{
	struct supervisor_info info = { 0 };

	(void)supervisor_info(sup, core_find(supervisor_core(sup), c->name), &info);
	json_out_open_object(out);
	json_out_member_str(out, "action", change_kind_name(c->kind));
	json_out_member_str(out, "name", c->name);
	json_out_member_str(out, "path", c->path);
	write_keys(c, places, out);
	write_text(c->text, out);
	json_out_member_str(out, "undone", info.undone);
	json_out_close_object(out);
}

static enum rpc_outcome write_plan(struct rpc_call *call, const struct change_set *set, struct json_out *out,
				   struct rpc_error *err)
{
	struct supervisor *sup = rpc_call_supervisor(call);
	unsigned int places = 0;
	struct error error;
	struct plan plan;

	if (changes_preview(sup, set, &plan, &error) < 0)
		return rpc_error_from(err, &error, NULL);
	json_out_open_object(out);
	json_out_member_str(out, "digest", set->digest);
	json_out_key(out, "changes");
	json_out_open_array(out);
	for (size_t i = 0; i < set->n; i++)
		write_planned(sup, &set->v[i], &places, out);
	json_out_close_array(out);
	write_steps(call, &plan, out);
	json_out_member_uint(out, "unchanged", set->unchanged);
	json_out_close_object(out);
	plan_fini(&plan);
	return RPC_DONE;
}

RPC_HANDLER(rpc_config_plan)
{
	struct change_set set;
	struct error error;
	enum rpc_outcome outcome;

	if (changes_read(rpc_call_supervisor(call), true, &set, &error) < 0)
		return rpc_error_from(err, &error, NULL);
	outcome = write_plan(call, &set, out, err);
	changes_fini(&set);
	return outcome;
}

/* --- carrying them out -------------------------------------------------------------------------- */

/* The words of an answer of service.reload, and the count that each goes to. */
enum outcome { ADDED, CHANGED, RESTARTED, REMOVED, UNCHANGED, INVALID, OUTCOME_N };

static const char *const outcome_names[OUTCOME_N] = {
	[ADDED] = "added",	   [CHANGED] = "changed",     [RESTARTED] = "restarted",
	[REMOVED] = "removed", [UNCHANGED] = "unchanged", [INVALID] = "invalid",
};

static const enum outcome outcomes[CHANGE_KIND_N] = {
	[CHANGE_ADD] = ADDED,	    [CHANGE_LIVE] = CHANGED,   [CHANGE_RESTART] = RESTARTED, [CHANGE_START] = RESTARTED,
	[CHANGE_KEEP] = UNCHANGED, [CHANGE_REMOVE] = REMOVED, [CHANGE_INVALID] = INVALID,
};

static void write_done(const struct change *c, struct json_out *out)
{
	AUTO(strbuf_fini) struct strbuf keys = STRBUF(4096);

	for (size_t i = 0; i < c->keys_n && c->kind != CHANGE_INVALID; i++)
		(void)strbuf_addf(&keys, "%s%s", i ? ", " : "", c->keys[i].key);
	json_out_open_object(out);
	json_out_member_str(out, "action", outcome_names[outcomes[c->kind]]);
	json_out_member_str(out, "name", c->name);
	write_text(c->kind == CHANGE_INVALID ? c->text : c->kind == CHANGE_REMOVE ? "its file is gone" : strbuf_str(&keys), out);
	json_out_close_object(out);
}

static void write_applied(const struct change_set *set, struct json_out *out)
{
	unsigned int counts[OUTCOME_N] = { [UNCHANGED] = set->unchanged };

	json_out_open_object(out);
	json_out_member_bool(out, "ok", true);
	json_out_member_str(out, "digest", set->digest);
	json_out_key(out, "changes");
	json_out_open_array(out);
	for (size_t i = 0; i < set->n; i++) {
		counts[outcomes[set->v[i].kind]]++;
		if (set->v[i].kind != CHANGE_KEEP)
			write_done(&set->v[i], out);
	}
	json_out_close_array(out);
	for (int i = 0; i < OUTCOME_N; i++)
		json_out_member_uint(out, outcome_names[i], counts[i]);
	json_out_close_object(out);
}

RPC_HANDLER(rpc_config_apply)
{
	struct supervisor *sup = rpc_call_supervisor(call);
	const char *digest = param_str(call->params, "digest", NULL);
	struct actor by = rpc_call_actor(call);
	struct change_set set;
	struct error error;

	if (changes_read(sup, false, &set, &error) < 0)
		return rpc_error_from(err, &error, NULL);
	if (digest && strcmp(digest, set.digest) != 0) {
		(void)rpc_error_set(err, RPC_CONFIG_ERROR, "the plan %.32s does not hold any more: files or services changed since", digest);
		rpc_error_hint(err, "zinit plan");
		changes_fini(&set);
		return RPC_FAILED;
	}
	if (supervisor_reload_set(sup, &by, &set, &error) < 0)
		return rpc_error_from(err, &error, NULL);
	write_applied(&set, out);
	changes_fini(&set);
	return RPC_DONE;
}

static enum rpc_outcome reload_one(struct rpc_call *call, struct json_out *out, struct rpc_error *err)
{
	const char *name = param_str(call->params, "name", "");
	struct actor by = rpc_call_actor(call);
	struct error error;

	if (rpc_call_service(call, err) == CORE_NONE)
		return RPC_FAILED;
	if (supervisor_reload_service(rpc_call_supervisor(call), name, &by, &error) < 0)
		return rpc_error_from(err, &error, name);
	json_out_open_object(out);
	json_out_member_bool(out, "ok", true);
	json_out_close_object(out);
	return RPC_DONE;
}

RPC_HANDLER(rpc_service_reload)
{
	struct actor by = rpc_call_actor(call);
	struct change_set set;
	struct error error;

	if (json_object_get(call->params, "name"))
		return reload_one(call, out, err);
	if (supervisor_reload(rpc_call_supervisor(call), &by, &set, &error) < 0)
		return rpc_error_from(err, &error, NULL);
	write_applied(&set, out);
	changes_fini(&set);
	return RPC_DONE;
}
