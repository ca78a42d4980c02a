/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: making, mapping and reading rings. */
#include "log/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "log/ring_layout.h"

#define DEFAULT_LINES 1000U
#define DEFAULT_BYTES (1U << 20)
#define DEFAULT_LINE (64U << 10)

struct geometry {
	uint32_t index_cap;
	uint64_t index_bytes;
	uint64_t bytes_cap;
};

static uint64_t clamp(uint64_t value, uint64_t dflt, uint64_t min, uint64_t max)
{
	if (!value)
		value = dflt;
	return MIN(MAX(value, min), max);
}

static uint64_t round_up(uint64_t value, uint64_t to)
{
	return (value + to - 1) / to * to;
}

static struct geometry geometry_of(const struct ring_opts *opts)
{
	struct geometry g = { .index_cap = RING_INDEX_MIN };
	uint64_t lines = clamp(opts->max_lines, DEFAULT_LINES, RING_LINES_MIN, RING_LINES_MAX);

	g.bytes_cap = round_up(clamp(opts->max_bytes, DEFAULT_BYTES, RING_BYTES_MIN, RING_BYTES_MAX), RING_HEADER);
	while (g.index_cap < lines || g.index_cap < g.bytes_cap / RING_BYTES_PER_ENTRY)
		g.index_cap *= 2;
	g.index_bytes = (uint64_t)g.index_cap * sizeof(struct ring_entry);
	return g;
}

/*
 * The sizes of an empty ring whose maker had other options than its opener: what is left beside a small index.
 */
static int geometry_of_file(uint64_t size, struct geometry *g)
{
	g->index_cap = RING_INDEX_MIN;
	g->index_bytes = (uint64_t)g->index_cap * sizeof(struct ring_entry);
	if (size % RING_HEADER || size < RING_HEADER + g->index_bytes + RING_BYTES_MIN)
		return -EINVAL;
	g->bytes_cap = size - RING_HEADER - g->index_bytes;
	return 0;
}

int ring_create(const char *name, const struct ring_opts *opts)
{
	struct geometry g = geometry_of(opts);
	AUTO(auto_close) int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)(RING_HEADER + g.index_bytes + g.bytes_cap)) < 0)
		return -errno;
	/* Whoever maps it must never meet a SIGBUS because another holder cut it. */
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	return fd_steal(&fd);
}

static void init_header(struct ring_header *h, const struct geometry *g)
{
	h->version = RING_VERSION;
	h->header_bytes = RING_HEADER;
	h->index_cap = g->index_cap;
	h->entry_bytes = sizeof(struct ring_entry);
	h->bytes_at = RING_HEADER + g->index_bytes;
	h->bytes_cap = g->bytes_cap;
	if (getrandom(&h->id, sizeof(h->id), GRND_NONBLOCK) < 0 || !h->id)
		h->id = (uint64_t)time_realtime() | 1;
	atomic_store_explicit(&h->magic, RING_MAGIC, memory_order_release);
}

static int check_header(const struct ring_header *h, uint64_t size, struct geometry *g)
{
	uint64_t index_bytes = (uint64_t)h->index_cap * sizeof(struct ring_entry);

	if (atomic_load_explicit(&h->magic, memory_order_acquire) != RING_MAGIC)
		return -EINVAL;
	if (h->version != RING_VERSION || h->entry_bytes != sizeof(struct ring_entry))
		return -EPROTO;
	if (h->index_cap < RING_INDEX_MIN || (h->index_cap & (h->index_cap - 1)) || h->bytes_cap < RING_BYTES_MIN ||
	    h->bytes_cap > RING_BYTES_MAX || h->bytes_cap % RING_HEADER || h->bytes_at != RING_HEADER + index_bytes ||
	    h->bytes_at + h->bytes_cap != size)
		return -EINVAL;
	*g = (struct geometry){ h->index_cap, index_bytes, h->bytes_cap };
	return 0;
}

