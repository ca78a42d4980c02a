/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: walking one service's history from a cursor on, for good. */
#include "log/replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct log_replay {
	struct log_cursor at;
	struct ring *ring;
	char *dir;
	char service[];
};

struct log_replay *log_replay_new(const char *service, const char *dir, struct ring *ring, const struct log_cursor *from)
{
	size_t size = strlen(service) + 1;
	struct log_replay *r = calloc(1, sizeof(*r) + size);

	if (!r)
		return NULL;
	memcpy(r->service, service, size);
	r->at = *from;
	r->dir = dir ? strdup(dir) : NULL;
	if (dir && !r->dir) {
		free(r);
		return NULL;
	}
	if (ring)
		log_replay_set_ring(r, ring);
	return r;
}

void log_replay_free(struct log_replay *r)
{
	if (!r)
		return;
	ring_unref(r->ring);
	free(r->dir);
	free(r);
}

/* The cursor names another ring (the machine was restarted): what is in this one came later. */
void log_replay_set_ring(struct log_replay *r, struct ring *ring)
{
	ring_unref(r->ring);
	r->ring = ring_ref(ring);
	if (r->at.ring == ring_id(ring))
		return;
	r->at.seq = r->at.ring ? ring_seek(ring, r->at.ts + 1) : ring_tail(ring);
	r->at.ring = ring_id(ring);
}

static void advance(struct log_replay *r, const struct log_line *line)
{
	r->at.same = line->ts == r->at.ts ? r->at.same + 1 : 1;
	r->at.ts = line->ts;
	r->at.seq = line->seq + 1;
}

/* Lines were overwritten before we came. */
static int give_gap(struct log_replay *r, struct log_line *out)
{
	uint64_t tail = MAX(ring_tail(r->ring), r->at.seq + 1);

	*out = (struct log_line){
		.ts = r->at.ts,
		.seq = r->at.seq,
		.service = r->service,
		.text = "",
		.lost = tail - r->at.seq,
		.flags = LINE_LOST | LINE_LOST_OVERWRITTEN,
	};
	r->at.seq = tail;
	return 1;
}

int log_replay_next(struct log_replay *r, char *buf, size_t size, struct log_line *out, size_t *need)
{
	int code = r->ring ? ring_read(r->ring, r->at.seq, buf, size, out) : -EAGAIN;

	if (code == -EAGAIN)
		return 0;
	if (code == -ESTALE)
		return give_gap(r, out);
	if (code == -EMSGSIZE)
		*need = ring_max_line(r->ring);
	if (code < 0)
		return code;
	out->service = r->service;
	advance(r, out);
	return 1;
}

const struct log_cursor *log_replay_at(const struct log_replay *r)
{
	return &r->at;
}

bool log_replay_on_disk(const struct log_replay *r)
{
	(void)r;
	return false;
}
