/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: ship.probe: does the receiver of a sink take a record? */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/server_settings.h"
#include "rpc/conn.h"
#include "supervisor/ship.h"

struct probing {
	struct rpc_call *call;
	struct ship_probe *probe;
	usec_t begun;
	char sink[LIMIT_NAME + 1];
};

static void cancel(struct rpc_call *call)
{
	struct probing *p = call->later;

	ship_probe_cancel(p->probe);
	free(p);
}

static void on_answer(bool taken, const char *text, void *data)
{
	struct probing *p = data;
	struct rpc_call *call = p->call;
	struct json_out out;

	rpc_call_begin(call, &out);
	json_out_open_object(&out);
	json_out_member_str(&out, "sink", p->sink);
	json_out_member_bool(&out, "taken", taken);
	json_out_member_int(&out, "took_ms", (int64_t)((loop_now(call->server->loop) - p->begun) / USEC_PER_MSEC));
	json_out_member_str(&out, "text", text);
	json_out_close_object(&out);
	free(p);
	rpc_call_end(call);
}

static enum rpc_outcome refuse(int code, struct rpc_error *err)
{
	static const struct {
		int code;
		const char *text;
	} reasons[] = {
		{ -EAGAIN, "zinit-shipper is not running, or busy: ask again in a moment" },
		{ -EBUSY, "too many sinks are being tried already" },
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (reasons[i].code == code)
			return rpc_error_set(err, RPC_OVERLOADED, "%s", reasons[i].text);
	}
	return rpc_error_set(err, RPC_INTERNAL_ERROR, "trying the sink: %s", strerror(-code));
}

RPC_HANDLER(rpc_ship_probe)
{
	struct supervisor *sup = rpc_call_supervisor(call);
	const char *name = param_str(call->params, "sink", "");
	struct ship_sink_status status;
	struct probing *p;
	size_t i = 0;
	int r;

	(void)out;
	while ((r = ship_status(sup, i, &status)) == 0 && !str_equal(status.settings->name, name))
		i++;
	if (r < 0)
		return rpc_error_set(err, RPC_INVALID_PARAMS, "no [[ship]] table is called '%s'", name);
	p = calloc(1, sizeof(*p));
	if (!p)
		return refuse(-ENOMEM, err);
	p->call = call;
	p->begun = loop_now(call->server->loop);
	(void)str_copy(p->sink, sizeof(p->sink), name);
	r = ship_probe_start(sup, status.settings, on_answer, p, &p->probe);
	if (r < 0) {
		free(p);
		return refuse(r, err);
	}
	call->later = p;
	call->cancel = cancel;
	return RPC_LATER;
}
