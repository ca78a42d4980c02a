/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what a sink does next, and what becomes of a batch that was answered. */
#include "ship/policy.h"

#include "base/mem.h"

void ship_policy_init(struct ship_policy *p, const struct ship_policy_options *options)
{
	*p = (struct ship_policy){
		.options = *options,
		.limit = MAX(options->batch_size, 1U),
		.ceiling = UINT32_MAX,
		.random = options->seed | 1,
	};
}

/* xorshift64*: spreads tries in time, nothing else depends on it. */
static uint64_t next_random(struct ship_policy *p)
{
	p->random ^= p->random >> 12;
	p->random ^= p->random << 25;
	p->random ^= p->random >> 27;
	return p->random * 2685821657736338717ULL;
}

static uint32_t limit_max(const struct ship_policy *p)
{
	uint64_t most = (uint64_t)MAX(p->options.batch_size, 1U) * SHIP_GROWTH;

	return (uint32_t)MIN(MIN(most, (uint64_t)UINT32_MAX), (uint64_t)p->ceiling);
}

/* --- what next ------------------------------------------------------------------------------------ */

static struct ship_step wait_until(usec_t until)
{
	return (struct ship_step){ .action = SHIP_ACT_WAIT, .until = until };
}

static struct ship_step begin(struct ship_policy *p, enum ship_action action, usec_t now)
{
	p->sending = true;
	p->sent_at = now;
	p->not_before = 0;
	return (struct ship_step){ .action = action, .lines = p->limit, .bytes = p->options.batch_bytes };
}

static bool is_due(const struct ship_policy *p, const struct ship_view *view, usec_t now)
{
	return p->flushing || view->full || view->lines >= p->limit || view->bytes >= p->options.batch_bytes ||
	       now >= time_add(view->oldest, p->options.flush_interval);
}

struct ship_step ship_policy_next(struct ship_policy *p, const struct ship_view *view, usec_t now)
{
	usec_t given_up = time_add(time_add(p->sent_at, p->options.timeout), SHIP_GRACE);

	if (p->sending && now < given_up)
		return wait_until(given_up);
	if (p->sending)
		return (struct ship_step){ .action = SHIP_ACT_ABORT };
	if (view->lines == 0) {
		p->flushing = false;
		return (struct ship_step){ .action = SHIP_ACT_IDLE };
	}
	if (now < p->not_before)
		return wait_until(p->not_before);
	if (view->flight)
		return begin(p, SHIP_ACT_AGAIN, now);
	if (is_due(p, view, now))
		return begin(p, SHIP_ACT_SEND, now);
	return wait_until(time_add(view->oldest, p->options.flush_interval));
}

void ship_policy_flush(struct ship_policy *p, usec_t now)
{
	p->flushing = true;
	p->not_before = MIN(p->not_before, now);
}

/* --- how large ------------------------------------------------------------------------------------ */

static void succeeded(struct ship_policy *p, const struct ship_event *event, usec_t now)
{
	usec_t took = now - MIN(now, p->sent_at);
	uint32_t usual = MIN(p->options.batch_size, p->ceiling);

	p->attempts = p->cuts = 0;
	if (p->ceiling != UINT32_MAX && ++p->wins >= SHIP_CEILING_WINS) {
		p->ceiling = p->ceiling < UINT32_MAX / 2 ? p->ceiling * 2 : UINT32_MAX;
		p->wins = 0;
	}
	if (took > p->options.timeout / 4)
		p->limit = MAX(p->limit / 2, usual);
	else if (p->limit < usual || event->queued - event->flight >= p->limit)
		p->limit = p->limit < limit_max(p) / 2 ? p->limit * 2 : limit_max(p);
	p->limit = MAX(p->limit, 1U);
}

/* Not so many again: half of what was sent is the most, until that went well for a while. */
static void too_large(struct ship_policy *p, size_t flight)
{
	p->ceiling = (uint32_t)MAX(flight / 2, (size_t)1);
	p->limit = MIN(p->limit, p->ceiling);
	p->wins = 0;
}

/* --- what becomes of it --------------------------------------------------------------------------- */

/* Full jitter: anything from nothing to the bound that doubles with each failure. */
static void back_off(struct ship_policy *p, int64_t retry_after_ms, usec_t now)
{
	usec_t most = SHIP_BACKOFF_FIRST;
	usec_t pause;

	for (uint32_t i = 0; i < p->attempts && most < p->options.max_retry; i++)
		most *= 2;
	if (p->attempts < UINT32_MAX)
		p->attempts++;
	most = MAX(MIN(most, p->options.max_retry), (usec_t)SHIP_BACKOFF_MIN);
	pause = MAX(next_random(p) % (most + 1), (usec_t)SHIP_BACKOFF_MIN);
	/* what the receiver asks for, and a tenth at most on top, so that not all come back in the same instant */
	if (retry_after_ms > 0) {
		usec_t asked = (usec_t)retry_after_ms * USEC_PER_MSEC;

		pause = asked + next_random(p) % (asked / 10 + 1);
	}
	p->not_before = time_add(now, pause);
}

