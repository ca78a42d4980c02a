/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps: what happens in the cells of the table of states and events (machine.c). A step looks at one service only,
 * changes its record, appends effects, and returns the next state; for the queue (drive.c) it notes what neighbours have
 * to learn. It never looks at a clock and never allocates.
 *
 * step.c has the parts that steps of several states are made of; step_rest.c, step_active.c and step_stopping.c have the
 * steps of the states that they are named after, each called by machine.c alone.
 */
#ifndef SERVICE_STEPS_H
#define SERVICE_STEPS_H

#include "service/core_internal.h"

/** The state that it is in. */
enum service_state step_here(const struct step *st);
/** Is the flag, or one of them, set in its record? */
bool step_has(const struct step *st, enum record_flag flag);
/** Set or clear a flag of its record. */
void step_set_flag(struct step *st, enum record_flag flag, bool on);
/** Append an effect that says no more than its kind. */
void step_effect(struct step *st, enum effect_kind kind);
/** Tell of the transition from `from`, with its cause; `from` is the present state where only the cause is news. */
void step_announce(struct step *st, enum service_state from);
/** Its one timer, which replaces the one that ran. */
void step_arm(struct step *st, enum timer_kind kind, usec_t deadline);
/** No timer. */
void step_disarm(struct step *st);
/** The timer of stop_timeout_ms; none if that is 0. */
void step_arm_stop(struct step *st);
/** The transition has this rule as its cause; `other` is the service that it came from, or CORE_NONE. */
void step_because(struct step *st, enum rule rule, uint32_t other);
/** The transition follows from the wish: whoever wished is its cause. */
void step_because_of_wish(struct step *st);
/** What is wanted from now on, for the cause of this transition. */
void step_set_wish(struct step *st, enum service_wish wish);
/** True while everything shuts down: -ESHUTDOWN is the result then. */
bool step_refused(struct step *st);
/** Nothing to do: -EALREADY. */
enum service_state step_already(struct step *st);
/** The answer to something that is over: -ESTALE. */
enum service_state step_too_late(struct step *st);
/** Nothing to do. */
enum service_state step_stay(struct step *st);
/** Did anything but a request ask? */
bool step_automatic(const struct step *st);
/** Somebody wants it up: count from zero, and see to what it requires. */
void step_come_up(struct step *st);
/** The main process has ended: how, on record. */
void step_note_exit(struct step *st);
/** What the exit on record is, by the policy. */
enum failure step_exit_failure(const struct step *st);
/** It is to be started again at this time. */
void step_restart_at(struct step *st, usec_t at);
/** Nothing (that we wait for) is left of the run. Returns failed or exited; a restart may be armed. */
enum service_state step_finish(struct step *st, enum failure failure);
/** End its health checks, if they were begun. */
void step_stop_probes(struct step *st);
/** Ask it to stop; it is `failure` that it will end with. */
enum service_state step_begin_stop(struct step *st, enum failure failure);
/** SIGKILL to all of it. */
void step_kill_all(struct step *st);
/** The time for stopping is over. */
enum service_state step_begin_kill(struct step *st);
/** Run its post_stop commands. */
enum service_state step_begin_post_stop(struct step *st);
/** The main process is gone already, and others of the service live on: they go now. */
enum service_state step_stop_leftovers(struct step *st);
/** Taken back where no main process runs. */
void step_wish_down_at_rest(struct step *st);
/** Somebody sends it a signal: remembered, as the cause of an end that may follow. */
enum service_state step_kill_asked(struct step *st);

/* step_rest.c: inactive, exited, failed; blocked */
enum service_state rest_start(struct step *st);
enum service_state rest_loaded(struct step *st);
enum service_state rest_stop(struct step *st);
enum service_state rest_check(struct step *st);
enum service_state rest_timer(struct step *st);
enum service_state rest_gone(struct step *st);
enum service_state rest_spawned(struct step *st);
/** What it requires has failed for good. */
enum service_state fail_for_dependency(struct step *st, enum need need, uint32_t dep);
enum service_state blocked_check(struct step *st);
enum service_state blocked_filters(struct step *st);
enum service_state blocked_timer(struct step *st);
enum service_state blocked_start(struct step *st);
enum service_state blocked_stop(struct step *st);

/* step_active.c: starting, running */
enum service_state active_start(struct step *st);
enum service_state active_stop(struct step *st);
enum service_state active_restart(struct step *st);
enum service_state active_check(struct step *st);
enum service_state active_exited(struct step *st);
enum service_state active_timer(struct step *st);
enum service_state starting_pre_start_done(struct step *st);
enum service_state starting_pre_start_failed(struct step *st);
enum service_state starting_spawned(struct step *st);
enum service_state starting_spawn_failed(struct step *st);
enum service_state starting_ready(struct step *st);
enum service_state starting_health(struct step *st);
enum service_state running_health(struct step *st);

/* step_stopping.c: stopping */
enum service_state stopping_start(struct step *st);
enum service_state stopping_stop(struct step *st);
enum service_state stopping_spawned(struct step *st);
enum service_state stopping_spawn_failed(struct step *st);
enum service_state stopping_exited(struct step *st);
enum service_state stopping_gone(struct step *st);
enum service_state stopping_survivors(struct step *st);
enum service_state stopping_post_stop_done(struct step *st);
enum service_state stopping_timer(struct step *st);

#endif
