/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the lines that wait in a sink. */
#include "ship/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define BLOCK_BYTES (256U << 10)
#define LINES_FIRST 256

struct ship_block {
	size_t live; /* lines whose text is here */
	size_t used, size;
	char data[];
};

void ship_queue_fini(struct ship_queue *q)
{
	ship_queue_remove(q, q->n, NULL);
	free(q->filling);
	free(q->spare);
	free(q->lines);
	free(q->places);
	*q = (struct ship_queue){ 0 };
}

struct ship_line *ship_queue_line(const struct ship_queue *q, size_t i)
{
	return &q->lines[q->head + i];
}

struct ship_place *ship_queue_place(const struct ship_queue *q, size_t i)
{
	return &q->places[q->head + i];
}

/* --- texts ---------------------------------------------------------------------------------------- */

/* Nobody fills it, nobody reads it: kept for the next one, if it has the usual size and none is. */
static void retire(struct ship_queue *q, struct ship_block *b)
{
	if (q->spare || b->size != BLOCK_BYTES) {
		free(b);
		return;
	}
	b->used = 0;
	q->spare = b;
}

static struct ship_block *next_block(struct ship_queue *q, size_t want)
{
	size_t size = MAX(want, (size_t)BLOCK_BYTES);
	struct ship_block *b = q->spare;

	if (b && size <= b->size) {
		q->spare = NULL;
	} else {
		b = malloc(sizeof(*b) + size);
		if (!b)
			return NULL;
		*b = (struct ship_block){ .size = size };
	}
	if (q->filling && !q->filling->live)
		retire(q, q->filling);
	q->filling = b;
	return b;
}

char *ship_queue_room(struct ship_queue *q, size_t want, size_t *size)
{
	struct ship_block *b = q->filling;

	if (b && !b->live)
		b->used = 0;
	if (!b || b->size - b->used < want)
		b = next_block(q, want);
	if (!b)
		return NULL;
	*size = b->size - b->used;
	return b->data + b->used;
}

static void drop_text(struct ship_queue *q, struct ship_block *b)
{
	if (b && --b->live == 0 && b != q->filling)
		retire(q, b);
}

/* --- lines ---------------------------------------------------------------------------------------- */

static int grow(struct ship_queue *q)
{
	size_t cap = q->cap ? q->cap * 2 : LINES_FIRST;
	struct ship_line *lines = realloc(q->lines, cap * sizeof(*lines));
	struct ship_place *places;

	if (!lines)
		return -ENOMEM;
	q->lines = lines;
	places = realloc(q->places, cap * sizeof(*places));
	if (!places)
		return -ENOMEM;
	q->places = places;
	q->cap = cap;
	return 0;
}

static int make_place(struct ship_queue *q)
{
	if (q->head + q->n < q->cap)
		return 0;
	if (q->head <= q->n)
		return grow(q);
	/* more than half of the array is behind us: cheaper to move up than to grow */
	memmove(q->lines, q->lines + q->head, q->n * sizeof(*q->lines));
	memmove(q->places, q->places + q->head, q->n * sizeof(*q->places));
	q->head = 0;
	return 0;
}

/* Does the text lie in the free part of the block? */
static bool is_room(const struct ship_block *b, const struct ship_line *line)
{
	uintptr_t text = (uintptr_t)line->text;
	uintptr_t data = (uintptr_t)b->data;

	return text >= data + b->used && text + line->len <= data + b->size;
}

int ship_queue_push(struct ship_queue *q, const struct ship_line *line, const struct ship_place *place)
{
	struct ship_line copy = *line;
	struct ship_place at = *place;
	size_t size;
	char *room;

	if (make_place(q) < 0)
		return -ENOMEM;
	at.block = NULL;
	copy.text = "";
	if (line->len) {
		struct ship_block *b = q->filling;

		if (!b || !is_room(b, line)) {
			room = ship_queue_room(q, line->len, &size);
			if (!room)
				return -ENOMEM;
			memcpy(room, line->text, line->len);
			copy.text = room;
			b = q->filling;
		} else {
			copy.text = line->text;
		}
		b->used = (size_t)(copy.text + line->len - b->data);
		b->live++;
		at.block = b;
	}
	q->lines[q->head + q->n] = copy;
	q->places[q->head + q->n] = at;
	q->n++;
	q->bytes += line->len;
	return 0;
}

void ship_queue_remove(struct ship_queue *q, size_t n, const uint8_t *keep)
{
	size_t kept = 0;

	for (size_t i = n; i-- > 0;) {
		struct ship_line *line = ship_queue_line(q, i);

		if (keep && keep[i]) {
			/* those that stay move towards the rest of the queue */
			kept++;
			*ship_queue_line(q, n - kept) = *line;
			*ship_queue_place(q, n - kept) = *ship_queue_place(q, i);
			continue;
		}
		q->bytes -= line->len;
		drop_text(q, ship_queue_place(q, i)->block);
	}
	q->head += n - kept;
	q->n -= n - kept;
	if (q->n == 0)
		q->head = 0;
}
