/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: telling another process that there are new lines (a bit in shared memory, and an eventfd if that process sleeps), and
 * how far that process is behind.
 */
#include <errno.h>
#include <unistd.h>

#include "log/engine.h"

void log_engine_news(struct log_engine *e, const struct log_news *news)
{
	e->news = *news;
}

int log_service_news(struct log_service *svc, uint32_t slot)
{
	if (slot != LOG_NEWS_OFF && (!svc->engine->news.dirty || slot >= svc->engine->news.slots))
		return -EINVAL;
	atomic_store(&svc->news_slot, slot == LOG_NEWS_OFF ? 0 : slot + 1);
	return 0;
}

/*
 * The other process clears the bit and then looks at the ring; we have moved the ring's head and then look at the bit. Both
 * have a full fence between the two, so at least one of them sees what the other did.
 */
void news_tell(struct log_engine *e, uint32_t slot)
{
	_Atomic uint64_t *word = &e->news.dirty[slot / 64];
	uint64_t bit = 1ULL << (slot % 64);
	uint64_t one = 1;

	if (!(atomic_load(word) & bit))
		(void)atomic_fetch_or(word, bit);
	if (atomic_load(e->news.armed) && atomic_exchange(e->news.armed, 0))
		(void)!write(e->news.fd, &one, sizeof(one));
}

void log_service_behind(struct log_service *svc, const struct log_cursor *at, struct log_behind *out)
{
	const struct ring *r = atomic_load_explicit(&svc->ring, memory_order_acquire);

	*out = (struct log_behind){ 0 };
	if (r)
		ring_behind(r, at->ring == ring_id(r) ? at->seq : ring_tail(r), &out->lines, &out->bytes, &out->oldest);
}
