/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: who is measured, and what: the tables of metrics and where their values come from. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/service_config.h"
#include "log/log.h"
#include "process/health.h"
#include "process/stats.h"
#include "rpc/conn.h"
#include "rpc/metrics.h"
#include "rpc/metrics_ship.h"
#include "service/core.h"
#include "supervisor/ship.h"

static const char *state_label(size_t i)
{
	return service_state_name((enum service_state)i);
}

static const char *result_label(size_t i)
{
	return i == PROBE_OK ? "ok" : probe_error_name((enum probe_error)i);
}

/* Labels of one sample, `key="value"`; NULL: no memory. */
static char *one_label(const char *key, const char *value)
{
	struct strbuf text = STRBUF(4 * LIMIT_NAME + 64);

	metric_label(&text, key, value);
	return strbuf_steal(&text);
}

/* --- the build ---------------------------------------------------------------------------------------- */

static const struct metric build_rows[] = {
	{ "zinit_build", METRIC_INFO, METRIC_PLAIN, 0, "The server's version." },
};

static int gather_build(const struct metric_question *q, struct metric_subject *out)
{
	uint64_t *v = metric_add(out, one_label("version", ZINIT_VERSION));

	(void)q;
	if (v)
		v[0] = 1;
	return v ? 0 : -ENOMEM;
}

/* --- the server --------------------------------------------------------------------------------------- */

enum server_column {
	SERVER_BOOTED, SERVER_SHUTTING_DOWN, SERVER_CONNECTIONS, SERVER_CONNECTION_BYTES, SERVER_EVENTS, SERVER_BUGS,
	SERVER_OWN_DROPPED, SERVER_INVALID, SERVER_STATES, SERVER_N = SERVER_STATES + SERVICE_STATE_N
};

/* clang-format off */
static const struct metric server_rows[] = {
	{ "zinit_start_time_seconds", METRIC_GAUGE, METRIC_NSEC, SERVER_BOOTED, "When the services began to run, since 1970; kept over restarts of the server." },
	{ "zinit_shutting_down", METRIC_GAUGE, METRIC_PLAIN, SERVER_SHUTTING_DOWN, "1 while everything is being stopped." },
	{ "zinit_services", METRIC_GAUGE, METRIC_PLAIN, SERVER_STATES, "Services by state.",
	  .label = "state", .label_value = state_label, .n = SERVICE_STATE_N },
	{ "zinit_invalid_files", METRIC_GAUGE, METRIC_PLAIN, SERVER_INVALID, "Service files that could not be loaded." },
	{ "zinit_connections", METRIC_GAUGE, METRIC_PLAIN, SERVER_CONNECTIONS, "Clients of the control socket." },
	{ "zinit_connection_buffer_bytes", METRIC_GAUGE, METRIC_PLAIN, SERVER_CONNECTION_BYTES, "Memory that their requests and answers hold." },
	{ "zinit_events", METRIC_COUNTER, METRIC_PLAIN, SERVER_EVENTS, "Events announced since the services began to run." },
	{ "zinit_internal_errors", METRIC_COUNTER, METRIC_PLAIN, SERVER_BUGS, "Events that the server did not expect: bugs in zinit." },
	{ "zinit_own_log_dropped_lines", METRIC_COUNTER, METRIC_PLAIN, SERVER_OWN_DROPPED, "Lines of the server's own log that found no room." },
};
/* clang-format on */

static uint64_t invalid_files(const struct supervisor *sup)
{
	const char *path;
	const char *name;
	const char *message;
	size_t pos = 0;
	uint64_t n = 0;

	while (supervisor_invalid_next(sup, &pos, &path, &name, &message))
		n++;
	return n;
}

