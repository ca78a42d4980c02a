/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is given out in pieces and released at once; for documents and half-built configs. */
#ifndef CONFIG_ARENA_H
#define CONFIG_ARENA_H

#include <stddef.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *head;
};

/** `size` zeroed bytes, aligned for any type; NULL: out of memory. */
void *arena_alloc(struct arena *a, size_t size);
/** A NUL-terminated copy of `len` bytes; NULL: out of memory. */
char *arena_strndup(struct arena *a, const char *s, size_t len);
/** Release everything; the arena is empty and usable after. For AUTO() too. */
void arena_fini(struct arena *a);

#endif
