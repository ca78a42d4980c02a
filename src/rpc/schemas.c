/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the schemas of results (JSON Schema, draft 7), by the names that the table of methods uses. */
#include <stddef.h>

#include "rpc/method.h"

#define STR "{\"type\":\"string\"}"
#define INT "{\"type\":\"integer\"}"
#define NUM "{\"type\":\"number\"}"
#define BOOLEAN "{\"type\":\"boolean\"}"
#define STR_OR_NULL "{\"type\":[\"string\",\"null\"]}"
#define INT_OR_NULL "{\"type\":[\"integer\",\"null\"]}"
#define STRS "{\"type\":\"array\",\"items\":" STR "}"
#define REF(name) "{\"$ref\":\"#/components/schemas/" name "\"}"
#define LIST(name) "{\"type\":\"array\",\"items\":" REF(name) "}"
/* Answers may grow members: clients must pass over what they do not know. */
#define OBJECT(required, properties) \
	"{\"type\":\"object\",\"required\":[" required "],\"properties\":{" properties "}}"
#define STATES "\"inactive\",\"blocked\",\"starting\",\"running\",\"stopping\",\"exited\",\"failed\""
#define ADDITIONS \
	"\"uptime_ms\":" INT ",\"ready_duration_us\":" INT ",\"restart_count\":" INT ",\"last_start\":" INT ",\"last_stop\":" INT ",\"exit_signal\":" INT \
	",\"blocked_by\":" STRS ",\"wish\":{\"enum\":[\"up\",\"down\"]},\"health\":" STR ",\"health_error\":" STR_OR_NULL \
	",\"health_error_kind\":" STR_OR_NULL ",\"health_error_value\":" INT ",\"health_output\":" STR_OR_NULL ",\"health_attempts\":" INT \
	",\"health_duration_us\":" INT ",\"status_text\":" STR_OR_NULL \
	",\"run\":" INT ",\"schedule\":" STR_OR_NULL ",\"next_run\":" INT ",\"next_start_ms\":" INT ",\"description\":" STR_OR_NULL ",\"class\":{\"enum\":[\"user\",\"system\"]}" \
	",\"undone\":" STR_OR_NULL ",\"on_trial\":" BOOLEAN ",\"oom_kills\":" INT ",\"log_error\":" STR_OR_NULL ",\"log_dropped\":" INT ",\"oneshot\":" BOOLEAN ",\"path\":" STR_OR_NULL ",\"tags\":" STRS
#define INCIDENT_HEAD \
	"\"id\":" STR ",\"service\":" STR ",\"kind\":{\"enum\":[\"crash\",\"health\",\"start_timeout\",\"stop_timeout\"]}" \
	",\"time\":" STR ",\"timestamp_ms\":" INT ",\"run\":" INT ",\"pid\":" INT ",\"text\":" STR
#define BULK(done) \
	OBJECT("\"" done "\",\"failed\"", "\"" done "\":" STRS ",\"failed\":{\"type\":\"array\",\"items\":" \
	       OBJECT("\"name\",\"error\"", "\"name\":" STR ",\"error\":" STR) "}")

