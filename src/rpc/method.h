/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a method is, and what its handler may do. The table itself is methods.c; dispatch, parameter checks, access and
 * rpc.discover are derived from it.
 */
#ifndef RPC_METHOD_H
#define RPC_METHOD_H

#include <jansson.h>
#include <stddef.h>

#include "base/list.h"
#include "rpc/access.h"
#include "rpc/json_out.h"
#include "rpc/params.h"
#include "rpc/rpc_error.h"
#include "supervisor/supervisor.h"

struct rpc_server;
struct rpc_conn;
struct rpc_batch;
struct rpc_method;

/** One request that is being answered. */
struct rpc_call {
	struct rpc_server *server;
	struct rpc_conn *conn;
	const struct rpc_method *method;
	json_t *id;     /* NULL: a notification, nothing is answered */
	json_t *params; /* checked */
	struct rpc_batch *batch; /* it is part of, or NULL */
	struct list node;        /* in the connection's list of calls that are answered later */
	void (*cancel)(struct rpc_call *call); /* the connection ends: forget the call; it is freed right after */
	/* Another server takes over: what it needs to go on, as {KIND: …} (hand_over.c). NULL: it calls the handler again. */
	json_t *(*save)(const struct rpc_call *call);
	const json_t *saved; /* what `save` of an earlier server gave; NULL: a new call */
	void *later;             /* for the one who answers later */
};

enum rpc_outcome {
	RPC_FAILED = -1, /* `err` says why; what was written to `out` is dropped */
	RPC_DONE = 0,    /* the result was written to `out` */
	RPC_LATER = 1,   /* rpc_call_*() will be called; `out` is not used. `cancel` has been set */
};

/** Answers one call: writes exactly one JSON value to `out`, or fills `err`, or keeps `call` for later. */
typedef enum rpc_outcome (*rpc_handler_fn)(struct rpc_call *call, struct json_out *out, struct rpc_error *err);

struct rpc_method {
	const char *name;
	const struct rpc_param *params;
	size_t params_n;
	const char *result; /* name of a schema in schemas.c */
	enum access_class access;
	rpc_handler_fn handler;
	const char *since;
	const char *doc;
};

/** The table. */
const struct rpc_method *rpc_methods(size_t *out_n);
/** A row by its name, or NULL. */
const struct rpc_method *rpc_method_find(const char *name);

/** Write the schemas of results, and what they are made of, as an object by name. */
void rpc_schemas_write(struct json_out *out);

/* --- for handlers ----------------------------------------------------------------------------- */

struct supervisor *rpc_call_supervisor(const struct rpc_call *call);
/** Who asks, for the supervisor. */
struct actor rpc_call_actor(const struct rpc_call *call);
/** May the caller see the service `name` in a list? */
bool rpc_call_sees(const struct rpc_call *call, uint32_t id);
/** May the caller use methods of this call's class on it? For methods that touch several services. */
bool rpc_call_may(const struct rpc_call *call, uint32_t id);
/** The id of the service that parameter "name" names, or CORE_NONE with `err` filled. */
uint32_t rpc_call_service(const struct rpc_call *call, struct rpc_error *err);
/** Fill `err` for a service that does not exist, with the nearest name as a hint. Returns RPC_FAILED. */
enum rpc_outcome rpc_no_service(const struct rpc_call *call, const char *name, struct rpc_error *err);

/** Refuse a call that is about `name` (NULL: about no single service): audits it and fills `err`. Returns RPC_FAILED. */
enum rpc_outcome rpc_no_access(const struct rpc_call *call, const char *name, struct rpc_error *err);

/** Begin the answer to a call that was kept (RPC_LATER): write one value to *out, then rpc_call_end(). */
void rpc_call_begin(struct rpc_call *call, struct json_out *out);
/** The value is written: send it. The call is freed. */
void rpc_call_end(struct rpc_call *call);
/** Answer a kept call with an error. The call is freed. */
void rpc_call_fail(struct rpc_call *call, const struct rpc_error *err);

struct problems;
/** Fill `err` with all problems of a configuration. Returns RPC_FAILED. */
enum rpc_outcome config_problems(const struct problems *problems, struct rpc_error *err);

