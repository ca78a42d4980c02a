/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the threads of the engine share. Each field says whose it is:
 *   main    the loop's thread
 *   reader  the thread that reads pipes (reader.c)
 *   lock    any thread that holds engine.lock
 * Objects move between threads whole, through the two queues under the lock; the rest is atomic.
 */
#ifndef LOG_ENGINE_H
#define LOG_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "base/map.h"
#include "log/log.h"
#include "log/store.h"

struct loop_io;

/* What waits in a queue: to the reader, or back to main. Embedded, so that queueing needs no memory. */
struct log_msg {
	struct list node; /* lock */
	void (*run)(struct log_msg *msg); /* in the thread that takes it out */
};

/* A pipe. Made by main, then the reader's until it has ended, then main's again. */
struct log_source {
	struct log_msg msg;
	struct log_service *svc;
	struct list node;      /* in svc->sources */
	struct list stalled;   /* in engine->stalled, or alone */
	uint64_t run;
	usec_t last_read;
	int fd;
	uint32_t drain_left;   /* bytes that log_drain() still wants */
	uint32_t turn;         /* of the reader, in which it was last readable */
	uint32_t pipe_bytes;
	uint32_t tag;          /* the caller's */
	enum log_stream stream;
	usec_t drain_until;    /* a service that blocks: the end of its run is told then, whatever waits for the store */
	bool draining;
	bool lingers;          /* it was told so, and last words are still in the pipe */
	bool gives_up;         /* they are read even if lines are lost by it */
	bool watched;          /* in the epoll set */
};

struct log_drain {
	struct log_msg msg;
	struct list node; /* in svc->drains, reader */
	struct log_service *svc;
	uint64_t run;
	bool ended;
	log_drained_fn fn;
	void *data;
};

struct log_service {
	struct log_engine *engine;
	/* main */
	struct list follows;
	struct list followed; /* in engine->followed while there are any */
	struct log_msg adopt_msg;
	struct log_msg remove_msg;
	log_lost_fn on_lost; /* NULL: nobody is told */
	void *on_lost_data;
	uint64_t followers_lost; /* lines that followers were told are gone */
	uint32_t refs; /* follows and queries beside the engine itself */
	bool removed;
	bool retired; /* the threads are done with it */
	/* reader; `opts` by log_service_set() through a message */
	struct log_service_opts opts;
	int ring_fd;
	struct list sources;
	struct list drains;
	struct log_msg lost_msg; /* to main; under way while lost_told */
	uint64_t lost_seen;	 /* lines that were lost when it was last looked at */
	uint64_t seen_seq; /* where the store was when it was last looked at */
	/* all */
	_Atomic(struct store_log *) store; /* made by the reader at the first line; NULL: none */
	_Atomic(struct ring *) ring; /* NULL until the first byte */
	_Atomic uint32_t followers;
	_Atomic uint32_t news_slot; /* + 1; 0: nobody is told */
	_Atomic bool stored; /* opts.store: what is overwritten before it is stored is missed */
	_Atomic bool lost_told; /* main knows that lines were lost */
	_Atomic bool wake; /* new lines since the followers looked */
	char name[];
};

struct log_engine {
	/* main */
	struct loop *loop;
	struct loop_io *main_io;
	struct map services;
	struct list followed;
	struct list queries;
	char *dir; /* NULL: no store */
	log_ended_fn on_ended;
	void *data;
	struct log_news news; /* set before any service has a slot */
	/* set before the threads start */
	int main_fd;   /* eventfd: something for main */
	int reader_fd; /* eventfd: something for the reader */
	int epoll_fd;
	pthread_t reader;
	struct store *store; /* NULL: none */
	/* lock */
	pthread_mutex_t lock;
	struct list to_reader;
	struct list to_main;
	/* reader */
	struct list stalled;
	uint32_t turn;
	bool stop;
	usec_t held_since;    /* somebody waits for the store; 0: nobody */
	uint64_t held_blocks; /* how much it had written then */
	usec_t drop_until;    /* until then it is not waited for: it hangs in the disk */
	usec_t impatience;    /* how long that was the last time */
	/* the store's work thread */
	struct list refused; /* incidents that the disk did not take */
	unsigned int refused_n;
	/* all */
	_Atomic uint64_t incidents_lost;
	_Atomic bool main_wake; /* main_fd was written and not yet read */
	_Atomic bool reader_waits; /* for the store */
};

/** Queue a message; any thread. Wakes the receiver. */
void engine_to_reader(struct log_engine *e, struct log_msg *msg);
void engine_to_main(struct log_engine *e, struct log_msg *msg);
/** Wake main to look at the followers; any thread. */
void engine_wake_main(struct log_engine *e);
/** Take all messages of a queue out and run them. */
void engine_run_queue(struct log_engine *e, struct list *queue);

/** The store's part of a service's options, defaults filled in. */
struct store_opts engine_store_opts(const struct log_service_opts *opts);

/** The reader's thread; `data` is the engine. */
void *reader_main(void *data);
/* Messages to the reader. */
void reader_adopt(struct log_msg *msg);
void reader_attach(struct log_msg *msg);
void reader_drain(struct log_msg *msg);
void reader_remove(struct log_msg *msg);
/* Messages to main, from the reader. */
void main_source_ended(struct log_msg *msg);
void main_drained(struct log_msg *msg);
void main_service_retired(struct log_msg *msg);

/** When the threads are gone: free the incidents that the disk did not take. */
void incidents_free(struct log_engine *e);
/** Reader: `slot` has new lines, and the fence after them is done. */
void news_tell(struct log_engine *e, uint32_t slot);

/** Reader, after a read: tell main if lines were lost. */
void lost_look(struct log_service *svc);

/** Main: end all questions early; each goes with its last message. */
void ask_cancel_all(struct log_engine *e);
/** Main: call the followers whose services have new lines. */
void follow_wake_all(struct log_engine *e);
/** Main: give up a hold on a service; the last one frees it. */
void service_unref(struct log_service *svc);

#endif
