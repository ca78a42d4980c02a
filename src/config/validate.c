/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the rules that concern more than one key, or the inner form of a text. */
#include "config/validate.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/str.h"
#include "config/tree.h"

/* The node of "section.key", or the section's, or the root. */
static const struct doc_node *locate(const struct doc_node *root, const char *path)
{
	const struct doc_node *at = root;

	while (*path) {
		size_t len = strcspn(path, ".");
		const struct doc_node *next = doc_get(at, path, len);

		if (!next)
			return at;
		at = next;
		path += len + (path[len] == '.');
	}
	return at;
}

/* Sets the path of the problem that follows to `path`. */
static struct doc_place blame(struct decoder *d, const struct doc_node *root, const char *path)
{
	(void)str_copy(d->path, sizeof(d->path), path);
	return locate(root, path)->at;
}

#define FAIL(d, root, path, ...) decoder_error(d, blame(d, root, path), __VA_ARGS__)

/* One of several records, such as a [[ship]]. */
struct record {
	const char *name;
	const struct doc_node *node;
	uint32_t index, n;
};

/* The same as blame() for a key of a record. */
static struct doc_place blame_record(struct decoder *d, const struct record *r, const char *path)
{
	if (r->n > 1)
		(void)snprintf(d->path, sizeof(d->path), "%s[%u].%s", r->name, r->index,
			       path); /* never cut */
	else
		(void)snprintf(d->path, sizeof(d->path), "%s.%s", r->name, path); /* never cut */
	return locate(r->node, path)->at;
}

#define FAIL_RECORD(d, record, path, ...)                                                          \
	decoder_error(d, blame_record(d, record, path), __VA_ARGS__)

bool validate_address(const char *s)
{
	const char *colon = strrchr(s, ':');
	int64_t port;

	if (str_starts(s, "unix:"))
		return s[5] == '/' &&
		       strlen(s + 5) < sizeof(((struct sockaddr_un *)NULL)->sun_path);
	if (!colon || colon == s || parse_int(colon + 1, 1, 65535, &port) < 0)
		return false;
	if (s[0] == '[')
		return colon[-1] == ']' && colon - s > 3;
	return memchr(s, ':', (size_t)(colon - s)) == NULL && strcspn(s, " \t/") == strlen(s);
}

/* --- health ----------------------------------------------------------------------------------- */

static const char *tcp_target(const struct config_command *t)
{
	if (!t->text || !validate_address(t->text))
		return "expected host:port, [v6]:port or unix:/path";
	return NULL;
}

static const char *http_target(const struct config_command *t)
{
	const char *scheme = t->text ? strstr(t->text, "://") : NULL;

	/* the reference takes host:port too */
	if (!t->text || (scheme && !scheme[3]) ||
	    (scheme && !str_starts(t->text, "http://") && !str_starts(t->text, "https://")))
		return "expected a URL such as \"http://127.0.0.1:8080/health\"";
	return NULL;
}

static const char *exec_target(const struct config_command *t)
{
	return t->text || t->argv ? NULL : "expected a command";
}

static const char *notify_target(const struct config_command *t)
{
	int64_t fd;

	if (t->argv ||
	    (t->text && !(str_starts(t->text, "fd:") && parse_int(t->text + 3, 3, LIMIT_SERVICE_FD, &fd) == 0)))
		return "expected \"fd:N\" with N from 3 to " STR_OF(LIMIT_SERVICE_FD) ", or nothing (sd_notify)";
	return NULL;
}

static const char *log_target(const struct config_command *t)
{
	return t->text ? NULL : "expected a regular expression";
}

static void validate_health(struct decoder *d, const struct doc_node *root,
			    const struct health_configs *all)
{
	static const char *(*const checks[])(const struct config_command *t) = {
		[CONFIG_HEALTH_TCP] = tcp_target,   [CONFIG_HEALTH_HTTP] = http_target,
		[CONFIG_HEALTH_EXEC] = exec_target, [CONFIG_HEALTH_NOTIFY] = notify_target,
		[CONFIG_HEALTH_LOG] = log_target,
	};
	const struct doc_node *node = doc_get(root, "health", strlen("health"));
	const struct doc_node *item = node && node->type == DOC_ARRAY ? node->children.first : node;

	for (uint32_t i = 0; i < all->n && item; i++, item = item->next) {
		const struct record record = { "health", item, i, all->n };
		const char *wrong = checks[all->items[i].type](&all->items[i].target);

		if (wrong)
			FAIL_RECORD(d, &record, "target", "%s", wrong);
	}
}

