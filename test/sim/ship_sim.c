/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shipping in virtual time: services write, rings overwrite, receivers fail in every way that has a name, the shipper dies
 * between any two steps. From one number a whole world; judged by the world's own books:
 *
 *	1. every line is received, or set aside, or within a gap record that was received
 *	2. a cursor is never behind a line of which that is not true: a crash at any step misses nothing
 *	3. a queue is never longer than its bound
 *	4. every wait has an end; a request that hangs is given up; at last all is calm
 *	5. lines of a service arrive in order (receivers that answer line by line excepted)
 *	6. what is sent again is the same, or its beginning
 *	7. a sink whose receiver is dead keeps no other from its lines
 *	8. spill loses nothing; nothing is dropped but by "drop"; counters agree with the books where nobody died
 *
 * ship_sim [--seed N] [--worlds N] [--trace]
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ship/sink.h"

#define SERVICES 3
#define SINKS 3
#define LINES_MAX 4096
#define STEPS 400
#define CALM_STEPS 200000

/* As it goes over the wire here. */
struct record {
	uint32_t service;
	uint32_t gap;
	uint64_t from, to;
};

enum mood { MOOD_GOOD, MOOD_RETRY, MOOD_CUT, MOOD_PAUSE, MOOD_SMALL, MOOD_EACH, MOOD_HANG, MOOD_AGAIN, MOOD_DEAD, MOOD_N };

struct place {
	struct ship_source *source;
	struct log_cursor kept; /* what outlives a crash */
	uint8_t fate[LINES_MAX]; /* 0: nothing known */
	int64_t newest;
};

struct world_sink {
	struct ship_settings settings;
	struct ship_run *run;
	struct place places[SERVICES];
	enum mood mood;
	bool sending;
	usec_t answer_at;
	size_t small;
	uint64_t crashes, lines_each;
	struct record *last; /* the last request, if the next one must be the same */
	size_t last_n;
	unsigned int index;
};

static struct {
	uint64_t random, seed;
	usec_t now;
	uint64_t head[SERVICES], cap;
	struct world_sink sinks[SINKS];
	struct ship_outcome answer;
	bool poison, trace, each;
} w;

static const char *const only_stdout[] = { "stdout", NULL };
static const char *const names[SERVICES] = { "alpha", "beta", "gamma" };

static void __attribute__((noreturn, format(printf, 1, 2))) wrong(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)fprintf(stderr, "seed %" PRIu64 ": ", w.seed);
	(void)vfprintf(stderr, fmt, ap);
	(void)fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

static uint64_t pick(uint64_t n)
{
	w.random ^= w.random >> 12;
	w.random ^= w.random << 25;
	w.random ^= w.random >> 27;
	return (w.random * 2685821657736338717ULL >> 11) % n;
}

static bool is_poison(uint32_t service, uint64_t seq)
{
	return w.poison && (seq * 2654435761U + service * 40503U) % 97 == 3;
}

/* Of another stream, which some sinks do not want. */
static bool is_stderr(uint64_t seq)
{
	return seq % 7 == 2;
}

/* --- the formats, as far as a simulation needs them --------------------------------------------------- */

struct ship_request ship_request_empty(void)
{
	return (struct ship_request){ .body = STRBUF(1U << 24) };
}

void ship_request_fini(struct ship_request *r)
{
	strbuf_fini(&r->body);
}

void ship_outcome_fini(struct ship_outcome *o)
{
	free(o->lines);
	o->lines = NULL;
}

bool ship_wants_one_service(const struct ship_settings *s)
{
	return s->type == SHIP_HTTP;
}

static uint32_t service_of(const char *name)
{
	uint32_t i = 0;

	while (strcmp(names[i], name) != 0)
		i++;
	return i;
}

int ship_encode(const struct ship_sink *sink, const struct ship_batch *batch, struct ship_request *out, struct error *err)
{
	(void)sink;
	(void)err;
	strbuf_reset(&out->body);
	for (size_t i = 0; i < batch->count; i++) {
		const struct ship_line *line = &batch->lines[i];
		const struct record r = { service_of(line->service), line->flags & LINE_LOST, line->sequence,
					  line->flags & LINE_LOST ? line->lost_to : line->sequence };

		if (line->flags & LINE_LOST && line->lost == 0)
			wrong("a gap of no lines");
		(void)strbuf_add(&out->body, &r, sizeof(r));
	}
	return 0;
}

