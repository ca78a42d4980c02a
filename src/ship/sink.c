/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: a sink's life, what goes into its queue, and what is to be done next. */
#include "ship/sink.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "ship/sink_internal.h"

/* Lines of streams that nobody names: what the ring does not know of is not there. */
static unsigned int stream_bits(const char *const *streams)
{
	unsigned int bits = 0;

	if (!streams || !*streams)
		return ~0U;
	for (; *streams; streams++) {
		int stream = log_stream_from_name(*streams);

		if (stream >= 0)
			bits |= 1U << stream;
	}
	return bits;
}

struct ship_run *ship_run_new(const struct ship_settings *settings, const char *host, const char *boot, uint64_t seed,
			      const struct ship_ops *ops, void *data)
{
	struct ship_run *run = calloc(1, sizeof(*run));
	const struct ship_policy_options options = {
		.batch_size = settings->batch_size,
		.batch_bytes = settings->batch_bytes,
		.flush_interval = settings->flush_interval_ms * USEC_PER_MSEC,
		.timeout = settings->timeout_ms * USEC_PER_MSEC,
		.max_retry = settings->max_retry_ms * USEC_PER_MSEC,
		.on_failure = settings->on_failure,
		.seed = seed,
	};

	if (!run)
		return NULL;
	run->sink = (struct ship_sink){ .settings = settings, .host = host, .boot = boot };
	run->request = ship_request_empty();
	run->streams = stream_bits(settings->streams);
	run->ops = ops;
	run->data = data;
	ship_policy_init(&run->policy, &options);
	return run;
}

void ship_run_free(struct ship_run *run)
{
	if (!run)
		return;
	ship_queue_fini(&run->queue);
	ship_request_fini(&run->request);
	free(run->keep);
	free(run);
}

/* --- sources -------------------------------------------------------------------------------------- */

struct ship_source *ship_source_new(struct ship_run *run, const char *service, const struct log_cursor *from)
{
	struct ship_source *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	list_init(&s->node);
	s->run = run;
	(void)str_copy(s->service, sizeof(s->service), service);
	s->at = s->done = *from;
	return s;
}

void ship_source_free(struct ship_source *source)
{
	if (!source)
		return;
	list_remove(&source->node);
	free(source);
}

/* --- in ------------------------------------------------------------------------------------------- */

bool ship_run_has_room(const struct ship_run *run)
{
	const struct ship_settings *s = run->sink.settings;

	return run->queue.n < s->queue_lines && run->queue.bytes < MAX((uint64_t)LIMIT_SHIP_QUEUE, 4 * s->batch_bytes);
}

char *ship_run_room(struct ship_run *run, size_t want, size_t *size)
{
	return ship_queue_room(&run->queue, want, size);
}

/* A line that nobody wants, or that was pushed: the cursor goes on. */
static void advance(struct ship_source *source, const struct log_cursor *after)
{
	source->at = *after;
	if (source->pending)
		return;
	source->done = *after;
	source->run->ops->moved(source, source->run->data);
}

static void fill_gap(struct ship_line *out, const struct log_line *line)
{
	out->lost = line->lost;
	out->lost_to = line->seq + line->lost - (line->lost > 0);
	out->lost_why = log_lost_reason(line->flags);
}

int ship_run_push(struct ship_source *source, const struct log_line *line, const struct log_cursor *after, bool prefixed,
		  usec_t now)
{
	struct ship_run *run = source->run;
	struct ship_line out = {
		.service = source->service,
		.text = line->text,
		.len = line->len,
		.level = -1,
		.stream = (uint8_t)line->stream,
		.flags = line->flags,
		.time = line->ts,
		.tie = after->same > 0 ? after->same - 1 : 0,
		.run = line->run,
		.ring = after->ring,
		.sequence = line->seq,
	};
	const struct ship_place place = { .source = source, .after = *after, .pushed = now };
	size_t prefix = 0;

	if (line->flags & LINE_LOST) {
		fill_gap(&out, line);
		/* what was over rate_limit was never a line: it is told, but nobody waits for it */
		if (line->flags & LINE_LOST_OVERWRITTEN)
			run->counts.overrun += line->lost;
	} else if (!(run->streams & (1U << line->stream))) {
		run->counts.filtered++;
		advance(source, after);
		return 0;
	}
	/* a line off the disk whose number is not known: its time, and its place among those of that time, name it too */
	if (line->seq == LINE_SEQ_NONE) {
		out.ring = (uint64_t)line->ts;
		out.sequence = out.tie;
	}
	if (prefixed) {
		out.level = (int8_t)log_line_level(line, &prefix);
		out.text += prefix;
		out.len -= (uint32_t)prefix;
	}
	if (ship_queue_push(&run->queue, &out, &place) < 0)
		return -ENOMEM;
	source->pending++;
	source->at = *after;
	run->counts.taken += !(line->flags & LINE_LOST);
	return 0;
}

