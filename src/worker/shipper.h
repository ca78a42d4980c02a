/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of zinit-shipper: the process, its services and its sinks. */
#ifndef WORKER_SHIPPER_H
#define WORKER_SHIPPER_H

#include <curl/curl.h>
#include <limits.h>

#include "base/list.h"
#include "base/ship_wire.h"
#include "log/replay.h"
#include "loop/loop.h"
#include "ship/sink.h"

#define SHIPPER_TAGS_MAX 64

struct net;
struct probe;
struct saving;
struct transport;

/** A service, as the server told of it. */
struct service {
	struct list node;
	uint32_t slot;
	unsigned int flags; /* enum shipper_service_flag */
	int ring_fd;
	ts_ns made_at;	   /* before its ring's first line */
	struct ring *ring; /* NULL until something was written to it */
	bool gone;	   /* the server has forgotten it: what is left is shipped, then it is freed */
	struct list feeds;
	char name[LIMIT_NAME + 1];
	const char *tags[SHIPPER_TAGS_MAX + 1];
	char *texts; /* the message that the tags point into */
};

/** One service at one sink: the reading of its history, and the place in the sink's queue. */
struct feed {
	struct list node; /* service->feeds */
	struct list ready; /* sink->ready while there may be lines to read, or alone */
	struct service *service;
	struct sink *sink;
	struct ship_source *source;
	struct log_replay *replay;
	bool unwanted;	      /* the sink does not want it any more */
	struct ship_cursor_slot *kept; /* NULL: no room for it; then a successor begins with what the ring has */
};

struct sink {
	struct list node;
	struct shipper *shipper;
	struct ship_settings *settings;
	char *packed; /* the message that it was made of: another one is another sink */
	size_t packed_len;
	ts_ns since; /* it is to have what was written from then on */
	bool named; /* by the list of sinks that is coming in */
	struct ship_run *run;
	struct transport *transport;
	struct loop_timer *timer;
	struct list ready;
	struct ship_sink_state *state;
	int aside_fd; /* -1: not open */
	bool stepping;
	struct probe *probe; /* it is there to be tried, once; NULL: an ordinary one */
	/* shipper_files.c */
	bool dirty; /* cursors have moved since they were saved */
	struct loop_timer *save_timer;
	struct saving *saving; /* NULL: nothing is being written */
};

struct shipper {
	struct loop *loop;
	struct net *net;
	struct ship_state *state; /* the memfd; NULL until the server sent it */
	int state_fd, news_fd;
	struct loop_io *server; /* NULL: it is gone */
	bool ending; /* the server is gone: nothing new is sent, answers are waited for a little */
	char log_dir[PATH_MAX];
	char host[256], boot[40];
	struct list services;
	struct service **by_slot;
	uint32_t by_slot_n;
	struct list sinks;
	struct list probes;
	uint64_t random;
	struct loop_timer *nap; /* news came: look again soon, rather than be told of each line */
	struct loop_timer *flush_timer;
	bool flushing;
};

/** A transfer of the net has ended; `data` is a struct transport. */
void transport_done(CURL *easy, CURLcode code, void *data);

/* main_shipper.c */
/** A line for the server's log. */
void shipper_say(enum diag_level level, const char *text);
/** A message to the server. */
void shipper_tell(enum shipper_kind kind, uint32_t slot, uint32_t flags, const char *text);
/** Something may be over: free services that are gone, answer a flush. */
void shipper_settle(struct shipper *s);

/* shipper_services.c */
/** A message SHIPPER_SERVICE; takes `ring_fd` over. */
void service_told(struct shipper *s, const struct shipper_head *head, const char *texts, size_t len, int ring_fd);
void service_gone(struct shipper *s, uint32_t slot);
void service_free(struct service *service);
/** Make the feeds that are missing: after a sink or a service came. */
void feeds_make(struct shipper *s);
void feed_free(struct feed *feed);
/** Look which services have news, and mark their feeds; false: none had. */
bool news_take(struct shipper *s);
/** Read what is ready into the sink's queue, as far as it has room. Returns true if there is more than was read now. */
bool sink_fill(struct sink *sink);
/** May every service that is gone be forgotten? */
void services_settle(struct shipper *s);

/* shipper_sinks.c */
void sink_told(struct shipper *s, const struct shipper_head *head, const char *packed, size_t len);
/** Those that were not named are no more. */
void sinks_end(struct shipper *s);
/** Read, send, wait: whatever is to be done now. */
void sink_step(struct sink *sink);
void sink_free(struct sink *sink);
/** What a transfer came to; called by transports. */
void sink_replied(struct sink *sink, const struct ship_reply *reply, bool cut);
void sink_written(struct sink *sink, size_t sent, const char *failed);
/** Is everything that it had sent (or given up)? */
bool sink_is_empty(const struct sink *sink);

/* shipper_probe.c */
/** Send one record to the receiver that `packed` describes, and tell the server what came of it, as question `id`. */
void probe_told(struct shipper *s, uint32_t id, const char *packed, size_t len);
/** Its sink has stepped: perhaps that was it. */
void probe_stepped(struct probe *probe);
void probes_fini(struct shipper *s);

/* shipper_files.c */
/** Cursors that an earlier shipper saved, where the shared memory has none. */
void files_load_cursors(struct sink *sink);
void files_cursors_moved(struct sink *sink);
/** Save what is not saved, close everything. */
void files_fini(struct sink *sink);
/** Returns false if the line could not be kept: no room, or no disk. */
bool files_set_aside(struct sink *sink, const struct ship_line *line, const char *why);

/* shipper_state.c */
/** Lock and map the memfd, which becomes the shipper's. Returns 0 or negative errno. */
int state_map(struct shipper *s, int fd);
/** The place of a sink, by its name; made if need be. NULL: no room. */
struct ship_sink_state *state_sink(struct shipper *s, const char *name);
/** Forget the sink and its cursors. */
void state_forget_sink(struct shipper *s, const char *name);
/** The place of a cursor, made if need be; *out_known: it was there. NULL: no room. */
struct ship_cursor_slot *state_cursor(struct shipper *s, const char *service, const char *sink, bool *out_known);
void state_get_cursor(const struct ship_cursor_slot *slot, struct log_cursor *out);
void state_set_cursor(struct ship_cursor_slot *slot, const struct log_cursor *at);
/** A service is no more: its cursor's place is free. */
void state_free_cursor(struct ship_cursor_slot *slot);
/** Counters and phase, for the server to show. */
void state_publish(struct sink *sink);

#endif
