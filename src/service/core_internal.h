/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the core share. Services live in single allocations (their addresses stay), found by id. Every name
 * that is used, as a service or as somebody's dependency, has an entry in `names` that knows who refers to it: so names
 * that do not exist yet are found when they appear, and dependents are found without searching.
 */
#ifndef SERVICE_CORE_INTERNAL_H
#define SERVICE_CORE_INTERNAL_H

#include "base/map.h"
#include "service/core.h"

/** SIGKILL was sent: after this long without EV_GONE or EV_SURVIVORS we call what is left survivors. */
#define KILL_GRACE (5 * USEC_PER_SEC)
/** Pause before foreign processes are looked for again. */
#define FILTERS_PAUSE (1 * USEC_PER_SEC)
/** The first pause after a transient spawn error where restart_delay is smaller, and the last. */
#define SPAWN_PAUSE_MIN (100 * USEC_PER_MSEC)
#define SPAWN_PAUSE_MAX (60 * USEC_PER_SEC)
/** The most effects that one service's turn can need. */
#define EFFECTS_PER_TURN 16

/** What waits for a service's turn in a queue. */
enum todo {
	TODO_STOP = 1 << 0,      /* EV_STOP by via_rule, via_other */
	TODO_AGAIN = 1 << 1,     /* EV_RESTART by via_rule, via_other */
	TODO_START = 1 << 2,     /* EV_START by via_rule, via_other */
	TODO_KILL = 1 << 3,      /* the shutdown deadline is over */
	TODO_PULL = 1 << 4,      /* start what it requires */
	TODO_PULL_TREE = 1 << 5, /* … and wants, whatever the status */
	TODO_PULL_RETRY = 1 << 6, /* … and what failed for good */
	TODO_CASCADE = 1 << 7,   /* stop, or restart, what requires it */
	TODO_CRASH = 1 << 8,     /* it crashed: its dependents do what on_dependency_crash says */
	TODO_NOTIFY = 1 << 9,    /* its state changed: neighbours look again */
	TODO_CHECK = 1 << 10,    /* look again */
	TODO_FULL = 1 << 11,     /* … at all dependencies, not at the last that blocked */
	TODO_TREE = 1 << 12,     /* with TODO_START: tree */
};

/** Done when all the rest is: looking again. */
#define TODO_LOOK ((unsigned int)(TODO_CHECK | TODO_FULL))

/** Each is served when those before it are empty. */
enum fifo_name {
	FIFO_WISHES, /* todo other than TODO_LOOK */
	FIFO_STATES, /* TODO_CHECK where the state may follow from those of others: targets, failed for a dependency, … */
	FIFO_STARTS, /* TODO_CHECK of a blocked service, which may start */
	FIFO_DIRTY,  /* its record changed */
	FIFO_N
};

struct link {
	uint32_t next;
	bool in;
};

struct service {
	struct service_record rec;
	struct service_policy policy; /* deps and ports are our copies; dep names belong to `names` */
	uint32_t *dep_names;          /* for each of policy.deps: index into core->names */
	char *spawn_text;             /* what the shell said of the last failed spawn, or NULL */
	uint32_t id;
	uint32_t name;                /* index into core->names */
	struct link links[FIFO_N];
	uint32_t watch_dep, watch_in; /* where the last scan found somebody to wait for: looked at first */
	uint32_t via_other;
	uint16_t todo;
	uint8_t via_rule;
	bool held; /* restored, core_resume() is still to come */
};

struct name {
	char *text;
	uint32_t id;       /* the service of that name, or CORE_NONE */
	uint32_t *in;      /* who refers to it: service id << 2 | dep_kind */
	uint32_t in_n, in_cap;
	uint32_t next_free; /* when text is NULL */
};

struct fifo {
	uint32_t head, tail;
};

struct core {
	uint64_t seed;
	struct service **services;
	uint32_t services_cap;
	uint32_t count;
	uint32_t active;      /* starting, running or stopping */
	uint32_t lowest_free; /* no free id below */
	struct name *names;
	uint32_t names_n, names_cap, names_free;
	struct map by_name;   /* text -> index + 1 */
	uint32_t *port_owner; /* by port: id + 1, or 0; made when the first service declares one */
	uint32_t port_waiters; /* services with BLOCK_PORT in rec.blocked */
	uint32_t held;        /* services that wait for core_resume(): nothing spreads until then */
	struct fifo fifos[FIFO_N];
	bool shutting_down, shutdown_done;
	usec_t shutdown_deadline;
	uint64_t bugs, stale;
	char bug_text[160];
};