/* --- services --------------------------------------------------------------------------------- */

static bool has_item(const char *const *list, const char *name)
{
	for (; list && *list; list++) {
		if (strcmp(*list, name) == 0)
			return true;
	}
	return false;
}

static void validate_dependencies(struct decoder *d, const struct doc_node *root,
				  const struct service_config *c)
{
	const struct {
		const char *path;
		const char *const *list;
	} kinds[] = {
		{ "dependencies.requires", c->requires },
		{ "dependencies.after", c->after },
		{ "dependencies.wants", c->wants },
	};

	for (size_t i = 0; c->name && i < ARRAY_LEN(kinds); i++) {
		if (has_item(kinds[i].list, c->name))
			FAIL(d, root, kinds[i].path, "'%s' cannot depend on itself", c->name);
	}
	if (c->name && has_item(c->conflicts, c->name))
		decoder_warn(d, blame(d, root, "dependencies.conflicts"),
			     "'%s' conflicts with itself: that has no effect", c->name);
	for (const char *const *name = c->conflicts; name && *name; name++) {
		if (has_item(c->requires, *name))
			decoder_warn(d, blame(d, root, "dependencies.conflicts"),
				     "'%s' is required too: this never starts", *name);
	}
}

static void validate_target(struct decoder *d, const struct doc_node *root)
{
	for (size_t i = 0; i < cfg_service_table.n; i++) {
		const struct cfg_key *section = &cfg_service_table.keys[i];
		const struct doc_node *node = doc_get(root, section->name, strlen(section->name));

		if (node && node->type != DOC_NULL && !tree_has_section(section, true))
			decoder_doubt(d, blame(d, root, section->name),
				      "a target has no process: [target] and [dependencies] only");
	}
}

static void validate_lifecycle(struct decoder *d, const struct doc_node *root,
			       const struct service_config *c)
{
	const struct doc_node *lifecycle = doc_get(root, "lifecycle", strlen("lifecycle"));

	/* a long first delay alone raises the cap with it: see load.c */
	if (c->restart_delay_max_ms < c->restart_delay_ms &&
	    doc_get(lifecycle, "restart_delay_max_ms", strlen("restart_delay_max_ms")))
		FAIL(d, root, "lifecycle.restart_delay_max_ms",
		     "must be at least restart_delay_ms (%u)", c->restart_delay_ms);
	for (const char *const *path = c->watch; path && *path; path++) {
		if (**path != '/' || strlen(*path) >= PATH_MAX)
			FAIL(d, root, "service.watch", "expected absolute paths, found \"%.200s\"", *path);
	}
	if (c->schedule && !validate_schedule(c->schedule))
		FAIL(d, root, "lifecycle.schedule",
		     "expected five cron fields such as \"0 3 * * *\", or \"@every 10m\", found "
		     "\"%.64s\"",
		     c->schedule);
	if (c->schedule && !c->oneshot)
		FAIL(d, root, "lifecycle.schedule",
		     "only a oneshot can have a schedule: set oneshot = true");
}

static void validate_env(struct decoder *d, const struct doc_node *root,
			 const struct service_config *c)
{
	for (const char *const *file = c->env_file; file && *file; file++) {
		const char *path = **file == '-' ? *file + 1 : *file;

		if (*path != '/')
			FAIL(d, root, "service.env_file",
			     "expected an absolute path, found \"%.48s\"", path);
	}
}

void validate_service(struct decoder *d, const struct doc_node *root,
		      const struct service_config *c)
{
	validate_dependencies(d, root, c);
	if (c->is_target) {
		validate_target(d, root);
		return;
	}
	validate_env(d, root, c);
	if (problems_failed(d->problems))
		return; /* the rules below judge values: they must be those of the file */
	validate_lifecycle(d, root, c);
	validate_health(d, root, &c->health);
}

/* --- server settings -------------------------------------------------------------------------- */