static int gather_server(const struct metric_question *q, struct metric_subject *out)
{
	const struct rpc_server *server = q->call->server;
	const struct supervisor *sup = server->supervisor;
	const struct core *core = supervisor_core(sup);
	uint64_t *v = metric_add(out, NULL);

	if (!v)
		return -ENOMEM;
	v[SERVER_BOOTED] = (uint64_t)supervisor_booted_at(sup);
	v[SERVER_SHUTTING_DOWN] = supervisor_is_shutting_down(sup);
	v[SERVER_CONNECTIONS] = server->conns_n;
	v[SERVER_CONNECTION_BYTES] = server->bytes;
	v[SERVER_EVENTS] = supervisor_event_last(sup);
	v[SERVER_BUGS] = core_bugs(core, NULL);
	v[SERVER_OWN_DROPPED] = log_own_dropped();
	v[SERVER_INVALID] = invalid_files(sup);
	memset(v + SERVER_STATES, 0, SERVICE_STATE_N * sizeof(*v));
	for (uint32_t id = core_next(core, CORE_NONE); id != CORE_NONE; id = core_next(core, id))
		v[SERVER_STATES + core_state(core, id)]++;
	return 0;
}

/* --- our own processes ---------------------------------------------------------------------------------- */

enum process_column { PROCESS_CPU, PROCESS_MEMORY, PROCESS_FDS, PROCESS_THREADS, PROCESS_N };

static const struct metric process_rows[] = {
	{ "zinit_process_cpu_seconds", METRIC_COUNTER, METRIC_USEC, PROCESS_CPU, "CPU time of zinit's own processes." },
	{ "zinit_process_resident_memory_bytes", METRIC_GAUGE, METRIC_PLAIN, PROCESS_MEMORY, "Their resident memory." },
	{ "zinit_process_open_fds", METRIC_GAUGE, METRIC_PLAIN, PROCESS_FDS, "Their open descriptors." },
	{ "zinit_process_threads", METRIC_GAUGE, METRIC_PLAIN, PROCESS_THREADS, "Their threads." },
};

static int gather_processes(const struct metric_question *q, struct metric_subject *out)
{
	unsigned int starts;
	const struct {
		const char *name;
		pid_t pid;
	} processes[] = {
		{ "server", getpid() },
		{ "keeper", getppid() },
		{ "prober", supervisor_prober_pid(q->call->server->supervisor) },
		{ "shipper", ship_pid(q->call->server->supervisor, &starts) },
	};

	for (size_t i = 0; i < ARRAY_LEN(processes); i++) {
		struct stats_process p;
		uint64_t *v;

		if (processes[i].pid <= 0 || stats_process(processes[i].pid, false, &p) < 0)
			continue;
		v = metric_add(out, one_label("process", processes[i].name));
		if (!v)
			return -ENOMEM;
		v[PROCESS_CPU] = p.cpu_usec;
		v[PROCESS_MEMORY] = p.rss_bytes;
		v[PROCESS_FDS] = p.fds;
		v[PROCESS_THREADS] = p.proc.threads;
	}
	return 0;
}

/* --- services ------------------------------------------------------------------------------------------- */

enum service_column {
	SVC_UP, SVC_WANTED, SVC_RESTARTS, SVC_RUNS, SVC_STARTED, SVC_EXIT_CODE, SVC_EXIT_SIGNAL,
	SVC_OOM_KILLS, SVC_NEXT_RUN, SVC_HEALTHY, SVC_STATES, SVC_CPU = SVC_STATES + SERVICE_STATE_N, SVC_MEMORY,
	SVC_PROCESSES, SVC_N
};