/* --- what next ------------------------------------------------------------------------------------ */

/* The first lines of the queue, at most so many, and of one service if the format wants that. */
static void make_flight(struct ship_run *run, const struct ship_step *step)
{
	bool one = ship_wants_one_service(run->sink.settings);
	struct ship_source *first = ship_queue_place(&run->queue, 0)->source;
	uint64_t bytes = 0;
	size_t n = 0;

	while (n < run->queue.n && n < step->lines) {
		bytes += ship_queue_line(&run->queue, n)->len;
		if (n && (bytes > step->bytes || (one && ship_queue_place(&run->queue, n)->source != first)))
			break;
		n++;
	}
	run->flight = n;
	run->encoded = false;
}

struct ship_batch sink_batch(const struct ship_run *run)
{
	return (struct ship_batch){ .lines = ship_queue_line(&run->queue, 0), .count = run->flight };
}

/* What can't be made into a request is answered here, as a receiver would. */
static bool encode(struct ship_run *run, usec_t now, ts_ns wall)
{
	struct ship_outcome outcome = { .retry_after_ms = -1 };
	struct ship_batch batch = sink_batch(run);
	struct error err;
	int r;

	if (run->encoded)
		return true;
	r = ship_encode(&run->sink, &batch, &run->request, &err);
	run->encoded = r == 0;
	if (r == 0)
		return true;
	outcome.verdict = r == -ENOBUFS ? SHIP_SPLIT : r == -ENOMEM ? SHIP_RETRY : SHIP_PAUSE;
	(void)str_copy(outcome.message, sizeof(outcome.message), r == -ENOBUFS ? "the body would be too large" : err.msg);
	sink_judge(run, &outcome, false, now, wall);
	return false;
}

static void count_request(struct ship_run *run, bool again)
{
	run->counts.requests++;
	run->counts.sent += run->flight;
	run->counts.retried += again ? run->flight : 0;
	run->counts.bytes += run->request.body.len;
	run->counts.plain_bytes += run->request.plain_bytes;
}

static struct ship_view look(const struct ship_run *run)
{
	const struct ship_queue *q = &run->queue;

	return (struct ship_view){
		.flight = run->flight,
		.lines = q->n,
		.bytes = q->bytes,
		.oldest = run->flight < q->n ? ship_queue_place(q, run->flight)->pushed : USEC_NEVER,
		.full = !ship_run_has_room(run),
	};
}

struct ship_next ship_run_next(struct ship_run *run, usec_t now, ts_ns wall)
{
	for (;;) {
		struct ship_view view = look(run);
		struct ship_step step = ship_policy_next(&run->policy, &view, now);

		switch (step.action) {
		case SHIP_ACT_IDLE:
			return (struct ship_next){ SHIP_WANT_NOTHING, USEC_NEVER };
		case SHIP_ACT_WAIT:
			return (struct ship_next){ SHIP_WANT_WAIT, step.until };
		case SHIP_ACT_ABORT:
			return (struct ship_next){ SHIP_WANT_ABORT, now };
		case SHIP_ACT_SEND:
			make_flight(run, &step);
			break;
		case SHIP_ACT_AGAIN:
			break;
		}
		if (!encode(run, now, wall))
			continue;
		count_request(run, step.action == SHIP_ACT_AGAIN);
		return (struct ship_next){ SHIP_WANT_SEND, now };
	}
}

void ship_run_flush(struct ship_run *run, usec_t now)
{
	ship_policy_flush(&run->policy, now);
}

enum ship_sink_phase ship_run_phase(const struct ship_run *run, usec_t now)
{
	if (run->policy.sending)
		return SHIP_PHASE_SENDING;
	if (run->queue.n == 0)
		return SHIP_PHASE_IDLE;
	if (run->policy.paused)
		return SHIP_PHASE_PAUSED;
	return run->policy.not_before > now ? SHIP_PHASE_BACKOFF : SHIP_PHASE_GATHER;
}
