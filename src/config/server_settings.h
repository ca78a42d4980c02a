/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What zinit.toml says, checked and with defaults filled in. Ownership and conventions are those of
 * service_config.h: one allocation, released whole by settings_free(), NULL for what was not set.
 */
#ifndef CONFIG_SERVER_SETTINGS_H
#define CONFIG_SERVER_SETTINGS_H

#include "base/diag.h"
#include "config/service_config.h"

/** Bits of `allow_rule.verbs`; CONTROL includes READ, ADMIN includes both. */
enum allow_verbs { ALLOW_READ = 1, ALLOW_CONTROL = 2, ALLOW_ADMIN = 4 };

/** Peers with this uid or gid (-1 = not part of the rule) may use `verbs` on the services that match. */
struct allow_rule {
	int64_t uid;
	int64_t gid;
	const char *const *services; /* patterns, "@tag" too; NULL = all */
	uint8_t verbs;               /* enum allow_verbs */
};

struct allow_rules {
	const struct allow_rule *items;
	uint32_t n;
};

CONFIG_ENUM ship_type {
	SHIP_VECTOR,
	SHIP_LOKI,
	SHIP_OTLP,
	SHIP_ELASTICSEARCH,
	SHIP_VICTORIALOGS,
	SHIP_CLICKHOUSE,
	SHIP_SPLUNK,
	SHIP_SYSLOG,
	SHIP_HTTP,
};
CONFIG_ENUM ship_compression { SHIP_COMPRESSION_NONE, SHIP_COMPRESSION_GZIP, SHIP_COMPRESSION_ZSTD };
CONFIG_ENUM ship_framing { SHIP_FRAMING_NDJSON, SHIP_FRAMING_ARRAY };
CONFIG_ENUM ship_on_failure { SHIP_ON_FAILURE_DROP, SHIP_ON_FAILURE_RETRY, SHIP_ON_FAILURE_SPILL };
CONFIG_ENUM ship_auth_type { SHIP_AUTH_NONE, SHIP_AUTH_BASIC, SHIP_AUTH_BEARER, SHIP_AUTH_HEADER };
/** Mirror of all lines on the server's own stdout. */
CONFIG_ENUM log_mirror { LOG_MIRROR_OFF, LOG_MIRROR_TEXT, LOG_MIRROR_JSON };

/** One [[ship]] table. Secrets stand in files: the configuration holds their paths only. */
struct ship_settings {
	const char *name;
	const char *endpoint;
	const char *index;          /* Elasticsearch index, ClickHouse table, Splunk index */
	const char *proxy;
	const char *unix_socket;    /* connect here instead of the endpoint's host */
	const char *const *headers; /* "Name=value" */
	const char *const *labels;  /* "key=value" */
	const char *const *services; /* patterns, "@tag" too; NULL = all */
	const char *const *streams; /* "stdout", "stderr", "syslog"; NULL = all */
	const char *auth_user;
	const char *auth_header; /* SHIP_AUTH_HEADER: its name */
	const char *auth_file;   /* holds the password, token or header value */
	const char *tls_ca;
	const char *tls_cert;
	const char *tls_key;
	uint64_t batch_bytes;
	uint32_t batch_size;
	uint32_t flush_interval_ms;
	uint32_t timeout_ms;
	uint32_t max_retry_ms; /* longest pause between two tries */
	uint32_t queue_lines;
	enum ship_type type;
	enum ship_compression compression;
	enum ship_framing framing;
	enum ship_on_failure on_failure;
	enum ship_auth_type auth_type;
	bool tls_verify;
};

struct ships {
	const struct ship_settings *items;
	uint32_t n;
};

struct server_settings {
	const char *path; /* the file, NULL if there is none */

	/* [server] */
	const char *socket; /* NULL = the default of the user */
	const char *socket_group;
	struct allow_rules allow;
	uint32_t shutdown_timeout_ms;
	uint16_t socket_mode;
	enum diag_level log_level;

	/* [log] */
	const char *log_dir; /* NULL = the default of the user */
	uint64_t log_max_total;
	enum log_mirror log_stdout;

	/* [web] */
	bool web; /* the table is there */
	bool web_ui;
	bool web_metrics;
	const char *web_listen;
	const char *web_token_file;

	/* [[ship]] */
	struct ships ships;
};

static inline void settings_free(struct server_settings *s)
{
	free(s);
}
DEFINE_AUTO(struct server_settings, auto_server_settings, settings_free)

/** True if both say the same. */
bool settings_equal(const struct server_settings *a, const struct server_settings *b);

#endif
