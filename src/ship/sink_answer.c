/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what becomes of a flight: cursors move, lines are counted, dropped ones leave a gap record. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ship/sink_internal.h"

/* Between two lines of the log about one sink's failures. */
#define SAY_INTERVAL (10 * USEC_PER_SEC)
#define MESSAGE_SIZE 512

int sink_keep_room(struct ship_run *run, size_t n)
{
	uint8_t *keep;

	if (n <= run->keep_cap)
		return 0;
	keep = realloc(run->keep, n);
	if (!keep)
		return -ENOMEM;
	run->keep = keep;
	run->keep_cap = n;
	return 0;
}

/* --- cursors ---------------------------------------------------------------------------------------- */

/*
 * The lines of the flight that are not kept have ended. A source's cursor stops in front of the first of its lines that is
 * kept: should we die, that one must be read again, and what is behind it too.
 */
static void move_cursors(struct ship_run *run, const uint8_t *keep)
{
	for (size_t i = 0; i < run->flight; i++) {
		struct ship_place *place = ship_queue_place(&run->queue, i);

		if (keep && keep[i]) {
			place->source->held = true;
			continue;
		}
		place->source->pending--;
		if (!place->source->held)
			place->source->done = place->after;
	}
	for (size_t i = 0; i < run->flight; i++) {
		struct ship_source *source = ship_queue_place(&run->queue, i)->source;

		source->held = false;
		if (!source->pending)
			source->done = source->at;
		/* once for each row of lines of one source is enough */
		if (i + 1 == run->flight || ship_queue_place(&run->queue, i + 1)->source != source)
			run->ops->moved(source, run->data);
	}
}

/* Those that are not kept leave the queue; the others are the flight. */
static void end_lines(struct ship_run *run, const uint8_t *keep)
{
	size_t kept = 0;

	move_cursors(run, keep);
	for (size_t i = 0; keep && i < run->flight; i++)
		kept += keep[i] != 0;
	ship_queue_remove(&run->queue, run->flight, keep);
	run->flight = kept;
	run->encoded = false;
}

/* --- gaps ------------------------------------------------------------------------------------------- */

static bool is_gap(const struct ship_line *line)
{
	return line->flags & LINE_LOST;
}

/* The line becomes a record of itself missing, or a gap takes in the line behind it. */
static void extend_gap(struct ship_line *gap, const struct ship_line *line)
{
	gap->lost += is_gap(line) ? line->lost : 1;
	gap->lost_bytes += is_gap(line) ? line->lost_bytes : line->len;
	gap->lost_to = is_gap(line) ? line->lost_to : line->sequence;
}

static void become_gap(struct ship_line *line, const char *why)
{
	if (!is_gap(line)) {
		line->lost = 1;
		line->lost_bytes = line->len;
		line->lost_to = line->sequence;
		line->flags = LINE_LOST;
	}
	line->len = 0;
	line->lost_why = why;
}

/*
 * Give up the lines of the flight for which drop[i] is set. Of each source the first one stays in the queue as a gap record
 * that stands for all of them; the sink's `done` cursor stays in front of it until the record has arrived.
 */
static void drop_lines(struct ship_run *run, const uint8_t *drop, const char *why)
{
	for (size_t i = 0; i < run->flight; i++) {
		struct ship_line *line = ship_queue_line(&run->queue, i);
		struct ship_place *place = ship_queue_place(&run->queue, i);

		if (run->keep[i] == 0 || (drop && !drop[i]))
			continue;
		run->counts.dropped += !is_gap(line);
		run->queue.bytes -= line->len;
		become_gap(line, why);
		for (size_t j = i + 1; j < run->flight; j++) {
			struct ship_line *other = ship_queue_line(&run->queue, j);

			if (ship_queue_place(&run->queue, j)->source != place->source || run->keep[j] == 0 || (drop && !drop[j]))
				continue;
			run->counts.dropped += !is_gap(other);
			extend_gap(line, other);
			place->after = ship_queue_place(&run->queue, j)->after;
			run->keep[j] = 0;
		}
	}
}