static int map_ring(int fd, int prot, uint64_t size, const struct geometry *g, struct ring *r)
{
	char *at;

	r->map_bytes = size + g->bytes_cap;
	at = mmap(NULL, r->map_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		return -errno;
	if (mmap(at, size, prot, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED ||
	    mmap(at + size, g->bytes_cap, prot, MAP_SHARED | MAP_FIXED, fd, (off_t)(size - g->bytes_cap)) ==
		    MAP_FAILED) {
		int code = errno;

		(void)munmap(at, r->map_bytes);
		return -code;
	}
	r->h = (struct ring_header *)(void *)at;
	r->index = (struct ring_entry *)(void *)(at + RING_HEADER);
	r->bytes = at + RING_HEADER + g->index_bytes;
	r->bytes_cap = g->bytes_cap;
	r->bytes_mask = g->bytes_cap & (g->bytes_cap - 1) ? 0 : g->bytes_cap - 1;
	r->index_cap = g->index_cap;
	return 0;
}

/* What the file says of itself, without touching a page of it. 0: empty; 1: `g` filled. */
static int probe(int fd, uint64_t *out_size, struct geometry *g)
{
	struct ring_header h;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	*out_size = (uint64_t)st.st_size;
	if (st.st_size < (off_t)RING_HEADER)
		return -EINVAL;
	if (st.st_blocks == 0)
		return 0;
	if (pread(fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h))
		return -EIO;
	if (atomic_load(&h.magic) == 0)
		return 0;
	return check_header(&h, *out_size, g) < 0 ? check_header(&h, *out_size, g) : 1;
}

static struct ring *alloc_ring(bool writer)
{
	struct ring *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	atomic_init(&r->refs, 1);
	if (!writer)
		return r;
	r->w = calloc(1, sizeof(*r->w));
	if (!r->w) {
		free(r);
		return NULL;
	}
	r->w->peek[0] = r->w->peek[1] = -1;
	r->w->hold = UINT64_MAX;
	return r;
}

DEFINE_AUTO(struct ring, auto_ring, ring_unref)

int ring_open(int fd, const struct ring_opts *opts, struct ring **out)
{
	struct geometry g = geometry_of(opts);
	AUTO(auto_ring) struct ring *r = NULL;
	uint64_t size;
	int state = probe(fd, &size, &g);
	int code;

	if (state < 0)
		return state;
	if (state == 0 && size != RING_HEADER + g.index_bytes + g.bytes_cap) {
		code = geometry_of_file(size, &g);
		if (code < 0)
			return code;
	}
	r = alloc_ring(true);
	if (!r)
		return -ENOMEM;
	code = map_ring(fd, PROT_READ | PROT_WRITE, size, &g, r);
	if (code < 0)
		return code;
	if (state == 0)
		init_header(r->h, &g);
	if (getrandom(&r->w->random, sizeof(r->w->random), GRND_NONBLOCK) < 0)
		r->w->random = (uint64_t)time_realtime();
	ring_set(r, opts);
	ring_recover(r);
	*out = STEAL(&r);
	return 0;
}

int ring_open_readonly(int fd, struct ring **out)
{
	struct geometry g;
	AUTO(auto_ring) struct ring *r = NULL;
	uint64_t size;
	int state = probe(fd, &size, &g);

	if (state < 0)
		return state;
	if (state == 0)
		return -ENODATA;
	r = alloc_ring(false);
	if (!r)
		return -ENOMEM;
	state = map_ring(fd, PROT_READ, size, &g, r);
	if (state < 0)
		return state;
	*out = STEAL(&r);
	return 0;
}

struct ring *ring_ref(struct ring *r)
{
	atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
	return r;
}

void ring_unref(struct ring *r)
{
	if (!r || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (r->h)
		(void)munmap(r->h, r->map_bytes);
	if (r->w) {
		auto_close(&r->w->peek[0]);
		auto_close(&r->w->peek[1]);
		free(r->w);
	}
	free(r);
}

void ring_set(struct ring *r, const struct ring_opts *opts)
{
	uint64_t line_max = MIN(r->bytes_cap / 4, (uint64_t)RING_LINE_MAX);

	r->w->rate_limit = opts->rate_limit;
	r->w->max_line = (uint32_t)clamp(opts->max_line, DEFAULT_LINE, RING_LINE_MIN, line_max);
	/* Readers size their buffers by the header: it only grows. */
	if (r->w->max_line > atomic_load(&r->h->max_line))
		atomic_store(&r->h->max_line, r->w->max_line);
	atomic_store(&r->h->max_lines, (uint32_t)clamp(opts->max_lines, DEFAULT_LINES, RING_LINES_MIN, r->index_cap));
}

uint64_t ring_id(const struct ring *r)
{
	return r->h->id;
}

uint64_t ring_head(const struct ring *r)
{
	return atomic_load_explicit(&r->h->head, memory_order_acquire);
}

/* The tail alone may be beyond the head while the writer indexes a large read. */
uint64_t ring_tail(const struct ring *r)
{
	return atomic_load_explicit(&r->h->tail, memory_order_acquire);
}

uint64_t ring_first(const struct ring *r)
{
	uint64_t head = ring_head(r);
	uint64_t lines = atomic_load_explicit(&r->h->max_lines, memory_order_relaxed);
	uint64_t tail = ring_tail(r);

	return head > lines ? MAX(tail, head - lines) : tail;
}

uint64_t ring_last_run(const struct ring *r)
{
	return atomic_load_explicit(&r->h->last_run, memory_order_acquire);
}

uint64_t ring_capacity(const struct ring *r)
{
	return r->bytes_cap;
}

uint32_t ring_max_line(const struct ring *r)
{
	return atomic_load_explicit(&r->h->max_line, memory_order_relaxed);
}

void ring_words_get(void *dst, const void *shared, size_t bytes)
{
	const ring_word *from = shared;
	ring_word *to = dst;

	for (size_t i = 0; i < bytes / sizeof(*from); i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

void ring_words_put(void *shared, const void *src, size_t bytes)
{
	const ring_word *from = src;
	ring_word *to = shared;

	for (size_t i = 0; i < bytes / sizeof(*from); i++)
		__atomic_store_n(&to[i], from[i], __ATOMIC_RELAXED);
}

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RING_TSAN 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define RING_TSAN 1
#endif

/*
 * The bytes may be overwritten by the kernel's copy while we read them; the tail tells afterwards. The thread
 * sanitizer can't know that protocol, so under it the copy is a loop that it does not look at.
 */
#ifdef RING_TSAN
__attribute__((no_sanitize("thread"), noinline)) void ring_copy_racing(char *dst, const char *src, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((volatile char *)dst)[i] = ((const volatile char *)src)[i];
}
#else
void ring_copy_racing(char *dst, const char *src, size_t len)
{
	memcpy(dst, src, len);
}
#endif

static void line_of(const struct ring *r, uint64_t seq, const struct ring_entry *e, uint64_t last_run,
		    struct log_line *out)
{
	bool lost = e->flags & LINE_LOST;

	*out = (struct log_line){
		.ts = e->ts,
		.seq = seq,
		.run = last_run - (uint16_t)(last_run - e->run),
		.text = ring_byte_at(r, e->pos),
		.len = lost ? 0 : e->len,
		.lost = lost ? e->len : 0,
		.stream = e->flags & LINE_STREAM_MASK ? LOG_STDERR : LOG_STDOUT,
		.flags = (uint16_t)(e->flags & ~LINE_STREAM_MASK),
	};
}

/* Copy the entry of `seq`, which is below the head. Returns false if it was overwritten. */
static inline bool get_entry(const struct ring *r, uint64_t seq, struct ring_entry *out)
{
	const ring_word *from = (const ring_word *)(const void *)ring_entry_at(r, seq);
	uint64_t words[3];

	for (unsigned int i = 0; i < ARRAY_LEN(words); i++)
		words[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
	memcpy(out, words, sizeof(*out));
	atomic_thread_fence(memory_order_acquire);
	return seq >= atomic_load_explicit(&r->h->tail, memory_order_relaxed);
}

int ring_read(const struct ring *r, uint64_t seq, char *buf, size_t size, struct log_line *out)
{
	struct log_line line;
	struct ring_entry e;

	if (seq >= ring_head(r))
		return -EAGAIN;
	if (!get_entry(r, seq, &e))
		return -ESTALE;
	line_of(r, seq, &e, ring_last_run(r), &line);
	if (line.len > size)
		return -EMSGSIZE;
	ring_copy_racing(buf, line.text, line.len);
	atomic_thread_fence(memory_order_acquire);
	if (seq < atomic_load_explicit(&r->h->tail, memory_order_relaxed))
		return -ESTALE;
	line.text = buf;
	*out = line;
	return 0;
}

int ring_time(const struct ring *r, uint64_t seq, ts_ns *out)
{
	struct ring_entry e;

	if (seq >= ring_head(r))
		return -EAGAIN;
	if (!get_entry(r, seq, &e))
		return -ESTALE;
	*out = e.ts;
	return 0;
}

uint64_t ring_walk(const struct ring *r, uint64_t seq, log_line_fn fn, void *data)
{
	uint64_t head = ring_head(r);
	uint64_t last_run = ring_last_run(r);
	struct ring_entry e;
	struct log_line line;

	for (; seq < head; seq++) {
		if (!get_entry(r, seq, &e))
			break;
		line_of(r, seq, &e, last_run, &line);
		if (fn(&line, data))
			break;
	}
	return seq;
}

uint64_t ring_seek(const struct ring *r, ts_ns ts)
{
	uint64_t low = ring_tail(r);
	uint64_t high = ring_head(r);
	struct ring_entry e;

	while (low < high) {
		uint64_t mid = low + (high - low) / 2;

		if (get_entry(r, mid, &e) && e.ts >= ts)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

void ring_behind(const struct ring *r, uint64_t seq, uint64_t *out_lines, uint64_t *out_bytes, ts_ns *out_oldest)
{
	uint64_t head = ring_head(r);
	struct ring_entry first;
	struct ring_entry last;

	*out_lines = head - MIN(seq, head);
	*out_bytes = 0;
	*out_oldest = 0;
	if (seq >= head || !get_entry(r, head - 1, &last) || !get_entry(r, MAX(seq, ring_tail(r)), &first))
		return;
	*out_oldest = first.ts;
	*out_bytes = last.pos >= first.pos ? last.pos - first.pos + (last.flags & LINE_LOST ? 0 : last.len) : 0;
}

/* Copy one of two copies of which `turn` says the valid one; again if the writer was there meanwhile. */
static void get_copy(void *dst, const _Atomic uint64_t *turn, const void *copies, size_t bytes)
{
	uint64_t before;

	do {
		before = atomic_load_explicit(turn, memory_order_acquire);
		ring_words_get(dst, (const char *)copies + (before & 1) * bytes, bytes);
		atomic_thread_fence(memory_order_acquire);
	} while (atomic_load_explicit(turn, memory_order_relaxed) != before);
}

void ring_counts(const struct ring *r, struct ring_counts *out)
{
	struct ring_state st;

	get_copy(&st, &r->h->turn, r->h->state, sizeof(st));
	*out = (struct ring_counts){
		.bytes_read = st.bytes_read,
		.lines = st.head,
		.overwritten = MIN(ring_tail(r), st.head),
		.rate_lines = st.rate_lines,
		.rate_bytes = st.rate_bytes,
		.pending = st.in_pos - st.parsed_pos,
	};
	for (size_t i = 0; i < RING_SLOTS; i++)
		out->pending += st.slots[i].flags & SLOT_USED ? st.slots[i].len : 0;
}

void ring_store_get(const struct ring *r, struct ring_store *out)
{
	get_copy(out, &r->h->store_turn, r->h->store, sizeof(*out));
}

void ring_store_set(struct ring *r, const struct ring_store *s)
{
	uint64_t next = atomic_load_explicit(&r->h->store_turn, memory_order_relaxed) + 1;

	/* The last turn is seen before the copy that it made invalid changes. */
	atomic_thread_fence(memory_order_release);
	ring_words_put(&r->h->store[next & 1], s, sizeof(*s));
	atomic_store_explicit(&r->h->store_turn, next, memory_order_release);
}