static enum ship_fate on_done(struct ship_policy *p, const struct ship_event *event, usec_t now)
{
	p->poison_row = 0;
	succeeded(p, event, now);
	return SHIP_FATE_ACK;
}

/* Several times no answer at all to the same lines: perhaps it is they that the receiver does not survive. */
static enum ship_fate on_cut(struct ship_policy *p, const struct ship_event *event)
{
	p->cuts++;
	if (event->flight > 1 && p->cuts >= SHIP_CUTS_SPLIT) {
		p->cuts = 0;
		too_large(p, event->flight);
		return SHIP_FATE_HALVE;
	}
	if (event->flight == 1 && p->cuts >= SHIP_CUTS_ASIDE) {
		p->cuts = 0;
		p->not_before = 0;
		return SHIP_FATE_ASIDE;
	}
	return SHIP_FATE_KEEP;
}

static enum ship_fate on_retry(struct ship_policy *p, const struct ship_event *event, usec_t now)
{
	back_off(p, event->retry_after_ms, now);
	if (p->options.on_failure == SHIP_ON_FAILURE_DROP)
		return SHIP_FATE_DROP;
	if (event->cut)
		return on_cut(p, event);
	p->cuts = 0;
	return SHIP_FATE_KEEP;
}

/* The same lines in another form, at once; a receiver that goes on asking for it is one that fails. */
static enum ship_fate on_again(struct ship_policy *p, const struct ship_event *event, usec_t now)
{
	if (++p->again > SHIP_CUTS_SPLIT)
		return on_retry(p, event, now);
	return SHIP_FATE_KEEP;
}

static enum ship_fate on_split(struct ship_policy *p, const struct ship_event *event, usec_t now)
{
	(void)now;
	if (event->flight <= 1)
		return SHIP_FATE_ASIDE;
	too_large(p, event->flight);
	return SHIP_FATE_HALVE;
}

static enum ship_fate on_poison(struct ship_policy *p, const struct ship_event *event, usec_t now)
{
	(void)now;
	if (event->bisect && event->flight > 1 && p->poison_row < SHIP_POISON_ROW) {
		/* the half that is good is found by the next tries; the size is not what was wrong */
		p->limit = (uint32_t)MAX(MIN((size_t)p->limit, event->flight / 2), (size_t)1);
		return SHIP_FATE_HALVE;
	}
	p->poison_row++;
	return SHIP_FATE_ASIDE;
}

static enum ship_fate on_pause(struct ship_policy *p, const struct ship_event *event, usec_t now)
{
	back_off(p, event->retry_after_ms, now);
	p->paused = true;
	if (p->options.on_failure == SHIP_ON_FAILURE_DROP)
		return SHIP_FATE_DROP;
	p->not_before = MAX(p->not_before, time_add(now, p->options.max_retry));
	return SHIP_FATE_KEEP;
}

static enum ship_fate on_each(struct ship_policy *p, const struct ship_event *event, usec_t now)
{
	if (event->flight > event->retry + event->poison)
		p->poison_row = 0;
	if (!event->retry) {
		succeeded(p, event, now);
		return SHIP_FATE_EACH;
	}
	/* a flight that grows smaller is one that gets on */
	if (event->retry < event->flight)
		p->attempts = 0;
	back_off(p, event->retry_after_ms, now);
	return p->options.on_failure == SHIP_ON_FAILURE_DROP ? SHIP_FATE_EACH_DROP : SHIP_FATE_EACH;
}

enum ship_fate ship_policy_answer(struct ship_policy *p, const struct ship_event *event, usec_t now)
{
	static enum ship_fate (*const steps[SHIP_VERDICT_N])(struct ship_policy *, const struct ship_event *, usec_t) = {
		[SHIP_DONE] = on_done,	   [SHIP_RETRY] = on_retry, [SHIP_AGAIN] = on_again, [SHIP_SPLIT] = on_split,
		[SHIP_POISON] = on_poison, [SHIP_PAUSE] = on_pause, [SHIP_EACH] = on_each,
	};

	p->sending = false;
	p->paused = false;
	if (event->verdict != SHIP_AGAIN)
		p->again = 0;
	return steps[event->verdict](p, event, now);
}
