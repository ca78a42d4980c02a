/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server must remember over its own death: one fixed-size record a service, in a memfd that the keeper holds.
 *
 * Each slot has two copies of its record and a selector. An update writes the copy that is not selected, then flips the
 * selector with one aligned store. So a SIGKILL between any two instructions leaves the old record or the new one. The
 * file has room for all services from the start, but pages cost nothing until they are written.
 *
 * A record is plain bytes to this module; the version says what they mean. A server of another version may have written the
 * file: what it knows of a record may be less or more than what we know, and bytes that we do not know stay as they are.
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

/** Which file a program is. */
struct state_program {
	uint64_t dev, ino;
};

/** What a record is to this program. */
struct state_format {
	uint32_t version; /* of what it writes */
	uint32_t oldest;  /* version that it can read */
	uint32_t reader;  /* the oldest version that can read what it writes */
	size_t size;      /* bytes of a record that it knows */
	size_t room;      /* bytes that a record has in a new file, for later versions */
};

/** A new, empty state. Returns 0 or negative errno with `err`. `format` must stay. */
int state_new(const struct state_format *format, struct state **out, struct error *err);
/** Map what an earlier server left, and change nothing. Takes `fd` over on success. -EPROTO: it can't be read. */
int state_adopt(int fd, const struct state_format *format, struct state **out, struct error *err);
/** From now on this program writes it. Fills in the program that did so before, as far as it was another one. */
void state_begin(struct state *state, struct state_program *out_earlier);
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

/**
 * The word of a slot into which a child that can't be spawned writes why before it ends: the step in the upper half, errno in the
 * lower. 0: it did not fail. Of the same life as the word before.
 */
volatile uint32_t *state_spawn_failure(struct state *state, uint32_t slot);

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
