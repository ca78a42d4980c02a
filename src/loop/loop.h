/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop: epoll, timers, signals and deferred calls, in one thread.
 *
 * Order of a round: descriptors (signals among them), then timers that are due, then deferred calls. So signs
 * of life (output, exits) are seen before the time-outs that would punish their absence.
 *
 * A callback may free its own source, or any other: an event that the kernel reported for a source that is
 * gone by then is dropped. Callbacks must not block. Time stands still within a callback: loop_now().
 * Nothing in here exits or aborts; calls that need memory or a kernel object return negative errno.
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

struct loop;
struct loop_io;
struct loop_timer;
struct signalfd_siginfo;

/** `events`: EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR … as epoll_ctl(2) reports them. */
typedef void (*loop_io_fn)(struct loop_io *io, uint32_t events, void *data);
typedef void (*loop_timer_fn)(struct loop_timer *timer, void *data);
typedef void (*loop_defer_fn)(void *data);
typedef void (*loop_signal_fn)(const struct signalfd_siginfo *info, void *data);

/** A new loop, or NULL with errno set. */
struct loop *loop_new(void);
/** Free the loop; sources that were not freed before are freed too (descriptors stay open). NULL is fine. */
void loop_free(struct loop *loop);

/** CLOCK_BOOTTIME of this round, microseconds. */
usec_t loop_now(const struct loop *loop);
/** Run until loop_quit(). Returns its code, or negative errno if epoll itself fails. */
int loop_run(struct loop *loop);
/** One round: wait at most `timeout` microseconds (USEC_NEVER: until something happens). Returns 0 or negative errno. */
int loop_once(struct loop *loop, usec_t timeout);
/** Make loop_run() return `code` at the end of this round. */
void loop_quit(struct loop *loop, int code);

/**
 * Watch `fd` (stays the caller's; close it after loop_io_free()) for `events` (EPOLLIN | EPOLLOUT …; EPOLLET is allowed).
 * Returns the source, or NULL with errno set (EPERM: regular files can't be watched).
 */
struct loop_io *loop_io_new(struct loop *loop, int fd, uint32_t events, loop_io_fn fn, void *data);
/** Change the events. Returns 0 or negative errno. */
int loop_io_set(struct loop_io *io, uint32_t events);
int loop_io_fd(const struct loop_io *io);
/** Stop watching and free; NULL is fine. Must be called while the descriptor is still open. */
void loop_io_free(struct loop_io *io);

/** A timer that is not armed. NULL with errno set if memory is gone. */
struct loop_timer *loop_timer_new(struct loop *loop, loop_timer_fn fn, void *data);
/** Fire once at `deadline` (CLOCK_BOOTTIME, see loop_now()); replaces an earlier deadline. Never fails. USEC_NEVER disarms. */
void loop_timer_arm(struct loop_timer *timer, usec_t deadline);
void loop_timer_disarm(struct loop_timer *timer);
/** The deadline, or USEC_NEVER when it is not armed. */
usec_t loop_timer_deadline(const struct loop_timer *timer);
/** Disarm and free; NULL is fine. */
void loop_timer_free(struct loop_timer *timer);

/** Call `fn(data)` once at the end of this round. Returns 0 or -ENOMEM. */
int loop_defer(struct loop *loop, loop_defer_fn fn, void *data);
/** Take back the deferred calls `fn(data)` that have not begun: `data` goes. */
void loop_undefer(struct loop *loop, loop_defer_fn fn, const void *data);

/**
 * Block the signals of `set` in this thread and hand them to `fn`. One set per loop; call it before other threads start,
 * so that they inherit the mask. Returns 0 or negative errno.
 */
int loop_signals(struct loop *loop, const sigset_t *set, loop_signal_fn fn, void *data);

#endif
