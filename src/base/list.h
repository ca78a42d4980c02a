/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intrusive doubly linked list. The head is a `struct list` that points to itself when empty; a
 * member embeds a `struct list` and is found again with LIST_ENTRY(). Nothing is allocated.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>

#include "base/mem.h"

struct list {
	struct list *next, *prev;
};

#define LIST_ENTRY(node, type, member) CONTAINER_OF(node, type, member)

/** Loop over members; `pos` may be removed (and freed) inside the loop, others may not. */
#define LIST_FOREACH(pos, head, member)                                                            \
	for (__typeof__(pos) pos##_next_ = (pos = LIST_ENTRY((head)->next, __typeof__(*pos), member), \
					    LIST_ENTRY(pos->member.next, __typeof__(*pos), member)); \
	     &pos->member != (head);                                                               \
	     pos = pos##_next_, pos##_next_ = LIST_ENTRY(pos->member.next, __typeof__(*pos), member))

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

/** Put `node` last. */
static inline void list_append(struct list *head, struct list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

/** Take `node` out; it is then an empty list of its own, so removing it again is harmless. */
static inline void list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

/** Move all members of `from` to `to`, which is empty. */
static inline void list_move(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	*to = *from;
	to->next->prev = to;
	to->prev->next = to;
	list_init(from);
}

#endif
