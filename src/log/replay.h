/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cursor on one service's history for another process: from the ring as long as the ring has the lines, from the
 * segments where it has not, and back. It reads what is there; who tells that there is more is the caller's affair
 * (log_engine_news()). Segments are read in the calling thread.
 */
#ifndef LOG_REPLAY_H
#define LOG_REPLAY_H

#include "log/query.h"

struct log_replay;

/**
 * Read `service` from `from` on; one of all zeros is "what is there now". `dir`: directory of its segments, NULL: read the ring only; both are copied. `ring` may be
 * NULL (nothing was ever written to it) and set later; a reference is taken. Returns NULL: no memory.
 */
struct log_replay *log_replay_new(const char *service, const char *dir, struct ring *ring, const struct log_cursor *from);
/** NULL is fine. */
void log_replay_free(struct log_replay *r);
/** The ring, now that there is one. */
void log_replay_set_ring(struct log_replay *r, struct ring *ring);
/**
 * The next line; its text is copied to `buf`. Lines that can't be read any more are told as one LINE_LOST record
 * (LINE_LOST_OVERWRITTEN). Its `service` is the replay's name.
 * Returns 1; 0: no more for now; -EMSGSIZE: `*need` bytes of room are needed, nothing was passed; or another negative errno.
 */
int log_replay_next(struct log_replay *r, char *buf, size_t size, struct log_line *out, size_t *need);
/** The place behind the last line that was given. */
const struct log_cursor *log_replay_at(const struct log_replay *r);

#endif
