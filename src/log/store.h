/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store: one thread that follows the rings and writes their lines to segments, and, while there is
 * something to compress or another long job, a second one. A slow or full disk delays these threads and nobody else.
 *
 * Where it is stands in the ring (struct ring_store): lines below `seq` are in the segments, whose
 * valid end is `offset`. It writes behind the end and then moves both by one store, so after a kill its
 * successor cuts what is behind the end and writes it again: nothing is lost or doubled.
 *
 * Durability: write(2) puts lines into the page cache, which survives the death of every process;
 * a closed segment is flushed to the disk (fdatasync). A power failure may cost the open segment's tail.
 */
#ifndef LOG_STORE_H
#define LOG_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/list.h"
#include "base/time.h"
#include "log/ring.h"

struct store;
struct store_log;

/** In the store's thread: a log moved on, failed or came back: who waited for it may look again. */
typedef void (*store_progress_fn)(void *data);
typedef void (*store_closed_fn)(void *data);

struct store_opts {
	bool compress;
	uint64_t max_size;
	usec_t rotate_age;
	uint32_t max_files;
	usec_t max_age;
};

/**
 * Start the thread. The directory is made; one that can't be made or written to now is tried again later, but one that
 * another server uses is refused. Returns 0 or negative errno (-EBUSY) with `err` filled.
 */
int store_new(const char *dir, uint64_t max_total, store_progress_fn fn, void *data, struct store **out,
	      struct error *err);
/**
 * Wait at most `patience` microseconds for what was closed and poked before, then end the thread. Returns false if it
 * hangs in the disk: then it is left to itself, and calls nobody back any more.
 */
bool store_free(struct store *s, usec_t patience);

/** Another bound on all segments together, from now on. Any thread. */
void store_set_total(struct store *s, uint64_t max_total);

/** Something that takes long: embedded in the object that it is about. */
struct store_job {
	struct list node;
	void (*run)(struct store *s, struct store_job *job); /* in the work thread; owns the job from then on */
};
/** Run `job` in the work thread, after those before it. Any thread; never waits for the disk. */
void store_work(struct store *s, struct store_job *job);

/** Blocks written since the start, of all logs. Any thread. It stands still while the disk hangs, and when all is stored. */
uint64_t store_blocks(const struct store *s);

/** Follow `ring` (one hold is taken). Any thread. Returns 0, -EINVAL (the name can't be a directory's) or -ENOMEM. */
int store_log_new(struct store *s, const char *name, const struct store_opts *opts, struct ring *ring,
		  struct store_log **out);
/** Change the options. Any thread. */
void store_log_set(struct store_log *l, const struct store_opts *opts);
/** New lines, of so many bytes: they will be stored soon, at once if many wait. Any one thread; cheap. */
void store_log_poke(struct store_log *l, uint64_t bytes);
/** Lines below this number are stored or given up. Any thread. */
uint64_t store_log_seq(const struct store_log *l);
/** errno of the failure that lasts, or 0. Any thread. */
int store_log_error(const struct store_log *l);
/** errno of the failure in which lines were dropped the last time; 0: they were overwritten, or none were dropped. Any thread. */
int store_log_lost_error(const struct store_log *l);
/** Bytes of torn tails that were cut off at open. Any thread. */
uint64_t store_log_repaired(const struct store_log *l);
/** Store what is there (if the disk lets us), free, then call `fn` in the store's thread. Any thread. */
void store_log_close(struct store_log *l, store_closed_fn fn, void *data);

#endif
