/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring: the lines of one service in a memfd, written by one thread, read by any number of
 * threads and processes. docs/internals/log.md has the layout byte by byte.
 *
 * Lines are numbered from 0 (`seq`), bytes from 0 (`pos`); both are absolute and never wrap. A ring
 * holds the lines [ring_tail(), ring_head()). Before the writer overwrites anything it moves the
 * tail past it, so a reader copies first and then looks whether the tail has passed: it is never
 * fooled by an overwrite.
 *
 * Reading from a pipe survives SIGKILL at any instruction: the read is announced in the header with
 * a random poison in the last bytes of its target, and committed by one store afterwards. The next
 * opener sees by the poison whether the read had happened, and finishes it.
 *
 * A ring that was never written to has no page at all: the header is made by the first write.
 */
#ifndef LOG_RING_H
#define LOG_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "log/line.h"

struct ring;

/* Bounds of the options; values outside are moved to the nearest bound. */
#define RING_LINES_MIN 1U
#define RING_LINES_MAX (1U << 20)
#define RING_BYTES_MIN (64U << 10)
#define RING_BYTES_MAX (1U << 30)
#define RING_LINE_MIN 16U
/* and never more than a quarter of the bytes */
#define RING_LINE_MAX (1U << 20)

struct ring_opts {
	uint32_t max_lines;     /* buffer_lines: lines that people see in memory; 0: 1000 */
	uint64_t max_bytes;     /* buffer_bytes: rounded up to pages; 0: 1 MiB */
	uint32_t max_line;      /* longer lines are split, flagged; 0: 64 KiB */
	uint32_t rate_limit;    /* lines a second, 0: none; what is over it is counted and told in-band */
};

/** Who wrote: a run of the service, the stream, and the caller's tag where a run has several pipes for a stream. */
struct ring_source {
	uint64_t run;
	enum log_stream stream;
	uint16_t tag;
};

/**
 * Make the memfd of a ring: close-on-exec, size fixed by seals, no page touched. `name` is for /proc only.
 * Returns the descriptor, or negative errno.
 */
int ring_create(const char *name, const struct ring_opts *opts);

/**
 * Map a ring for writing, and finish what a killed writer left (see above). `fd` stays the caller's and may be closed.
 * `opts` gives the limits; the sizes of a ring that was written to are its own. Only one writer may have it open.
 * Returns 0; -EINVAL: not a ring, or damaged; -EPROTO: another layout version; -ENOMEM.
 */
int ring_open(int fd, const struct ring_opts *opts, struct ring **out);
/** Map a ring for reading. Returns 0; -ENODATA: nothing was ever written (and no page is touched); or as above. */
int ring_open_readonly(int fd, struct ring **out);
/** Count one more holder. From any thread. */
struct ring *ring_ref(struct ring *r);
/** Give up one hold; the last one unmaps. NULL is fine. */
void ring_unref(struct ring *r);

/* For readers: any thread, any process. */

/** Random number of this ring, made at its first write: cursors name it. */
uint64_t ring_id(const struct ring *r);
/** One past the newest line. */
uint64_t ring_head(const struct ring *r);
/** The oldest line that is there. */
uint64_t ring_tail(const struct ring *r);
/** The oldest line within max_lines: where "all" begins. ring_tail() may be lower: room for cursors. */
uint64_t ring_first(const struct ring *r);
/** The newest run that wrote or was announced; 0: none. */
uint64_t ring_last_run(const struct ring *r);
/** Bytes of the byte ring. */
uint64_t ring_capacity(const struct ring *r);
/** Bytes that a line of this ring may have: a buffer for ring_read(). */
uint32_t ring_max_line(const struct ring *r);

/**
 * Copy line `seq` into `buf` (`size` >= ring_max_line()) and fill `out` (its text points into `buf`; `service` is NULL).
 * Returns 0; -EAGAIN: not written yet; -ESTALE: overwritten: go on at ring_tail().
 */
