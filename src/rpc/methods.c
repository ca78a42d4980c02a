/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: THE table of methods. One row drives dispatch, the check of parameters, who may call it, and rpc.discover.
 * Names, parameters and answers that zinit 0.3.9 has are as there (docs/compat.md); what is more is ours.
 */
#include <string.h>

#include "base/mem.h"
#include "rpc/method.h"

/* A month; nobody waits longer, and a slip of units is found. */
#define TIMEOUT_MAX 2678400000LL

/* clang-format off */
#define NAME { "name", PARAM_NAME, true, 0, 0, "The service." }
#define NAME_OPTIONAL { "name", PARAM_NAME, false, 0, 0, "The service; without it all." }
#define NAMES { "names", PARAM_STRINGS, false, 0, 0, "Services: names, patterns with * and ?, @tag; without it all." }
#define WAIT { "wait", PARAM_BOOL, false, 0, 0, "Answer only when the service has come to rest, with its state." }
#define TIMEOUT { "timeout_ms", PARAM_INT, false, 0, TIMEOUT_MAX, "Wait no longer than this; 0: without limit." }
#define LINES(doc) { "lines", PARAM_INT, false, 0, INT64_MAX, doc }
#define FILTERS \
	{ "since", PARAM_SCALAR, false, 0, 0, "Lines from this time on: ms since 1970, RFC 3339, \"-10m\", \"yesterday\"." }, \
	{ "stream", PARAM_STRING, false, 0, 0, "\"stdout\" or \"stderr\" only." }, \
	{ "grep", PARAM_STRING, false, 0, 0, "Lines that match this regular expression." }, \
	{ "contains", PARAM_STRING, false, 0, 0, "Lines that contain this text." }, \
	{ "ignore_case", PARAM_BOOL, false, 0, 0, "For grep and contains." }, \
	{ "level", PARAM_INT, false, 0, 7, "Lines of this syslog level or graver, by their <N> prefix." }, \
	{ "run", PARAM_INT, false, INT32_MIN, INT64_MAX, "Lines of this run only; 0: the newest, -1: the one before." }
#define CURSORS \
	{ "cursor", PARAM_STRING, false, 0, 0, "Go on after the line that had this cursor (one service)." }, \
	{ "cursors", PARAM_OBJECT, false, 0, 0, "The same for several: {service: cursor}." }
#define UNTIL { "until", PARAM_SCALAR, false, 0, 0, "Lines before this time." }
#define CONFIG \
	{ "config", PARAM_OBJECT, false, 0, 0, "The configuration: {service, dependencies, lifecycle, …} as in a file." }, \
	{ "service", PARAM_OBJECT, false, 0, 0, "In place of config: its sections as parameters." }, \
	{ "target", PARAM_OBJECT, false, 0, 0, "Section of a target." }, \
	{ "dependencies", PARAM_OBJECT, false, 0, 0, "Section." }, \
	{ "lifecycle", PARAM_OBJECT, false, 0, 0, "Section." }, \
	{ "health", PARAM_ANY, false, 0, 0, "Section, or a list of them." }, \
	{ "limits", PARAM_OBJECT, false, 0, 0, "Section." }, \
	{ "logging", PARAM_OBJECT, false, 0, 0, "Section." }
#define REST { "", PARAM_REST, false, 0, 0, "Unknown sections are told among the warnings, as in a file." }
#define PERSIST(doc) { "persist", PARAM_BOOL, false, 0, 0, doc }

static const struct rpc_param p_name[] = { NAME };
static const struct rpc_param p_name_optional[] = { NAME_OPTIONAL };
static const struct rpc_param p_reload[] = {
	{ "name", PARAM_NAME, false, 0, 0, "Tell this service alone to reload: its reload_command, else its reload_signal." } };
static const struct rpc_param p_preview[] = {
	{ "event", PARAM_STRING, true, 0, 0, "start, stop, restart, kill, exit (by itself), reload, remove; or shutdown, without a name." },
	{ "name", PARAM_NAME, false, 0, 0, "The service that it happens to." } };
static const struct rpc_param p_apply[] = {
	{ "digest", PARAM_STRING, false, 0, 0, "Of config.plan: apply exactly that plan, or nothing if it does not hold any more." } };
