/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the services that the server told of, their rings, and the reading of them into the sinks' queues. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "worker/shipper.h"

/* Lines that one service may put into a queue before the next one has its turn, ... */
#define LINES_PER_TURN 256
/* ... and lines that a sink reads before others, and the network, have theirs. */
#define LINES_PER_STEP 8192
#define ROOM_FIRST 512

/* --- services --------------------------------------------------------------------------------------- */

/* Texts: the name, then tags, each with its NUL. */
static bool take_texts(struct service *service, const char *texts, size_t len)
{
	char *copy = len && texts[len - 1] == '\0' ? malloc(len) : NULL;
	size_t tags = 0;

	if (!copy || !str_copy(service->name, sizeof(service->name), texts)) {
		free(copy);
		return false;
	}
	memcpy(copy, texts, len);
	free(service->texts);
	service->texts = copy;
	memset(service->tags, 0, sizeof(service->tags));
	for (size_t at = strlen(texts) + 1; at < len && tags < SHIPPER_TAGS_MAX; at += strlen(service->texts + at) + 1)
		service->tags[tags++] = service->texts + at;
	return true;
}

static bool slot_room(struct shipper *s, uint32_t slot)
{
	uint32_t n = s->by_slot_n ? s->by_slot_n : 64;
	struct service **more;

	if (slot >= LIMIT_SHIP_SLOTS)
		return false;
	if (slot < s->by_slot_n)
		return true;
	while (n <= slot)
		n *= 2;
	more = realloc(s->by_slot, n * sizeof(struct service *));
	if (!more)
		return false;
	memset(more + s->by_slot_n, 0, (n - s->by_slot_n) * sizeof(struct service *));
	s->by_slot = more;
	s->by_slot_n = n;
	return true;
}

void service_free(struct service *service)
{
	struct feed *feed;

	LIST_FOREACH (feed, &service->feeds, node)
		feed_free(feed);
	list_remove(&service->node);
	ring_unref(service->ring);
	auto_close(&service->ring_fd);
	free(service->texts);
	free(service);
}

static void make_feeds(struct shipper *s, struct service *service);

static struct service *service_new(struct shipper *s, uint32_t slot, int ring_fd)
{
	struct service *service = slot_room(s, slot) ? calloc(1, sizeof(*service)) : NULL;

	if (!service) {
		auto_close(&ring_fd);
		return NULL;
	}
	list_init(&service->feeds);
	list_append(&s->services, &service->node);
	service->slot = slot;
	service->ring_fd = ring_fd;
	return service;
}

/* Its tags have changed: sinks that do not want it any more are rid of it when they have what they took. */
static void drop_unwanted(struct service *service)
{
	struct feed *feed;

	LIST_FOREACH (feed, &service->feeds, node) {
		if (ship_wants_service(feed->sink->settings, service->name, service->tags, service->flags & SHIPPER_OWN))
			continue;
		list_remove(&feed->ready);
		feed->unwanted = feed->source->ended = true;
	}
}

void service_told(struct shipper *s, const struct shipper_head *head, const char *texts, size_t len, int ring_fd)
{
	struct service *service = head->slot < s->by_slot_n ? s->by_slot[head->slot] : NULL;

	if (service) /* another description of the same one */
		auto_close(&ring_fd);
	else
		service = service_new(s, head->slot, ring_fd);
	if (!service || !take_texts(service, texts, len)) {
		shipper_say(DIAG_ERROR, "out of memory: a service is not shipped");
		if (service && !service->name[0])
			service_free(service);
		return;
	}
	service->flags = head->flags;
	service->made_at = head->time;
	s->by_slot[head->slot] = service;
	drop_unwanted(service);
	make_feeds(s, service);
}

/* There may be lines to read. */
static void feed_ready(struct feed *feed)
{
	if (feed->unwanted)
		return;
	list_remove(&feed->ready);
	list_append(&feed->sink->ready, &feed->ready);
}