/* --- handlers, by area ------------------------------------------------------------------------- */

#define RPC_HANDLER(name) enum rpc_outcome name(struct rpc_call *call, struct json_out *out, struct rpc_error *err)

/* methods_system.c */
RPC_HANDLER(rpc_system_ping);
RPC_HANDLER(rpc_system_info);
RPC_HANDLER(rpc_system_shutdown);
RPC_HANDLER(rpc_system_reboot);
RPC_HANDLER(rpc_system_prepare_restart);
/* methods_metrics.c */
RPC_HANDLER(rpc_system_metrics);
RPC_HANDLER(rpc_system_upgrade);
/** Answers rpc_system_upgrade() in the server that came next. */
RPC_HANDLER(rpc_system_upgraded);
/* discover.c */
RPC_HANDLER(rpc_discover);
/* methods_look.c */
RPC_HANDLER(rpc_service_list);
RPC_HANDLER(rpc_service_list_full);
RPC_HANDLER(rpc_service_table); /* methods_table.c */
RPC_HANDLER(rpc_service_status);
RPC_HANDLER(rpc_service_status_full);
RPC_HANDLER(rpc_service_stats);
RPC_HANDLER(rpc_service_children);
RPC_HANDLER(rpc_service_is_running);
RPC_HANDLER(rpc_service_why);
RPC_HANDLER(rpc_service_tree);
RPC_HANDLER(rpc_service_get);
/* methods_control.c */
RPC_HANDLER(rpc_service_start);
RPC_HANDLER(rpc_service_stop);
RPC_HANDLER(rpc_service_restart);
RPC_HANDLER(rpc_service_kill);
RPC_HANDLER(rpc_service_wait);
RPC_HANDLER(rpc_service_start_all);
RPC_HANDLER(rpc_service_stop_all);
/* methods_config.c */
RPC_HANDLER(rpc_service_add);
RPC_HANDLER(rpc_service_register);
RPC_HANDLER(rpc_service_monitor);
RPC_HANDLER(rpc_service_set);
RPC_HANDLER(rpc_service_delete);
RPC_HANDLER(rpc_service_delete_all);
/* methods_plan.c */
RPC_HANDLER(rpc_service_preview);
RPC_HANDLER(rpc_config_plan);
RPC_HANDLER(rpc_config_apply);
RPC_HANDLER(rpc_service_reload);
/* methods_logs.c */
RPC_HANDLER(rpc_logs_get);
RPC_HANDLER(rpc_logs_tail);
RPC_HANDLER(rpc_logs_filter);
RPC_HANDLER(rpc_logs_query);
/* methods_log_stats.c */
RPC_HANDLER(rpc_logs_stats);
/* methods_incident.c */
RPC_HANDLER(rpc_incident_list);
RPC_HANDLER(rpc_incident_show);
/* methods_ship.c */
RPC_HANDLER(rpc_ship_status);
/* methods_probe.c */
RPC_HANDLER(rpc_ship_probe);
/* methods_debug.c */
RPC_HANDLER(rpc_debug_state);
RPC_HANDLER(rpc_debug_process_tree);
/* methods_classic.c */
RPC_HANDLER(rpc_classic_list);
RPC_HANDLER(rpc_classic_status);
RPC_HANDLER(rpc_classic_start);
RPC_HANDLER(rpc_classic_stop);
RPC_HANDLER(rpc_classic_kill);
RPC_HANDLER(rpc_classic_logs);
RPC_HANDLER(rpc_classic_shutdown);
/* methods_classic_config.c */
RPC_HANDLER(rpc_classic_create);
RPC_HANDLER(rpc_classic_monitor);
RPC_HANDLER(rpc_classic_forget);
RPC_HANDLER(rpc_classic_delete);
RPC_HANDLER(rpc_classic_stats);
/* stream_logs.c, stream_events.c */
RPC_HANDLER(rpc_logs_follow);
RPC_HANDLER(rpc_classic_follow);
RPC_HANDLER(rpc_events_subscribe);
RPC_HANDLER(rpc_subscription_end);

#endif
