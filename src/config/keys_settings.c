/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the rows of zinit.toml. */
#include "config/keys.h"

#include "base/mem.h"
#include "config/server_settings.h"

#define AT(field) offsetof(struct server_settings, field)
#define ALLOW(field) offsetof(struct allow_rule, field)
#define SHIP(field) offsetof(struct ship_settings, field)
#define TABLE(rows, type, path)                                                                    \
	{                                                                                          \
		rows, ARRAY_LEN(rows), sizeof(type), path                                          \
	}
#define HOUR_MS (3600LL * 1000)

static const struct cfg_choice log_levels[] = {
	{ "error", DIAG_ERROR }, { "warn", DIAG_WARN },	  { "info", DIAG_INFO },
	{ "debug", DIAG_DEBUG }, { "trace", DIAG_TRACE }, { NULL, 0 },
};

static const struct cfg_choice verbs[] = {
	{ "read", ALLOW_READ },
	{ "control", ALLOW_CONTROL },
	{ "admin", ALLOW_ADMIN },
	{ NULL, 0 },
};

static const struct cfg_choice mirrors[] = {
	{ "off", LOG_MIRROR_OFF },
	{ "text", LOG_MIRROR_TEXT },
	{ "json", LOG_MIRROR_JSON },
	{ NULL, 0 },
};

static const struct cfg_choice ship_types[] = {
	{ "vector", SHIP_VECTOR },
	{ "loki", SHIP_LOKI },
	{ "otlp", SHIP_OTLP },
	{ "elasticsearch", SHIP_ELASTICSEARCH },
	{ "victorialogs", SHIP_VICTORIALOGS },
	{ "clickhouse", SHIP_CLICKHOUSE },
	{ "splunk", SHIP_SPLUNK },
	{ "syslog", SHIP_SYSLOG },
	{ "http", SHIP_HTTP },
	{ NULL, 0 },
};

static const struct cfg_choice ship_compressions[] = {
	{ "none", SHIP_COMPRESSION_NONE },
	{ "gzip", SHIP_COMPRESSION_GZIP },
	{ "zstd", SHIP_COMPRESSION_ZSTD },
	{ NULL, 0 },
};

static const struct cfg_choice ship_framings[] = {
	{ "ndjson", SHIP_FRAMING_NDJSON },
	{ "array", SHIP_FRAMING_ARRAY },
	{ NULL, 0 },
};

static const struct cfg_choice ship_failures[] = {
	{ "drop", SHIP_ON_FAILURE_DROP },
	{ "retry", SHIP_ON_FAILURE_RETRY },
	{ "spill", SHIP_ON_FAILURE_SPILL },
	{ NULL, 0 },
};

static const struct cfg_choice auth_types[] = {
	{ "none", SHIP_AUTH_NONE },
	{ "basic", SHIP_AUTH_BASIC },
	{ "bearer", SHIP_AUTH_BEARER },
	{ "header", SHIP_AUTH_HEADER },
	{ NULL, 0 },
};

static const struct cfg_key allow_rows[] = {
	{ "uid", CFG_ID, ALLOW(uid), .max = UINT32_MAX - 1LL, .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "User number of the client." },
	{ "gid", CFG_ID, ALLOW(gid), .max = UINT32_MAX - 1LL, .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "Group number of the client." },
	{ "verbs", CFG_FLAGS, ALLOW(verbs), .required = true, .choices = verbs, .apply = APPLY_LIVE,
	  .since = "0.4",
	  .doc = "What it may do: read; control (start, stop …), which includes read; admin, which "
		 "includes all." },
	{ "services", CFG_STRINGS, ALLOW(services), .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "Names, patterns or @tags the rule holds for; empty: all." },
};

static const struct cfg_table allow_record = TABLE(allow_rows, struct allow_rule, CFG_NO_FIELD);

static const struct cfg_key server_rows[] = {
	{ "socket", CFG_PATH, AT(socket), .apply = APPLY_RESTART, .since = "0.4",
	  .doc = "Control socket; unset: /run/zinit.sock, of a user $XDG_RUNTIME_DIR/zinit.sock." },
	{ "socket_mode", CFG_MODE, AT(socket_mode), .dflt = "0600", .max = 0777,
	  .apply = APPLY_RESTART, .since = "0.4", .doc = "Mode of the socket file as octal text." },
	{ "socket_group", CFG_STRING, AT(socket_group), .apply = APPLY_RESTART, .since = "0.4",
	  .doc = "Group of the socket file; unset: the server's." },
	{ "log_level", CFG_ENUM_INT, AT(log_level), .dflt = "info", .choices = log_levels,
	  .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "The least important of the server's own messages that are shown." },
	{ "shutdown_timeout_ms", CFG_MS, AT(shutdown_timeout_ms), .dflt = "90000", .min = 1,
	  .max = HOUR_MS, .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "Time after which a shutdown kills what is left." },
	{ "allow", CFG_RECORDS, AT(allow), .sub = &allow_record, .apply = APPLY_LIVE,
	  .since = "0.4",
	  .doc = "Who may do what, beside root and the server's own user, who may do all." },
};

