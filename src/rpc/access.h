/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may do what: the peer's credentials × the class of the method × the service, by the rules of `[server] allow`.
 * Pure decisions; nothing is looked up here.
 *
 * Root and the user that the server runs as may do everything. Anybody else may do what a rule gives: a rule names a uid,
 * a gid or both, classes of methods, and patterns of services (none: all). CONTROL includes READ, ADMIN includes both.
 * A method that is about no single service and changes something needs a rule for all services; one that
 * only reads needs any rule, and shows the services that the caller may see.
 */
#ifndef RPC_ACCESS_H
#define RPC_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "config/server_settings.h"

enum access_class {
	ACCESS_READ,    /* looks: states, configurations, lines, events */
	ACCESS_CONTROL, /* starts, stops, signals what is configured */
	ACCESS_ADMIN,   /* changes what is configured, or ends the server */
	ACCESS_CLASS_N
};

struct access_peer {
	uid_t uid;
	const gid_t *gids; /* all of its groups */
	size_t gids_n;
	pid_t pid;
};

/** The service that a call is about. */
struct access_service {
	const char *name;
	const char *const *tags; /* ends with NULL; NULL: none */
};

/** "read", "control", "admin". */
const char *access_class_name(enum access_class class);

/**
 * May `peer` use methods of `class` on `service` (NULL: the method is about no single service)? `owner` is the server's uid.
 */
bool access_allows(const struct allow_rules *rules, uid_t owner, const struct access_peer *peer, enum access_class class,
		   const struct access_service *service);

#endif
