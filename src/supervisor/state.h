/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server must remember over its own death: one fixed-size record a service, in a memfd that the keeper holds.
 *
 * Each slot has two copies of its record and a selector. An update writes the copy that is not selected, then flips the
 * selector with one aligned store. So a SIGKILL between any two instructions leaves the old record or the new one. The
 * file has room for all services from the start, but pages cost nothing until they are written.
 *
 * A record is plain bytes to this module; the version says what they mean.
 */
#ifndef SUPERVISOR_STATE_H
#define SUPERVISOR_STATE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/time.h"

#define STATE_NO_SLOT UINT32_MAX

struct state;

/** Counters of the server as a whole; each is one aligned word, so that a plain store is atomic. */
struct state_globals {
	ts_ns booted_at;       /* when the first server began */
	uint64_t event_cursor; /* last event number given out */
	uint64_t shutdown_at;  /* deadline of the shutdown that was asked for, boot-time usec; 0: none */
	int64_t exit_code;     /* with which the server will end */
};

/** A new, empty state. Returns 0 or negative errno with `err`. `version` is that of the record's layout. */
int state_new(uint32_t version, size_t record_size, struct state **out, struct error *err);
/** Map what an earlier server left. Takes `fd` over on success. -EPROTO: another layout; nothing is changed. */
int state_adopt(int fd, uint32_t version, size_t record_size, struct state **out, struct error *err);
/** Unmap and close. NULL is fine. */
void state_free(struct state *state);
/** The memfd, for the keeper; stays ours. */
int state_fd(const struct state *state);
struct state_globals *state_globals(struct state *state);

/** Take a free slot; its record is not there (state_read() gives NULL) before the first commit. -ENOSPC: all are taken. */
int state_alloc(struct state *state, uint32_t *out_slot);
/** Give a slot back: one store, after which it is free. STATE_NO_SLOT is fine. */
void state_release(struct state *state, uint32_t slot);
/** Make `record` the slot's content, whole or not at all. */
void state_commit(struct state *state, uint32_t slot, const void *record);
/** The slot's content, or NULL if it is free. Valid until the next commit of that slot. */
const void *state_read(const struct state *state, uint32_t slot);
/** One past the highest slot that was ever used. */
uint32_t state_end(const struct state *state);

/**
 * The word of a slot into which a child that is being spawned writes its own pid before anything else: so a server that
 * dies between clone(2) and its own commit leaves the pid on record. The caller sets it to 0 before each spawn.
 */
volatile pid_t *state_spawn_pid(struct state *state, uint32_t slot);

/* Helper commands of a service whose pids are on record at a time: one that runs and others that were given up. */
#define STATE_HELPERS 4

/**
 * A word for the pid of a helper command, which its child writes as with state_spawn_pid(). It is not 0 from now until
 * the caller sets it to 0: STATE_HELPER_COMING, then the pid. NULL if all are taken.
 */
#define STATE_HELPER_COMING (-1)
volatile pid_t *state_take_helper(struct state *state, uint32_t slot);
/** The i-th word of a slot, as it is. */
volatile pid_t *state_helper(struct state *state, uint32_t slot, unsigned int i);

#endif
