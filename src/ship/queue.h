/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lines that wait in a sink, oldest first, with their text: a copy, since a ring overwrites its lines. The lines lie in
 * one array, so that a batch is simply the first so many of them. Text lies in blocks that are freed in the order in which
 * they were filled.
 */
#ifndef SHIP_QUEUE_H
#define SHIP_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log/query.h"
#include "ship/batch.h"

struct ship_block;
struct ship_source;

/* What the queue knows of a line beside the line. */
struct ship_place {
	struct ship_source *source;
	struct ship_block *block; /* of its text; NULL: none */
	struct log_cursor after;  /* the source's place behind it */
	usec_t pushed;
};

struct ship_queue {
	struct ship_line *lines; /* [head, head + n) */
	struct ship_place *places;
	size_t head, n, cap;
	uint64_t bytes; /* of all texts */
	struct ship_block *filling; /* NULL: none */
	struct ship_block *spare;
};

/** Release everything; the queue is empty and usable again. */
void ship_queue_fini(struct ship_queue *q);
/**
 * Room for a text of up to *size bytes, at least `want`; *size becomes how much there is. Returns NULL if memory is gone.
 * A push whose text lies there takes it without a copy.
 */
char *ship_queue_room(struct ship_queue *q, size_t want, size_t *size);
/** Append; the text is copied unless it lies where ship_queue_room() said. Returns 0 or -ENOMEM. */
int ship_queue_push(struct ship_queue *q, const struct ship_line *line, const struct ship_place *place);
/** The i-th line, and its place. */
struct ship_line *ship_queue_line(const struct ship_queue *q, size_t i);
struct ship_place *ship_queue_place(const struct ship_queue *q, size_t i);
/**
 * Remove those of the first `n` lines for which keep[i] is 0 (`keep` NULL: all of them). The others keep their order.
 */
void ship_queue_remove(struct ship_queue *q, size_t n, const uint8_t *keep);

#endif
