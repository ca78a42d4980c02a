/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what documents want to know of the table of keys. */
#include <stdio.h>

#include "config/keys.h"
#include "config/value.h"

const char *cfg_type_name(enum cfg_type type)
{
	const struct value_ops *ops = value_ops(type);

	if (type == CFG_SECTION)
		return "table";
	if (type == CFG_RECORDS)
		return "table, or array of tables";
	if (type == CFG_MS)
		return "milliseconds";
	return ops ? ops->name : "removed";
}

const char *cfg_apply_name(enum cfg_apply apply)
{
	static const char *const names[] = {
		[APPLY_NONE] = "none",
		[APPLY_LIVE] = "live",
		[APPLY_RESTART] = "restart",
	};

	return names[apply];
}

static void visit(const struct cfg_table *table, const char *prefix, bool record, cfg_visit_fn fn,
		  void *ctx)
{
	for (size_t i = 0; i < table->n; i++) {
		const struct cfg_key *key = &table->keys[i];
		char path[CFG_PATH_MAX];

		(void)snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "." : "",
			       key->name); /* never cut */
		fn(ctx, path, record || key->type == CFG_RECORDS, key);
		if (key->sub)
			visit(key->sub, path, record || key->type == CFG_RECORDS, fn, ctx);
	}
}

void cfg_visit(const struct cfg_table *table, cfg_visit_fn fn, void *ctx)
{
	visit(table, "", false, fn, ctx);
}
