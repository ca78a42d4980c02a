/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the methods that start, stop and signal services. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/kernel_names.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/service_config.h"
#include "rpc/conn.h"
#include "rpc/select.h"
#include "rpc/service_out.h"
#include "rpc/wait.h"
#include "service/core.h"
#include "service/why.h"

static enum rpc_outcome ok(struct json_out *out)
{
	json_out_open_object(out);
	json_out_member_bool(out, "ok", true);
	json_out_close_object(out);
	return RPC_DONE;
}

static usec_t timeout_of(const struct rpc_call *call)
{
	return (usec_t)param_int(call->params, "timeout_ms", 0) * USEC_PER_MSEC;
}

/* The state that stands in the way explains more than the refusal alone. */
static enum rpc_outcome refused(struct rpc_call *call, uint32_t id, const struct error *error, struct rpc_error *err)
{
	const struct core *core = supervisor_core(rpc_call_supervisor(call));
	struct why_step steps[RPC_CAUSES_MAX];
	size_t n = core_why(core, id, time_boottime(), steps, RPC_CAUSES_MAX);

	(void)rpc_error_from(err, error, core_name(core, id));
	for (size_t i = 0; i < MIN(n, (size_t)RPC_CAUSES_MAX); i++)
		rpc_error_cause(err, steps[i].text);
	rpc_error_hint(err, "zinit why %s", core_name(core, id));
	return RPC_FAILED;
}

typedef int (*change_fn)(struct supervisor *sup, const char *name, const struct actor *by, struct error *err);

static int start_one(struct supervisor *sup, const char *name, const struct actor *by, struct error *err)
{
	return supervisor_start(sup, name, false, by, err);
}

static int start_tree(struct supervisor *sup, const char *name, const struct actor *by, struct error *err)
{
	return supervisor_start(sup, name, true, by, err);
}

/* What start, stop and restart have in common. */
static enum rpc_outcome change(struct rpc_call *call, change_fn fn, enum wait_for what, struct json_out *out,
			       struct rpc_error *err)
{
	uint32_t id = rpc_call_service(call, err);
	struct actor by = rpc_call_actor(call);
	struct error error = { 0 };
	int r;

	if (id == CORE_NONE)
		return RPC_FAILED;
	r = fn(rpc_call_supervisor(call), param_str(call->params, "name", ""), &by, &error);
	/* that it is so already is as good as done */
	if (r < 0 && r != -EALREADY)
		return refused(call, id, &error, err);
	if (!param_bool(call->params, "wait", false))
		return ok(out);
	return wait_begin(call, id, what, 0, timeout_of(call), err);
}

RPC_HANDLER(rpc_service_start)
{
	return change(call, param_bool(call->params, "tree", false) ? start_tree : start_one, WAIT_UP, out, err);
}

RPC_HANDLER(rpc_service_stop)
{
	return change(call, supervisor_stop, WAIT_DOWN, out, err);
}

RPC_HANDLER(rpc_service_restart)
{
	return change(call, supervisor_restart, WAIT_UP, out, err);
}

/* --- signals ---------------------------------------------------------------------------------------- */

/* A name in any spelling, or a number. Negative: `err` is filled. */
static int read_signal(const struct rpc_call *call, struct rpc_error *err)
{
	const json_t *value = json_object_get(call->params, "signal");
	char text[32];
	int signo;

	if (json_is_number(value))
		(void)snprintf(text, sizeof(text), "%.15g", json_number_value(value));
	else
		(void)snprintf(text, sizeof(text), "%s", value ? json_string_value(value) : "SIGTERM");
	signo = signal_from_name(text, NULL);
	if (signo > 0)
		return signo;
	(void)rpc_error_set(err, RPC_INVALID_SIGNAL, "no signal '%s'", text);
	rpc_error_hint(err, "SIGTERM, TERM, term or 15; kill -l lists them");
	return RPC_FAILED;
}

RPC_HANDLER(rpc_service_kill)
{
	uint32_t id = rpc_call_service(call, err);
	struct actor by = rpc_call_actor(call);
	struct error error = { 0 };
	int signo;

	if (id == CORE_NONE)
		return RPC_FAILED;
	signo = read_signal(call, err);
	if (signo < 0)
		return RPC_FAILED;
	if (supervisor_kill(rpc_call_supervisor(call), param_str(call->params, "name", ""), signo,
			    param_bool(call->params, "leader", false), &by, &error) < 0)
		return rpc_error_from(err, &error, param_str(call->params, "name", ""));
	return ok(out);
}

