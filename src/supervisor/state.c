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

struct header {
	uint32_t magic;
	uint32_t version;
	uint32_t record_size;
	_Atomic uint32_t end; /* slots below it may be in use */
	struct state_globals globals;
};

/* selector: 0 = free, 1 or 2 = that copy is the record */
struct slot {
	_Atomic uint32_t selector;
	volatile pid_t spawn_pid;
	volatile pid_t helpers[STATE_HELPERS];
	unsigned char copies[];
};

struct state {
	int fd;
	size_t slot_size;
	size_t copy_size;
	size_t record_size;
	size_t mapped;
	uint32_t lowest_free; /* no free slot below it */
	struct header *header;
};

static struct slot *slot_at(const struct state *state, uint32_t slot)
{
	return (struct slot *)(void *)((char *)state->header + HEADER_SIZE + slot * state->slot_size);
}

static int map(struct state *state, int fd, size_t record_size, struct error *err)
{
	state->record_size = record_size;
	state->copy_size = (record_size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	state->slot_size = sizeof(struct slot) + 2 * state->copy_size;
	state->mapped = HEADER_SIZE + LIMIT_SERVICES * state->slot_size;
	if (ftruncate(fd, (off_t)state->mapped) < 0)
		return error_set(err, errno, "sizing the state: %s", strerror(errno));
	state->header = mmap(NULL, state->mapped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (state->header == MAP_FAILED) {
		state->header = NULL;
		return error_set(err, errno, "mapping the state: %s", strerror(errno));
	}
	return 0;
}

int state_new(uint32_t version, size_t record_size, struct state **out, struct error *err)
{
	struct state *state = calloc(1, sizeof(*state));
	int r;

	if (!state)
		return error_set(err, ENOMEM, "no memory for the state");
	state->fd = memfd_create("zinit-state", MFD_CLOEXEC);
	if (state->fd < 0)
		r = error_set(err, errno, "memfd_create: %s", strerror(errno));
	else
		r = map(state, state->fd, record_size, err);
	if (r < 0) {
		state_free(state);
		return r;
	}
	state->header->version = version;
	state->header->record_size = (uint32_t)record_size;
	state->header->globals.booted_at = time_realtime();
	state->header->magic = MAGIC;
	*out = state;
	return 0;
}

static int check_header(int fd, uint32_t version, size_t record_size, struct error *err)
{
	struct header header;

	if (pread(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header) || header.magic != MAGIC)
		return error_set(err, EPROTO, "the state of the earlier server is not a state");
	if (header.version != version || header.record_size != record_size)
		return error_set(err, EPROTO, "the state has version %u (%u bytes a record), this server has %u (%zu)",
				 header.version, header.record_size, version, record_size);
	return 0;
}

int state_adopt(int fd, uint32_t version, size_t record_size, struct state **out, struct error *err)
{
	struct state *state;
	int r = check_header(fd, version, record_size, err);

	if (r < 0)
		return r;
	state = calloc(1, sizeof(*state));
	if (!state)
		return error_set(err, ENOMEM, "no memory for the state");
	state->fd = -1;
	r = map(state, fd, record_size, err);
	if (r < 0) {
		state_free(state);
		return r;
	}
	state->fd = fd;
	*out = state;
	return 0;
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
	if (i >= LIMIT_SERVICES)
		return -ENOSPC;
	if (i >= end)
		atomic_store_explicit(&state->header->end, i + 1, memory_order_release);
	/* until its first commit the slot still looks free: remember that it is not */
	state->lowest_free = i + 1;
	slot_at(state, i)->spawn_pid = 0;
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

void state_commit(struct state *state, uint32_t slot, const void *record)
{
	struct slot *s = slot_at(state, slot);
	uint32_t next = atomic_load_explicit(&s->selector, memory_order_relaxed) == 1 ? 2 : 1;

	memcpy(s->copies + (next - 1) * state->copy_size, record, state->record_size);
	atomic_store_explicit(&s->selector, next, memory_order_release);
}

const void *state_read(const struct state *state, uint32_t slot)
{
	const struct slot *s = slot_at(state, slot);
	uint32_t selector = atomic_load_explicit(&s->selector, memory_order_acquire);

	return selector ? s->copies + (selector - 1) * state->copy_size : NULL;
}

volatile pid_t *state_spawn_pid(struct state *state, uint32_t slot)
{
	return &slot_at(state, slot)->spawn_pid;
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
