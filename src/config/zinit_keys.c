/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: zinit-keys, which prints the tables of keys as JSON, for tools/gen_keys.py. Not installed. */
#include <jansson.h>
#include <stdio.h>

#include "base/mem.h"
#include "config/keys.h"
#include "config/value.h"

DEFINE_AUTO(json_t, auto_json, json_decref)

struct listing {
	json_t *rows;
	int r;
};

static json_t *choices_of(const struct cfg_key *key)
{
	json_t *names = json_array();

	for (const struct cfg_choice *c = key->choices; names && c && c->name; c++) {
		if (json_array_append_new(names, json_string(c->name)) < 0) {
			json_decref(names);
			return NULL;
		}
	}
	return names;
}

static void add_row(void *ctx, const char *path, bool record, const struct cfg_key *key)
{
	struct listing *l = ctx;
	json_t *row =
		json_pack("{s:s, s:s, s:b, s:b, s:s?, s:I, s:I, s:o, s:s, s:s?, s:s}", "key", path,
			  "type", cfg_type_name(key->type), "required", key->required, "repeats",
			  record, "default", key->dflt, "min", (json_int_t)key->min, "max",
			  (json_int_t)key->max, "choices", choices_of(key), "apply",
			  cfg_apply_name(key->apply), "since", key->since, "doc", key->doc);

	if (!row || json_array_append_new(l->rows, row) < 0)
		l->r = -1;
}

static json_t *list_of(const struct cfg_table *table)
{
	struct listing l = { json_array(), 0 };

	if (l.rows)
		cfg_visit(table, add_row, &l);
	if (l.r < 0) {
		json_decref(l.rows);
		return NULL;
	}
	return l.rows;
}

int main(void)
{
	AUTO(auto_json)
	json_t *all = json_pack("{s:o, s:o}", "service", list_of(&cfg_service_table), "settings",
				list_of(&cfg_settings_table));

	if (!all || json_dumpf(all, stdout, JSON_INDENT(1)) < 0) {
		(void)fputs("zinit-keys: cannot write\n", stderr);
		return 1;
	}
	(void)putchar('\n');
	return 0;
}