/* clang-format off */
static const struct metric service_rows[] = {
	{ "zinit_service_up", METRIC_GAUGE, METRIC_PLAIN, SVC_UP, "1: running, and ready." },
	{ "zinit_service_wanted", METRIC_GAUGE, METRIC_PLAIN, SVC_WANTED, "1: it is to be up." },
	{ "zinit_service_state", METRIC_GAUGE, METRIC_PLAIN, SVC_STATES, "1 for the state that it is in.",
	  .label = "state", .label_value = state_label, .n = SERVICE_STATE_N, .sparse = true },
	{ "zinit_service_restarts", METRIC_COUNTER, METRIC_PLAIN, SVC_RESTARTS, "Automatic restarts since it was last started by hand." },
	{ "zinit_service_runs", METRIC_COUNTER, METRIC_PLAIN, SVC_RUNS, "Processes it has had." },
	{ "zinit_service_start_time_seconds", METRIC_GAUGE, METRIC_NSEC, SVC_STARTED, "When its last process was started, since 1970." },
	{ "zinit_service_last_exit_code", METRIC_GAUGE, METRIC_PLAIN, SVC_EXIT_CODE, "Exit code of the last process that ended by exit." },
	{ "zinit_service_last_exit_signal", METRIC_GAUGE, METRIC_PLAIN, SVC_EXIT_SIGNAL, "Signal that ended the last process; 0: it ended by exit." },
	{ "zinit_service_oom_kills", METRIC_GAUGE, METRIC_PLAIN, SVC_OOM_KILLS, "Processes of the last run that the kernel killed for memory." },
	{ "zinit_service_next_run_time_seconds", METRIC_GAUGE, METRIC_NSEC, SVC_NEXT_RUN, "When its schedule is due next, since 1970." },
	{ "zinit_service_healthy", METRIC_GAUGE, METRIC_PLAIN, SVC_HEALTHY, "What its health checks say; none as long as they do not know." },
	{ "zinit_service_cpu_seconds", METRIC_COUNTER, METRIC_USEC, SVC_CPU, "CPU time of the service with all its descendants." },
	{ "zinit_service_memory_bytes", METRIC_GAUGE, METRIC_PLAIN, SVC_MEMORY, "Resident memory of them." },
	{ "zinit_service_processes", METRIC_GAUGE, METRIC_PLAIN, SVC_PROCESSES, "How many they are." },
};
/* clang-format on */

static void fill_run(const struct supervisor_info *info, uint64_t *v)
{
	v[SVC_RUNS] = info->run;
	if (info->started_at)
		v[SVC_STARTED] = (uint64_t)info->started_at;
	if (info->has_exited && info->exit_code >= 0)
		v[SVC_EXIT_CODE] = (uint64_t)info->exit_code;
	if (info->has_exited)
		v[SVC_EXIT_SIGNAL] = (uint64_t)info->exit_signal;
	v[SVC_OOM_KILLS] = info->oom_kills;
	if (info->next_run)
		v[SVC_NEXT_RUN] = (uint64_t)info->next_run;
	if (strcmp(info->health, "healthy") == 0 || strcmp(info->health, "unhealthy") == 0)
		v[SVC_HEALTHY] = info->health[0] == 'h';
}

static void fill_usage(struct supervisor *sup, uint32_t id, uint64_t *v)
{
	struct stats s;

	if (supervisor_stats(sup, id, false, &s) < 0)
		return;
	v[SVC_CPU] = s.cpu_usec;
	v[SVC_MEMORY] = s.rss_bytes;
	v[SVC_PROCESSES] = s.processes;
}

static int gather_services(const struct metric_question *q, struct metric_subject *out)
{
	struct supervisor *sup = q->call->server->supervisor;
	const struct core *core = supervisor_core(sup);

	for (size_t i = 0; i < q->n; i++) {
		const struct service_record *record = core_record(core, q->ids[i]);
		struct supervisor_info info;
		uint64_t *v;

		if (supervisor_info(sup, q->ids[i], &info) < 0)
			continue;
		v = metric_add(out, one_label("service", info.name));
		if (!v)
			return -ENOMEM;
		v[SVC_UP] = record->state == SERVICE_RUNNING;
		v[SVC_WANTED] = record->wish == WISH_UP;
		v[SVC_RESTARTS] = record->restarts;
		v[SVC_STATES + record->state] = 1;
		if (info.config && !info.config->is_target)
			fill_run(&info, v);
		if (q->usage && info.pid)
			fill_usage(sup, q->ids[i], v);
	}
	return 0;
}

