/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: how many lines of a service were lost and why, and telling the loop of it. The reader looks after each read, since
 * only what it reads pushes lines out of the ring; so an idle service costs nothing, and no clock is asked.
 */
#include "base/mem.h"
#include "log/engine.h"

void log_service_lost(struct log_service *svc, struct log_lost *out)
{
	struct ring *r = atomic_load_explicit(&svc->ring, memory_order_acquire);
	struct store_log *l = atomic_load_explicit(&svc->store, memory_order_acquire);
	struct ring_counts counts;
	struct ring_store at;

	*out = (struct log_lost){ 0 };
	if (!r)
		return;
	ring_store_get(r, &at);
	ring_counts(r, &counts);
	out->rate = counts.rate_lines;
	out->store = at.dropped;
	if (!l || !atomic_load(&svc->stored))
		return;
	/* those that the store has not come to yet, and will not find: while a disk refuses everything it comes to none */
	out->store += counts.overwritten - MIN(at.seq, counts.overwritten);
	out->store_error = store_log_error(l) ? store_log_error(l) : store_log_lost_error(l);
}

void log_service_on_lost(struct log_service *svc, log_lost_fn fn, void *data)
{
	svc->on_lost = fn;
	svc->on_lost_data = data;
}

void log_service_lost_again(struct log_service *svc)
{
	atomic_store(&svc->lost_told, false);
}

static void main_lost(struct log_msg *msg)
{
	struct log_service *svc = CONTAINER_OF(msg, struct log_service, lost_msg);

	if (!svc->removed && svc->on_lost)
		svc->on_lost(svc, svc->on_lost_data);
}

void lost_look(struct log_service *svc)
{
	struct log_lost now;

	if (!svc->opts.store && !svc->opts.ring.rate_limit)
		return;
	log_service_lost(svc, &now);
	if (now.rate + now.store == svc->lost_seen)
		return;
	svc->lost_seen = now.rate + now.store;
	if (atomic_exchange(&svc->lost_told, true))
		return;
	svc->lost_msg.run = main_lost;
	engine_to_main(svc->engine, &svc->lost_msg);
}