void service_gone(struct shipper *s, uint32_t slot)
{
	struct service *service = slot < s->by_slot_n ? s->by_slot[slot] : NULL;
	struct feed *feed;

	if (!service)
		return;
	s->by_slot[slot] = NULL;
	service->gone = true;
	LIST_FOREACH (feed, &service->feeds, node)
		feed_ready(feed);
}

/* --- feeds ------------------------------------------------------------------------------------------ */

/* The ring has no header before its first line: then there is nothing to map yet. */
static bool map_ring(struct service *service)
{
	struct feed *feed;

	if (service->ring)
		return true;
	if (ring_open_readonly(service->ring_fd, &service->ring) < 0)
		return false;
	LIST_FOREACH (feed, &service->feeds, node)
		log_replay_set_ring(feed->replay, service->ring);
	return true;
}

void feed_free(struct feed *feed)
{
	if (!feed)
		return;
	list_remove(&feed->node);
	list_remove(&feed->ready);
	ship_source_free(feed->source);
	log_replay_free(feed->replay);
	free(feed);
}

/* Another feed of that name at that sink than `but`. */
static struct feed *find_feed(struct sink *sink, const char *name, const struct feed *but)
{
	struct service *service;

	LIST_FOREACH (service, &sink->shipper->services, node) {
		struct feed *feed;

		if (strcmp(service->name, name) != 0)
			continue;
		LIST_FOREACH (feed, &service->feeds, node) {
			if (feed->sink == sink && feed != but)
				return feed;
		}
	}
	return NULL;
}

/* What memory has lost is read from the disk only by sinks that spill. NULL: there is nothing to read. */
static const char *segments_dir(const struct service *service, const struct sink *sink, char out[PATH_MAX])
{
	if (sink->settings->on_failure != SHIP_ON_FAILURE_SPILL || !(service->flags & SHIPPER_STORED) ||
	    snprintf(out, PATH_MAX, "%s/%s", sink->shipper->log_dir, service->name) >= PATH_MAX)
		return NULL;
	return out;
}

static struct feed *feed_new(struct service *service, struct sink *sink)
{
	struct feed *feed = calloc(1, sizeof(*feed));
	struct log_cursor from = { 0 };
	char dir[PATH_MAX];
	bool known;

	if (!feed)
		return NULL;
	list_init(&feed->node);
	list_init(&feed->ready);
	feed->service = service;
	feed->sink = sink;
	/* one of the same name that is gone but not finished has the place until then */
	if (!find_feed(sink, service->name, NULL)) {
		feed->kept = state_cursor(sink->shipper, service->name, sink->settings->name, &known);
		if (feed->kept && known)
			state_get_cursor(feed->kept, &from);
		else if (sink->since <= service->made_at)
			from.ts = service->made_at; /* all lines of its ring, those that it has overwritten too */
	}
	(void)map_ring(service);
	feed->replay = log_replay_new(service->name, segments_dir(service, sink, dir), service->ring, &from);
	feed->source = feed->replay ? ship_source_new(sink->run, service->name, &from) : NULL;
	if (!feed->source) {
		feed_free(feed);
		return NULL;
	}
	feed->source->data = feed;
	/* on record from the beginning: a successor must know what it has not seen */
	feed->source->at = feed->source->done = *log_replay_at(feed->replay);
	if (feed->kept)
		state_set_cursor(feed->kept, &feed->source->done);
	list_append(&service->feeds, &feed->node);
	list_append(&sink->ready, &feed->ready);
	return feed;
}

static bool has_feed(const struct service *service, const struct sink *sink)
{
	struct feed *feed;

	LIST_FOREACH (feed, &service->feeds, node) {
		if (feed->sink == sink)
			return true;
	}
	return false;
}

static void make_feeds(struct shipper *s, struct service *service)
{
	struct sink *sink;

	LIST_FOREACH (sink, &s->sinks, node) {
		if (service->gone || !sink->run || has_feed(service, sink) ||
		    !ship_wants_service(sink->settings, service->name, service->tags, service->flags & SHIPPER_OWN))
			continue;
		if (!feed_new(service, sink))
			shipper_say(DIAG_ERROR, "out of memory: a service is not shipped");
	}
}