/** One event at one service, on its way through the table (steps.h). */
struct step {
	struct core *core;
	struct service *s;
	const struct core_event *ev;
	usec_t now;
	struct effects *out;
	struct cause cause; /* of the transition, if one is made */
	int result;         /* what core_step() returns */
};

typedef enum service_state (*step_fn)(struct step *st);

/** `to`: bit set of the states that `fn` may return. Without `fn` the event is not expected. */
struct cell {
	step_fn fn;
	unsigned int to;
};

typedef const struct cell steps_table[SERVICE_STATE_N][EV_KIND_N];

/** The table of states and events (machine.c). */
extern steps_table machine_steps;

/* machine.c */
/** Send one event through the table. Returns as core_step(). */
int machine_step(struct core *core, struct service *s, const struct core_event *ev, usec_t now, struct effects *out);
/** If it is critical and failed for good, and no shutdown has come of that yet: the effect. */
void machine_tell_critical(struct core *core, struct service *s, struct effects *out);
/** Note a bug of ours. */
void machine_bug(struct core *core, const struct service *s, enum event_kind event, const char *what);

/* drive.c */
void core_queue(struct core *core, struct service *s, unsigned int todo);
void core_queue_via(struct core *core, struct service *s, unsigned int todo, enum rule rule, uint32_t other);
void core_mark_dirty(struct core *core, struct service *s);
/** As core_continue(), after what `out` holds already. */
void core_continue_into(struct core *core, usec_t now, struct effects *out);
/** Take a service out of all queues, because it is removed. */
void core_unqueue(struct core *core, struct service *s);
/** Queue what is to be done where a name appeared, vanished, or changed. */
void core_queue_dependents(struct core *core, struct service *s);
/** … and for those that it names: conflicts that it keeps from starting, and those that wait for its end to stop. */
void core_queue_dependencies(struct core *core, struct service *s);
struct effect *effects_add(struct effects *out, enum effect_kind kind, const struct service *s);

/* core.c */
/** Queue the wish that its changed `status` stands for. */
void core_status_changed(struct core *core, struct service *s);

/* graph.c */
/** Index of a name, made if need be; CORE_NONE: no memory. */
uint32_t graph_name(struct core *core, const char *text);
/** Connect a service's dep_names; on -ENOMEM nothing is connected. */
int graph_link(struct core *core, struct service *s);
void graph_unlink(struct core *core, struct service *s);
/** Free a name that nobody uses. */
void graph_release(struct core *core, uint32_t name);
struct service *graph_dep(const struct core *core, const struct service *s, size_t i);
/** The service behind in-edge `i` of this service's name. */
struct service *graph_in(const struct core *core, const struct service *s, size_t i, enum dep_kind *kind);
size_t graph_in_count(const struct core *core, const struct service *s);

/* need.c: what a service waits for */
enum need {
	NEED_NOTHING, /* may start */
	NEED_WAIT,    /* rec.blocked says for what kind */
	NEED_FAILED,  /* a dependency failed for good: *out_dep */
	NEED_MISSING, /* a required name does not exist: *out_dep */
};
/** Dependencies, then conflicts, then ports. `*out_dep`: index in policy.deps. `*out_blocked`: 1 << enum block_kind. */
enum need need_to_start(struct core *core, struct service *s, bool full, uint32_t *out_dep, unsigned int *out_blocked);
/** Must an active dependent be gone before this one is stopped? */
bool need_dependents_gone(struct core *core, struct service *s);
bool need_failed_for_good(const struct service *s);
bool need_satisfied(const struct service *s);
bool need_going_down(const struct service *s);
bool need_active(const struct service *s);
/** The only way to change rec.blocked. */
void need_set_blocked(struct core *core, struct service *s, unsigned int blocked);
void need_take_ports(struct core *core, struct service *s);
void need_release_ports(struct core *core, struct service *s);

static inline struct service *core_get(const struct core *core, uint32_t id)
{
	return id < core->services_cap ? core->services[id] : NULL;
}

#endif