static const struct rpc_param p_names[] = { NAMES };
static const struct rpc_param p_metrics[] = { NAMES,
	{ "format", PARAM_STRING, false, 0, 0, "\"prometheus\" (the default: text 0.0.4) or \"openmetrics\"." },
	{ "usage", PARAM_BOOL, false, 0, 0, "With CPU and memory of each service." } };
static const struct rpc_param p_list_full[] = { NAMES,
	{ "usage", PARAM_BOOL, false, 0, 0, "With cpu_percent and memory_bytes of each." },
	{ "invalid", PARAM_BOOL, false, 0, 0, "With the files that could not be loaded, last, in state invalid." } };
static const struct rpc_param p_start[] = { NAME, WAIT, TIMEOUT,
	{ "tree", PARAM_BOOL, false, 0, 0, "Start what it requires and wants too, whatever their status says." } };
static const struct rpc_param p_change[] = { NAME, WAIT, TIMEOUT };
static const struct rpc_param p_kill[] = { NAME,
	{ "signal", PARAM_SCALAR, false, 0, 0, "Name in any spelling, or number; SIGTERM if not given." },
	{ "leader", PARAM_BOOL, false, 0, 0, "To the main process alone, not to its group." } };
static const struct rpc_param p_wait[] = { NAME,
	{ "state", PARAM_STRINGS, false, 0, 0, "States to wait for, or \"up\", \"down\", \"settled\" (which it is if not given)." },
	TIMEOUT };
static const struct rpc_param p_config[] = { CONFIG, REST };
static const struct rpc_param p_add[] = { CONFIG, PERSIST("Write it to the service directory too (default: no)."), REST };
static const struct rpc_param p_set[] = { CONFIG, PERSIST("Write it to the service directory too (default: yes)."), REST };
static const struct rpc_param p_logs_get[] = { NAME_OPTIONAL, LINES("The last so many (default 100)."), FILTERS, UNTIL };
static const struct rpc_param p_logs_tail[] = { NAME, LINES("The last so many (default 100)."), FILTERS, UNTIL };
static const struct rpc_param p_logs_filter[] = {
	{ "service", PARAM_NAME, false, 0, 0, "The service; \"name\" does as well." },
	NAME_OPTIONAL, LINES("Only the last so many; without it all."), FILTERS, UNTIL };
static const struct rpc_param p_logs_query[] = { NAME_OPTIONAL, NAMES, LINES("The last so many (default 1000)."),
	{ "limit", PARAM_INT, false, 1, INT64_MAX, "The first so many, in place of the last." }, CURSORS, FILTERS, UNTIL };
static const struct rpc_param p_logs_follow[] = { NAME_OPTIONAL, NAMES,
	LINES("So many of the lines that are there first (default 0; all, if since is given)."),
	CURSORS, FILTERS };
static const struct rpc_param p_subscribe[] = { NAMES,
	{ "cursor", PARAM_INT, false, 0, INT64_MAX, "Events after this one; without it from now on." } };
static const struct rpc_param p_subscription[] = {
	{ "subscription", PARAM_INT, true, 1, INT64_MAX, "Its number." } };
static const struct rpc_param p_incident_show[] = {
	{ "name", PARAM_STRING, true, 0, 0, "An incident's id, or a service: its newest one." } };
static const struct rpc_param p_classic_kill[] = { NAME,
	{ "signal", PARAM_SCALAR, false, 0, 0, "Name in any spelling, or number; SIGTERM if not given." } };

static const struct rpc_param p_classic_create[] = { NAME,
	{ "content", PARAM_OBJECT, true, 0, 0, "{exec, test, oneshot, shutdown_timeout, after, signal: {stop}, log, env, dir}" } };
static const struct rpc_param p_probe[] = { { "sink", PARAM_STRING, true, 0, 0, "Name of a [[ship]] table." } };
static const struct rpc_param p_upgrade[] = {
	{ "path", PARAM_STRING, false, 0, 0, "Absolute path of a zinit-server; without it what is at the path of this one by now." } };

