/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log engine: from the pipes of the services to their rings (one thread), from the rings to the
 * segments on disk (another), and to whoever asks or follows (the loop's thread).
 *
 * All functions are called from the thread of the loop unless they say otherwise; callbacks come in
 * that thread too, from the loop. Nothing here waits for a disk or a service. The two threads take no
 * part in anything else; an idle engine wakes up never.
 *
 * Taking over after a crash or an upgrade is the same as beginning: log_service_add() with the ring's
 * descriptor that the keeper held, log_attach() with the pipes' read ends. What the killed reader was
 * doing is finished by the ring itself before the first read.
 */
#ifndef LOG_LOG_H
#define LOG_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/error.h"
#include "base/str.h"
#include "log/line.h"
#include "log/query.h"
#include "log/ring.h"

struct log_engine;
struct log_service;
struct log_follow;
struct log_query;
struct loop;

/**
 * A pipe has ended: all writers closed it, everything was read, the last line is in the ring, our read end is closed.
 * The caller lets the keeper drop its copy; `tag` is that of log_attach().
 */
typedef void (*log_ended_fn)(struct log_service *svc, enum log_stream stream, uint32_t tag, void *data);

/* In the log directory. Its bytes are locks (fd_lock_byte(); docs/adr/0013): who owns the directory, and who writes to it now. */
#define LOG_LOCK_FILE ".lock"
enum log_lock { LOG_LOCK_OWNER, LOG_LOCK_WRITER };

struct log_options {
	const char *dir;          /* segments go to <dir>/<service>/; NULL: no store at all. Copied. */
	uint64_t max_total;       /* bytes of all segments together; 0: no bound */
	log_ended_fn on_ended;    /* may be NULL */
	void *data;               /* for on_ended */
};

enum log_full { LOG_FULL_DROP, LOG_FULL_BLOCK };

struct log_service_opts {
	struct ring_opts ring;
	enum log_full on_full;    /* when the store can't follow: DROP loses the oldest lines for it, BLOCK lets the service wait */
	bool store;               /* keep segments on disk */
	bool compress;            /* closed segments by zstd */
	uint64_t max_size;        /* rotate at so many bytes; 0: 10 MiB */
	usec_t rotate_age;        /* rotate a segment whose first line is so old; 0: never */
	uint32_t max_files;       /* closed segments kept; 0: 5 */
	usec_t max_age;           /* delete closed segments older than that; 0: never */
};

/**
 * Start the engine and its threads; signals are blocked in them. Returns 0 or negative errno with `err` filled.
 */
int log_engine_new(struct loop *loop, const struct log_options *opts, struct log_engine **out, struct error *err);
/**
 * Read what is left in the pipes, write what is left to disk for at most `patience` microseconds, end the threads, free
 * all services. A disk that hangs costs the patience and no more. NULL is fine.
 */
void log_engine_free(struct log_engine *e, usec_t patience);

/** Another max_total, from now on: what is too much goes when the store next closes a segment. */
void log_engine_set_total(struct log_engine *e, uint64_t max_total);

/**
 * Add a service. `ring_fd` (from ring_create(), or held by the keeper; owned by the engine from now on) may hold lines.
 * `name` is copied. Returns 0, -EEXIST, -ENOMEM; on failure `ring_fd` is still the caller's.
 */
int log_service_add(struct log_engine *e, const char *name, const struct log_service_opts *opts, int ring_fd,
		    struct log_service **out);
/** Stop reading, store what is in the ring, forget the service. Its pointer is invalid at once; followers see -ENOENT. */
void log_service_remove(struct log_service *svc);
/** Change the options of a running service; sizes of the ring stay what they are. Returns 0 or -ENOMEM. */
int log_service_set(struct log_service *svc, const struct log_service_opts *opts);
struct log_service *log_service_find(struct log_engine *e, const char *name);
const char *log_service_name(const struct log_service *svc);
/** The ring's descriptor, to be passed to the keeper or a worker; stays the engine's. */
int log_service_ring_fd(const struct log_service *svc);

/**
 * Read `pipe_fd` (read end of a pipe, owned by the engine from now on; made non-blocking) as `stream` of run `run`.
 * Pipes of several runs may be attached at a time: a grandchild may outlive its run. `tag` is the
 * caller's own, given back when the pipe has ended. Returns 0 or -ENOMEM (fd not taken).
 */
int log_attach(struct log_service *svc, uint64_t run, enum log_stream stream, int pipe_fd, uint32_t tag);

/** All that the run's leader wrote is in the ring. `ended`: no pipe of the run is left (no stranger holds one). */
typedef void (*log_drained_fn)(struct log_service *svc, uint64_t run, bool ended, void *data);
/**
 * The leader of run `run` has exited: read its pipes up to what is in them now (or to their end), make its unterminated
 * last line a line, then call `fn`. Pipes that strangers hold stay attached under this run. Called back also if the run
 * has no pipe. Returns 0 or -ENOMEM.
 */
int log_drain(struct log_service *svc, uint64_t run, log_drained_fn fn, void *data);

/**
 * Take our own diagnostics in as the output of `svc` (service "zinit"): pipe ends that the caller made (and that the
 * keeper may hold too, so that nothing is lost in a crash). Both are owned by the engine from now on. Then
 * diag_set_sink(log_write_own). Returns 0 or negative errno (descriptors not taken).
 */
int log_set_own(struct log_service *svc, uint64_t run, int read_fd, int write_fd);
/**
 * A diag sink: writes "<N>line" to the pipe of log_set_own(), to stderr before that. Any thread, never blocks, never
 * allocates; a line that finds the pipe full is counted (log_own_dropped()).
 */
void log_write_own(enum diag_level level, const char *line, size_t len);
uint64_t log_own_dropped(void);

/** How far a place is behind the newest line. */
struct log_behind {
	uint64_t lines;
	uint64_t bytes; /* of those that are still in the ring */
	ts_ns oldest;	/* time of the first line behind it; 0: none */
};
/** What comes after `at`, as the ring knows it; a place in another ring is before all of this one. */
void log_service_behind(struct log_service *svc, const struct log_cursor *at, struct log_behind *out);

struct log_stats {
	struct ring_counts ring;
	uint64_t stored_lines, stored_bytes;   /* on disk, ever */
	uint64_t store_dropped;                /* lines that the store could not keep */
	uint64_t store_behind;                 /* lines in the ring that are not stored yet */
	int store_error;                       /* errno of the last failure while it lasts, else 0 */
	int store_lost_error;                  /* why it dropped lines the last time: errno, or 0: overwritten before it came to them */
	uint64_t repaired_bytes;               /* torn tail cut off at open */
	uint64_t followers;                    /* of this server, now */
	uint64_t followers_lost;               /* lines that they were told are gone, of all of them since this server began */
};
void log_service_stats(struct log_service *svc, struct log_stats *out);

/* Lines that nobody will find in the store, ever counted. While nothing is stored, `store` stands where the store stood. */
struct log_lost {
	uint64_t rate;	  /* over the rate limit */
	uint64_t store;	  /* gone from memory before they were stored */
	int store_error;  /* errno of what keeps, or last kept, the store from its work; 0: it was only too slow */
};
void log_service_lost(struct log_service *svc, struct log_lost *out);
/** Lines were lost. In the loop; not again before log_service_lost_again(). */
typedef void (*log_lost_fn)(struct log_service *svc, void *data);
/** Once, before the service has a pipe. */
void log_service_on_lost(struct log_service *svc, log_lost_fn fn, void *data);
/** Tell of the next loss. Look at the counts after it: a loss before it is not told. */
void log_service_lost_again(struct log_service *svc);

/*
 * News for another process, which maps the rings itself: of each service that has a slot, the reader sets the slot's bit
 * when there are new lines, and writes `fd` if `armed` was set; it clears `armed` then. Whoever sleeps sets `armed` and
 * looks at the bits once more. All of it is memory that the process shares with us and may scribble on.
 */
struct log_news {
	_Atomic uint64_t *dirty; /* `slots` bits */
	_Atomic uint32_t *armed;
	uint32_t slots;
	int fd; /* eventfd, not blocking; stays the caller's */
};
#define LOG_NEWS_OFF UINT32_MAX

/** Where news go. Once, before any log_service_news(); the memory must outlive the engine. */
void log_engine_news(struct log_engine *e, const struct log_news *news);
/** Tell news of `svc` at `slot`; LOG_NEWS_OFF: no more. Returns 0, or -EINVAL (no such slot). */
int log_service_news(struct log_service *svc, uint32_t slot);

/* Questions. */

/**
 * Lines in memory: `opts->memory_only` is implied. Fast enough for the loop. `out_cursor` may be NULL.
 * Returns 0, what `fn` returned, or negative errno with `err` filled.
 */
int log_memory(struct log_service *svc, const struct query_opts *opts, log_line_fn fn, void *data,
	       struct log_cursor *out_cursor, struct error *err);

/** Lines came (`n` > 0; `lines` live until it returns), or the question is answered: `n` = 0, `result` 0 or negative errno. */
typedef void (*log_query_fn)(struct log_query *q, const struct log_line *lines, size_t n, int result, void *data);
/**
 * Ask ring and segments, in a thread. `fn` is called in the loop with batches; return values of the asker are not needed:
 * to slow down, log_query_pause(). After the call with n = 0 the query is freed. Strings of `opts` are copied.
 */
int log_query_start(struct log_engine *e, struct log_service *const *svcs, size_t n, const struct query_opts *opts,
		    log_query_fn fn, void *data, struct log_query **out, struct error *err);
void log_query_pause(struct log_query *q, bool pause);
/** End early; `fn` is not called again. */
void log_query_cancel(struct log_query *q);
/** After the end (in the last call of `fn`): where followers go on, one cursor per service, and the error's text. */
const struct log_cursor *log_query_cursors(const struct log_query *q);
const char *log_query_error(const struct log_query *q);

/* Incidents: see incident.h for what they are on disk. */

/** The disk has it (`result` 0), or has refused it: it waits in memory and is tried again with the next one. In the loop. */
typedef void (*log_incident_kept_fn)(const char *id, int result, void *data);
/**
 * Keep an incident: `text` (from malloc, taken over on success) of `len` bytes, whose first line is as incident.h says. The
 * disk is written to in another thread. `fn` may be NULL. Returns 0, -ENOENT (there is no store) or -ENOMEM.
 */
int log_incident_add(struct log_engine *e, const char *id, char *text, size_t len, log_incident_kept_fn fn, void *data);
/** Incidents that were given up because the disk refused them for too long. */
uint64_t log_incidents_lost(const struct log_engine *e);

enum log_incident_question { LOG_INCIDENT_LIST, LOG_INCIDENT_NEWEST, LOG_INCIDENT_BY_ID };
struct log_incident_ask;
/** The answer, valid during the call: of a list, the heads (incident.h), one a line, newest first. -ENOENT: no such one. In the loop. */
typedef void (*log_incident_fn)(int result, const struct strbuf *text, void *data);
/** Ask, in another thread. `what`: a service (NULL: all, for a list) or an id. Returns 0, -ENOENT (there is no store) or -ENOMEM. */
int log_incident_ask(struct log_engine *e, enum log_incident_question question, const char *what, log_incident_fn fn,
		     void *data, struct log_incident_ask **out);
/** `fn` is not called any more. */
void log_incident_cancel(struct log_incident_ask *ask);

/* Following. */

typedef void (*log_wake_fn)(struct log_follow *f, void *data);
/** Does memory still hold what comes after the cursor? Else log_query_start() with `after` finds it, and says where followers go on. */
bool log_follow_reaches(const struct log_service *svc, const struct log_cursor *from);
/**
 * Be told of new lines of `svc` from `from` on (NULL: from now on; a cursor that log_memory() gave: nothing is lost
 * between snapshot and follow). `fn` is called in the loop when there may be lines to read; it is called again only after
 * log_follow_read() has reached the end. `filter` is borrowed, may be NULL. Returns 0 or -ENOMEM.
 */
int log_follow_new(struct log_service *svc, const struct log_cursor *from, const struct query_filter *filter,
		   log_wake_fn fn, void *data, struct log_follow **out);
/**
 * Give lines to `fn`, at most `max`. Lines that were overwritten before they could be read are told as one LINE_LOST
 * record with their count. If `fn` returns non-zero, that line is not counted as read and will come again.
 * Returns the number of lines given; -ENOENT: the service was removed and all its lines were read.
 */
int log_follow_read(struct log_follow *f, size_t max, log_line_fn fn, void *data);
void log_follow_cursor(const struct log_follow *f, struct log_cursor *out);
/** Stop; NULL is fine. May be called within its callback. */
void log_follow_free(struct log_follow *f);

#endif