static const struct cfg_key log_rows[] = {
	{ "dir", CFG_PATH, AT(log_dir), .apply = APPLY_RESTART, .since = "0.4",
	  .doc = "Directory of the logs; unset: /var/log/zinit, of a user "
		 "$XDG_STATE_HOME/zinit/log." },
	{ "max_total", CFG_SIZE, AT(log_max_total), .dflt = "1G", .min = 4096, .apply = APPLY_LIVE,
	  .since = "0.4", .doc = "Bytes that the logs of all services may take on disk." },
	{ "stdout", CFG_ENUM, AT(log_stdout), .dflt = "off", .choices = mirrors,
	  .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "Whether and how all lines are repeated on the server's own standard output (for "
		 "containers)." },
};

static const struct cfg_key web_rows[] = {
	{ "listen", CFG_STRING, AT(web_listen), .dflt = "127.0.0.1:9180", .min = 1,
	  .apply = APPLY_RESTART, .since = "0.4", .doc = "Address of the HTTP bridge." },
	{ "token_file", CFG_PATH, AT(web_token_file), .apply = APPLY_RESTART, .since = "0.4",
	  .doc = "File with the token that clients must show; unset: reading only." },
	{ "ui", CFG_BOOL, AT(web_ui), .dflt = "true", .apply = APPLY_RESTART, .since = "0.4",
	  .doc = "Whether the web page is served." },
	{ "metrics", CFG_BOOL, AT(web_metrics), .dflt = "true", .apply = APPLY_RESTART,
	  .since = "0.4", .doc = "Whether /metrics is served." },
};

static const struct cfg_key auth_rows[] = {
	{ "type", CFG_ENUM, SHIP(auth_type), .dflt = "none", .choices = auth_types,
	  .apply = APPLY_LIVE, .since = "0.4", .doc = "How we show who we are." },
	{ "user", CFG_STRING, SHIP(auth_user), .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "basic: the user." },
	{ "header", CFG_STRING, SHIP(auth_header), .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "header: its name, such as X-Api-Key." },
	{ "file", CFG_PATH, SHIP(auth_file), .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "File that holds the password, the token, or the header's value." },
	{ "password", CFG_TOMBSTONE, CFG_NO_FIELD, .doc = "secrets stand in files only: use file" },
	{ "token", CFG_TOMBSTONE, CFG_NO_FIELD, .doc = "secrets stand in files only: use file" },
};

static const struct cfg_key tls_rows[] = {
	{ "ca", CFG_PATH, SHIP(tls_ca), .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "Certificates to trust; unset: the system's." },
	{ "cert", CFG_PATH, SHIP(tls_cert), .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "Our own certificate." },
	{ "key", CFG_PATH, SHIP(tls_key), .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "Its private key." },
	{ "verify", CFG_BOOL, SHIP(tls_verify), .dflt = "true", .apply = APPLY_LIVE,
	  .since = "0.4", .doc = "Whether the receiver's certificate must be valid." },
};

static const struct cfg_table auth_section = TABLE(auth_rows, struct ship_settings, CFG_NO_FIELD);
static const struct cfg_table tls_section = TABLE(tls_rows, struct ship_settings, CFG_NO_FIELD);

