/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash map from short strings to pointers: open addressing, FNV-1a with a random
 * seed per map (names come from files and clients, so collisions must not be chosen by them).
 * Keys are borrowed. Iteration order is that of the table: not sorted.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map_slot {
	const char *key; /* NULL: empty */
	void *value;
};

struct map {
	struct map_slot *slots;
	size_t cap; /* 0 or a power of two */
	size_t n;
	uint64_t seed;
};

/** Make an empty map; keys given to map_put() are borrowed: they must live as long as their entry. */
void map_init(struct map *m);
/** Free the table; values and keys are the caller's. */
void map_fini(struct map *m);
/** The value of `key`, or NULL. */
void *map_get(const struct map *m, const char *key);
/** Set `key` (borrowed) to `value` (not NULL), replacing both key pointer and value. Returns 0 or -ENOMEM (nothing changed). */
int map_put(struct map *m, const char *key, void *value);
/** Remove `key`. Returns its value, or NULL if it was not there. */
void *map_take(struct map *m, const char *key);

/** Loop over filled slots; the map must not be changed inside. */
#define MAP_FOREACH(slot, m)                                                                       \
	for (struct map_slot *slot = (m)->slots; slot && slot < (m)->slots + (m)->cap; slot++)     \
		if (slot->key)

#endif
