/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the writer's crash protocol: one store that makes a new state valid, the announcement of a
 * read, and what the next opener makes of an announcement that was never taken back.
 *
 * A SIGKILL loses no store that was retired, so the order of stores in the program is all that counts
 * for recovery; the fences are for readers on other processors.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "log/ring_layout.h"

void ring_commit(struct ring *r)
{
	struct ring_writer *w = r->w;
	uint64_t next = w->turn + 1;

	atomic_thread_fence(memory_order_release);
	ring_words_put(&r->h->state[next & 1], &w->st, sizeof(w->st));
	atomic_store_explicit(&r->h->turn, next, memory_order_release);
	w->turn = next;
	atomic_store_explicit(&r->h->last_run, w->st.last_run, memory_order_release);
	atomic_store_explicit(&r->h->head, w->st.head, memory_order_release);
}

/* The read of `a` was announced by a writer that is dead: did it happen? */
static bool read_happened(const struct ring *r, const struct ring_announce *a)
{
	uint32_t poison = a->n < RING_POISON ? a->n : RING_POISON;

	return memcmp(ring_byte_at(r, a->pos) + a->n - poison, a->poison, poison) != 0;
}

void ring_recover(struct ring *r)
{
	struct ring_writer *w = r->w;
	const struct ring_announce *a = &r->h->announce;
	struct ring_store store;

	w->turn = atomic_load(&r->h->turn);
	w->tail = atomic_load(&r->h->tail);
	ring_words_get(&w->st, &r->h->state[w->turn & 1], sizeof(w->st));
	if (atomic_load(&a->gen) == w->turn + 1 && a->pos == w->st.in_pos && a->n <= r->bytes_cap / 4 &&
	    read_happened(r, a)) {
		w->st.in_pos += a->n;
		w->st.bytes_read += a->n;
		w->st.src_run = a->run;
		w->st.src_ts = a->ts;
		w->st.src_flags = a->flags;
		ring_commit(r);
	}
	atomic_store(&r->h->announce.gen, 0);
	atomic_store(&r->h->last_run, w->st.last_run);
	atomic_store(&r->h->head, w->st.head);
	/* Lines that wait for the store must not be overwritten by finding new ones. */
	ring_store_get(r, &store);
	w->hold = store.seq;
	(void)ring_settle(r);
	w->hold = UINT64_MAX;
}

static uint64_t next_random(struct ring_writer *w)
{
	/* splitmix64: any sequence that the writers of the pipes can't foresee will do */
	uint64_t z = w->random += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* What the pipe will give next, without taking it. Returns false if that can't be told. */
static bool peek(struct ring_writer *w, int fd, uint8_t *out, uint32_t n)
{
	ssize_t got;

	if (w->peek[0] < 0 && pipe2(w->peek, O_CLOEXEC | O_NONBLOCK) < 0)
		return false;
	got = tee(fd, w->peek[1], n, SPLICE_F_NONBLOCK);
	if (got <= 0)
		return false;
	return read(w->peek[0], out, (size_t)got) == (ssize_t)n;
}

/* A read of few bytes may well equal a random poison: make one that differs in every byte from what will come. */
static void choose_poison(struct ring_writer *w, int fd, uint32_t n, uint8_t out[RING_POISON])
{
	uint64_t random[2] = { next_random(w), next_random(w) };

	memcpy(out, random, RING_POISON);
	if (n < RING_PEEK_BELOW && peek(w, fd, out, n)) {
		for (uint32_t i = 0; i < n; i++)
			out[i] = (uint8_t)~out[i];
	}
}

/*
 * The kernel must not have to fault a page of the target in while it copies: a fault on the way of a SIGKILL cuts the
 * copy after some of the pipe's buffers were taken.
 */
static void touch(char *target, uint32_t n)
{
	for (uint32_t i = 0; i < n; i += RING_HEADER)
		((volatile char *)target)[i] = 0;
	((volatile char *)target)[n - 1] = 0;
}

ssize_t ring_read_announced(struct ring *r, int fd, const struct ring_announce *what)
{
	struct ring_announce *a = &r->h->announce;
	uint32_t poison = what->n < RING_POISON ? what->n : RING_POISON;
	char *target = ring_byte_at(r, what->pos);
	ssize_t got;

	touch(target, what->n);
	a->pos = what->pos;
	a->run = what->run;
	a->ts = what->ts;
	a->n = what->n;
	a->flags = what->flags;
	choose_poison(r->w, fd, what->n, a->poison);
	memcpy(target + what->n - poison, a->poison, poison);
	atomic_store_explicit(&a->gen, r->w->turn + 1, memory_order_release);
	do {
		got = read(fd, target, what->n);
	} while (got < 0 && errno == EINTR);
	if (got > 0)
		return got;
	got = got < 0 ? -errno : 0;
	atomic_store_explicit(&a->gen, 0, memory_order_release);
	return got;
}
