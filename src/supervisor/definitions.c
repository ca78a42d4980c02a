/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the file of definitions: append, look-up by slot, compaction. */
#include "supervisor/definitions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/mem.h"

#define MAGIC 0x464544545254535aULL
#define COMPACT_FROM (64U << 10)
#define PLACES_FIRST 64

struct file_head {
	uint64_t magic;
	uint64_t length; /* bytes that count, this head included */
};

struct entry {
	uint32_t slot;
	uint32_t len;
};

/* Where a slot's text lies. */
struct place {
	uint64_t at;
	uint32_t len; /* 0: none */
};

struct definitions {
	int fd;
	uint64_t length;
	uint64_t live; /* bytes of entries that count */
	struct place *places;
	size_t places_n;
};

static int write_at(int fd, const void *data, size_t len, uint64_t at)
{
	ssize_t n = pwrite(fd, data, len, (off_t)at);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -ENOSPC;
}

static int set_place(struct definitions *d, uint32_t slot, uint64_t at, uint32_t len)
{
	if (slot >= DEFINITIONS_SLOTS)
		return -EPROTO;
	if (slot >= d->places_n) {
		size_t n = d->places_n ? d->places_n : PLACES_FIRST;
		struct place *places;

		while (n <= slot)
			n *= 2;
		places = realloc(d->places, n * sizeof(*places));
		if (!places)
			return -ENOMEM;
		memset(places + d->places_n, 0, (n - d->places_n) * sizeof(*places));
		d->places = places;
		d->places_n = n;
	}
	d->live += len;
	d->live -= d->places[slot].len;
	d->places[slot] = (struct place){ .at = at, .len = len };
	return 0;
}

static int set_length(struct definitions *d, uint64_t length)
{
	/* one aligned word: written by one copy in the kernel, which no signal splits */
	int r = write_at(d->fd, &length, sizeof(length), offsetof(struct file_head, length));

	if (r == 0)
		d->length = length;
	return r;
}

int definitions_new(struct definitions **out, struct error *err)
{
	struct definitions *d = calloc(1, sizeof(*d));
	struct file_head head = { .magic = MAGIC, .length = sizeof(head) };
	int r;

	if (!d)
		return error_set(err, ENOMEM, "no memory for the definitions");
	d->fd = memfd_create("zinit-definitions", MFD_CLOEXEC);
	r = d->fd < 0 ? -errno : write_at(d->fd, &head, sizeof(head), 0);
	if (r < 0) {
		definitions_free(d);
		return error_set(err, -r, "making the file of definitions: %s", strerror(-r));
	}
	d->length = sizeof(head);
	*out = d;
	return 0;
}

static int read_places(struct definitions *d)
{
	struct file_head head;
	struct entry entry;

	if (pread(d->fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) || head.magic != MAGIC)
		return -EPROTO;
	d->length = head.length;
	for (uint64_t at = sizeof(head); at < head.length; at += sizeof(entry) + entry.len) {
		int r;

		if (pread(d->fd, &entry, sizeof(entry), (off_t)at) != (ssize_t)sizeof(entry))
			return -EPROTO;
		r = set_place(d, entry.slot, at + sizeof(entry), entry.len);
		if (r < 0)
			return r;
	}
	return 0;
}

int definitions_adopt(int fd, struct definitions **out, struct error *err)
{
	struct definitions *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return error_set(err, ENOMEM, "no memory for the definitions");
	d->fd = fd;
	r = read_places(d);
	if (r < 0) {
		d->fd = -1;
		definitions_free(d);
		return error_set(err, -r, "reading the definitions of the earlier server: %s", strerror(-r));
	}
	*out = d;
	return 0;
}

void definitions_free(struct definitions *d)
{
	if (!d)
		return;
	auto_close(&d->fd);
	free(d->places);
	free(d);
}

int definitions_fd(const struct definitions *d)
{
	return d->fd;
}

int definitions_put(struct definitions *d, uint32_t slot, const char *text, size_t len)
{
	struct entry entry = { .slot = slot, .len = (uint32_t)len };
	uint64_t at = d->length + sizeof(entry);
	int r;

	if (len > LIMIT_CONFIG_FILE)
		return -EFBIG;
	r = write_at(d->fd, &entry, sizeof(entry), d->length);
	if (r == 0 && len > 0)
		r = write_at(d->fd, text, len, at);
	if (r == 0)
		r = set_length(d, at + len);
	if (r == 0)
		r = set_place(d, slot, at, (uint32_t)len);
	return r;
}

char *definitions_get(const struct definitions *d, uint32_t slot)
{
	AUTO(auto_free) char *text = NULL;
	struct place place;

	if (slot >= d->places_n || !d->places[slot].len)
		return NULL;
	place = d->places[slot];
	text = malloc(place.len + 1U);
	if (!text || pread(d->fd, text, place.len, (off_t)place.at) != (ssize_t)place.len)
		return NULL;
	text[place.len] = '\0';
	return STEAL(&text);
}

static int copy_all(struct definitions *to, const struct definitions *from)
{
	for (uint32_t slot = 0; slot < from->places_n; slot++) {
		AUTO(auto_free) char *text = definitions_get(from, slot);
		int r;

		if (!from->places[slot].len)
			continue;
		if (!text)
			return -ENOMEM;
		r = definitions_put(to, slot, text, from->places[slot].len);
		if (r < 0)
			return r;
	}
	return 0;
}

int definitions_compact(struct definitions *d)
{
	struct definitions *fresh;
	struct definitions old;
	int r;

	if (d->length < COMPACT_FROM || d->live * 2 > d->length)
		return 0;
	r = definitions_new(&fresh, NULL);
	if (r < 0)
		return r;
	r = copy_all(fresh, d);
	if (r == 0) {
		old = *d;
		*d = *fresh;
		*fresh = old;
	}
	definitions_free(fresh);
	return r < 0 ? r : 1;
}
