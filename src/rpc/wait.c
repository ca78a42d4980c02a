/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: calls that wait for a service, and the answer that they get. */
#include "rpc/wait.h"

#include <stdlib.h>

#include "base/str.h"
#include "process/tree.h"
#include "rpc/conn.h"
#include "rpc/log_lines.h"
#include "rpc/service_out.h"
#include "service/core.h"
#include "service/why.h"

#define LAST_LINES 10
#define COMMAND_SIZE 256
/* A service that has no health check runs as soon as it is spawned; one that dies within this time did not come up. */
#define GRACE (100 * USEC_PER_MSEC)

struct wait {
	struct list node;
	struct rpc_call *call;
	char name[LIMIT_NAME + 1];
	enum wait_for what;
	unsigned int states;
	struct loop_timer *timer; /* NULL: no time limit */
	struct loop_timer *grace; /* looks again when a young run is old enough; NULL: not needed so far */
};

static void wait_free(struct wait *wait)
{
	list_remove(&wait->node);
	loop_timer_free(wait->timer);
	loop_timer_free(wait->grace);
	free(wait);
}

static void cancel(struct rpc_call *call)
{
	wait_free(call->later);
}

static bool is_state(enum service_state state, unsigned int states)
{
	return (states >> state) & 1U;
}

/* Waiting for the next try is rest enough for somebody who asked for a start: it did not come up. */
static bool is_backing_off(const struct core *core, uint32_t id)
{
	return !core_is_active(core, id) && core_next_start(core, id) != 0;
}

/* … but not while its new definition may still be taken back. */
static bool is_on_trial(const struct supervisor *sup, uint32_t id)
{
	struct supervisor_info info;

	return supervisor_info(sup, id, &info) == 0 && info.on_trial;
}

static bool is_reached(const struct wait *wait, const struct supervisor *sup, uint32_t id)
{
	const struct core *core = supervisor_core(sup);

	switch (wait->what) {
	case WAIT_STATES:
		return is_state(core_state(core, id), wait->states);
	case WAIT_UP:
		return supervisor_settled(sup, id) || (is_backing_off(core, id) && !is_on_trial(sup, id));
	case WAIT_GONE:
		return false;
	case WAIT_DOWN:
	case WAIT_SETTLED:
		break;
	}
	return supervisor_settled(sup, id);
}

static bool is_ok(const struct wait *wait, const struct core *core, uint32_t id)
{
	enum service_state state = core_state(core, id);

	switch (wait->what) {
	case WAIT_STATES:
		return is_state(state, wait->states);
	case WAIT_UP:
		return core_is_satisfied(core, id) || state == SERVICE_RUNNING;
	case WAIT_DOWN:
		return !core_is_active(core, id) && state != SERVICE_BLOCKED && !(core_record(core, id)->flags & RECORD_SURVIVORS);
	case WAIT_SETTLED:
	case WAIT_GONE:
		break;
	}
	return true;
}

/* Who outlived the stop. */
static void write_survivors(struct supervisor *sup, uint32_t id, struct json_out *out)
{
	struct tree_list list = { 0 };

	(void)supervisor_survivors(sup, id, &list); /* as far as they were found */
	json_out_key(out, "survivors");
	json_out_open_array(out);
	for (size_t i = 0; i < list.n; i++) {
		char command[COMMAND_SIZE];

		tree_cmdline(list.procs[i].pid, command, sizeof(command));
		json_out_open_object(out);
		json_out_member_int(out, "pid", list.procs[i].pid);
		json_out_member_str(out, "command", command);
		json_out_close_object(out);
	}
	json_out_close_array(out);
	tree_list_fini(&list);
}

static void write_answer(const struct wait *wait, struct supervisor *sup, uint32_t id, bool timed_out, struct json_out *out)
{
	const struct core *core = supervisor_core(sup);
	bool ok = !timed_out && is_ok(wait, core, id);
	struct supervisor_info info = { 0 };

	(void)supervisor_info(sup, id, &info);
	json_out_open_object(out);
	json_out_member_bool(out, "ok", ok);
	json_out_member_bool(out, "reached", ok);
	json_out_member_str(out, "name", wait->name);
	json_out_member_str(out, "state", service_state_name(core_state(core, id)));
	json_out_member_int(out, "pid", service_pid(sup, id));
	json_out_member_bool(out, "timed_out", timed_out);
	json_out_member_str(out, "undone", info.undone);
	service_write_reason(sup, id, out);
	if (wait->what == WAIT_DOWN && !core_is_active(core, id))
		write_survivors(sup, id, out);
	if (!ok) {
		json_out_key(out, "why");
		service_write_why_texts(sup, id, out);
		json_out_key(out, "logs");
		log_lines_write_last(supervisor_log(sup), wait->name, LAST_LINES, out);
	}
	json_out_close_object(out);
}

static void answer_gone(struct wait *wait)
{
	struct rpc_call *call = wait->call;
	struct json_out out;

	rpc_call_begin(call, &out);
	json_out_open_object(&out);
	json_out_member_bool(&out, "ok", true);
	json_out_close_object(&out);
	wait_free(wait);
	rpc_call_end(call);
}

