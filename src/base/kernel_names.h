/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that the kernel gives numbers to: signals, resource limits, capabilities. libc has no such tables, or has them
 * with names that differ between libcs. All look-ups take any letter case and the name with or without its prefix; what
 * is given out is canonical and static.
 */
#ifndef BASE_KERNEL_NAMES_H
#define BASE_KERNEL_NAMES_H

#include "base/error.h"

/* "SIGRTMIN+30" and NUL, with room for any int */
#define SIGNAL_NAME_SIZE 16

/**
 * Number of a signal: "SIGTERM", "term", "15", "IOT", "RTMIN+3", "SIGRTMAX-1". Returns 1..64, never one that libc keeps
 * for itself (32 and 33 with glibc), or -EINVAL with `err` naming the near ones.
 */
int signal_from_name(const char *name, struct error *err);
/** "SIGTERM", "SIGRTMIN+3", or the bare number where it has no name. */
void signal_name(int signo, char out[SIGNAL_NAME_SIZE]);
/** The signal ("SIGTERM") that a mistyped name ("trem") may have meant, or NULL. */
const char *signal_nearest(const char *name);

/** RLIMIT_x of "nofile" or "RLIMIT_NOFILE", or -EINVAL with `err` naming the nearest. */
int rlimit_from_name(const char *name, struct error *err);
/** "nofile", or NULL. */
const char *rlimit_name(int resource);
/** The limit ("nofile") that a mistyped name may have meant, or NULL. */
const char *rlimit_nearest(const char *name);

/** Number of "CAP_NET_RAW" or "net_raw", or -EINVAL with `err` naming the nearest. */
int capability_from_name(const char *name, struct error *err);
/** "CAP_NET_RAW", or NULL for a number without a name, negative ones too. */
const char *capability_name(int capability);
/** The capability ("CAP_NET_RAW") that a mistyped name may have meant, or NULL. */
const char *capability_nearest(const char *name);

#endif