static const struct {
	const char *name, *schema;
} schemas[] = {
	{ "OpenRPC", OBJECT("\"openrpc\",\"info\",\"methods\"", "\"openrpc\":" STR ",\"info\":{\"type\":\"object\"},"
								"\"methods\":{\"type\":\"array\"}") },
	{ "Ok", OBJECT("\"ok\"", "\"ok\":{\"const\":true}") },
	{ "Bool", BOOLEAN },
	{ "String", STR },
	{ "Number", INT },
	{ "ClassicUsage", OBJECT("\"pid\",\"memory_usage\",\"cpu_usage\"", "\"pid\":" INT ",\"memory_usage\":" INT ",\"cpu_usage\":" NUM) },
	{ "ClassicStats", OBJECT("\"name\",\"pid\",\"memory_usage\",\"cpu_usage\",\"children\"",
				 "\"name\":" STR ",\"pid\":" INT ",\"memory_usage\":" INT ",\"cpu_usage\":" NUM ",\"children\":" LIST("ClassicUsage")) },
	{ "Null", "{\"type\":\"null\"}" },
	{ "Names", STRS },
	{ "Strings", STRS },
	{ "Map", "{\"type\":\"object\",\"additionalProperties\":" STR "}" },
	{ "Text", OBJECT("\"output\"", "\"output\":" STR) },
	{ "Prepared", OBJECT("\"ready\",\"state_path\"", "\"ready\":{\"const\":true},\"state_path\":" STR) },
	{ "Upgraded", OBJECT("\"ok\",\"from\",\"to\"", "\"ok\":{\"const\":true},\"from\":" STR ",\"to\":" STR ",\"text\":" STR
			     ",\"gap_us\":" INT) },
	{ "Ping", OBJECT("\"version\"", "\"version\":" STR) },
	{ "Info", OBJECT("\"version\",\"pid\",\"services\"",
			 "\"version\":" STR ",\"pid\":" INT ",\"booted_at_ms\":" INT ",\"uptime_ms\":" INT ",\"socket\":" STR
			 ",\"shutting_down\":" BOOLEAN ",\"services\":{\"type\":\"object\",\"additionalProperties\":" INT "}"
			 ",\"connections\":" INT ",\"connection_bytes\":" INT ",\"last_upgrade\":" STR_OR_NULL ",\"event_cursor\":" INT
			 ",\"internal_errors\":" INT ",\"last_internal_error\":" STR_OR_NULL ",\"keeper_pid\":" INT
			 ",\"service_dirs\":" STRS ",\"log_dir\":" STR_OR_NULL ",\"cgroups\":" BOOLEAN ",\"no_cgroups\":" STR_OR_NULL) },
	{ "Metrics", OBJECT("\"content_type\",\"text\"", "\"content_type\":" STR ",\"text\":" STR) },
	{ "Reason", "{\"oneOf\":[{\"type\":\"null\"}," OBJECT("\"type\"",
			"\"type\":{\"enum\":[\"exit_code\",\"signal\",\"start_timeout\",\"stop_timeout\",\"health_check_failed\","
			"\"dependency_failed\",\"spawn_error\",\"missing_dependency\"]},\"text\":" STR ",\"gave_up\":" BOOLEAN
			",\"code\":" INT ",\"signal\":" INT ",\"attempts\":" INT ",\"service\":" STR ",\"dependency\":" STR
			",\"message\":" STR ",\"errno\":" INT) "]}" },
	{ "State", OBJECT("\"state\"", "\"state\":{\"enum\":[" STATES ",\"invalid\"]},\"pid\":" INT ",\"exit_code\":" INT_OR_NULL
			  ",\"reason\":" REF("Reason") ",\"waiting_on\":" STRS) },
	{ "Row", OBJECT("\"name\",\"state\",\"is_target\",\"pid\"",
			"\"name\":" STR ",\"state\":" REF("State") ",\"is_target\":" BOOLEAN ",\"pid\":" INT
			",\"exit_code\":" INT_OR_NULL ",\"error\":" STR
			",\"cpu_percent\":" NUM ",\"memory_bytes\":" INT "," ADDITIONS) },
	{ "Rows", LIST("Row") },
	{ "Table", OBJECT("\"columns\",\"rows\"", "\"columns\":" STRS ",\"rows\":{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":"
			  "{\"type\":[\"string\",\"integer\"]}}}") },
	{ "Status", OBJECT("\"name\",\"state\",\"pid\"",
			   "\"name\":" STR ",\"state\":{\"enum\":[" STATES "]},\"pid\":" INT ",\"exit_code\":" INT ",\"error\":" STR
			   ",\"reason\":" REF("Reason") ",\"is_target\":" BOOLEAN "," ADDITIONS) },
	{ "Dependency", OBJECT("\"name\",\"dep_type\",\"satisfied\",\"state\"",
			       "\"name\":" STR ",\"dep_type\":{\"enum\":[\"requires\",\"after\",\"wants\",\"conflicts\"]}"
			       ",\"satisfied\":" BOOLEAN ",\"state\":{\"oneOf\":[{\"type\":\"null\"}," REF("State") "]}") },
	{ "Full", OBJECT("\"name\",\"state\",\"is_target\",\"uptime_secs\",\"dependencies\"",
			 "\"name\":" STR ",\"state\":" REF("State") ",\"is_target\":" BOOLEAN ",\"pid\":" INT
			 ",\"exit_code\":" INT_OR_NULL ",\"uptime_secs\":" INT_OR_NULL ",\"dependencies\":" LIST("Dependency")
			 ",\"cpu_percent\":" NUM ",\"memory_bytes\":" INT "," ADDITIONS) },
	{ "Stats", OBJECT("\"pid\",\"cpu_percent\",\"memory_bytes\"",
			  "\"pid\":" INT ",\"cpu_percent\":" NUM ",\"memory_bytes\":" INT ",\"total\":" REF("Total")) },
	{ "Total", OBJECT("\"cpu_percent\",\"rss_bytes\",\"processes\"",
			  "\"cpu_percent\":" NUM ",\"cpu_ms\":" INT ",\"rss_bytes\":" INT ",\"pss_bytes\":" INT
			  ",\"read_bytes\":" INT ",\"write_bytes\":" INT ",\"processes\":" INT ",\"threads\":" INT
			  ",\"fds\":" INT ",\"cgroup\":" BOOLEAN) },
	{ "Process", OBJECT("\"pid\",\"name\",\"memory_bytes\"", "\"pid\":" INT ",\"ppid\":" INT ",\"name\":" STR
			    ",\"memory_bytes\":" INT ",\"cpu_percent\":" NUM) },
	{ "Children", OBJECT("\"children\"", "\"children\":" LIST("Process")) },
	{ "Step", OBJECT("\"text\",\"rule\",\"root\"", "\"service\":" STR_OR_NULL ",\"state\":" STR_OR_NULL ",\"rule\":" STR
			 ",\"root\":" BOOLEAN ",\"text\":" STR) },
	{ "Why", OBJECT("\"name\",\"blocked\",\"waiting_on\",\"conflicts_with\",\"ascii\"",
			"\"name\":" STR ",\"blocked\":" BOOLEAN ",\"waiting_on\":" STRS ",\"conflicts_with\":" STRS
			",\"port_conflict\":" STR ",\"ascii\":" STR ",\"state\":" STR ",\"reason\":" REF("Reason")
			",\"next_start_ms\":" INT ",\"undone\":" STR_OR_NULL ",\"steps\":" LIST("Step")) },
	{ "Node", OBJECT("\"name\",\"state\"", "\"name\":" STR ",\"state\":" STR ",\"requires\":" STRS ",\"after\":" STRS
			 ",\"wants\":" STRS ",\"conflicts\":" STRS) },
	{ "Tree", OBJECT("\"ascii\",\"nodes\"", "\"ascii\":" STR ",\"nodes\":" LIST("Node")) },
	{ "Config", "{\"type\":\"object\"}" },
	{ "Line", OBJECT("\"service\",\"stream\",\"content\",\"timestamp_ms\"",
			 "\"service\":" STR ",\"stream\":{\"enum\":[\"stdout\",\"stderr\"]},\"content\":" STR
			 ",\"timestamp_ms\":" INT ",\"timestamp_ns\":" INT ",\"time\":" STR ",\"base64\":" STR ",\"run\":" INT
			 ",\"partial\":" BOOLEAN ",\"continued\":" BOOLEAN ",\"unterminated\":" BOOLEAN ",\"lost\":" INT
			 ",\"reason\":" STR ",\"cursor\":" STR) },
	{ "Lines", LIST("Line") },
	{ "LogStats", "{\"type\":\"array\",\"items\":" OBJECT("\"service\",\"bytes_read\",\"lines_read\",\"dropped\"",
			"\"service\":" STR ",\"bytes_read\":" INT ",\"lines_read\":" INT ",\"pending_bytes\":" INT ",\"lines_in_memory\":" INT
			",\"lines_overwritten\":" INT ",\"stored_lines\":" INT ",\"stored_bytes\":" INT ",\"store_behind\":" INT
			",\"store_error\":" STR_OR_NULL ",\"repaired_bytes\":" INT ",\"followers\":" INT ",\"rate_limit_bytes\":" INT
			",\"dropped\":{\"type\":\"array\",\"items\":" OBJECT("\"consumer\",\"lines\",\"why\"", "\"consumer\":" STR
			",\"lines\":" INT ",\"why\":" STR_OR_NULL) "}") "}" },
	{ "Query", OBJECT("\"lines\",\"truncated\",\"cursors\"",
			  "\"lines\":" LIST("Line") ",\"truncated\":" BOOLEAN ",\"error\":" STR_OR_NULL ",\"cursors\":" REF("Map")) },
	{ "Changed", OBJECT("\"ok\"", "\"ok\":" BOOLEAN ",\"reached\":" BOOLEAN ",\"name\":" STR ",\"state\":" STR ",\"pid\":" INT
			    ",\"timed_out\":" BOOLEAN ",\"undone\":" STR_OR_NULL ",\"reason\":" REF("Reason") ",\"why\":" STRS ",\"logs\":" LIST("Line")
			    ",\"survivors\":{\"type\":\"array\",\"items\":" OBJECT("\"pid\",\"command\"", "\"pid\":" INT
			    ",\"command\":" STR) "}") },
	{ "Started", BULK("started") },
	{ "Stopped", BULK("stopped") },
	{ "Deleted", BULK("deleted") },
	{ "Added", OBJECT("\"name\",\"path\",\"warnings\"", "\"name\":" STR ",\"path\":" STR_OR_NULL ",\"warnings\":" STRS) },
	{ "Change", OBJECT("\"action\",\"name\",\"text\"", "\"action\":{\"enum\":[\"added\",\"changed\",\"restarted\",\"removed\","
			   "\"invalid\"]},\"name\":" STR ",\"text\":" STR) },
	{ "Reloaded", OBJECT("",
			     "\"ok\":" BOOLEAN ",\"digest\":" STR ",\"changes\":" LIST("Change") ",\"added\":" INT ",\"changed\":" INT ",\"restarted\":" INT
			     ",\"removed\":" INT ",\"unchanged\":" INT ",\"invalid\":" INT) },
	{ "IncidentHead", OBJECT("\"id\",\"service\",\"kind\",\"time\",\"text\"", INCIDENT_HEAD) },
	{ "Incidents", OBJECT("\"incidents\",\"lost\"", "\"incidents\":" LIST("IncidentHead") ",\"lost\":" INT) },
	{ "Incident", OBJECT("\"id\",\"service\",\"kind\",\"time\",\"text\",\"services\",\"processes\",\"lines\"",
			     INCIDENT_HEAD ",\"exit\":{\"type\":[\"object\",\"null\"]},\"unrecorded\":" INT
			     ",\"services\":{\"type\":\"array\"},\"processes_n\":" INT ",\"processes\":{\"type\":\"array\"}"
			     ",\"lines\":" LIST("Line") ",\"lines_cut\":" BOOLEAN) },
	{ "PlanStep", OBJECT("\"action\",\"name\",\"reason\"",
			     "\"action\":{\"enum\":[\"adds\",\"updates\",\"removes\",\"starts\",\"stops\",\"ends\",\"fails\","
			     "\"waits\"]},\"name\":" STR ",\"reason\":" STR) },
	{ "Preview", OBJECT("\"event\",\"steps\"", "\"event\":" STR ",\"steps\":" LIST("PlanStep")) },
	{ "PlannedChange", OBJECT("\"action\",\"name\",\"path\",\"keys\",\"text\"",
				  "\"action\":{\"enum\":[\"add\",\"live\",\"restart\",\"start\",\"keep\",\"remove\",\"invalid\"]}"
				  ",\"name\":" STR ",\"path\":" STR_OR_NULL ",\"text\":" STR ",\"undone\":" STR_OR_NULL
				  ",\"keys\":{\"type\":\"array\",\"items\":"
				  OBJECT("\"key\",\"apply\"", "\"key\":" STR ",\"apply\":{\"enum\":[\"live\",\"restart\"]},\"line\":" INT
					 ",\"column\":" INT) "}") },
	{ "Plan", OBJECT("\"digest\",\"changes\",\"steps\",\"unchanged\"",
			 "\"digest\":" STR ",\"changes\":" LIST("PlannedChange") ",\"steps\":" LIST("PlanStep") ",\"unchanged\":" INT) },
	{ "Following", OBJECT("\"subscription\",\"services\"", "\"subscription\":" INT ",\"services\":" STRS) },
	{ "Subscribed", OBJECT("\"subscription\",\"cursor\"", "\"subscription\":" INT ",\"cursor\":" INT) },
	{ "Sink", OBJECT("\"name\",\"type\",\"phase\",\"acked\",\"lag_lines\"",
			 "\"name\":" STR ",\"type\":" STR ",\"endpoint\":" STR ",\"on_failure\":{\"enum\":[\"drop\",\"retry\",\"spill\"]}"
			 ",\"phase\":{\"enum\":[\"not started\",\"idle\",\"gathering\",\"sending\",\"retrying\",\"paused\",\"unknown\"]}"
			 ",\"sent\":" INT ",\"acked\":" INT ",\"retried\":" INT ",\"dropped\":" INT ",\"overrun\":" INT
			 ",\"refused\":" INT ",\"set_aside\":" INT ",\"filtered\":" INT ",\"gap_records\":" INT
			 ",\"requests\":" INT ",\"failures\":" INT ",\"bytes\":" INT ",\"plain_bytes\":" INT
			 ",\"queued\":" INT ",\"queued_bytes\":" INT ",\"batch\":" INT ",\"lag_lines\":" INT
			 ",\"lag_bytes\":" INT ",\"lag_ms\":" INT ",\"acked_at_ms\":" INT_OR_NULL
			 ",\"error_at_ms\":" INT_OR_NULL ",\"error\":" STR_OR_NULL) },
	{ "Ship", OBJECT("\"pid\",\"starts\",\"sinks\"", "\"pid\":" INT ",\"starts\":" INT ",\"sinks\":" LIST("Sink")) },
	{ "Probed", OBJECT("\"sink\",\"taken\",\"took_ms\",\"text\"",
			   "\"sink\":" STR ",\"taken\":" BOOLEAN ",\"took_ms\":" INT ",\"text\":" STR) },
	{ "ClassicStatus", OBJECT("\"name\",\"pid\",\"state\",\"target\",\"after\"",
				  "\"name\":" STR ",\"pid\":" INT ",\"state\":" STR ",\"target\":" STR ",\"after\":" REF("Map")) },
};

void rpc_schemas_write(struct json_out *out)
{
	json_out_open_object(out);
	for (size_t i = 0; i < sizeof(schemas) / sizeof(schemas[0]); i++) {
		json_out_key(out, schemas[i].name);
		json_out_raw(out, schemas[i].schema);
	}
	json_out_close_object(out);
}
