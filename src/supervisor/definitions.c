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

/* Places of the common slots, and of the rare ones. */
struct places {
	struct place *v;
	size_t n;
};

struct definitions {
	int fd;
	uint64_t length;
	uint64_t live; /* bytes of entries that count */
	struct places places[2];
};

static struct place *place_of(const struct definitions *d, uint32_t slot)
{
	const struct places *places = &d->places[slot >= DEFINITIONS_RARE];
	uint32_t i = slot >= DEFINITIONS_RARE ? slot - DEFINITIONS_RARE : slot;

	return i < places->n ? &places->v[i] : NULL;
}

static int write_at(int fd, const void *data, size_t len, uint64_t at)
{
	ssize_t n = pwrite(fd, data, len, (off_t)at);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -ENOSPC;
}

static int make_place(struct definitions *d, uint32_t slot)
{
	struct places *places = &d->places[slot >= DEFINITIONS_RARE];
	uint32_t i = slot >= DEFINITIONS_RARE ? slot - DEFINITIONS_RARE : slot;
	size_t n = places->n ? places->n : PLACES_FIRST;
	struct place *v;

	if (i < places->n)
		return 0;
	while (n <= i)
		n *= 2;
	v = realloc(places->v, n * sizeof(*v));
	if (!v)
		return -ENOMEM;
	memset(v + places->n, 0, (n - places->n) * sizeof(*v));
	places->v = v;
	places->n = n;
	return 0;
}

static int set_place(struct definitions *d, uint32_t slot, uint64_t at, uint32_t len)
{
	struct place *place;

	if (slot >= DEFINITIONS_SLOTS)
		return -EPROTO;
	if (make_place(d, slot) < 0)
		return -ENOMEM;
	place = place_of(d, slot);
	d->live += len;
	d->live -= place->len;
	*place = (struct place){ .at = at, .len = len };
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
	free(d->places[0].v);
	free(d->places[1].v);
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
	const struct place *place = place_of(d, slot);

	if (!place || !place->len)
		return NULL;
	text = malloc(place->len + 1U);
	if (!text || pread(d->fd, text, place->len, (off_t)place->at) != (ssize_t)place->len)
		return NULL;
	text[place->len] = '\0';
	return STEAL(&text);
}

static int copy_one(struct definitions *to, const struct definitions *from, uint32_t slot)
{
	const struct place *place = place_of(from, slot);
	AUTO(auto_free) char *text = definitions_get(from, slot);

	if (!place->len)
		return 0;
	return text ? definitions_put(to, slot, text, place->len) : -ENOMEM;
}

static int copy_all(struct definitions *to, const struct definitions *from)
{
	static const uint32_t firsts[] = { 0, DEFINITIONS_RARE };
	int r = 0;

	for (size_t part = 0; part < ARRAY_LEN(firsts); part++) {
		for (uint32_t i = 0; i < from->places[part].n && r == 0; i++)
			r = copy_one(to, from, firsts[part] + i);
	}
	return r;
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
