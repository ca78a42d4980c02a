/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the methods system.*. */
#include <stdlib.h>
#include <unistd.h>

#include "rpc/conn.h"
#include "service/core.h"

RPC_HANDLER(rpc_system_ping)
{
	(void)call;
	(void)err;
	json_out_open_object(out);
	json_out_member_str(out, "version", ZINIT_VERSION);
	json_out_close_object(out);
	return RPC_DONE;
}

static void write_counts(const struct core *core, struct json_out *out)
{
	unsigned int counts[SERVICE_STATE_N] = { 0 };

	for (uint32_t id = core_next(core, CORE_NONE); id != CORE_NONE; id = core_next(core, id))
		counts[core_state(core, id)]++;
	json_out_open_object(out);
	for (int state = 0; state < SERVICE_STATE_N; state++)
		json_out_member_uint(out, service_state_name((enum service_state)state), counts[state]);
	json_out_close_object(out);
}

/* Where things are, for who looks after them (zinit doctor). */
static void write_installation(const struct supervisor *sup, struct json_out *out)
{
	const char *no_cgroups = supervisor_no_cgroups(sup);
	const char *dir;

	json_out_member_int(out, "keeper_pid", getppid());
	json_out_key(out, "service_dirs");
	json_out_open_array(out);
	for (size_t i = 0; (dir = supervisor_service_dir(sup, i)) != NULL; i++)
		json_out_str(out, dir);
	json_out_close_array(out);
	json_out_member_str(out, "log_dir", supervisor_log_dir(sup));
	json_out_member_bool(out, "cgroups", !no_cgroups);
	json_out_member_str(out, "no_cgroups", no_cgroups);
}

RPC_HANDLER(rpc_system_info)
{
	const struct rpc_server *server = call->server;
	const struct supervisor *sup = server->supervisor;
	const struct supervisor_upgraded *upgraded = supervisor_upgraded(sup);
	ts_ns booted = supervisor_booted_at(sup);
	const char *bug = NULL;

	(void)err;
	json_out_open_object(out);
	json_out_member_str(out, "version", ZINIT_VERSION);
	json_out_member_int(out, "pid", getpid());
	json_out_member_int(out, "booted_at_ms", booted / 1000000);
	json_out_member_int(out, "uptime_ms", (time_realtime() - booted) / 1000000);
	json_out_member_str(out, "socket", server->socket_path);
	json_out_member_bool(out, "shutting_down", supervisor_is_shutting_down(sup));
	json_out_key(out, "services");
	write_counts(supervisor_core(sup), out);
	json_out_member_uint(out, "connections", server->conns_n);
	json_out_member_uint(out, "connection_bytes", server->bytes);
	json_out_member_str(out, "last_upgrade", upgraded->tried ? upgraded->text : NULL);
	json_out_member_uint(out, "event_cursor", supervisor_event_last(sup));
	json_out_member_uint(out, "internal_errors", core_bugs(supervisor_core(sup), &bug));
	json_out_member_str(out, "last_internal_error", bug && bug[0] ? bug : NULL);
	write_installation(sup, out);
	json_out_close_object(out);
	return RPC_DONE;
}

RPC_HANDLER(rpc_system_shutdown)
{
	struct actor by = rpc_call_actor(call);
	struct error error;

	if (supervisor_shutdown(rpc_call_supervisor(call), &by, &error) < 0)
		return rpc_error_from(err, &error, NULL);
	json_out_open_object(out);
	json_out_member_bool(out, "ok", true);
	json_out_close_object(out);
	return RPC_DONE;
}

/* What zinit 0.3.9 answers where it is not process 1. As process 1 the keeper takes this as a signal, not the server. */
RPC_HANDLER(rpc_system_reboot)
{
	(void)call;
	(void)out;
	(void)rpc_error_set(err, RPC_INTERNAL_ERROR, "reboot only available when running as PID 1");
	rpc_error_hint(err, "zinit reboot signals process 1");
	return RPC_FAILED;
}

/* --- another server ------------------------------------------------------------------------------- */

/*
 * The server ends as if it had crashed, and the same program begins anew; services go on. The answer is sent before that,
 * as zinit 0.3.9 does it.
 */
RPC_HANDLER(rpc_system_prepare_restart)
{
	struct actor by = rpc_call_actor(call);
	struct error error;

	if (supervisor_upgrade(rpc_call_supervisor(call), NULL, &by, NULL, NULL, &error) < 0)
		return rpc_error_from(err, &error, NULL);
	json_out_open_object(out);
	json_out_member_bool(out, "ready", true);
	json_out_member_str(out, "state_path", "memfd:zinit-state"); /* held by the keeper, in no file */
	json_out_close_object(out);
	return RPC_DONE;
}

/* It did not come to a change of servers. */
static void on_upgrade_failed(const struct error *error, void *data)
{
	struct rpc_error err;

	(void)rpc_error_from(&err, error, NULL);
	rpc_error_hint(&err, "the server that runs goes on, and nothing was changed");
	rpc_call_fail(data, &err);
}

static void upgrade_cancel(struct rpc_call *call)
{
	supervisor_upgrade_forget(rpc_call_supervisor(call), call);
}

static json_t *upgrade_save(const struct rpc_call *call)
{
	(void)call;
	return json_pack("{s:{s:I}}", "upgrade", "left_at", (json_int_t)time_boottime());
}

RPC_HANDLER(rpc_system_upgrade)
{
	struct actor by = rpc_call_actor(call);
	struct error error;

	(void)out;
	if (supervisor_upgrade(rpc_call_supervisor(call), param_str(call->params, "path", ""), &by, on_upgrade_failed, call,
			       &error) < 0)
		return rpc_error_from(err, &error, NULL);
	call->cancel = upgrade_cancel;
	call->save = upgrade_save;
	return RPC_LATER;
}

RPC_HANDLER(rpc_system_upgraded)
{
	const struct supervisor_upgraded *upgraded = supervisor_upgraded(rpc_call_supervisor(call));
	json_int_t left_at = json_integer_value(json_object_get(json_object_get(call->saved, "upgrade"), "left_at"));

	if (!upgraded->tried || !upgraded->ok) {
		(void)rpc_error_set(err, RPC_PROCESS_ERROR, "%s",
				    upgraded->tried ? upgraded->text : "the server ended before another one could take over");
		rpc_error_hint(err, "services went on; see `zinit events` and `zinit logs zinit`");
		return RPC_FAILED;
	}
	json_out_open_object(out);
	json_out_member_bool(out, "ok", true);
	json_out_member_str(out, "from", upgraded->from);
	json_out_member_str(out, "to", upgraded->to);
	json_out_member_str(out, "text", upgraded->text);
	json_out_member_int(out, "gap_us", (json_int_t)time_boottime() - left_at);
	json_out_close_object(out);
	return RPC_DONE;
}
