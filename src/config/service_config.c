/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what can be done with whole configs: copy, compare, tell the differences; what a service may be called. */
#include "config/service_config.h"

#include <ctype.h>
#include <string.h>

#include "base/limits.h"
#include "base/str.h"
#include "config/diff.h"
#include "config/server_settings.h"
#include "config/tree.h"

bool config_equal(const struct service_config *a, const struct service_config *b)
{
	return tree_equal(&cfg_service_table, a, b);
}

bool settings_equal(const struct server_settings *a, const struct server_settings *b)
{
	return tree_equal(&cfg_settings_table, a, b);
}

struct service_config *config_dup(const struct service_config *c)
{
	return tree_pack(&cfg_service_table, c);
}

static void note_change(struct config_diff *diff, const char *section, const struct cfg_key *key)
{
	struct config_change *change = &diff->changes[diff->n];

	if (key->apply > diff->apply)
		diff->apply = key->apply;
	if (diff->n == DIFF_KEYS_MAX)
		return;
	(void)str_copy(change->key, sizeof(change->key), section);
	if (key->name != section) {
		size_t len = strlen(change->key);

		change->key[len] = '.';
		(void)str_copy(change->key + len + 1, sizeof(change->key) - len - 1, key->name);
	}
	change->apply = key->apply;
	diff->n++;
}

void config_diff(const struct service_config *from, const struct service_config *to,
		 struct config_diff *out_diff)
{
	const struct cfg_table *top = &cfg_service_table;

	out_diff->n = 0;
	out_diff->apply = APPLY_NONE;
	for (size_t i = 0; i < top->n; i++) {
		const struct cfg_key *section = &top->keys[i];

		if (tree_key_equal(section, from, to))
			continue;
		if (section->type == CFG_RECORDS || section->alias) {
			note_change(out_diff, section->name, section);
			continue;
		}
		for (size_t k = 0; k < section->sub->n; k++) {
			if (!tree_key_equal(&section->sub->keys[k], from, to))
				note_change(out_diff, section->name, &section->sub->keys[k]);
		}
	}
}

bool config_name_valid(const char *name)
{
	size_t n = 0;

	for (; name[n]; n++) {
		unsigned char c = (unsigned char)name[n];

		if (n == LIMIT_NAME || c >= 0x80 ||
		    !(isalnum(c) || c == '-' || c == '_' || (c == '.' && n > 0)))
			return false;
	}
	return n > 0;
}
