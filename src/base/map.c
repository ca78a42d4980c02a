/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the string-to-pointer hash map. */
#include "base/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MAP_FIRST 16
#define FNV_OFFSET 0xcbf29ce484222325ULL
#define FNV_PRIME 0x100000001b3ULL

void map_init(struct map *m)
{
	memset(m, 0, sizeof(*m));
	/* without entropy (early boot) the map works all the same */
	(void)!getrandom(&m->seed, sizeof(m->seed), GRND_NONBLOCK);
}

void map_fini(struct map *m)
{
	free(m->slots);
	m->slots = NULL;
	m->cap = m->n = 0;
}

static size_t home(const struct map *m, const char *key)
{
	uint64_t h = FNV_OFFSET ^ m->seed;

	for (; *key; key++)
		h = (h ^ (unsigned char)*key) * FNV_PRIME;
	h ^= h >> 32;
	return (size_t)h & (m->cap - 1);
}

static struct map_slot *find(const struct map *m, const char *key)
{
	size_t i;

	if (!m->cap)
		return NULL;
	for (i = home(m, key); m->slots[i].key; i = (i + 1) & (m->cap - 1)) {
		if (strcmp(m->slots[i].key, key) == 0)
			break;
	}
	return &m->slots[i];
}

void *map_get(const struct map *m, const char *key)
{
	const struct map_slot *slot = find(m, key);

	return slot && slot->key ? slot->value : NULL;
}

static int grow(struct map *m)
{
	struct map bigger = *m;

	bigger.cap = m->cap ? m->cap * 2 : MAP_FIRST;
	bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	MAP_FOREACH(slot, m)
		*find(&bigger, slot->key) = *slot;
	free(m->slots);
	*m = bigger;
	return 0;
}

int map_put(struct map *m, const char *key, void *value)
{
	struct map_slot *slot;

	if ((m->n + 1) * 4 > m->cap * 3) {
		int r = grow(m);

		if (r < 0)
			return r;
	}
	slot = find(m, key);
	if (!slot->key)
		m->n++;
	slot->key = key;
	slot->value = value;
	return 0;
}

void *map_take(struct map *m, const char *key)
{
	struct map_slot *slot = find(m, key);
	void *value;
	size_t hole;

	if (!slot || !slot->key)
		return NULL;
	value = slot->value;
	slot->key = NULL;
	m->n--;
	/* close the gap: whoever was pushed past this slot must stay reachable */
	hole = (size_t)(slot - m->slots);
	for (size_t i = (hole + 1) & (m->cap - 1); m->slots[i].key; i = (i + 1) & (m->cap - 1)) {
		struct map_slot moved = m->slots[i];

		m->slots[i].key = NULL;
		*find(m, moved.key) = moved;
	}
	return value;
}