/* --- waiting ------------------------------------------------------------------------------------------ */

/* "up", "down", "settled", or states by name. */
static int read_wanted(const struct rpc_call *call, enum wait_for *what, unsigned int *states, struct rpc_error *err)
{
	size_t n = param_strings_n(call->params, "state");

	*what = n == 0 ? WAIT_SETTLED : WAIT_STATES;
	for (size_t i = 0; i < n; i++) {
		const char *word = param_string_at(call->params, "state", i);
		int state = 0;

		while (state < SERVICE_STATE_N && strcmp(word, service_state_name((enum service_state)state)) != 0)
			state++;
		if (state < SERVICE_STATE_N)
			*states |= 1U << state;
		else if (n == 1 && strcmp(word, "up") == 0)
			*what = WAIT_UP;
		else if (n == 1 && strcmp(word, "down") == 0)
			*what = WAIT_DOWN;
		else if (n == 1 && strcmp(word, "settled") == 0)
			*what = WAIT_SETTLED;
		else
			return rpc_error_set(err, RPC_INVALID_PARAMS,
					     "parameter 'state': expected names of states, or one of up, down, settled; got \"%.32s\"", word);
	}
	return 0;
}

RPC_HANDLER(rpc_service_wait)
{
	uint32_t id = rpc_call_service(call, err);
	enum wait_for what;
	unsigned int states = 0;

	(void)out;
	if (id == CORE_NONE || read_wanted(call, &what, &states, err) < 0)
		return RPC_FAILED;
	return wait_begin(call, id, what, states, timeout_of(call), err);
}

/* --- all of them ---------------------------------------------------------------------------------------- */

static bool is_user_class(const struct supervisor *sup, uint32_t id)
{
	struct supervisor_info info;

	return supervisor_info(sup, id, &info) == 0 && info.config && info.config->class == CONFIG_CLASS_USER;
}

static void write_failed(const char *name, const struct error *error, struct strbuf *failed)
{
	struct json_out out = json_out_on(failed);

	out.comma = failed->len > 0;
	json_out_open_object(&out);
	json_out_member_str(&out, "name", name);
	json_out_member_str(&out, "error", error->msg);
	json_out_close_object(&out);
}

/* Writes {DONE: [names], failed: [{name, error}]}; what is so already is passed over. */
static enum rpc_outcome change_all(struct rpc_call *call, change_fn fn, const char *done, struct json_out *out,
				   struct rpc_error *err)
{
	struct supervisor *sup = rpc_call_supervisor(call);
	AUTO(strbuf_fini) struct strbuf failed = STRBUF(LIMIT_RPC_ANSWER / 2);
	AUTO(auto_free) uint32_t *ids = NULL;
	struct actor by = rpc_call_actor(call);
	int n = select_services(call, &ids, err);

	if (n < 0)
		return RPC_FAILED;
	json_out_open_object(out);
	json_out_key(out, done);
	json_out_open_array(out);
	for (int i = 0; i < n; i++) {
		const char *known = core_name(supervisor_core(sup), ids[i]);
		char name[LIMIT_NAME + 1]; /* a service that is deleted takes its name with it */
		struct error error = { 0 };
		int r;

		if (!known || !is_user_class(sup, ids[i]) || !rpc_call_may(call, ids[i]))
			continue;
		(void)str_copy(name, sizeof(name), known);
		r = fn(sup, name, &by, &error);
		if (r == 0)
			json_out_str(out, name);
		else if (r != -EALREADY)
			write_failed(name, &error, &failed);
	}
	json_out_close_array(out);
	json_out_key(out, "failed");
	json_out_open_array(out);
	if (failed.len > 0)
		json_out_raw(out, failed.data);
	json_out_close_array(out);
	json_out_close_object(out);
	return RPC_DONE;
}

RPC_HANDLER(rpc_service_start_all)
{
	return change_all(call, start_one, "started", out, err);
}

RPC_HANDLER(rpc_service_stop_all)
{
	return change_all(call, supervisor_stop, "stopped", out, err);
}

RPC_HANDLER(rpc_service_delete_all)
{
	return change_all(call, supervisor_remove, "deleted", out, err);
}
