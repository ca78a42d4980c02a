/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments: the files that a service's lines are kept in.
 *
 *   <dir>/<service>/20261122T230405.123456789Z-000017.log        being written, or closed
 *   <dir>/<service>/20261122T230405.123456789Z-000017.log.zst    closed and compressed
 *
 * The name holds the time of the first line and a number that grows by one, so names sort by age. The
 * lines are in the CRI log format, "TIME stdout F text": F for a whole line, P for a part that goes on
 * in the next line of that stream. Text is any bytes but newline.
 */
#ifndef LOG_SEGMENT_H
#define LOG_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "log/line.h"

/* Longest name of a segment, with its NUL. */
#define SEGMENT_NAME_SIZE 64
/* "2026-11-22T23:04:05.123456789Z stdout F " */
#define CRI_PREFIX 40U

struct segment {
	ts_ns ts;      /* of its first line */
	uint64_t no;
	bool zipped;
	uint64_t bytes;
	ts_ns changed; /* mtime: about the time of its last line */
};

struct segments {
	struct segment *list; /* oldest first */
	size_t n;
};

void segment_name(const struct segment *s, char out[SEGMENT_NAME_SIZE]);
/** Fill ts, no and zipped from a file's name. Returns false if it is not a segment's. */
bool segment_parse_name(const char *name, struct segment *out);
/**
 * The segments in directory `dir_fd`, sorted by number; a plain file beside its compressed twin is left out (compression
 * was killed before it removed the original). Returns 0, or negative errno. Free with segments_fini().
 */
int segments_list(int dir_fd, struct segments *out);
void segments_fini(struct segments *s);

/** Write the prefix of a line (CRI_PREFIX bytes) to `out`. */
void cri_prefix(char *out, ts_ns ts, enum log_stream stream, bool partial);
/** Parse the time at the begin of a line ("2026-11-22T23:04:05.123456789Z"). Returns false if there is none. */
bool cri_time(const char *line, size_t len, ts_ns *out);
/**
 * Parse one line without its newline. `out` gets time, stream, LINE_PARTIAL and the text in place; no `service`.
 * Returns false if it is not in the format.
 */
bool cri_parse(const char *line, size_t len, struct log_line *out);

/**
 * Cut a torn last line (no newline, or not in the format) off an open segment. Returns the bytes that were cut (>= 0) or
 * negative errno; `*out_size` is the size that is left.
 */
int64_t segment_repair(int fd, uint64_t *out_size);

/** Reads a segment line by line, plain or compressed. */
struct segment_reader;
/**
 * Open a segment to read [from, to) of its uncompressed bytes (UINT64_MAX: to its end). A plain one that was compressed
 * since it was listed is found all the same. `needle` (may be NULL, borrowed): give only lines that contain these
 * `needle_len` bytes somewhere: quick. Returns 0; -ENOENT: deleted meanwhile; -ENOMEM; or another negative errno.
 */
int segment_open(int dir_fd, const struct segment *s, uint64_t from, uint64_t to, const char *needle, size_t needle_len,
		 struct segment_reader **out);
/**
 * The next line; its text is valid until the next call. What is not a line of the format is passed over.
 * Returns 1, 0 at the end, or negative errno (-EIO: damaged).
 */
int segment_next(struct segment_reader *r, struct log_line *out);
void segment_close(struct segment_reader *r);

/** Compress a closed segment in place of the plain file, crash-safe; the bytes before and after in `out_saved`. */
int segment_zip(int dir_fd, const struct segment *s, int64_t *out_saved);

#endif