int ring_read(const struct ring *r, uint64_t seq, char *buf, size_t size, struct log_line *out);

/** Only the time of line `seq`. Returns as ring_read(). */
int ring_time(const struct ring *r, uint64_t seq, ts_ns *out);

/**
 * Lines [seq, head) without a copy: `fn` gets the text in place, which may be overwritten meanwhile. The caller must call
 * ring_tail() after it used the texts, and forget those of lines below it. `fn` returns 0 to go on.
 * Returns the first line that was not visited.
 */
uint64_t ring_walk(const struct ring *r, uint64_t seq, log_line_fn fn, void *data);

/** The first line in [tail, head) with a time >= `ts` (head if none). Right where clocks never stepped back; else near. */
uint64_t ring_seek(const struct ring *r, ts_ns ts);

/** Lines [seq, head): how many, the bytes of those that are still here, the time of the oldest of them (0: none). */
void ring_behind(const struct ring *r, uint64_t seq, uint64_t *out_lines, uint64_t *out_bytes, ts_ns *out_oldest);

struct ring_counts {
	uint64_t bytes_read;   /* from pipes, newlines included */
	uint64_t lines;        /* lines ever made, parts of long lines and markers included: ring_head() */
	uint64_t overwritten;  /* of them no longer here: ring_tail() */
	uint64_t rate_lines;   /* lines dropped by rate_limit, in none of the above but bytes_read */
	uint64_t rate_bytes;   /* their bytes, newlines included */
	uint64_t pending;      /* bytes of lines whose newline has not come yet */
};
void ring_counts(const struct ring *r, struct ring_counts *out);

/* For the one writer. */

/** Change limits: lines that people see, line length, rate. The sizes of the memory stay. */
void ring_set(struct ring *r, const struct ring_opts *opts);
/** The oldest line that the writer must keep (a cursor that blocks). UINT64_MAX, the default: none. */
void ring_hold(struct ring *r, uint64_t seq);

/**
 * Read once from the pipe `fd` what is there now, at most `max` bytes (0: the ring's own bound), into the ring.
 * `flags`: LINE_UNCERTAIN or 0, given to each line. `now`: their time.
 * Returns the bytes read; 0: the pipe is empty (the caller knows from poll(2) whether it has ended);
 * -EAGAIN: held lines are in the way (ring_hold()), nothing was read; or negative errno of ioctl(2), read(2).
 */
ssize_t ring_pull(struct ring *r, int fd, const struct ring_source *src, size_t max, ts_ns now, uint16_t flags);
/**
 * Index what was read but not yet indexed because held lines were in the way. Returns 0, or -EAGAIN: still so.
 * ring_pull() and ring_flush() do it first.
 */
int ring_settle(struct ring *r);
/** The unterminated last line of `src`, if any, becomes a line, flagged LINE_UNTERMINATED. Returns 0 or -EAGAIN (see above). */
int ring_flush(struct ring *r, const struct ring_source *src, ts_ns now);

/*
 * Where the store is. It lives in the ring so that it survives a kill; its one writer (the store's thread) may be another
 * than the ring's. A change is one store: a kill leaves the old or the new.
 */
struct ring_store {
	uint64_t seq;          /* lines below it are on disk, or counted as dropped */
	ts_ns segment_ts;      /* name of the open segment: time of its first line ... */
	uint64_t segment_no;   /* ... and its number; 0: none yet */
	uint64_t offset;       /* bytes of it that are valid; what follows is to be cut off */
	uint64_t lines;        /* stored, ever */
	uint64_t bytes;        /* stored, ever, as text without prefixes */
	uint64_t dropped;      /* lines that could not be stored */
	uint64_t run;          /* the newest run whose begin is on record (runs.h) */
};
void ring_store_get(const struct ring *r, struct ring_store *out);
void ring_store_set(struct ring *r, const struct ring_store *s);

#endif