/* --- health checks -------------------------------------------------------------------------------------- */

enum check_column { CHECK_SUM, CHECK_COUNT, CHECK_LAST, CHECK_FAILURES, CHECK_UNHEALTHY, CHECK_ERROR,
		    CHECK_RESULTS = CHECK_ERROR + PROBE_ERROR_N, CHECK_N = CHECK_RESULTS + PROBE_ERROR_N };

/* clang-format off */
static const struct metric check_rows[] = {
	{ "zinit_health_probes", METRIC_COUNTER, METRIC_PLAIN, CHECK_RESULTS, "Answers of health checks, by how they ended.",
	  .label = "result", .label_value = result_label, .n = PROBE_ERROR_N, .sparse = true },
	{ "zinit_health_probe_duration_seconds", METRIC_SUMMARY, METRIC_USEC, CHECK_SUM, "How long they took." },
	{ "zinit_health_probe_last_duration_seconds", METRIC_GAUGE, METRIC_USEC, CHECK_LAST, "How long the last one took." },
	{ "zinit_health_failures_in_a_row", METRIC_GAUGE, METRIC_PLAIN, CHECK_FAILURES, "Failures that count, since the last success." },
	{ "zinit_health_unhealthy", METRIC_GAUGE, METRIC_PLAIN, CHECK_UNHEALTHY, "1: as many as `retries` failed in a row." },
	{ "zinit_health_last_error", METRIC_GAUGE, METRIC_PLAIN, CHECK_ERROR, "1 for the error of the last probe, if it failed.",
	  .label = "error", .label_value = result_label, .n = PROBE_ERROR_N, .sparse = true },
};
/* clang-format on */

static char *check_labels(const char *service, size_t number, const char *type)
{
	struct strbuf text = STRBUF(4 * LIMIT_NAME + 64);

	metric_label(&text, "service", service);
	(void)strbuf_addf(&text, ",check=\"%zu\"", number);
	metric_label(&text, "type", type);
	return strbuf_steal(&text);
}

static void fill_check(const struct supervisor_check *check, uint64_t *v)
{
	const struct health_counts *counts = check->counts;

	v[CHECK_FAILURES] = check->failures;
	v[CHECK_UNHEALTHY] = check->unhealthy;
	if (!counts)
		return;
	v[CHECK_SUM] = counts->duration;
	v[CHECK_COUNT] = 0;
	for (size_t i = 0; i < PROBE_ERROR_N; i++) {
		v[CHECK_RESULTS + i] = counts->results[i];
		v[CHECK_COUNT] += counts->results[i];
	}
	v[CHECK_LAST] = counts->last_duration;
	if (counts->last != PROBE_OK)
		v[CHECK_ERROR + counts->last] = 1;
}

static int gather_checks(const struct metric_question *q, struct metric_subject *out)
{
	const struct supervisor *sup = q->call->server->supervisor;

	for (size_t i = 0; i < q->n; i++) {
		struct supervisor_check check;

		for (size_t number = 0; supervisor_check(sup, q->ids[i], number, &check) == 0; number++) {
			uint64_t *v = metric_add(out, check_labels(core_name(supervisor_core(sup), q->ids[i]), number, check.type));

			if (!v)
				return -ENOMEM;
			fill_check(&check, v);
		}
	}
	return 0;
}

/* --- logs ------------------------------------------------------------------------------------------------ */

enum log_drop { DROP_RATE, DROP_STORE, DROP_N };

static const char *drop_label(size_t i)
{
	static const char *const names[DROP_N] = { [DROP_RATE] = "rate_limit", [DROP_STORE] = "store" };

	return names[i];
}

enum log_column { LOG_BYTES, LOG_LINES, LOG_OVERWRITTEN, LOG_DROPPED, LOG_STORED_LINES = LOG_DROPPED + DROP_N,
		  LOG_STORED_BYTES, LOG_BEHIND, LOG_ERROR, LOG_N };