void ship_answer(struct ship_sink *sink, const struct ship_batch *batch, const struct ship_reply *reply, struct ship_outcome *out)
{
	(void)sink;
	(void)batch;
	(void)reply;
	*out = w.answer;
	w.answer.lines = NULL;
}

/* --- the books ------------------------------------------------------------------------------------------ */

static void note(struct world_sink *s, const struct record *r, uint8_t fate)
{
	struct place *p = &s->places[r->service];

	if (!r->gap && fate == 1 && !w.each && (int64_t)r->from > p->newest)
		p->newest = (int64_t)r->from;
	else if (!r->gap && fate == 1 && !w.each && !p->fate[r->from])
		wrong("sink %u: %s %" PRIu64 " came after %" PRId64, s->index, names[r->service], r->from, p->newest);
	for (uint64_t i = r->from; i <= r->to; i++)
		p->fate[i] = fate;
}

static void check_cursor(const struct world_sink *s, const struct place *p, uint32_t service, uint64_t below, const char *when)
{
	for (uint64_t i = 0; i < below; i++) {
		if (!p->fate[i])
			wrong("sink %u: %s %" PRIu64 " was forgotten (%s, cursor %" PRIu64 ")", s->index, names[service], i, when, below);
	}
}

static void on_moved(struct ship_source *source, void *data)
{
	struct world_sink *s = data;
	struct place *p = source->data;

	p->kept = source->done;
	check_cursor(s, p, (uint32_t)(p - s->places), p->kept.seq, "the cursor moved");
}

static bool on_aside(const struct ship_line *line, const char *why, void *data)
{
	struct world_sink *s = data;
	struct record r = { service_of(line->service), line->flags & LINE_LOST, line->sequence, line->sequence };

	(void)why;
	if (r.gap)
		r.to = line->lost_to;
	if (r.gap || s->places[r.service].fate[r.from] != 1)
		note(s, &r, 2);
	return true;
}

static void on_say(enum diag_level level, const char *text, void *data)
{
	(void)level;
	(void)data;
	if (w.trace)
		(void)printf("%10.3f  %s\n", (double)w.now / 1e6, text);
}

static const struct ship_ops ops = { on_moved, on_aside, on_say };

/* --- a sink's life ---------------------------------------------------------------------------------------- */

static void begin(struct world_sink *s)
{
	s->run = ship_run_new(&s->settings, "host", "boot", pick(UINT32_MAX), &ops, s);
	for (uint32_t i = 0; i < SERVICES; i++) {
		s->places[i].source = ship_source_new(s->run, names[i], &s->places[i].kept);
		s->places[i].source->data = &s->places[i];
	}
	s->sending = false;
	free(s->last);
	s->last = NULL;
}

static void end(struct world_sink *s)
{
	for (uint32_t i = 0; i < SERVICES; i++)
		ship_source_free(s->places[i].source);
	ship_run_free(s->run);
}

static void crash(struct world_sink *s)
{
	for (uint32_t i = 0; i < SERVICES; i++)
		check_cursor(s, &s->places[i], i, s->places[i].kept.seq, "a crash");
	end(s);
	begin(s);
	s->crashes++;
}