/* --- what is said ----------------------------------------------------------------------------------- */

static void say(struct ship_run *run, enum diag_level level, usec_t now, const char *text)
{
	char line[MESSAGE_SIZE];

	if (run->said_at && now < time_add(run->said_at, SAY_INTERVAL)) {
		run->unsaid++;
		return;
	}
	if (run->unsaid)
		(void)snprintf(line, sizeof(line), "ship %s: %s (and %llu more since the last message)", run->sink.settings->name,
			       text, (unsigned long long)run->unsaid);
	else
		(void)snprintf(line, sizeof(line), "ship %s: %s", run->sink.settings->name, text);
	run->said_at = now;
	run->unsaid = 0;
	run->ops->say(level, line, run->data);
}

static const char *const fates[SHIP_FATE_N] = {
	[SHIP_FATE_KEEP] = "it is tried again",	    [SHIP_FATE_ACK] = "",
	[SHIP_FATE_DROP] = "the batch is dropped",  [SHIP_FATE_ASIDE] = "the batch is set aside",
	[SHIP_FATE_HALVE] = "it is sent in halves", [SHIP_FATE_EACH] = "some lines were refused",
	[SHIP_FATE_EACH_DROP] = "some lines are dropped",
};

static void note_failure(struct ship_run *run, const struct ship_outcome *outcome, enum ship_fate fate, usec_t now, ts_ns wall)
{
	char text[MESSAGE_SIZE];

	run->counts.failures++;
	run->failing = true;
	run->error_at = wall;
	(void)str_copy(run->error, sizeof(run->error), outcome->message);
	(void)snprintf(text, sizeof(text), "%s; %s (%zu lines)", outcome->message, fates[fate], run->flight);
	say(run, DIAG_WARN, now, text);
}

static void note_success(struct ship_run *run, const struct ship_outcome *outcome, usec_t now, ts_ns wall)
{
	run->acked_at = wall;
	if (outcome->refused) {
		run->error_at = wall;
		(void)str_copy(run->error, sizeof(run->error), outcome->message);
		say(run, DIAG_WARN, now, outcome->message);
	}
	if (run->failing) {
		run->said_at = 0; /* whoever read of the trouble is to read of its end */
		say(run, DIAG_INFO, now, "the receiver takes lines again");
		run->failing = false;
	}
}

/* --- fates ------------------------------------------------------------------------------------------ */

static void count_acked(struct ship_run *run, const struct ship_line *line)
{
	if (is_gap(line))
		run->counts.gaps++;
	else
		run->counts.acked++;
}

static void ack_all(struct ship_run *run, const struct ship_outcome *outcome)
{
	uint64_t refused = MIN((uint64_t)outcome->refused, (uint64_t)run->flight);

	for (size_t i = 0; i < run->flight; i++)
		count_acked(run, ship_queue_line(&run->queue, i));
	/* which of them is not said: gap records are few, lines are many */
	refused = MIN(refused, run->counts.acked);
	run->counts.acked -= refused;
	run->counts.refused += refused;
	end_lines(run, NULL);
}

static void set_aside(struct ship_run *run, size_t i, const char *why)
{
	const struct ship_line *line = ship_queue_line(&run->queue, i);

	run->counts.aside += !is_gap(line);
	(void)run->ops->aside(line, why, run->data);
}

static void aside_all(struct ship_run *run, const struct ship_outcome *outcome)
{
	for (size_t i = 0; i < run->flight; i++)
		set_aside(run, i, outcome->message);
	end_lines(run, NULL);
}

static void drop_all(struct ship_run *run)
{
	if (sink_keep_room(run, run->flight) < 0)
		return; /* no memory for the record of it: then they are not dropped yet */
	memset(run->keep, 1, run->flight);
	drop_lines(run, NULL, "batch dropped");
	end_lines(run, run->keep);
	run->flight = 0;
}