/* clang-format off */
static const struct metric log_rows[] = {
	{ "zinit_log_read_bytes", METRIC_COUNTER, METRIC_PLAIN, LOG_BYTES, "Bytes that services wrote to their output." },
	{ "zinit_log_lines", METRIC_COUNTER, METRIC_PLAIN, LOG_LINES, "Lines made of them; a long line counts once for each part." },
	{ "zinit_log_overwritten_lines", METRIC_COUNTER, METRIC_PLAIN, LOG_OVERWRITTEN, "Lines that are no longer in memory, as is their fate." },
	{ "zinit_log_dropped_lines", METRIC_COUNTER, METRIC_PLAIN, LOG_DROPPED, "Lines that were lost: over rate_limit, or before they could be stored.",
	  .label = "reason", .label_value = drop_label, .n = DROP_N },
	{ "zinit_log_stored_lines", METRIC_COUNTER, METRIC_PLAIN, LOG_STORED_LINES, "Lines written to disk." },
	{ "zinit_log_stored_bytes", METRIC_COUNTER, METRIC_PLAIN, LOG_STORED_BYTES, "Bytes written to disk." },
	{ "zinit_log_store_behind_lines", METRIC_GAUGE, METRIC_PLAIN, LOG_BEHIND, "Lines in memory that are still to be written to disk." },
	{ "zinit_log_store_errno", METRIC_GAUGE, METRIC_PLAIN, LOG_ERROR, "The error that the disk gives; 0: none." },
};
/* clang-format on */

static int add_log(struct log_engine *log, const char *name, struct metric_subject *out)
{
	struct log_service *svc = log ? log_service_find(log, name) : NULL;
	struct log_stats stats;
	uint64_t *v;

	if (!svc)
		return 0;
	log_service_stats(svc, &stats);
	v = metric_add(out, one_label("service", name));
	if (!v)
		return -ENOMEM;
	v[LOG_BYTES] = stats.ring.bytes_read;
	v[LOG_LINES] = stats.ring.lines;
	v[LOG_OVERWRITTEN] = stats.ring.overwritten;
	v[LOG_DROPPED + DROP_RATE] = stats.ring.rate_lines;
	v[LOG_DROPPED + DROP_STORE] = stats.store_dropped;
	v[LOG_STORED_LINES] = stats.stored_lines;
	v[LOG_STORED_BYTES] = stats.stored_bytes;
	v[LOG_BEHIND] = stats.store_behind;
	v[LOG_ERROR] = (uint64_t)stats.store_error;
	return 0;
}

static int gather_logs(const struct metric_question *q, struct metric_subject *out)
{
	const struct supervisor *sup = q->call->server->supervisor;
	int r = 0;

	for (size_t i = 0; i < q->n && r == 0; i++)
		r = add_log(supervisor_log(sup), core_name(supervisor_core(sup), q->ids[i]), out);
	if (r == 0 && !json_object_get(q->call->params, "names") && rpc_call_sees(q->call, CORE_NONE))
		r = add_log(supervisor_log(sup), SUPERVISOR_OWN_LOG, out);
	return r;
}

/* --- all of them ----------------------------------------------------------------------------------------- */

#define ROWS(rows) rows, ARRAY_LEN(rows)

const struct metric_source metric_sources[] = {
	{ ROWS(build_rows), 1, gather_build },
	{ ROWS(server_rows), SERVER_N, gather_server },
	{ ROWS(process_rows), PROCESS_N, gather_processes },
	{ ROWS(service_rows), SVC_N, gather_services },
	{ ROWS(check_rows), CHECK_N, gather_checks },
	{ ROWS(log_rows), LOG_N, gather_logs },
	{ metrics_ship_rows, METRICS_SHIP_ROWS, METRICS_SHIP_COLUMNS, metrics_ship_gather },
};
const size_t metric_sources_n = ARRAY_LEN(metric_sources);