/* One line, or the gap before the tail, as log/replay.h gives them. */
static bool read_one(struct world_sink *s, uint32_t service)
{
	struct ship_source *source = s->places[service].source;
	struct log_cursor after = source->at;
	uint64_t tail = w.head[service] > w.cap ? w.head[service] - w.cap : 0;
	struct log_line line = { .seq = after.seq, .text = "some text of a line", .len = 19, .ts = (ts_ns)after.seq + 1 };

	if (after.seq >= w.head[service] || !ship_run_has_room(s->run))
		return false;
	after.ring = 1;
	if (after.seq < tail && s->settings.on_failure != SHIP_ON_FAILURE_SPILL) {
		line.flags = LINE_LOST | LINE_LOST_OVERWRITTEN;
		line.lost = tail - after.seq;
		line.len = 0;
		after.seq = tail;
	} else {
		after.seq++;
		after.ts = line.ts;
		after.same = 1;
	}
	line.stream = is_stderr(line.seq) ? LOG_STDERR : LOG_STDOUT;
	if (s->settings.streams && !line.lost && line.stream == LOG_STDERR)
		s->places[service].fate[line.seq] = 3;
	if (ship_run_push(source, &line, &after, false, w.now) < 0)
		wrong("no memory");
	return true;
}

static void fill(struct world_sink *s)
{
	for (uint32_t i = 0; i < SERVICES; i++) {
		uint64_t n = pick(64);

		while (n-- && read_one(s, i))
			;
	}
	if (s->run->queue.n > s->settings.queue_lines)
		wrong("sink %u: %zu lines in a queue of %u", s->index, s->run->queue.n, s->settings.queue_lines);
}

/* --- the receiver --------------------------------------------------------------------------------------- */

static void check_same(struct world_sink *s, const struct record *records, size_t n)
{
	if (s->last && (n > s->last_n || memcmp(s->last, records, n * sizeof(*records)) != 0))
		wrong("sink %u: what was sent again is not what was sent", s->index);
	free(s->last);
	s->last = NULL;
}

static void remember(struct world_sink *s, const struct record *records, size_t n)
{
	s->last = malloc(n * sizeof(*records));
	memcpy(s->last, records, n * sizeof(*records));
	s->last_n = n;
}

static void store(struct world_sink *s, const struct record *records, size_t n)
{
	for (size_t i = 0; i < n; i++)
		note(s, &records[i], 1);
}

static bool any_poison(const struct record *records, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!records[i].gap && is_poison(records[i].service, records[i].from))
			return true;
	}
	return false;
}

static void answer_each(struct world_sink *s, const struct record *records, size_t n)
{
	w.answer.verdict = SHIP_EACH;
	w.answer.lines = calloc(n, 1);
	for (size_t i = 0; i < n; i++) {
		bool bad = !records[i].gap && is_poison(records[i].service, records[i].from);

		w.answer.lines[i] = bad ? SHIP_POISON : pick(4) ? SHIP_DONE : SHIP_RETRY;
		w.answer.done += w.answer.lines[i] == SHIP_DONE;
		w.answer.retry += w.answer.lines[i] == SHIP_RETRY;
		w.answer.poison += bad;
		if (w.answer.lines[i] == SHIP_DONE)
			note(s, &records[i], 1);
	}
}

/* The answer to what is in run->request. */
static void answer(struct world_sink *s)
{
	const struct record *records = (const struct record *)(const void *)s->run->request.body.data;
	size_t n = s->run->request.body.len / sizeof(*records);
	enum mood mood = s->mood;
	bool cut = false;
	bool keep = false;
	struct ship_reply reply = { .now = (ts_ns)w.now * 1000 };

	w.answer = (struct ship_outcome){ .verdict = SHIP_DONE, .done = n, .retry_after_ms = -1 };
	s->sending = false;
	check_same(s, records, n);
	if (mood == MOOD_RETRY || mood == MOOD_CUT || mood == MOOD_PAUSE) {
		w.answer.verdict = mood == MOOD_PAUSE ? SHIP_PAUSE : SHIP_RETRY;
		w.answer.retry_after_ms = mood == MOOD_RETRY && pick(3) == 0 ? (int64_t)pick(3000) : -1;
		cut = mood == MOOD_CUT;
		keep = s->settings.on_failure != SHIP_ON_FAILURE_DROP;
		if (pick(3) == 0 && !any_poison(records, n))
			store(s, records, n); /* it had them all the same */
	} else if (mood == MOOD_AGAIN) {
		w.answer.verdict = SHIP_AGAIN;
		keep = s->settings.on_failure != SHIP_ON_FAILURE_DROP;
	} else if (mood == MOOD_SMALL && n > s->small) {
		w.answer.verdict = SHIP_SPLIT;
	} else if (mood == MOOD_EACH && w.each) {
		answer_each(s, records, n);
	} else if (any_poison(records, n)) {
		w.answer.verdict = SHIP_POISON;
		w.answer.bisect = true;
	} else {
		store(s, records, n);
	}
	if (keep)
		remember(s, records, n);
	ship_run_reply(s->run, &reply, cut, w.now);
	if (!s->run->flight) { /* dropped, or set aside after too many cuts */
		free(s->last);
		s->last = NULL;
	}
}

