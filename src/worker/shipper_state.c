/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the shipper's end of the memfd that outlives it: cursors and counters. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "worker/shipper.h"

#define LOCK_PATIENCE_S 30

/*
 * The shipper of an earlier server may still wait for an answer (for ENDING_MAX at most): there is one writer at a time. A
 * lock of fcntl(2) is the process's own, and goes with it.
 */
static int lock(int fd)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int r;

	(void)alarm(LOCK_PATIENCE_S); /* ends us; the server starts another one after a while */
	do {
		r = fcntl(fd, F_SETLKW, &whole);
	} while (r < 0 && errno == EINTR);
	(void)alarm(0);
	return r < 0 ? -errno : 0;
}

int state_map(struct shipper *s, int fd)
{
	struct stat st;
	void *at = MAP_FAILED;
	int r = lock(fd);

	if (r == 0 && fstat(fd, &st) == 0 && (size_t)st.st_size >= sizeof(struct ship_state))
		at = mmap(NULL, sizeof(struct ship_state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	s->state_fd = fd; /* closing it would give the lock back */
	if (at == MAP_FAILED)
		return -EINVAL;
	s->state = at;
	if (atomic_load(&s->state->magic) == SHIP_STATE_MAGIC && s->state->version == SHIP_STATE_VERSION)
		return 0;
	(void)munmap(at, sizeof(struct ship_state));
	s->state = NULL;
	return -EPROTO;
}

struct ship_sink_state *state_sink(struct shipper *s, const char *name)
{
	struct ship_sink_state *place = NULL;

	for (size_t i = 0; i < LIMIT_SHIP_SINKS; i++) {
		struct ship_sink_state *it = &s->state->sinks[i];

		if (!atomic_load(&it->used) && !place)
			place = it;
		if (atomic_load(&it->used) && strncmp(it->name, name, sizeof(it->name)) == 0)
			return it;
	}
	if (!place)
		return NULL;
	memset(place, 0, sizeof(*place));
	(void)str_copy(place->name, sizeof(place->name), name);
	atomic_store(&place->used, 1);
	return place;
}

void state_forget_sink(struct shipper *s, const char *name)
{
	uint32_t n = MIN(atomic_load(&s->state->cursors), (uint32_t)LIMIT_SHIP_CURSORS);

	for (size_t i = 0; i < LIMIT_SHIP_SINKS; i++) {
		if (strncmp(s->state->sinks[i].name, name, sizeof(s->state->sinks[i].name)) == 0)
			atomic_store(&s->state->sinks[i].used, 0);
	}
	for (uint32_t i = 0; i < n; i++) {
		if (strncmp(s->state->cursor[i].sink, name, sizeof(s->state->cursor[i].sink)) == 0)
			state_free_cursor(&s->state->cursor[i]);
	}
}

static bool is_of(const struct ship_cursor_slot *slot, const char *service, const char *sink)
{
	return atomic_load(&slot->used) && strncmp(slot->service, service, sizeof(slot->service)) == 0 &&
	       strncmp(slot->sink, sink, sizeof(slot->sink)) == 0;
}

struct ship_cursor_slot *state_cursor(struct shipper *s, const char *service, const char *sink, bool *out_known)
{
	uint32_t n = MIN(atomic_load(&s->state->cursors), (uint32_t)LIMIT_SHIP_CURSORS);
	struct ship_cursor_slot *place = NULL;

	*out_known = false;
	for (uint32_t i = 0; i < n; i++) {
		struct ship_cursor_slot *it = &s->state->cursor[i];

		*out_known = is_of(it, service, sink);
		if (*out_known)
			return it;
		if (!place && !atomic_load(&it->used))
			place = it;
	}
	if (!place && n == LIMIT_SHIP_CURSORS)
		return NULL;
	if (!place) {
		place = &s->state->cursor[n];
		atomic_store(&s->state->cursors, n + 1);
	}
	(void)str_copy(place->service, sizeof(place->service), service);
	(void)str_copy(place->sink, sizeof(place->sink), sink);
	/* not in use before its first cursor is in it: state_set_cursor() */
	return place;
}

void state_get_cursor(const struct ship_cursor_slot *slot, struct log_cursor *out)
{
	const struct ship_cursor_copy *copy = &slot->copy[atomic_load(&slot->turn) & 1];

	*out = (struct log_cursor){ .ring = copy->ring, .seq = copy->seq, .ts = copy->ts, .same = copy->same };
}

void state_set_cursor(struct ship_cursor_slot *slot, const struct log_cursor *at)
{
	uint32_t turn = atomic_load(&slot->turn) + 1;

	slot->copy[turn & 1] = (struct ship_cursor_copy){ .ring = at->ring, .seq = at->seq, .ts = at->ts, .same = at->same };
	atomic_store(&slot->turn, turn);
	atomic_store(&slot->used, 1);
}

void state_free_cursor(struct ship_cursor_slot *slot)
{
	if (slot)
		atomic_store(&slot->used, 0);
}

/* --- what is shown ---------------------------------------------------------------------------------- */

/* Counters go on from where an earlier shipper left them: what it had in its queue is read again. */
void state_publish(struct sink *sink)
{
	struct ship_sink_state *to = sink->state;
	struct ship_run *run = sink->run;
	uint64_t counts[ARRAY_LEN(to->counts)];

	if (!to)
		return;
	run->counts.queued = run->queue.n;
	run->counts.queued_bytes = run->queue.bytes;
	memcpy(counts, &run->counts, sizeof(counts));
	for (size_t i = 0; i < ARRAY_LEN(counts); i++)
		atomic_store_explicit(&to->counts[i], counts[i], memory_order_relaxed);
	atomic_store(&to->phase, (uint32_t)ship_run_phase(run, loop_now(sink->shipper->loop)));
	atomic_store(&to->oldest_ns, run->queue.n ? ship_queue_line(&run->queue, 0)->time : 0);
	atomic_store(&to->acked_ns, run->acked_at ? run->acked_at : atomic_load(&to->acked_ns));
	atomic_store(&to->batch, run->policy.limit);
	if (run->error_at && run->error_at != atomic_load(&to->error_ns)) {
		(void)str_copy(to->error, sizeof(to->error), run->error);
		atomic_store(&to->error_ns, run->error_at);
	}
}