static const struct cfg_key ship_rows[] = {
	{ "name", CFG_NAME, SHIP(name), .required = true, .min = 1, .apply = APPLY_LIVE,
	  .since = "0.4", .doc = "Name of the sink, for status and metrics." },
	{ "type", CFG_ENUM, SHIP(type), .required = true, .choices = ship_types,
	  .apply = APPLY_LIVE, .since = "0.4", .doc = "What the receiver speaks." },
	{ "endpoint", CFG_STRING, SHIP(endpoint), .required = true, .min = 1,
	  .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "Its URL; syslog: tcp://host:port or tls://host:port." },
	{ "index", CFG_STRING, SHIP(index), .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "Index (elasticsearch: \"logs-zinit-default\" if unset; splunk) or table "
		 "(clickhouse)." },
	{ "batch_size", CFG_COUNT, SHIP(batch_size), .dflt = "100", .min = 1, .max = 1000000,
	  .apply = APPLY_LIVE, .since = "0.4", .doc = "Lines that fill a batch." },
	{ "batch_bytes", CFG_SIZE, SHIP(batch_bytes), .dflt = "1M", .min = 1024, .max = 1LL << 30,
	  .apply = APPLY_LIVE, .since = "0.4", .doc = "Bytes that fill a batch." },
	{ "flush_interval_ms", CFG_MS, SHIP(flush_interval_ms), .dflt = "5000", .min = 1,
	  .max = HOUR_MS, .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "Age at which a batch is sent, full or not." },
	{ "timeout_ms", CFG_MS, SHIP(timeout_ms), .dflt = "10000", .min = 1, .max = HOUR_MS,
	  .apply = APPLY_LIVE, .since = "0.4", .doc = "How long one request may take." },
	{ "compression", CFG_ENUM, SHIP(compression), .dflt = "none", .choices = ship_compressions,
	  .apply = APPLY_LIVE, .since = "0.4", .doc = "How request bodies are compressed." },
	{ "framing", CFG_ENUM, SHIP(framing), .dflt = "ndjson", .choices = ship_framings,
	  .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "vector, http: one JSON object a line, or all of a batch in one JSON array." },
	{ "headers", CFG_PAIRS, SHIP(headers), .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "Further HTTP headers, or others in place of ours. In values {host}, {boot}, {sink}, "
		 "{service}, {lines} and {batch} (the same for a batch that is sent again) are "
		 "filled in; with {service} each batch is of one service." },
	{ "labels", CFG_PAIRS, SHIP(labels), .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "Fixed labels that each line gets; host replaces the machine's name." },
	{ "auth", CFG_SECTION, CFG_NO_FIELD, .sub = &auth_section, .apply = APPLY_LIVE,
	  .since = "0.4", .doc = "Authentication." },
	{ "tls", CFG_SECTION, CFG_NO_FIELD, .sub = &tls_section, .apply = APPLY_LIVE,
	  .since = "0.4", .doc = "TLS." },
	{ "proxy", CFG_STRING, SHIP(proxy), .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "URL of a proxy." },
	{ "unix_socket", CFG_PATH, SHIP(unix_socket), .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "Socket to connect to, whatever host the endpoint names." },
	{ "services", CFG_STRINGS, SHIP(services), .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "Names, patterns or @tags of the services that are shipped; empty: all." },
	{ "streams", CFG_STRINGS, SHIP(streams), .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "Of stdout, stderr and syslog, those that are shipped; empty: all." },
	{ "on_failure", CFG_ENUM, SHIP(on_failure), .dflt = "drop", .choices = ship_failures,
	  .apply = APPLY_LIVE, .since = "0.4",
	  .doc = "A batch that cannot be sent: drop it (counted), retry in memory, or spill to "
		 "disk." },
	{ "max_retry_ms", CFG_MS, SHIP(max_retry_ms), .dflt = "30000", .min = 1, .max = HOUR_MS,
	  .apply = APPLY_LIVE, .since = "0.4", .doc = "The longest pause between two tries." },
	{ "queue_lines", CFG_COUNT, SHIP(queue_lines), .dflt = "10000", .min = 1, .max = 10000000,
	  .apply = APPLY_LIVE, .since = "0.4", .doc = "Lines that may wait in memory." },
};

static const struct cfg_table server_section =
	TABLE(server_rows, struct server_settings, CFG_NO_FIELD);
static const struct cfg_table log_section = TABLE(log_rows, struct server_settings, CFG_NO_FIELD);
static const struct cfg_table web_section = TABLE(web_rows, struct server_settings, CFG_NO_FIELD);
static const struct cfg_table ship_record = TABLE(ship_rows, struct ship_settings, CFG_NO_FIELD);

static const struct cfg_key sections[] = {
	{ "server", CFG_SECTION, CFG_NO_FIELD, .sub = &server_section, .apply = APPLY_RESTART,
	  .since = "0.4", .doc = "The server and its control socket." },
	{ "log", CFG_SECTION, CFG_NO_FIELD, .sub = &log_section, .apply = APPLY_LIVE,
	  .since = "0.4", .doc = "Logs of all services together." },
	{ "web", CFG_SECTION, AT(web), .sub = &web_section, .apply = APPLY_RESTART, .since = "0.4",
	  .doc = "The HTTP bridge; off unless the table is there." },
	{ "ship", CFG_RECORDS, AT(ships), .sub = &ship_record, .apply = APPLY_LIVE,
	  .since = "0.4", .doc = "One receiver of log lines; [[ship]] for several." },
};

const struct cfg_table cfg_settings_table = TABLE(sections, struct server_settings, AT(path));
