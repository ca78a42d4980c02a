/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: ship.status: the sinks, what they have sent, and how far behind they are. */
#include <string.h>

#include "base/mem.h"
#include "config/server_settings.h"
#include "rpc/conn.h"
#include "service/core.h"
#include "supervisor/ship.h"

/* Names as in the configuration. */
static const char *const types[] = {
	[SHIP_VECTOR] = "vector",	      [SHIP_LOKI] = "loki",	      [SHIP_OTLP] = "otlp",
	[SHIP_ELASTICSEARCH] = "elasticsearch", [SHIP_VICTORIALOGS] = "victorialogs", [SHIP_CLICKHOUSE] = "clickhouse",
	[SHIP_SPLUNK] = "splunk",	      [SHIP_SYSLOG] = "syslog",	      [SHIP_HTTP] = "http",
};
static const char *const failures[] = {
	[SHIP_ON_FAILURE_DROP] = "drop", [SHIP_ON_FAILURE_RETRY] = "retry", [SHIP_ON_FAILURE_SPILL] = "spill",
};

static const struct {
	const char *name;
	size_t at;
} counters[] = {
	{ "sent", offsetof(struct ship_counts, sent) },		{ "acked", offsetof(struct ship_counts, acked) },
	{ "retried", offsetof(struct ship_counts, retried) },	{ "dropped", offsetof(struct ship_counts, dropped) },
	{ "overrun", offsetof(struct ship_counts, overrun) },	{ "refused", offsetof(struct ship_counts, refused) },
	{ "set_aside", offsetof(struct ship_counts, aside) },	{ "filtered", offsetof(struct ship_counts, filtered) },
	{ "gap_records", offsetof(struct ship_counts, gaps) },	{ "requests", offsetof(struct ship_counts, requests) },
	{ "failures", offsetof(struct ship_counts, failures) }, { "bytes", offsetof(struct ship_counts, bytes) },
	{ "plain_bytes", offsetof(struct ship_counts, plain_bytes) },
	{ "queued", offsetof(struct ship_counts, queued) },	{ "queued_bytes", offsetof(struct ship_counts, queued_bytes) },
};

/* Without what may stand before '@': nobody should write a password there, and if somebody did, it is not shown. */
static void write_endpoint(const char *endpoint, struct json_out *out)
{
	const char *host = strstr(endpoint, "://");
	const char *end;
	AUTO(strbuf_fini) struct strbuf text = STRBUF(64U << 10);

	host = host ? host + 3 : endpoint;
	end = host + strcspn(host, "/?#");
	(void)strbuf_add(&text, endpoint, (size_t)(host - endpoint));
	for (const char *at = memchr(host, '@', (size_t)(end - host)); at; at = memchr(host, '@', (size_t)(end - host)))
		host = at + 1;
	(void)strbuf_add(&text, host, strcspn(host, "?#")); /* nor a token in the query */
	json_out_member_str(out, "endpoint", strbuf_str(&text));
}

static void write_time(struct json_out *out, const char *key, ts_ns at)
{
	json_out_key(out, key);
	if (at)
		json_out_int(out, at / 1000000);
	else
		json_out_null(out);
}

static void write_sink(const struct ship_sink_status *s, struct json_out *out)
{
	ts_ns now = time_realtime();

	json_out_open_object(out);
	json_out_member_str(out, "name", s->settings->name);
	json_out_member_str(out, "type", types[s->settings->type]);
	write_endpoint(s->settings->endpoint, out);
	json_out_member_str(out, "on_failure", failures[s->settings->on_failure]);
	json_out_member_str(out, "phase", s->known ? ship_phase_name(s->phase) : "not started");
	for (size_t i = 0; i < ARRAY_LEN(counters); i++) {
		const void *at = (const char *)&s->counts + counters[i].at;

		json_out_member_uint(out, counters[i].name, *(const uint64_t *)at);
	}
	json_out_member_uint(out, "batch", s->batch);
	json_out_member_uint(out, "lag_lines", s->lag_lines);
	json_out_member_uint(out, "lag_bytes", s->lag_bytes);
	json_out_member_int(out, "lag_ms", s->lag_since && s->lag_since < now ? (now - s->lag_since) / 1000000 : 0);
	write_time(out, "acked_at_ms", s->acked_at);
	write_time(out, "error_at_ms", s->error_at);
	json_out_member_str(out, "error", s->error[0] ? s->error : NULL);
	json_out_close_object(out);
}

RPC_HANDLER(rpc_ship_status)
{
	const struct supervisor *sup = rpc_call_supervisor(call);
	struct ship_sink_status status;
	unsigned int starts;
	pid_t pid = ship_pid(sup, &starts);

	if (!rpc_call_sees(call, CORE_NONE))
		return rpc_error_set(err, RPC_ACCESS_DENIED, "ship.status is for those who may read everything");
	json_out_open_object(out);
	json_out_member_int(out, "pid", pid);
	json_out_member_uint(out, "starts", starts);
	json_out_key(out, "sinks");
	json_out_open_array(out);
	for (size_t i = 0; ship_status(sup, i, &status) == 0; i++)
		write_sink(&status, out);
	json_out_close_array(out);
	json_out_close_object(out);
	return RPC_DONE;
}