void feeds_make(struct shipper *s)
{
	struct service *service;

	LIST_FOREACH (service, &s->services, node)
		make_feeds(s, service);
}

/* --- reading ---------------------------------------------------------------------------------------- */

static void mark(struct service *service)
{
	struct feed *feed;

	if (!map_ring(service))
		return;
	LIST_FOREACH (feed, &service->feeds, node)
		feed_ready(feed);
}

bool news_take(struct shipper *s)
{
	uint32_t words = MIN((s->by_slot_n + 63) / 64, (uint32_t)SHIP_DIRTY_WORDS);
	bool any = false;

	for (uint32_t i = 0; i < words; i++) {
		uint64_t bits = atomic_load_explicit(&s->state->dirty[i], memory_order_relaxed);

		if (!bits)
			continue;
		bits = atomic_exchange(&s->state->dirty[i], 0);
		for (; bits; bits &= bits - 1) {
			uint32_t slot = i * 64 + (uint32_t)__builtin_ctzll(bits);

			if (slot < s->by_slot_n && s->by_slot[slot]) {
				mark(s->by_slot[slot]);
				any = true;
			}
		}
	}
	/* the bits are cleared before the rings' heads are read: see news_tell() */
	atomic_thread_fence(memory_order_seq_cst);
	return any;
}

/* Read at most `max` lines of one service. Returns how many, or -EAGAIN: that is all there is; -ENOBUFS: the queue is full. */
static int feed_read(struct feed *feed, int max, usec_t now)
{
	struct ship_run *run = feed->sink->run;
	struct log_line line;
	size_t need = ROOM_FIRST;
	size_t size;

	for (int n = 0; n < max; n++) {
		char *room = ship_run_has_room(run) ? ship_run_room(run, need, &size) : NULL;
		int code;

		if (!room)
			return -ENOBUFS;
		code = log_replay_next(feed->replay, room, size, &line, &need);
		if (code == -EMSGSIZE)
			continue;
		if (code <= 0)
			return -EAGAIN;
		if (ship_run_push(feed->source, &line, log_replay_at(feed->replay), feed->service->flags & SHIPPER_PREFIXED, now) < 0)
			return -ENOBUFS;
	}
	return max;
}

bool sink_fill(struct sink *sink)
{
	usec_t now = loop_now(sink->shipper->loop);
	int left = LINES_PER_STEP;

	while (left > 0 && !list_empty(&sink->ready)) {
		struct feed *feed = LIST_ENTRY(sink->ready.next, struct feed, ready);
		int n = feed_read(feed, LINES_PER_TURN, now);

		if (n == -ENOBUFS)
			return false; /* goes on when lines have left the queue */
		list_remove(&feed->ready);
		if (n != -EAGAIN)
			list_append(&sink->ready, &feed->ready);
		else
			feed->source->ended = feed->service->gone;
		left -= n > 0 ? n : 1;
	}
	return !list_empty(&sink->ready);
}

/* Its place goes to a younger service of that name, if there is one. */
static void end_feed(struct feed *feed)
{
	struct feed *heir = find_feed(feed->sink, feed->service->name, feed);

	if (heir && !heir->kept) {
		heir->kept = feed->kept;
		if (heir->kept)
			state_set_cursor(heir->kept, &heir->source->done);
	} else {
		state_free_cursor(feed->kept);
	}
	feed_free(feed);
}

/* A service that the server has forgotten goes when each sink has all of it. */
void services_settle(struct shipper *s)
{
	struct service *service;

	LIST_FOREACH (service, &s->services, node) {
		struct feed *feed;

		LIST_FOREACH (feed, &service->feeds, node) {
			if (!feed->source->ended || feed->source->pending)
				continue;
			end_feed(feed);
		}
		if (service->gone && list_empty(&service->feeds))
			service_free(service);
	}
}
