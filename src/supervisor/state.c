/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the layout of the state memfd and its atomic updates. */
#include "supervisor/state.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/mem.h"

#define MAGIC 0x5453494eU /* "NIST" */
#define HEADER_SIZE 4096
#define ALIGNMENT 8
/* A record far larger than any that makes sense. */
#define ROOM_MAX 65536

/* docs/internals/crash.md has it byte by byte */
struct header {
	uint32_t magic;
	_Atomic uint32_t end; /* slots below it may be in use */
	_Atomic uint64_t versions; /* of the writer; upper half: the oldest that can read it. One store */
	uint32_t room;        /* of each copy of a record */
	uint32_t slots;
	struct state_globals globals;
	struct state_program program; /* that writes it */
	struct state_program earlier; /* the last one that was another file */
};

#define HELPERS_SPARE 8

/* selector: 0 = free, 1 or 2 = that copy is the record */
struct slot {
	_Atomic uint32_t selector;
	volatile pid_t spawn_pid;
	volatile pid_t helpers[STATE_HELPERS];
	volatile uint32_t spawn_failure;
	uint32_t spare[HELPERS_SPARE + 1];
	unsigned char copies[];
};

_Static_assert(sizeof(struct slot) == 64, "the layout of the state is documented");
_Static_assert(offsetof(struct header, globals) == 24, "the layout of the state is documented");

struct state {
	int fd;
	size_t slot_size;
	size_t mapped;
	uint32_t lowest_free; /* no free slot below it */
	const struct state_format *format;
	struct header *header;
};

static struct slot *slot_at(const struct state *state, uint32_t slot)
{
	return (struct slot *)(void *)((char *)state->header + HEADER_SIZE + slot * state->slot_size);
}

static size_t size_of(size_t room, size_t slots)
{
	return HEADER_SIZE + slots * (sizeof(struct slot) + 2 * room);
}

static int map(struct state *state, int fd, size_t room, size_t slots, struct error *err)
{
	state->slot_size = sizeof(struct slot) + 2 * room;
	state->mapped = size_of(room, slots);
	state->header = mmap(NULL, state->mapped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (state->header == MAP_FAILED) {
		state->header = NULL;
		return error_set(err, errno, "mapping the state: %s", strerror(errno));
	}
	return 0;
}

static struct state *allocate(const struct state_format *format, struct error *err)
{
	struct state *state = calloc(1, sizeof(*state));

	if (!state) {
		(void)error_set(err, ENOMEM, "no memory for the state");
		return NULL;
	}
	state->fd = -1;
	state->format = format;
	return state;
}

static uint64_t versions_of(const struct state_format *format)
{
	return (uint64_t)format->reader << 32 | format->version;
}

int state_new(const struct state_format *format, struct state **out, struct error *err)
{
	struct state *state = allocate(format, err);
	int r;

	if (!state)
		return -ENOMEM;
	state->fd = memfd_create("zinit-state", MFD_CLOEXEC);
	if (state->fd < 0 || ftruncate(state->fd, (off_t)size_of(format->room, LIMIT_SERVICES)) < 0)
		r = error_set(err, errno, "a file for the state: %s", strerror(errno));
	else
		r = map(state, state->fd, format->room, LIMIT_SERVICES, err);
	if (r < 0) {
		state_free(state);
		return r;
	}
	state->header->room = (uint32_t)format->room;
	state->header->slots = LIMIT_SERVICES;
	state->header->globals.booted_at = time_realtime();
	atomic_store(&state->header->versions, versions_of(format));
	state->header->magic = MAGIC;
	*out = state;
	return 0;
}

static int check_header(int fd, const struct state_format *format, struct header *h, struct error *err)
{
	struct stat st;
	uint32_t version;
	uint32_t reader;

	if (pread(fd, h, sizeof(*h), 0) != (ssize_t)sizeof(*h) || h->magic != MAGIC)
		return error_set(err, EPROTO, "the state of the earlier server is not a state");
	version = (uint32_t)h->versions;
	reader = (uint32_t)(h->versions >> 32);
	if (version < format->oldest || reader > format->version)
		return error_set(err, EPROTO, "the state has version %u, which can be read from version %u on; this server is of %u and reads from %u on",
				 version, reader, format->version, format->oldest);
	if (h->room < format->size || h->room % ALIGNMENT || h->room > ROOM_MAX || h->slots > LIMIT_SERVICES)
		return error_set(err, EPROTO, "the state has %u slots of %u bytes: %zu bytes and at most %u slots are expected", h->slots,
				 h->room, format->size, LIMIT_SERVICES);
	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size < size_of(h->room, h->slots))
		return error_set(err, EPROTO, "the state of the earlier server is cut off");
	return 0;
}