/* A label can't have the name of a field that the formats have themselves; "host" may be replaced. */
static void validate_labels(struct decoder *d, const struct record *item, const struct ship_settings *s)
{
	static const char *const taken[] = { "timestamp", "timestamp_ns", "service", "service_name", "stream",	 "run",
					     "pid",	  "level",	  "id",	     "content",	     "partial",	 "continued",
					     "lost",	  "lost_bytes",	  "lost_to", "lost_why" };

	for (const char *const *l = s->labels; l && *l; l++) {
		size_t len = strcspn(*l, "=");

		for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
			if (strlen(taken[i]) == len && memcmp(taken[i], *l, len) == 0)
				FAIL_RECORD(d, item, "labels", "'%s' is a field that each line has already", taken[i]);
		}
	}
}

/* What the receivers of a type don't take. */
static void validate_ship_type(struct decoder *d, const struct record *item, const struct ship_settings *s)
{
	bool zstd = s->compression == SHIP_COMPRESSION_ZSTD;
	bool array = s->framing == SHIP_FRAMING_ARRAY;

	if (s->type == SHIP_CLICKHOUSE && !s->index && !strstr(s->endpoint, "query="))
		FAIL_RECORD(d, item, "index", "missing: the table to insert into");
	if (zstd && (s->type == SHIP_LOKI || s->type == SHIP_ELASTICSEARCH || s->type == SHIP_SPLUNK))
		FAIL_RECORD(d, item, "compression", "this type of receiver takes no zstd: use \"gzip\"");
	if (s->type == SHIP_SYSLOG && s->compression != SHIP_COMPRESSION_NONE)
		FAIL_RECORD(d, item, "compression", "there is none in syslog");
	if (array && s->type != SHIP_VECTOR && s->type != SHIP_HTTP)
		FAIL_RECORD(d, item, "framing", "for types vector and http only");
}

static void validate_ship(struct decoder *d, const struct record *item,
			  const struct ship_settings *s)
{
	bool url = str_starts(s->endpoint, "http://") || str_starts(s->endpoint, "https://");
	bool syslog = str_starts(s->endpoint, "tcp://") || str_starts(s->endpoint, "tls://");

	if (s->type == SHIP_SYSLOG ? !syslog : !url)
		FAIL_RECORD(d, item, "endpoint", "expected %s",
			    s->type == SHIP_SYSLOG ? "tcp://host:port or tls://host:port"
						   : "an http:// or https:// URL");
	if (s->auth_type != SHIP_AUTH_NONE && !s->auth_file)
		FAIL_RECORD(d, item, "auth.file", "missing: the file that holds the secret");
	if (s->auth_type == SHIP_AUTH_BASIC && !s->auth_user)
		FAIL_RECORD(d, item, "auth.user", "missing");
	if (s->auth_type == SHIP_AUTH_HEADER && !s->auth_header)
		FAIL_RECORD(d, item, "auth.header", "missing");
	if (!s->tls_cert != !s->tls_key)
		FAIL_RECORD(d, item, "tls", "cert and key belong together");
	validate_ship_type(d, item, s);
	validate_labels(d, item, s);
}

static void validate_ships(struct decoder *d, const struct doc_node *root, const struct ships *all)
{
	const struct doc_node *node = doc_get(root, "ship", strlen("ship"));
	const struct doc_node *item = node && node->type == DOC_ARRAY ? node->children.first : node;

	for (uint32_t i = 0; i < all->n && item; i++, item = item->next) {
		const struct record record = { "ship", item, i, all->n };
		const struct ship_settings *s = &all->items[i];

		if (!s->name || !s->endpoint)
			continue; /* that was reported */
		validate_ship(d, &record, s);
		for (uint32_t j = 0; j < i; j++) {
			if (str_equal(all->items[j].name, s->name))
				FAIL_RECORD(d, &record, "name", "another [[ship]] is called '%s'",
					    s->name);
		}
	}
}

void validate_settings(struct decoder *d, const struct doc_node *root,
		       const struct server_settings *s)
{
	if (s->socket && strlen(s->socket) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		FAIL(d, root, "server.socket", "a socket's path must be shorter than %zu bytes",
		     sizeof(((struct sockaddr_un *)NULL)->sun_path));
	if (s->web && !validate_address(s->web_listen))
		FAIL(d, root, "web.listen", "expected host:port, [v6]:port or unix:/path");
	validate_ships(d, root, &s->ships);
}
