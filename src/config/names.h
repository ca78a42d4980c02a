/* SPDX-License-Identifier: Apache-2.0 */
/* Names that the kernel gives numbers to: resource limits, signals, capabilities. */
#ifndef CONFIG_NAMES_H
#define CONFIG_NAMES_H

#include <stddef.h>

/* Room for "SIGRTMIN+30" and the NUL. */
#define SIGNAL_NAME_SIZE 16

/** Resources by name ("nofile" = RLIMIT_NOFILE …), for rlimits. */
struct rlimit_name {
	const char *name;
	int resource;
};

extern const struct rlimit_name rlimit_names[];
extern const size_t rlimit_names_n;

/** The canonical name ("CAP_NET_RAW") of a capability in any case, with or without "CAP_"; NULL: unknown. Static. */
const char *capability_name(const char *name);
/** Write "SIGTERM", "SIGRTMIN+3" … of a number that config_signal_from_name() knows. */
void config_signal_name(int signo, char out[SIGNAL_NAME_SIZE]);
/** The nearest signal name to a mistyped one, or NULL. Static. */
const char *signal_nearest(const char *name);
/** The nearest capability name, or NULL. Static. */
const char *capability_nearest(const char *name);

#endif
