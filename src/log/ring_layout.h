/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layout of a ring's memfd, shared by the three files that know it: ring.c (maps and reads),
 * ring_write.c (the one writer) and ring_commit.c (state, announcement, recovery). The words of the
 * document docs/internals/log.md; a change here is a new RING_VERSION.
 */
#ifndef LOG_RING_LAYOUT_H
#define LOG_RING_LAYOUT_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "log/ring.h"

#define RING_MAGIC 0x31474e49525a5aULL /* "ZZRING1" */
#define RING_VERSION 1U
#define RING_HEADER 4096U
#define RING_POISON 16U
/* Reads shorter than this could match a random poison: their bytes are peeked at first. */
#define RING_PEEK_BELOW 8U
/* Sources that can have an unfinished line at a time: two streams of a run and of five that left children. */
#define RING_SLOTS 12U
#define RING_INDEX_MIN 512U
/* One entry for so many bytes: shorter lines than that are bounded by the index, longer ones by the bytes. */
#define RING_BYTES_PER_ENTRY 64U

/* A word of memory that is shared with a concurrent writer, whatever struct it belongs to. */
typedef uint64_t __attribute__((may_alias)) ring_word;

struct ring_entry {
	uint64_t pos;
	uint32_t len;   /* LINE_LOST: the count */
	uint16_t flags; /* LINE_*, the stream in the lowest bits */
	uint16_t run;   /* low bits of the run */
	int64_t ts;
};

/* A source with an unfinished line, or one that was split and goes on. */
struct ring_slot {
	uint64_t run;
	uint64_t pos;
	uint32_t len;
	uint16_t flags; /* stream, LINE_CONTINUED, SLOT_USED */
	uint16_t tag;
};

#define SLOT_USED 0x8000U

/* What a commit changes: two copies in the header, `turn & 1` tells which one is valid. */
struct ring_state {
	uint64_t head;        /* next line's number */
	uint64_t in_pos;      /* end of the bytes */
	uint64_t parsed_pos;  /* bytes from here to in_pos have no lines yet: they belong to src_* */
	uint64_t last_run;
	uint64_t src_run;
	int64_t src_ts;
	uint32_t src_flags;   /* stream, LINE_UNCERTAIN, the tag in the high half */
	uint32_t rate_tokens;
	int64_t rate_ts;
	uint64_t rate_untold; /* dropped since the last marker */
	uint64_t rate_lines;
	uint64_t rate_bytes;
	uint64_t bytes_read;
	struct ring_slot slots[RING_SLOTS];
};

/* A read that is about to happen. Armed while gen == turn + 1. */
struct ring_announce {
	_Atomic uint64_t gen;
	uint64_t pos;
	uint64_t run;
	int64_t ts;
	uint32_t n;
	uint32_t flags; /* as src_flags */
	uint8_t poison[RING_POISON];
};

struct ring_header {
	_Atomic uint64_t magic; /* written last at the first write; 0: empty ring */
	uint32_t version;
	uint32_t header_bytes;
	uint64_t id;
	uint32_t index_cap; /* a power of two */
	uint32_t entry_bytes;
	uint64_t bytes_at; /* offset of the byte ring in the file */
	uint64_t bytes_cap;
	_Atomic uint32_t max_lines;
	_Atomic uint32_t max_line;
	uint8_t pad0[72];
	/* 128: what readers look at */
	_Atomic uint64_t head;
	_Atomic uint64_t tail;
	_Atomic uint64_t last_run;
	uint8_t pad1[40];
	/* 192: the writer's own */
	_Atomic uint64_t turn;
	uint8_t pad2[56];
	struct ring_announce announce; /* 256 */
	uint8_t pad3[200];
	struct ring_state state[2]; /* 512 */
	uint8_t pad4[768];
	/* 2048: the store's own */
	_Atomic uint64_t store_turn;
	uint8_t pad5[56];
	struct ring_store store[2];
};

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "put_entry() packs words for little-endian machines");
static_assert(sizeof(struct ring_entry) == 24, "entry layout");
static_assert(sizeof(struct ring_slot) == 24, "slot layout");
static_assert(sizeof(struct ring_state) == 384, "state layout");
static_assert(sizeof(struct ring_store) == 64, "store layout");
static_assert(offsetof(struct ring_header, head) == 128, "header layout");
static_assert(offsetof(struct ring_header, turn) == 192, "header layout");
static_assert(offsetof(struct ring_header, announce) == 256, "header layout");
static_assert(offsetof(struct ring_header, state) == 512, "header layout");
static_assert(offsetof(struct ring_header, store_turn) == 2048, "header layout");
static_assert(sizeof(struct ring_header) <= RING_HEADER, "header layout");

/* A mapping. Geometry is copied from the header at open, so that a damaged header can't move it later. */
struct ring {
	struct ring_header *h;
	struct ring_entry *index;
	char *bytes; /* mapped twice in a row */
	uint64_t bytes_cap;
	uint64_t bytes_mask; /* bytes_cap - 1 if that is a power of two, else 0: a division per line is dear */
	uint32_t index_cap;
	_Atomic uint32_t refs;
	size_t map_bytes;
	/* the writer's own; NULL state for readers */
	struct ring_writer *w;
};

struct ring_writer {
	struct ring_state st; /* the truth between commits */
	uint64_t turn;
	uint64_t tail;
	uint64_t hold;
	uint64_t random;
	uint32_t rate_limit;
	uint32_t max_line;
	int peek[2]; /* private pipe for tee(2); -1 until first needed */
};

/* Copy whole words that another thread may be writing; the caller validates afterwards. */
void ring_words_get(void *dst, const void *shared, size_t bytes);
void ring_words_put(void *shared, const void *src, size_t bytes);
/* Copy text that the kernel may be overwriting; the caller looks at the tail afterwards. */
void ring_copy_racing(char *dst, const char *src, size_t len);

static inline struct ring_entry *ring_entry_at(const struct ring *r, uint64_t seq)
{
	return &r->index[seq & (r->index_cap - 1)];
}

static inline char *ring_byte_at(const struct ring *r, uint64_t pos)
{
	return r->bytes + (r->bytes_mask ? pos & r->bytes_mask : pos % r->bytes_cap);
}

/* ring_commit.c */

/** Make w->st the valid state, by one store, and tell readers. */
void ring_commit(struct ring *r);
/** Load the state of the last commit and finish an announced read that had happened. For ring_open(). */
void ring_recover(struct ring *r);
/** Announce, read, take the announcement back. Returns the bytes read (not committed), 0 or negative errno. */
ssize_t ring_read_announced(struct ring *r, int fd, const struct ring_announce *what);

#endif
