/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the choice of services by names, patterns and tags. */
#include "rpc/select.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "config/service_config.h"
#include "rpc/conn.h"
#include "service/core.h"

static bool has_tag(const struct supervisor *sup, const char *pattern, uint32_t id)
{
	struct supervisor_info info;

	if (supervisor_info(sup, id, &info) < 0 || !info.config)
		return false;
	for (size_t i = 0; info.config->tags && info.config->tags[i]; i++) {
		if (str_glob(pattern, info.config->tags[i]))
			return true;
	}
	return false;
}

static bool matches_one(const struct supervisor *sup, const char *pattern, uint32_t id)
{
	if (pattern[0] == '@')
		return has_tag(sup, pattern + 1, id);
	return str_glob(pattern, core_name(supervisor_core(sup), id));
}

bool select_matches(const struct supervisor *sup, const json_t *names, uint32_t id)
{
	size_t i;
	json_t *pattern;

	if (!names)
		return true;
	if (json_is_string(names))
		return matches_one(sup, json_string_value(names), id);
	json_array_foreach (names, i, pattern) {
		if (matches_one(sup, json_string_value(pattern), id))
			return true;
	}
	return false;
}

const json_t *select_names(const struct rpc_call *call)
{
	const json_t *name = json_object_get(call->params, "name");

	return name ? name : json_object_get(call->params, "names");
}

static bool is_plain(const char *name)
{
	return name[0] != '@' && !strpbrk(name, "*?");
}

static bool is_own_log(const struct rpc_call *call, const char *name)
{
	return strcmp(name, SUPERVISOR_OWN_LOG) == 0 && conn_may(call->conn, ACCESS_READ, name, CORE_NONE);
}

/* A plain name that nobody has is a slip; a pattern may match nothing. */
static int check_plain_names(const struct rpc_call *call, bool *own_log, struct rpc_error *err)
{
	const char *key = json_object_get(call->params, "name") ? "name" : "names";
	const struct core *core = supervisor_core(rpc_call_supervisor(call));
	size_t n = param_strings_n(call->params, key);

	for (size_t i = 0; i < n; i++) {
		const char *name = param_string_at(call->params, key, i);

		/* who may not see it does not learn whether there is one */
		if (is_plain(name) && !conn_may(call->conn, ACCESS_READ, name, core_find(core, name)))
			return rpc_no_access(call, name, err);
		if (!is_plain(name) || core_find(core, name) != CORE_NONE)
			continue;
		if (!own_log || !is_own_log(call, name))
			return rpc_no_service(call, name, err);
		*own_log = true;
	}
	return 0;
}

static int select_ids(const struct rpc_call *call, bool *own_log, uint32_t **out_ids, struct rpc_error *err)
{
	const struct supervisor *sup = rpc_call_supervisor(call);
	const struct core *core = supervisor_core(sup);
	const json_t *names = select_names(call);
	AUTO(auto_free) uint32_t *ids = NULL;
	size_t n = 0;

	if (check_plain_names(call, own_log, err) < 0)
		return RPC_FAILED;
	ids = calloc(core_count(core) + 2, sizeof(*ids));
	if (!ids)
		return rpc_error_set(err, RPC_INTERNAL_ERROR, "out of memory");
	for (uint32_t id = core_next(core, CORE_NONE); id != CORE_NONE; id = core_next(core, id)) {
		if (n < core_count(core) && select_matches(sup, names, id) && rpc_call_sees(call, id))
			ids[n++] = id;
	}
	if (own_log && *own_log)
		ids[n++] = CORE_NONE;
	*out_ids = STEAL(&ids);
	return (int)n;
}

int select_services(const struct rpc_call *call, uint32_t **out_ids, struct rpc_error *err)
{
	return select_ids(call, NULL, out_ids, err);
}

int select_logs(const struct rpc_call *call, uint32_t **out_ids, struct rpc_error *err)
{
	bool own_log = false;

	return select_ids(call, &own_log, out_ids, err);
}

const char *select_log_name(const struct supervisor *sup, uint32_t id)
{
	return id == CORE_NONE ? SUPERVISOR_OWN_LOG : core_name(supervisor_core(sup), id);
}
