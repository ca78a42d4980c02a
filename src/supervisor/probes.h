/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The health checks of a unit: what ties its configuration, process/health and the core's events together. A unit has a
 * `struct probes` from its first run with checks on; while a run is being checked it has a health object too.
 *
 *	probes.c         the glue, and what status shows
 *	probes_worker.c  the zinit-prober process
 *	probes_exec.c    commands
 *	probes_notify.c  NOTIFY_SOCKET, and the descriptor that gets a newline
 *	probes_log.c     a pattern in the output
 */
#ifndef SUPERVISOR_PROBES_H
#define SUPERVISOR_PROBES_H

#include "process/health.h"
#include "process/notify.h"
#include "supervisor/internal.h"

/* As many as struct saved has bits for. */
#define PROBES_CHECKS_MAX 16
/* "/run/zinit-notify/4194304/" and a name; sun_path has 108. */
#define PROBES_PATH_SIZE 108

/* A check that waits for a line of the log. */
struct probes_log_watch {
	struct list node;
	struct probes *probes;
	size_t check;
	struct query_filter *filter;
	struct log_follow *follow;
};

struct probes {
	struct unit *unit;
	uint64_t run;          /* that is being checked; of the last one when `health` is NULL */
	struct health *health; /* NULL: no run is being checked */
	uint32_t swept;        /* exec checks, by index, that found what an earlier server may have left of them */
	char *output;          /* of the last exec probe that failed; NULL: none */
	size_t output_check;   /* which check that was of */
	struct probe_result *last; /* without a health object: the failure that the last run ended with; NULL: none */
	size_t last_check; /* whose failure that was */
	unsigned int last_attempts;
	struct health_counts *counts; /* of each check of the configuration, over runs; NULL: no memory, or none ran yet */
	size_t counts_n;

	int notify_fd; /* -1: none. Kept over runs and, by the keeper, over servers */
	uint32_t notify_slot;
	struct loop_io *notify_io;
	bool refused; /* said already that a stranger's message was refused */
	char status_text[NOTIFY_STATUS_SIZE];

	int ready_fd; /* read end for a newline; -1: none */
	uint32_t ready_slot;
	uint64_t ready_run;
	struct loop_io *ready_io;

	struct list log_watches;
};

/* probes.c */
/** Index of the first check of a type, notify told apart by having a descriptor; SIZE_MAX: none. */
size_t probes_find(const struct unit *unit, enum config_health_type type, bool with_fd);

/* probes_exec.c */
/** health_env.exec: `data` is the struct probes. */
struct probe *probes_exec(const void *command, usec_t timeout, probe_fn fn, void *fn_data, void *data);

/* probes_notify.c */
/** Watch what the run's readiness descriptors say; they were made before its spawn, or by an earlier server. */
void probes_notify_start(struct probes *p);
void probes_notify_stop(struct probes *p);
/** Close what is open. `forget`: for good, so the keeper lets go and the socket's path is removed. */
void probes_notify_fini(struct probes *p, bool forget);
/** "fd:N" of a notify check, or 0: it has none. */
int probes_notify_number(const struct health_config *config);

/* probes_log.c */
void probes_log_start(struct probes *p, size_t check);
void probes_log_stop(struct probes *p);

#endif