/* outcome->lines says DONE, RETRY or POISON of each. */
static void judge_each(struct ship_run *run, const struct ship_outcome *outcome, bool drop)
{
	size_t n = run->flight;

	if (sink_keep_room(run, 2 * n) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		run->keep[i] = run->keep[n + i] = outcome->lines[i] == SHIP_RETRY;
		if (outcome->lines[i] == SHIP_DONE)
			count_acked(run, ship_queue_line(&run->queue, i));
		else if (outcome->lines[i] == SHIP_POISON)
			set_aside(run, i, outcome->message);
	}
	if (drop)
		drop_lines(run, run->keep + n, "refused by the receiver");
	end_lines(run, run->keep);
	if (drop)
		run->flight = 0;
}

static void halve(struct ship_run *run)
{
	run->flight = MAX(run->flight / 2, (size_t)1);
	run->encoded = false;
}

void sink_judge(struct ship_run *run, const struct ship_outcome *outcome, bool cut, usec_t now, ts_ns wall)
{
	const struct ship_event event = {
		.verdict = outcome->verdict,
		.flight = run->flight,
		.retry = outcome->retry,
		.poison = outcome->poison,
		.queued = run->queue.n,
		.bisect = outcome->bisect,
		.cut = cut,
		.retry_after_ms = outcome->retry_after_ms,
	};
	enum ship_fate fate = ship_policy_answer(&run->policy, &event, now);

	if (fate == SHIP_FATE_ACK || (outcome->verdict == SHIP_EACH && !outcome->retry && !outcome->poison))
		note_success(run, outcome, now, wall);
	else if (outcome->verdict != SHIP_AGAIN)
		note_failure(run, outcome, fate, now, wall);
	switch (fate) {
	case SHIP_FATE_KEEP:
		run->encoded = run->encoded && outcome->verdict != SHIP_AGAIN;
		break;
	case SHIP_FATE_ACK:
		ack_all(run, outcome);
		break;
	case SHIP_FATE_DROP:
		drop_all(run);
		break;
	case SHIP_FATE_ASIDE:
		aside_all(run, outcome);
		break;
	case SHIP_FATE_HALVE:
		halve(run);
		break;
	case SHIP_FATE_EACH:
	case SHIP_FATE_EACH_DROP:
		judge_each(run, outcome, fate == SHIP_FATE_EACH_DROP);
		break;
	case SHIP_FATE_N:
		break;
	}
}

void ship_run_reply(struct ship_run *run, const struct ship_reply *reply, bool cut, usec_t now)
{
	struct ship_batch batch = sink_batch(run);
	struct ship_outcome outcome = { .retry_after_ms = -1 };

	ship_answer(&run->sink, &batch, reply, &outcome);
	if (!reply->status && run->cause[0])
		(void)str_copy(outcome.message, sizeof(outcome.message), run->cause);
	run->cause[0] = '\0';
	sink_judge(run, &outcome, cut, now, reply->now);
	ship_outcome_fini(&outcome);
}

void ship_run_written(struct ship_run *run, size_t sent, const char *failed, usec_t now, ts_ns wall)
{
	struct ship_outcome outcome = { .verdict = failed ? SHIP_RETRY : SHIP_DONE, .retry_after_ms = -1 };

	(void)sent;
	if (failed)
		(void)str_copy(outcome.message, sizeof(outcome.message), failed);
	sink_judge(run, &outcome, false, now, wall);
}

uint64_t ship_run_give_up(struct ship_run *run)
{
	uint64_t before = run->counts.dropped;

	run->flight = run->queue.n;
	for (size_t i = 0; i < run->flight; i++)
		run->counts.dropped += !is_gap(ship_queue_line(&run->queue, i));
	end_lines(run, NULL);
	return run->counts.dropped - before;
}
