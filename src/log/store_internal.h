/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the store share: store.c (thread, turns), store_write.c (lines to files), store_keep.c (bounds), store_work.c. */
#ifndef LOG_STORE_INTERNAL_H
#define LOG_STORE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "log/segment.h"
#include "log/store.h"

/* Bytes written at a time. */
#define STORE_BLOCK (256U << 10)
#define STORE_PATH_MAX 4096U

struct store_log {
	struct list node; /* lock: in dirty, retry or idle-open of the store */
	struct store *store;
	struct ring *ring;
	struct store_opts opts; /* lock */
	store_closed_fn closed;
	void *closed_data;
	_Atomic bool queued; /* the store's thread knows that there is something to do */
	_Atomic bool closing;
	_Atomic uint64_t waiting; /* bytes poked since the last turn */
	_Atomic uint64_t seq;
	_Atomic uint64_t repaired;
	_Atomic int error;
	_Atomic int lost_error; /* of the last lines that were dropped */
	/* the store's thread */
	struct ring_store at;
	int dir_fd;
	int fd;
	bool recovered;
	usec_t retry_at;
	usec_t delay;
	int gap_reason; /* errno of the failure during which lines may have been lost */
	char name[];
};

struct store {
	char *dir;
	_Atomic uint64_t max_total;
	store_progress_fn progress;
	void *data;
	pthread_t thread;
	int lock_fd; /* keeps other servers out; -1 until the directory could be made */
	/* lock */
	pthread_mutex_t lock;
	pthread_cond_t wake;  /* CLOCK_MONOTONIC */
	pthread_cond_t ended; /* CLOCK_MONOTONIC */
	struct list dirty;
	struct list jobs; /* for the worker */
	bool urgent;
	bool stop;
	bool stopped;
	bool working;     /* the worker takes further jobs */
	bool worker_made; /* `worker` is to be joined */
	pthread_t worker;
	/* all */
	_Atomic bool abandoned;
	_Atomic uint64_t blocks;
	_Atomic int64_t total; /* bytes of all segments */
	/* the store's thread */
	struct list retry;
	struct list open; /* stored and quiet, files still open */
	char *block;
	size_t block_size;
	bool counted; /* `total` has been counted */
};

/** Make the directory and lock it. 0 or negative errno; -EBUSY: another server has it. */
int store_open_dir(struct store *s);
/** Write one block of the log's lines. Returns 1: there may be more; 0: all stored; negative errno: the disk refused. */
int store_write_block(struct store_log *l, const struct store_opts *opts);
/** Close the log's files; they are opened again when needed. */
void store_close_files(struct store_log *l);
/** Close the directory: a quiet log keeps its open segment alone. */
void store_close_dir(struct store_log *l);

/** A segment was closed: flush it, and compress it if asked, in the work thread. */
void store_zip_later(struct store_log *l, const struct segment *s, bool compress);
/** Wait for the last job. For the store's thread, when nobody gives any more. */
void store_work_end(struct store *s);
/** Delete what is over the bounds. `current`: number of the open segment, which stays. */
void store_keep_bounds(struct store_log *l, const struct store_opts *opts, uint64_t current);
/** Count what is on disk, once. */
void store_count_total(struct store *s);

#endif