static void answer(struct wait *wait, bool timed_out)
{
	struct rpc_call *call = wait->call;
	struct supervisor *sup = call->server->supervisor;
	uint32_t id = core_find(supervisor_core(sup), wait->name);
	struct json_out out;
	struct rpc_error err;

	if (id == CORE_NONE && wait->what == WAIT_GONE) {
		answer_gone(wait);
		return;
	}
	if (id == CORE_NONE) {
		(void)rpc_error_set(&err, RPC_SERVICE_NOT_FOUND, "service '%s' was removed", wait->name);
		rpc_error_service(&err, wait->name);
		wait_free(wait);
		rpc_call_fail(call, &err);
		return;
	}
	rpc_call_begin(call, &out);
	write_answer(wait, sup, id, timed_out, &out);
	wait_free(wait);
	rpc_call_end(call);
}

static void on_timeout(struct loop_timer *timer, void *data)
{
	(void)timer;
	answer(data, true);
}

static void on_grace(struct loop_timer *timer, void *data)
{
	struct wait *wait = data;

	(void)timer;
	server_look_soon(wait->call->server);
}

/* How long to wait until a run that just began counts as up; 0: it counts. */
static usec_t too_young(const struct wait *wait, const struct supervisor *sup, uint32_t id)
{
	const struct service_policy *policy = core_policy(supervisor_core(sup), id);
	struct supervisor_info info;

	if (wait->what != WAIT_UP || core_state(supervisor_core(sup), id) != SERVICE_RUNNING || !policy ||
	    policy->has_readiness || policy->target || supervisor_info(sup, id, &info) < 0 || info.uptime >= GRACE)
		return 0;
	return GRACE - info.uptime;
}

/* Returns true if the answer has to wait for the grace to pass. */
static bool hold_back(struct wait *wait, const struct supervisor *sup, uint32_t id)
{
	struct loop *loop = wait->call->server->loop;
	usec_t left = too_young(wait, sup, id);

	if (left == 0)
		return false;
	if (!wait->grace)
		wait->grace = loop_timer_new(loop, on_grace, wait);
	if (!wait->grace)
		return false; /* no memory: an early answer is better than none */
	loop_timer_arm(wait->grace, time_add(time_boottime(), left));
	return true;
}

void wait_check_all(struct rpc_server *server)
{
	struct supervisor *sup = server->supervisor;
	struct wait *wait;

	LIST_FOREACH (wait, &server->waits, node) {
		uint32_t id = core_find(supervisor_core(sup), wait->name);

		if (id == CORE_NONE || (is_reached(wait, sup, id) && !hold_back(wait, sup, id)))
			answer(wait, false);
	}
}

static json_t *save(const struct rpc_call *call)
{
	const struct wait *wait = call->later;
	usec_t deadline = wait->timer ? loop_timer_deadline(wait->timer) : USEC_NEVER;

	return json_pack("{s:{s:s, s:i, s:i, s:I}}", "wait", "name", wait->name, "what", (int)wait->what, "states",
			 (int)wait->states, "deadline", deadline == USEC_NEVER ? (json_int_t)0 : (json_int_t)deadline);
}

static enum rpc_outcome begin(struct rpc_call *call, const char *name, const struct wait *template, usec_t deadline,
			      struct rpc_error *err)
{
	struct rpc_server *server = call->server;
	struct wait *wait = calloc(1, sizeof(*wait));

	if (!wait)
		return rpc_error_set(err, RPC_INTERNAL_ERROR, "out of memory");
	*wait = *template;
	list_init(&wait->node);
	if (deadline) {
		wait->timer = loop_timer_new(server->loop, on_timeout, wait);
		if (!wait->timer) {
			wait_free(wait);
			return rpc_error_set(err, RPC_INTERNAL_ERROR, "out of memory");
		}
		loop_timer_arm(wait->timer, deadline);
	}
	wait->call = call;
	(void)str_copy(wait->name, sizeof(wait->name), name);
	call->cancel = cancel;
	call->save = save;
	call->later = wait;
	list_append(&server->waits, &wait->node);
	server_look_soon(server);
	return RPC_LATER;
}

enum rpc_outcome wait_begin(struct rpc_call *call, uint32_t id, enum wait_for what, unsigned int states, usec_t timeout,
			    struct rpc_error *err)
{
	const struct wait template = { .what = what, .states = states };

	return begin(call, core_name(supervisor_core(call->server->supervisor), id), &template,
		     timeout ? time_add(loop_now(call->server->loop), timeout) : 0, err);
}

enum rpc_outcome wait_resume(struct rpc_call *call, const json_t *saved, struct rpc_error *err)
{
	const char *name = json_string_value(json_object_get(saved, "name"));
	const struct wait template = {
		.what = (enum wait_for)json_integer_value(json_object_get(saved, "what")),
		.states = (unsigned int)json_integer_value(json_object_get(saved, "states")),
	};

	return begin(call, name ? name : "", &template, (usec_t)json_integer_value(json_object_get(saved, "deadline")), err);
}