int state_adopt(int fd, const struct state_format *format, struct state **out, struct error *err)
{
	struct state *state;
	struct header header;
	int r = check_header(fd, format, &header, err);

	if (r < 0)
		return r;
	state = allocate(format, err);
	if (!state)
		return -ENOMEM;
	r = map(state, fd, header.room, header.slots, err);
	if (r < 0) {
		state_free(state);
		return r;
	}
	state->fd = fd;
	*out = state;
	return 0;
}

void state_begin(struct state *state, struct state_program *out_earlier)
{
	struct header *h = state->header;
	struct state_program own = { 0 };
	struct stat st;

	if (stat("/proc/self/exe", &st) == 0)
		own = (struct state_program){ .dev = st.st_dev, .ino = st.st_ino };
	if (own.dev != h->program.dev || own.ino != h->program.ino)
		h->earlier = h->program;
	h->program = own;
	*out_earlier = h->earlier;
	atomic_store(&h->versions, versions_of(state->format));
}

void state_free(struct state *state)
{
	if (!state)
		return;
	if (state->header)
		(void)munmap(state->header, state->mapped);
	auto_close(&state->fd);
	free(state);
}

int state_fd(const struct state *state)
{
	return state->fd;
}

struct state_globals *state_globals(struct state *state)
{
	return &state->header->globals;
}

uint32_t state_end(const struct state *state)
{
	return atomic_load_explicit(&state->header->end, memory_order_acquire);
}

int state_alloc(struct state *state, uint32_t *out_slot)
{
	uint32_t end = state_end(state);
	uint32_t i = state->lowest_free;

	while (i < end && atomic_load_explicit(&slot_at(state, i)->selector, memory_order_relaxed))
		i++;
	if (i >= state->header->slots)
		return -ENOSPC;
	if (i >= end)
		atomic_store_explicit(&state->header->end, i + 1, memory_order_release);
	/* until its first commit the slot still looks free: remember that it is not */
	state->lowest_free = i + 1;
	slot_at(state, i)->spawn_pid = 0;
	slot_at(state, i)->spawn_failure = 0;
	*out_slot = i;
	return 0;
}

void state_release(struct state *state, uint32_t slot)
{
	if (slot == STATE_NO_SLOT)
		return;
	atomic_store_explicit(&slot_at(state, slot)->selector, 0, memory_order_release);
	state->lowest_free = MIN(state->lowest_free, slot);
}

/* The bytes that we do not know go with the record; a slot that was free has none. */
static void copy_unknown(const struct state *state, unsigned char *to, const unsigned char *from)
{
	size_t size = state->format->size;

	if (from)
		memcpy(to + size, from + size, state->header->room - size);
	else
		memset(to + size, 0, state->header->room - size);
}

void state_commit(struct state *state, uint32_t slot, const void *record)
{
	struct slot *s = slot_at(state, slot);
	uint32_t next = atomic_load_explicit(&s->selector, memory_order_relaxed) == 1 ? 2 : 1;
	unsigned char *to = s->copies + (next - 1) * state->header->room;

	memcpy(to, record, state->format->size);
	copy_unknown(state, to, state_read(state, slot));
	atomic_store_explicit(&s->selector, next, memory_order_release);
}

const void *state_read(const struct state *state, uint32_t slot)
{
	const struct slot *s = slot_at(state, slot);
	uint32_t selector = atomic_load_explicit(&s->selector, memory_order_acquire);

	return selector ? s->copies + (selector - 1) * state->header->room : NULL;
}

volatile pid_t *state_spawn_pid(struct state *state, uint32_t slot)
{
	return &slot_at(state, slot)->spawn_pid;
}

volatile uint32_t *state_spawn_failure(struct state *state, uint32_t slot)
{
	return &slot_at(state, slot)->spawn_failure;
}

volatile pid_t *state_helper(struct state *state, uint32_t slot, unsigned int i)
{
	return &slot_at(state, slot)->helpers[i];
}

volatile pid_t *state_take_helper(struct state *state, uint32_t slot)
{
	for (unsigned int i = 0; i < STATE_HELPERS; i++) {
		volatile pid_t *word = state_helper(state, slot, i);

		if (*word == 0) {
			*word = STATE_HELPER_COMING;
			return word;
		}
	}
	return NULL;
}
