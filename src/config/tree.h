/* SPDX-License-Identifier: Apache-2.0 */
/* What is done with whole structs by their table of keys. Private to config/. */
#ifndef CONFIG_TREE_H
#define CONFIG_TREE_H

#include "config/value.h"

/** The C shape of every CFG_RECORDS field. */
struct cfg_records {
	const void *items;
	uint32_t n;
};

/** Fill a zeroed struct with the defaults of its table. Returns 0, -ENOMEM, or -EINVAL (a wrong default: our bug). */
int tree_preset(const struct cfg_table *table, struct arena *arena, void *base);
/** Read the keys of `node` into a preset struct; what is wrong goes to the decoder's problems. */
void tree_decode(struct decoder *d, const struct cfg_table *table, const struct doc_node *node, void *base);
/** A copy in one allocation, released with free(3). NULL: out of memory. */
void *tree_pack(const struct cfg_table *table, const void *base);
/** True if all keys have equal values. */
bool tree_equal(const struct cfg_table *table, const void *a, const void *b);
/** The same for one key. */
bool tree_key_equal(const struct cfg_key *key, const void *a, const void *b);

/** True for the sections that the file of a target, or of a service, has. */
static inline bool tree_has_section(const struct cfg_key *section, bool is_target)
{
	return is_target ? section->in_target : !section->alias;
}

/** The field of a key in its struct. */
static inline void *tree_field(const struct cfg_key *key, void *base)
{
	return (char *)base + key->at;
}

static inline const void *tree_field_const(const struct cfg_key *key, const void *base)
{
	return (const char *)base + key->at;
}

#endif
