/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: trying a receiver. A test record goes to it as any line does, by a sink of its own: same settings, same encoder, same
 * secret, a new connection, one try. The real sink, its queue and its counters know nothing of it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ship/pack.h"
#include "worker/transport.h"

#define RECORD "zinit doctor: a test record"
#define LEVEL_INFO_PREFIX "<6>"
#define SERVICE "zinit"
#define TEXT_SIZE (SHIP_ERROR_SIZE + 256)

struct probe {
	struct list node; /* shipper->probes */
	uint32_t id;
	struct sink *sink;
	struct ship_source *source;
	struct loop_timer *end; /* it is over: a transport is not freed from within its own call */
};

static void on_moved(struct ship_source *source, void *data)
{
	(void)source;
	(void)data;
}

static bool on_aside(const struct ship_line *line, const char *why, void *data)
{
	(void)line;
	(void)why;
	(void)data;
	return true;
}

static void on_say(enum diag_level level, const char *text, void *data)
{
	(void)level;
	(void)text;
	(void)data;
}

static const struct ship_ops ops = { .moved = on_moved, .aside = on_aside, .say = on_say };

static void probe_free(struct probe *p)
{
	list_remove(&p->node);
	sink_free(p->sink);
	ship_source_free(p->source);
	loop_timer_free(p->end);
	free(p);
}

void probes_fini(struct shipper *s)
{
	struct probe *p;

	LIST_FOREACH (p, &s->probes, node)
		probe_free(p);
}

/* --- the end ------------------------------------------------------------------------------------------ */

static bool is_taken(const struct ship_counts *c)
{
	return c->acked > 0 && !c->refused;
}

/* What was found out about the receiver on the way. */
static void add_quirks(char *text, size_t size, unsigned int quirks)
{
	static const struct {
		unsigned int quirk;
		const char *text;
	} rows[] = {
		{ SHIP_QUIRK_NO_COMPRESSION, "; it does not take this compression: bodies are sent plain" },
		{ SHIP_QUIRK_NO_TOKEN, "; it is too old for insert_deduplication_token: a batch that is sent again may be stored twice" },
		{ SHIP_QUIRK_NO_METADATA, "; it has structured metadata switched off: run, pid and level are left out" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = strlen(text);

		if (quirks & rows[i].quirk)
			(void)snprintf(text + n, size - n, "%s", rows[i].text);
	}
}

static void on_end(struct loop_timer *timer, void *data)
{
	struct probe *p = data;
	const struct ship_run *run = p->sink->run;
	bool taken = is_taken(&run->counts);
	char text[TEXT_SIZE];

	(void)timer;
	if (taken && ship_is_silent(p->sink->settings))
		(void)snprintf(text, sizeof(text), "sent; syslog receivers answer nothing");
	else
		(void)snprintf(text, sizeof(text), "%s", taken ? "taken" : run->error[0] ? run->error : "no answer");
	add_quirks(text, sizeof(text), run->sink.quirks);
	shipper_tell(SHIPPER_PROBED, p->id, taken, text);
	probe_free(p);
}

void probe_stepped(struct probe *p)
{
	const struct ship_counts *c = &p->sink->run->counts;

	/* given up: what is in the queue then is a note of that, which is not sent */
	if (c->acked || c->dropped || c->refused || c->aside)
		loop_timer_arm(p->end, loop_now(p->sink->shipper->loop));
}

/* --- the begin ---------------------------------------------------------------------------------------- */

static void on_timer(struct loop_timer *timer, void *data)
{
	(void)timer;
	sink_step(data);
}

/* A sink that is in no list: no service feeds it, nothing of it is published or saved. */
static int open_sink(struct shipper *s, struct probe *p, const char *packed, size_t len)
{
	struct sink *sink = calloc(1, sizeof(*sink));

	if (!sink)
		return -ENOMEM;
	p->sink = sink;
	list_init(&sink->node);
	list_init(&sink->ready);
	sink->shipper = s;
	sink->aside_fd = -1;
	sink->settings = ship_unpack(packed, len);
	sink->timer = loop_timer_new(s->loop, on_timer, sink);
	if (!sink->settings || !sink->timer)
		return -ENOMEM;
	sink->settings->on_failure = SHIP_ON_FAILURE_DROP;
	sink->settings->batch_size = 1;
	sink->settings->flush_interval_ms = 1;
	sink->run = ship_run_new(sink->settings, s->host, s->boot, s->random++, &ops, sink);
	if (!sink->run)
		return -ENOMEM;
	sink->transport = (ship_is_silent(sink->settings) ? &transport_stream : &transport_http)->open(sink);
	return sink->transport ? 0 : -ENOMEM;
}

static int push_record(struct shipper *s, struct probe *p)
{
	struct ship_run *run = p->sink->run;
	struct log_cursor at = { .ring = s->random++ };
	struct log_line line = {
		.ts = time_realtime(),
		.service = SERVICE,
		.text = LEVEL_INFO_PREFIX RECORD,
		.len = sizeof(LEVEL_INFO_PREFIX RECORD) - 1,
		.stream = run->streams & (1U << LOG_STDOUT) ? LOG_STDOUT : LOG_STDERR,
	};

	p->source = ship_source_new(run, SERVICE, &at);
	if (!p->source)
		return -ENOMEM;
	at.seq = 1;
	at.ts = line.ts;
	return ship_run_push(p->source, &line, &at, true, loop_now(s->loop));
}

void probe_told(struct shipper *s, uint32_t id, const char *packed, size_t len)
{
	struct probe *p = calloc(1, sizeof(*p));

	if (p) {
		list_append(&s->probes, &p->node);
		p->id = id;
		p->end = loop_timer_new(s->loop, on_end, p);
	}
	if (!p || !p->end || open_sink(s, p, packed, len) < 0 || push_record(s, p) < 0) {
		shipper_tell(SHIPPER_PROBED, id, 0, "zinit-shipper is out of memory");
		if (p)
			probe_free(p);
		return;
	}
	p->sink->probe = p;
	sink_step(p->sink);
}
