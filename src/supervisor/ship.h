/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shipping as the server sees it: zinit-shipper is there as long as there is a [[ship]] table; it is told of sinks and
 * services, and of nothing else. Lines, cursors and counters go past the server, through shared memory (base/ship_wire.h).
 *
 * What the shipper is told is never queued: there is a list of what it has been told, and whoever changes something asks for
 * a look (ship_changed()), in which the difference is sent as far as the socket takes it.
 */
#ifndef SUPERVISOR_SHIP_H
#define SUPERVISOR_SHIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/ship_wire.h"
#include "base/time.h"

struct server_settings;
struct supervisor;
struct ship_link;

/** Begin, after the services are there. Failures are told to the log: services do not suffer from them. */
void ship_begin(struct supervisor *sup);
/** Services, their tags or their settings changed: look at the end of the loop's round. */
void ship_changed(struct supervisor *sup);
/** The configuration was read again: `settings` is borrowed until the next call. */
void ship_settings(struct supervisor *sup, const struct server_settings *settings);
/** One sink, as people see it. Texts are borrowed from the settings, or copies. */
struct ship_sink_status {
	const struct ship_settings *settings;
	bool known; /* the shipper has begun with it: what follows means something */
	enum ship_sink_phase phase;
	struct ship_counts counts;
	uint64_t lag_lines, lag_bytes; /* written, and neither acknowledged nor given up; bytes as far as memory has them */
	ts_ns lag_since;	       /* time of the oldest of those lines; 0: there is none */
	ts_ns acked_at, error_at;      /* 0: never */
	uint32_t batch;		       /* lines that a batch may have now */
	char error[SHIP_ERROR_SIZE];
};
/** The i-th sink of the configuration. Returns 0 or -ENOENT. */
int ship_status(const struct supervisor *sup, size_t i, struct ship_sink_status *out);
/** The shipper's process; 0: there is none. `*out_starts`: how often one was started by this server. */
pid_t ship_pid(const struct supervisor *sup, unsigned int *out_starts);
/** "idle", "sending" …. */
const char *ship_phase_name(enum ship_sink_phase phase);

/** What became of a test record: it was taken, or not; `text` says it to people. */
typedef void (*ship_probe_fn)(bool taken, const char *text, void *data);
struct ship_probe;
/**
 * Have zinit-shipper send a test record to the receiver of `settings`, on a connection of its own. `fn` is called once,
 * from the loop, unless it is cancelled. Returns 0; -EAGAIN: there is no shipper now; -EBUSY: too many at once; -ENOMEM.
 */
int ship_probe_start(struct supervisor *sup, const struct ship_settings *settings, ship_probe_fn fn, void *data,
		     struct ship_probe **out);
/** Do not call `fn`. NULL is fine. */
void ship_probe_cancel(struct ship_probe *p);

/** All services are down: send what there is. Returns true if that takes time: supervisor_finish() is called then. */
bool ship_flush(struct supervisor *sup);
void ship_fini(struct supervisor *sup);

#endif
