/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what is measured of shipping: a sample for each sink. */
#include <errno.h>

#include "base/mem.h"
#include "config/server_settings.h"
#include "rpc/conn.h"
#include "rpc/metrics.h"
#include "rpc/metrics_ship.h"
#include "service/core.h"
#include "supervisor/ship.h"

enum lost_reason { LOST_DROPPED, LOST_OVERRUN, LOST_REFUSED, LOST_ASIDE, LOST_N };

static const char *lost_label(size_t i)
{
	static const char *const names[LOST_N] = { "dropped", "overrun", "refused", "set_aside" };

	return names[i];
}

enum sink_column {
	SINK_ACKED, SINK_SENT, SINK_RETRIED, SINK_LOST, SINK_REQUESTS = SINK_LOST + LOST_N, SINK_FAILURES, SINK_BYTES, SINK_QUEUED,
	SINK_QUEUED_BYTES, SINK_LAG, SINK_LAG_BYTES, SINK_LAG_NS, SINK_ACKED_AT, SINK_ERROR_AT, SINK_N
};
_Static_assert((int)SINK_N == METRICS_SHIP_COLUMNS, "columns");

/* clang-format off */
const struct metric metrics_ship_rows[METRICS_SHIP_ROWS] = {
	{ "zinit_ship_lines_acked", METRIC_COUNTER, METRIC_PLAIN, SINK_ACKED, "Lines that the receiver has." },
	{ "zinit_ship_lines_sent", METRIC_COUNTER, METRIC_PLAIN, SINK_SENT, "Lines in requests; one that is sent again counts again." },
	{ "zinit_ship_lines_retried", METRIC_COUNTER, METRIC_PLAIN, SINK_RETRIED, "Lines that were sent again." },
	{ "zinit_ship_lines_lost", METRIC_COUNTER, METRIC_PLAIN, SINK_LOST, "Lines that the receiver will not get, by reason.",
	  "reason", lost_label, LOST_N },
	{ "zinit_ship_requests", METRIC_COUNTER, METRIC_PLAIN, SINK_REQUESTS, "Requests." },
	{ "zinit_ship_request_failures", METRIC_COUNTER, METRIC_PLAIN, SINK_FAILURES, "Requests that failed." },
	{ "zinit_ship_sent_bytes", METRIC_COUNTER, METRIC_PLAIN, SINK_BYTES, "Bytes of request bodies, compressed." },
	{ "zinit_ship_queue_lines", METRIC_GAUGE, METRIC_PLAIN, SINK_QUEUED, "Lines that wait in the shipper." },
	{ "zinit_ship_queue_bytes", METRIC_GAUGE, METRIC_PLAIN, SINK_QUEUED_BYTES, "Their bytes." },
	{ "zinit_ship_lag_lines", METRIC_GAUGE, METRIC_PLAIN, SINK_LAG, "Lines written and neither acknowledged nor given up." },
	{ "zinit_ship_lag_bytes", METRIC_GAUGE, METRIC_PLAIN, SINK_LAG_BYTES, "Their bytes, of those that are in memory." },
	{ "zinit_ship_lag_seconds", METRIC_GAUGE, METRIC_NSEC, SINK_LAG_NS, "Age of the oldest of them." },
	{ "zinit_ship_last_ack_timestamp_seconds", METRIC_GAUGE, METRIC_NSEC, SINK_ACKED_AT, "When lines were acknowledged last, since 1970." },
	{ "zinit_ship_last_error_timestamp_seconds", METRIC_GAUGE, METRIC_NSEC, SINK_ERROR_AT, "When a request failed last, since 1970." },
};
/* clang-format on */

static uint64_t time_or_none(ts_ns at)
{
	return at > 0 ? (uint64_t)at : METRIC_ABSENT;
}

static void fill(uint64_t *v, const struct ship_sink_status *s)
{
	ts_ns now = time_realtime();

	v[SINK_ACKED] = s->counts.acked;
	v[SINK_SENT] = s->counts.sent;
	v[SINK_RETRIED] = s->counts.retried;
	v[SINK_LOST + LOST_DROPPED] = s->counts.dropped;
	v[SINK_LOST + LOST_OVERRUN] = s->counts.overrun;
	v[SINK_LOST + LOST_REFUSED] = s->counts.refused;
	v[SINK_LOST + LOST_ASIDE] = s->counts.aside;
	v[SINK_REQUESTS] = s->counts.requests;
	v[SINK_FAILURES] = s->counts.failures;
	v[SINK_BYTES] = s->counts.bytes;
	v[SINK_QUEUED] = s->counts.queued;
	v[SINK_QUEUED_BYTES] = s->counts.queued_bytes;
	v[SINK_LAG] = s->lag_lines;
	v[SINK_LAG_BYTES] = s->lag_bytes;
	v[SINK_LAG_NS] = s->lag_since && s->lag_since < now ? (uint64_t)(now - s->lag_since) : 0;
	v[SINK_ACKED_AT] = time_or_none(s->acked_at);
	v[SINK_ERROR_AT] = time_or_none(s->error_at);
}

int metrics_ship_gather(const struct metric_question *q, struct metric_subject *out)
{
	const struct supervisor *sup = q->call->server->supervisor;
	struct ship_sink_status status;

	if (!rpc_call_sees(q->call, CORE_NONE))
		return 0;
	for (size_t i = 0; ship_status(sup, i, &status) == 0; i++) {
		struct strbuf labels = STRBUF(4 * LIMIT_NAME + 64);
		uint64_t *v;

		metric_label(&labels, "sink", status.settings->name);
		v = metric_add(out, strbuf_steal(&labels));
		if (!v)
			return -ENOMEM;
		fill(v, &status);
	}
	return 0;
}