/* --- time ------------------------------------------------------------------------------------------------- */

/* Do what is due; returns when something is due next. */
static usec_t step(struct world_sink *s)
{
	static const struct ship_reply nothing = { 0 };

	for (unsigned int i = 0; i < 1000; i++) {
		struct ship_next next;

		if (s->sending && s->answer_at <= w.now)
			answer(s);
		fill(s);
		next = ship_run_next(s->run, w.now, (ts_ns)w.now * 1000);
		if (next.want == SHIP_WANT_NOTHING && s->run->queue.n)
			wrong("sink %u: asleep with %zu lines", s->index, s->run->queue.n);
		if (next.want == SHIP_WANT_NOTHING)
			return USEC_NEVER;
		if (next.want == SHIP_WANT_WAIT && next.until <= w.now)
			wrong("sink %u: waits for what is over", s->index);
		if (next.want == SHIP_WANT_WAIT && next.until == USEC_NEVER)
			wrong("sink %u: waits for ever", s->index);
		if (next.want == SHIP_WANT_WAIT)
			return s->sending ? MIN(next.until, s->answer_at) : next.until;
		if (next.want == SHIP_WANT_ABORT) {
			w.answer = (struct ship_outcome){ .verdict = SHIP_RETRY, .retry_after_ms = -1 };
			s->sending = false;
			free(s->last);
			s->last = NULL;
			ship_run_reply(s->run, &nothing, true, w.now);
			continue;
		}
		if (s->run->flight > s->run->queue.n || s->run->flight == 0)
			wrong("sink %u: a flight of %zu of %zu lines", s->index, s->run->flight, s->run->queue.n);
		s->sending = true;
		s->answer_at = s->mood == MOOD_HANG || s->mood == MOOD_DEAD ? USEC_NEVER :
									      w.now + pick(s->settings.timeout_ms * 400) + 1;
	}
	wrong("sink %u: a thousand steps in no time", s->index);
}

static bool is_calm(const struct world_sink *s)
{
	for (uint32_t i = 0; i < SERVICES; i++) {
		if (s->places[i].source->at.seq < w.head[i])
			return false;
	}
	return s->run->queue.n == 0;
}

static void run_until_calm(unsigned int from)
{
	for (unsigned int i = 0; i < CALM_STEPS; i++) {
		usec_t next = USEC_NEVER;
		bool calm = true;

		for (unsigned int k = 0; k < SINKS; k++) {
			next = MIN(next, step(&w.sinks[k]));
			calm = calm && (k < from || is_calm(&w.sinks[k]));
		}
		if (calm)
			return;
		/* a sink that did not read all in one go reads on at once, as the loop's next round would */
		w.now = next == USEC_NEVER ? w.now + 1 : MIN(next, w.now + USEC_PER_SEC);
	}
	wrong("no end of it");
}

/* --- one world -------------------------------------------------------------------------------------------- */

