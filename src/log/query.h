/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to the history of one or more services: the ring and the segments on disk as one, oldest
 * first, no line twice. Several services are merged by time.
 *
 * query_run() does the work in the calling thread and may read much from disk: the server's loop uses
 * log_query_start() (log.h), which runs it in a thread of its own. Questions that the ring alone can
 * answer (`memory_only`, or few last lines) touch no disk.
 */
#ifndef LOG_QUERY_H
#define LOG_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "log/line.h"
#include "log/ring.h"

#define QUERY_ALL UINT64_MAX
/* longest text of a cursor, with its NUL */
#define CURSOR_TEXT_SIZE 80
#define QUERY_PATTERN_MAX 4096

/* For log_cursor.ring: a place that is known by its time alone. */
#define CURSOR_NO_RING 1
/** A place between two lines of one service: "all before it has been seen". Its text form is opaque to users. */
struct log_cursor {
	uint64_t ring;   /* ring_id(); 0: no ring yet */
	uint64_t seq;    /* next line wanted */
	ts_ns ts;        /* time of the last line seen, ... */
	uint32_t same;   /* ... and how many lines of exactly that time were seen: finds the place in segments */
};

/** The place before line `seq` (tail <= seq <= head). */
void ring_cursor(const struct ring *r, uint64_t seq, struct log_cursor *out);
/** Does `ring` (NULL: none) still hold what comes after the place, or was there no ring yet? */
bool log_cursor_in_ring(const struct log_cursor *c, const struct ring *ring);
/** Write the text form. */
void log_cursor_format(const struct log_cursor *c, char out[CURSOR_TEXT_SIZE]);
/** Returns 0, or -EINVAL: not a cursor. */
int log_cursor_parse(const char *text, struct log_cursor *out);

/**
 * A time that a person wrote: "2026-11-22 10:00[:05[.123]]", RFC 3339 with a zone, "10:00" (today), "@1732230000",
 * "-10m", "10 min ago", "now", "today", "yesterday". Without a zone it is local time.
 * Returns 0, or -EINVAL with `err` saying what is understood.
 */
int log_time_parse(const char *text, ts_ns now, ts_ns *out, struct error *err);

struct query_opts {
	uint64_t last;            /* only the last n matching lines; QUERY_ALL */
	uint64_t limit;           /* stop after so many lines; 0: no limit */
	ts_ns since, until;       /* since <= ts < until; 0: open */
	unsigned int streams;     /* bit 1 << LOG_STDOUT ...; 0: all */
	int level;                /* lines of this level or graver (0..7) by `<N>` prefix, no prefix counts as 6; -1: all */
	const char *substring;    /* text contains these bytes; NULL: any */
	const char *regex;        /* PCRE2 syntax, matched against the line's bytes; NULL: any */
	bool ignore_case;         /* for substring and regex */
	bool by_run;              /* only run `run`: > 0 that one, 0 the newest, -1 the one before it ...; in segments by time */
	int64_t run;
	const struct log_cursor *after; /* only what comes after that place, one for each source; NULL: all */
	bool memory_only;         /* what the ring holds within its max_lines; no disk */
	const _Atomic bool *stop; /* set by another thread: end with -ECANCELED; may be NULL */
};

/** The defaults: every line, oldest first. */
#define QUERY_OPTS_INIT { .last = QUERY_ALL, .level = -1 }

struct query_source {
	const char *service;
	struct ring *ring;        /* NULL: nothing in memory */
	const char *dir;          /* directory of its segments; NULL: none */
};

/**
 * Find lines. `fn` gets each in the order of time; lines that are gone are told as LINE_LOST records where that is known.
 * `out_cursors` (NULL, or one per source) become where a follower goes on without loss or double.
 * Returns 0, what `fn` returned, or negative errno with `err` filled (-EINVAL: the regex; -EIO ...).
 */
int query_run(const struct query_source *sources, size_t n, const struct query_opts *opts, log_line_fn fn, void *data,
	      struct log_cursor *out_cursors, struct error *err);

/** A compiled filter: streams, level, substring, regex, run of query_opts. For followers. */
struct query_filter;
/** Returns 0, or -EINVAL (`err` names the place in the regex), -ENOMEM. `opts` is not kept. */
int query_filter_new(const struct query_opts *opts, struct query_filter **out, struct error *err);
bool query_filter_match(const struct query_filter *f, const struct log_line *line);
void query_filter_free(struct query_filter *f);

#endif
