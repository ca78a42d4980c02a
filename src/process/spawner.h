/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spawning without blocking the loop: a few threads that run spawn_run().
 *
 * Requests wait in a queue in the loop's thread; a thread that is free gets the next one, together with its
 * descriptors, over a socket (SCM_RIGHTS). The threads have descriptor tables of their own, nearly
 * empty: so a clone does not copy the thousands of descriptors of the server. Answers come back over
 * the same socket and are delivered by the loop.
 *
 * A request that hangs (a dead mount under `dir`) occupies its thread; others are started as needed, up to
 * SPAWNER_THREADS_MAX. Beyond that requests wait. Threads that idle stay; nothing wakes them.
 */
#ifndef PROCESS_SPAWNER_H
#define PROCESS_SPAWNER_H

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "loop/loop.h"
#include "process/spawn.h"

/* Threads that work at a time when nothing hangs: clone(2) serialises in the kernel, more do not help. */
#define SPAWNER_THREADS 2
/* With hanging ones. */
#define SPAWNER_THREADS_MAX 64
/* A spawn under way for so long counts as hanging: another thread may be started. */
#define SPAWNER_HANGS_AFTER (100 * USEC_PER_MSEC)

struct spawner;

/** Called in the loop's thread, once per request. Takes over result->pidfd. May submit and forget. */
typedef void (*spawner_fn)(const struct spawn_result *result, void *data);

/** A spawner without threads yet. Returns NULL with `err` filled. */
struct spawner *spawner_new(struct loop *loop, struct error *err);
/**
 * Free it. Queued requests are dropped; no callback comes any more. Those under way are waited for, together no longer than
 * SPAWNER_HANGS_AFTER: their processes are left to the caller's records (pid_slot), or killed if they were forgotten.
 * Those that hang are abandoned: their threads end by themselves. NULL is fine.
 */
void spawner_free(struct spawner *spawner);
/**
 * Start a process. The request is copied with all that it points to; its descriptors must stay open, and
 * *pid_slot valid, until `fn` is called.
 *
 * Returns 0, or negative errno (nothing happens then, `fn` is not called).
 */
int spawner_submit(struct spawner *spawner, const struct spawn_request *request, spawner_fn fn, void *data);
/**
 * The `data` of the request under way whose child is `pid`, or NULL. An exit notice may arrive before the completion:
 * this tells whose it will be. Works by pid_slot alone, so requests without one are not found.
 */
void *spawner_find(const struct spawner *spawner, pid_t pid);
/**
 * No callback for the requests of `data` any more. Queued ones are dropped; a process that still comes up is killed.
 * Returns how many are under way in a thread: their *pid_slot, if they have one, must stay until they end.
 */
size_t spawner_forget(struct spawner *spawner, const void *data);
/** Requests queued and under way. */
size_t spawner_pending(const struct spawner *spawner);

#endif
