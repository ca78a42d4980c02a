/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: questions to zinit-shipper whether a receiver takes a record, while they wait for their answers. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "loop/loop.h"
#include "ship/pack.h"
#include "supervisor/internal.h"
#include "supervisor/ship_internal.h"

/* The shipper ends a request by itself in its time-out and some seconds (ship/policy.h): later it is the shipper that hangs. */
#define GRACE (15 * USEC_PER_SEC)

struct ship_probe {
	struct list node; /* link->probes */
	uint32_t id;
	ship_probe_fn fn;
	void *data;
	struct loop_timer *timer;
};

void ship_probe_cancel(struct ship_probe *p)
{
	if (!p)
		return;
	list_remove(&p->node);
	loop_timer_free(p->timer);
	free(p);
}

static void answer(struct ship_probe *p, bool taken, const char *text)
{
	ship_probe_fn fn = p->fn;
	void *data = p->data;

	ship_probe_cancel(p);
	fn(taken, text, data);
}

static void on_timer(struct loop_timer *timer, void *data)
{
	(void)timer;
	answer(data, false, "zinit-shipper did not answer");
}

void ship_probe_answered(struct ship_link *l, uint32_t id, bool taken, const char *text)
{
	struct ship_probe *p;

	LIST_FOREACH (p, &l->probes, node) {
		if (p->id == id) {
			answer(p, taken, text);
			return;
		}
	}
}

void ship_probes_fail(struct ship_link *l, const char *text)
{
	while (!list_empty(&l->probes))
		answer(LIST_ENTRY(l->probes.next, struct ship_probe, node), false, text);
}

static int ask(struct ship_link *l, const struct ship_settings *settings, uint32_t id)
{
	const struct shipper_head head = { .kind = SHIPPER_PROBE, .slot = id };
	AUTO(strbuf_fini) struct strbuf text = STRBUF(SHIPPER_MESSAGE_MAX);
	int r = ship_pack(settings, &text);

	return r < 0 ? r : ship_tell(l, &head, &text, NULL, 0);
}

int ship_probe_start(struct supervisor *sup, const struct ship_settings *settings, ship_probe_fn fn, void *data,
		     struct ship_probe **out)
{
	struct ship_link *l = sup->ship;
	struct ship_probe *p, *other;
	size_t n = 0;
	int r;

	if (!l || l->sock < 0 || !l->state_told)
		return -EAGAIN;
	LIST_FOREACH (other, &l->probes, node)
		n++;
	if (n >= LIMIT_SHIP_PROBES)
		return -EBUSY;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	list_append(&l->probes, &p->node);
	p->id = ++l->probe_last;
	p->fn = fn;
	p->data = data;
	p->timer = loop_timer_new(sup->loop, on_timer, p);
	r = p->timer ? ask(l, settings, p->id) : -ENOMEM;
	if (r < 0) {
		ship_probe_cancel(p);
		return r;
	}
	loop_timer_arm(p->timer, loop_now(sup->loop) + settings->timeout_ms * USEC_PER_MSEC + GRACE);
	*out = p;
	return 0;
}
