/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what is shown of shipping. It is read out of memory that the shipper may scribble on: nothing of it is relied on. */
#include <errno.h>
#include <string.h>

#include "base/map.h"
#include "config/server_settings.h"
#include "log/log.h"
#include "ship/sink.h"
#include "supervisor/internal.h"
#include "supervisor/ship_internal.h"

const char *ship_phase_name(enum ship_sink_phase phase)
{
	static const char *const names[SHIP_PHASE_N] = {
		[SHIP_PHASE_IDLE] = "idle",	  [SHIP_PHASE_GATHER] = "gathering", [SHIP_PHASE_SENDING] = "sending",
		[SHIP_PHASE_BACKOFF] = "retrying", [SHIP_PHASE_PAUSED] = "paused",
	};

	return phase < SHIP_PHASE_N ? names[phase] : "unknown";
}

static const struct ship_sink_state *find_state(const struct ship_state *state, const char *name)
{
	for (size_t i = 0; state && i < LIMIT_SHIP_SINKS; i++) {
		const struct ship_sink_state *it = &state->sinks[i];

		if (atomic_load(&it->used) && strncmp(it->name, name, sizeof(it->name)) == 0)
			return it;
	}
	return NULL;
}

/* Places of one sink by the names of their services. */
static void map_cursors(struct ship_state *state, const char *sink, struct map *out)
{
	uint32_t n = MIN(atomic_load(&state->cursors), (uint32_t)LIMIT_SHIP_CURSORS);

	for (uint32_t i = 0; i < n; i++) {
		struct ship_cursor_slot *slot = &state->cursor[i];

		if (atomic_load(&slot->used) && strncmp(slot->sink, sink, sizeof(slot->sink)) == 0 &&
		    memchr(slot->service, '\0', sizeof(slot->service)))
			(void)map_put(out, slot->service, slot);
	}
}

static void add_lag(struct ship_sink_status *out, struct log_service *log, const struct ship_cursor_slot *slot)
{
	struct log_cursor at = { 0 };
	struct log_behind behind;

	if (slot) {
		const struct ship_cursor_copy *copy = &slot->copy[atomic_load(&slot->turn) & 1];

		at = (struct log_cursor){ .ring = copy->ring, .seq = copy->seq, .ts = copy->ts, .same = copy->same };
	}
	log_service_behind(log, &at, &behind);
	out->lag_lines += behind.lines;
	out->lag_bytes += behind.bytes;
	if (behind.oldest && (!out->lag_since || behind.oldest < out->lag_since))
		out->lag_since = behind.oldest;
}

static void measure_lag(const struct ship_link *l, struct ship_sink_status *out)
{
	const struct supervisor *sup = l->sup;
	struct map cursors;

	map_init(&cursors);
	map_cursors(l->state, out->settings->name, &cursors);
	for (size_t i = 0; i < sup->units_n; i++) {
		const struct unit *unit = sup->units[i];

		if (unit && unit->log && unit->config->ship &&
		    ship_wants_service(out->settings, unit->config->name, unit->config->tags, false))
			add_lag(out, unit->log, map_get(&cursors, unit->config->name));
	}
	map_fini(&cursors);
}

int ship_status(const struct supervisor *sup, size_t i, struct ship_sink_status *out)
{
	const struct ship_link *l = sup->ship;
	const struct server_settings *settings = l ? l->settings : sup->settings;
	const struct ship_sink_state *state;
	uint64_t *counts = (uint64_t *)(void *)&out->counts;

	if (i >= settings->ships.n)
		return -ENOENT;
	*out = (struct ship_sink_status){ .settings = &settings->ships.items[i] };
	state = l ? find_state(l->state, out->settings->name) : NULL;
	if (!state)
		return 0;
	out->known = true;
	out->phase = (enum ship_sink_phase)atomic_load(&state->phase);
	for (size_t j = 0; j < ARRAY_LEN(state->counts); j++)
		counts[j] = atomic_load(&state->counts[j]);
	out->acked_at = atomic_load(&state->acked_ns);
	out->error_at = atomic_load(&state->error_ns);
	out->batch = atomic_load(&state->batch);
	memcpy(out->error, state->error, sizeof(out->error));
	out->error[sizeof(out->error) - 1] = '\0';
	measure_lag(l, out);
	return 0;
}

pid_t ship_pid(const struct supervisor *sup, unsigned int *out_starts)
{
	const struct ship_link *l = sup->ship;

	*out_starts = l ? l->starts : 0;
	return l && l->worker ? worker_pid(l->worker) : 0;
}
