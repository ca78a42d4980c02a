/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the table from pids to those who wait for their exits. */
#include "supervisor/children.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#define CHILDREN_FIRST 32

void children_fini(struct children *c)
{
	free(c->slots);
	*c = (struct children){ 0 };
}

static struct child *find(const struct children *c, pid_t pid)
{
	/* pids are given out in sequence: Fibonacci hashing spreads them (Knuth, TAOCP 3, 6.4) */
	size_t i = ((uint32_t)pid * 2654435769U) & (c->cap - 1);

	while (c->slots[i].pid && c->slots[i].pid != pid)
		i = (i + 1) & (c->cap - 1);
	return &c->slots[i];
}

static int grow(struct children *c)
{
	struct children bigger = { .cap = c->cap ? c->cap * 2 : CHILDREN_FIRST, .n = c->n };

	bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < c->cap; i++) {
		if (c->slots[i].pid)
			*find(&bigger, c->slots[i].pid) = c->slots[i];
	}
	free(c->slots);
	*c = bigger;
	return 0;
}

int children_add(struct children *c, pid_t pid, child_exited_fn fn, void *data)
{
	struct child *slot;

	if ((c->n + 1) * 4 > c->cap * 3) {
		int r = grow(c);

		if (r < 0)
			return r;
	}
	slot = find(c, pid);
	if (!slot->pid)
		c->n++;
	*slot = (struct child){ .pid = pid, .fn = fn, .data = data };
	return 0;
}

bool children_has(const struct children *c, pid_t pid)
{
	return c->cap && find(c, pid)->pid;
}

bool children_take(struct children *c, pid_t pid, struct child *out)
{
	struct child *slot = c->cap ? find(c, pid) : NULL;

	if (!slot || !slot->pid)
		return false;
	*out = *slot;
	slot->pid = 0;
	c->n--;
	/* close the gap: whoever was pushed past this slot must stay reachable */
	for (size_t i = (size_t)(slot - c->slots + 1) & (c->cap - 1); c->slots[i].pid; i = (i + 1) & (c->cap - 1)) {
		struct child moved = c->slots[i];

		c->slots[i].pid = 0;
		*find(c, moved.pid) = moved;
	}
	return true;
}
