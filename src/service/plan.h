/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What would happen if: changes and requests are tried on a copy of the core, in a world where all goes well (what is spawned
 * comes up and becomes ready, what is stopped ends, oneshots end well). So a plan follows the very rules that the real core
 * follows afterwards. The real core is only read.
 *
 * What is under way already when the plan is made is taken as done, and is no part of the plan.
 */
#ifndef SERVICE_PLAN_H
#define SERVICE_PLAN_H

#include "service/core.h"
#include "service/why.h"

enum plan_change_kind {
	PLAN_START,
	PLAN_STOP,
	PLAN_RESTART,
	PLAN_EXIT,     /* it ends by itself, with `code` */
	PLAN_KILL,     /* its process is killed, by `uid` */
	PLAN_RELOAD,   /* it is told to read its own files again: nothing of the services changes */
	PLAN_ADD,      /* `policy`; it does then what its `status` says */
	PLAN_UPDATE,   /* `policy`; with `restart`: an active one gets it when its process is gone, and starts again; else it is live */
	PLAN_REMOVE,   /* stopped if need be, then forgotten */
	PLAN_SHUTDOWN, /* the whole server; no name */
	PLAN_CHANGE_N
};

struct plan_change {
	enum plan_change_kind kind;
	const char *name;
	const struct service_policy *policy;
	bool restart;
	bool start; /* PLAN_UPDATE of one that is at rest: it is started */
	bool tree; /* PLAN_START: as in struct core_event */
	int code;
	uint32_t uid;
};

enum plan_action {
	PLAN_ADDS,
	PLAN_UPDATES,
	PLAN_REMOVES,
	PLAN_STARTS,
	PLAN_STOPS,
	PLAN_ENDS,  /* by itself */
	PLAN_FAILS, /* can't start */
	PLAN_WAITS, /* is blocked in the end */
	PLAN_ACTION_N
};

struct plan_step {
	enum plan_action action;
	uint32_t id;
	const char *name;        /* lives as long as the plan and the core that it was made from */
	char reason[WHY_TEXT_MAX]; /* a sentence without a full stop; empty for PLAN_ADDS … PLAN_REMOVES */
};

struct plan {
	struct plan_step *steps; /* in order; those that need not wait for each other are neighbours */
	size_t n, cap;
	struct core *after; /* how things stand then */
};

/**
 * Try `changes`, all at once, in this order. On success `*out` is the caller's, to be given to plan_fini().
 *
 * Returns 0, -ENOENT (no such service), -EEXIST (PLAN_ADD of a name that exists), -ELOOP (a cycle; `err` names the chain),
 * -ESHUTDOWN, -ENOMEM.
 */
int plan_make(const struct core *core, const struct plan_change *changes, size_t n, usec_t now, struct plan *out,
	      struct error *err);
void plan_fini(struct plan *plan);

/** "stop:NAME", "start:", "restart:", "remove:", "exit:NAME" (code 1), "kill:NAME" (SIGKILL), "reload:NAME", "shutdown". `name` points into `text`. -EINVAL: none. */
int plan_parse(const char *text, struct plan_change *out, struct error *err);
/** "adds", "starts", … */
const char *plan_action_name(enum plan_action action);

#endif