static void make(uint64_t seed)
{
	w.random = seed * 2654435761U + 88172645463325252ULL;
	w.seed = seed;
	w.now = USEC_PER_SEC;
	memset(w.head, 0, sizeof(w.head));
	w.cap = 20 + pick(500);
	w.poison = pick(3) == 0;
	w.each = pick(3) == 0;
	for (unsigned int i = 0; i < SINKS; i++) {
		struct world_sink *s = &w.sinks[i];

		memset(s, 0, sizeof(*s));
		s->index = i;
		s->small = 1 + pick(10);
		s->settings = (struct ship_settings){
			.name = "sim", .endpoint = "http://x/", .type = pick(4) ? SHIP_VECTOR : SHIP_HTTP,
			.batch_size = (uint32_t)(1 + pick(60)), .batch_bytes = 50 + pick(5000),
			.flush_interval_ms = (uint32_t)(1 + pick(5000)), .timeout_ms = (uint32_t)(10 + pick(5000)),
			.max_retry_ms = (uint32_t)(1 + pick(5000)), .queue_lines = (uint32_t)(1 + pick(400)),
			.on_failure = (enum ship_on_failure)pick(3),
			.streams = pick(3) ? NULL : only_stdout,
		};
		for (uint32_t k = 0; k < SERVICES; k++)
			s->places[k].newest = -1;
		begin(s);
	}
	w.sinks[0].mood = MOOD_DEAD;
}

static void play(void)
{
	for (unsigned int i = 0; i < STEPS; i++) {
		struct world_sink *s = &w.sinks[pick(SINKS)];
		uint32_t service = (uint32_t)pick(SERVICES);

		switch (pick(8)) {
		case 0:
		case 1:
		case 2:
			w.head[service] = MIN(w.head[service] + pick(60), (uint64_t)LINES_MAX - 1);
			break;
		case 3:
			if (s->mood != MOOD_DEAD)
				s->mood = pick(2) ? MOOD_GOOD : (enum mood)pick(MOOD_DEAD);
			break;
		case 4:
			if (pick(4) == 0)
				crash(s);
			break;
		case 5:
			if (pick(4) == 0)
				ship_run_flush(s->run, w.now);
			break;
		default:
			w.now += pick(2 * USEC_PER_SEC) + 1;
		}
		for (unsigned int k = 0; k < SINKS; k++)
			(void)step(&w.sinks[k]);
	}
}

static void check_end(const struct world_sink *s)
{
	const struct ship_counts *c = &s->run->counts;
	uint64_t written = 0;

	for (uint32_t i = 0; i < SERVICES; i++) {
		check_cursor(s, &s->places[i], i, w.head[i], "the end");
		if (s->places[i].kept.seq != w.head[i])
			wrong("sink %u: the cursor of %s stands at %" PRIu64, s->index, names[i], s->places[i].kept.seq);
		written += w.head[i];
	}
	if (s->settings.on_failure != SHIP_ON_FAILURE_DROP && c->dropped)
		wrong("sink %u: dropped %" PRIu64, s->index, c->dropped);
	if (s->settings.on_failure == SHIP_ON_FAILURE_SPILL && c->overrun)
		wrong("sink %u: overrun though it spills", s->index);
	if (!s->crashes && c->acked + c->refused + c->aside + c->dropped + c->overrun + c->filtered != written)
		wrong("sink %u: %" PRIu64 " acked, %" PRIu64 " aside, %" PRIu64 " dropped, %" PRIu64 " overrun of %" PRIu64, s->index,
		      c->acked, c->aside, c->dropped, c->overrun, written);
}

static void world(uint64_t seed)
{
	make(seed);
	play();
	/* the dead one stays dead: the others come to their end without it */
	for (unsigned int i = 1; i < SINKS; i++)
		w.sinks[i].mood = MOOD_GOOD;
	run_until_calm(1);
	w.sinks[0].mood = MOOD_GOOD;
	run_until_calm(0);
	for (unsigned int i = 0; i < SINKS; i++) {
		check_end(&w.sinks[i]);
		end(&w.sinks[i]);
		free(w.sinks[i].last);
	}
}

int main(int argc, char **argv)
{
	uint64_t first = 1;
	uint64_t n = 1000;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--trace") == 0)
			w.trace = true;
		else if (i + 1 < argc && strcmp(argv[i], "--seed") == 0)
			first = strtoull(argv[++i], NULL, 10);
		else if (i + 1 < argc && strcmp(argv[i], "--worlds") == 0)
			n = strtoull(argv[++i], NULL, 10);
	}
	for (uint64_t seed = first; seed < first + n; seed++)
		world(seed);
	(void)printf("%" PRIu64 " worlds\n", n);
	return 0;
}