#define PARAMS(rows) rows, ARRAY_LEN(rows)
#define NONE NULL, 0

static const struct rpc_method methods[] = {
	{ "rpc.discover", NONE, "OpenRPC", ACCESS_READ, rpc_discover, "0.3", "This document." },

	{ "system.ping", NONE, "Ping", ACCESS_READ, rpc_system_ping, "0.3", "Is the server there, and which version?" },
	{ "system.info", NONE, "Info", ACCESS_READ, rpc_system_info, "0.4", "The server: uptime, counts by state, connections." },
	{ "system.metrics", PARAMS(p_metrics), "Metrics", ACCESS_READ, rpc_system_metrics, "0.4",
	  "Figures of the server and of services as text that Prometheus reads." },
	{ "system.shutdown", NONE, "Ok", ACCESS_ADMIN, rpc_system_shutdown, "0.3", "Stop all services in order, then end." },
	{ "system.reboot", NONE, "Ok", ACCESS_ADMIN, rpc_system_reboot, "0.3", "Refused unless zinit is process 1." },
	{ "system.prepare_restart", NONE, "Prepared", ACCESS_ADMIN, rpc_system_prepare_restart, "0.3",
	  "End this server and begin it anew; services go on, and so do clients." },
	{ "system.upgrade", PARAMS(p_upgrade), "Upgraded", ACCESS_ADMIN, rpc_system_upgrade, "0.4",
	  "Let another program take this server's place, or put this one back and say why; services and clients go on." },

	{ "service.list", NONE, "Names", ACCESS_READ, rpc_service_list, "0.3", "Names of all services." },
	{ "service.list_full", PARAMS(p_list_full), "Rows", ACCESS_READ, rpc_service_list_full, "0.3",
	  "All services with their states." },
	{ "service.table", PARAMS(p_names), "Table", ACCESS_READ, rpc_service_table, "0.4",
	  "All services as rows of plain values, files that could not be loaded last: what lists show, at a tenth of the cost." },
	{ "service.status", PARAMS(p_name), "Status", ACCESS_READ, rpc_service_status, "0.3", "How it is with a service." },
	{ "service.status_full", PARAMS(p_name), "Full", ACCESS_READ, rpc_service_status_full, "0.3",
	  "The same with dependencies, CPU and memory." },
	{ "service.stats", PARAMS(p_name), "Stats", ACCESS_READ, rpc_service_stats, "0.3", "CPU and memory of its main process; total: with all its descendants." },
	{ "service.children", PARAMS(p_name), "Children", ACCESS_READ, rpc_service_children, "0.3", "Its processes beside the main one, descendants that left it included." },
	{ "service.is_running", PARAMS(p_name), "Bool", ACCESS_READ, rpc_service_is_running, "0.3", "Is it in state running?" },
	{ "service.why", PARAMS(p_name), "Why", ACCESS_READ, rpc_service_why, "0.3", "Why it is as it is, down to the root cause." },
	{ "service.preview", PARAMS(p_preview), "Preview", ACCESS_READ, rpc_service_preview, "0.4",
	  "What would happen, step by step, if all goes well." },
	{ "service.tree", PARAMS(p_name_optional), "Tree", ACCESS_READ, rpc_service_tree, "0.3", "Dependencies, as data and as text." },
	{ "service.get", PARAMS(p_name), "Config", ACCESS_READ, rpc_service_get, "0.3", "Its configuration, defaults filled in." },

	{ "service.start", PARAMS(p_start), "Changed", ACCESS_CONTROL, rpc_service_start, "0.3", "Want it up." },
	{ "service.stop", PARAMS(p_change), "Changed", ACCESS_CONTROL, rpc_service_stop, "0.3",
	  "Want it down, and first what requires it." },
	{ "service.restart", PARAMS(p_change), "Changed", ACCESS_CONTROL, rpc_service_restart, "0.3", "Stop it, then start it." },
	{ "service.kill", PARAMS(p_kill), "Ok", ACCESS_CONTROL, rpc_service_kill, "0.3", "Send a signal to its process group." },
	{ "service.wait", PARAMS(p_wait), "Changed", ACCESS_READ, rpc_service_wait, "0.4", "Answer when it is in a state." },
	{ "service.start_all", PARAMS(p_names), "Started", ACCESS_CONTROL, rpc_service_start_all, "0.3",
	  "Start all services of class user." },
	{ "service.stop_all", PARAMS(p_names), "Stopped", ACCESS_CONTROL, rpc_service_stop_all, "0.3",
	  "Stop all services of class user." },

	{ "service.set", PARAMS(p_set), "Added", ACCESS_ADMIN, rpc_service_set, "0.3", "Create a service or replace it." },
	{ "service.add", PARAMS(p_add), "Added", ACCESS_ADMIN, rpc_service_add, "0.3", "Create a service." },
	{ "service.create", PARAMS(p_add), "Added", ACCESS_ADMIN, rpc_service_add, "0.3", "Another name of service.add." },
	{ "service.register", PARAMS(p_config), "Added", ACCESS_ADMIN, rpc_service_register, "0.3",
	  "Create a service and write its file." },
	{ "service.monitor", PARAMS(p_config), "Added", ACCESS_ADMIN, rpc_service_monitor, "0.3",
	  "Create a service that is gone when the server ends." },
	{ "service.update", PARAMS(p_set), "Added", ACCESS_ADMIN, rpc_service_set, "0.3", "Another name of service.set." },
	{ "service.delete", PARAMS(p_name), "Ok", ACCESS_ADMIN, rpc_service_delete, "0.3",
	  "Stop it, forget it, delete its file." },
	{ "service.remove", PARAMS(p_name), "Ok", ACCESS_ADMIN, rpc_service_delete, "0.3", "Another name of service.delete." },
	{ "service.delete_all", PARAMS(p_names), "Deleted", ACCESS_ADMIN, rpc_service_delete_all, "0.3",
	  "Delete all services of class user." },
	{ "service.reload", PARAMS(p_reload), "Reloaded", ACCESS_ADMIN, rpc_service_reload, "0.3",
	  "Read the service directories again and apply what changed." },

	{ "config.plan", NONE, "Plan", ACCESS_ADMIN, rpc_config_plan, "0.4",
	  "What applying the service files as they are now would do: changes, and the steps that follow, in order." },
	{ "config.apply", PARAMS(p_apply), "Reloaded", ACCESS_ADMIN, rpc_config_apply, "0.4",
	  "Do it. Services go on coming up; service.wait waits for one, and tells if its new definition was taken back." },

	{ "logs.get", PARAMS(p_logs_get), "Strings", ACCESS_READ, rpc_logs_get, "0.3",
	  "The last lines in memory as text: \"MILLISECONDS [STREAM] CONTENT\"." },
	{ "logs.tail", PARAMS(p_logs_tail), "Lines", ACCESS_READ, rpc_logs_tail, "0.3", "The last lines in memory." },
	{ "logs.filter", PARAMS(p_logs_filter), "Strings", ACCESS_READ, rpc_logs_filter, "0.3",
	  "Lines in memory that match, as text." },
	{ "logs.query", PARAMS(p_logs_query), "Query", ACCESS_READ, rpc_logs_query, "0.4",
	  "Lines in memory and on disk, of several services merged by time." },
	{ "logs.stats", PARAMS(p_names), "LogStats", ACCESS_READ, rpc_logs_stats, "0.4",
	  "What became of the lines of each service: read, in memory, stored, and dropped for whom and why." },
	{ "logs.follow", PARAMS(p_logs_follow), "Following", ACCESS_READ, rpc_logs_follow, "0.4",
	  "Lines as they come, as notifications logs.follow {subscription, service, lines, cursor} on this connection. "
	  "{subscription, live: true, cursors} says that the lines that were there are sent, and where each service stands. "
	  "Lines that were overwritten before the client took them are told as {subscription, service, lost, reason}." },
	{ "events.subscribe", PARAMS(p_subscribe), "Subscribed", ACCESS_READ, rpc_events_subscribe, "0.4",
	  "Events as they come, as notifications events.subscribe {subscription, events, cursor, lost} on this connection." },
	{ "subscription.end", PARAMS(p_subscription), "Ok", ACCESS_READ, rpc_subscription_end, "0.4",
	  "End a subscription of this connection." },

	{ "incident.list", PARAMS(p_names), "Incidents", ACCESS_READ, rpc_incident_list, "0.4",
	  "What the flight recorder kept, newest first: crashes, failed health checks, kills at a time-out." },
	{ "incident.show", PARAMS(p_incident_show), "Incident", ACCESS_READ, rpc_incident_show, "0.4",
	  "One of them: states, processes, open descriptors, and the last lines of the service and what it depends on." },
	{ "ship.status", NONE, "Ship", ACCESS_READ, rpc_ship_status, "0.4",
	  "The sinks of zinit.toml: lines acknowledged, retried, lost; how far behind they are; the last error." },
	{ "ship.probe", PARAMS(p_probe), "Probed", ACCESS_ADMIN, rpc_ship_probe, "0.4",
	  "Send a test record to the receiver of a sink, on a connection of its own, and say what came back." },

	{ "debug.state", NONE, "Text", ACCESS_READ, rpc_debug_state, "0.3", "The supervisor's inner state, as text." },
	{ "debug.process_tree", PARAMS(p_name_optional), "Text", ACCESS_READ, rpc_debug_process_tree, "0.3",
	  "Processes of a service, as text." },

	{ "service_list", NONE, "Map", ACCESS_READ, rpc_classic_list, "0.2", "Classic: states by name." },
	{ "service_status", PARAMS(p_name), "ClassicStatus", ACCESS_READ, rpc_classic_status, "0.2", "Classic: how it is with a service." },
	{ "service_start", PARAMS(p_name), "Null", ACCESS_CONTROL, rpc_classic_start, "0.2", "Classic: want it up." },
	{ "service_stop", PARAMS(p_name), "Null", ACCESS_CONTROL, rpc_classic_stop, "0.2", "Classic: want it down." },
	{ "service_kill", PARAMS(p_classic_kill), "Null", ACCESS_CONTROL, rpc_classic_kill, "0.2", "Classic: send a signal." },
	{ "service_get", PARAMS(p_name), "Config", ACCESS_READ, rpc_service_get, "0.2", "Classic: its configuration." },
	{ "service_stats", PARAMS(p_name), "ClassicStats", ACCESS_READ, rpc_classic_stats, "0.2", "Classic: CPU and memory of its processes." },
	{ "service_create", PARAMS(p_classic_create), "String", ACCESS_ADMIN, rpc_classic_create, "0.2", "Classic: create a service, write its file." },
	{ "service_monitor", PARAMS(p_name), "Null", ACCESS_ADMIN, rpc_classic_monitor, "0.2",
	  "Classic: want it up; one that is not known is loaded from NAME.toml." },
	{ "service_forget", PARAMS(p_name), "Null", ACCESS_ADMIN, rpc_classic_forget, "0.2", "Classic: forget a service that is down; its file stays." },
	{ "service_delete", PARAMS(p_name), "String", ACCESS_ADMIN, rpc_classic_delete, "0.2", "Classic: stop it, forget it, delete its file." },
	{ "system_shutdown", NONE, "Null", ACCESS_ADMIN, rpc_classic_shutdown, "0.2", "Classic: stop everything and end." },
	{ "system_reboot", NONE, "Null", ACCESS_ADMIN, rpc_system_reboot, "0.2", "Classic: refused unless zinit is process 1." },
	{ "stream_currentLogs", PARAMS(p_name_optional), "Strings", ACCESS_READ, rpc_classic_logs, "0.2",
	  "Classic: lines in memory, as \"[+] NAME: text\"." },
	{ "stream_subscribeLogs", PARAMS(p_name_optional), "Number", ACCESS_READ, rpc_classic_follow, "0.2",
	  "Classic: lines as they come, as notifications stream_subscribeLogs {subscription, result: \"[+] NAME: text\"}." },
};
/* clang-format on */

const struct rpc_method *rpc_methods(size_t *out_n)
{
	*out_n = ARRAY_LEN(methods);
	return methods;
}

const struct rpc_method *rpc_method_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		if (name && strcmp(methods[i].name, name) == 0)
			return &methods[i];
	}
	return NULL;
}
